//! Instants as HTTP writes them.

use std::sync::{Mutex, PoisonError};

use http::HeaderValue;

use super::Timestamp;

/// The present instant as HTTP writes it, written anew only when its second is another one. For servers, which date every
/// answer.
#[derive(Debug, Default)]
pub struct DateHeader(Mutex<Option<(i64, HeaderValue)>>);

impl DateHeader {
    /// The `Date` of an answer that is given at `now`.
    pub fn at(&self, now: Timestamp) -> HeaderValue {
        let mut written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*written {
            Some((second, value)) if *second == now.as_second() => value.clone(),
            _ => {
                // A date is visible ASCII.
                let value = HeaderValue::try_from(http_date(now)).unwrap_or(HeaderValue::from_static(""));
                *written = Some((now.as_second(), value.clone()));
                value
            }
        }
    }
}

/// An instant as HTTP writes it: `Thu, 01 Jan 2026 00:00:00 GMT`.
pub fn http_date(at: Timestamp) -> String {
    jiff::fmt::rfc2822::DateTimePrinter::new()
        .timestamp_to_rfc9110_string(&at)
        .unwrap_or_else(|_| String::from("Thu, 01 Jan 1970 00:00:00 GMT"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Clock;

    #[test]
    fn http_dates_are_rfc_9110() {
        assert_eq!(http_date(Clock::DEFAULT_START), "Thu, 01 Jan 2026 00:00:00 GMT");
    }
}
