//! Which requests count against a limit: `{ manifest: get, blob: any }`.

use std::{collections::BTreeMap, fmt};

use http::Method;
use oci::EndpointKind;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess, SeqAccess, Visitor, value},
};
use testbed::rule::MethodMatch;

/// Every kind of endpoint, in the order of their numbers.
const KINDS: [EndpointKind; 10] = [
    EndpointKind::Ping,
    EndpointKind::Manifest,
    EndpointKind::Blob,
    EndpointKind::Tags,
    EndpointKind::Referrers,
    EndpointKind::Upload,
    EndpointKind::Catalog,
    EndpointKind::Token,
    EndpointKind::Cdn,
    EndpointKind::Other,
];

/// The word for all kinds of endpoints.
const ANY: &str = "any";

/// Which requests count: for each kind of endpoint a set of methods, one bit each. Written as a mapping in the words of rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Counts([u8; KINDS.len()]);

impl Counts {
    /// Nothing.
    pub const NOTHING: Self = Self([0; KINDS.len()]);

    /// Every request.
    pub fn everything() -> Self {
        Self([u8::MAX; KINDS.len()])
    }

    /// These, and requests to `kind` with `method`.
    #[must_use]
    pub fn and(mut self, kind: EndpointKind, method: MethodMatch) -> Self {
        self.0[number(kind)] |= mask(method);
        self
    }

    /// Whether a request to `kind` with `method` counts.
    pub fn count(&self, kind: EndpointKind, method: &Method) -> bool {
        self.0[number(kind)] & bit(method) != 0
    }

    /// Whether some request to `kind` counts: then reading it is told where one stands.
    pub fn look_at(&self, kind: EndpointKind) -> bool {
        self.0[number(kind)] != 0
    }
}

/// GET of manifests: what Docker Hub calls a pull.
impl Default for Counts {
    fn default() -> Self {
        Self::NOTHING.and(EndpointKind::Manifest, MethodMatch::Get)
    }
}

fn number(kind: EndpointKind) -> usize {
    match kind {
        EndpointKind::Ping => 0,
        EndpointKind::Manifest => 1,
        EndpointKind::Blob => 2,
        EndpointKind::Tags => 3,
        EndpointKind::Referrers => 4,
        EndpointKind::Upload => 5,
        EndpointKind::Catalog => 6,
        EndpointKind::Token => 7,
        EndpointKind::Cdn => 8,
        EndpointKind::Other => 9,
    }
}

/// The methods that have a bit of their own, in the order of the bits; all others share the seventh.
const METHODS: [MethodMatch; 6] =
    [MethodMatch::Get, MethodMatch::Head, MethodMatch::Post, MethodMatch::Put, MethodMatch::Patch, MethodMatch::Delete];

/// Asked for every request.
fn bit(method: &Method) -> u8 {
    1 << match *method {
        Method::GET => 0,
        Method::HEAD => 1,
        Method::POST => 2,
        Method::PUT => 3,
        Method::PATCH => 4,
        Method::DELETE => 5,
        _ => METHODS.len(),
    }
}

fn mask(method: MethodMatch) -> u8 {
    METHODS.iter().position(|known| *known == method).map_or(u8::MAX, |n| 1 << n)
}

/// The words for a set of methods.
fn words(bits: u8) -> Vec<MethodMatch> {
    if bits == u8::MAX {
        return vec![MethodMatch::Any];
    }
    METHODS.into_iter().filter(|word| bits & mask(*word) != 0).collect()
}

impl Serialize for Counts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let methods = |bits| {
            let words = words(bits);
            if let [one] = words[..] { OneOrMore::One(one) } else { OneOrMore::More(words) }
        };
        let [first, rest @ ..] = self.0;
        if rest.iter().all(|bits| *bits == first) {
            return BTreeMap::from([(ANY, methods(first))]).serialize(serializer);
        }
        let given = KINDS.iter().zip(self.0).filter(|(_, bits)| *bits != 0);
        serializer.collect_map(given.map(|(kind, bits)| (kind, methods(bits))))
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum OneOrMore {
    One(MethodMatch),
    More(Vec<MethodMatch>),
}

