//! From configuration to settings: the preset below, the configuration above, and every complaint at once.

use std::{collections::BTreeMap, net::IpAddr};

use http::{HeaderName, HeaderValue};
use oci::{AccountName, RepositoryName};
use sha2::{Digest as _, Sha256};
use testbed::{
    diagnostic::Span,
    rule::{Rule, RuleFor},
    yaml::Spanned,
};
use thiserror::Error;

use super::{
    AuthConfig, ChallengeConfig, ImageConfig, ImageSource, RegistryConfig, TokenConfig,
    api::check_api,
    check_limits::{check_limits, unknown_dialect_hint},
};
use crate::{
    accounts::Account,
    image::in_library,
    preset::{self, Preset, PresetFile, no_preset},
    settings::Settings,
};

/// The largest token: clients send it in a header, and servers bound these.
const MAX_TOKEN_BYTES: u64 = 32 * 1024;

/// Something that is wrong with a registry's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{field}: {message}")]
pub struct ConfigError {
    /// Where: `preset`, `images[0].name`, `rules[2].then`.
    pub field: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Where in the file, if the value's place was kept: presets, image names, platforms and rules.
    pub span: Option<Span>,
}

impl ConfigError {
    pub(crate) fn new(field: impl Into<String>, message: impl ToString) -> Self {
        Self { field: field.into(), message: message.to_string(), hint: None, span: None }
    }

    pub(crate) fn at(self, span: Span) -> Self {
        Self { span: (span != Span::default()).then_some(span), ..self }
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The same about a part of `section`.
    pub(crate) fn below(self, section: &str) -> Self {
        let field = if self.field.is_empty() { section.to_owned() } else { format!("{section}.{}", self.field) };
        Self { field, ..self }
    }
}

impl RegistryConfig {
    /// Looks whether a registry can be started with this.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn check(&self) -> Result<(), Vec<ConfigError>> {
        check("registry", self).map(|_| ())
    }

    /// Whether a registry with this asks clients who they are. False if the preset is unknown.
    pub fn asks_for_login(&self) -> bool {
        let auth = self.auth.or_else(|| find_preset(self).ok().map(|preset| preset.auth));
        auth.is_some_and(|auth| auth != AuthConfig::None)
    }

    /// Whether a registry with this speaks TLS.
    pub fn speaks_tls(&self) -> bool {
        self.tls.unwrap_or(self.certificate.is_some())
    }

    /// The host names that a registry with this answers under, those of its token endpoint and of its second host included.
    /// Empty if the preset is unknown.
    pub fn host_names(&self) -> Vec<String> {
        let mut hosts = match (&self.hosts, find_preset(self)) {
            (Some(hosts), _) => hosts.clone(),
            (None, Ok(preset)) => preset.hosts.into_iter().chain(preset.token_host).collect(),
            (None, Err(_)) => Vec::new(),
        };
        hosts.extend(self.api.redirect_blobs.clone());
        hosts
    }
}

