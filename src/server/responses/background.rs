use hyper::header::HeaderValue;

use crate::{
    relay,
    server::{
        App,
        access::Access,
        chat::Accepted,
        reply::{self, Reply},
    },
    translate::Responder,
};

/// Answers a background request at once: its task goes on upstream whether or not anybody follows it.
pub(super) async fn queued(
    app: &App,
    accepted: Accepted,
    responder: &Responder,
    mut access: Access,
) -> Reply {
    let Accepted {
        pursuit,
        receipt,
        headers,
        ..
    } = accepted;
    relay::let_go(pursuit);
    // Its id is of use only as long as it is known, after a restart too.
    app.ledger.flush().await;
    let begun = responder.begun.clone();
    let mut reply = reply::answer(begun.into(), receipt, access.take_leash());
    let milliseconds = HeaderValue::from(access.milliseconds());
    reply.headers_mut().insert(reply::PROCESSING, milliseconds);
    reply.headers_mut().extend(headers);
    access.finish(reply.status(), None);
    reply
}
