use std::borrow::Cow;

use super::mime;
use crate::{
    json::{self, Raw, RawObject, quote},
    openai::RequestFault,
};

/// The upstream's media parts, each `{"type":"X_url","X_url":{"url":…}}` (CONTRACT.md, section 1).
const URL_PARTS: [&str; 4] = ["image_url", "video_url", "audio_url", "file_url"];

/// A file to upload before the request can be submitted (CONTRACT.md, section 5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// A `data:` URI.
    pub data: String,
    pub file_name: String,
    /// Which part it is, as `messages[0].content[1]`.
    pub param: String,
}

/// JSON text with a hole for the URL of each upload.
#[derive(Debug, Default)]
pub(super) struct Holed {
    text: String,
    holes: Vec<usize>,
    uploads: Vec<Upload>,
}

impl Holed {
    pub(super) fn uploads(&self) -> &[Upload] {
        &self.uploads
    }

    /// Fills the holes in their order. Further URLs are left over, missing ones leave empty strings.
    pub(super) fn fill(&self, urls: &[String]) -> String {
        let mut filled = String::with_capacity(
            self.text.len() + urls.iter().map(|url| url.len() + 2).sum::<usize>(),
        );
        let mut from = 0;
        for (at, hole) in self.holes.iter().enumerate() {
            filled.push_str(self.text.get(from..*hole).unwrap_or_default());
            filled.push_str(&quote(urls.get(at).map_or("", String::as_str)));
            from = *hole;
        }
        filled.push_str(self.text.get(from..).unwrap_or_default());
        filled
    }

