//! The `api` section of a registry: what its API does where the specification leaves a choice.

use std::{net::IpAddr, num::NonZeroUsize, time::Duration};

use http::HeaderValue;
use oci::{ByteSize, RegistryHost};
use schemars::JsonSchema;
use serde::Deserialize;

use super::ConfigError;
use crate::settings::ApiSettings;

/// The most names on a page of a list, and the most referrers, where nothing is said.
const MAX_PAGE: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");
/// How long a redirect is good for. Source: facts/registry A10, "order of minutes" [U].
const REDIRECT_LIFE: Duration = Duration::from_secs(600);
/// How much warning a registry may send with one answer. Source: distribution-spec, "Warnings".
const MAX_WARNING_BYTES: usize = 4096;

/// What an API does where the specification leaves a choice.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default, expecting = "the choices of an API")]
pub struct ApiConfig {
    /// Whether a manifest may name blobs and manifests that are absent; if not, they are to be pushed first. Default: the
    /// preset's.
    pub sparse: Option<bool>,
    /// Whether it lists referrers. If not, its `/referrers/` are 404, and clients keep the list in a tag. Default: the
    /// preset's, which is true in all of them.
    pub referrers: Option<bool>,
    /// What can be deleted. Default: the preset's, which is `all` in all of them.
    pub delete: Option<DeleteConfig>,
    /// The shortest chunk that it takes in an upload, the last one excepted: `5MiB`. Default: any length.
    pub chunk_min: Option<ByteSize>,
    /// The most names on a page of tags or of the catalog, and the most referrers on one. Default: 10,000.
    pub max_page: Option<NonZeroUsize>,
    /// The second host that it redirects to for blobs, with a signed address: `production.cloudflare.docker.com`. Reached by
    /// loopback, it is `localhost` instead of the address, and the other way round. Default: it sends blobs itself.
    pub redirect_blobs: Option<String>,
    /// How long such an address is valid, in policy time: `10m`. Default: 10 minutes.
    #[serde(deserialize_with = "testbed::duration::optional::deserialize")]
    #[schemars(with = "Option<String>")]
    pub redirect_life: Option<Duration>,
    /// What it warns of with everything that it answers: `This registry is deprecated.` Default: nothing.
    pub warnings: Vec<String>,
    /// The upstream hosts that it is a mirror of: reads with `?ns=` and one of them say so in `OCI-Namespace`, and those with
    /// another host find nothing. Default: none, and `ns` is ignored.
    pub mirror_of: Vec<String>,
}

/// What can be deleted from a registry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DeleteConfig {
    /// Tags, manifests and blobs.
    #[default]
    All,
    /// Manifests and blobs, but no tag alone.
    Digests,
    /// Nothing.
    None,
}

/// The settings of `config` over those of the preset.
pub(super) fn check_api(config: &ApiConfig, preset: &ApiConfig, errors: &mut Vec<ConfigError>) -> ApiSettings {
    ApiSettings {
        sparse: config.sparse.or(preset.sparse).unwrap_or(false),
        referrers: config.referrers.or(preset.referrers).unwrap_or(true),
        delete: config.delete.or(preset.delete).unwrap_or_default(),
        chunk_min_bytes: config.chunk_min.or(preset.chunk_min).map(ByteSize::bytes).filter(|n_bytes| *n_bytes > 0),
        max_page: config.max_page.or(preset.max_page).unwrap_or(MAX_PAGE).get(),
        redirect_blobs: check_second_host(config.redirect_blobs.as_ref().or(preset.redirect_blobs.as_ref()), errors),
        redirect_life: config.redirect_life.or(preset.redirect_life).unwrap_or(REDIRECT_LIFE),
        warnings: check_warnings(&config.warnings, errors),
        mirror_of: check_upstreams(&config.mirror_of, errors),
    }
}

fn check_second_host(host: Option<&String>, errors: &mut Vec<ConfigError>) -> Option<String> {
    let host = host?;
    let is_name = host.parse::<RegistryHost>().is_ok() && !host.contains(':') && host.parse::<IpAddr>().is_err();
    if !is_name {
        let error = ConfigError::new("api.redirect-blobs", format!("`{host}` is not a host name"));
        errors.push(error.hint("write a name such as `cdn.example`, without a port"));
    }
    Some(host.clone())
}

fn check_warnings(texts: &[String], errors: &mut Vec<ConfigError>) -> Vec<HeaderValue> {
    let mut warnings = Vec::new();
    for (n, text) in texts.iter().enumerate() {
        let is_plain = text.bytes().all(|b| matches!(b, b' '..=b'~'));
        let quoted = text.replace('\\', "\\\\").replace('"', "\\\"");
        match HeaderValue::try_from(format!("299 - \"{quoted}\"")) {
            Ok(warning) if is_plain => warnings.push(warning),
            _ => errors.push(
                ConfigError::new(format!("api.warnings[{n}]"), "a warning is one line of ASCII text")
                    .hint("write `This registry is deprecated.`"),
            ),
        }
    }
    if warnings.iter().map(HeaderValue::len).sum::<usize>() > MAX_WARNING_BYTES {
        let message = format!("warnings have at most {MAX_WARNING_BYTES} bytes together");
        errors.push(ConfigError::new("api.warnings", message).hint("shorten them, or leave some out"));
    }
    warnings
}

fn check_upstreams(hosts: &[String], errors: &mut Vec<ConfigError>) -> Vec<String> {
    for (n, host) in hosts.iter().enumerate() {
        if host.parse::<RegistryHost>().is_err() {
            errors.push(
                ConfigError::new(format!("api.mirror-of[{n}]"), format!("`{host}` is not a host name"))
                    .hint("write it as in image names: `docker.io`"),
            );
        }
    }
    hosts.iter().map(|host| host.to_ascii_lowercase()).collect()
}
