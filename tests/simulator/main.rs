//! The simulated FoxAPI, over real sockets.

#[cfg(test)]
mod answers;
#[cfg(test)]
mod endpoints;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod journal;
#[cfg(test)]
mod streams;
#[cfg(test)]
mod wire;
