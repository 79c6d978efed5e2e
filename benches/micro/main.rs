//! What the single steps of a request cost, in time and in allocations: `cargo bench -p foxbridge-bench`.
//!
//! The allocations stand below each time, as count and as bytes for one round: a request, or a stream of 100 chunks.

mod chunks;
mod request;
mod through;

use divan::AllocProfiler;

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

/// foxbridge's settings as they ship.
///
/// # Panics
/// When they are faulty, which foxbridge's own tests rule out.
#[expect(clippy::expect_used, reason = "a bench fails by panicking")]
fn settings(flags: &[(&str, &str)]) -> foxbridge::config::Config {
    use foxbridge::config::{File, Flag, Sources, load};
    let flags = flags.iter().map(|&(key, value)| Flag {
        name: "--set",
        key: key.into(),
        value: Some(value.into()),
    });
    let sources = Sources {
        file: File::None,
        environment: Vec::new(),
        flags: flags.collect(),
    };
    load(&sources).expect("settings without fault").config
}
