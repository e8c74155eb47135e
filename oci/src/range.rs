//! Byte ranges: what a resumed download asks for and what it gets, and where the chunk of an upload belongs.
//!
//! A `Range` in another unit is to be ignored, and a 200 with everything answers it; a malformed one, or one that shares no
//! byte with the content, is a 416. Hence the errors apart.
//!
//! Source: RFC 9110, "Range Requests"; distribution-spec, "Pushing a blob in chunks".

use std::fmt;
use std::str::FromStr;

/// One range of a `Range` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RangeRequest {
    /// `bytes=a-b`, both ends included; `first <= last`.
    Between {
        /// The first byte.
        first: u64,
        /// The last byte.
        last: u64,
    },
    /// `bytes=a-`: from there to the end.
    From {
        /// The first byte.
        first: u64,
    },
    /// `bytes=-n`: the last `n` bytes.
    Suffix {
        /// How many.
        length: u64,
    },
}

/// The value of a `Range` header: one range or several, in the order in which they were asked for. There is at least one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RangeSet(Vec<RangeRequest>);

/// The bytes that a range means for content of a known size; both ends included and within it.
///
/// Its text is that of an upload's `Content-Range` and `Range`: `0-1023`, without a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ResolvedRange {
    /// The first byte.
    pub first: u64,
    /// The last byte.
    pub last: u64,
}

/// A `Content-Range` header of a download.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ContentRange {
    /// `bytes a-b/size`, or `bytes a-b/*` where the size is not known.
    Part {
        /// Which bytes follow.
        range: ResolvedRange,
        /// The size of the whole.
        size: Option<u64>,
    },
    /// `bytes */size`, which comes with a 416.
    Unsatisfied {
        /// The size of the whole.
        size: u64,
    },
}

/// Why a `Range` header is not what was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// The unit is not bytes: the header is to be ignored.
    #[error("range `{text}` does not start with `bytes=`")]
    Unit {
        /// The value of the header.
        text: String,
    },
    /// More than one range, where one was expected.
    #[error("range `{text}` asks for several parts")]
    Multiple {
        /// The value of the header.
        text: String,
    },
    /// Not `a-b`, `a-` or `-n`, or the end lies before the start.
    #[error("range `{text}` is not `bytes=first-last`, `bytes=first-` or `bytes=-length`")]
    Syntax {
        /// The value of the header.
        text: String,
    },
}

/// The range has no byte in common with the content: 416.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("range {request} cannot be satisfied: the content has {size} bytes")]
pub struct Unsatisfiable {
    /// What was asked for.
    pub request: RangeRequest,
    /// The size of the content in bytes.
    pub size: u64,
}

/// A text that is no range of an upload.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("chunk range `{text}` is not `first-last` with first <= last")]
pub struct ChunkRangeError {
    text: String,
}

/// A text that is no `Content-Range`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("content range `{text}` is not `bytes first-last/size` with first <= last < size")]
pub struct ContentRangeError {
    text: String,
}

impl RangeRequest {
    /// The bytes it means for content of `size` bytes; an end past the content is cut.
    ///
    /// # Errors
    /// No byte of the content is meant.
    pub fn resolve(self, size: u64) -> Result<ResolvedRange, Unsatisfiable> {
        let (first, last) = match self {
            RangeRequest::Between { first, last } => (first, last),
            RangeRequest::From { first } => (first, u64::MAX),
            RangeRequest::Suffix { length: 0 } => (size, size),
            RangeRequest::Suffix { length } => (size.saturating_sub(length), u64::MAX),
        };
        match size.checked_sub(1) {
            Some(end) if first <= end => Ok(ResolvedRange { first, last: last.min(end) }),
            _ => Err(Unsatisfiable { request: self, size }),
        }
    }
}

impl fmt::Display for RangeRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RangeRequest::Between { first, last } => write!(f, "bytes={first}-{last}"),
            RangeRequest::From { first } => write!(f, "bytes={first}-"),
            RangeRequest::Suffix { length } => write!(f, "bytes=-{length}"),
        }
    }
}

impl FromStr for RangeRequest {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<Self, RangeError> {
        match text.parse::<RangeSet>()?.0.as_slice() {
            [range] => Ok(*range),
            _ => Err(RangeError::Multiple { text: text.to_owned() }),
        }
    }
}

