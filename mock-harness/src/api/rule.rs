//! Performing what a rule says, on an exchange of the API.

use axum::response::{IntoResponse as _, Response};
use http::{HeaderName, HeaderValue, StatusCode};
use testbed::rule::{Action, Answer};

use super::exchange::json_response;

/// The answer of a rule that is given in the place of the platform's.
pub(super) fn answer_instead(actions: &[Action]) -> Option<Response> {
    actions.iter().find_map(|action| match action {
        Action::Answer(answer) => Some(ready_made(answer)),
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
