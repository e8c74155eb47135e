//! Performing what a rule says, on an exchange of the API.

use std::{future, io};

use axum::{
    body::{Body, to_bytes},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{HeaderName, HeaderValue, StatusCode, header};
use testbed::{
    rule::{Action, Answer, Cut},
    server::{Connection, End},
};

use super::{envelope::ApiError, exchange::json_response};

/// The largest answer that a rule can spoil, in bytes; the API makes none near it.
const MAX_ANSWER_BYTES: usize = 64 << 20;

/// The answer of a rule that is given in the place of the platform's.
pub(super) fn answer_instead(action: Option<&Action>) -> Option<Response> {
    match action? {
        Action::Answer(answer) => Some(ready_made(answer)),
        Action::ExpireToken => Some(ApiError::InvalidToken.into_response()),
        Action::Delay(_) | Action::Cut(_) | Action::Corrupt(_) | Action::Reset(_) => None,
    }
}

/// Waits if a rule says so, in wire time.
pub(super) async fn wait(action: Option<&Action>) {
    if let Some(Action::Delay(delay)) = action {
        tokio::time::sleep(delay.duration).await;
    }
}

/// Spoils the body if a rule says so.
pub(super) async fn spoil(action: Option<&Action>, response: Response, connection: Option<Connection>) -> Response {
    let (cut, end) = match action {
        Some(Action::Cut(cut)) => (Some(cut), End::Close),
        Some(Action::Reset(cut)) => (Some(cut), End::Reset),
        Some(Action::Corrupt(_)) => (None, End::Close),
        Some(Action::Answer(_) | Action::Delay(_) | Action::ExpireToken) | None => return response,
    };
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, MAX_ANSWER_BYTES).await.unwrap_or_default();
    let length = bytes.len();
    let body = match (cut, action, connection) {
        (Some(Cut { after }), _, Some(connection)) => {
            let kept = usize::try_from(after.in_body(length as u64)).unwrap_or(length);
            cut_body(bytes.slice(..kept.min(length)), &connection, end)
        }
        (None, Some(Action::Corrupt(corrupt)), _) => {
            let mut bytes = bytes.to_vec();
            let at = usize::try_from(corrupt.at.in_body(length as u64)).unwrap_or(0).min(length.saturating_sub(1));
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 0xff;
            }
            Body::from(bytes)
        }
        _ => Body::from(bytes),
    };
    let mut response = Response::from_parts(parts, body);
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    response
}

/// `kept`, and then the end of the connection.
fn cut_body(kept: Bytes, connection: &Connection, end: End) -> Body {
    let first = stream::once(future::ready(Ok::<_, io::Error>(kept)));
    Body::from_stream(first.chain(connection.end(end)))
}

fn ready_made(answer: &Answer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
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
