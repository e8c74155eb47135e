//! Everything about a registry that is decided before it starts: its configuration over its preset, checked.

use std::{collections::BTreeMap, time::Duration};

use http::{HeaderName, HeaderValue};
use oci::{AccountName, RepositoryName};
use testbed::{rule::Rule, tls::CertificateFlaw};

use crate::{
    AbsentRepository, AuthConfig, ChallengeConfig, DeleteConfig, ImageSource, LimitConfig, TokenConfig, UpstreamConfig,
    accounts::Account, host::name_of, image::in_library,
};

/// What was decided about a registry.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The names that the registry answers under.
    pub(crate) hosts: Vec<String>,
    /// The name of its token endpoint, if that is another one.
    pub(crate) token_host: Option<String>,
    /// The realm, when it is reached by its name.
    pub(crate) realm: Option<String>,
    /// The path of its token endpoint.
    pub(crate) token_path: String,
    /// The service of its challenge, which is the audience of its tokens.
    pub(crate) service: String,
    /// The issuer of its tokens.
    pub(crate) issuer: String,
    /// Whether it speaks TLS.
    pub(crate) is_tls: bool,
    /// What is wrong with its certificates.
    pub(crate) certificate_flaw: Option<CertificateFlaw>,
    /// The path in its URL, which stands in front of every repository's name.
    pub(crate) path: Option<RepositoryName>,
    /// What it asks clients for.
    pub(crate) auth: AuthConfig,
    /// Whether one may pull without an account.
    pub(crate) anonymous: bool,
    /// How long a token lives.
    pub(crate) token_life: Duration,
    /// The accounts from the start.
    pub(crate) accounts: BTreeMap<AccountName, Account>,
    /// The limits from the start, in order.
    pub(crate) limits: Vec<LimitConfig>,
    /// What it pulls through from, if it is a proxy.
    pub(crate) upstream: Option<UpstreamConfig>,
    /// What is particular about its challenges.
    pub(crate) challenge: ChallengeConfig,
    /// What is particular about its tokens.
    pub(crate) token: TokenConfig,
    /// How a repository looks that one may not see.
    pub(crate) absent: AbsentRepository,
    /// Whether image names without a slash are under `library/`.
    pub(crate) library: bool,
    /// Whether it takes pushes.
    pub(crate) push: bool,
    /// What its API does where there is a choice.
    pub(crate) api: ApiSettings,
    /// Headers on every answer.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// Images from the start.
    pub(crate) images: Vec<ImageSource>,
    /// Rules from the start.
    pub(crate) rules: Vec<Rule>,
}

/// What a registry's API does where there is a choice.
#[derive(Clone, Debug)]
pub(crate) struct ApiSettings {
    /// Whether manifests may name what is absent.
    pub(crate) sparse: bool,
    /// Whether referrers are listed.
    pub(crate) referrers: bool,
    /// What can be deleted.
    pub(crate) delete: DeleteConfig,
    /// The shortest chunk of an upload but the last; `None`: any.
    pub(crate) chunk_min_bytes: Option<u64>,
    /// The most entries on a page.
    pub(crate) max_page: usize,
    /// The host that blobs are redirected to.
    pub(crate) redirect_blobs: Option<String>,
    /// How long such a redirect is good for.
    pub(crate) redirect_life: Duration,
    /// The values of `Warning` on every answer.
    pub(crate) warnings: Vec<HeaderValue>,
    /// The hosts that reads may name in `ns`, in lower case; if there are none, any.
    pub(crate) mirror_of: Vec<String>,
}

impl Settings {
    /// How URLs begin that lead to its listener.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.is_tls { "https" } else { "http" }
    }

    /// Whether passwords are looked at: by the registry itself, or by its token endpoint.
    pub(crate) fn takes_passwords(&self) -> bool {
        self.auth != AuthConfig::None
    }

    /// Whether tokens are looked at.
    pub(crate) fn takes_tokens(&self) -> bool {
        self.auth == AuthConfig::Bearer
    }

    /// The repository as this registry calls it: `alpine` on Docker Hub is `library/alpine`.
    pub(crate) fn place(&self, repository: RepositoryName) -> RepositoryName {
        if self.library { in_library(repository) } else { repository }
    }

    /// The repository as the store names it: without the registry's path. `None`: it is not one of this registry's.
    pub(crate) fn stored_name(&self, named: &RepositoryName) -> Option<RepositoryName> {
        match &self.path {
            Some(prefix) => named.strip_prefix(prefix.as_str()),
            None => Some(named.clone()),
        }
    }

    /// The repository as clients name it: with the registry's path. `None`: that would be too long for a name.
    pub(crate) fn named(&self, stored: &RepositoryName) -> Option<RepositoryName> {
        match &self.path {
            Some(prefix) => RepositoryName::join(prefix.as_str(), stored).ok(),
            None => Some(stored.clone()),
        }
    }

    /// Whether `host` is the second host, which has no API.
    pub(crate) fn is_second_host(&self, host: &str) -> bool {
        self.api.redirect_blobs.as_deref().is_some_and(|second| second.eq_ignore_ascii_case(name_of(host)))
    }

    /// Every name that leads to the listener.
    pub(crate) fn all_hosts(&self) -> impl Iterator<Item = &str> {
        self.hosts.iter().chain(&self.token_host).chain(&self.api.redirect_blobs).map(String::as_str)
    }
}
