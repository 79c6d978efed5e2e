//! MIME types, as far as requests tell them in other words.

/// What OpenAI's `input_audio` calls a format; `None` for one that nobody knows.
pub(super) fn of_audio(format: &str) -> Option<&'static str> {
    Some(match format {
        "wav" => "audio/wav",
        "mp3" => "audio/mpeg",
        "flac" => "audio/flac",
        "ogg" | "opus" => "audio/ogg",
        "aac" => "audio/aac",
        "m4a" => "audio/mp4",
        "aiff" => "audio/aiff",
        "webm" => "audio/webm",
        "pcm16" => "audio/pcm",
        _ => return None,
    })
}

/// The MIME type that a file's name tells; what OpenAI takes as `file_data` is mostly PDF.
pub(super) fn of_file(file_name: &str) -> &'static str {
    let extension = file_name
        .rsplit('.')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    match extension.as_str() {
        "txt" | "log" => "text/plain",
        "md" => "text/markdown",
        "csv" => "text/csv",
        "html" | "htm" => "text/html",
        "json" => "application/json",
        "xml" => "application/xml",
        "docx" => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "pptx" => "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        _ => "application/pdf",
    }
}

/// A file extension for a `data:` URI: the subtype, as far as it is a plain word.
pub(super) fn extension(url: &str) -> String {
    let subtype = url
        .split([';', ','])
        .next()
        .and_then(|mime| mime.split('/').nth(1));
    match subtype {
        Some("jpeg") => "jpg".into(),
        Some("mpeg") => "mp3".into(),
        Some(word)
            if !word.is_empty()
                && word.len() <= 8
                && word.bytes().all(|byte| byte.is_ascii_alphanumeric()) =>
        {
            word.into()
        }
        _ => "bin".into(),
    }
}
