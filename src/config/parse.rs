//! From a TOML value to what a setting means. Each function takes one value or says what would help.

use std::{str::FromStr, time::Duration};

use bytesize::ByteSize;
use figment::value::Value;
use secrecy::SecretString;
use tracing_subscriber::filter::{LevelFilter, Targets};

use crate::{
    ledger::{IfDamaged, Store},
    telemetry::Format,
    upstream::Authorities,
};

/// A value that does not fit; the text, where there is one, comes after "expected …".
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Misfit(pub(super) Option<String>);

impl Misfit {
    pub(super) fn hint(text: impl Into<String>) -> Self {
        Self(Some(text.into()))
    }
}

pub(super) type Parsed<T> = Result<T, Misfit>;

const LONGEST: Duration = Duration::from_secs(30 * 24 * 60 * 60);
const LARGEST: u64 = 4 * bytesize::GIB;

pub(super) fn text(value: &Value) -> Parsed<&str> {
    match value {
        Value::String(_, text) => Ok(text),
        _ => Err(Misfit::hint("it must be text in quotes")),
    }
}

pub(super) fn texts(value: &Value) -> Parsed<Vec<&str>> {
    match value {
        Value::Array(_, items) => items.iter().map(text).collect(),
        _ => Err(Misfit::default()),
    }
}

pub(super) fn path(value: &Value) -> Parsed<std::path::PathBuf> {
    match text(value)? {
        "" => Err(Misfit::hint("leave the setting out for none")),
        path => Ok(path.into()),
    }
}

pub(super) fn duration_or_zero(value: &Value) -> Parsed<Duration> {
    let text = unit_text(value, "s")?;
    let duration = humantime::parse_duration(text).map_err(|_| Misfit::default())?;
    match duration {
        duration if duration <= LONGEST => Ok(duration),
        _ => Err(Misfit::default()),
    }
}

pub(super) fn duration(value: &Value) -> Parsed<Duration> {
    match duration_or_zero(value)? {
        Duration::ZERO => Err(Misfit::default()),
        duration => Ok(duration),
    }
}

/// Load balancers cut a connection after 60 s of silence: a later keepalive would never be heard.
pub(super) fn keepalive(value: &Value) -> Parsed<Duration> {
    match duration(value)? {
        keepalive if keepalive < Duration::from_secs(60) => Ok(keepalive),
        _ => Err(Misfit::default()),
    }
}

/// Zero is off.
pub(super) fn optional_keepalive(value: &Value) -> Parsed<Option<Duration>> {
    match duration_or_zero(value)? {
        Duration::ZERO => Ok(None),
        _ => keepalive(value).map(Some),
    }
}

/// Each task that is followed costs memory and upstream calls, for a client that may never come back.
pub(super) fn orphan_grace(value: &Value) -> Parsed<Duration> {
    match duration(value)? {
        grace if grace <= Duration::from_secs(60 * 60) => Ok(grace),
        _ => Err(Misfit::default()),
    }
}

/// Whether a task whose client leaves is followed to its end.
pub(super) fn finishes_orphans(value: &Value) -> Parsed<bool> {
    match text(value)? {
        "stop" => Ok(false),
        "finish" => Ok(true),
        _ => Err(Misfit::default()),
    }
}

pub(super) fn size(value: &Value) -> Parsed<usize> {
    let text = unit_text(value, "MiB")?;
    let ByteSize(bytes) = ByteSize::from_str(text).map_err(|_| Misfit::default())?;
    match usize::try_from(bytes) {
        Ok(size) if (1..=LARGEST).contains(&bytes) => Ok(size),
        _ => Err(Misfit::default()),
    }
}

/// The text of a value with a unit. A bare number is the usual slip, so the answer shows how to write it.
fn unit_text<'v>(value: &'v Value, unit: &str) -> Parsed<&'v str> {
    let bare = |number: &str| {
        Misfit::hint(format!(
            "a bare number has no unit: write \"{number}{unit}\" if that is what you mean"
        ))
    };
    match value {
        Value::Num(..) => {
            let number = integer(value).filter(|number| *number >= 0);
            Err(number.map_or_else(Misfit::default, |number| bare(&number.to_string())))
        }
        Value::String(_, text) if text.parse::<u64>().is_ok() => Err(bare(text)),
        // Zero needs no unit to humantime and a size without a letter is bytes to bytesize: neither is clear.
        Value::String(_, text) if text.ends_with(|c: char| c.is_alphabetic()) => Ok(text),
        _ => Err(Misfit::default()),
    }
}

