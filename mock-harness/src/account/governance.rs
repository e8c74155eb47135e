//! What policies say about a connector that is to be saved.
//!
//! Source: facts/harness B6 (governance deny); the shape is that of the server's message `GovernanceMetadata`, written with
//! all its fields and with 64-bit numbers as texts.

use serde_json::{Value, json};
use testbed::Timestamp;

use super::{ConnectorDraft, ConnectorSpec, DockerAuth};
use crate::config::{AuthType, PolicyConfig, PolicySeverity};

/// What policies say.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Verdict {
    /// Whether the connector may not be saved.
    pub(crate) denies: bool,
    /// `governanceMetadata` of the answer.
    pub(crate) metadata: Value,
}

/// The verdict of `policies`; none if none of them is about the connector.
pub(super) fn evaluate(
    policies: &[PolicyConfig],
    draft: &ConnectorDraft,
    account: &str,
    now: Timestamp,
) -> Option<Verdict> {
    let about: Vec<_> = policies.iter().filter(|policy| is_about(policy, &draft.spec)).collect();
    let severity = about.iter().map(|policy| policy.severity).max()?;
    let (org, project) = (draft.scope.org.as_deref(), draft.scope.project.as_deref());
    let (org, project) = (org.unwrap_or_default(), project.unwrap_or_default());
    let denies = severity == PolicySeverity::Error;
    let now = now.as_millisecond().to_string();
    let policy = |policy: &&PolicyConfig| {
        json!({
            "policyId": "",
            "policyName": policy.name,
            "severity": word(policy.severity),
            "denyMessages": [policy.message],
            "status": word(policy.severity),
            "identifier": policy.name,
            "accountId": account,
            "orgId": "",
            "projectId": "",
            "created": "0",
            "updated": "0",
            "error": "",
        })
    };
    let metadata = json!({
        "id": "0",
        "deny": denies,
        "details": [{
            "policySetId": "0",
            "deny": denies,
            "policyMetadata": about.iter().map(policy).collect::<Vec<_>>(),
            "policySetName": "connectors",
            "status": word(severity),
            "identifier": "connectors",
            "created": "0",
            "accountId": account,
            "orgId": "",
            "projectId": "",
            "description": "",
        }],
        "message": "",
        "timestamp": now,
        "status": word(severity),
        "accountId": account,
        "orgId": org,
        "projectId": project,
        "entity": draft.identifier,
        "type": "connector",
        "action": "onsave",
        "created": now,
    });
    Some(Verdict { denies, metadata })
}

fn word(severity: PolicySeverity) -> &'static str {
    match severity {
        PolicySeverity::Warning => "warning",
        PolicySeverity::Error => "error",
    }
}

fn is_about(policy: &PolicyConfig, spec: &ConnectorSpec) -> bool {
    if !policy.types.is_empty() && !policy.types.iter().any(|kind| kind == spec.kind()) {
        return false;
    }
    if policy.hosts.is_empty() && policy.auth.is_none() {
        return true;
    }
    // Hosts and logins are known of Docker registries only.
    let ConnectorSpec::Docker(docker) = spec else { return false };
    let host = docker.host().unwrap_or_default();
    let auth = match docker.auth {
        DockerAuth::Anonymous => AuthType::Anonymous,
        DockerAuth::UsernamePassword { .. } => AuthType::UsernamePassword,
    };
    (policy.hosts.is_empty() || policy.hosts.iter().any(|pattern| matches_host(pattern, host)))
        && policy.auth.is_none_or(|wanted| wanted == auth)
}

/// Whether `host` is `pattern`, or below it if that begins with `*.`.
fn matches_host(pattern: &str, host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    match pattern.to_ascii_lowercase().strip_prefix('*') {
        Some(end) => end.len() < host.len() && host.ends_with(end),
        None => host.eq_ignore_ascii_case(pattern),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_name_hosts() {
        for (pattern, host, expect) in [
            ("docker.io", "docker.io", true),
            ("Docker.IO", "docker.io", true),
            ("docker.io", "index.docker.io", false),
            ("*.docker.io", "index.docker.io", true),
            ("*.docker.io", "docker.io", false),
            ("*.docker.io", "evildocker.io", false),
            ("mirror.test:5000", "mirror.test:5000", true),
        ] {
            assert_eq!(matches_host(pattern, host), expect, "{pattern} {host}");
        }
    }
}
