//! A submit's body, checked as strictly as the contract says (CONTRACT.md, section 1).

use std::collections::HashMap;

use serde::de::DeserializeOwned;
use serde_json::{Value, value::RawValue};

use super::{
    message::{self, Message},
    models::Model,
    reply::Refusal,
    script::Script,
};

/// The largest inline body that a gemini model takes, in bytes.
const GEMINI_BODY: usize = 20 << 20;
/// The smallest `max_tokens` that a gpt model takes.
const GPT_MAX_TOKENS: u64 = 16;

/// A valid request.
#[derive(Debug)]
pub(super) struct Submission {
    pub(super) model: Model,
    pub(super) messages: Vec<Message>,
    pub(super) script: Script,
    pub(super) stream: bool,
    pub(super) include_usage: bool,
    pub(super) max_tokens: Option<u64>,
    pub(super) stop: Vec<String>,
    /// How many choices are asked for, at least one.
    pub(super) n: usize,
    /// How many alternatives a token's log probability comes with; absent when none are asked for.
    pub(super) logprobs: Option<usize>,
    pub(super) tools: Vec<Tool>,
    pub(super) tool_choice: ToolChoice,
    pub(super) parallel_tool_calls: bool,
    pub(super) format: Format,
    pub(super) reasons: bool,
}

/// A function that the model may call.
#[derive(Debug)]
pub(super) struct Tool {
    pub(super) name: String,
    pub(super) parameters: Value,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum ToolChoice {
    Auto,
    None,
    Required,
    Named(String),
}

/// What shape the answer's text must have.
#[derive(Debug)]
pub(super) enum Format {
    Text,
    JsonObject,
    JsonSchema(Value),
}

/// The fields of one JSON object. Those that nobody asks for are never looked into, so that numbers beyond any
/// machine type pass.
pub(super) struct Fields(HashMap<String, Box<RawValue>>);

impl Fields {
    pub(super) fn parse(json: &str) -> serde_json::Result<Self> {
        serde_json::from_str(json).map(Self)
    }

    /// A field's value; `null` counts as absent. `expected` completes the complaint about another type.
    pub(super) fn get<T: DeserializeOwned>(
        &self,
        name: &str,
        expected: &str,
    ) -> Result<Option<T>, Refusal> {
        let Some(value) = self.0.get(name) else {
            return Ok(None);
        };
        serde_json::from_str(value.get())
            .map_err(|_| Refusal::invalid_param(format!("{name} must be {expected}.")))
    }
}

impl Submission {
    /// Reads and checks a submit's body; `script` is what happens to every request.
    pub(super) fn parse(body: &[u8], mut script: Script) -> Result<Self, Refusal> {
        let text = str::from_utf8(body)
            .map_err(|_| Refusal::bad_request("The request body is not UTF-8."))?;
        let fields = Fields::parse(text).map_err(|error| {
            Refusal::bad_request(format!("The request body is not a JSON object: {error}."))
        })?;
        let model = model(&fields)?;
        let messages = message::read_all(&fields, model, &mut script)?;
        if model.id.starts_with("gemini-") && body.len() > GEMINI_BODY {
            return Err(Refusal::invalid_param(
                "The request body of a gemini model must stay under 20 MB; upload large files first.",
            )
            .code("model_rule_violation"));
        }
        check_ranges(&fields)?;
        let tools = tools(&fields)?;
        Ok(Self {
            max_tokens: max_tokens(&fields, model)?,
            stream: fields.get("stream", "a boolean")?.unwrap_or(false),
            include_usage: include_usage(&fields)?,
            stop: stop(&fields)?,
            n: fields.get("n", "an integer from 1 to 128")?.unwrap_or(1),
            logprobs: logprobs(&fields)?,
            tool_choice: tool_choice(&fields, &tools)?,
            tools,
            parallel_tool_calls: fields
                .get("parallel_tool_calls", "a boolean")?
                .unwrap_or(true),
            format: format(&fields)?,
            reasons: reasons(&fields, model)?,
            model,
            messages,
            script,
        })
    }

