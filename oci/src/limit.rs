//! Pull limits as people write them: `100/6h`.
//!
//! How a window moves and what counts as a pull is the registry's affair; this is the setting.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

/// So many pulls in such a window: `100/6h`, `1/s`, `1000/min`. The window is a whole number of
/// seconds, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PullLimit {
    pulls: NonZeroU32,
    window: Duration,
}

/// Why a text or a pair of values is no pull limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PullLimitError {
    /// Not `pulls/window`.
    #[error("pull limit `{text}` is not of the form `pulls/window`, such as `100/6h`")]
    Syntax {
        /// The text that was read.
        text: String,
    },
    /// A limit of nothing.
    #[error("a limit of 0 pulls would refuse every pull; use at least 1")]
    ZeroPulls,
    /// More pulls than can be counted.
    #[error("a limit of {pulls} pulls is too large; use at most {}", u32::MAX)]
    TooManyPulls {
        /// The number as it was written.
        pulls: String,
    },
    /// A unit that nobody knows.
    #[error("window unit `{unit}` is unknown; use s, min, h or d")]
    UnknownUnit {
        /// The word after the number.
        unit: String,
    },
    /// A window of nothing, of parts of seconds, or too long to count.
    #[error("a window must be whole seconds, at least 1, and less than {} of them", u64::MAX)]
    Window,
}

/// What a window is printed in, largest first.
const UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)];

impl PullLimit {
    /// `pulls` in each `window`.
    ///
    /// # Errors
    /// The window is zero or has parts of a second.
    pub fn new(pulls: NonZeroU32, window: Duration) -> Result<PullLimit, PullLimitError> {
        if window.is_zero() || window.subsec_nanos() != 0 {
            return Err(PullLimitError::Window);
        }
        Ok(PullLimit { pulls, window })
    }

    /// How many pulls are granted in a window.
    pub fn pulls(self) -> NonZeroU32 {
        self.pulls
    }

    /// How long the window is.
    pub fn window(self) -> Duration {
        self.window
    }
}

/// In the largest unit that divides the window; a window of one unit is printed without the 1.
impl fmt::Display for PullLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.window.as_secs();
        let (unit, length) = UNITS.into_iter().find(|(_, length)| seconds.is_multiple_of(*length)).unwrap_or(("s", 1));
        match seconds / length {
            1 => write!(f, "{}/{unit}", self.pulls),
            count => write!(f, "{}/{count}{unit}", self.pulls),
        }
    }
}

text_form!(
    PullLimit,
    "a pull limit such as `100/6h`: pulls, a slash, and a window in s, min, h or d",
    pattern = "^0*[1-9][0-9]*/[0-9]*(s|sec|m|min|h|hour|d|day)$"
);

impl FromStr for PullLimit {
    type Err = PullLimitError;

    fn from_str(text: &str) -> Result<Self, PullLimitError> {
        let syntax = || PullLimitError::Syntax { text: text.to_owned() };
        let (pulls, window) = text.split_once('/').ok_or_else(syntax)?;
        if pulls.is_empty() || !pulls.bytes().all(|b| b.is_ascii_digit()) {
            return Err(syntax());
        }
        let pulls: u32 = pulls.parse().map_err(|_| PullLimitError::TooManyPulls { pulls: pulls.to_owned() })?;
        let pulls = NonZeroU32::new(pulls).ok_or(PullLimitError::ZeroPulls)?;
        PullLimit::new(pulls, parse_window(window)?)
    }
}

fn parse_window(text: &str) -> Result<Duration, PullLimitError> {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let length = match unit {
        "s" | "sec" => 1,
        "m" | "min" => 60,
        "h" | "hour" => 3_600,
        "d" | "day" => 86_400,
        _ => {
            return Err(PullLimitError::UnknownUnit { unit: unit.to_owned() });
        }
    };
    let count: u64 = match &text[..text.len() - unit.len()] {
        "" => 1,
        digits => digits.parse().map_err(|_| PullLimitError::Window)?,
    };
    let seconds = count.checked_mul(length).ok_or(PullLimitError::Window)?;
    Ok(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(input: &str, expect: &str) {
        let actual = match input.parse::<PullLimit>() {
            Ok(limit) => format!("{limit} = {} in {} s", limit.pulls(), limit.window().as_secs()),
            Err(error) => error.to_string(),
        };
        assert_eq!(actual, expect, "for {input}");
    }

    #[test]
    fn limits_read_as_people_write_them() {
        check("100/6h", "100/6h = 100 in 21600 s");
        check("1/s", "1/s = 1 in 1 s");
        check("1/1sec", "1/s = 1 in 1 s");
        check("1000/min", "1000/min = 1000 in 60 s");
        check("5/90m", "5/90min = 5 in 5400 s");
        check("200/hour", "200/h = 200 in 3600 s");
        check("5000/24h", "5000/d = 5000 in 86400 s");
        check("1/2day", "1/2d = 1 in 172800 s");
    }

    #[test]
    fn each_mistake_is_named() {
        let syntax = |text: &str| format!("pull limit `{text}` is not of the form `pulls/window`, such as `100/6h`");
        let window = "a window must be whole seconds, at least 1, and less than 18446744073709551615 of them";
        check("0/6h", "a limit of 0 pulls would refuse every pull; use at least 1");
        check("100", &syntax("100"));
        check("/h", &syntax("/h"));
        check("-1/h", &syntax("-1/h"));
        check("+1/h", &syntax("+1/h"));
        check("9999999999/h", "a limit of 9999999999 pulls is too large; use at most 4294967295");
        check("1/6", "window unit `` is unknown; use s, min, h or d");
        check("1/6w", "window unit `w` is unknown; use s, min, h or d");
        check("1/0h", window);
        check("1/18446744073709551615d", window);
        check("1/99999999999999999999s", window);
        assert_eq!(PullLimit::new(NonZeroU32::MIN, Duration::from_millis(1500)), Err(PullLimitError::Window));
    }

    proptest! {
        #[test]
        fn what_is_printed_parses_to_the_same(
            pulls: NonZeroU32,
            seconds in prop_oneof![1..=u64::MAX, (1..100_u64).prop_map(|hours| hours * 3600)],
        ) {
            let limit = PullLimit::new(pulls, Duration::from_secs(seconds)).expect("whole seconds");
            prop_assert_eq!(limit.to_string().parse(), Ok(limit));
        }
    }
}