/// Reads `get` or `[get, head]`.
impl<'de> Deserialize<'de> for OneOrMore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;

        impl<'de> Visitor<'de> for Read {
            type Value = OneOrMore;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a method such as `get`, or a list of them")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<OneOrMore, E> {
                MethodMatch::deserialize(value::StrDeserializer::new(text)).map(OneOrMore::One)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<OneOrMore, A::Error> {
                let mut methods = Vec::new();
                while let Some(method) = list.next_element()? {
                    methods.push(method);
                }
                Ok(OneOrMore::More(methods))
            }
        }

        deserializer.deserialize_any(Read)
    }
}

impl<'de> Deserialize<'de> for Counts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;

        impl<'de> Visitor<'de> for Read {
            type Value = Counts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("endpoints with their methods, such as `{ manifest: get }`")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Counts, A::Error> {
                let mut counts = Counts::NOTHING;
                while let Some(kind) = map.next_key::<String>()? {
                    let methods: Vec<MethodMatch> = match map.next_value()? {
                        OneOrMore::One(method) => vec![method],
                        OneOrMore::More(methods) => methods,
                    };
                    let kinds = if kind == ANY {
                        KINDS.to_vec()
                    } else {
                        vec![EndpointKind::deserialize(value::StrDeserializer::<A::Error>::new(&kind))?]
                    };
                    for kind in kinds {
                        counts = methods.iter().fold(counts, |counts, method| counts.and(kind, *method));
                    }
                }
                if counts == Counts::NOTHING {
                    return Err(de::Error::custom("a limit that counts nothing never refuses"));
                }
                Ok(counts)
            }
        }

        deserializer.deserialize_map(Read)
    }
}

impl JsonSchema for Counts {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Counts".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let method = generator.subschema_for::<MethodMatch>();
        let kinds: Vec<_> = KINDS.iter().map(|kind| serde_json::json!(kind)).chain([ANY.into()]).collect();
        json_schema!({
            "description": "Endpoints with their methods: { manifest: get, blob: [get, head], any: any }",
            "type": "object",
            "minProperties": 1,
            "propertyNames": { "enum": kinds },
            "additionalProperties": { "anyOf": [method, { "type": "array", "items": method, "minItems": 1 }] },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Counts, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn what_counts_is_said_in_the_words_of_rules() {
        let pulls = read(r#"{"manifest": "get"}"#).unwrap();
        assert_eq!(pulls, Counts::default());
        assert!(pulls.count(EndpointKind::Manifest, &Method::GET) && pulls.look_at(EndpointKind::Manifest));
        assert!(!pulls.count(EndpointKind::Manifest, &Method::HEAD) && !pulls.look_at(EndpointKind::Blob));
        let all = read(r#"{"any": "any"}"#).unwrap();
        assert_eq!(all, Counts::everything());
        assert!(all.count(EndpointKind::Other, &Method::OPTIONS));
        let reads = read(r#"{"any": ["get", "head"]}"#).unwrap();
        assert!(reads.count(EndpointKind::Tags, &Method::HEAD) && !reads.count(EndpointKind::Tags, &Method::PUT));
        assert!(read(r#"{"manifests": "get"}"#).is_err());
        assert!(read("{}").unwrap_err().contains("counts nothing"));
    }

    #[test]
    fn what_counts_is_written_as_it_is_read() {
        for text in [
            r#"{"manifest":"get"}"#,
            r#"{"any":"any"}"#,
            r#"{"any":["get","head"]}"#,
            r#"{"blob":["get","head"],"token":"any"}"#,
        ] {
            assert_eq!(serde_json::to_string(&read(text).unwrap()).unwrap(), text);
        }
    }
}
