use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::time::timeout_at;

use super::Context;
use crate::{
    api_error::ApiError,
    translate::{self, Upload},
    upstream::{Tried, UploadError},
};

/// How many files of one request are uploaded at the same time.
const AT_ONCE: usize = 4;

/// Uploads what a request carries inline, and gives the URLs in the same order. Nothing has been bought when this
/// fails. The context's key becomes the one that it went with, which the submit begins with too.
pub async fn upload(context: &mut Context, uploads: &[Upload]) -> Result<Vec<String>, ApiError> {
    if uploads.is_empty() {
        return Ok(Vec::new());
    }
    let upstream = context.means.upstream.clone();
    let mut tried = Tried::default();
    upstream.awaken(&mut context.key, &tried);
    loop {
        let error = match upload_all(context, uploads).await {
            Ok(urls) => return Ok(urls),
            Err(error) => error,
        };
        // A file that was stored twice costs nothing, unlike a task.
        let is_the_keys_fault = match &error {
            Failed::Refused { status, .. } => {
                upstream.note_refused(&context.key, *status, None, &mut tried)
            }
            Failed::Otherwise(_) => false,
        };
        if !is_the_keys_fault || !upstream.awaken(&mut context.key, &tried) {
            return Err(error.into());
        }
    }
}

/// Why a file was not uploaded.
enum Failed {
    Refused { status: u16, error: ApiError },
    Otherwise(ApiError),
}

impl From<Failed> for ApiError {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Refused { error, .. } | Failed::Otherwise(error) => error,
        }
    }
}

async fn upload_all(context: &Context, uploads: &[Upload]) -> Result<Vec<String>, Failed> {
    let calls: Vec<_> = uploads
        .iter()
        .map(|upload| upload_one(context, upload))
        .collect();
    stream::iter(calls).buffered(AT_ONCE).try_collect().await
}

async fn upload_one(context: &Context, upload: &Upload) -> Result<String, Failed> {
    let (key, parent) = (&context.key, context.parent());
    let call = context
        .upstream
        .upload(key, parent, &upload.data, &upload.file_name);
    match timeout_at(context.deadline, call).await {
        Ok(Ok(url)) => Ok(url),
        Ok(Err(UploadError::Refused { status, failure })) => Err(Failed::Refused {
            status,
            error: translate::upload_refused(status, failure.as_deref(), &upload.param),
        }),
        Ok(Err(UploadError::NoReply(cause))) => Err(Failed::Otherwise(translate::upload_failed(
            &cause,
            &upload.param,
        ))),
        Err(_) => Err(Failed::Otherwise(translate::upload_failed(
            "no reply before 'task.deadline'",
            &upload.param,
        ))),
    }
}
