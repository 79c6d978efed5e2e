use super::*;

fn failure(kind: &str, code: Option<&str>) -> Failure {
    Failure {
        message: "said".into(),
        kind: Some(kind.into()),
        code: code.map(Into::into),
    }
}

#[test]
fn refusals() {
    let invalid = "invalid_request_error";
    for (status, kind, code, becomes) in [
        (400, invalid, None, (400, invalid, None)),
        (
            401,
            "authentication_error",
            None,
            (401, invalid, Some("invalid_api_key")),
        ),
        (
            402,
            "insufficient_quota",
            None,
            (429, "insufficient_quota", Some("insufficient_quota")),
        ),
        (
            422,
            invalid,
            Some("model_not_found"),
            (404, invalid, Some("model_not_found")),
        ),
        (
            422,
            invalid,
            Some("model_not_supported"),
            (404, invalid, Some("model_not_found")),
        ),
        (
            422,
            "service_unavailable_error",
            None,
            (503, "server_error", Some("model_unavailable")),
        ),
        (
            422,
            invalid,
            Some("no_compatible_channel"),
            (503, "server_error", Some("no_compatible_channel")),
        ),
        (
            422,
            invalid,
            Some("invalid_param"),
            (422, invalid, Some("invalid_param")),
        ),
        (
            422,
            invalid,
            Some("model_not_support_capability"),
            (422, invalid, Some("model_not_support_capability")),
        ),
        (
            429,
            "rate_limit_error",
            None,
            (429, "rate_limit_error", Some("rate_limit_exceeded")),
        ),
    ] {
        let error = refused(status, Some(&failure(kind, code)), None);
        assert_eq!(
            (error.status, error.kind, error.code.as_deref()),
            becomes,
            "{status} {kind} {code:?}"
        );
        assert!(error.message.contains("said"));
    }
    assert_eq!(refused(402, None, None).retry, Retry::Never);
    let wait = Duration::from_secs(3);
    assert_eq!(refused(429, None, Some(wait)).retry, Retry::After(wait));
    assert!(refused(413, None, None).message.contains("no reason"));
    for (status, code) in [
        (302, "upstream_redirect"),
        (403, "upstream_unreadable"),
        (404, "upstream_unreadable"),
    ] {
        let error = refused(status, None, None);
        assert_eq!(
            (error.status, error.code.as_deref(), error.retry),
            (502, Some(code), Retry::Never)
        );
    }
}

#[test]
fn once_a_task_may_exist_no_sdk_buys_another_by_itself() {
    for ending in [
        Ending::Failed(failure("task_error", None)),
        Ending::NoResults,
        Ending::Lost {
            status: 404,
            failure: None,
        },
        Ending::Deadline { unreachable: false },
        Ending::Deadline { unreachable: true },
        Ending::Stopped,
    ] {
        let error = ended(&ending, "task-7").expect("no answer");
        let goes_on = matches!(ending, Ending::Deadline { .. });
        let retry = if goes_on {
            Retry::IfFound
        } else {
            Retry::Never
        };
        assert_eq!(error.retry, retry, "{ending:?}");
        assert!(
            error.status >= 500 && error.message.contains("task-7"),
            "{ending:?}"
        );
    }
    assert_eq!(ambiguous("reset", None).retry, Retry::Never);
    assert_eq!(ended(&Ending::Streamed, "t"), None);
}
