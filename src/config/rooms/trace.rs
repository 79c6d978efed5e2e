//! `[trace]`: whether there are traces, and of how many requests.

use figment::value::Value;
use hyper::Uri;

use super::Reader;
use crate::{
    config::{
        address, keys,
        parse::{self, Misfit, Parsed},
        share::share,
    },
    traces,
};

/// The outer option is empty after a fault, the inner one where nobody set an endpoint.
pub(super) fn traces(reader: &mut Reader<'_>) -> Option<Option<traces::Settings>> {
    let endpoint = reader.optional(&keys::TRACE_ENDPOINT, endpoint);
    let sample = reader.required(&keys::TRACE_SAMPLE, share);
    let (endpoint, sample) = (endpoint?, sample?);
    Some(endpoint.map(|endpoint| traces::Settings { endpoint, sample }))
}

/// Where others ask for the whole path, it is added here.
fn endpoint(value: &Value) -> Parsed<Uri> {
    let given = parse::text(value)?.trim_end_matches('/');
    match given.ends_with("/v1/traces") || given.ends_with("/v1") {
        true => Err(Misfit::hint("leave /v1/traces out, foxbridge adds it")),
        false => address::base_url(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_the_start_of_a_url() {
        for text in ["http://localhost:4318", "https://otel.example/otlp/"] {
            assert!(endpoint(&Value::from(text)).is_ok(), "{text}");
        }
        for text in [
            "",
            "localhost:4318",
            "http://localhost:4318/v1/traces",
            "http://localhost:4318/v1",
            "http://user:secret@localhost",
        ] {
            assert!(endpoint(&Value::from(text)).is_err(), "{text}");
        }
    }
}
