//! Reads through a mirror: which upstream a client means with `?ns=`.
//!
//! Source: distribution-spec, "Registry Proxying".

use axum::extract::Request;
use http::{HeaderName, HeaderValue, Method};

use super::{header_value, listing::query};
use crate::{error::RegistryError, state::App};

pub(super) const NAMESPACE: HeaderName = HeaderName::from_static("oci-namespace");

/// The value of `OCI-Namespace` for a read that names one of the hosts that this registry is a mirror of. A registry that is
/// none ignores `ns`.
///
/// # Errors
/// `NAME_UNKNOWN` 404: it is a mirror, but not of that host.
pub(super) fn read_namespace(app: &App, request: &Request) -> Result<Option<HeaderValue>, RegistryError> {
    let upstreams = &app.settings.api.mirror_of;
    if upstreams.is_empty() || !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Ok(None);
    }
    let named = query(request.uri()).into_iter().find(|(name, _)| name == "ns");
    let Some((_, host)) = named else { return Ok(None) };
    if upstreams.iter().any(|upstream| upstream.eq_ignore_ascii_case(&host)) {
        Ok(Some(header_value(host)))
    } else {
        Err(RegistryError::NotMirrored(host))
    }
}
