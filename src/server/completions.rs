use std::sync::Arc;

use hyper::{Request, body::Incoming};

use super::{App, access::Access, chat, reply::Reply};
use crate::translate::{Dialect, TextChunks, text_chat};

/// `POST /v1/completions`, the legacy API: a chat of one message, in other words.
pub(super) fn complete(
    app: &Arc<App>,
    request: Box<Request<Incoming>>,
    access: Access,
) -> impl Future<Output = Reply> + Send + '_ {
    let dialect = Dialect::Text(TextChunks::default());
    chat::converse(app, request, access, text_chat, dialect)
}
