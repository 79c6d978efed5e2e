/// Why a request cannot be taken, in words for whoever wrote the client: what is wrong, then what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RequestFault {
    pub message: String,
    /// The parameter at fault, as a path such as `messages[2].content`.
    pub param: Option<String>,
    pub code: Option<&'static str>,
}

impl RequestFault {
    /// The body as a whole is at fault.
    pub fn body(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            param: None,
            code: None,
        }
    }

    pub fn missing(param: &str) -> Self {
        Self {
            message: format!("Missing required parameter: '{param}'."),
            param: Some(param.into()),
            code: Some("missing_required_parameter"),
        }
    }

    /// `expected` and `got` read as in "expected a string, but got an array".
    pub fn wrong_type(param: impl Into<String>, expected: &str, got: &str) -> Self {
        let param = param.into();
        if expected == got {
            return Self::invalid_value(
                param.clone(),
                format!(
                    "Invalid '{param}': it has an escape such as \\ud800 that stands for no character."
                ),
            );
        }
        Self {
            message: format!(
                "Invalid type for '{param}': expected {expected}, but got {got} instead."
            ),
            param: Some(param),
            code: Some("invalid_type"),
        }
    }

    pub fn invalid_value(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            param: Some(param.into()),
            code: Some("invalid_value"),
        }
    }
}
