//! What a task asks of a delegate, and why none does it.
//!
//! Source: facts/harness C. The text about ownership ends in a stray quote, which is real.

use thiserror::Error;

use crate::account::Scope;

/// A task for a delegate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DelegateTask<'a> {
    /// Its type: `DOCKER_CONNECTIVITY_TEST_TASK`.
    pub kind: &'a str,
    /// The group of tasks that scopes of delegates are about: `DOCKER`.
    pub group: &'a str,
    /// What it is done for.
    pub scope: &'a Scope,
    /// The selectors that a delegate must all have; none means any delegate.
    pub selectors: &'a [String],
}

/// Type and group of the task that tests a Docker connector.
pub(crate) const TEST_CONNECTION: (&str, &str) = ("DOCKER_CONNECTIVITY_TEST_TASK", "DOCKER");
/// Type and group of the task that sets up a stage.
pub(crate) const INITIALIZE: (&str, &str) = ("INITIALIZATION_PHASE", "CI");

/// Why no delegate does a task. The text is the platform's.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NoDelegateError {
    /// None may do it.
    #[error("There are no eligible delegates available in the account to execute the task.\n\n{}", .reasons.join(" , "))]
    NoneEligible {
        /// Why not, one text each.
        reasons: Vec<String>,
    },
    /// None is connected.
    #[error("There are no active delegates available for the account. The following delegates {} are inactive.\n\n", .delegates.join(", "))]
    NoneConnected {
        /// Their names.
        delegates: Vec<String>,
    },
    /// Some may do it and count as connected, and none of them is there any more.
    #[error(
        "Active eligible delegates were unable to acquire the delegate task. Delegates may have lost connectivity or lacked \
         the resources to run new tasks.\n\n"
    )]
    NotAcquired,
    /// One took it and did not end it in time.
    #[error("Delegate {delegate} failed to complete the task and timed out.\n\n")]
    TimedOut {
        /// Its name.
        delegate: String,
    },
}

impl<'a> DelegateTask<'a> {
    /// The task that sets up a stage of `scope`.
    pub fn initialize(scope: &'a Scope, selectors: &'a [String]) -> Self {
        let (kind, group) = INITIALIZE;
        Self { kind, group, scope, selectors }
    }

    /// The task that tests a Docker connector of `scope`.
    pub fn test_connection(scope: &'a Scope, selectors: &'a [String]) -> Self {
        let (kind, group) = TEST_CONNECTION;
        Self { kind, group, scope, selectors }
    }

    /// Whose delegates may do it: the account's, the organisation's, the project's.
    pub(super) fn owners(&self) -> impl Iterator<Item = Scope> {
        let Scope { org, project } = self.scope.clone();
        let its_org = org.clone().map(|org| Scope { org: Some(org), project: None });
        let its_project = project.is_some().then_some(Scope { org, project });
        [Some(Scope::account()), its_org, its_project].into_iter().flatten()
    }
}
