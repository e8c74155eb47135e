//! A test from end to end: from where, which steps, and when it is done in the background.

use testbed::{Event, journal::DelegateSelected, net::Vantage, task::Credentials};
use url::Url;

use super::{
    credentials::{check, check_harbor},
    outcome::{Failure, Outcome, Tested},
    reach::{is_reachable, with_slash},
};
use crate::{
    account::{Connectivity, Connector, DockerAuth, DockerSpec, ProviderType, TestRecord},
    config::IgnoreTestConnection,
    delegate::select_delegate,
    platform::{Platform, epoch_ms},
};

/// Tests `connector` and returns how that went. Nothing is stored.
pub(crate) async fn run(platform: &Platform, connector: &Connector) -> Tested {
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
    let delegates = platform.account().delegates();
    match select_delegate(&delegates, &connector.scope, &docker.delegate_selectors, &mut random) {
        Err(error) => ended(Outcome::NoDelegate(error.to_string()), None, None),
        Ok(delegate) => {
            platform.journal().record(Event::DelegateSelected(DelegateSelected {
                execution: None,
                task: format!("test of {written}"),
                delegate: delegate.name.clone(),
                address: delegate.address,
            }));
            let outcome = test(platform, connector, docker, platform.places().of(Some(&delegate.name))).await;
            ended(outcome, Some(delegate.name), Some(task))
        }
    }
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
        let tested = run(&platform_, &connector).await;
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
    let login = match log_in(platform, connector, docker) {
        Ok(None) => return Outcome::Passed,
        Ok(Some(login)) => login,
        Err(failure) => return failed(failure),
    };
    let status = if docker.provider == ProviderType::Harbor {
        match check_harbor(&base, &login, from).await {
            Ok((status, true)) if status.is_success() => return failed(Failure::no_harbor_projects()),
            other => other.map(|(status, _)| status),
        }
    } else {
        let Ok(url) = Url::parse(&docker.url) else { return failed(Failure::unreachable(&base)) };
        check(&url, &login, from).await
    };
    match status {
        Ok(status) => Failure::of_status(status).map_or(Outcome::Passed, failed),
        Err(io) => failed(Failure::io(&io.0)),
    }
}

/// The login to test with; none for an anonymous connector.
fn log_in(platform: &Platform, connector: &Connector, docker: &DockerSpec) -> Result<Option<Credentials>, Failure> {
    let DockerAuth::UsernamePassword { username, username_ref, password_ref } = &docker.auth else {
        return Ok(None);
    };
    let secret = |text: &str| {
        let value = platform.account().secret_value(text, &connector.scope);
        value.ok_or_else(|| Failure::missing_secret(text.rsplit('.').next().unwrap_or(text)))
    };
    let username = match (username, username_ref) {
        (Some(username), _) => username.clone(),
        (None, Some(text)) => String::from(secret(text)?.expose()),
        (None, None) => String::new(),
    };
    let password = secret(password_ref)?;
    if password.expose().is_empty() {
        return Err(Failure::empty_password());
    }
    // A name that cannot be sent in Basic is none that a registry has.
    let username = username.parse().map_err(|error: oci::AccountNameError| Failure::io(&error.to_string()))?;
    Ok(Some(Credentials { username, password }))
}
