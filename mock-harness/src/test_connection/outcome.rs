//! How a test ended, in the platform's words, for its two readers: who asked for it, and the connector's status.
//!
//! Source: facts/harness B7, the table of final answers and "Shape of a failed test".

use serde_json::{Value, json};

use super::http::Ended;
use crate::{
    account::{Connectivity, TestRecord},
    api::{Answered, ApiError, Messages, success},
    config::{NoDelegate, OtherTypesTest, TestedAt},
    delegate::NoDelegateError,
    platform::Platform,
};

/// A test that has ended.
#[derive(Clone, Debug)]
pub(crate) struct Tested {
    pub(super) outcome: Outcome,
    /// The delegate that did it.
    pub(super) delegate: Option<String>,
    /// The delegate task.
    pub(super) task: Option<String>,
    /// When, in milliseconds.
    pub(super) at_ms: i64,
}

/// How a test ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Well.
    Passed,
    /// The registry's answers were not good enough.
    Failed(Failure),
    /// No delegate did it.
    NoDelegate(NoDelegateError),
    /// Connectors of this type are not tested here.
    NotTested,
}

/// Up to three messages: what to do, what it may be, what it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(super) hint: Option<String>,
    pub(super) explanation: Option<String>,
    /// Code and text.
    pub(super) cause: Option<(&'static str, String)>,
}

const ARTIFACT_SERVER: &str = "INVALID_ARTIFACT_SERVER";
const NO_DELEGATE: &str = " No Eligible Delegate Found";
const TIMED_OUT: &str = " Delegate Timed Out";
const UNEXPECTED: &str = "Unexpected Error";

impl Failure {
    fn new(hint: &str, explanation: &str, cause: Option<(&'static str, &str)>) -> Self {
        Self {
            hint: Some(String::from(hint)),
            explanation: Some(String::from(explanation)),
            cause: cause.map(|(code, text)| (code, String::from(text))),
        }
    }

    /// The URL, with a slash at its end, did not answer, or with 400.
    pub(super) fn unreachable(url: &str) -> Self {
        Self::new(
            "Check if the Docker Registry URL is correct & reachable from your delegate(s)",
            "The given Docker Registry URL may be incorrect or not reachable from your delegate(s)",
            Some((ARTIFACT_SERVER, &format!("Could not reach Docker Registry at : {url}"))),
        )
    }

    pub(super) fn empty_password() -> Self {
        Self::new(
            "Invalid Docker Credentials",
            "Password field value cannot be empty if username field is not empty",
            Some((ARTIFACT_SERVER, "Password is a required field along with Username")),
        )
    }

    pub(super) fn io(text: &str) -> Self {
        Self::new(
            "Invalid Credentials",
            "Check if the provided credentials, provider type are correct",
            Some((ARTIFACT_SERVER, text)),
        )
    }

    /// The answer said no, in no way that has words of its own.
    fn odd_answer() -> Self {
        Self::new(
            "An exception occurred while attempting to validate Docker credentials. Please verify the accuracy of the \
             provided Docker URL and credentials. Additionally, ensure that the Docker registry is accessible from the \
             delegate.",
            "Failed to validate the response from Docker Registry",
            Some(("ARTIFACT_SERVER_ERROR", "Non standard response from Docker registry")),
        )
    }

    pub(super) fn no_harbor_projects() -> Self {
        Self::new(
            "No Harbor projects found.",
            "Check if the provided credentials are correct & has access to projects",
            Some((ARTIFACT_SERVER, "No Harbor projects associated with given user")),
        )
    }

    pub(super) fn harbor_io(text: &str) -> Self {
        Self::new(
            "Unable to fetch Harbor projects to validate the connector",
            "Check if the provided credentials are correct",
            Some((ARTIFACT_SERVER, text)),
        )
    }

    /// What Harbor's answer means; none if it is good. 404 has no words of its own there.
    pub(super) fn of_harbor(ended: Ended) -> Option<Self> {
        if ended.status.as_u16() == 404 { Some(Self::odd_answer()) } else { Self::of_answer(ended) }
    }

    /// A secret that the connector refers to has gone.
    pub(super) fn missing_secret(text: String) -> Self {
        Self { cause: Some(("RESOURCE_NOT_FOUND_EXCEPTION", text)), ..Self::default() }
    }

    /// What an answer that decided means; none if it is good.
    pub(super) fn of_answer(ended: Ended) -> Option<Self> {
        let failure = match ended.status.as_u16() {
            200..=299 => return None,
            401 => Self::new(
                "Update the username & password",
                "Check if the provided credentials are correct",
                Some((ARTIFACT_SERVER, "Invalid Docker Registry credentials")),
            ),
            404 => Self::new(
                "Check with you registry provider for a Docker v2 compliant URL",
                "Provided Docker Registry URL is incorrect",
                Some((ARTIFACT_SERVER, "Invalid Docker Registry URL")),
            ),
            400 | 403 => Self::odd_answer(),
            429 => Self::new(
                "Image pull rate limit reached",
                "Docker has rate limit on image requests. Please refer: https://www.docker.com/increase-rate-limits",
                None,
            ),
            number => {
                let reason = ended
                    .reason
                    .unwrap_or_else(|| format!("Server responded with the following error code - {number}"));
                Self { cause: Some((ARTIFACT_SERVER, reason)), ..Self::default() }
            }
        };
        Some(failure)
    }

    /// All messages in one line.
    fn line(&self) -> String {
        let cause = self.cause.as_ref().map(|(_, text)| text);
        let parts = [self.hint.as_ref(), self.explanation.as_ref(), cause];
        parts.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(". ")
    }
}

impl Tested {
    /// What is stored in the connector's status.
    pub(crate) fn record(&self, platform: &Platform) -> TestRecord {
        let at_ms = self.at_ms;
        let failed = |reason: &str, message: String, code: u32, summary: String| TestRecord {
            status: Connectivity::Failure,
            summary: Some(summary),
            errors: Some(json!([{ "reason": reason, "message": message, "code": code }])),
            tested_at_ms: at_ms,
            connected_at_ms: 0,
        };
        let passed = |tested_at_ms| TestRecord {
            tested_at_ms,
            connected_at_ms: at_ms,
            ..TestRecord::never(Connectivity::Success)
        };
        match &self.outcome {
            Outcome::Passed => passed(self.tested_at(platform)),
            Outcome::Failed(failure) => {
                let line = failure.line();
                failed(UNEXPECTED, line.clone(), 450, format!("Error Encountered ({line})"))
            }
            Outcome::NoDelegate(error) => {
                let (reason, code) = match error {
                    NoDelegateError::NoneEligible { .. } | NoDelegateError::NoneConnected { .. } => (NO_DELEGATE, 460),
                    NoDelegateError::TimedOut { .. } => (TIMED_OUT, 461),
                    NoDelegateError::NotAcquired => (UNEXPECTED, 450),
                };
                failed(reason, error.to_string(), code, format!("{reason} ({error})"))
            }
            Outcome::NotTested => match platform.account().behaviour().other_types_test {
                OtherTypesTest::Unknown => TestRecord::never(Connectivity::Unknown),
                OtherTypesTest::Success => passed(at_ms),
            },
        }
    }

