//! What one listener shows to those who ask by TLS.

use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

use rcgen::KeyPair;
use rustls::{ServerConfig, pki_types::PrivateKeyDer};
use schemars::JsonSchema;
use serde::Deserialize;
use thiserror::Error;

use super::{
    Authority, AuthorityError,
    authority::{Subjects, Validity},
    provider,
};
use crate::net::Names;

/// The most certificates that are remembered: a listener on all addresses can be reached by very many.
const MAX_REMEMBERED: usize = 1024;
/// The name that is reached without any map of names.
const LOCALHOST: &str = "localhost";
/// Whom a certificate with [`CertificateFlaw::OtherName`] is for. RFC 2606 keeps it free.
const OTHER_NAME: &str = "other.invalid";

/// The certificates of a listener: one for each name that leads to it and for `localhost`, and one with its address and
/// all of its names for clients that send no name (SNI) or one that is not its own. Clones share them.
#[derive(Clone)]
pub struct Certificates(Arc<Parts>);

struct Parts {
    authority: Authority,
    names: Names,
    flaw: Option<CertificateFlaw>,
    key: KeyPair,
    // A std mutex: held while one certificate is signed, which takes less than a millisecond, and no lock awaits.
    made: Mutex<BTreeMap<Subject, Arc<ServerConfig>>>,
}

/// What is wrong with a listener's certificates, so that clients refuse them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CertificateFlaw {
    /// They are signed by an authority that nobody trusts.
    Untrusted,
    /// They expired yesterday.
    Expired,
    /// They are for another host.
    OtherName,
}

/// A certificate could not be made.
#[derive(Debug, Error)]
pub enum CertificateError {
    /// It could not be signed.
    #[error("cannot sign a certificate")]
    Sign(#[from] rcgen::Error),
    /// It cannot be used.
    #[error("cannot use a certificate")]
    Use(#[from] rustls::Error),
}

/// Whom a certificate is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    Name(String),
    Address(IpAddr),
}

impl Certificates {
    /// Certificates signed by `authority` for the names that lead to the listener in `names`; with a flaw, clients refuse
    /// them.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn new(authority: &Authority, names: &Names, flaw: Option<CertificateFlaw>) -> Result<Self, AuthorityError> {
        let authority = match flaw {
            Some(CertificateFlaw::Untrusted) => Authority::untrusted()?,
            _ => authority.clone(),
        };
        let key = KeyPair::generate()?;
        Ok(Self(Arc::new(Parts { authority, names: names.clone(), flaw, key, made: Mutex::default() })))
    }

    /// How to speak TLS with a client that sent `name`, or none, to the listener at `listener`, which it reached by the
    /// address `local`.
    ///
    /// # Errors
    /// The name makes no certificate.
    pub(crate) fn config(
        &self,
        name: Option<&str>,
        listener: SocketAddr,
        local: IpAddr,
    ) -> Result<Arc<ServerConfig>, CertificateError> {
        let parts = &self.0;
        let is_own = |name: &&str| name.eq_ignore_ascii_case(LOCALHOST) || parts.names.leads_to(name, listener);
        let subject = match name.filter(is_own) {
            Some(name) => Subject::Name(name.to_ascii_lowercase()),
            None => Subject::Address(local.to_canonical()),
        };
        let mut made = parts.made.lock().unwrap_or_else(PoisonError::into_inner);
        // The names of a listener can become more while it serves, so what has all of them is made anew.
        if let (Some(config), Subject::Name(_)) = (made.get(&subject), &subject) {
            return Ok(config.clone());
        }
        let config = Arc::new(parts.make(&subject, listener)?);
        if made.len() >= MAX_REMEMBERED {
            made.clear();
        }
        made.insert(subject, config.clone());
        Ok(config)
    }
}

impl Parts {
    fn make(&self, subject: &Subject, listener: SocketAddr) -> Result<ServerConfig, CertificateError> {
        let all;
        let (mut names, mut address) = match subject {
            Subject::Name(name) => (vec![name.as_str()], None),
            Subject::Address(address) => {
                all = self.names.hosts_at(listener);
                (all.iter().map(String::as_str).chain([LOCALHOST]).collect(), Some(*address))
            }
        };
        if self.flaw == Some(CertificateFlaw::OtherName) {
            (names, address) = (vec![OTHER_NAME], None);
        }
        let validity = match self.flaw {
            Some(CertificateFlaw::Expired) => Validity::over(),
            _ => Validity::of_certificate(),
        };
        let certificate = self.authority.issue(Subjects { names: &names, address }, validity, &self.key)?;
        let key = PrivateKeyDer::Pkcs8(self.key.serialize_der().into());
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Certificates(..)")
    }
}
