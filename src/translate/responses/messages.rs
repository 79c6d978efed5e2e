use super::tools::CUSTOM_INPUT;
use crate::{
    json::{self, Raw, RawObject, quote},
    openai::RequestFault,
};

/// Chat messages made of items, and of what each was made.
#[derive(Debug, Default)]
pub(super) struct Messages {
    json: String,
    /// Where the client wrote the content of each message, as `input[0].content`.
    places: Vec<String>,
    /// The model's turn, which goes on as long as the model speaks or calls.
    turn: Option<Turn>,
}

/// What the model said, then called: several items, and one message of a chat.
#[derive(Debug)]
struct Turn {
    place: String,
    /// JSON text.
    content: Option<String>,
    calls: Vec<String>,
}

/// A content part.
enum Part<'a> {
    /// The JSON string of a text.
    Text(Raw<'a>),
    /// A part of a chat, as JSON text.
    Media(String),
}

impl Messages {
    /// Says something before all items.
    pub(super) fn instruct(&mut self, instructions: Raw) {
        self.write("instructions", "system", instructions.get());
    }

    /// A user's words alone.
    pub(super) fn ask(&mut self, text: Raw) {
        self.write("input", "user", text.get());
    }

    /// Goes on with an item, which the client wrote at `place`, as `input[0]`.
    pub(super) fn add(&mut self, place: &str, item: Raw) -> Result<(), RequestFault> {
        let object = RawObject::of(item)
            .ok_or_else(|| RequestFault::wrong_type(place, "an object", json::kind(item)))?;
        match &*kind(place, &object)? {
            "message" => self.message(place, &object),
            "function_call" => {
                let arguments = text(&object, place, "arguments")?;
                self.call(place, &object, arguments.get())
            }
            // To a chat it is a function of one string.
            "custom_tool_call" => {
                let input = text(&object, place, "input")?.get();
                let arguments = quote(&format!(r#"{{"{CUSTOM_INPUT}":{input}}}"#));
                self.call(place, &object, &arguments)
            }
            "function_call_output" | "custom_tool_call_output" => {
                self.end_turn();
                let (id, path) = (text(&object, place, "call_id")?, format!("{place}.output"));
                let output = required(&object, place, "output")?;
                let content = content(output, &path, false)?;
                self.push(
                    path,
                    &format!(
                        r#"{{"role":"tool","tool_call_id":{},"content":{content}}}"#,
                        id.get()
                    ),
                );
                Ok(())
            }
            // What a model thought is not told to it again: chats have no place for it.
            "reasoning" => Ok(()),
            other => Err(RequestFault::invalid_value(
                format!("{place}.type"),
                format!(
                    "Unsupported item: '{place}' is of type '{}', which FoxAPI has no words for. Send messages, function \
                     calls and their outputs, and leave out the rest.",
                    shown(other)
                ),
            )),
        }
    }

    /// The messages as a JSON array, and where the content of each stood.
    pub(super) fn finish(mut self) -> (String, Vec<String>) {
        self.end_turn();
        (format!("[{}]", self.json), self.places)
    }

    fn message(&mut self, place: &str, object: &RawObject) -> Result<(), RequestFault> {
        let path = format!("{place}.content");
        let role = text(object, place, "role")?;
        let body = required(object, place, "content")?;
        match role.get() {
            "\"user\"" => self.write(&path, "user", &content(body, &path, false)?),
            "\"system\"" => self.write(&path, "system", &content(body, &path, true)?),
            "\"developer\"" => self.write(&path, "developer", &content(body, &path, true)?),
            "\"assistant\"" => self.speak(path, body)?,
            other => {
                return Err(RequestFault::invalid_value(
                    format!("{place}.role"),
                    format!(
                        "Invalid '{place}.role': {}. Send user, assistant, system or developer.",
                        shown(other)
                    ),
                ));
            }
        }
        Ok(())
    }

    /// The model says something. Between calls and their outputs nothing may stand in a chat, so what is said there belongs to
    /// the message that calls.
    fn speak(&mut self, path: String, body: Raw) -> Result<(), RequestFault> {
        let content = content(body, &path, true)?;
        if let Some(turn) = self.turn.as_mut().filter(|turn| !turn.calls.is_empty()) {
            turn.content = Some(match turn.content.take() {
                Some(before) => joined(&before, &content),
                None => content,
            });
            return Ok(());
        }
        self.end_turn();
        self.turn = Some(Turn {
            content: Some(content),
            place: path,
            calls: Vec::new(),
        });
        Ok(())
    }

    /// `arguments` is the JSON string of JSON text.
    fn call(
        &mut self,
        place: &str,
        object: &RawObject,
        arguments: &str,
    ) -> Result<(), RequestFault> {
        let id = text(object, place, "call_id")?;
        let name = text(object, place, "name")?;
        let turn = self.turn.get_or_insert_with(|| Turn {
            place: place.to_owned(),
            content: None,
            calls: Vec::new(),
        });
        turn.calls.push(format!(
            r#"{{"id":{},"type":"function","function":{{"name":{},"arguments":{}}}}}"#,
            id.get(),
            name.get(),
            arguments
        ));
        Ok(())
    }

    fn end_turn(&mut self) {
        let Some(turn) = self.turn.take() else { return };
        let content = turn.content.as_deref().unwrap_or("null");
        let calls = match turn.calls.as_slice() {
            [] => String::new(),
            calls => format!(r#","tool_calls":[{}]"#, calls.join(",")),
        };
        let message = format!(r#"{{"role":"assistant","content":{content}{calls}}}"#);
        self.push(turn.place, &message);
    }

    /// `content` is JSON text.
    fn write(&mut self, place: &str, role: &str, content: &str) {
        self.end_turn();
        let message = format!(r#"{{"role":"{role}","content":{content}}}"#);
        self.push(place.to_owned(), &message);
    }

    fn push(&mut self, place: String, message: &str) {
        if !self.json.is_empty() {
            self.json.push(',');
        }
        self.json.push_str(message);
        self.places.push(place);
    }
}

/// An item's type. A message may leave it out, and a reference to another item too.
pub(super) fn kind(place: &str, item: &RawObject) -> Result<String, RequestFault> {
    match item.present("type") {
        None if item.present("role").is_some() => Ok("message".to_owned()),
        None if item.present("id").is_some() => Ok("item_reference".to_owned()),
        None => Err(RequestFault::missing(&format!("{place}.type"))),
        Some(_) => {
            let kind = text(item, place, "type")?;
            Ok(kind.string().unwrap_or_default().into_owned())
        }
    }
}

/// Content of a message in a chat's words, as JSON text. `joins`: parts that are all text are put together, because few
/// providers take parts of whoever is not a user.
fn content(value: Raw, path: &str, joins: bool) -> Result<String, RequestFault> {
    if Raw::string(value).is_some() {
        return Ok(value.get().to_owned());
    }
    let parts = Raw::array(value).ok_or_else(|| {
        RequestFault::wrong_type(
            path,
            "a string or an array of content parts",
            json::kind(value),
        )
    })?;
    let parts: Result<Vec<Part>, RequestFault> = parts
        .iter()
        .enumerate()
        .map(|(at, part)| Part::read(*part, &format!("{path}[{at}]")))
        .collect();
    let parts = parts?;
    if let [Part::Text(only)] = parts.as_slice() {
        return Ok(only.get().to_owned());
    }
    let texts: Option<Vec<Raw>> = parts.iter().map(Part::text).collect();
    if let (true, Some(texts)) = (joins || parts.is_empty(), texts) {
        let texts: Vec<_> = texts.into_iter().filter_map(Raw::string).collect();
        return Ok(quote(&texts.concat()));
    }
    let parts: Vec<String> = parts.into_iter().map(Part::into_json).collect();
    Ok(format!("[{}]", parts.join(",")))
}

/// Both of two contents, which are JSON text.
fn joined(one: &str, other: &str) -> String {
    let text = |content| Raw::parse(content).ok().and_then(Raw::string);
    match (text(one), text(other)) {
        (Some(one), Some(other)) => quote(&format!("{one}\n{other}")),
        // Parts of a model are rare, and they stand in a list.
        _ => {
            let parts = |content: &str| match content.strip_prefix('[') {
                Some(parts) => parts.trim_end_matches(']').to_owned(),
                None => format!(r#"{{"type":"text","text":{content}}}"#),
            };
            format!("[{},{}]", parts(one), parts(other))
        }
    }
}

impl<'a> Part<'a> {
    fn read(raw: Raw<'a>, path: &str) -> Result<Self, RequestFault> {
        let part = RawObject::of(raw)
            .ok_or_else(|| RequestFault::wrong_type(path, "an object", json::kind(raw)))?;
        let kind = text(&part, path, "type")?;
        Ok(match kind.get() {
            "\"input_text\"" | "\"output_text\"" | "\"text\"" | "\"summary_text\"" => {
                Self::Text(text(&part, path, "text")?)
            }
            "\"refusal\"" => Self::Text(text(&part, path, "refusal")?),
            "\"input_image\"" => {
                no_file_id(&part, path, "image_url")?;
                let url = text(&part, path, "image_url")?;
                let detail = part.present("detail").map_or(String::new(), |detail| {
                    // Chats know no more than "high".
                    let detail = match detail.get() {
                        "\"original\"" => "\"high\"",
                        known => known,
                    };
                    format!(r#","detail":{detail}"#)
                });
                Self::Media(format!(
                    r#"{{"type":"image_url","image_url":{{"url":{}{detail}}}}}"#,
                    url.get()
                ))
            }
            "\"input_file\"" => Self::Media(file(&part, path)?),
            // A chat calls it the same; and what nobody here knows the upstream judges.
            _ => Self::Media(raw.get().to_owned()),
        })
    }

    fn text(&self) -> Option<Raw<'a>> {
        match self {
            Self::Text(text) => Some(*text),
            Self::Media(_) => None,
        }
    }

    fn into_json(self) -> String {
        match self {
            Self::Text(text) => format!(r#"{{"type":"text","text":{}}}"#, text.get()),
            Self::Media(json) => json,
        }
    }
}

fn file(part: &RawObject, path: &str) -> Result<String, RequestFault> {
    no_file_id(part, path, "file_data' with 'filename', or its 'file_url")?;
    if part.present("file_data").is_none() && part.present("file_url").is_some() {
        let url = text(part, path, "file_url")?;
        return Ok(format!(
            r#"{{"type":"file_url","file_url":{{"url":{}}}}}"#,
            url.get()
        ));
    }
    let data = text(part, path, "file_data")?;
    let name = match part.present("filename") {
        None => String::new(),
        Some(_) => format!(r#","filename":{}"#, text(part, path, "filename")?.get()),
    };
    Ok(format!(
        r#"{{"type":"file","file":{{"file_data":{}{name}}}}}"#,
        data.get()
    ))
}

fn no_file_id(part: &RawObject, path: &str, instead: &str) -> Result<(), RequestFault> {
    match part.present("file_id") {
        None => Ok(()),
        Some(_) => Err(RequestFault::invalid_value(
            format!("{path}.file_id"),
            format!(
                "Files uploaded to OpenAI are not known here. Send the file itself as '{instead}'."
            ),
        )),
    }
}

fn required<'a>(object: &RawObject<'a>, place: &str, name: &str) -> Result<Raw<'a>, RequestFault> {
    object
        .present(name)
        .ok_or_else(|| RequestFault::missing(&format!("{place}.{name}")))
}

/// A member that must be a string, as it is written.
pub(super) fn text<'a>(
    object: &RawObject<'a>,
    place: &str,
    name: &str,
) -> Result<Raw<'a>, RequestFault> {
    let value = required(object, place, name)?;
    match value.string() {
        Some(_) => Ok(value),
        None => Err(RequestFault::wrong_type(
            format!("{place}.{name}"),
            "a string",
            json::kind(value),
        )),
    }
}

pub(super) fn shown(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
#[path = "messages_tests.rs"]
mod tests;
