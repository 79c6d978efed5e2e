use std::time::Duration;

use bytes::Bytes;
use hyper::Method;

use super::{Key, Upstream};
use crate::{
    fox::{Failure, paths},
    metrics::Call,
};

/// Why there is no model list.
#[derive(Debug)]
pub enum ModelsError {
    /// The text is for the operator.
    NoReply(String),
    Refused {
        status: u16,
        failure: Option<Failure>,
        retry_after: Option<Duration>,
    },
}

impl Upstream {
    /// `GET /v1/configs/llm_generations_models` (CONTRACT.md, section 4): the models that this key may use.
    pub async fn models(&self, key: &Key) -> Result<Bytes, ModelsError> {
        let no_reply = |error: super::client::NoReply| ModelsError::NoReply(error.cause());
        let target = self.target(paths::MODELS).map_err(no_reply)?;
        let reply = self
            .call(
                Call::Models,
                Self::request(Method::GET, target, key, None, None),
            )
            .await
            .map_err(no_reply)?;
        if reply.status.is_success() {
            return Ok(reply.body);
        }
        Err(ModelsError::Refused {
            status: reply.status.as_u16(),
            failure: reply.failure(key),
            retry_after: reply.retry_after(),
        })
    }

    /// How long a model list may be kept.
    pub fn models_cache(&self) -> Duration {
        self.settings().models_cache
    }
}
