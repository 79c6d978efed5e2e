//! `[trace]`: whether there are traces, and of how many requests.

use figment::value::Value;
use hyper::Uri;

use super::Reader;
use crate::{
    config::{
        address, keys,
        parse::{self, Misfit, Parsed},
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

/// From 0 to 1.
fn share(value: &Value) -> Parsed<f64> {
    let number = match value {
        Value::String(_, text) => text.strip_suffix('%'),
        _ => return Err(Misfit::hint("in quotes and with its unit")),
    };
    let is_plain = |text: &&str| {
        text.bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.')
    };
    let number = number
        .filter(is_plain)
        .and_then(|text| text.parse::<f64>().ok());
    match number {
        Some(percent) if percent <= 100.0 => Ok(percent / 100.0),
        _ => Err(Misfit::default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_has_its_unit() {
        for (text, expected) in [("0%", 0.0), ("100%", 1.0), ("0.1%", 0.001), ("5%", 0.05)] {
            let parsed = share(&Value::from(text)).unwrap();
            assert!((parsed - expected).abs() < 1e-9, "{text}: {parsed}");
        }
        for text in [
            "", "%", "1", "101%", "-1%", "nan%", "inf%", "1e1%", "1 %", ".",
        ] {
            assert!(share(&Value::from(text)).is_err(), "{text}");
        }
        assert!(share(&Value::from(1)).is_err());
    }

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