/// The settings of the registry called `name`.
///
/// # Errors
/// Everything that is wrong with its configuration.
pub(crate) fn check(name: &str, config: &RegistryConfig) -> Result<Settings, Vec<ConfigError>> {
    let mut errors = Vec::new();
    let preset = match find_preset(config) {
        Ok(preset) => preset,
        Err(error) => {
            errors.push(error);
            // The rest is still checked, against a preset that allows everything.
            match Preset::find(preset::DEFAULT) {
                Some(preset) => preset.file().clone(),
                None => return Err(errors),
            }
        }
    };
    // What an unknown preset asks clients for is unknown too; then accounts are taken to be of use.
    let auth = config.auth.unwrap_or(if errors.is_empty() { preset.auth } else { AuthConfig::Bearer });
    let is_renamed = config.hosts.is_some();
    let service = preset.service.unwrap_or_else(|| name.to_owned());
    let settings = Settings {
        hosts: check_hosts(config.hosts.clone().unwrap_or(preset.hosts), &mut errors),
        token_host: preset.token_host.filter(|_| !is_renamed),
        token_path: preset.token_path,
        realm: preset.realm.filter(|_| !is_renamed),
        issuer: preset.issuer.unwrap_or_else(|| service.clone()),
        is_tls: config.speaks_tls(),
        certificate_flaw: config.certificate,
        path: check_path(config.path.as_ref().or(preset.path.as_ref()), &mut errors),
        anonymous: config.anonymous.unwrap_or(preset.anonymous),
        token_life: config.token_life.unwrap_or(preset.token_life),
        accounts: check_accounts(name, config, auth, &mut errors),
        limits: check_limits(config.limits.as_ref(), &preset.limits, [config.limit, config.account_limit], &mut errors),
        upstream: config.upstream.clone().or(preset.upstream),
        challenge: check_challenge(config.challenge.clone().or(preset.challenge).unwrap_or_default(), &mut errors),
        token: check_token(config.token.clone().or(preset.token).unwrap_or_default(), &mut errors),
        absent: config.absent_repository.or(preset.absent_repository).unwrap_or_default(),
        library: preset.library,
        push: config.push.unwrap_or(preset.push),
        api: check_api(&config.api, &preset.api, &mut errors),
        headers: preset.headers.iter().filter_map(read_header).collect(),
        images: check_images(&config.images, preset.library, &mut errors),
        rules: check_rules(&config.rules, &mut errors),
        service,
        auth,
    };
    if config.tls == Some(false) && config.certificate.is_some() {
        errors.push(
            ConfigError::new("certificate", "without TLS, nobody is shown a certificate")
                .hint("leave `tls: false` out, or the certificate"),
        );
    }
    if auth == AuthConfig::None && config.anonymous == Some(false) {
        errors.push(
            ConfigError::new("anonymous", "every pull needs an account, and nobody can log in")
                .hint("add `auth: bearer` (or `basic`) and an account"),
        );
    }
    if auth == AuthConfig::None && config.account_limit.is_some() {
        errors.push(
            ConfigError::new("account-limit", "this registry asks nobody who they are")
                .hint("add `auth: bearer` or `auth: basic`, or write `limit` for pulls without an account"),
        );
    }
    if settings.token_life.as_secs() == 0 {
        errors.push(ConfigError::new("token-life", "a token must live at least a second").hint("write `5m`"));
    }
    if errors.is_empty() { Ok(settings) } else { Err(errors) }
}

fn find_preset(config: &RegistryConfig) -> Result<PresetFile, ConfigError> {
    if let Some(preset) = &config.preset_file {
        return Ok(preset.file().clone());
    }
    let (name, span) = match &config.preset {
        Some(preset) => (preset.value.as_str(), preset.span),
        None => (preset::DEFAULT, Span::default()),
    };
    Preset::find(name).map(|preset| preset.file().clone()).ok_or_else(|| {
        let (message, hint) = no_preset(name);
        ConfigError::new("preset", message).hint(hint).at(span)
    })
}

fn check_hosts(hosts: Vec<String>, errors: &mut Vec<ConfigError>) -> Vec<String> {
    for (n, host) in hosts.iter().enumerate() {
        let is_name = host.parse::<oci::RegistryHost>().is_ok() && host.parse::<IpAddr>().is_err();
        if !is_name {
            let error = ConfigError::new(format!("hosts[{n}]"), format!("`{host}` is not a host name"));
            errors.push(error.hint("write a name such as `registry.example`, with a port if clients will use one"));
        }
    }
    hosts
}

fn check_path(path: Option<&String>, errors: &mut Vec<ConfigError>) -> Option<RepositoryName> {
    let trimmed = path?.trim_matches('/');
    if trimmed.is_empty() {
        return None;
    }
    let name = trimmed.parse::<RepositoryName>();
    name.map_err(|error| errors.push(ConfigError::new("path", error).hint("write it as in the URL: `registry`"))).ok()
}

fn check_challenge(challenge: ChallengeConfig, errors: &mut Vec<ConfigError>) -> ChallengeConfig {
    check_dialect("challenge.body", challenge.body.as_deref(), errors);
    challenge
}

