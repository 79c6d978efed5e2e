//! The client's side: listen, route, one file an endpoint, and replies in OpenAI's shape.

mod settings;

pub use settings::Settings;
