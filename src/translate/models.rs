use super::Settings;
use crate::json::{Raw, RawObject, quote};

/// One entry of a model list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    pub id: String,
    /// An OpenAI `model`.
    pub json: String,
}

impl Model {
    /// The same model under another name.
    pub fn renamed(&self, id: &str) -> Self {
        let object = RawObject::parse(&self.json).unwrap_or_default();
        let mut edit = object.edit();
        edit.set("id", quote(id));
        Self {
            id: id.to_owned(),
            json: edit.finish().unwrap_or_default(),
        }
    }
}

/// The upstream's model list cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the upstream's reply is not a list of models")]
pub struct NotAModelList;

/// Translates the upstream's model list (CONTRACT.md, section 4) into OpenAI's models.
///
/// OpenAI's type requires `created` and `owned_by`; the upstream says neither, so they are 0 and `foxapi`. Its own
/// members, such as `capabilities`, stay. Entries without an id are left out.
pub fn model_list(reply: &[u8]) -> Result<Vec<Model>, NotAModelList> {
    let text = std::str::from_utf8(reply).map_err(|_| NotAModelList)?;
    let object = RawObject::parse(text).map_err(|_| NotAModelList)?;
    let entries = object
        .get("data")
        .and_then(Raw::array)
        .ok_or(NotAModelList)?;
    let models = entries.into_iter().filter_map(|entry| {
        let object = RawObject::of(entry)?;
        let id = object.string("id")?.into_owned();
        let mut edit = object.edit();
        if object.string("object").as_deref() != Some("model") {
            edit.set("object", r#""model""#);
        }
        if object
            .get("created")
            .is_none_or(|created| created.get().parse::<i64>().is_err())
        {
            edit.set("created", "0");
        }
        if object.string("owned_by").is_none() {
            edit.set("owned_by", r#""foxapi""#);
        }
        let json = edit.finish().unwrap_or_else(|| entry.get().to_string());
        Some(Model { id, json })
    });
    Ok(models.collect())
}

/// Adds the aliases that are plain names, each where the model that it stands for is in the list.
pub fn add_aliases(models: &mut Vec<Model>, settings: &Settings) {
    for (pattern, target) in settings.aliases.iter() {
        let Some(name) = pattern.plain() else {
            continue;
        };
        if models.iter().any(|model| model.id == name) {
            continue;
        }
        if let Some(model) = models.iter().find(|model| model.id == *target) {
            let alias = model.renamed(name);
            models.push(alias);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::translate::{ByModel, Pattern};

    fn model(id: &str, json: &str) -> Model {
        Model {
            id: id.into(),
            json: json.into(),
        }
    }

    #[test]
    fn models_get_what_openais_type_requires() {
        let reply = br#"{"object":"list","data":[{"id":"a","object":"model","capabilities":["text"]},{"x":1},
            {"id":"b","created":5,"owned_by":"me","object":"model"}]}"#;
        assert_eq!(
            model_list(reply).unwrap(),
            [
                model(
                    "a",
                    r#"{"id":"a","object":"model","capabilities":["text"],"created":0,"owned_by":"foxapi"}"#
                ),
                model(
                    "b",
                    r#"{"id":"b","created":5,"owned_by":"me","object":"model"}"#
                ),
            ]
        );
        assert_eq!(model_list(br#"{"object":"list","data":[]}"#), Ok(vec![]));
        for other in ["", "[]", "{}", r#"{"data":null}"#, "<html>"] {
            assert_eq!(model_list(other.as_bytes()), Err(NotAModelList));
        }
    }

    #[test]
    fn aliases_are_listed_where_their_model_is() {
        let aliases = [
            ("gpt-4o", "a"),
            ("other", "absent"),
            ("a", "b"),
            ("x-*", "a"),
        ];
        let settings = Settings {
            claude_max_tokens: 1,
            gpt_min_tokens: 1,
            aliases: ByModel::new(
                aliases
                    .map(|(name, target)| (Pattern::new(name).unwrap(), target.to_string()))
                    .into(),
            ),
            fallbacks: ByModel::default(),
            wait: ByModel::default(),
            inline_max: 1,
        };
        let mut models = vec![
            model("a", r#"{"id":"a","x":1e400}"#),
            model("b", r#"{"id":"b"}"#),
        ];
        add_aliases(&mut models, &settings);
        assert_eq!(
            models[2..],
            [model("gpt-4o", r#"{"id":"gpt-4o","x":1e400}"#)]
        );
    }
}
