//! The simulated FoxAPI, over real sockets.

mod answers;
mod endpoints;
mod wire;
