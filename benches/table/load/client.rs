use std::net::SocketAddr;

use tokio::time::{Duration, timeout};

use super::{
    events::{End, Events},
    spec::{Model, Question, Spec, Target},
    tally::{Answer, Tally},
};
use crate::{
    Fault, clock,
    http::{self, Connection},
    plan::Plan,
    words,
};

/// No request of the table takes nearly as long.
const LONGEST: Duration = Duration::from_secs(60);
/// Tags are told apart by their client and count on from there.
const TAGS_A_CLIENT: u64 = 1_000_000;

/// One client with a connection that it keeps.
pub(super) struct Client {
    target: Target,
    address: SocketAddr,
    upstream: SocketAddr,
    connection: Option<Connection>,
    next_tag: u64,
    /// The task whose stream nginx forwards, again and again, with its tag.
    prepared: Option<(String, u64)>,
}

impl Client {
    pub(super) fn new(spec: &Spec, number: u64) -> Self {
        Self {
            target: spec.target,
            address: spec.address,
            upstream: spec.upstream,
            connection: None,
            next_tag: number * TAGS_A_CLIENT,
            prepared: None,
        }
    }

    /// Asks once, and checks the answer. After a failure the next request has a new connection.
    pub(super) async fn ask(
        &mut self,
        question: Question,
        model: Model,
        tally: &Tally,
    ) -> Result<Answer, Fault> {
        let tag = self.next_tag;
        self.next_tag += 1;
        if self.target == Target::Nginx && question.stream && self.prepared.is_none() {
            self.prepared = Some((self.prepare(question.plan, tag).await?, tag));
        }
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::open(self.address).await?,
        };
        let asked = clock::now();
        let completed = timeout(LONGEST, async {
            let connection = &mut connection;
            match (self.target, question.stream, &self.prepared) {
                (Target::Nginx, true, Some((id, tag))) => {
                    let call = http::get(&format!("/v1/llm/generations/{id}/stream"));
                    send(connection, &call).await?;
                    stream(connection, question.plan, *tag, End::Total, tally).await?;
                    Ok(None)
                }
                (Target::Nginx, ..) => {
                    submit(connection, question, model, tag).await?;
                    Ok(None)
                }
                (Target::Direct, ..) => {
                    let id = submit(connection, question, model, tag).await?;
                    send(connection, &http::get(&format!("/v1/tasks/{id}"))).await?;
                    words::read_answer(&connection.whole().await?, tag).map(Some)
                }
                (target, is_stream, _) => {
                    let body = words::request(name(question, model), is_stream, question.plan, tag);
                    send(connection, &http::post("/v1/chat/completions", &body)).await?;
                    if !is_stream {
                        let body = connection.whole().await?;
                        return words::read_answer(&body, tag).map(Some);
                    }
                    let end = match target {
                        Target::Foxbridge => End::Done,
                        _ => End::Total,
                    };
                    stream(connection, question.plan, tag, end, tally).await?;
                    Ok::<_, Fault>(None)
                }
            }
        })
        .await
        .map_err(|_| format!("no answer within {LONGEST:?}"))??;
        self.connection = Some(connection);
        Ok(Answer { asked, completed })
    }

    /// Makes a task without anybody in between.
    async fn prepare(&self, plan: Plan, tag: u64) -> Result<String, Fault> {
        let mut connection = Connection::open(self.upstream).await?;
        let question = Question {
            followed: false,
            stream: true,
            plan,
        };
        submit(&mut connection, question, Model::Usual, tag).await
    }
}

/// The model's name. Learning by model needs models that differ in their times.
fn name(question: Question, model: Model) -> &'static str {
    match (question.followed, model) {
        (true, _) => words::FOLLOWED,
        (false, Model::Usual) => words::POLLED,
        (false, Model::Quick) => "gpt-5.4",
        (false, Model::Slow) => "gemini-3-pro-preview",
        (false, Model::Slowest) => "gemini-3.1-pro-preview",
    }
}

async fn submit(
    connection: &mut Connection,
    question: Question,
    model: Model,
    tag: u64,
) -> Result<String, Fault> {
    let body = words::request(name(question, model), question.stream, question.plan, tag);
    send(connection, &http::post("/v1/llm/generations", &body)).await?;
    let task = connection.whole().await?;
    Ok(words::id_of(&task)?.to_owned())
}

/// Sends a request and reads the head of its answer.
async fn send(connection: &mut Connection, request: &str) -> Result<(), Fault> {
    connection.write(request.as_bytes()).await?;
    let head = connection
        .head()
        .await?
        .ok_or("the connection was closed")?;
    match head.status() {
        200 => Ok(()),
        status => {
            let body = connection.whole().await?;
            Err(format!("status {status}: {}", String::from_utf8_lossy(&body)).into())
        }
    }
}

async fn stream(
    connection: &mut Connection,
    plan: Plan,
    tag: u64,
    end: End,
    tally: &Tally,
) -> Result<(), Fault> {
    let mut events = Events::new(plan, tag, end)?;
    let mut text = Vec::new();
    while connection.piece(&mut text).await? {
        events.take(&mut text, tally)?;
    }
    events.take(&mut text, tally)?;
    events.finish()
}
