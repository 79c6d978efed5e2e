use hyper::header::HeaderValue;

use super::*;

fn traces(sample: f64) -> Traces {
    Traces(Arc::new(Shared {
        sample,
        queue: Mutex::default(),
        news: Notify::new(),
    }))
}

fn ended(span: Begun) -> Ended {
    Ended {
        span,
        endpoint: "chat.completions",
        method: hyper::Method::POST,
        path: "/v1/chat/completions".to_owned(),
        status: Some(200),
        error: None,
        request_id: "req_1".to_owned(),
        key: None,
        model: Some("gpt-5.5".to_owned()),
        task: Some("t".to_owned()),
        is_found: false,
        took: Duration::from_secs(9),
        phases: Phases::default(),
        usage: None,
        queries: 0,
        resumes: 0,
    }
}

/// Name, begin and length of the steps' spans, in milliseconds from the request's begin.
fn steps(phases: Phases) -> Vec<(String, u128, u128)> {
    let begun = traces(1.0).begin(&HeaderMap::new());
    let at = begun.at;
    let ended = Ended {
        phases,
        ..ended(begun)
    };
    let spans = spans::of(ended, &Default::default());
    let since = |from: SystemTime, to: SystemTime| to.duration_since(from).unwrap().as_millis();
    let steps = spans[1..].iter();
    steps
        .map(|span| {
            let length = since(span.start_time, span.end_time);
            (span.name.to_string(), since(at, span.start_time), length)
        })
        .collect()
}

fn milliseconds(number: u64) -> Option<Duration> {
    Some(Duration::from_millis(number))
}

#[test]
fn what_has_no_room_is_lost_and_counted() {
    let traces = traces(1.0);
    for _ in 0..MOST_WAITING + 3 {
        traces.end(ended(traces.begin(&HeaderMap::new())));
    }
    let (batch, lost) = traces.take();
    assert_eq!((batch.len(), lost), (BATCH, 3));
    let mut rest = 0;
    while let (batch, 0) = traces.take()
        && !batch.is_empty()
    {
        rest += batch.len();
    }
    assert_eq!(rest, MOST_WAITING - BATCH);
}

#[test]
fn a_share_of_the_traces_that_begin_here_is_kept() {
    let kept = |sample: f64| {
        let traces = traces(sample);
        let begun = (0..2000).map(|_| traces.begin(&HeaderMap::new()));
        begun.filter(Begun::is_sampled).count()
    };
    assert_eq!((kept(0.0), kept(1.0)), (0, 2000));
    assert!((600..1400).contains(&kept(0.5)));
}

#[test]
fn whose_trace_it_is_decides_whether_it_is_kept() {
    for (flags, sample, is_kept) in [("01", 0.0, true), ("00", 1.0, false)] {
        let parent = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flags}");
        let mut headers = HeaderMap::new();
        headers.insert("traceparent", HeaderValue::try_from(parent).unwrap());
        let begun = traces(sample).begin(&headers);
        assert_eq!(begun.is_sampled(), is_kept);
        assert_eq!(begun.parent, Some(0x00f0_67aa_0ba9_02b7));
        assert_ne!(begun.context.span, 0x00f0_67aa_0ba9_02b7);
    }
}

#[test]
fn steps_are_where_they_were() {
    let whole = Phases {
        submitting: milliseconds(10),
        accepted: milliseconds(30),
        running: milliseconds(100),
        first: None,
        over: milliseconds(900),
    };
    let told = |name: &str, begin, length| (name.to_owned(), begin, length);
    let submit = told("submit", 10, 20);
    let queue = told("queue", 30, 70);
    let run = told("run", 100, 800);
    assert_eq!(steps(whole), [submit.clone(), queue.clone(), run]);

    let left_while_it_ran = Phases {
        over: None,
        ..whole
    };
    let run = told("run", 100, 8900);
    assert_eq!(steps(left_while_it_ran), [submit.clone(), queue, run]);

    let never_seen_running = Phases {
        running: None,
        ..whole
    };
    assert_eq!(
        steps(never_seen_running),
        [submit.clone(), told("queue", 30, 870)]
    );

    let left_during_the_submit = Phases {
        submitting: milliseconds(10),
        ..Phases::default()
    };
    assert_eq!(steps(left_during_the_submit), [told("submit", 10, 8990)]);
    assert_eq!(steps(Phases::default()), []);
}
