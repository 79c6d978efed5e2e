//! The words of an answer: what the simulator understood of a request.

use std::collections::BTreeMap;

use super::{
    message::Message,
    models::Part,
    schema,
    submission::{Format, Submission, Tool, ToolChoice},
    tokens,
};

/// The longest quotation of a message, in characters.
const LONGEST_QUOTE: usize = 240;

/// The text of choice number `nth`, counted from 0, before anything cuts it.
pub(super) fn text(submission: &Submission, nth: usize) -> String {
    if let Some(text) = &submission.script.text {
        return text.clone();
    }
    if let Some(count) = submission.script.words {
        // Other choices use other words, so that a mixed-up stream shows.
        return match nth {
            0 => tokens::numbered("word", count),
            nth => tokens::numbered(&format!("choice{nth}word"), count),
        };
    }
    match &submission.format {
        Format::Text => spoken(submission, nth),
        Format::JsonObject => serde_json::json!({
            "model": submission.model.id,
            "messages": submission.messages.len(),
            "you_said": quote(submission.last_user_text()),
        })
        .to_string(),
        Format::JsonSchema(schema) => {
            schema::instance(schema, name_in(submission.last_user_text())).to_string()
        }
    }
}

/// The reasoning that comes before the text; empty when the model does not reason.
pub(super) fn reasoning(submission: &Submission) -> String {
    match submission.script.reasoning {
        Some(count) => tokens::numbered("thought", count),
        None if submission.reasons => format!(
            "Let me see: {}. I will say what I understood.",
            roles(&submission.messages)
        ),
        None => String::new(),
    }
}

/// The tools that are to be called, in order.
pub(super) fn tools_to_call(submission: &Submission) -> Vec<&Tool> {
    let last = submission.messages.last();
    if last.is_some_and(|message| message.role == "tool") {
        return Vec::new();
    }
    let mut called = match &submission.tool_choice {
        ToolChoice::None => Vec::new(),
        ToolChoice::Named(name) => submission
            .tools
            .iter()
            .filter(|tool| tool.name == *name)
            .collect(),
        ToolChoice::Required => {
            let mentioned = mentioned(submission);
            match mentioned.is_empty() {
                true => submission.tools.iter().take(1).collect(),
                false => mentioned,
            }
        }
        ToolChoice::Auto if submission.script.text.is_some() => Vec::new(),
        ToolChoice::Auto if submission.script.words.is_some() => Vec::new(),
        ToolChoice::Auto => mentioned(submission),
    };
    if !submission.parallel_tool_calls {
        called.truncate(1);
    }
    called
}

/// The arguments for a call, as JSON text.
pub(super) fn arguments(submission: &Submission, tool: &Tool) -> String {
    if tool.parameters.is_null() {
        return "{}".to_owned();
    }
    schema::instance(&tool.parameters, name_in(submission.last_user_text())).to_string()
}

/// The tools that the user asks for: by name, by a word of the name, or just for "a tool".
fn mentioned(submission: &Submission) -> Vec<&Tool> {
    let text = submission.last_user_text().to_lowercase();
    let named = |tool: &&Tool| {
        let name = tool.name.to_lowercase();
        let mut words = name.split(|c: char| !c.is_alphanumeric());
        text.contains(&name) || words.any(|word| word.len() >= 4 && text.contains(word))
    };
    let tools = &submission.tools;
    let named: Vec<_> = tools.iter().filter(named).collect();
    if named.is_empty() && text.contains("tool") {
        return tools.iter().take(1).collect();
    }
    named
}

/// The last proper name of a text, as far as a capital letter tells.
fn name_in(text: &str) -> Option<&str> {
    text.split_whitespace()
        .skip(1)
        .map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()))
        .filter(|word| word.chars().count() > 1 && word.starts_with(char::is_uppercase))
        .last()
}

fn spoken(submission: &Submission, nth: usize) -> String {
    let messages = &submission.messages;
    let mut sentences = vec![
        format!("This is the simulated {}.", submission.model.id),
        format!("I read {}.", roles(messages)),
    ];
    if messages
        .iter()
        .any(|said| matches!(said.role.as_str(), "system" | "developer"))
    {
        sentences.push("A system prompt is present.".to_owned());
    }
    match messages.last() {
        Some(last) if last.role == "tool" => sentences.push(format!(
            "The tool {} answered: {}",
            tool_name(messages, last),
            quote(&last.text)
        )),
        _ => sentences.push(match submission.last_user_text() {
            "" => "You wrote no text.".to_owned(),
            text => format!("You said: {}", quote(text)),
        }),
    }
    let media = media(messages);
    if !media.is_empty() {
        sentences.push(format!("You attached {media}."));
    }
    if !submission.tools.is_empty() {
        let names: Vec<_> = submission
            .tools
            .iter()
            .map(|tool| tool.name.as_str())
            .collect();
        sentences.push(format!("I could call: {}.", names.join(", ")));
    }
    if submission.n > 1 {
        sentences.push(format!("This is choice {} of {}.", nth + 1, submission.n));
    }
    sentences.join(" ")
}

fn roles(messages: &[Message]) -> String {
    let mut counts = BTreeMap::<&str, usize>::new();
    for message in messages {
        *counts.entry(&message.role).or_default() += 1;
    }
    let counts: Vec<_> = counts
        .iter()
        .map(|(role, count)| format!("{count} {role}"))
        .collect();
    let plural = if messages.len() == 1 { "" } else { "s" };
    format!("{} message{plural} ({})", messages.len(), counts.join(", "))
}

fn media(messages: &[Message]) -> String {
    let count = |kind: Part| {
        let all = messages.iter().flat_map(|message| &message.media);
        all.filter(|part| **part == kind).count()
    };
    let noun = |kind: Part| match kind {
        Part::Text => "text",
        Part::Image => "image",
        Part::Video => "video",
        Part::Audio => "audio clip",
        Part::File => "file",
    };
    let counted: Vec<_> = Part::MEDIA
        .into_iter()
        .map(|kind| (kind, count(kind)))
        .filter(|(_, count)| *count > 0)
        .map(|(kind, count)| {
            let plural = if count == 1 { "" } else { "s" };
            format!("{count} {}{plural}", noun(kind))
        })
        .collect();
    counted.join(", ")
}

fn tool_name<'a>(messages: &'a [Message], result: &Message) -> &'a str {
    messages
        .iter()
        .flat_map(|message| &message.called)
        .find(|(id, _)| Some(id) == result.tool_call_id.as_ref())
        .map_or("that I called", |(_, name)| name.as_str())
}

fn quote(text: &str) -> String {
    let mut quote: String = text.chars().take(LONGEST_QUOTE).collect();
    if quote.len() < text.len() {
        quote.push('…');
    }
    format!("“{quote}”")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proper_name_is_found() {
        for (text, name) in [
            ("What is the weather in Paris?", Some("Paris")),
            ("Weather please", None),
            ("and in New York, I ask", Some("York")),
            ("", None),
        ] {
            assert_eq!(name_in(text), name);
        }
    }
}
