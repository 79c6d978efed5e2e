use crate::json::Raw;

/// A finish reason as OpenAI's types have it, as JSON text; `None` while there is none (absent, null or empty).
///
/// Providers behind the upstream have words of their own; a strict client takes only OpenAI's five.
pub(super) fn finish_reason(value: Option<Raw>) -> Option<&'static str> {
    let reason = Raw::string(value?)?;
    Some(match reason.to_ascii_lowercase().as_str() {
        "" => return None,
        "length" | "max_tokens" | "max_output_tokens" => "\"length\"",
        "tool_calls" | "tool_call" | "tool_use" => "\"tool_calls\"",
        "content_filter" | "safety" | "recitation" | "blocklist" | "prohibited_content"
        | "refusal" => "\"content_filter\"",
        "function_call" => "\"function_call\"",
        // "end_turn", "stop_sequence", "eos" and whatever comes next: it ended.
        _ => "\"stop\"",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons() {
        let read = |text: &str| finish_reason(Some(Raw::parse(text).unwrap()));
        for same in [
            "\"stop\"",
            "\"length\"",
            "\"tool_calls\"",
            "\"content_filter\"",
            "\"function_call\"",
        ] {
            assert_eq!(read(same), Some(same));
        }
        assert_eq!(read("\"end_turn\""), Some("\"stop\""));
        assert_eq!(read("\"MAX_TOKENS\""), Some("\"length\""));
        assert_eq!(read("\"\""), None);
        assert_eq!(read("null"), None);
        assert_eq!(finish_reason(None), None);
    }
}
