//! The program: arguments, configuration, logging, run; and the only exit code.
fn main() {}
