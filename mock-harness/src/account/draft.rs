//! A connector as a request body says it, checked field by field.
//!
//! Whether the organisation, the secrets and the identifier are free is the `state`'s to say.
//! Source: facts/harness B3 (scope from the body), B4, B5.

use serde_json::{Map, Value};
use testbed::Timestamp;

use super::{
    Connectivity, Connector, ConnectorSpec, DockerAuth, DockerSpec, ProviderType, Refusal, Scope, TestRecord,
    connector_type::{category, without_secrets},
    validation::{FieldErrors, flag, object, tags, text, texts, unreadable},
};

/// A connector to be.
#[derive(Clone, Debug, PartialEq)]
pub struct ConnectorDraft {
    /// Where it is to live: the body decides.
    pub scope: Scope,
    /// Its identifier.
    pub identifier: String,
    /// Its name.
    pub name: String,
    /// Its description.
    pub description: Option<String>,
    /// Its tags.
    pub tags: Map<String, Value>,
    /// What it connects to.
    pub spec: ConnectorSpec,
}

impl ConnectorDraft {
    /// Reads a request body, `{"connector": {…}}`.
    ///
    /// # Errors
    /// Fields break rules, or have a wrong type. Unknown ones are ignored.
    pub fn read(body: &Value) -> Result<Self, Refusal> {
        let body = body.as_object().ok_or_else(unreadable)?;
        match object(body, "connector")? {
            Some(connector) => Self::read_connector(connector),
            None => {
                let mut errors = FieldErrors::default();
                errors.add("connector", "must not be null");
                errors.finish()?;
                Err(unreadable())
            }
        }
    }

    /// Reads the `connector` object of a body.
    ///
    /// # Errors
    /// As [`ConnectorDraft::read`].
    pub fn read_connector(body: &Map<String, Value>) -> Result<Self, Refusal> {
        let mut errors = FieldErrors::default();
        let identifier = text(body, "identifier")?.unwrap_or_default();
        let name = text(body, "name")?.unwrap_or_default();
        errors.check_name(&name);
        errors.check_identifier(&identifier);
        let kind = text(body, "type")?.filter(|kind| !kind.is_empty());
        if kind.is_none() {
            errors.add("type", "Connector type cannot be null");
        }
        let spec = read_spec(kind.unwrap_or_default(), body, &mut errors)?;
        let scope = Scope::new(text(body, "orgIdentifier")?.as_deref(), text(body, "projectIdentifier")?.as_deref());
        let (description, tags) = (text(body, "description")?, tags(body, "tags")?);
        // A value of a wrong type is told before any rule that a field breaks.
        errors.finish()?;
        Ok(Self { scope, identifier, name, description, tags, spec })
    }

    /// The connector, made at `now` and with its first test still to come.
    pub fn into_connector(self, now: Timestamp) -> Connector {
        let Self { scope, identifier, name, description, tags, spec } = self;
        let tested = TestRecord::never(Connectivity::Pending);
        Connector {
            scope,
            identifier,
            name,
            description,
            tags,
            spec,
            created_at: now,
            modified_at: now,
            revision: 0,
            made: 0,
            tested,
        }
    }
}

fn read_spec(kind: String, body: &Map<String, Value>, errors: &mut FieldErrors) -> Result<ConnectorSpec, Refusal> {
    let spec = object(body, "spec")?;
    if spec.is_none() {
        errors.add("spec", "must not be null");
    }
    let empty = Map::new();
    let spec = spec.unwrap_or(&empty);
    if kind != "DockerRegistry" {
        // A type that is missing has been complained about.
        if !kind.is_empty() && category(&kind).is_none() {
            return Err(unreadable());
        }
        return Ok(ConnectorSpec::Other { kind, spec: Value::Object(without_secrets(spec)) });
    }
    let url = text(spec, "dockerRegistryUrl")?.unwrap_or_default().trim().to_owned();
    errors.check_url("dockerRegistryUrl", &url);
    let provider = match text(spec, "providerType")? {
        None => {
            errors.add("providerType", "must not be null");
            ProviderType::Other
        }
        Some(provider) => ProviderType::parse(&provider).ok_or_else(unreadable)?,
    };
    Ok(ConnectorSpec::Docker(DockerSpec {
        url,
        provider,
        auth: read_auth(spec, errors)?,
        delegate_selectors: texts(spec, "delegateSelectors")?,
        execute_on_delegate: flag(spec, "executeOnDelegate")?.unwrap_or(true),
        proxy: flag(spec, "proxy")?.unwrap_or(false),
        ignore_test_connection: flag(spec, "ignoreTestConnection")?,
    }))
}

