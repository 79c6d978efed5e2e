//! A FoxAPI that costs next to nothing: one thread, no real parser, answers that are made by their task's plan.

mod stream;
mod tasks;

use std::rc::Rc;

use tokio::{net::TcpListener, task};

use crate::{
    Fault,
    http::{self, Connection, Head},
    words,
};
use tasks::Tasks;

/// Serves until it is killed, and says on standard output where.
pub(crate) async fn serve() -> Result<(), Fault> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    crate::process::tell_address(listener.local_addr()?)?;
    let tasks = Rc::new(Tasks::default());
    loop {
        let (socket, _) = listener.accept().await?;
        tasks.count(|stats| stats.connections += 1);
        let connection = Connection::new(socket)?;
        let tasks = tasks.clone();
        task::spawn_local(async move {
            // A connection that breaks off is its client's affair, and the client counts it.
            let _ = serve_connection(connection, &tasks).await;
        });
    }
}

async fn serve_connection(mut connection: Connection, tasks: &Tasks) -> Result<(), Fault> {
    while let Some(head) = connection.head().await? {
        let body = connection.whole().await?;
        answer(&mut connection, tasks, &head, &body).await?;
    }
    Ok(())
}

async fn answer(
    connection: &mut Connection,
    tasks: &Tasks,
    head: &Head,
    body: &[u8],
) -> Result<(), Fault> {
    const GENERATIONS: &str = "/v1/llm/generations";
    let reply = match head.target() {
        ("POST", GENERATIONS) => {
            let (plan, tag, streams) = words::read_request(body)?;
            let number = tasks.submit(plan, tag);
            words::running(&words::task_id(number), streams, "pending")
        }
        ("GET", "/control/stats") => serde_json::to_string(&tasks.stats())?,
        ("POST", "/control/release") => {
            tasks.release();
            "{}".into()
        }
        ("GET", path) => {
            if let Some(id) = path.strip_prefix("/v1/tasks/") {
                tasks.query(id)?
            } else if let Some(id) = path.strip_prefix("/v1/llm/generations/") {
                return stream::stream(connection, tasks, id).await;
            } else {
                return not_found(connection).await;
            }
        }
        _ => return not_found(connection).await,
    };
    connection
        .write(http::reply("200 OK", &reply).as_bytes())
        .await
}

async fn not_found(connection: &mut Connection) -> Result<(), Fault> {
    let body = r#"{"error":{"message":"not found","type":"not_found"}}"#;
    connection
        .write(http::reply("404 Not Found", body).as_bytes())
        .await
}
