use std::time::Duration;

use opentelemetry::{InstrumentationScope, Key, KeyValue};
use opentelemetry_otlp::{Protocol, SpanExporter as Otlp, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{Resource, trace::SpanExporter};
use tokio::time::Instant;

use super::{
    Settings,
    post::Post,
    spans::{self, Ended},
};
use crate::upstream::{self, Connector};

/// How often it is said that spans are lost.
const COMPLAINT: Duration = Duration::from_secs(60);
/// One batch, with what is sent again because the collector asks for it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why no traces can be sent, ever.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    #[error(transparent)]
    Trust(#[from] upstream::Setup),
    #[error("trace.endpoint: traces cannot be sent as the OTEL_EXPORTER_OTLP_* variables ask: {0}")]
    Environment(String),
}

/// Sends batches, and says what was lost.
pub(super) struct Exporter {
    otlp: Otlp,
    post: Post,
    scope: InstrumentationScope,
    lost: u64,
    cause: String,
    complained: Option<Instant>,
}

impl Exporter {
    pub(super) fn new(
        settings: &Settings,
        upstream: &upstream::Settings,
    ) -> Result<Self, Unusable> {
        let post = Post::new(Connector::trusting(upstream)?);
        let endpoint = settings.endpoint.to_string();
        let mut otlp = Otlp::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
            .with_timeout(PATIENCE)
            .with_http_client(post.clone())
            .build()
            .map_err(|error| Unusable::Environment(error.to_string()))?;
        otlp.set_resource(&resource());
        let scope = InstrumentationScope::builder("foxbridge")
            .with_version(env!("CARGO_PKG_VERSION"))
            .build();
        Ok(Self {
            otlp,
            post,
            scope,
            lost: 0,
            cause: String::new(),
            complained: None,
        })
    }

    /// Sends a batch; `lost` requests found no room in the queue.
    pub(super) async fn send(&mut self, batch: Vec<Ended>, lost: u64) {
        if lost > 0 {
            self.lose(lost, "more requests ended than the collector took".into());
        }
        let requests = batch.len() as u64;
        let spans: Vec<_> = batch
            .into_iter()
            .flat_map(|ended| spans::of(ended, &self.scope))
            .collect();
        if !spans.is_empty()
            && let Err(error) = self.otlp.export(spans).await
        {
            let cause = self.post.trouble();
            self.lose(requests, cause.unwrap_or_else(|| error.to_string()));
        }
        if self
            .complained
            .is_none_or(|complained| complained.elapsed() >= COMPLAINT)
        {
            self.tell_losses();
        }
    }

    fn lose(&mut self, requests: u64, cause: String) {
        self.lost += requests;
        self.cause = cause;
    }

    pub(super) fn tell_losses(&mut self) {
        if self.lost > 0 {
            tracing::warn!(
                requests = self.lost,
                cause = self.cause,
                "traces are lost: the collector does not take them ('trace.endpoint')"
            );
            self.lost = 0;
            self.complained = Some(Instant::now());
        }
    }
}

/// Who sends. `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` say more, and may give another name.
fn resource() -> Resource {
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let builder = Resource::builder().with_attribute(version);
    let given = Resource::builder().build();
    let name = given.get(&Key::from_static_str("service.name"));
    match name.is_some_and(|name| !name.as_str().starts_with("unknown_service")) {
        true => builder.build(),
        false => builder.with_service_name("foxbridge").build(),
    }
}
