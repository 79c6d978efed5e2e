use bytes::Bytes;

use crate::openai::CompletionRequest;

/// The chat request that a legacy request asks for. Members that are not named here keep their bytes.
pub(crate) fn request(request: &CompletionRequest) -> Bytes {
    let mut edit = request.object.edit();
    // What they may say at this point is what a chat does anyway.
    for name in ["prompt", "echo", "suffix", "best_of"] {
        edit.remove(name);
    }
    edit.set(
        "messages",
        format!(r#"[{{"role":"user","content":{}}}]"#, request.prompt.get()),
    );
    match request.logprobs {
        Some(alternatives) => {
            edit.set("logprobs", "true");
            edit.set("top_logprobs", alternatives.get());
        }
        None => {
            edit.remove("logprobs");
        }
    }
    edit.finish().unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_becomes_a_message_and_the_rest_stays() {
        for (body, chat) in [
            (
                r#"{"model":"m","prompt":"say \u0061","max_tokens":5}"#,
                r#"{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"say \u0061"}]}"#,
            ),
            (
                r#"{"prompt": ["x"],"x" : 1e400,"seed":123456789012345678901,"stop":["\n"]}"#,
                r#"{"x":1e400,"seed":123456789012345678901,"stop":["\n"],"messages":[{"role":"user","content":"x"}]}"#,
            ),
            (
                r#"{"prompt":"x","echo":false,"suffix":null,"best_of":2,"n":2,"logprobs":null}"#,
                r#"{"n":2,"messages":[{"role":"user","content":"x"}]}"#,
            ),
            (
                r#"{"prompt":"x","logprobs":3,"messages":null}"#,
                r#"{"logprobs":true,"messages":[{"role":"user","content":"x"}],"top_logprobs":3}"#,
            ),
        ] {
            let completion = CompletionRequest::parse(body.as_bytes()).unwrap();
            assert_eq!(request(&completion), chat);
        }
    }
}