    /// The text of the last message that a user wrote.
    pub(super) fn last_user_text(&self) -> &str {
        let last = self.messages.iter().rev().find(|said| said.role == "user");
        last.map_or("", |message| message.text.as_str())
    }
}

fn model(fields: &Fields) -> Result<Model, Refusal> {
    let id: String = fields
        .get("model", "a string")?
        .ok_or_else(|| Refusal::invalid_param("model is required."))?;
    Model::find(&id).ok_or_else(|| {
        Refusal::invalid_param(format!("Model {id} does not exist.")).code("model_not_found")
    })
}

fn max_tokens(fields: &Fields, model: Model) -> Result<Option<u64>, Refusal> {
    let limit: Option<u64> = fields.get("max_tokens", "a positive integer")?;
    match limit {
        Some(0) => Err(Refusal::invalid_param(
            "max_tokens must be a positive integer.",
        )),
        Some(given) if model.id.starts_with("gpt-") && given < GPT_MAX_TOKENS => {
            Err(Refusal::invalid_param(format!(
                "max_tokens must be at least {GPT_MAX_TOKENS} for {}.",
                model.id
            )))
        }
        None if model.id.starts_with("claude-") => Err(Refusal::invalid_param(format!(
            "max_tokens is required for {}.",
            model.id
        ))),
        limit => Ok(limit),
    }
}

fn check_ranges(fields: &Fields) -> Result<(), Refusal> {
    for (name, low, high) in [
        ("temperature", 0.0, 2.0),
        ("top_p", 0.0, 1.0),
        ("n", 1.0, 128.0),
        ("frequency_penalty", -2.0, 2.0),
        ("presence_penalty", -2.0, 2.0),
    ] {
        let value: Option<f64> = fields.get(name, "a number")?;
        if value.is_some_and(|value| !(low..=high).contains(&value)) {
            let complaint = format!("{name} must be from {low} to {high}.");
            return Err(Refusal::invalid_param(complaint));
        }
    }
    Ok(())
}

fn include_usage(fields: &Fields) -> Result<bool, Refusal> {
    let options: Option<Value> = fields.get("stream_options", "an object")?;
    Ok(options.is_some_and(|options| options["include_usage"] == Value::Bool(true)))
}

fn stop(fields: &Fields) -> Result<Vec<String>, Refusal> {
    #[derive(serde::Deserialize)]
    #[serde(untagged)]
    enum Stop {
        One(String),
        Many(Vec<String>),
    }
    let stop = fields.get("stop", "a string or a list of strings")?;
    Ok(match stop {
        None => Vec::new(),
        Some(Stop::One(stop)) => vec![stop],
        Some(Stop::Many(stops)) => stops,
    })
}

fn logprobs(fields: &Fields) -> Result<Option<usize>, Refusal> {
    let wanted = fields.get("logprobs", "a boolean")?.unwrap_or(false);
    let top: Option<usize> = fields.get("top_logprobs", "an integer from 0 to 20")?;
    match top {
        Some(21..) => Err(Refusal::invalid_param("top_logprobs must be at most 20.")),
        Some(_) if !wanted => Err(Refusal::invalid_param(
            "top_logprobs is only allowed when logprobs is true.",
        )),
        top => Ok(wanted.then(|| top.unwrap_or(0))),
    }
}

fn tools(fields: &Fields) -> Result<Vec<Tool>, Refusal> {
    let tools: Vec<Value> = fields.get("tools", "a list")?.unwrap_or_default();
    let tool = |(at, tool): (usize, Value)| {
        if tool["type"] != "function" {
            return Err(
                Refusal::invalid_param(format!("tools[{at}].type must be \"function\"."))
                    .code("unsupported_advanced_options"),
            );
        }
        let function = &tool["function"];
        match function["name"].as_str() {
            Some(name) if !name.is_empty() => Ok(Tool {
                name: name.to_owned(),
                parameters: function["parameters"].clone(),
            }),
            _ => Err(Refusal::invalid_param(format!(
                "tools[{at}].function.name must be a non-empty string."
            ))),
        }
    };
    tools.into_iter().enumerate().map(tool).collect()
}

fn tool_choice(fields: &Fields, tools: &[Tool]) -> Result<ToolChoice, Refusal> {
    let choice: Option<Value> = fields.get("tool_choice", "a string or an object")?;
    let Some(choice) = choice else {
        return Ok(ToolChoice::Auto);
    };
    if tools.is_empty() {
        return Err(Refusal::invalid_param(
            "tool_choice is only allowed when tools are given.",
        ));
    }
    match (choice.as_str(), choice["function"]["name"].as_str()) {
        (Some("auto"), _) => Ok(ToolChoice::Auto),
        (Some("none"), _) => Ok(ToolChoice::None),
        (Some("required"), _) => Ok(ToolChoice::Required),
        (None, Some(name)) if tools.iter().any(|tool| tool.name == name) => {
            Ok(ToolChoice::Named(name.to_owned()))
        }
        _ => Err(Refusal::invalid_param(
            "tool_choice must be none, auto, required or one of the given tools.",
        )),
    }
}

fn format(fields: &Fields) -> Result<Format, Refusal> {
    let format: Option<Value> = fields.get("response_format", "an object")?;
    let Some(format) = format else {
        return Ok(Format::Text);
    };
    match format["type"].as_str() {
        Some("text") => Ok(Format::Text),
        Some("json_object") => Ok(Format::JsonObject),
        Some("json_schema") if format["json_schema"]["schema"].is_object() => {
            Ok(Format::JsonSchema(format["json_schema"]["schema"].clone()))
        }
        Some("json_schema") => Err(Refusal::invalid_param(
            "response_format.json_schema.schema must be an object.",
        )),
        _ => Err(Refusal::invalid_param(
            "response_format.type must be text, json_object or json_schema.",
        )),
    }
}

fn reasons(fields: &Fields, model: Model) -> Result<bool, Refusal> {
    let effort: Option<String> = fields.get("reasoning_effort", "a string")?;
    Ok(match effort.as_deref() {
        Some(effort) => effort != "none",
        None => model.thinks(),
    })
}
