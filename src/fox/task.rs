use bytes::Bytes;

use super::Failure;
use crate::json::{Raw, RawObject};

/// A task as a submit or a query shows it (CONTRACT.md, sections 1 and 2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Opaque.
    pub id: String,
    pub state: State,
    /// Where its event stream is: a path, or an absolute URL that must not be trusted. Only for `stream: true`.
    pub stream_url: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// `pending`.
    Queued,
    /// `processing`, and every word that nobody knows.
    Running,
    /// With `results[0]`, the bytes of an OpenAI `chat.completion`; or still without it, which happens for a
    /// while after completion.
    Completed(Option<Bytes>),
    /// `failed` or `cancelled`.
    Failed(Failure),
}

/// A reply with a success status that shows no task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the reply is not a task object with an id")]
pub struct NotATask;

impl Task {
    /// Reads a reply. The result shares the memory of `reply`.
    pub fn parse(reply: &Bytes) -> Result<Self, NotATask> {
        let text = std::str::from_utf8(reply).map_err(|_| NotATask)?;
        let object = RawObject::parse(text).map_err(|_| NotATask)?;
        let id = object
            .string("id")
            .filter(|id| !id.is_empty())
            .ok_or(NotATask)?;
        let state = match object.string("status").as_deref() {
            Some("completed") => State::Completed(
                object
                    .present("results")
                    .and_then(first_result)
                    .map(|result| reply.slice_ref(result.get().as_bytes())),
            ),
            Some("failed") => State::Failed(Failure::of_task(object.present("error"))),
            Some("cancelled" | "canceled") => {
                State::Failed(Failure::cancelled(object.present("error")))
            }
            Some("pending") => State::Queued,
            _ => State::Running,
        };
        let stream_url = object
            .object("stream")
            .and_then(|stream| stream.string("url"))
            .map(|url| url.into_owned());
        Ok(Self {
            id: id.into_owned(),
            state,
            stream_url,
        })
    }
}

fn first_result(results: Raw) -> Option<Raw> {
    results
        .elements()
        .next()
        .filter(|result| result.get().starts_with('{'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(reply: &str) -> Result<Task, NotATask> {
        Task::parse(&Bytes::copy_from_slice(reply.as_bytes()))
    }

    #[test]
    fn the_seeds_submit_reply() {
        let task = parse(
            r#"{"id":"task-llm-1776874481-rj6bs3yb","object":"llm.generation.task","type":"llm","model":"gpt-5.5",
            "status":"pending","progress":0,"created":1776874481,"stream":null,"results":null,"error":null}"#,
        )
        .unwrap();
        assert_eq!(task.id, "task-llm-1776874481-rj6bs3yb");
        assert_eq!((task.state, task.stream_url), (State::Queued, None));
    }

    #[test]
    fn states_and_their_races() {
        let state = |members: &str| parse(&format!(r#"{{"id":"t",{members}}}"#)).unwrap().state;
        for running in [
            r#""status":"processing","progress":50"#,
            r#""status":"queued_in_a_new_way""#,
            r#""status":7"#,
            r#""results":[{}]"#,
        ] {
            assert_eq!(state(running), State::Running, "{running}");
        }
        for empty in ["null", "[]", "[null]", "{}", "3"] {
            let members = format!(r#""status":"completed","progress":50,"results":{empty}"#);
            assert_eq!(state(&members), State::Completed(None), "{empty}");
        }
        assert_eq!(
            state(r#""status":"completed","results":[{"id" : 1e400}, 2]"#),
            State::Completed(Some(Bytes::from_static(br#"{"id" : 1e400}"#)))
        );
        assert!(matches!(state(r#""status":"failed""#), State::Failed(_)));
        assert!(matches!(
            state(r#""status":"cancelled","error":null"#),
            State::Failed(_)
        ));
    }

    #[test]
    fn other_replies_are_no_tasks() {
        for reply in [
            "",
            "<html>",
            "[]",
            "{}",
            r#"{"id":""}"#,
            r#"{"id":5}"#,
            r#"{"error":{"message":"x"}}"#,
        ] {
            assert_eq!(parse(reply), Err(NotATask), "{reply}");
        }
    }

    #[test]
    fn where_the_stream_is() {
        let task = parse(r#"{"id":"t","stream":{"url":"/v1/llm/generations/t/stream"}}"#).unwrap();
        assert_eq!(
            task.stream_url.as_deref(),
            Some("/v1/llm/generations/t/stream")
        );
        assert_eq!(
            parse(r#"{"id":"t","stream":true}"#).unwrap().stream_url,
            None
        );
    }
}
