use std::borrow::Cow;

use hyper::Uri;
use percent_encoding::percent_decode_str;

use crate::api_error::ApiError;

/// The parameters behind the `?` of a request's URL.
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn of(uri: &Uri) -> Self {
        let pairs = uri.query().unwrap_or_default().split('&');
        let pairs = pairs.filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name), decoded(value))
        });
        Self(pairs.collect())
    }

    /// The last parameter of this name.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let mut pairs = self.0.iter().rev();
        pairs
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.as_str())
    }

    /// `true` or `false`, which is also what is not said.
    pub(super) fn boolean(&self, name: &str) -> Result<bool, ApiError> {
        match self.get(name) {
            None | Some("" | "false" | "False" | "0") => Ok(false),
            Some("true" | "True" | "1") => Ok(true),
            Some(other) => Err(invalid(name, "true or false", other)),
        }
    }

    /// A whole number.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, ApiError> {
        match self.get(name) {
            None | Some("") => Ok(None),
            Some(text) => text
                .parse()
                .map(Some)
                .map_err(|_| invalid(name, "a whole number of at least 0", text)),
        }
    }
}

/// Says which parameter is wrong, and what was expected.
pub(super) fn invalid(name: &str, expected: &str, got: &str) -> ApiError {
    let got: String = got.chars().take(60).collect();
    ApiError {
        param: Some(name.into()),
        ..ApiError::invalid_request(
            400,
            "invalid_value",
            format!("Invalid '{name}': expected {expected}, but got '{got}' instead."),
        )
    }
}

fn decoded(text: &str) -> String {
    let text = match text.contains('+') {
        true => Cow::Owned(text.replace('+', " ")),
        false => Cow::Borrowed(text),
    };
    percent_decode_str(&text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read() {
        let query = Query::of(&Uri::from_static(
            "/x?stream=true&starting_after=12&a%5B%5D=b+c%21&n&stream=",
        ));
        assert_eq!(query.get("a[]"), Some("b c!"));
        assert_eq!((query.get("n"), query.get("m")), (Some(""), None));
        assert_eq!(query.number("starting_after"), Ok(Some(12)));
        assert_eq!(query.boolean("stream"), Ok(false), "the last one counts");
        assert_eq!(query.number("n"), Ok(None));
        let wrong = Query::of(&Uri::from_static("/x?stream=yes&starting_after=-1"));
        for error in [
            wrong.boolean("stream").map(|_| ()).unwrap_err(),
            wrong.number("starting_after").map(|_| ()).unwrap_err(),
        ] {
            assert_eq!(error.status, 400);
            assert!(error.message.contains("expected"), "{}", error.message);
        }
    }
}
