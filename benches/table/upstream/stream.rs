use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::tasks::{Task, Tasks};
use crate::{Fault, clock, http::Connection, plan::Plan, words};

const HEAD: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

/// `GET …/{id}/stream`.
pub(super) async fn stream(
    connection: &mut Connection,
    tasks: &Tasks,
    id: &str,
) -> Result<(), Fault> {
    let (number, task) = tasks.find(id)?;
    tasks.count(|stats| {
        stats.streams += 1;
        stats.open += 1;
    });
    let written = write(connection, tasks, number, task).await;
    tasks.count(|stats| stats.open -= 1);
    written
}

async fn write(
    connection: &mut Connection,
    tasks: &Tasks,
    number: usize,
    task: Task,
) -> Result<(), Fault> {
    match task.plan {
        Plan::Burst { chunks } => burst(connection, task.tag, chunks).await,
        Plan::Paced { chunks, gap } => paced(connection, task.tag, chunks, gap).await,
        Plan::Instant => {
            connection.write(HEAD).await?;
            finish(connection, tasks, number, task).await
        }
        Plan::After(time) => {
            connection.write(HEAD).await?;
            let due = task.submitted + time.as_nanos() as u64;
            sleep(Duration::from_nanos(due.saturating_sub(clock::now()))).await;
            finish(connection, tasks, number, task).await
        }
        Plan::Held => {
            connection.write(HEAD).await?;
            loop {
                let released = tasks.released.notified();
                if tasks.is_completed(number) {
                    break;
                }
                released.await;
            }
            finish(connection, tasks, number, task).await
        }
    }
}

/// Each event leaves with a write of its own, in an HTTP chunk of its own, as from a service that writes what it has; a
/// reader that is slower finds several at once.
async fn burst(connection: &mut Connection, tag: u64, total: u32) -> Result<(), Fault> {
    connection.write(HEAD).await?;
    let mut out = Vec::new();
    for at in 0..total {
        words::push_chunk(&mut out, tag, at, total, &format!(" {tag}.{at}"));
        if at + 1 == total {
            words::push_done(&mut out, total);
        }
        connection.write(&out).await?;
        out.clear();
    }
    Ok(())
}

async fn paced(
    connection: &mut Connection,
    tag: u64,
    total: u32,
    gap: Duration,
) -> Result<(), Fault> {
    connection.write(HEAD).await?;
    let mut due = Instant::now();
    let mut out = Vec::new();
    for at in 0..total {
        sleep_until(due).await;
        due += gap;
        let content = format!(" {tag}.{at}.{}", clock::now());
        words::push_chunk(&mut out, tag, at, total, &content);
        if at + 1 == total {
            words::push_done(&mut out, total);
        }
        connection.write(&out).await?;
        out.clear();
    }
    Ok(())
}

/// The answer as one chunk, the finish reason as another, and the end. The task completes now.
async fn finish(
    connection: &mut Connection,
    tasks: &Tasks,
    number: usize,
    task: Task,
) -> Result<(), Fault> {
    let at = tasks.complete(number, None);
    let mut out = Vec::new();
    words::push_chunk(&mut out, task.tag, 0, 2, &words::content(task.tag, at));
    words::push_chunk(&mut out, task.tag, 1, 2, "");
    words::push_done(&mut out, 2);
    connection.write(&out).await
}
