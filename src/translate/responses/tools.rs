use super::messages::{shown, text};
use crate::{
    json::{self, Raw, RawObject, quote},
    openai::RequestFault,
};

/// What only this API says of a function.
const NOT_OF_CHATS: [&str; 5] = [
    "type",
    "allowed_callers",
    "defer_loading",
    "output_schema",
    "async",
];

/// What a tool that takes plain text is called with, when it is put as a function.
pub(super) const CUSTOM_INPUT: &str = "input";

/// The tools of a request in a chat's words.
#[derive(Debug, Default)]
pub(super) struct Tools {
    /// The chat's `tools`, a JSON array; `None` where there are none.
    pub(super) json: Option<String>,
    /// The chat's `tool_choice`, as JSON text.
    pub(super) choice: Option<String>,
}

/// The names of the tools that take plain text (`custom`).
pub fn customs(request: &RawObject) -> Vec<String> {
    let tools = request.present("tools").and_then(Raw::array);
    let tools = tools.unwrap_or_default().into_iter();
    tools
        .filter_map(RawObject::of)
        .filter(|tool| tool.string("type").as_deref() == Some("custom"))
        .filter_map(|tool| Some(tool.string("name")?.into_owned()))
        .collect()
}

/// Translates `tools` and `tool_choice`. What the client runs can be had: functions, and tools that take plain text, which
/// become functions of one string. What OpenAI runs itself is refused by its name.
pub(super) fn tools(request: &RawObject) -> Result<Tools, RequestFault> {
    let functions = functions(request)?;
    let choice = match request.present("tool_choice") {
        Some(choice) => Choice::read(choice)?,
        None => Choice::Unsaid,
    };
    let offered = functions.into_iter().filter(|function| match &choice {
        Choice::Among(_, names) => names.contains(&function.name),
        _ => true,
    });
    let offered: Vec<String> = offered.map(|function| function.json).collect();
    if offered.is_empty() {
        if !matches!(&choice, Choice::Unsaid) && !choice.is_lenient() {
            return Err(RequestFault::invalid_value(
                "tool_choice",
                "Invalid 'tool_choice': no tool is offered that could be called. Offer one in 'tools', or send auto.",
            ));
        }
        // A chat that offers no tools may not speak of a choice either.
        return Ok(Tools::default());
    }
    Ok(Tools {
        json: Some(format!("[{}]", offered.join(","))),
        choice: match choice {
            Choice::Unsaid => None,
            Choice::Mode(mode) | Choice::Among(mode, _) => Some(mode),
            Choice::Function(name) => Some(format!(
                r#"{{"type":"function","function":{{"name":{name}}}}}"#
            )),
        },
    })
}

/// The tools as a response shows them: the client's own, with what OpenAI's types require.
pub(super) fn shown_tools(request: &RawObject) -> String {
    let tools = request
        .present("tools")
        .and_then(Raw::array)
        .unwrap_or_default();
    let tools: Vec<String> = tools
        .into_iter()
        .filter_map(RawObject::of)
        .map(|tool| {
            let mut edit = tool.edit();
            let is_function = tool.string("type").as_deref() == Some("function");
            for name in ["description", "parameters", "strict"] {
                if is_function && tool.get(name).is_none() {
                    edit.set(name, "null");
                }
            }
            edit.text()
        })
        .collect();
    format!("[{}]", tools.join(","))
}

struct Function {
    name: String,
    /// As a tool of a chat.
    json: String,
}

fn functions(request: &RawObject) -> Result<Vec<Function>, RequestFault> {
    let Some(value) = request.present("tools") else {
        return Ok(Vec::new());
    };
    let tools = Raw::array(value)
        .ok_or_else(|| RequestFault::wrong_type("tools", "an array of tools", json::kind(value)))?;
    tools
        .into_iter()
        .enumerate()
        .map(|(at, tool)| function(tool, &format!("tools[{at}]")))
        .collect()
}