    fn write(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// A URL: `data` itself where it is short enough, else a hole for where it will be uploaded to.
    fn write_url(&mut self, data: Cow<str>, file_name: &str, param: &str, inline_max: usize) {
        if data.len() <= inline_max || !data.starts_with("data:") {
            self.text.push_str(&quote(&data));
            return;
        }
        self.holes.push(self.text.len());
        self.uploads.push(Upload {
            data: data.into_owned(),
            file_name: file_name.to_owned(),
            param: param.to_owned(),
        });
    }
}

/// Translates the content parts of `messages`, which must be an array of objects. `None` when nothing is to be
/// changed; otherwise everything but the changed parts is kept byte for byte.
///
/// OpenAI's `input_audio` and `file` become the upstream's `audio_url` and `file_url`, a `refusal` becomes text, and
/// inline data over `inline_max` bytes is to be uploaded.
pub(super) fn media(messages: Raw, inline_max: usize) -> Result<Option<Holed>, RequestFault> {
    let messages = Raw::array(messages).unwrap_or_default();
    let mut is_changed = false;
    for (at, message) in messages.iter().enumerate() {
        for (part_at, part) in parts(*message).into_iter().enumerate() {
            let path = format!("messages[{at}].content[{part_at}]");
            is_changed |= Part::read(part, &path)?.is_changed(inline_max);
        }
    }
    if !is_changed {
        return Ok(None);
    }
    let mut holed = Holed::default();
    holed.write("[");
    for (at, message) in messages.iter().enumerate() {
        holed.write(if at > 0 { "," } else { "" });
        write_message(&mut holed, *message, &format!("messages[{at}]"), inline_max)?;
    }
    holed.write("]");
    Ok(Some(holed))
}

/// Where the part is that a model is most likely to have refused, as `messages[0].content[1]`: the first one of a
/// type that `message` names, else the first one that is not text.
pub fn suspect(messages: Raw, message: &str) -> Option<String> {
    let mut first = None;
    for (at, entry) in Raw::array(messages)?.into_iter().enumerate() {
        for (part_at, part) in parts(entry).into_iter().enumerate() {
            let kind = RawObject::of(part)
                .and_then(|part| part.string("type"))
                .unwrap_or_default();
            if matches!(&*kind, "" | "text" | "refusal") {
                continue;
            }
            let path = format!("messages[{at}].content[{part_at}]");
            // "audio" of input_audio and audio_url alike.
            let noun = kind.trim_start_matches("input_").trim_end_matches("_url");
            if message.contains(&*kind) || message.contains(noun) {
                return Some(path);
            }
            first.get_or_insert(path);
        }
    }
    first
}

fn parts(message: Raw) -> Vec<Raw> {
    let content = RawObject::of(message).and_then(|message| message.get("content"));
    content.and_then(Raw::array).unwrap_or_default()
}

fn write_message(
    holed: &mut Holed,
    message: Raw,
    path: &str,
    inline_max: usize,
) -> Result<(), RequestFault> {
    let object = RawObject::of(message).unwrap_or_default();
    holed.write("{");
    for (at, (name, value)) in object.members().enumerate() {
        holed.write(if at > 0 { "," } else { "" });
        holed.write(name.get());
        holed.write(":");
        match Raw::array(value) {
            Some(parts) if Raw::string(name).as_deref() == Some("content") => {
                holed.write("[");
                for (at, part) in parts.into_iter().enumerate() {
                    holed.write(if at > 0 { "," } else { "" });
                    let path = format!("{path}.content[{at}]");
                    Part::read(part, &path)?.write(holed, &path, inline_max);
                }
                holed.write("]");
            }
            _ => holed.write(value.get()),
        }
    }
    holed.write("}");
    Ok(())
}

/// One content part, by what is to be done with it.
enum Part<'a> {
    /// Text, and what nobody here knows: the upstream judges it.
    AsItIs(Raw<'a>),
    /// One of the upstream's own media parts.
    Url {
        kind: &'static str,
        part: RawObject<'a>,
        text: Raw<'a>,
        media: RawObject<'a>,
        url: Cow<'a, str>,
    },
    /// One of OpenAI's, as one of the upstream's.
    Inline {
        kind: &'static str,
        data: String,
        file_name: String,
    },
    Refusal(Cow<'a, str>),
}

impl<'a> Part<'a> {
    fn read(text: Raw<'a>, path: &str) -> Result<Self, RequestFault> {
        let Some(part) = RawObject::of(text) else {
            return Ok(Self::AsItIs(text));
        };
        let kind = part.string("type").unwrap_or_default();
        if let Some(kind) = URL_PARTS.into_iter().find(|known| **known == *kind) {
            let media = object(&part, path, kind)?;
            let url = text_of(&media, &format!("{path}.{kind}"), "url")?;
            return Ok(Self::Url {
                kind,
                part,
                text,
                media,
                url,
            });
        }
        match &*kind {
            "input_audio" => input_audio(
                &object(&part, path, "input_audio")?,
                &format!("{path}.input_audio"),
            ),
            "file" => file(&object(&part, path, "file")?, &format!("{path}.file")),
            "refusal" => Ok(Self::Refusal(text_of(&part, path, "refusal")?)),
            _ => Ok(Self::AsItIs(text)),
        }
    }

    fn is_changed(&self, inline_max: usize) -> bool {
        match self {
            Self::AsItIs(_) => false,
            Self::Url { url, .. } => url.len() > inline_max && url.starts_with("data:"),
            Self::Inline { .. } | Self::Refusal(_) => true,
        }
    }

    fn write(self, holed: &mut Holed, path: &str, inline_max: usize) {
        if !self.is_changed(inline_max) {
            if let Self::AsItIs(text) | Self::Url { text, .. } = self {
                holed.write(text.get());
            }
            return;
        }
        match self {
            Self::AsItIs(text) => holed.write(text.get()),
            Self::Refusal(text) => {
                holed.write(&format!(r#"{{"type":"text","text":{}}}"#, quote(&text)))
            }
            Self::Inline {
                kind,
                data,
                file_name,
            } => {
                holed.write(&format!(r#"{{"type":"{kind}","{kind}":{{"url":"#));
                holed.write_url(Cow::Owned(data), &file_name, path, inline_max);
                holed.write("}}");
            }
            Self::Url {
                kind,
                part,
                media,
                url,
                ..
            } => {
                let mut part = part.edit();
                part.remove(kind);
                let part = part.finish().unwrap_or_default();
                holed.write(part.strip_suffix('}').unwrap_or(&part));
                let mut media = media.edit();
                media.remove("url");
                let media = media.finish().unwrap_or_default();
                let media = media.strip_prefix('{').unwrap_or(&media);
                let comma = if media == "}" { "" } else { "," };
                holed.write(&format!(r#","{kind}":{{"url":"#));
                let file_name = format!("media.{}", mime::extension(&url));
                holed.write_url(url, &file_name, path, inline_max);
                holed.write(&format!("{comma}{media}}}"));
            }
        }
    }
}

fn input_audio<'a>(audio: &RawObject, path: &str) -> Result<Part<'a>, RequestFault> {
    let data = text_of(audio, path, "data")?;
    let format = text_of(audio, path, "format")?;
    let mime = mime::of_audio(&format).ok_or_else(|| {
        RequestFault::invalid_value(
            format!("{path}.format"),
            format!(
                "Audio of format '{}' is not known. Send wav, mp3, flac, ogg, aac, m4a, aiff, webm or pcm16.",
                short(&format)
            ),
        )
    })?;
    let data = if data.starts_with("data:") {
        data.into_owned()
    } else {
        format!("data:{mime};base64,{data}")
    };
    Ok(Part::Inline {
        kind: "audio_url",
        data,
        file_name: format!("audio.{format}"),
    })
}

fn file<'a>(file: &RawObject, path: &str) -> Result<Part<'a>, RequestFault> {
    if file.present("file_id").is_some() {
        return Err(RequestFault::invalid_value(
            format!("{path}.file_id"),
            "Files uploaded to OpenAI are not known here. Send the file itself as 'file_data' with 'filename', or as a \
             'file_url' part.",
        ));
    }
    let data = text_of(file, path, "file_data")?;
    let file_name = file
        .string("filename")
        .unwrap_or(Cow::Borrowed("file.pdf"))
        .into_owned();
    let data = if data.starts_with("data:") {
        data.into_owned()
    } else {
        format!("data:{};base64,{data}", mime::of_file(&file_name))
    };
    Ok(Part::Inline {
        kind: "file_url",
        data,
        file_name,
    })
}

fn object<'a>(part: &RawObject<'a>, path: &str, name: &str) -> Result<RawObject<'a>, RequestFault> {
    let value = part
        .present(name)
        .ok_or_else(|| RequestFault::missing(&format!("{path}.{name}")))?;
    RawObject::of(value).ok_or_else(|| {
        RequestFault::wrong_type(format!("{path}.{name}"), "an object", json::kind(value))
    })
}

fn text_of<'a>(
    object: &RawObject<'a>,
    path: &str,
    name: &str,
) -> Result<Cow<'a, str>, RequestFault> {
    let value = object
        .present(name)
        .ok_or_else(|| RequestFault::missing(&format!("{path}.{name}")))?;
    Raw::string(value).ok_or_else(|| {
        RequestFault::wrong_type(format!("{path}.{name}"), "a string", json::kind(value))
    })
}

fn short(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
#[path = "media_tests.rs"]
mod tests;