fn check_token(token: TokenConfig, errors: &mut Vec<ConfigError>) -> TokenConfig {
    check_dialect("token.refusal", token.refusal.as_deref(), errors);
    if token.fields.as_ref().is_some_and(Vec::is_empty) {
        let error = ConfigError::new("token.fields", "an answer without a token is of no use");
        errors.push(error.hint("write `[token]`, `[access_token]` or both"));
    }
    if token.size.is_some_and(|size| size.bytes() > MAX_TOKEN_BYTES) {
        let error = ConfigError::new("token.size", format!("a token has at most {MAX_TOKEN_BYTES} bytes"));
        errors.push(error.hint("Docker Hub's have 4 to 5 KiB"));
    }
    token
}

fn check_dialect(field: &str, name: Option<&str>, errors: &mut Vec<ConfigError>) {
    if let Some(name) = name.filter(|name| testbed::dialect::find(name).is_none()) {
        errors.push(ConfigError::new(field, format!("no dialect `{name}`")).hint(unknown_dialect_hint(name)));
    }
}

/// The accounts that can log in to the registry called `name`.
pub(crate) fn check_accounts(
    name: &str,
    config: &RegistryConfig,
    auth: AuthConfig,
    errors: &mut Vec<ConfigError>,
) -> BTreeMap<AccountName, Account> {
    if auth == AuthConfig::None && !config.accounts.is_empty() {
        errors.push(
            ConfigError::new("accounts", "this registry asks nobody who they are")
                .hint("add `auth: bearer` or `auth: basic`"),
        );
    }
    let mut accounts = BTreeMap::new();
    for (n, account) in config.accounts.iter().enumerate() {
        let kept = Account {
            password: account.password.clone(),
            limit: account.limit,
            uuid: compose_uuid(name, &account.name),
        };
        if accounts.insert(account.name.clone(), kept).is_some() {
            errors.push(ConfigError::new(
                format!("accounts[{n}].name"),
                format!("account `{}` is there twice", account.name),
            ));
        }
    }
    accounts
}

