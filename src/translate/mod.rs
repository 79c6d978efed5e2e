//! Words into words: the client's request into a submission, the upstream's answer into OpenAI's. Pure.

mod settings;

pub use settings::Settings;