impl RangeSet {
    /// The bytes they mean for content of `size` bytes. Ranges that share no byte with it are left out, so there are none if
    /// the set cannot be satisfied.
    pub fn resolve(&self, size: u64) -> Vec<ResolvedRange> {
        self.0.iter().filter_map(|range| range.resolve(size).ok()).collect()
    }
}

impl fmt::Display for RangeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, range) in self.0.iter().enumerate() {
            let text = range.to_string();
            match text.strip_prefix("bytes=") {
                Some(spec) if n > 0 => write!(f, ",{spec}")?,
                _ => f.write_str(&text)?,
            }
        }
        Ok(())
    }
}

impl FromStr for RangeSet {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<Self, RangeError> {
        let specs = match text.trim().split_once('=') {
            Some((unit, specs)) if unit.eq_ignore_ascii_case("bytes") => specs,
            _ => {
                return Err(RangeError::Unit { text: text.to_owned() });
            }
        };
        // Lists of HTTP may have empty places.
        let specs = specs.split(',').map(str::trim).filter(|spec| !spec.is_empty());
        match specs.map(parse_spec).collect::<Option<Vec<_>>>() {
            Some(ranges) if !ranges.is_empty() => Ok(RangeSet(ranges)),
            _ => Err(RangeError::Syntax { text: text.to_owned() }),
        }
    }
}

fn parse_spec(spec: &str) -> Option<RangeRequest> {
    match spec.split_once('-')? {
        ("", length) => Some(RangeRequest::Suffix { length: parse_number(length)? }),
        (first, "") => Some(RangeRequest::From { first: parse_number(first)? }),
        (first, last) => {
            let (first, last) = (parse_number(first)?, parse_number(last)?);
            (first <= last).then_some(RangeRequest::Between { first, last })
        }
    }
}

/// Digits only; a number too large for any content is as good as the largest.
fn parse_number(text: &str) -> Option<u64> {
    let digits_only = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits_only.then(|| text.parse().unwrap_or(u64::MAX))
}

impl ResolvedRange {
    /// How many bytes it has; at least one.
    pub fn size_bytes(self) -> u64 {
        self.last.saturating_sub(self.first).saturating_add(1)
    }
}

impl fmt::Display for ResolvedRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

impl FromStr for ResolvedRange {
    type Err = ChunkRangeError;

    fn from_str(text: &str) -> Result<Self, ChunkRangeError> {
        parse_bounds(text).ok_or_else(|| ChunkRangeError { text: text.to_owned() })
    }
}

/// `first-last` in digits, both fitting and in order.
fn parse_bounds(text: &str) -> Option<ResolvedRange> {
    let (first, last) = text.split_once('-')?;
    let (first, last) = (parse_exact(first)?, parse_exact(last)?);
    (first <= last).then_some(ResolvedRange { first, last })
}

/// Digits only, and a number that fits.
fn parse_exact(text: &str) -> Option<u64> {
    // A sign is not a digit.
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

impl fmt::Display for ContentRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ContentRange::Part { range, size: Some(size) } => write!(f, "bytes {range}/{size}"),
            ContentRange::Part { range, size: None } => write!(f, "bytes {range}/*"),
            ContentRange::Unsatisfied { size } => write!(f, "bytes */{size}"),
        }
    }
}

impl FromStr for ContentRange {
    type Err = ContentRangeError;

    fn from_str(text: &str) -> Result<Self, ContentRangeError> {
        parse_content_range(text.trim()).ok_or_else(|| ContentRangeError { text: text.to_owned() })
    }
}

