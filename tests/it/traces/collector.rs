//! A collector of traces: takes what OTLP says over HTTP, and keeps it.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{HeaderMap, Request, Response, StatusCode, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1::Span,
};
use prost::Message;
use tokio::{net::TcpListener, sync::watch};

use crate::harness::within;

/// What has come so far.
#[derive(Clone, Default)]
pub(super) struct Received {
    pub(super) spans: Vec<Seen>,
    pub(super) exports: usize,
    /// Every byte of every export, for what must not be in them.
    pub(super) bytes: Vec<u8>,
    pub(super) resource: HashMap<String, String>,
}

/// A span, its attributes as text.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) span: Span,
    pub(super) attributes: HashMap<String, String>,
}

pub(super) struct Collector {
    pub(super) endpoint: String,
    received: Arc<watch::Sender<Received>>,
}

impl Collector {
    pub(super) async fn start() -> Self {
        Self::refusing(0).await
    }

    /// The first exports are refused, to be sent again.
    pub(super) async fn refusing(refusals: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let received = Arc::new(watch::Sender::new(Received::default()));
        let receiving = received.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let receiving = receiving.clone();
                let service = service_fn(move |request| take(request, receiving.clone(), refusals));
                tokio::spawn(async move {
                    let builder = Builder::new(TokioExecutor::new());
                    builder
                        .serve_connection(TokioIo::new(stream), service)
                        .await
                });
            }
        });
        Self { endpoint, received }
    }

    pub(super) fn received(&self) -> Received {
        self.received.borrow().clone()
    }

    /// What has come when so many requests were told of.
    pub(super) async fn requests(&self, count: usize) -> Received {
        let mut changes = self.received.subscribe();
        let enough = |received: &Received| received.requests().len() >= count;
        let received = within("the spans come", changes.wait_for(enough)).await;
        received.unwrap().clone()
    }

    /// The only request, and its steps.
    pub(super) async fn request(&self) -> (Seen, Vec<Seen>) {
        let received = self.requests(1).await;
        let requests = received.requests();
        assert_eq!(requests.len(), 1, "{requests:#?}");
        (requests[0].clone(), received.steps())
    }
}

impl Received {
    /// The spans of whole requests.
    pub(super) fn requests(&self) -> Vec<Seen> {
        // SPAN_KIND_SERVER
        let spans = self.spans.iter().filter(|seen| seen.span.kind == 2);
        spans.cloned().collect()
    }

    pub(super) fn steps(&self) -> Vec<Seen> {
        let spans = self.spans.iter().filter(|seen| seen.span.kind != 2);
        spans.cloned().collect()
    }
}

impl Seen {
    pub(super) fn get(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("-", String::as_str)
    }

    pub(super) fn trace(&self) -> String {
        hex(&self.span.trace_id)
    }

    /// What `traceparent` says of it.
    pub(super) fn as_parent(&self) -> String {
        format!("00-{}-{}-01", self.trace(), hex(&self.span.span_id))
    }

    pub(super) fn is_failure(&self) -> bool {
        self.span
            .status
            .as_ref()
            .is_some_and(|status| status.code == 2)
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn take(
    request: Request<Incoming>,
    received: Arc<watch::Sender<Received>>,
    refusals: usize,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    assert_eq!(request.uri().path(), "/v1/traces");
    assert_is_protobuf(request.headers());
    let bytes = request.into_body().collect().await?.to_bytes();
    let export = ExportTraceServiceRequest::decode(bytes.clone()).unwrap();
    let mut status = StatusCode::OK;
    received.send_modify(|received| {
        received.exports += 1;
        if received.exports <= refusals {
            status = StatusCode::SERVICE_UNAVAILABLE;
            return;
        }
        received.bytes.extend_from_slice(&bytes);
        for resource_spans in export.resource_spans {
            received.resource = texts(&resource_spans.resource.unwrap().attributes);
            let spans = resource_spans.scope_spans.into_iter();
            for span in spans.flat_map(|scope| scope.spans) {
                let attributes = texts(&span.attributes);
                received.spans.push(Seen { span, attributes });
            }
        }
    });
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    Ok(response)
}

fn assert_is_protobuf(headers: &HeaderMap) {
    assert_eq!(headers["content-type"], "application/x-protobuf");
}

fn texts(attributes: &[KeyValue]) -> HashMap<String, String> {
    let text = |attribute: &KeyValue| {
        let value = attribute.value.clone().unwrap().value.unwrap();
        let value = match value {
            Value::StringValue(text) => text,
            Value::IntValue(number) => number.to_string(),
            Value::DoubleValue(number) => number.to_string(),
            Value::BoolValue(truth) => truth.to_string(),
            other => panic!("{other:?}"),
        };
        (attribute.key.clone(), value)
    };
    attributes.iter().map(text).collect()
}
