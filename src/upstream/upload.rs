use bytes::Bytes;
use hyper::Method;

use super::{Key, Parent, Upstream};
use crate::{
    fox::{Failure, paths},
    json::{RawObject, quote},
    metrics::Call,
};

/// Why a file could not be uploaded.
#[derive(Debug)]
pub enum UploadError {
    /// The text is for the operator.
    NoReply(String),
    Refused {
        status: u16,
        failure: Option<Box<Failure>>,
    },
}

impl Upstream {
    /// `POST /v1/files/upload/base64` (CONTRACT.md, section 5): where the file can be fetched from for 24 hours.
    /// `data` is a `data:` URI.
    pub async fn upload(
        &self,
        key: &Key,
        parent: Option<&Parent>,
        data: &str,
        file_name: &str,
    ) -> Result<String, UploadError> {
        let no_reply = |error: super::client::NoReply| UploadError::NoReply(error.cause());
        let target = self.target(paths::UPLOAD_BASE64).map_err(no_reply)?;
        let body = format!(
            r#"{{"file_data":{},"file_name":{}}}"#,
            quote(data),
            quote(file_name)
        );
        let body = Some(Bytes::from(body));
        let request = Self::request(Method::POST, target, key, parent, body);
        let reply = self.call(Call::Upload, request).await.map_err(no_reply)?;
        if !reply.status.is_success() {
            return Err(UploadError::Refused {
                status: reply.status.as_u16(),
                failure: reply.failure(key).map(Box::new),
            });
        }
        url_of(&reply.body)
            .ok_or_else(|| UploadError::NoReply("the reply to an upload names no URL".into()))
    }
}

fn url_of(reply: &[u8]) -> Option<String> {
    let object = RawObject::parse(std::str::from_utf8(reply).ok()?).ok()?;
    let url = object.string("url").filter(|url| !url.is_empty())?;
    Some(url.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_an_upload_went() {
        assert_eq!(
            url_of(br#"{"id":"f","url":"https://f/1"}"#).as_deref(),
            Some("https://f/1")
        );
        for reply in ["", "<html>", "{}", r#"{"url":""}"#, r#"{"url":5}"#] {
            assert_eq!(url_of(reply.as_bytes()), None, "{reply}");
        }
    }
}
