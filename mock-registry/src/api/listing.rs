//! Pages of names: `n`, `last` and the `Link` to the next page, for tags and the catalog alike.
//!
//! Source: distribution-spec, "Listing Tags"; facts/registry D2, D3.

use axum::{body::Body, extract::Query, response::Response};
use http::{Uri, header};
use oci::MediaType;
use serde::Serialize;

use super::header_value;
use crate::error::RegistryError;

/// Which part of a list is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Page {
    /// How many entries it has at most.
    n: usize,
    /// The entry that it starts behind.
    last: Option<String>,
}

impl Page {
    /// Reads `n` and `last` from the query. Without `n`, and with one that is larger, a page has `max` entries.
    ///
    /// # Errors
    /// `PAGINATION_NUMBER_INVALID` 400: `n` is no number.
    pub(super) fn read(uri: &Uri, max: usize) -> Result<Self, RegistryError> {
        let mut page = Self { n: max, last: None };
        for (name, value) in query(uri) {
            match name.as_str() {
                "n" => {
                    let is_number = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
                    if !is_number {
                        return Err(RegistryError::Pagination(value));
                    }
                    page.n = value.parse().unwrap_or(max).min(max);
                }
                "last" => page.last = Some(value),
                _ => {}
            }
        }
        Ok(page)
    }

    /// The entry that it starts behind, which need not exist.
    pub(super) fn last(&self) -> Option<&str> {
        self.last.as_deref()
    }

    /// How many entries behind [`Page::last`] have to be looked up: one more than the page has, to know whether it is the
    /// last.
    pub(super) fn n_looked_up(&self) -> usize {
        if self.n == 0 { 0 } else { self.n.saturating_add(1) }
    }

    /// Cuts what was looked up to the page, and returns the query of the next one if there is one.
    pub(super) fn cut<T>(&self, looked_up: &mut Vec<T>, name: impl Fn(&T) -> &str) -> Option<String> {
        if looked_up.len() <= self.n {
            return None;
        }
        looked_up.truncate(self.n);
        looked_up.last().map(|last| format!("last={}&n={}", encode(name(last)), self.n))
    }
}

/// The text as a value of a query.
pub(super) fn encode(text: &str) -> String {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~:".contains(&b);
    text.bytes().map(|b| if is_plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

/// The pairs of a query; none if it cannot be read.
pub(crate) fn query(uri: &Uri) -> Vec<(String, String)> {
    Query::try_from_uri(uri).map_or_else(|_| Vec::new(), |Query(pairs)| pairs)
}

/// `list` as JSON with its length, and a link to the next page of `path`.
pub(super) fn compose_list(
    media_type: &MediaType,
    list: &impl Serialize,
    path: &str,
    next: Option<String>,
) -> Response {
    // Lists have text keys only, so they always serialize.
    let mut body = serde_json::to_vec(list).unwrap_or_default();
    body.push(b'\n');
    let length = body.len();
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header_value(media_type));
    headers.insert(header::CONTENT_LENGTH, header_value(length));
    if let Some(next) = next {
        headers.insert(header::LINK, header_value(format!("<{path}?{next}>; rel=\"next\"")));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(query: &str, expect: &[&str], next: Option<&str>) {
        let page = Page::read(&format!("/v2/_catalog?{query}").parse().unwrap(), 3).unwrap();
        let rest = ["a", "b", "c/d", "e"].into_iter().filter(|name| page.last().is_none_or(|last| *name > last));
        let mut cut: Vec<_> = rest.take(page.n_looked_up()).collect();
        let link = page.cut(&mut cut, |name| name);
        assert_eq!(cut, expect, "{query}");
        assert_eq!(link.as_deref(), next, "{query}");
    }

    #[test]
    fn pages_are_cut_and_linked() {
        check("n=2", &["a", "b"], Some("last=b&n=2"));
        check("", &["a", "b", "c/d"], Some("last=c%2Fd&n=3"));
        check("n=3&last=c%2Fd", &["e"], None);
        check("last=c", &["c/d", "e"], None);
        check("last=zebra", &[], None);
        check("n=0", &[], None);
        check("n=99999999999999999999999", &["a", "b", "c/d"], Some("last=c%2Fd&n=3"));
        for bad in ["n=-1", "n=", "n=1.5", "n=%2B1", "n=x"] {
            assert!(Page::read(&format!("/x?{bad}").parse().unwrap(), 3).is_err(), "{bad}");
        }
    }

    #[test]
    fn values_of_queries_hide_nothing() {
        assert_eq!(encode("application/vnd.x+json"), "application%2Fvnd.x%2Bjson");
        assert_eq!(encode("a&b=\u{e9}"), "a%26b%3D%C3%A9");
    }
}
