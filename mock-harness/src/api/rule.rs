//! Performing what a rule says, on an exchange of the API: the same actions as a registry's, but for those about bodies,
//! ranges, tags, tokens and uploads, which are refused when the file is read.

use axum::{
    body::Body,
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use testbed::{
    rule::{Action, Answer, HeaderChange, Redirect},
    server::{AsStated, RawAnswer},
};

use super::exchange::json_response;

/// What a rule gives in the place of the platform's answer.
pub(super) enum Instead {
    /// An answer.
    Answer(Box<Response>),
    /// These bytes, with the status that is in their first line, and the end of the connection.
    Bytes(Bytes, Option<u16>),
    /// Nothing, and the connection stays.
    Silence,
}

/// What is given in the place of the platform's answer to a request of `target`, path and query.
pub(super) fn instead(actions: &[Action], target: &str) -> Option<Instead> {
    actions.iter().find_map(|action| match action {
        Action::Answer(answer) => Some(Instead::Answer(Box::new(ready_made(answer)))),
        Action::Redirect(redirect) => Some(Instead::Answer(Box::new(sent_on(redirect, target)))),
        Action::Raw(text) => {
            let status = text.split_whitespace().nth(1).and_then(|code| code.parse().ok());
            Some(Instead::Bytes(Bytes::from(text.clone()), status))
        }
        Action::Close => Some(Instead::Bytes(Bytes::new(), None)),
        Action::NoAnswer => Some(Instead::Silence),
        _ => None,
    })
}

/// Waits if a rule says so, in wire time.
pub(super) async fn wait(actions: &[Action]) {
    for action in actions {
        if let Action::Delay(delay) = action {
            tokio::time::sleep(delay.duration).await;
        }
    }
}

/// Changes the head of an answer, whichever answer it is.
pub(super) fn change(actions: &[Action], response: &mut Response) {
    for action in actions {
        if let Action::Headers(change) = action {
            change_headers(change, response);
        }
    }
}

/// A response that stands for bytes which HTTP's machinery would not write.
pub(super) fn raw(bytes: Bytes) -> Response {
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(RawAnswer(bytes));
    response
}

fn change_headers(change: &HeaderChange, response: &mut Response) {
    let headers = response.headers_mut();
    for name in &change.remove {
        headers.remove(name.as_str());
    }
    let each = |(name, value): (&String, &String)| -> Option<(HeaderName, HeaderValue)> {
        Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?))
    };
    for (name, value) in change.set.iter().filter_map(each) {
        headers.insert(name, value);
    }
    for (name, value) in change.add.iter().filter_map(each) {
        headers.append(name, value);
    }
    let framing = [header::CONTENT_LENGTH, header::TRANSFER_ENCODING];
    if change.names().any(|name| framing.iter().any(|framing| framing.as_str().eq_ignore_ascii_case(name))) {
        response.extensions_mut().insert(AsStated);
    }
}

fn sent_on(redirect: &Redirect, target: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::from_u16(redirect.status).unwrap_or(StatusCode::TEMPORARY_REDIRECT);
    if let Ok(location) = HeaderValue::try_from(redirect.location(target)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

fn ready_made(answer: &Answer) -> Response {
    let status = answer.status.and_then(|status| StatusCode::from_u16(status).ok());
    let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = match (&answer.json, &answer.body) {
        (Some(json), _) => json_response(status, json),
        (None, Some(body)) => (status, body.clone()).into_response(),
        (None, None) => status.into_response(),
    };
    for (name, value) in &answer.headers {
        // A header that cannot be sent is left out.
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name.as_str()), HeaderValue::from_str(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
