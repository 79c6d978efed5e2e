//! Makes an instance of a JSON schema: arguments of a tool call, or a structured answer.
//!
//! It understands the keywords that the official SDKs' helpers write (`type`, `enum`, `const`, `properties`, `items`,
//! `anyOf`, `oneOf`, `allOf`, local `$ref`, bounds and common formats). `pattern` and `not` are not obeyed.

use std::cell::Cell;

use serde_json::{Map, Number, Value, json};

/// From this depth on only what is required is filled in, so that recursive schemas come to an end.
const DEPTH_OF_OPTIONAL: usize = 6;
/// A schema that is still unfinished here gets `null`: it has no finite instance.
const DEPTH_OF_ANYTHING: usize = 40;
/// How many schemas are looked at for one instance; the rest of a larger one is `null`.
const MOST_SCHEMAS: usize = 10_000;

/// Makes an instance of `schema`; `word` is a word of the conversation that fits where a free text is wanted.
pub(super) fn instance(schema: &Value, word: Option<&str>) -> Value {
    let maker = Maker {
        root: schema,
        word,
        left: Cell::new(MOST_SCHEMAS),
    };
    maker.make(schema, "value", 0)
}

struct Maker<'a> {
    root: &'a Value,
    word: Option<&'a str>,
    /// How many more schemas may be looked at.
    left: Cell<usize>,
}

impl Maker<'_> {
    fn make(&self, schema: &Value, name: &str, depth: usize) -> Value {
        if depth > DEPTH_OF_ANYTHING || self.left.get() == 0 {
            return Value::Null;
        }
        let schema = &self.resolve(schema, depth);
        if let Some(constant) = schema.get("const") {
            return constant.clone();
        }
        if let Some(first) = schema["enum"].as_array().and_then(|values| values.first()) {
            return first.clone();
        }
        for alternatives in ["anyOf", "oneOf"] {
            if let Some(alternatives) = schema[alternatives].as_array() {
                return self.make(choose(alternatives, depth), name, depth + 1);
            }
        }
        match type_of(schema, depth) {
            Some("object") => self.object(schema, depth),
            Some("array") => self.array(schema, name, depth),
            Some("string") => Value::String(self.text(schema, name)),
            Some("integer") => integer(schema),
            Some("number") => number(schema),
            Some("boolean") => Value::Bool(true),
            Some("null") => Value::Null,
            // A schema without a type allows anything.
            _ => json!({}),
        }
    }

    /// Follows references and folds `allOf` into one schema.
    fn resolve(&self, schema: &Value, depth: usize) -> Value {
        self.left.set(self.left.get().saturating_sub(1));
        let mut resolved = schema.clone();
        // A reference that leads round in circles is given up like one that leads nowhere.
        for _ in 0..DEPTH_OF_ANYTHING {
            let Some(pointer) = resolved["$ref"]
                .as_str()
                .and_then(|to| to.strip_prefix('#'))
            else {
                break;
            };
            resolved = self.root.pointer(pointer).cloned().unwrap_or_default();
        }
        let parts = match resolved["allOf"].take() {
            Value::Array(parts) if depth <= DEPTH_OF_ANYTHING && self.left.get() > 0 => parts,
            _ => return resolved,
        };
        for part in parts {
            merge(&mut resolved, self.resolve(&part, depth + 1));
        }
        resolved
    }

    fn object(&self, schema: &Value, depth: usize) -> Value {
        let required = |name: &String| {
            schema["required"]
                .as_array()
                .is_some_and(|names| names.iter().any(|required| required == name))
        };
        let fields: Map<String, Value> = schema["properties"]
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(name, _)| depth < DEPTH_OF_OPTIONAL || required(name))
            .map(|(name, field)| (name.clone(), self.make(field, name, depth + 1)))
            .collect();
        Value::Object(fields)
    }

    fn array(&self, schema: &Value, name: &str, depth: usize) -> Value {
        let prefix = schema["prefixItems"].as_array();
        let fixed = prefix.into_iter().flatten();
        let mut items: Vec<_> = fixed.map(|item| self.make(item, name, depth + 1)).collect();
        let least = bound(schema, "minItems").unwrap_or(0.0) as usize;
        let most = bound(schema, "maxItems").map_or(usize::MAX, |most| most as usize);
        let usual = usize::from(depth < DEPTH_OF_OPTIONAL && schema["items"].is_object());
        let wanted = least.max(usual.min(most)).min(1_000);
        while items.len() < wanted {
            items.push(self.make(&schema["items"], name, depth + 1));
        }
        Value::Array(items)
    }

    fn text(&self, schema: &Value, name: &str) -> String {
        let fixed = match schema["format"].as_str() {
            Some("date-time") => Some("2026-01-31T12:00:00Z"),
            Some("date") => Some("2026-01-31"),
            Some("time") => Some("12:00:00Z"),
            Some("duration") => Some("PT1H"),
            Some("email") => Some("fox@example.com"),
            Some("hostname") => Some("example.com"),
            Some("ipv4") => Some("192.0.2.1"),
            Some("ipv6") => Some("2001:db8::1"),
            Some("uri" | "url") => Some("https://example.com/"),
            Some("uuid") => Some("00000000-0000-4000-8000-000000000001"),
            _ => None,
        };
        let text = fixed.or(self.word).unwrap_or(name);
        let least = bound(schema, "minLength").unwrap_or(0.0) as usize;
        let most = bound(schema, "maxLength").map_or(usize::MAX, |most| most as usize);
        let padding = std::iter::repeat_n('x', least.min(10_000));
        let length = text.chars().count();
        text.chars()
            .chain(padding.skip(length))
            .take(most)
            .collect()
    }
}

