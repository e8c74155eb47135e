//! One action, or several in a list.

use std::ops::Deref;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::IntoDeserializer as _};

use super::Action;
use crate::yaml::{Shapes, deserialize_shapes};

/// What a rule lets happen: one action, or a list of actions that are all performed.
#[derive(Clone, Debug, PartialEq)]
pub struct Actions(Vec<Action>);

impl Actions {
    /// All of `actions`.
    pub fn new(actions: impl IntoIterator<Item = Action>) -> Self {
        Self(actions.into_iter().collect())
    }

    /// The same with `change` made to each.
    pub(super) fn map(self, change: impl FnMut(Action) -> Action) -> Self {
        Self(self.0.into_iter().map(change).collect())
    }
}

impl Deref for Actions {
    type Target = [Action];

    fn deref(&self) -> &[Action] {
        &self.0
    }
}

impl From<Action> for Actions {
    fn from(action: Action) -> Self {
        Self(vec![action])
    }
}

impl Serialize for Actions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [action] => action.serialize(serializer),
            several => several.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Actions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_shapes(deserializer)
    }
}

impl Shapes for Actions {
    const EXPECTING: &'static str = "an action, or a list of actions";
    type Element = Action;
    type Mapping = Action;

    fn from_text(text: &str) -> Option<Result<Self, String>> {
        let action: Result<_, serde::de::value::Error> = Action::deserialize(text.into_deserializer());
        let alone = ["no-answer", "close", "expire-token", "drop-session"];
        Some(
            action
                .map(Self::from)
                .map_err(|_| format!("`{text}` is no action without more to it; those are `{}`", alone.join("`, `"))),
        )
    }

    fn from_list(actions: Vec<Action>) -> Result<Self, String> {
        Ok(Self(actions))
    }

    fn from_mapping(action: Action) -> Result<Self, String> {
        Ok(Self::from(action))
    }
}

impl JsonSchema for Actions {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Actions".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<Action>();
        json_schema!({
            "description": "One action, or a list of actions that are all performed",
            "anyOf": [one, { "type": "array", "items": one, "minItems": 1 }],
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_action_is_written_like_a_list_of_one() {
        let read =
            |value: serde_json::Value| serde_json::from_value::<Actions>(value).map_err(|error| error.to_string());
        assert_eq!(read(json!("close")), read(json!(["close"])));
        assert_eq!(read(json!({ "set-state": "down" })), Ok(Action::SetState(String::from("down")).into()));
        assert_eq!(read(json!(["close", "no-answer"])).map(|actions| actions.len()), Ok(2));
        let told =
            "`cut` is no action without more to it; those are `no-answer`, `close`, `expire-token`, `drop-session`";
        assert_eq!(read(json!("cut")), Err(String::from(told)));
    }
}
