use std::hint::black_box;

use bytes::Bytes;
use divan::Bencher;
use foxbridge::{
    fox::{State, Task},
    openai::ChatRequest,
    translate::{self, Identity, Transcript},
};

/// A first question of a few lines, and a conversation of some 60 KB with tools.
const TURNS: [usize; 2] = [1, 200];

/// What a client says into what the upstream is sent, where nothing has to be changed and where the limit has.
#[divan::bench(args = TURNS)]
fn translate_request(bencher: Bencher, turns: usize) {
    translate(bencher, &request(turns, "max_tokens"));
}

#[divan::bench(args = TURNS)]
fn translate_request_with_an_edit(bencher: Bencher, turns: usize) {
    translate(bencher, &request(turns, "max_completion_tokens"));
}

/// A query's reply into the client's answer.
#[divan::bench]
#[expect(clippy::expect_used, reason = "a bench fails by panicking")]
fn translate_answer(bencher: Bencher) {
    let reply = Bytes::from_static(super::through::COMPLETED.as_bytes());
    let identity = Identity {
        task: "task-llm-1776874481-1".into(),
        model: "gpt-5.5".into(),
        created: 1_776_874_481,
        choices: 1,
    };
    let told = Transcript::new(&identity);
    bencher.bench_local(|| {
        let task = Task::parse(black_box(&reply)).expect("a task");
        let State::Completed(result) = task.state else {
            return None;
        };
        translate::completion(result.as_ref(), &told, &identity).ok()
    });
}

#[expect(clippy::expect_used, reason = "a bench fails by panicking")]
fn translate(bencher: Bencher, body: &Bytes) {
    let settings = crate::settings(&[]).models;
    bencher.bench_local(|| {
        let body = black_box(body);
        let request = ChatRequest::parse(body).expect("a request");
        let draft = translate::draft(&request, body, &settings).expect("a draft");
        draft.submission(&[])
    });
}

fn request(turns: usize, limit: &str) -> Bytes {
    let turn = r#"{"role":"user","content":"What does the contract say of \"results\"? Please cite it word for word, and say where it stands."},{"role":"assistant","content":"It says that they are an array, and only there when the task is completed.\nThe first of them is the full completion."}"#;
    let messages = vec![turn; turns].join(",");
    format!(
        r#"{{"model":"gpt-5.5","messages":[{messages}],"temperature":0.7,"{limit}":512,"tools":[{{"type":"function","function":{{"name":"look_up","parameters":{{"type":"object","properties":{{"section":{{"type":"integer"}}}}}}}}}}]}}"#
    )
    .into()
}