    fn tested_at(&self, platform: &Platform) -> i64 {
        match platform.account().behaviour().tested_at {
            TestedAt::EpochMs => self.at_ms,
            TestedAt::Zero => 0,
        }
    }
}

/// What who asked for the test is answered: 200 with the result, or 400 with up to three messages.
pub(crate) fn answer(platform: &Platform, tested: Tested) -> Answered {
    let failure = match &tested.outcome {
        Outcome::Failed(failure) => failure,
        Outcome::NoDelegate(error) if platform.account().behaviour().no_delegate == NoDelegate::InvalidRequest400 => {
            return Err(ApiError::invalid(error.to_string()));
        }
        Outcome::Passed | Outcome::NoDelegate(_) | Outcome::NotTested => {
            let TestRecord { status, summary, errors, tested_at_ms, .. } = tested.record(platform);
            return Ok(success(json!({
                "status": status,
                "errors": errors,
                "errorSummary": summary,
                "testedAt": tested_at_ms,
                "delegateId": tested.delegate,
                "taskId": tested.task,
            })));
        }
    };
    let hint = failure.hint.iter().map(|text| (String::from("HINT"), "INFO", text.clone()));
    let explanation = failure.explanation.iter().map(|text| (String::from("EXPLANATION"), "INFO", text.clone()));
    let cause = failure.cause.iter().map(|(code, text)| (String::from(*code), "ERROR", text.clone()));
    let metadata =
        tested.task.map_or(Value::Null, |task| json!({ "type": "ConnectorValidationErrorMetaData", "taskId": task }));
    Err(ApiError::Messages(Box::new(Messages { messages: hint.chain(explanation).chain(cause).collect(), metadata })))
}