/// The same account of the same registry has the same identifier in every run.
pub(crate) fn compose_uuid(registry: &str, account: &AccountName) -> uuid::Uuid {
    let hash = Sha256::digest(format!("{registry}:{account}").as_bytes());
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().zip(hash.iter()) {
        *to = *from;
    }
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

fn check_images(images: &[ImageConfig], library: bool, errors: &mut Vec<ConfigError>) -> Vec<ImageSource> {
    let mut sources = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for (n, image) in images.iter().enumerate() {
        let mut source = match image.source() {
            Ok(source) => source,
            Err(below) => {
                errors.extend(below.into_iter().map(|error| error.below(&format!("images[{n}]"))));
                continue;
            }
        };
        let (repository, tag) = match &mut source {
            ImageSource::MadeUp(spec) => (&mut spec.repository, &spec.tag),
            ImageSource::File(spec) => (&mut spec.repository, &spec.tag),
        };
        if library {
            *repository = in_library(repository.clone());
        }
        if !seen.insert((repository.clone(), tag.clone())) {
            let message = format!("image `{}` is there twice", image.name);
            errors.push(ConfigError::new(format!("images[{n}].name"), message).at(image.name.span));
        }
        sources.push(source);
    }
    sources
}

fn check_rules(rules: &[Spanned<Rule>], errors: &mut Vec<ConfigError>) -> Vec<Rule> {
    let n_before = errors.len();
    for (n, rule) in rules.iter().enumerate() {
        for problem in rule.problems(RuleFor::Registry) {
            let error = ConfigError::new(format!("rules[{n}].{}", problem.field), problem.message);
            errors.push(error.hint(problem.hint).at(rule.span));
        }
    }
    if errors.len() > n_before { Vec::new() } else { rules.iter().map(|rule| rule.value.clone()).collect() }
}

fn read_header((name, value): (&String, &String)) -> Option<(HeaderName, HeaderValue)> {
    Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preset_names;

    fn complaints(json: serde_json::Value) -> Vec<String> {
        let config: RegistryConfig = serde_json::from_value(json).unwrap();
        config.check().err().unwrap_or_default().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn everything_wrong_is_told_at_once() {
        let told = complaints(serde_json::json!({
            "preset": "dockerhub-anom",
            "path": "Registry",
            "images": [{ "name": "Alpine:3" }, { "name": "a@sha256:1" }, { "name": "b", "platforms": ["linux"] }],
            "rules": [
                { "when": { "manifest": "get", "blob": "get" }, "then": { "answer": { "status": 700 } } },
            ],
            "accounts": [{ "name": "ci", "password": "x" }],
            "api": { "warnings": ["two\nlines", "x".repeat(5000)], "mirror-of": ["nowhere"] },
        }));
        // Whether accounts are of use cannot be said where the preset is unknown.
        let fields: Vec<_> = told.iter().map(|told| told.split(": ").next().unwrap()).collect();
        assert_eq!(
            fields,
            [
                "preset",
                "path",
                "api.warnings[0]",
                "api.warnings",
                "api.mirror-of[0]",
                "images[0].name",
                "images[1].name",
                "images[2].platforms[0]",
                "rules[0].when",
                "rules[0].then.answer.status"
            ],
            "{told:#?}"
        );
    }

    #[test]
    fn a_registry_without_authentication_has_no_accounts() {
        let told = complaints(serde_json::json!({
            "accounts": [{ "name": "ci", "password": "x" }], "anonymous": false, "account-limit": "1/h",
        }));
        let fields: Vec<_> = told.iter().map(|told| told.split(": ").next().unwrap()).collect();
        assert_eq!(fields, ["accounts", "anonymous", "account-limit"]);
    }

    #[test]
    fn what_is_wrong_with_a_certificate_needs_tls() {
        assert_eq!(complaints(serde_json::json!({ "certificate": "expired" })), [""; 0]);
        let told = complaints(serde_json::json!({ "tls": false, "certificate": "expired" }));
        assert_eq!(told, ["certificate: without TLS, nobody is shown a certificate"]);
    }

    #[test]
    fn an_unknown_preset_is_told_its_nearest() {
        let config =
            RegistryConfig { preset: Some(String::from("dockerhub-anom").into()), ..RegistryConfig::default() };
        let errors = config.check().unwrap_err();
        let hint = errors[0].hint.as_deref().unwrap_or_default();
        assert!(hint.starts_with("did you mean `dockerhub-anon`?"), "{hint}");
    }

    #[test]
    fn every_preset_starts_as_it_is() {
        for preset in preset_names() {
            let config = RegistryConfig { preset: Some(preset.to_owned().into()), ..RegistryConfig::default() };
            assert_eq!(config.check(), Ok(()), "{preset}");
        }
    }

    #[test]
    fn a_section_of_a_scenario_file_is_read_with_its_places() {
        let text = "\
preset: dockerhub-anon
hosts: [hub.example]
limit: 2/6h
account-limit: 5/h
auth: bearer
anonymous: true
token-life: 2m
accounts:
  - { name: ci, password: secret, limit: 7/6h }
images:
  - { name: \"harness/ci-addon:1.16.92\", layers: [2MiB, 512KiB], platforms: [linux/amd64, linux/arm64] }
  - name: Bad
rules:
  - { when: { manifest: get, attempt: 1..3 }, times: { first: 2 }, then: { answer: { status: 503 } } }
push: false
";
        let source = testbed::diagnostic::Source::new("hub.yaml", text);
        let config: RegistryConfig = testbed::yaml::from_str(&source).unwrap();
        assert_eq!(config.token_life, Some(std::time::Duration::from_secs(120)));
        assert_eq!(config.host_names(), ["hub.example"]);
        let errors = config.check().unwrap_err();
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert_eq!(errors[0].field, "images[1].name");
        assert_eq!(errors[0].span.map(|span| source.slice(span)), Some("Bad"));
        let schema = serde_json::to_string(&schemars::schema_for!(RegistryConfig)).unwrap();
        assert!(schema.contains("token-life"), "{schema}");
    }
}
