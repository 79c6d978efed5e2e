//! What the simulated model answers, and the `chat.completion` that says so.

use fastrand::Rng;
use serde_json::{Value, json};

use super::{
    message::Message,
    speech,
    submission::{Submission, Tool},
    tokens,
};

/// The `system_fingerprint` of every answer.
pub(super) const FINGERPRINT: &str = "fp_foxsimulator";

/// A whole answer, before it is put into words of the wire.
#[derive(Debug)]
pub(super) struct Answer {
    /// `chatcmpl-…`.
    pub(super) id: String,
    /// Unix seconds.
    pub(super) created: u64,
    pub(super) model: &'static str,
    pub(super) choices: Vec<Choice>,
    /// How many alternatives each token has; absent when log probabilities were not asked for.
    logprobs: Option<usize>,
    prompt_tokens: usize,
}

#[derive(Debug)]
pub(super) struct Choice {
    /// Tokens that only the stream shows; `max_tokens` does not count them.
    pub(super) reasoning: Vec<String>,
    /// The tokens of the text; absent when tools are called instead.
    pub(super) content: Option<Vec<String>>,
    pub(super) tool_calls: Vec<ToolCall>,
    pub(super) finish_reason: &'static str,
}

#[derive(Debug)]
pub(super) struct ToolCall {
    pub(super) id: String,
    pub(super) name: String,
    /// JSON text.
    pub(super) arguments: String,
}

/// Thinks up the answer to a request.
pub(super) fn compose(submission: &Submission, created: u64, rng: &mut Rng) -> Answer {
    Answer {
        id: format!("chatcmpl-{}", random_word(rng, 24)),
        created,
        model: submission.model.id,
        choices: (0..submission.n)
            .map(|nth| choice(submission, nth, rng))
            .collect(),
        logprobs: submission.logprobs,
        prompt_tokens: prompt_tokens(submission),
    }
}

/// Lower-case letters and digits.
pub(super) fn random_word(rng: &mut Rng, length: usize) -> String {
    std::iter::repeat_with(|| rng.digit(36))
        .take(length)
        .collect()
}

impl Answer {
    /// The full `chat.completion` of `results[0]`, without reasoning.
    pub(super) fn completion(&self) -> Value {
        let choice = |(index, choice): (usize, &Choice)| {
            json!({
                "index": index,
                "message": choice.message(),
                "logprobs": self.logprobs_of(choice.content.as_deref()),
                "finish_reason": choice.finish_reason,
            })
        };
        let choices: Vec<_> = self.choices.iter().enumerate().map(choice).collect();
        json!({
            "id": self.id,
            "object": "chat.completion",
            "created": self.created,
            "model": self.model,
            "system_fingerprint": FINGERPRINT,
            "service_tier": "default",
            "choices": choices,
            "usage": self.usage(),
        })
    }

    /// The `logprobs` of some tokens: null when not asked for, or when there is no text.
    pub(super) fn logprobs_of(&self, content: Option<&[String]>) -> Value {
        match (self.logprobs, content) {
            (Some(top), Some(content)) if !content.is_empty() => tokens::logprobs(content, top),
            _ => Value::Null,
        }
    }

    pub(super) fn usage(&self) -> Value {
        let reasoning: usize = self
            .choices
            .iter()
            .map(|choice| choice.reasoning.len())
            .sum();
        let completion = reasoning
            + self
                .choices
                .iter()
                .map(Choice::visible_tokens)
                .sum::<usize>();
        json!({
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": completion,
            "total_tokens": self.prompt_tokens + completion,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": reasoning,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        })
    }
}

impl Choice {
    fn message(&self) -> Value {
        let content = self.content.as_ref().map(|tokens| tokens.concat());
        let mut message = json!({"role": "assistant", "content": content, "refusal": null});
        if !self.tool_calls.is_empty() {
            let call = |call: &ToolCall| {
                json!({
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.name, "arguments": call.arguments},
                })
            };
            message["tool_calls"] = self.tool_calls.iter().map(call).collect();
        }
        message
    }

    fn visible_tokens(&self) -> usize {
        let arguments = |call: &ToolCall| tokens::split(&call.arguments).len();
        self.content.as_ref().map_or(0, Vec::len)
            + self.tool_calls.iter().map(arguments).sum::<usize>()
    }
}

fn choice(submission: &Submission, nth: usize, rng: &mut Rng) -> Choice {
    let reasoning = tokens::split(&speech::reasoning(submission));
    let tools = speech::tools_to_call(submission);
    if !tools.is_empty() {
        let call = |tool: &Tool| ToolCall {
            id: format!("call_{}", random_word(rng, 24)),
            name: tool.name.clone(),
            arguments: speech::arguments(submission, tool),
        };
        return Choice {
            reasoning,
            content: None,
            tool_calls: tools.into_iter().map(call).collect(),
            finish_reason: "tool_calls",
        };
    }
    let mut text = speech::text(submission, nth);
    let stops = submission.stop.iter().filter(|stop| !stop.is_empty());
    if let Some(end) = stops.filter_map(|stop| text.find(stop.as_str())).min() {
        text.truncate(end);
    }
    let mut content = tokens::split(&text);
    let limit = submission.max_tokens.map_or(usize::MAX, |limit| {
        usize::try_from(limit).unwrap_or(usize::MAX)
    });
    let finish_reason = if content.len() > limit {
        "length"
    } else {
        "stop"
    };
    content.truncate(limit);
    Choice {
        reasoning,
        content: Some(content),
        tool_calls: Vec::new(),
        finish_reason,
    }
}

/// A made-up but steady count: words, three for each message, and 85 for each attachment.
fn prompt_tokens(submission: &Submission) -> usize {
    let of_message =
        |message: &Message| message.text.split_whitespace().count() + 3 + 85 * message.media.len();
    submission.messages.iter().map(of_message).sum()
}
