use serde_json::Value;

/// Status line and headers of an answer.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
}

impl Head {
    /// Reads everything before the empty line.
    pub(super) fn parse(bytes: &[u8]) -> Self {
        let text = std::str::from_utf8(bytes).expect("an ASCII head");
        let mut lines = text.split("\r\n");
        let status = lines.next().expect("a status line");
        let status = status.strip_prefix("HTTP/1.1 ").expect(status);
        let headers = lines
            .map(|line| line.split_once(": ").expect(line))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Self {
            status: status[..3].parse().unwrap(),
            headers,
        }
    }

    /// The value of a header that is there once; its name in lower case, as OpenAI sends it.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self
            .headers
            .iter()
            .filter(|(other, _)| other.eq_ignore_ascii_case(name));
        let (found, value) = values.next()?;
        assert_eq!(found, name, "the name as sent");
        assert_eq!(values.next(), None, "{name} is there twice");
        Some(value)
    }
}

/// How a body ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// As its framing promised.
    Whole,
    /// The connection went away before.
    Aborted,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
    pub(crate) ending: Ending,
}

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        self.head.status
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The error of an answer in OpenAI's shape, which is checked.
    pub(crate) fn error(&self) -> Failure {
        assert_eq!(self.ending, Ending::Whole);
        assert!(self.status() >= 400, "{}: {}", self.status(), self.text());
        assert_eq!(
            self.head.header("content-type"),
            Some("application/json"),
            "{}",
            self.text()
        );
        let id = self.head.header("x-request-id");
        assert!(id.is_some_and(|id| !id.is_empty()), "no x-request-id");
        Failure::read(&self.json())
    }
}

/// What OpenAI's error object says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) message: String,
    pub(crate) kind: String,
    pub(crate) param: Option<String>,
    pub(crate) code: Option<String>,
}

impl Failure {
    /// Reads `{"error":{"message","type","param","code"}}`, which must be exactly that.
    pub(crate) fn read(body: &Value) -> Self {
        let outer = body.as_object().expect("an object");
        assert_eq!(outer.len(), 1, "{body}");
        let error = body["error"].as_object().expect("an error object");
        let mut names: Vec<&str> = error.keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["code", "message", "param", "type"], "{body}");
        let text = |name: &str| error[name].as_str().map(str::to_owned);
        let text_or_null = |name: &str| {
            assert!(error[name].is_string() || error[name].is_null(), "{body}");
            text(name)
        };
        let failure = Self {
            message: text("message").expect("a message"),
            kind: text("type").expect("a type"),
            param: text_or_null("param"),
            code: text_or_null("code"),
        };
        assert!(!failure.message.is_empty(), "{body}");
        assert!(!failure.kind.is_empty(), "{body}");
        assert_ne!(failure.code.as_deref(), Some("None"));
        failure
    }
}
