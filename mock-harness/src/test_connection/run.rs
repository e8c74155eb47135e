//! A test from end to end: from where, which steps, and when it is done in the background.

use std::time::Duration;

use testbed::{Event, clock::Participant, journal::DelegateSelected, net::Vantage, task::Credentials};
use tokio::sync::oneshot;
use url::Url;

use super::{
    credentials::{check, check_harbor},
    outcome::{Failure, Outcome, Tested},
    reach::{is_reachable, with_slash},
};
use crate::{
    account::{Connectivity, Connector, DockerSpec, LoginError, ProviderType, TestRecord},
    api::ApiError,
    config::IgnoreTestConnection,
    delegate::{DelegateTask, NoDelegateError},
    platform::{Platform, epoch_ms},
};

/// How long a delegate task may take, in policy time.
const TASK_LIMIT: Duration = Duration::from_secs(2 * 60);

/// Tests `connector` and returns how that went. Nothing is stored.
async fn run(platform: &Platform, participant: &Participant, connector: &Connector) -> Tested {
    let ended = |outcome, delegate, task| Tested { outcome, delegate, task, at_ms: epoch_ms(platform.clock().now()) };
    let Some(docker) = connector.docker() else {
        return ended(Outcome::NotTested, None, None);
    };
    if !docker.execute_on_delegate {
        let outcome = test(platform, connector, docker, platform.places().of(None)).await;
        return ended(outcome, None, None);
    }
    let task = platform.next_entity_id();
    let written = connector.reference().written();
    let mut random = platform.seed().stream(&format!("delegates of test {task}"));
    let delegate_task = DelegateTask::test_connection(&connector.scope, &docker.delegate_selectors);
    match platform.account().select_delegate(&delegate_task, &mut random) {
        Err(error) => {
            if error == NoDelegateError::NotAcquired {
                participant.sleep(TASK_LIMIT).await;
            }
            ended(Outcome::NoDelegate(error), None, None)
        }
        Ok(delegate) => {
            platform.journal().record(Event::DelegateSelected(DelegateSelected {
                execution: None,
                task: format!("test of {written}"),
                delegate: delegate.name.clone(),
                address: delegate.address,
            }));
            let name = delegate.name.clone();
            if delegate.hangs {
                participant.sleep(TASK_LIMIT).await;
                return ended(Outcome::NoDelegate(NoDelegateError::TimedOut { delegate: name }), None, Some(task));
            }
            let outcome = test(platform, connector, docker, platform.places().of(Some(&name))).await;
            ended(outcome, Some(name), Some(task))
        }
    }
}

/// Tests `connector` and stores what was found, also if nobody waits for it any more.
///
/// # Errors
/// The platform stops meanwhile.
pub(crate) async fn run_to_end(platform: &Platform, connector: Connector) -> Result<Tested, ApiError> {
    let (sender, receiver) = oneshot::channel();
    let platform_ = platform.clone();
    platform.spawn(|participant| async move {
        let tested = run(&platform_, &participant, &connector).await;
        platform_.account().record_test(&connector, tested.record(&platform_));
        // Who asked may have hung up.
        let _ = sender.send(tested);
        drop(participant);
    });
    receiver.await.map_err(|_| ApiError::stopping())
}

/// Tests `connector` in the background, as the platform does after a create or an update, and stores what was found.
pub(crate) fn settle_later(platform: &Platform, connector: Connector) {
    let ignored = connector.docker().is_some_and(|docker| docker.ignore_test_connection == Some(true));
    if ignored && platform.account().behaviour().ignore_test_connection == IgnoreTestConnection::CreateTest {
        platform.account().record_test(&connector, TestRecord::never(Connectivity::Success));
        return;
    }
    let platform_ = platform.clone();
    platform.spawn(|participant| async move {
        let tested = run(&platform_, &participant, &connector).await;
        platform_.account().record_test(&connector, tested.record(&platform_));
        drop(participant);
    });
}

async fn test(platform: &Platform, connector: &Connector, docker: &DockerSpec, from: &Vantage) -> Outcome {
    let failed = Outcome::Failed;
    let base = with_slash(&docker.url);
    if !is_reachable(docker, from, platform.reached(), platform.clock()).await {
        return failed(Failure::unreachable(&base));
    }
    let login = match log_in(platform, connector) {
        Ok(None) => return Outcome::Passed,
        Ok(Some(login)) => login,
        Err(failure) => return failed(failure),
    };
    if docker.provider == ProviderType::Harbor {
        let failure = match check_harbor(&base, &login, from).await {
            Ok((_, true)) => Some(Failure::no_harbor_projects()),
            Ok((ended, false)) => Failure::of_harbor(ended),
            Err(io) => Some(Failure::harbor_io(&io.0)),
        };
        return failure.map_or(Outcome::Passed, failed);
    }
    let Ok(url) = Url::parse(&base) else { return failed(Failure::unreachable(&base)) };
    match check(&url, &login, from).await {
        Ok(ended) => Failure::of_answer(ended).map_or(Outcome::Passed, failed),
        Err(io) => failed(Failure::io(&io.0)),
    }
}

/// The login to test with; none for an anonymous connector, and for one whose user name is empty.
fn log_in(platform: &Platform, connector: &Connector) -> Result<Option<Credentials>, Failure> {
    match platform.account().login_of(connector) {
        Ok(login) => Ok(login),
        Err(LoginError::EmptyUsername) => Ok(None),
        Err(error @ LoginError::SecretGone { .. }) => Err(Failure::missing_secret(error.to_string())),
        Err(LoginError::EmptyPassword) => Err(Failure::empty_password()),
        Err(LoginError::Username(error)) => Err(Failure::io(&error.to_string())),
    }
}