fn parse_content_range(text: &str) -> Option<ContentRange> {
    let (unit, rest) = text.split_once(' ')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (range, size) = rest.trim().split_once('/')?;
    if range == "*" {
        return Some(ContentRange::Unsatisfied { size: parse_exact(size)? });
    }
    let range = parse_bounds(range)?;
    let size = match size {
        "*" => None,
        size => Some(parse_exact(size)?),
    };
    size.is_none_or(|size| range.last < size).then_some(ContentRange::Part { range, size })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Resolved against ten bytes.
    fn check(input: &str, expect: &str) {
        let actual = match input.parse::<RangeRequest>().map(|range| range.resolve(10)) {
            Ok(Ok(range)) => format!("{}-{} ({})", range.first, range.last, range.size_bytes()),
            Ok(Err(unsatisfiable)) => unsatisfiable.to_string(),
            Err(error) => error.to_string(),
        };
        assert_eq!(actual, expect, "for {input}");
    }

    #[test]
    fn ranges_are_resolved_within_the_content() {
        check("bytes=0-0", "0-0 (1)");
        check("bytes=2-5", "2-5 (4)");
        check("Bytes=5-99999999999999999999999", "5-9 (5)");
        check("bytes=7-", "7-9 (3)");
        check("bytes=-3", "7-9 (3)");
        check("bytes=-30", "0-9 (10)");
        check("bytes=10-", "range bytes=10- cannot be satisfied: the content has 10 bytes");
        check("bytes=-0", "range bytes=-0 cannot be satisfied: the content has 10 bytes");
    }

    #[test]
    fn a_header_to_ignore_says_why() {
        check("items=0-1", "range `items=0-1` does not start with `bytes=`");
        check("bytes", "range `bytes` does not start with `bytes=`");
        check("bytes=0-1,3-4", "range `bytes=0-1,3-4` asks for several parts");
        for input in
            ["bytes=", "bytes=,", "bytes=-", "bytes=5-2", "bytes=a-b", "bytes=+1-2", "bytes=1-2-3", "bytes=0-1,x"]
        {
            check(input, &format!("range `{input}` is not `bytes=first-last`, `bytes=first-` or `bytes=-length`"));
        }
    }

    #[test]
    fn several_ranges_keep_their_order_and_lose_what_is_not_there() {
        let set: RangeSet = "Bytes=7-, 0-1 ,,-3,20-30".parse().expect("a set");
        assert_eq!(set.to_string(), "bytes=7-,0-1,-3,20-30");
        let resolved: Vec<_> = set.resolve(10).iter().map(ToString::to_string).collect();
        assert_eq!(resolved, ["7-9", "0-1", "7-9"]);
        assert_eq!(set.resolve(0), []);
    }

    #[test]
    fn a_chunk_says_where_it_belongs_without_a_unit() {
        assert_eq!("0-1023".parse(), Ok(ResolvedRange { first: 0, last: 1023 }));
        for bad in ["", "-", "5", "5-", "-5", "5-3", "+5-9", "bytes 0-1", "0-1/2", "0-99999999999999999999", " 0-1"] {
            assert!(bad.parse::<ResolvedRange>().is_err(), "{bad}");
        }
    }

    #[test]
    fn content_ranges_parse_only_when_they_make_sense() {
        for good in ["bytes 0-9/10", "bytes 3-3/*", "bytes */0"] {
            let parsed: ContentRange = good.parse().expect(good);
            assert_eq!(parsed.to_string(), good);
        }
        for bad in ["", "bytes", "bytes */*", "bytes 5-2/10", "bytes 0-10/10", "0-9", "items 0-9/10", "bytes 0-/10"] {
            assert!(bad.parse::<ContentRange>().is_err(), "{bad}");
        }
    }

    fn request() -> impl Strategy<Value = RangeRequest> {
        let small = || prop_oneof![0..20_u64, any::<u64>()];
        prop_oneof![
            (small(), small()).prop_map(|(a, b)| RangeRequest::Between { first: a.min(b), last: a.max(b) }),
            small().prop_map(|first| RangeRequest::From { first }),
            small().prop_map(|length| RangeRequest::Suffix { length }),
        ]
    }

    proptest! {
        #[test]
        fn a_resolved_range_lies_within_the_content(
            request in request(),
            size in prop_oneof![0..20_u64, any::<u64>()],
        ) {
            if let Ok(range) = request.resolve(size) {
                prop_assert!(range.first <= range.last && range.last < size);
                prop_assert_eq!(range.to_string().parse(), Ok(range));
                let answer = ContentRange::Part { range, size: Some(size) };
                prop_assert_eq!(answer.to_string().parse(), Ok(answer));
            }
        }

        #[test]
        fn what_is_printed_parses_to_the_same(requests in prop::collection::vec(request(), 1..5)) {
            prop_assert_eq!(requests[0].to_string().parse(), Ok(requests[0]));
            let set = RangeSet(requests);
            prop_assert_eq!(set.to_string().parse(), Ok(set));
        }

        #[test]
        fn no_header_panics(text in "(bytes[ =])?[0-9*/,-]{0,12}|.*") {
            let _ = (text.parse::<RangeSet>(), text.parse::<ContentRange>(), text.parse::<ResolvedRange>());
        }
    }
}