pub(super) fn tokens(value: &Value) -> Parsed<u32> {
    whole(value, 1, u32::MAX)
}

/// How many of something there may be. Whatever is counted is small or costs a file descriptor, so a million is plenty.
pub(super) fn count(value: &Value) -> Parsed<usize> {
    Ok(whole(value, 1, 1_000_000)? as usize)
}

/// Zero is no limit.
pub(super) fn count_or_zero(value: &Value) -> Parsed<usize> {
    Ok(whole(value, 0, 1_000_000)? as usize)
}

pub(super) fn boolean(value: &Value) -> Parsed<bool> {
    match value {
        Value::Bool(_, truth) => Ok(*truth),
        Value::String(_, text) if text.parse::<bool>().is_ok() => {
            Err(Misfit::hint(format!("without quotes: {text}")))
        }
        _ => Err(Misfit::default()),
    }
}

pub(super) fn authorities(value: &Value) -> Parsed<Authorities> {
    match text(value)? {
        "bundled" => Ok(Authorities::Bundled),
        "system" => Ok(Authorities::System),
        _ => Err(Misfit::default()),
    }
}

pub(super) fn threads(value: &Value) -> Parsed<usize> {
    Ok(whole(value, 1, 1000)? as usize)
}

pub(super) fn retries(value: &Value) -> Parsed<u32> {
    whole(value, 0, 20)
}

pub(super) fn whole(value: &Value, least: u32, most: u32) -> Parsed<u32> {
    if let Value::String(_, text) = value
        && text.parse::<u64>().is_ok()
    {
        return Err(Misfit::hint(format!("without quotes: {text}")));
    }
    match integer(value).and_then(|number| u32::try_from(number).ok()) {
        Some(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(Misfit::default()),
    }
}

/// figment keeps apart numbers that came signed, as from TOML, and those that did not.
pub(super) fn integer(value: &Value) -> Option<i128> {
    let number = value.to_num()?;
    let unsigned = || i128::try_from(number.to_u128()?).ok();
    number.to_i128().or_else(unsigned)
}

/// The key is sent in a header, where nothing else than visible ASCII travels safely.
pub(super) fn api_key(value: &Value) -> Parsed<SecretString> {
    secret(text(value)?)
}

pub(super) fn secret(key: &str) -> Parsed<SecretString> {
    if key.is_empty() {
        return Err(Misfit::hint("it is empty: leave the setting out for none"));
    }
    match key.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(SecretString::from(key)),
        false => Err(Misfit::hint(
            "it has a space, a line break or another character that cannot be sent",
        )),
    }
}

/// A bare word that is no level would be a target at trace: `Targets` takes it, and nothing would be logged.
pub(super) fn log_level(value: &Value) -> Parsed<Targets> {
    let text = text(value)?;
    for directive in text.split(',') {
        let level = match directive.split_once('=') {
            Some(("", _)) => return Err(Misfit::default()),
            Some((_, level)) => level,
            None => directive,
        };
        let is_word = level.chars().all(|c| c.is_ascii_alphabetic()) && !level.is_empty();
        if !is_word || LevelFilter::from_str(level).is_err() {
            return Err(Misfit::default());
        }
    }
    Targets::from_str(text).map_err(|_| Misfit::default())
}

pub(super) fn ledger_store(value: &Value) -> Parsed<Store> {
    match text(value)? {
        "memory" => Ok(Store::Memory),
        text => match text.strip_prefix("file:") {
            Some(path) if !path.is_empty() => Ok(Store::File(path.into())),
            _ => Err(Misfit::default()),
        },
    }
}

