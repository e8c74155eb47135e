//! What a rule does to the head of an answer, whichever answer it is.

use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use oci::{ContentRange, ResolvedRange};
use testbed::{
    rule::{Action, Fired, HeaderChange, RangeFault},
    server::AsStated,
};

/// Left on a response that stands for something else: what the client gets in its place.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sent {
    /// Nothing at all, and the connection stays.
    Nothing,
    /// The end of the connection.
    End,
    /// Bytes as a rule has them, with the status that is in their first line.
    Raw(Option<u16>),
}

/// Changes the head of `response` as the rule says. `is_head`: nothing follows it.
pub(crate) fn change(fired: &Fired, is_head: bool, response: &mut Response) {
    for action in fired.actions.iter() {
        match action {
            Action::Range(RangeFault::Lie) => lie(response),
            Action::Cut(cut) | Action::Reset(cut) if cut.chunked => {
                response.headers_mut().remove(header::CONTENT_LENGTH);
            }
            Action::Headers(change) => {
                change_headers(change, response.headers_mut());
                let is_framing = |name: &str| {
                    [header::CONTENT_LENGTH, header::TRANSFER_ENCODING].iter().any(|framing| framing == name)
                };
                if !is_head && change.names().any(|name| is_framing(&name.to_ascii_lowercase())) {
                    response.extensions_mut().insert(AsStated);
                }
            }
            _ => {}
        }
    }
}

/// Tells of a place one byte further than that of the bytes.
fn lie(response: &mut Response) {
    if response.status() != StatusCode::PARTIAL_CONTENT {
        return;
    }
    let Some(stated) = response.headers_mut().get_mut(header::CONTENT_RANGE) else { return };
    let told = stated.to_str().ok().and_then(|text| text.parse().ok());
    let Some(ContentRange::Part { range, size }) = told else { return };
    let range = ResolvedRange { first: range.first + 1, last: range.last + 1 };
    if let Ok(lie) = HeaderValue::try_from(ContentRange::Part { range, size: size.map(|size| size + 1) }.to_string()) {
        *stated = lie;
    }
}

fn change_headers(change: &HeaderChange, headers: &mut HeaderMap) {
    for name in &change.remove {
        headers.remove(name.as_str());
    }
    let each = |(name, value): (&String, &String)| Some((HeaderName::try_from(name).ok()?, value.try_into().ok()?));
    for (name, value) in change.set.iter().filter_map(each) {
        headers.insert(name, value);
    }
    for (name, value) in change.add.iter().filter_map(each) {
        headers.append(name, value);
    }
}
