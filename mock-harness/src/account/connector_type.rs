//! The types of connectors that the platform knows, and what of their specs is kept.
//!
//! Source: facts/harness A3, B2 (categories); the other names are those of the platform's user interface and SDKs.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Type and category. `DockerRegistry` is one of them.
const TYPES: [(&str, &str); 53] = [
    ("AppDynamics", "MONITORING"),
    ("Artifactory", "ARTIFACTORY"),
    ("Aws", "CLOUD_PROVIDER"),
    ("AwsKms", "SECRET_MANAGER"),
    ("AwsSecretManager", "SECRET_MANAGER"),
    ("Azure", "CLOUD_PROVIDER"),
    ("AzureArtifacts", "ARTIFACTORY"),
    ("AzureKeyVault", "SECRET_MANAGER"),
    ("AzureRepo", "CODE_REPO"),
    ("Bamboo", "ARTIFACTORY"),
    ("Bitbucket", "CODE_REPO"),
    ("CEAws", "CLOUD_COST"),
    ("CEAzure", "CLOUD_COST"),
    ("CEK8sCluster", "CLOUD_COST"),
    ("Codecommit", "CODE_REPO"),
    ("CustomHealth", "MONITORING"),
    ("CustomSecretManager", "SECRET_MANAGER"),
    ("Datadog", "MONITORING"),
    ("DockerRegistry", "ARTIFACTORY"),
    ("Dynatrace", "MONITORING"),
    ("ElasticSearch", "MONITORING"),
    ("ErrorTracking", "MONITORING"),
    ("Gcp", "CLOUD_PROVIDER"),
    ("GcpCloudCost", "CLOUD_COST"),
    ("GcpKms", "SECRET_MANAGER"),
    ("GcpSecretManager", "SECRET_MANAGER"),
    ("Git", "CODE_REPO"),
    ("Github", "CODE_REPO"),
    ("Gitlab", "CODE_REPO"),
    ("Harness", "CODE_REPO"),
    ("HttpHelmRepo", "ARTIFACTORY"),
    ("Jenkins", "ARTIFACTORY"),
    ("Jira", "TICKETING"),
    ("K8sCluster", "CLOUD_PROVIDER"),
    ("Local", "SECRET_MANAGER"),
    ("NewRelic", "MONITORING"),
    ("Nexus", "ARTIFACTORY"),
    ("OciHelmRepo", "ARTIFACTORY"),
    ("PagerDuty", "MONITORING"),
    ("Pdc", "CLOUD_PROVIDER"),
    ("Prometheus", "MONITORING"),
    ("Rancher", "CLOUD_PROVIDER"),
    ("ServiceNow", "TICKETING"),
    ("SignalFX", "MONITORING"),
    ("Splunk", "MONITORING"),
    ("Spot", "CLOUD_PROVIDER"),
    ("SumoLogic", "MONITORING"),
    ("Tas", "CLOUD_PROVIDER"),
    ("TerraformCloud", "CLOUD_PROVIDER"),
    ("Vault", "SECRET_MANAGER"),
    ("VMware", "CLOUD_PROVIDER"),
    ("JDBC", "DATABASE"),
    ("Slack", "COMMUNICATION"),
];

/// The category of a type; none if there is no such type.
pub(crate) fn category(kind: &str) -> Option<&'static str> {
    TYPES.iter().find(|(name, _)| *name == kind).map(|(_, category)| *category)
}

/// Whether there are connectors of this category.
pub(crate) fn is_category(text: &str) -> bool {
    TYPES.iter().any(|(_, category)| *category == text)
}

/// Every category with its types, each in alphabetical order.
pub(crate) fn catalogue() -> BTreeMap<&'static str, Vec<&'static str>> {
    let mut catalogue = BTreeMap::<_, Vec<_>>::new();
    for (kind, category) in TYPES {
        catalogue.entry(category).or_default().push(kind);
    }
    for kinds in catalogue.values_mut() {
        kinds.sort_unstable();
    }
    catalogue
}

/// The spec of a connector that is kept as it came, without what looks like a secret in plain text: real specs hold
/// references, and what nobody asked for must not come out again.
pub(super) fn without_secrets(spec: &Map<String, Value>) -> Map<String, Value> {
    let kept = spec.iter().filter(|(key, value)| !is_secret(key, value));
    kept.map(|(key, value)| (key.clone(), inner_without_secrets(value))).collect()
}

fn inner_without_secrets(value: &Value) -> Value {
    match value {
        Value::Object(inner) => Value::Object(without_secrets(inner)),
        Value::Array(values) => Value::Array(values.iter().map(inner_without_secrets).collect()),
        other => other.clone(),
    }
}

fn is_secret(key: &str, value: &Value) -> bool {
    const WORDS: [&str; 6] = ["password", "secret", "token", "privatekey", "apikey", "passphrase"];
    let key = key.to_ascii_lowercase();
    let is_reference = ["ref", "refs", "identifier", "type"].iter().any(|end| key.ends_with(end));
    (value.is_string() || value.is_number()) && !is_reference && WORDS.iter().any(|word| key.contains(word))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_secret_in_plain_text_is_not_kept_and_a_reference_is() {
        let spec = json!({
            "credential": { "type": "ManualConfig", "spec": { "accessKey": "AK", "secretKeyRef": "account.k", "secretKey": "s" } },
            "list": [{ "authToken": "t", "x": 1 }],
            "PASSWORD": "hunter2",
        });
        let kept = without_secrets(spec.as_object().unwrap());
        let expect = json!({
            "credential": { "type": "ManualConfig", "spec": { "accessKey": "AK", "secretKeyRef": "account.k" } },
            "list": [{ "x": 1 }],
        });
        assert_eq!(Value::Object(kept), expect);
    }
}
