use crate::json::{Raw, RawObject};

/// A chat's usage in a response's words, with every member that OpenAI's types require; what is not named here stays.
pub(super) fn usage(chat: Raw) -> String {
    let Some(chat) = RawObject::of(chat) else {
        return "null".to_owned();
    };
    let count = |name: &str| chat.get(name).and_then(whole).unwrap_or(0);
    let (input, output) = (count("prompt_tokens"), count("completion_tokens"));
    let total = chat.get("total_tokens").and_then(whole);
    let total = total.unwrap_or_else(|| input.saturating_add(output));
    let input_details = details(
        chat.object("prompt_tokens_details"),
        &["cached_tokens", "cache_write_tokens"],
    );
    let output_details = details(
        chat.object("completion_tokens_details"),
        &["reasoning_tokens"],
    );
    let mut edit = chat.edit();
    for name in [
        "prompt_tokens",
        "completion_tokens",
        "total_tokens",
        "prompt_tokens_details",
        "completion_tokens_details",
    ] {
        edit.remove(name);
    }
    edit.set("input_tokens", input.to_string());
    edit.set("input_tokens_details", input_details);
    edit.set("output_tokens", output.to_string());
    edit.set("output_tokens_details", output_details);
    edit.set("total_tokens", total.to_string());
    edit.text()
}

fn details(given: Option<RawObject>, required: &[&str]) -> String {
    let given = given.unwrap_or_default();
    let mut edit = given.edit();
    for (name, count) in given.members() {
        // What chats count besides is worth a word where there is any of it.
        if let Some(name) = name.string()
            && matches!(count.get(), "0" | "null")
        {
            edit.remove(&name);
        }
    }
    for name in required {
        if given
            .get(name)
            .and_then(whole)
            .is_none_or(|count| count == 0)
        {
            edit.set(name, "0");
        }
    }
    edit.text()
}

fn whole(value: Raw) -> Option<u64> {
    value.get().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_other_names_and_all_details() {
        for (chat, response) in [
            (
                r#"{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}"#,
                r#"{"input_tokens":3,"input_tokens_details":{"cached_tokens":0,"cache_write_tokens":0},"output_tokens":4,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":7}"#,
            ),
            (
                r#"{"credits":1.5,"prompt_tokens":3,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":2,"audio_tokens":1,"text_tokens":0},"completion_tokens_details":{"reasoning_tokens":3}}"#,
                r#"{"credits":1.5,"input_tokens":3,"input_tokens_details":{"cached_tokens":2,"audio_tokens":1,"cache_write_tokens":0},"output_tokens":4,"output_tokens_details":{"reasoning_tokens":3},"total_tokens":7}"#,
            ),
            (
                r#"{"prompt_tokens":null,"prompt_tokens_details":null,"completion_tokens_details":{"reasoning_tokens":null}}"#,
                r#"{"input_tokens":0,"input_tokens_details":{"cached_tokens":0,"cache_write_tokens":0},"output_tokens":0,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":0}"#,
            ),
            ("[]", "null"),
        ] {
            assert_eq!(usage(Raw::parse(chat).unwrap()), response, "{chat}");
        }
    }
}
