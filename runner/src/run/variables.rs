//! Values that earlier steps captured, and their use as `${name}`.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use serde_json::Value;

use crate::world::World;

/// The variables of a run.
pub(super) struct Variables(Mutex<BTreeMap<String, String>>);

impl Variables {
    /// Those that every world has: `${registry.<name>.url}`, and `${harness.url}` if the platform takes part.
    pub(super) fn of(world: &World) -> Self {
        let mut variables = BTreeMap::new();
        for (name, registry) in world.registries() {
            variables.insert(format!("registry.{name}.url"), registry.url());
        }
        if let Some(harness) = world.harness() {
            variables.insert(String::from("harness.url"), harness.url());
        }
        Self(Mutex::new(variables))
    }

    /// Keeps `value` as `name`. A text is kept as it is, anything else as JSON.
    pub(super) fn set(&self, name: &str, value: &Value) {
        let text = value.as_str().map_or_else(|| value.to_string(), String::from);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(String::from(name), text);
    }

    /// `text` with every `${name}` replaced.
    ///
    /// # Errors
    /// A name was never captured.
    pub(super) fn fill(&self, text: &str) -> Result<String, String> {
        let variables = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let Some((name, after)) = after.split_once('}') else { break };
            let value = variables.get(name).ok_or_else(|| {
                let known: Vec<_> = variables.keys().map(String::as_str).collect();
                format!("nothing was captured as `{name}`; there are: {}", known.join(", "))
            })?;
            filled.push_str(before);
            filled.push_str(value);
            rest = after;
        }
        filled.push_str(rest);
        Ok(filled)
    }

    /// `value` with every text in it filled.
    ///
    /// # Errors
    /// As [`Variables::fill`].
    pub(super) fn fill_json(&self, value: &Value) -> Result<Value, String> {
        Ok(match value {
            Value::String(text) => Value::String(self.fill(text)?),
            Value::Array(items) => items.iter().map(|item| self.fill_json(item)).collect::<Result<_, _>>()?,
            Value::Object(fields) => {
                let filled = fields.iter().map(|(name, value)| Ok((name.clone(), self.fill_json(value)?)));
                Value::Object(filled.collect::<Result<_, String>>()?)
            }
            other => other.clone(),
        })
    }
}

/// The names that `text` uses as `${name}`.
pub(crate) fn variable_names(text: &str) -> impl Iterator<Item = &str> {
    text.split("${").skip(1).filter_map(|rest| Some(rest.split_once('}')?.0))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn captured_values_are_filled_in() {
        let variables = Variables(Mutex::default());
        variables.set("token", &json!("abc"));
        variables.set("n", &json!(3));
        assert_eq!(variables.fill("Bearer ${token}/${n}$"), Ok(String::from("Bearer abc/3$")));
        assert_eq!(variables.fill_json(&json!({ "a": ["${n}", 1] })), Ok(json!({ "a": ["3", 1] })));
        let error = variables.fill("${tokn}").unwrap_err();
        assert_eq!(error, "nothing was captured as `tokn`; there are: n, token");
    }
}
