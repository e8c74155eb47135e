//! The other side of TLS: whom a client trusts.

#[cfg(feature = "client")]
use std::io;
use std::sync::Arc;

use rustls::{
    ClientConfig, Error, RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier},
    pki_types::{CertificateDer, ServerName, UnixTime},
};

#[cfg(feature = "client")]
use rustls::{
    DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified},
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
};

use super::{Authority, provider};

/// A client that trusts `trusted` and nobody else.
///
/// # Errors
/// A certificate is none of an authority.
pub fn client_config(trusted: &[CertificateDer<'static>]) -> Result<ClientConfig, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in trusted {
        roots.add(certificate.clone())?;
    }
    with_roots(roots)
}

/// A client that takes any certificate, as Harness's test of a connector does.
///
/// # Errors
/// The library refuses its own defaults.
#[cfg(feature = "client")]
pub fn trusting_client_config() -> Result<ClientConfig, Error> {
    let mut config = with_roots(RootCertStore::empty())?;
    config.dangerous().set_certificate_verifier(Arc::new(Anybody(provider())));
    Ok(config)
}

/// Takes any certificate; that whoever shows it has its key is still checked.
#[cfg(feature = "client")]
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

#[cfg(feature = "client")]
impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// A client that trusts those whom the machine trusts.
///
/// # Errors
/// The library refuses its own defaults.
#[cfg(feature = "client")]
pub fn system_client_config() -> Result<ClientConfig, Error> {
    let mut roots = RootCertStore::empty();
    // A machine's store has entries that are no good, and may be empty: then there is nobody to trust.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    with_roots(roots)
}

/// Whether a request failed because the server's certificate was refused, which the error or one of its causes says. It is
/// the same certificate the next time.
#[cfg(feature = "client")]
pub fn is_certificate_refused(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut here = Some(error);
    while let Some(error) = here {
        if matches!(error.downcast_ref(), Some(Error::InvalidCertificate(_))) {
            return true;
        }
        // An I/O error passes what it holds over when it is asked for its cause.
        here = match error.downcast_ref().and_then(io::Error::get_ref) {
            Some(held) => Some(held),
            None => error.source(),
        };
    }
    false
}

/// HTTP/1.1 only, which is what the puller speaks.
fn with_roots(roots: RootCertStore) -> Result<ClientConfig, Error> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Whether a client that trusts `authority` takes `certificate` for that of `name`.
pub(super) fn verify(authority: &Authority, certificate: &CertificateDer<'_>, name: &str) -> Result<(), Error> {
    let general = |error: &dyn std::fmt::Display| Error::General(error.to_string());
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate().clone())?;
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
        .build()
        .map_err(|error| general(&error))?;
    let name = ServerName::try_from(name).map_err(|error| general(&error))?;
    verifier.verify_server_cert(certificate, &[], &name, &[], UnixTime::now()).map(drop)
}
