use serde::Serialize;

/// `{"error":{"message","type","param","code"}}`: all four always there, `code` a string or null, never a number.
#[derive(Debug, Clone, Serialize)]
pub struct ErrorBody<'a> {
    error: Inner<'a>,
}

#[derive(Debug, Clone, Serialize)]
struct Inner<'a> {
    message: &'a str,
    r#type: &'a str,
    param: Option<&'a str>,
    code: Option<&'a str>,
}

impl<'a> ErrorBody<'a> {
    pub fn new(
        message: &'a str,
        kind: &'a str,
        param: Option<&'a str>,
        code: Option<&'a str>,
    ) -> Self {
        Self {
            error: Inner {
                message,
                r#type: kind,
                param,
                code,
            },
        }
    }

    pub fn to_json(&self) -> Vec<u8> {
        // Strings and nulls have no way to fail to serialize.
        serde_json::to_vec(self).unwrap_or_default()
    }
}
