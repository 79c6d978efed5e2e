//! The keys of this proxy's own clients: who they are, which models they may use, and how much of everything.
//!
//! A key is known by its SHA-256 alone; the key itself is kept nowhere. Limits are shared by all threads: one short lock
//! a key and request, and none for whoever has no limit. With a [`fleet`](crate::fleet) they are shared by all replicas.

mod bucket;
mod client;
mod hash;
mod held;
mod refusal;
mod ring;
mod settings;
mod shared;

pub use client::{Client, Rate, Standing};
pub use hash::{Hash, new_key};
pub use held::{Permit, Reserved, estimate};
pub use refusal::shown;
pub use ring::Ring;
pub use settings::{Entry, Limits, MOST_KEYS};
