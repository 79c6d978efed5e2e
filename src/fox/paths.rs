//! Where each upstream call lives, relative to the upstream's base URL.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Submit a task (`POST`).
pub const GENERATIONS: &str = "/v1/llm/generations";
/// The models that a key may use (`GET`).
pub const MODELS: &str = "/v1/configs/llm_generations_models";
/// Upload one file given as base64 or as a data URI (`POST`).
pub const UPLOAD_BASE64: &str = "/v1/files/upload/base64";

/// Task ids are opaque: whatever is not plainly harmless in a path segment is escaped.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// Ask how a task is doing (`GET`).
pub fn task(id: &str) -> String {
    format!("/v1/tasks/{}", segment(id))
}

/// Follow a task's stream (`GET`, server-sent events); only for tasks submitted with `stream: true`.
pub fn stream(id: &str) -> String {
    format!("{GENERATIONS}/{}/stream", segment(id))
}

fn segment(id: &str) -> impl std::fmt::Display {
    // "." and ".." would climb; no other segment of these characters means anything to a server.
    let climbs = matches!(id, "." | "..");
    let escaped = utf8_percent_encode(id, SEGMENT).to_string();
    if climbs {
        escaped.replace('.', "%2E")
    } else {
        escaped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_stay_inside_their_segment() {
        for (id, path) in [
            (
                "task-llm-1776874481-rj6bs3yb",
                "/v1/tasks/task-llm-1776874481-rj6bs3yb",
            ),
            ("../../v1/keys?x#y", "/v1/tasks/..%2F..%2Fv1%2Fkeys%3Fx%23y"),
            ("..", "/v1/tasks/%2E%2E"),
        ] {
            assert_eq!(task(id), path);
        }
    }
}
