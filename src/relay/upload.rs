use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::time::timeout_at;

use super::Context;
use crate::{
    api_error::ApiError,
    translate::{self, Upload},
    upstream::UploadError,
};

/// How many files of one request are uploaded at the same time.
const AT_ONCE: usize = 4;

/// Uploads what a request carries inline, and gives the URLs in the same order. Nothing has been bought when this
/// fails.
pub async fn upload(context: &Context, uploads: &[Upload]) -> Result<Vec<String>, ApiError> {
    if uploads.is_empty() {
        return Ok(Vec::new());
    }
    let calls: Vec<_> = uploads
        .iter()
        .map(|upload| upload_one(context, upload))
        .collect();
    stream::iter(calls).buffered(AT_ONCE).try_collect().await
}

async fn upload_one(context: &Context, upload: &Upload) -> Result<String, ApiError> {
    let (key, parent) = (&context.key, context.parent());
    let call = context
        .upstream
        .upload(key, parent, &upload.data, &upload.file_name);
    match timeout_at(context.deadline, call).await {
        Ok(Ok(url)) => Ok(url),
        Ok(Err(UploadError::Refused { status, failure })) => Err(translate::upload_refused(
            status,
            failure.as_deref(),
            &upload.param,
        )),
        Ok(Err(UploadError::NoReply(cause))) => {
            Err(translate::upload_failed(&cause, &upload.param))
        }
        Err(_) => Err(translate::upload_failed(
            "no reply before 'task.deadline'",
            &upload.param,
        )),
    }
}
