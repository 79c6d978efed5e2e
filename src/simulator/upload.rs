//! Takes files in as base64 (CONTRACT.md, section 5). They are checked and forgotten; only their address matters.

use hyper::{Response, StatusCode};
use serde_json::json;

use super::{
    connection::Fate,
    marker,
    reply::{self, Refusal, Reply, html, json_body},
    script::Script,
    service::{Service, tally_name},
    submission::Fields,
};

/// A marker must end within so many bytes of a file.
const MARKER_SPACE: usize = 4096;

/// Answers an upload.
pub(super) async fn upload(service: &Service, fate: &Fate, body: &[u8]) -> Reply {
    let (file, script) = match read(body) {
        Ok(read) => read,
        Err(refusal) => return Ok(refusal.into_response()),
    };
    let name = tally_name(script.id.as_deref(), body);
    if let Some(reaction) = script.upload.at(service.journalist.attempt(&name)) {
        return reply::react(reaction, script.retry_after.as_deref(), fate).await;
    }
    if file.content.len() > service.settings.max_upload {
        return Ok(html(StatusCode::PAYLOAD_TOO_LARGE));
    }
    Ok(stored(service, &file))
}

struct File {
    name: String,
    content: Vec<u8>,
}

fn stored(service: &Service, file: &File) -> Response<reply::Body> {
    let (id, created) = service.new_file();
    let extension = file
        .name
        .rsplit_once('.')
        .map(|(_, extension)| extension)
        .filter(|extension| extension.chars().all(|c| c.is_ascii_alphanumeric()))
        .map_or_else(String::new, |extension| format!(".{extension}"));
    let url = format!("{}/files/{id}{extension}", service.base_url);
    let stored = json!({
        "id": id,
        "filename": file.name,
        "url": url,
        "size": file.content.len(),
        "created": created,
    });
    json_body(StatusCode::OK, &stored)
}

fn read(body: &[u8]) -> Result<(File, Script), Refusal> {
    let text =
        str::from_utf8(body).map_err(|_| Refusal::bad_request("The request body is not UTF-8."))?;
    let fields = Fields::parse(text)
        .map_err(|_| Refusal::bad_request("The request body is not a JSON object."))?;
    let data: String = fields
        .get("file_data", "a string")?
        .ok_or_else(|| Refusal::invalid_param("file_data is required."))?;
    let name: Option<String> = fields.get("file_name", "a string")?;
    let encoded = match data.strip_prefix("data:") {
        Some(uri) => uri.split_once(";base64,").map(|(_, encoded)| encoded),
        None => Some(data.as_str()),
    };
    let content = encoded
        .and_then(decode)
        .filter(|content| !content.is_empty())
        .ok_or_else(|| {
            Refusal::invalid_param("file_data must be base64 or a base64 data URI, and not empty.")
        })?;
    let script = script(&content)?;
    let name = name.unwrap_or_else(|| "file".to_owned());
    Ok((File { name, content }, script))
}

fn script(content: &[u8]) -> Result<Script, Refusal> {
    let mut script = Script::default();
    if content.starts_with(b"[[fox:") {
        let start = content.get(..MARKER_SPACE).unwrap_or(content);
        let marked =
            marker::take(&String::from_utf8_lossy(start)).map_err(Refusal::invalid_param)?;
        for (key, value) in marked.pairs {
            script.set(&key, &value).map_err(Refusal::invalid_param)?;
        }
    }
    Ok(script)
}

/// Standard base64 with its padding; nothing else passes.
fn decode(text: &str) -> Option<Vec<u8>> {
    let bytes = text.as_bytes();
    let padding = bytes.iter().rev().take_while(|byte| **byte == b'=').count();
    if !bytes.len().is_multiple_of(4) || padding > 2 {
        return None;
    }
    let (mut decoded, mut bits, mut held) = (Vec::with_capacity(bytes.len() / 4 * 3), 0_u32, 0_u32);
    for byte in &bytes[..bytes.len() - padding] {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            decoded.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    (bits == 0).then_some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_decoded_strictly() {
        for (text, decoded) in [
            ("", Some("")),
            ("Zg==", Some("f")),
            ("Zm8=", Some("fo")),
            ("Zm9v", Some("foo")),
            ("Zm9vYg==", Some("foob")),
            ("+/+/", Some("\u{fffd}")),
            ("Zg", None),
            ("Zh==", None),
            ("Zm9v\n", None),
            ("Z===", None),
            ("Zm-_", None),
        ] {
            let read = decode(text).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            match decoded {
                Some("\u{fffd}") => assert_eq!(decode(text).unwrap(), [0xfb, 0xff, 0xbf]),
                decoded => assert_eq!(read.as_deref(), decoded, "{text}"),
            }
        }
    }
}