fn function(value: Raw, place: &str) -> Result<Function, RequestFault> {
    let tool = RawObject::of(value)
        .ok_or_else(|| RequestFault::wrong_type(place, "an object", json::kind(value)))?;
    let kind = text(&tool, place, "type")?.string().unwrap_or_default();
    if kind == "custom" {
        return custom(&tool, place);
    }
    if kind != "function" {
        return Err(RequestFault {
            message: format!(
                "Unsupported tool: '{place}' is '{}', which FoxAPI does not have. Leave it out, or offer a tool of type \
                 'function' and run it yourself.",
                shown(&kind)
            ),
            param: Some(place.to_owned()),
            code: Some("unsupported_tool"),
        });
    }
    let name = text(&tool, place, "name")?;
    for (member, expected) in [
        ("description", "a string"),
        ("parameters", "an object"),
        ("strict", "a boolean"),
    ] {
        if let Some(value) = tool.present(member)
            && json::kind(value) != expected
        {
            let param = format!("{place}.{member}");
            return Err(RequestFault::wrong_type(param, expected, json::kind(value)));
        }
    }
    let mut edit = tool.edit();
    for member in NOT_OF_CHATS {
        edit.remove(member);
    }
    if tool
        .get("strict")
        .is_some_and(|strict| strict.get() == "null")
    {
        edit.remove("strict");
    }
    Ok(Function {
        name: name.string().unwrap_or_default().into_owned(),
        json: format!(r#"{{"type":"function","function":{}}}"#, edit.text()),
    })
}

/// A tool that takes plain text, as a function. What it says about the form of that text is told to the model in words.
fn custom(tool: &RawObject, place: &str) -> Result<Function, RequestFault> {
    let name = text(tool, place, "name")?;
    if tool.present("description").is_some() {
        text(tool, place, "description")?;
    }
    let mut description = tool.string("description").unwrap_or_default().into_owned();
    let format = tool.object("format").unwrap_or_default();
    if let Some(definition) = format.string("definition") {
        let syntax = format.string("syntax").unwrap_or_default();
        description.push_str(&format!(
            "\n\nThe input must follow this grammar ({syntax}):\n{definition}"
        ));
    }
    Ok(Function {
        name: name.string().unwrap_or_default().into_owned(),
        json: format!(
            concat!(
                r#"{{"type":"function","function":{{"name":{},"description":{},"parameters":{{"type":"object","#,
                r#""properties":{{"{input}":{{"type":"string","description":"The plain text that the tool is given."}}}},"#,
                r#""required":["{input}"],"additionalProperties":false}}}}}}"#
            ),
            name.get(),
            quote(description.trim_start()),
            input = CUSTOM_INPUT
        ),
    })
}

/// Which tool the model is to call.
enum Choice {
    Unsaid,
    /// `auto`, `none` or `required`, as JSON text.
    Mode(String),
    /// The JSON string of the name of the one that it must.
    Function(String),
    /// A mode, and the names of the only ones that it may.
    Among(String, Vec<String>),
}

impl Choice {
    /// Whether the model need not call anything.
    fn is_lenient(&self) -> bool {
        matches!(self, Self::Mode(mode) | Self::Among(mode, _) if mode != "\"required\"")
    }

    fn read(value: Raw) -> Result<Self, RequestFault> {
        if Raw::string(value).is_some() {
            return mode(value, "tool_choice").map(Self::Mode);
        }
        let choice = RawObject::of(value).ok_or_else(|| {
            RequestFault::wrong_type("tool_choice", "a string or an object", json::kind(value))
        })?;
        let kind = text(&choice, "tool_choice", "type")?;
        match kind.get() {
            "\"function\"" | "\"custom\"" => {
                let name = text(&choice, "tool_choice", "name")?;
                Ok(Self::Function(quote(&name.string().unwrap_or_default())))
            }
            "\"allowed_tools\"" => {
                let allowed = mode(text(&choice, "tool_choice", "mode")?, "tool_choice.mode")?;
                let tools = choice
                    .get("tools")
                    .and_then(Raw::array)
                    .ok_or_else(|| RequestFault::missing("tool_choice.tools"))?;
                let names = tools
                    .into_iter()
                    .filter_map(RawObject::of)
                    .filter_map(|tool| Some(tool.string("name")?.into_owned()));
                Ok(Self::Among(allowed, names.collect()))
            }
            other => Err(RequestFault::invalid_value(
                "tool_choice",
                format!(
                    "Unsupported 'tool_choice': {} is no tool that FoxAPI has. Choose auto, none, required or a function.",
                    shown(other)
                ),
            )),
        }
    }
}

fn mode(value: Raw, param: &str) -> Result<String, RequestFault> {
    match value.get() {
        mode @ ("\"auto\"" | "\"none\"" | "\"required\"") => Ok(mode.to_owned()),
        other => Err(RequestFault::invalid_value(
            param,
            format!(
                "Invalid '{param}': {}. Send auto, none, required or a function.",
                shown(other)
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(request: &str) -> Result<(Option<String>, Option<String>), RequestFault> {
        let tools = tools(&RawObject::parse(request).unwrap())?;
        Ok((tools.json, tools.choice))
    }

    const F: &str = r#"{"type":"function","name":"f","parameters":{"x" : 1e400},"strict":null,"defer_loading":true}"#;
    const CHAT_F: &str =
        r#"{"type":"function","function":{"name":"f","parameters":{"x" : 1e400}}}"#;
    const G: &str = r#"{"type":"function","name":"g","strict":true}"#;
    const CHAT_G: &str = r#"{"type":"function","function":{"name":"g","strict":true}}"#;

    #[test]
    fn functions_and_choices_in_a_chats_words() {
        for (choice, tools, chat_choice) in [
            ("null", format!("[{CHAT_F},{CHAT_G}]"), None),
            (
                "\"required\"",
                format!("[{CHAT_F},{CHAT_G}]"),
                Some("\"required\""),
            ),
            (
                r#"{"type":"function","name":"g"}"#,
                format!("[{CHAT_F},{CHAT_G}]"),
                Some(r#"{"type":"function","function":{"name":"g"}}"#),
            ),
            (
                r#"{"type":"allowed_tools","mode":"required","tools":[{"type":"function","name":"g"}]}"#,
                format!("[{CHAT_G}]"),
                Some("\"required\""),
            ),
        ] {
            let request = format!(r#"{{"tools":[{F},{G}],"tool_choice":{choice}}}"#);
            let (json, read_choice) = read(&request).unwrap();
            assert_eq!(json, Some(tools), "{choice}");
            assert_eq!(read_choice.as_deref(), chat_choice, "{choice}");
        }
        assert_eq!(
            read(r#"{"tools":[],"tool_choice":"auto"}"#).unwrap(),
            (None, None)
        );
    }

    #[test]
    fn a_tool_for_plain_text_is_a_function_of_one_string() {
        let request = r#"{"tools":[{"type":"custom","name":"patch","description":"Patches.","format":{"type":"grammar","syntax":"lark","definition":"start: A"}}],
            "tool_choice":{"type":"custom","name":"patch"}}"#;
        let (json, choice) = read(request).unwrap();
        assert_eq!(
            json.as_deref(),
            Some(
                r#"[{"type":"function","function":{"name":"patch","description":"Patches.\n\nThe input must follow this grammar (lark):\nstart: A","parameters":{"type":"object","properties":{"input":{"type":"string","description":"The plain text that the tool is given."}},"required":["input"],"additionalProperties":false}}}]"#
            )
        );
        let chosen = r#"{"type":"function","function":{"name":"patch"}}"#;
        assert_eq!(choice.as_deref(), Some(chosen));
        assert_eq!(customs(&RawObject::parse(request).unwrap()), ["patch"]);
    }

    #[test]
    fn whoever_must_call_must_be_offered_something() {
        assert!(read(r#"{"tool_choice":"required"}"#).is_err());
        assert_eq!(read(r#"{"tool_choice":"none"}"#).unwrap(), (None, None));
    }

    #[test]
    fn what_openai_runs_itself_is_named() {
        for kind in [
            "web_search_preview",
            "file_search",
            "mcp",
            "code_interpreter",
            "namespace",
        ] {
            let request = format!(r#"{{"tools":[{F},{{"type":"{kind}"}}]}}"#);
            let fault = read(&request).unwrap_err();
            assert!(fault.message.contains(kind), "{fault}");
            assert_eq!(fault.param.as_deref(), Some("tools[1]"));
        }
        for (choice, param) in [
            ("\"sometimes\"", "tool_choice"),
            ("7", "tool_choice"),
            (r#"{"type":"file_search"}"#, "tool_choice"),
            (r#"{"type":"function"}"#, "tool_choice.name"),
            (
                r#"{"type":"allowed_tools","mode":"auto"}"#,
                "tool_choice.tools",
            ),
        ] {
            let fault = read(&format!(r#"{{"tools":[{F}],"tool_choice":{choice}}}"#)).unwrap_err();
            assert_eq!(fault.param.as_deref(), Some(param), "{choice}");
        }
    }
}
