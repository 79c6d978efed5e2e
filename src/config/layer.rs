//! One source of settings, as figment merges it, and what comes out of the merge.

use figment::{
    Error, Figment, Metadata, Profile, Provider,
    util::nest,
    value::{Dict, Map, Value},
};

use super::{
    by_model,
    keys::{Form, Key},
};

/// One source as figment sees it; the name of its metadata is the origin that faults tell.
pub(super) struct Layer {
    pub(super) origin: String,
    pub(super) values: Dict,
}

impl Layer {
    /// One setting as an environment variable, a flag or its default says it.
    pub(super) fn of(origin: String, key: &Key, text: &str) -> Self {
        let values = nest(key.name, sealed(key.form, typed(key.form, text)));
        Self {
            origin,
            values: values.into_dict().unwrap_or_default(),
        }
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.origin.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        Ok(Profile::Default.collect(self.values.clone()))
    }
}

/// What the last source that gives a setting says; `None` where none does.
pub(super) fn find(figment: &Figment, key: &Key) -> Option<Value> {
    match (key.form, figment.find_value(key.name).ok()?) {
        (Form::Table, Value::Array(_, mut sealed)) => sealed.pop(),
        (_, value) => Some(value),
    }
}

/// figment merges one table into the other, but an array replaces what was there before: so does the table in it.
pub(super) fn sealed(form: Form, value: Value) -> Value {
    match form {
        Form::Table => Value::from(vec![value]),
        _ => value,
    }
}

/// Text has no types of its own: guessing them would turn the key `12345` into a number.
fn typed(form: Form, text: &str) -> Value {
    match form {
        Form::Text | Form::Secret => Value::from(text),
        Form::Whole => text
            .parse::<u64>()
            .map_or_else(|_| Value::from(text), Value::from),
        Form::Bool => text
            .parse::<bool>()
            .map_or_else(|_| Value::from(text), Value::from),
        Form::List => text
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .collect::<Vec<_>>()
            .into(),
        Form::Table => by_model::entries(text).map_or_else(|| Value::from(text), Value::from),
    }
}
