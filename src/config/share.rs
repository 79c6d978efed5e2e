//! Shares of something, as `"20%"`.

use figment::value::Value;

use super::parse::{Misfit, Parsed};

/// From 0 to 1.
pub(super) fn share(value: &Value) -> Parsed<f64> {
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

/// `None` is "off"; no share at all would be that too, and seldom what is meant.
pub(super) fn share_or_off(value: &Value) -> Parsed<Option<f64>> {
    match value {
        Value::String(_, text) if text == "off" => Ok(None),
        _ => match share(value)? {
            share if share > 0.0 => Ok(Some(share)),
            _ => Err(Misfit::hint("\"off\" if you want none")),
        },
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
        assert_eq!(share_or_off(&"off".into()), Ok(None));
        assert_eq!(share_or_off(&"50%".into()), Ok(Some(0.5)));
        assert!(share_or_off(&"0%".into()).is_err() && share_or_off(&"of".into()).is_err());
    }
}