fn read_auth(spec: &Map<String, Value>, errors: &mut FieldErrors) -> Result<DockerAuth, Refusal> {
    // What the server finds out only after the rules of single fields were kept.
    let invalid = |message: &str, errors: &mut FieldErrors| {
        errors.add_last(Refusal::Invalid(String::from(message)));
        Ok(DockerAuth::Anonymous)
    };
    let Some(auth) = object(spec, "auth")? else { return invalid("Auth Field is Null", errors) };
    let details = object(auth, "spec")?;
    match (text(auth, "type")?.as_deref(), details) {
        (None, _) => {
            errors.add("type", "must not be null");
            Ok(DockerAuth::Anonymous)
        }
        (Some("Anonymous"), None) => Ok(DockerAuth::Anonymous),
        (Some("Anonymous"), Some(_)) => invalid("No spec should be provided with the anonymous type", errors),
        (Some("UsernamePassword"), details) => {
            let empty = Map::new();
            let details = details.unwrap_or(&empty);
            // An empty text is no value here.
            let given = |field| Ok::<_, Refusal>(text(details, field)?.filter(|text| !text.is_empty()));
            let (username, username_ref) = (given("username")?, given("usernameRef")?);
            if username.is_some() == username_ref.is_some() {
                errors.add("username", "exactly one of username and usernameRef is needed");
            }
            let password_ref = given("passwordRef")?.unwrap_or_default();
            if password_ref.is_empty() {
                errors.add("passwordRef", "must not be null");
            }
            Ok(DockerAuth::UsernamePassword { username, username_ref, password_ref })
        }
        (Some(_), _) => Err(unreadable()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(change: impl FnOnce(&mut Value), expect: &str) {
        let mut body = json!({ "connector": {
            "name": "Mirror", "identifier": "harnessImage", "type": "DockerRegistry", "orgIdentifier": "",
            "spec": { "dockerRegistryUrl": " https://mirror.example.test/registry ", "providerType": "Other",
                      "auth": { "type": "Anonymous" }, "delegateSelectors": null },
        } });
        change(&mut body["connector"]);
        let told = match ConnectorDraft::read(&body) {
            Ok(draft) => format!("{:?} {}", draft.scope.level(), draft.identifier),
            Err(refusal) => refusal.to_string(),
        };
        assert_eq!(told, expect);
    }

    #[test]
    fn bodies_are_held_to_the_rules() {
        check(|_| {}, "Account harnessImage");
        check(|body| body["unknown"] = json!(1), "Account harnessImage");
        check(|body| body["type"] = json!("Odd"), "Unable to process JSON");
        check(|body| body["type"] = json!("dockerRegistry"), "Unable to process JSON");
        check(|body| body["type"] = json!("K8sCluster"), "Account harnessImage");
        check(|body| body["type"] = Value::Null, "type: Connector type cannot be null");
        check(|body| body["name"] = json!(""), "name: cannot be empty.");
        check(|body| body["identifier"] = json!("or"), "identifier: or is a keyword, so cannot be used");
        check(|body| body["spec"]["dockerRegistryUrl"] = json!(" "), "dockerRegistryUrl: must not be blank");
        check(|body| body["spec"]["dockerRegistryUrl"] = json!("mirror"), "dockerRegistryUrl: must be a valid URL");
        check(|body| body["spec"]["providerType"] = json!("ECR"), "Unable to process JSON");
        check(|body| body["spec"]["auth"] = Value::Null, "Auth Field is Null");
        check(|body| body["spec"]["auth"]["spec"] = json!({}), "No spec should be provided with the anonymous type");
        check(
            |body| {
                body["identifier"] = json!("9");
                body["spec"] = json!({ "providerType": "Other", "auth": null });
            },
            "identifier: can be 128 characters long and can only contain alphanumeric, underscore and $ characters, and not \
             start with a number or $, dockerRegistryUrl: must not be blank",
        );
        check(
            |body| {
                body["name"] = json!("");
                body["spec"]["auth"]["spec"] = json!({});
            },
            "name: cannot be empty.",
        );
        check(|body| body["name"] = json!([]), "Unable to process JSON");
        check(
            |body| {
                body["name"] = json!("");
                body["tags"] = json!([]);
            },
            "Unable to process JSON",
        );
        check(
            |body| body["spec"]["auth"] = json!({ "type": "UsernamePassword", "spec": { "username": "u" } }),
            "passwordRef: must not be null",
        );
        check(
            |body| {
                body["spec"]["auth"] = json!({ "type": "UsernamePassword",
                    "spec": { "username": "u", "usernameRef": "account.u", "passwordRef": "account.p" } });
            },
            "username: exactly one of username and usernameRef is needed",
        );
    }
}