/// The first alternative; deep down one that ends soonest.
fn choose(alternatives: &[Value], depth: usize) -> &Value {
    let ends = |schema: &&Value| {
        let kind = schema["type"].as_str();
        kind.is_some_and(|kind| kind != "object" && kind != "array")
    };
    let early = alternatives
        .iter()
        .find(|schema| depth >= DEPTH_OF_OPTIONAL && ends(schema));
    early.or(alternatives.first()).unwrap_or(&Value::Null)
}

fn type_of(schema: &Value, depth: usize) -> Option<&str> {
    match &schema["type"] {
        Value::String(name) => Some(name),
        Value::Array(names) => {
            let mut names = names.iter().filter_map(Value::as_str);
            if depth >= DEPTH_OF_OPTIONAL && names.clone().any(|name| name == "null") {
                return Some("null");
            }
            names.next()
        }
        _ if schema["properties"].is_object() => Some("object"),
        _ if schema["items"].is_object() || schema["prefixItems"].is_array() => Some("array"),
        _ => None,
    }
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (Value::Array(into), Value::Array(from)) => into.extend(from),
        (into @ Value::Null, from) => *into = from,
        // Where two schemas say different things of one keyword, the first word stands.
        _ => {}
    }
}

fn bound(schema: &Value, keyword: &str) -> Option<f64> {
    schema[keyword].as_f64()
}

/// Zero, or the value nearest to it that is allowed.
fn near_zero(schema: &Value, step: f64) -> f64 {
    let low = bound(schema, "minimum")
        .into_iter()
        .chain(bound(schema, "exclusiveMinimum").map(|low| low + step))
        .fold(f64::NEG_INFINITY, f64::max);
    let high = bound(schema, "maximum")
        .into_iter()
        .chain(bound(schema, "exclusiveMaximum").map(|high| high - step))
        .fold(f64::INFINITY, f64::min);
    let value = 0.0_f64.max(low).min(high);
    match bound(schema, "multipleOf") {
        Some(unit) if unit > 0.0 && value > 0.0 => (value / unit).ceil() * unit,
        Some(unit) if unit > 0.0 => (value / unit).floor() * unit,
        _ => value,
    }
}

fn integer(schema: &Value) -> Value {
    Value::from(near_zero(schema, 1.0).ceil() as i64)
}

fn number(schema: &Value) -> Value {
    let value = near_zero(schema, 0.5);
    if value.fract() == 0.0 && value.abs() < 1e15 {
        // As models write it: clients that want a whole number declare a number all too often.
        return Value::from(value as i64);
    }
    Number::from_f64(value).map_or(Value::Null, Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_obey_their_schema() {
        let check = |schema: Value, expected: Value| {
            assert_eq!(instance(&schema, None), expected, "{schema}");
        };
        check(json!({"type": "string"}), json!("value"));
        check(json!({"type": "string", "maxLength": 2}), json!("va"));
        check(json!({"type": "string", "minLength": 7}), json!("valuexx"));
        check(json!({"enum": ["b", "a"]}), json!("b"));
        check(json!({"const": 7}), json!(7));
        check(json!({"type": "integer", "minimum": 3}), json!(3));
        check(
            json!({"type": "integer", "exclusiveMinimum": 3, "multipleOf": 5}),
            json!(5),
        );
        check(json!({"type": "integer", "maximum": -3}), json!(-3));
        check(
            json!({"type": "number", "exclusiveMinimum": 0, "maximum": 1}),
            json!(0.5),
        );
        check(json!({"type": ["boolean", "null"]}), json!(true));
        check(
            json!({"anyOf": [{"type": "integer"}, {"type": "null"}]}),
            json!(0),
        );
        check(
            json!({"type": "array", "items": {"type": "null"}, "minItems": 2}),
            json!([null, null]),
        );
        check(
            json!({"type": "array", "items": {"type": "null"}, "maxItems": 0}),
            json!([]),
        );
        check(
            json!({
                "type": "object",
                "properties": {"day": {"$ref": "#/$defs/Day"}, "both": {"allOf": [
                    {"type": "object", "properties": {"a": {"const": 1}}},
                    {"properties": {"b": {"const": 2}}}
                ]}},
                "required": ["day"],
                "$defs": {"Day": {"enum": ["monday"]}}
            }),
            json!({"day": "monday", "both": {"a": 1, "b": 2}}),
        );
    }

    #[test]
    fn recursive_schemas_end() {
        let tree = json!({
            "$ref": "#/$defs/Node",
            "$defs": {"Node": {
                "type": "object",
                "properties": {
                    "children": {"type": "array", "items": {"$ref": "#/$defs/Node"}},
                    "next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]}
                },
                "required": ["children", "next"]
            }}
        });
        let mut node = &instance(&tree, None);
        let mut depth = 0;
        while let Some(next) = node.get("next") {
            node = next;
            depth += 1;
        }
        assert!((1..10).contains(&depth) && node.is_null());
        assert_eq!(instance(&json!({"$ref": "#"}), None), json!({}));
        let explosive = json!({"allOf": [{"$ref": "#"}, {"$ref": "#"}, {"type": "boolean"}]});
        assert_eq!(instance(&explosive, None), json!(true));
    }

    #[test]
    fn free_text_takes_the_word_at_hand() {
        let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
        assert_eq!(instance(&schema, Some("Paris")), json!({"city": "Paris"}));
        assert_eq!(instance(&schema, None), json!({"city": "city"}));
    }
}