pub(super) fn if_damaged(value: &Value) -> Parsed<IfDamaged> {
    match text(value)? {
        "refuse" => Ok(IfDamaged::Refuse),
        "move-aside" => Ok(IfDamaged::MoveAside),
        _ => Err(Misfit::default()),
    }
}

pub(super) fn log_format(value: &Value) -> Parsed<Format> {
    match text(value)? {
        "text" => Ok(Format::Text),
        "json" => Ok(Format::Json),
        _ => Err(Misfit::default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_people_write_them() {
        for (text, duration) in [
            ("590s", Duration::from_secs(590)),
            ("250ms", Duration::from_millis(250)),
            ("5m", Duration::from_secs(300)),
            ("1h 30m", Duration::from_secs(5400)),
            ("0s", Duration::ZERO),
            ("30d", LONGEST),
        ] {
            assert_eq!(duration_or_zero(&text.into()), Ok(duration), "{text}");
        }
        for text in [
            "",
            "s",
            "-5s",
            "5 parsecs",
            "31d",
            "1y",
            "0",
            " ",
            "99999999999999999999s",
        ] {
            assert!(duration_or_zero(&text.into()).is_err(), "{text}");
        }
        assert!(duration(&"0ms".into()).is_err());
        assert!(keepalive(&"60s".into()).is_err());
        assert!(keepalive(&"59s".into()).is_ok());
        assert!(optional_keepalive(&"60s".into()).is_err());
        assert_eq!(optional_keepalive(&"0s".into()), Ok(None));
        assert!(orphan_grace(&"0s".into()).is_err());
        assert!(orphan_grace(&"61m".into()).is_err());
    }

    #[test]
    fn a_bare_number_is_told_its_unit() {
        let hint = |misfit: Misfit| misfit.0.expect("a bare number has a hint");
        for value in [Value::from(590_u32), Value::from("590")] {
            assert!(hint(duration(&value).unwrap_err()).contains("\"590s\""));
            assert!(hint(size(&value).unwrap_err()).contains("\"590MiB\""));
        }
        assert!(hint(retries(&"2".into()).unwrap_err()).contains("without quotes: 2"));
    }

    #[test]
    fn sizes_have_a_unit_and_a_bound() {
        for (text, bytes) in [
            ("32MiB", 32 << 20),
            ("32 MiB", 32 << 20),
            ("1.5KiB", 1536),
            ("10MB", 10_000_000),
            ("1B", 1),
            ("4GiB", 4 << 30),
        ] {
            assert_eq!(size(&text.into()), Ok(bytes), "{text}");
        }
        for text in [
            "0B", "0MiB", "5GiB", "99999EiB", "MiB", "-1MiB", "", "1 apple", "1.5",
        ] {
            assert!(size(&text.into()).is_err(), "{text}");
        }
    }

    #[test]
    fn whole_numbers_stay_in_their_range() {
        assert_eq!(retries(&0_u32.into()), Ok(0));
        assert_eq!(tokens(&u32::MAX.into()), Ok(u32::MAX));
        for value in [
            Value::from(-1_i32),
            Value::from(1.5_f64),
            Value::from(21_u32),
            Value::from(true),
        ] {
            assert!(retries(&value).is_err(), "{value:?}");
        }
        assert!(tokens(&0_u32.into()).is_err());
        assert!(tokens(&(1_u64 << 32).into()).is_err());
    }

    #[test]
    fn a_key_is_what_a_header_can_carry() {
        assert!(api_key(&"12345".into()).is_ok());
        for key in ["", "a b", "key\n", "schlüssel", "\u{7f}"] {
            assert!(api_key(&key.into()).is_err(), "{key:?}");
        }
        assert!(api_key(&12345_u32.into()).is_err());
    }

    #[test]
    fn a_log_level_is_a_level() {
        for text in ["info", "OFF", "info,hyper=warn", "foxbridge::relay=trace"] {
            assert!(log_level(&text.into()).is_ok(), "{text}");
        }
        for text in [
            "",
            "loud",
            "info,",
            "hyper",
            "hyper=",
            "=info",
            "hyper=loud",
            "3",
        ] {
            assert!(log_level(&text.into()).is_err(), "{text}");
        }
    }
}
