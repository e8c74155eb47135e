//! Pages of names: `n`, `last` and the `Link` to the next page, for tags and the catalog alike.
//!
//! Source: distribution-spec, "Listing Tags"; facts/registry D2, D3.

use axum::{body::Body, extract::Query, response::Response};
use http::{HeaderValue, Uri, header};
use serde_json::Value;

use super::header_value;
use crate::error::RegistryError;

/// The most names on a page.
const MAX_PAGE: usize = 10_000;

/// Which part of a list is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    n: Option<usize>,
    last: Option<String>,
}

impl Page {
    /// Reads `n` and `last` from the query.
    ///
    /// # Errors
    /// `PAGINATION_NUMBER_INVALID` 400: `n` is no number. One that is too large is clamped.
    pub(super) fn read(uri: &Uri) -> Result<Self, RegistryError> {
        let mut page = Self::default();
        for (name, value) in query(uri) {
            match name.as_str() {
                "n" => {
                    let is_number = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
                    if !is_number {
                        return Err(RegistryError::Pagination(value));
                    }
                    page.n = Some(value.parse().unwrap_or(MAX_PAGE).min(MAX_PAGE));
                }
                "last" => page.last = Some(value),
                _ => {}
            }
        }
        Ok(page)
    }

    /// The names on this page out of all, which are sorted, and the query of the next page if there is one.
    pub(super) fn cut(&self, names: Vec<String>) -> (Vec<String>, Option<String>) {
        let mut rest: Vec<String> = match &self.last {
            Some(last) => names.into_iter().filter(|name| name > last).collect(),
            None => names,
        };
        let n = self.n.unwrap_or(MAX_PAGE);
        if rest.len() <= n {
            return (rest, None);
        }
        rest.truncate(n);
        let next = rest.last().map(|last| format!("last={}&n={n}", last.replace('/', "%2F")));
        (rest, next)
    }
}

/// The pairs of a query; none if it cannot be read.
pub(super) fn query(uri: &Uri) -> Vec<(String, String)> {
    Query::try_from_uri(uri).map_or_else(|_| Vec::new(), |Query(pairs)| pairs)
}

/// JSON with its length, and a link to the next page of `path`.
pub(super) fn compose_list(json: &Value, path: &str, next: Option<String>) -> Response {
    let body = format!("{json}\n");
    let length = body.len();
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
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
        let names = ["a", "b", "c/d", "e"].map(String::from).to_vec();
        let page = Page::read(&format!("/v2/_catalog?{query}").parse().unwrap()).unwrap();
        let (cut, link) = page.cut(names);
        assert_eq!(cut, expect, "{query}");
        assert_eq!(link.as_deref(), next, "{query}");
    }

    #[test]
    fn pages_are_cut_and_linked() {
        check("", &["a", "b", "c/d", "e"], None);
        check("n=3", &["a", "b", "c/d"], Some("last=c%2Fd&n=3"));
        check("n=3&last=c%2Fd", &["e"], None);
        check("n=4", &["a", "b", "c/d", "e"], None);
        check("n=0", &[], None);
        check("n=99999999999999999999999", &["a", "b", "c/d", "e"], None);
        assert!(Page::read(&"/x?n=-1".parse().unwrap()).is_err());
    }
}
