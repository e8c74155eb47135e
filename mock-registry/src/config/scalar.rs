//! What values have in common that are texts and may be written as whole numbers: their serde form and their JSON Schema.

/// Serialize, Deserialize and JsonSchema of a type that has `FromStr` and `Display`.
macro_rules! scalar_form {
    ($type:ident, $expecting:literal, $types:tt) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = testbed::rule::text_or_number(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "description": $expecting, "type": $types })
            }
        }
    };
}

pub(super) use scalar_form;
