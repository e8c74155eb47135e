//! What an answer tells of the limits: headers for the client, a record for the journal.
//!
//! Source: facts/registry A5 (Docker Hub), A9 (`X-RateLimit-*`), B2 (GitLab).

use http::{HeaderMap, HeaderName, HeaderValue};
use testbed::{
    clock::{Timestamp, after, http_date},
    journal::Counted,
};

use super::{Ruling, Standing};
use crate::{HeaderStyle, HeadersOn, header::header_value};

impl Ruling {
    /// Writes what the client is told.
    pub(crate) fn write_headers(&self, now: Timestamp, headers: &mut HeaderMap) {
        for standing in &self.standings {
            let is_told = match standing.config.headers_on {
                HeadersOn::Always => true,
                HeadersOn::Success => !standing.refused,
                HeadersOn::Refusal => standing.refused,
            };
            if is_told {
                standing.write_headers(now, headers);
            }
        }
    }

    /// What the journal is told: the limit that refused, or the last that counted the request, or else the last that looks at
    /// such requests.
    pub(crate) fn counted(&self) -> Option<Counted> {
        let counted = self.standings.iter().rfind(|standing| standing.used);
        self.refusal().or(counted).or(self.standings.last()).map(Standing::counted)
    }
}

impl Standing {
    fn write_headers(&self, now: Timestamp, headers: &mut HeaderMap) {
        let mut put = |name: &'static str, value: HeaderValue| {
            headers.insert(HeaderName::from_static(name), value);
        };
        let reset_at = || after(now, self.reset);
        match self.config.headers {
            HeaderStyle::None => {}
            HeaderStyle::DockerHub => {
                put("ratelimit-limit", self.of_window(self.units));
                put("ratelimit-remaining", self.of_window(self.left));
                put("docker-ratelimit-source", header_value(&self.source));
            }
            HeaderStyle::Draft => {
                put("ratelimit-limit", self.units.into());
                put("ratelimit-remaining", self.left.into());
                put("ratelimit-reset", seconds(self.reset).into());
            }
            HeaderStyle::Gitlab => {
                put("ratelimit-limit", self.units.into());
                // The one that is refused is seen too.
                let observed = self.units.saturating_sub(self.left).saturating_add(self.refused.into());
                put("ratelimit-observed", observed.into());
                put("ratelimit-remaining", self.left.into());
                put("ratelimit-reset", reset_at().as_second().into());
                put("ratelimit-resettime", header_value(http_date(reset_at())));
                put("ratelimit-name", header_value(&*self.name));
            }
            HeaderStyle::XRatelimit => {
                put("x-ratelimit-limit", self.units.into());
                put("x-ratelimit-remaining", self.left.into());
                put("x-ratelimit-reset", reset_at().as_second().into());
            }
        }
    }

    fn counted(&self) -> Counted {
        Counted {
            key: self.source.text(),
            limit_name: self.name.clone(),
            limit: self.units,
            remaining: self.left,
            used: self.used,
            refused: self.refused,
        }
    }

    /// `76;w=21600`.
    fn of_window(&self, units: u64) -> HeaderValue {
        let (mut digits, mut window) = (itoa::Buffer::new(), itoa::Buffer::new());
        let window = window.format(self.window.unwrap_or_default().as_secs());
        let text = [digits.format(units), ";w=", window].concat();
        // Digits and `;w=`.
        HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
    }
}

/// Whole seconds, rounded up: who waits so long has waited long enough.
pub(super) fn seconds(wait: std::time::Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}
