//! Which occurrence of a matching exchange a rule applies to.

use std::{fmt, num::NonZeroU32, str::FromStr, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::scalar::text_or_number;
use crate::duration;

/// Which of the matching exchanges a rule applies to. All conditions given must hold; none given means every one.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Trigger {
    /// Only the first n.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<NonZeroU32>,
    /// Only every nth: 3 means the third, sixth, ninth …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<NonZeroU32>,
    /// Only these, counted from 1: `2`, `1..3`, `5..`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nth: Option<Occurrences>,
    /// Only with this probability, from 0 to 1, drawn from the world's seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// Only from then on, in policy time since the actor's start: `10m`.
    #[serde(default, with = "duration::optional", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub from: Option<Duration>,
    /// Only until then, that moment excluded, in policy time since the actor's start: `1h`.
    #[serde(default, with = "duration::optional", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub until: Option<Duration>,
}

impl Trigger {
    /// Whether the rule is in force when so much policy time has passed since the actor's start. Outside it counts nothing.
    pub fn is_in_force(&self, since_start: Duration) -> bool {
        self.from.is_none_or(|from| since_start >= from) && self.until.is_none_or(|until| since_start < until)
    }

    /// Whether there is an occurrence, and a moment, that all conditions hold for.
    pub fn can_fire(&self) -> bool {
        let first = self.nth.map_or(1, |nth| nth.first);
        let last = self.nth.map_or(u32::MAX, |nth| nth.last).min(self.first.map_or(u32::MAX, NonZeroU32::get));
        let every = self.every.map_or(1, NonZeroU32::get);
        let is_ever = self.until.is_none_or(|until| self.from.unwrap_or_default() < until);
        is_ever && self.probability != Some(0.0) && first.div_ceil(every).saturating_mul(every) <= last
    }

    /// Whether the `n`th match (from 1) is one that the rule applies to; `draw` is in `0.0..1.0`.
    pub fn fires(&self, n: u32, draw: f64) -> bool {
        self.first.is_none_or(|first| n <= first.get())
            && self.every.is_none_or(|every| n.is_multiple_of(every.get()))
            && self.nth.is_none_or(|nth| nth.contains(n))
            && self.probability.is_none_or(|probability| draw < probability)
    }
}

/// Numbers from 1, both ends included: `2`, `1..3`, `5..`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occurrences {
    first: u32,
    last: u32,
}

impl Occurrences {
    /// Whether `n` is one of them.
    pub fn contains(self, n: u32) -> bool {
        (self.first..=self.last).contains(&n)
    }
}

impl FromStr for Occurrences {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number =
            |part: &str| {
                part.trim().parse::<u32>().ok().filter(|n| *n > 0).ok_or_else(|| {
                    format!("`{text}` does not say which ones; write `2`, `1..3` or `5..`, counted from 1")
                })
            };
        let (first, last) = match text.split_once("..") {
            None => (number(text)?, number(text)?),
            Some((first, "")) => (number(first)?, u32::MAX),
            Some((first, last)) => (number(first)?, number(last)?),
        };
        if first > last {
            return Err(format!("`{text}` is empty: {first} is after {last}"));
        }
        Ok(Self { first, last })
    }
}

impl fmt::Display for Occurrences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self { first, last } if first == last => write!(f, "{first}"),
            Self { first, last: u32::MAX } => write!(f, "{first}.."),
            Self { first, last } => write!(f, "{first}..{last}"),
        }
    }
}

impl Serialize for Occurrences {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Occurrences {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text_or_number(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Occurrences {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Occurrences".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Numbers from 1, both ends included: 2, 1..3, 5..",
            "type": ["string", "integer"],
            "pattern": r"^[1-9][0-9]*(\.\.([1-9][0-9]*)?)?$",
            "minimum": 1,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn occurrences_are_read_as_people_write_them() {
        let read = |text: &str| text.parse::<Occurrences>().map(|read| (read.first, read.last));
        assert_eq!(read("2"), Ok((2, 2)));
        assert_eq!(read("1..3"), Ok((1, 3)));
        assert_eq!(read("5.."), Ok((5, u32::MAX)));
        assert_eq!(read("3..1"), Err(String::from("`3..1` is empty: 3 is after 1")));
        assert!(read("0").is_err());
        assert!(read("often").is_err());
    }

    proptest! {
        #[test]
        fn what_can_fire_does(first in 0_u32..9, every in 0_u32..9, from in 1_u32..20, more in 0_u32..9) {
            let nth = Some(Occurrences { first: from, last: from + more });
            let trigger =
                Trigger { first: NonZeroU32::new(first), every: NonZeroU32::new(every), nth, ..Trigger::default() };
            prop_assert_eq!(trigger.can_fire(), (1..100).any(|n| trigger.fires(n, 0.0)));
        }

        #[test]
        fn first_n_fires_exactly_n_times(n in 1_u32..50, tries in 0_u32..100) {
            let trigger = Trigger { first: NonZeroU32::new(n), ..Trigger::default() };
            let n_fired = (1..=tries).filter(|try_| trigger.fires(*try_, 0.0)).count();
            prop_assert_eq!(n_fired, n.min(tries) as usize);
        }

        #[test]
        fn occurrences_print_as_they_are_read(first in 1_u32..1000, more in 0_u32..1000) {
            let occurrences = Occurrences { first, last: first + more };
            prop_assert_eq!(occurrences.to_string().parse(), Ok(occurrences));
        }
    }
}
