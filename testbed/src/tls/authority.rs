//! Who signs the certificates of a world.

use std::{
    fmt, fs,
    io::{self, Write as _},
    net::IpAddr,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, pem, pem::PemObject as _};
use thiserror::Error;

use super::client::verify;
use crate::{Clock, Timestamp, clock::after};

/// The certificate's file in the folder of an authority that is kept.
pub const CERTIFICATE_FILE: &str = "ca.pem";
/// The private key's file beside it.
const KEY_FILE: &str = "ca-key.pem";
/// The subject, also of an authority that is read again.
const NAME: &str = "pullrig CA";
/// The subject of one that nobody trusts: under the same name, clients would complain about the signature instead.
const UNTRUSTED_NAME: &str = "pullrig CA that nobody trusts";

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long an authority is valid: it may be kept.
const AUTHORITY_LIFE: Duration = DAY.saturating_mul(3650);
/// How long a certificate is valid: no more than every client takes.
const CERTIFICATE_LIFE: Duration = DAY.saturating_mul(397);

/// A certificate authority. A clone is a pointer.
#[derive(Clone)]
pub struct Authority(Arc<Parts>);

struct Parts {
    certificate: CertificateDer<'static>,
    certificate_pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// An authority could not be made, read or kept.
#[derive(Debug, Error)]
pub enum AuthorityError {
    /// A file or the folder cannot be read or written.
    #[error("cannot use {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// One of the two files is there and the other is not.
    #[error("{} is there and {} is not; put it back, or remove both to have a new authority", found.display(), missing.display())]
    Half {
        /// The file that is there.
        found: PathBuf,
        /// The file that is not.
        missing: PathBuf,
    },
    /// The certificate's file holds no certificate.
    #[error("{} holds no certificate", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: pem::Error,
    },
    /// The key's file holds no private key that can be used.
    #[error("{} holds no private key that can sign", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: rcgen::Error,
    },
    /// What the key signs does not pass under the certificate.
    #[error("{} was not made by pullrig together with its key, or has expired; remove both to have a new authority", path.display())]
    Mismatch {
        /// The certificate's file.
        path: PathBuf,
        /// How a client refuses.
        #[source]
        source: rustls::Error,
    },
    /// The certificate could not be made.
    #[error("cannot make a certificate")]
    Make(#[from] rcgen::Error),
}

/// For how long something is valid.
#[derive(Clone, Copy, Debug)]
pub(super) struct Validity {
    from: Timestamp,
    to: Timestamp,
}

impl Authority {
    /// A new authority with a new key.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn generate() -> Result<Self, AuthorityError> {
        Self::generate_as(NAME)
    }

    /// A new authority that is none for anybody.
    pub(super) fn untrusted() -> Result<Self, AuthorityError> {
        Self::generate_as(UNTRUSTED_NAME)
    }

    fn generate_as(name: &str) -> Result<Self, AuthorityError> {
        let key = KeyPair::generate()?;
        let params = params(name);
        let certificate = params.self_signed(&key)?;
        let (der, pem) = (certificate.der().clone(), certificate.pem());
        Ok(Self::new(der, pem, Issuer::new(params, key)))
    }

    /// The authority in `folder`: `ca.pem` and `ca-key.pem`. If neither is there, a new one is made and written, the key
    /// readable by its owner alone.
    ///
    /// # Errors
    /// The folder or a file cannot be read or written, only one of the two is there, or they do not go together.
    pub fn keep(folder: &Path) -> Result<Self, AuthorityError> {
        let (certificate, key) = (folder.join(CERTIFICATE_FILE), folder.join(KEY_FILE));
        match (certificate.exists(), key.exists()) {
            (true, true) => Self::read(&certificate, &key),
            (true, false) => Err(AuthorityError::Half { found: certificate, missing: key }),
            (false, true) => Err(AuthorityError::Half { found: key, missing: certificate }),
            (false, false) => {
                fs::create_dir_all(folder)
                    .map_err(|source| AuthorityError::File { path: folder.to_owned(), source })?;
                let made = Self::generate()?;
                write_new(&key, &made.0.issuer.key().serialize_pem(), 0o600)?;
                write_new(&certificate, made.certificate_pem(), 0o644)?;
                Ok(made)
            }
        }
    }

    fn read(certificate_file: &Path, key_file: &Path) -> Result<Self, AuthorityError> {
        let read = |path: &Path| {
            fs::read_to_string(path).map_err(|source| AuthorityError::File { path: path.to_owned(), source })
        };
        let certificate_pem = read(certificate_file)?;
        let certificate = CertificateDer::from_pem_slice(certificate_pem.as_bytes())
            .map_err(|source| AuthorityError::Certificate { path: certificate_file.to_owned(), source })?;
        let key = KeyPair::from_pem(&read(key_file)?)
            .map_err(|source| AuthorityError::Key { path: key_file.to_owned(), source })?;
        // Of an issuer, only its subject and its key are read.
        let authority = Self::new(certificate, certificate_pem, Issuer::new(params(NAME), key));
        authority.prove().map_err(|source| AuthorityError::Mismatch { path: certificate_file.to_owned(), source })?;
        Ok(authority)
    }

    fn new(certificate: CertificateDer<'static>, certificate_pem: String, issuer: Issuer<'static, KeyPair>) -> Self {
        Self(Arc::new(Parts { certificate, certificate_pem, issuer }))
    }

    /// Whether a client that trusts the certificate takes what is signed here.
    fn prove(&self) -> Result<(), rustls::Error> {
        const NAME: &str = "localhost";
        let subjects = Subjects { names: &[NAME], address: None };
        let certificate = KeyPair::generate().and_then(|key| self.issue(subjects, Validity::of_certificate(), &key));
        let certificate = certificate.map_err(|error| rustls::Error::General(error.to_string()))?;
        verify(self, &certificate, NAME)
    }

    /// Its certificate, which clients have to trust.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.0.certificate
    }

    /// Its certificate as a file has it.
    pub fn certificate_pem(&self) -> &str {
        &self.0.certificate_pem
    }

    /// Signs a certificate for `key`: for the host names and addresses of `subjects`.
    pub(super) fn issue(
        &self,
        subjects: Subjects<'_>,
        validity: Validity,
        key: &KeyPair,
    ) -> Result<CertificateDer<'static>, rcgen::Error> {
        let mut params = CertificateParams::default();
        let first = subjects.names.first().copied().unwrap_or(NAME);
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, first);
        for name in subjects.names {
            params.subject_alt_names.push(SanType::DnsName((*name).try_into()?));
        }
        params.subject_alt_names.extend(subjects.address.map(SanType::IpAddress));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        validity.apply(&mut params);
        Ok(params.signed_by(key, &self.0.issuer)?.der().clone())
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authority(..)")
    }
}

