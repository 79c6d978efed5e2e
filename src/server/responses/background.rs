use hyper::header::HeaderValue;

use crate::{
    relay,
    server::{
        access::Access,
        chat::Accepted,
        reply::{self, Reply},
    },
    translate::{Responder, with_outcome},
};

/// Answers a background request at once: its task goes on upstream whether or not anybody follows it.
pub(super) fn queued(accepted: Accepted, responder: &Responder, mut access: Access) -> Reply {
    let Accepted {
        pursuit,
        receipt,
        headers,
        ..
    } = accepted;
    relay::let_go(pursuit);
    // Whoever sends it again may come when it is over.
    let response = match responder
        .outcome
        .get()
        .map(|outcome| std::str::from_utf8(outcome))
    {
        Some(Ok(outcome)) => with_outcome(&responder.begun, outcome),
        _ => responder.begun.clone(),
    };
    let mut reply = reply::answer(response.into(), receipt, access.take_leash());
    let milliseconds = HeaderValue::from(access.milliseconds());
    reply.headers_mut().insert(reply::PROCESSING, milliseconds);
    reply.headers_mut().extend(headers);
    access.finish(reply.status(), None);
    reply
}
