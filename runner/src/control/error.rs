//! What the control API refuses, in one form.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use mock_registry::ConfigError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use testbed::{clock::ClockError, rule::RuleProblem};

use super::body::json;

/// Every answer that is not 2xx.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorBody {
    /// What went wrong.
    pub error: Refused,
}

/// What went wrong, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Refused {
    /// One word for programs: `unknown-registry`.
    pub code: String,
    /// What is wrong, for people. Where a body is wrong it names the field.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// An answer that is not 2xx.
#[derive(Clone, Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    refused: Refused,
    allow: Option<HeaderValue>,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, code: &str, message: impl ToString) -> Self {
        let refused = Refused { code: String::from(code), message: message.to_string(), hint: None };
        Self { status, refused, allow: None }
    }

    /// The request cannot be read.
    pub(super) fn bad(code: &str, message: impl ToString) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// It can be read, and asks for what cannot be.
    pub(super) fn wrong(code: &str, message: impl ToString) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, message)
    }

    /// It asks for what cannot be at present.
    pub(super) fn conflict(code: &str, message: impl ToString) -> Self {
        Self::new(StatusCode::CONFLICT, code, message)
    }

    pub(super) fn absent(code: &str, message: impl ToString) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    /// There is nothing called `name`; `known` is what there is.
    pub(super) fn unknown<'a>(what: &str, name: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        let known: Vec<_> = known.into_iter().collect();
        let error = Self::absent(&format!("unknown-{what}"), format!("there is no {what} `{name}`"));
        let distance = |known: &&&str| strsim::osa_distance(known, name);
        let nearest = known.iter().min_by_key(distance).filter(|known| distance(known) <= 3.max(name.len() / 2));
        error.hint(match (nearest, known.as_slice()) {
            (_, []) => String::from("there is none at all"),
            (Some(nearest), [_]) => format!("did you mean `{nearest}`?"),
            (Some(nearest), _) => format!("did you mean `{nearest}`? There are {}", known.join(", ")),
            (None, [only]) => format!("there is only `{only}`"),
            (None, _) => format!("there are {}", known.join(", ")),
        })
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.refused.hint = Some(hint.into());
        self
    }

    /// The hint, unless there is one already.
    pub(super) fn or_hint(mut self, hint: &str) -> Self {
        self.refused.hint.get_or_insert_with(|| String::from(hint));
        self
    }

    pub(super) fn allow(self, methods: &str) -> Self {
        Self { allow: HeaderValue::from_str(methods).ok(), ..self }
    }

    /// The same about a part of the body.
    pub(super) fn below(mut self, field: &str) -> Self {
        self.refused.message = format!("{field}: {}", self.refused.message);
        self
    }
}

impl From<ClockError> for ApiError {
    fn from(error: ClockError) -> Self {
        let error_of = |code| Self::conflict(code, error).hint(error.hint());
        match error {
            ClockError::Backwards { .. } => Self::wrong("backwards", error).hint(error.hint()),
            ClockError::Stands => error_of("virtual-clock"),
            ClockError::NeverAlone => error_of("system-clock"),
            ClockError::OtherKind => error_of("other-clock"),
        }
    }
}

impl From<RuleProblem> for ApiError {
    fn from(problem: RuleProblem) -> Self {
        Self::wrong("impossible-rule", &problem).hint(problem.hint)
    }
}

/// Everything that is wrong with a configuration, of which the first hint is given.
impl From<Vec<ConfigError>> for ApiError {
    fn from(errors: Vec<ConfigError>) -> Self {
        let told: Vec<_> = errors.iter().map(ToString::to_string).collect();
        let error = Self::wrong("impossible", told.join("; "));
        match errors.into_iter().find_map(|error| error.hint) {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = json(self.status, &ErrorBody { error: self.refused });
        if let Some(allow) = self.allow {
            response.headers_mut().insert(header::ALLOW, allow);
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer realm=\"pullrig control\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}