/// What a certificate is for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subjects<'a> {
    pub(super) names: &'a [&'a str],
    pub(super) address: Option<IpAddr>,
}

impl Validity {
    /// From yesterday, for clocks that are slow.
    fn from_now(life: Duration) -> Self {
        let now = Clock::system().now();
        Self { from: now - DAY, to: after(now, life) }
    }

    /// That of a certificate made now.
    pub(super) fn of_certificate() -> Self {
        Self::from_now(CERTIFICATE_LIFE)
    }

    /// That of a certificate that was good for a month and has been out of date since yesterday.
    pub(super) fn over() -> Self {
        let now = Clock::system().now();
        Self { from: now - DAY * 31, to: now - DAY }
    }

    /// Whole days: the library takes no others without a second calendar.
    fn apply(self, params: &mut CertificateParams) {
        let day = |at: Timestamp| {
            let date = jiff::tz::Offset::UTC.to_datetime(at).date();
            // A month and a day of the month are at least 1.
            date_time_ymd(date.year().into(), date.month().unsigned_abs(), date.day().unsigned_abs())
        };
        params.not_before = day(self.from);
        params.not_after = day(self.to);
    }
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Validity::from_now(AUTHORITY_LIFE).apply(&mut params);
    params
}

/// A file that must not be there yet, and that has its mode from its first byte on.
fn write_new(path: &Path, text: &str, mode: u32) -> Result<(), AuthorityError> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true).mode(mode);
    let written = options.open(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|source| AuthorityError::File { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    #[test]
    fn a_kept_authority_is_the_same_the_next_time() {
        let folder = folder();
        let made = Authority::keep(&folder.path().join("new")).unwrap();
        let read = Authority::keep(&folder.path().join("new")).unwrap();
        assert_eq!(made.certificate(), read.certificate());
        assert_eq!(fs::read_to_string(folder.path().join("new/ca.pem")).unwrap(), made.certificate_pem());
    }

    #[test]
    fn its_key_is_for_its_owner_alone_and_is_never_shown() {
        let folder = folder();
        let authority = Authority::keep(folder.path()).unwrap();
        let mode = fs::metadata(folder.path().join(KEY_FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(format!("{authority:?}"), "Authority(..)");
    }

    #[test]
    fn what_cannot_be_used_is_said() {
        let check = |break_it: &dyn Fn(&Path), expected: &str| {
            let folder = folder();
            Authority::keep(folder.path()).unwrap();
            break_it(folder.path());
            let message = Authority::keep(folder.path()).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        };
        check(&|at| fs::remove_file(at.join(KEY_FILE)).unwrap(), "ca-key.pem is not");
        check(&|at| fs::remove_file(at.join(CERTIFICATE_FILE)).unwrap(), "ca.pem is not");
        check(&|at| fs::write(at.join(CERTIFICATE_FILE), "x").unwrap(), "ca.pem holds no certificate");
        check(&|at| fs::write(at.join(KEY_FILE), "x").unwrap(), "ca-key.pem holds no private key");
        let other = folder();
        Authority::keep(other.path()).unwrap();
        let other_key = fs::read(other.path().join(KEY_FILE)).unwrap();
        check(&|at| fs::write(at.join(KEY_FILE), &other_key).unwrap(), "ca.pem was not made");
    }
}
