//! The upstream's words: what FoxAPI's task API says and is told (CONTRACT.md, sections 1 to 6).

pub mod paths;
