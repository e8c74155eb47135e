//! Content digests: `sha256:<64 lowercase hex>` and `sha512:<128 lowercase hex>`, and computing
//! them.
//!
//! The image-spec grammar allows other algorithms; none is registered for use, so none parses here.
//!
//! Source: image-spec, "Digests".

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use sha2::{Digest as _, Sha256, Sha512};

/// A registered digest algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// `sha256`, which every registry supports.
    Sha256,
    /// `sha512`.
    Sha512,
}

/// The digest of some content, such as `sha256:` and 64 lowercase hexadecimal digits. A clone is a
/// pointer.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest {
    text: Arc<str>,
    algorithm: Algorithm,
}

/// Computes a [`Digest`] of content that arrives in pieces.
#[derive(Clone, Debug)]
pub struct Digester {
    hasher: Hasher,
}

/// Why a text is no digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// There is no `:` between algorithm and hexadecimal digits.
    #[error("digest `{text}` has no algorithm; write it as `sha256:<64 hexadecimal digits>`")]
    NoAlgorithm {
        /// The text that was read.
        text: String,
    },
    /// The algorithm is neither `sha256` nor `sha512`.
    #[error("digest algorithm `{algorithm}` is not supported; use `sha256` or `sha512`")]
    UnknownAlgorithm {
        /// The part before the first `:`.
        algorithm: String,
    },
    /// The encoded part is too short or too long for its algorithm.
    #[error("a {algorithm} digest has {expected} hexadecimal digits, not {actual}")]
    WrongLength {
        /// The algorithm that was named.
        algorithm: Algorithm,
        /// Digits that this algorithm needs.
        expected: usize,
        /// Characters that were found.
        actual: usize,
    },
    /// A character is not one of `0-9a-f`.
    #[error("digest contains `{found}`, which is not a lowercase hexadecimal digit")]
    NotLowercaseHex {
        /// The first character that does not belong.
        found: char,
    },
}

#[derive(Clone, Debug)]
enum Hasher {
    Sha256(Sha256),
    Sha512(Sha512),
}

impl Algorithm {
    /// The name before the colon: `sha256` or `sha512`.
    pub fn as_str(self) -> &'static str {
        match self {
            Algorithm::Sha256 => "sha256",
            Algorithm::Sha512 => "sha512",
        }
    }

    /// How many hexadecimal digits its digests have.
    pub fn encoded_len(self) -> usize {
        match self {
            Algorithm::Sha256 => 64,
            Algorithm::Sha512 => 128,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Algorithm {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        match text {
            "sha256" => Ok(Algorithm::Sha256),
            "sha512" => Ok(Algorithm::Sha512),
            _ => Err(DigestError::UnknownAlgorithm { algorithm: text.to_owned() }),
        }
    }
}

text_form!(Algorithm, "a digest algorithm, `sha256` or `sha512`", pattern = "^sha(256|512)$");

impl Digest {
    /// The sha256 digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Digest {
        Digest::of_with(Algorithm::Sha256, bytes)
    }

    /// The digest of `bytes` under `algorithm`.
    pub fn of_with(algorithm: Algorithm, bytes: &[u8]) -> Digest {
        let mut digester = Digester::new(algorithm);
        digester.update(bytes);
        digester.finish()
    }

    /// The algorithm before the colon.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The hexadecimal digits after the colon.
    pub fn encoded(&self) -> &str {
        self.text.split_once(':').map_or("", |(_, encoded)| encoded)
    }

    /// The whole digest, as it is written in URLs and headers.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

str_view!(Digest);
text_form!(
    Digest,
    "a digest, `sha256:` and 64 lowercase hexadecimal digits or `sha512:` and 128",
    pattern = "^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$"
);

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let Some((algorithm, encoded)) = text.split_once(':') else {
            return Err(DigestError::NoAlgorithm { text: text.to_owned() });
        };
        let algorithm: Algorithm = algorithm.parse()?;
        if let Some(found) = encoded.chars().find(|c| !matches!(c, '0'..='9' | 'a'..='f')) {
            return Err(DigestError::NotLowercaseHex { found });
        }
        if encoded.len() != algorithm.encoded_len() {
            return Err(DigestError::WrongLength {
                algorithm,
                expected: algorithm.encoded_len(),
                actual: encoded.len(),
            });
        }
        Ok(Digest { text: text.into(), algorithm })
    }
}

impl Digester {
    /// Starts with no content.
    pub fn new(algorithm: Algorithm) -> Digester {
        let hasher = match algorithm {
            Algorithm::Sha256 => Hasher::Sha256(Sha256::new()),
            Algorithm::Sha512 => Hasher::Sha512(Sha512::new()),
        };
        Digester { hasher }
    }

    /// Appends a piece of the content.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.hasher {
            Hasher::Sha256(hasher) => hasher.update(bytes),
            Hasher::Sha512(hasher) => hasher.update(bytes),
        }
    }

    /// The digest of everything appended.
    pub fn finish(self) -> Digest {
        let (algorithm, encoded) = match self.hasher {
            Hasher::Sha256(hasher) => (Algorithm::Sha256, hex::encode(hasher.finalize())),
            Hasher::Sha512(hasher) => (Algorithm::Sha512, hex::encode(hasher.finalize())),
        };
        Digest { text: format!("{algorithm}:{encoded}").into(), algorithm }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn check(input: &str, expect: &str) {
        let actual = match input.parse::<Digest>() {
            Ok(digest) => format!("{} {}", digest.algorithm(), digest.encoded().len()),
            Err(error) => error.to_string(),
        };
        assert_eq!(actual, expect, "for {input}");
    }

    #[test]
    fn each_mistake_is_named() {
        check(EMPTY, "sha256 64");
        check(&format!("sha512:{}", "a".repeat(128)), "sha512 128");
        check("latest", "digest `latest` has no algorithm; write it as `sha256:<64 hexadecimal digits>`");
        check("md5:00", "digest algorithm `md5` is not supported; use `sha256` or `sha512`");
        check("sha256:", "a sha256 digest has 64 hexadecimal digits, not 0");
        check("sha256:abc", "a sha256 digest has 64 hexadecimal digits, not 3");
        check(
            &EMPTY.to_ascii_uppercase().replace("SHA", "sha"),
            "digest contains `E`, which is not a lowercase hexadecimal digit",
        );
        check("sha256:\u{e9}", "digest contains `\u{e9}`, which is not a lowercase hexadecimal digit");
    }

    #[test]
    fn nothing_has_the_known_digest() {
        assert_eq!(Digest::of(b"").as_str(), EMPTY);
        assert_eq!(format!("{:?}", Digest::of(b"")), format!("Digest({EMPTY})"));
    }

    proptest! {
        #[test]
        fn what_is_printed_parses_to_the_same(digest in crate::arbitrary::digest()) {
            prop_assert_eq!(digest.to_string().parse(), Ok(digest));
        }

        #[test]
        fn pieces_have_the_digest_of_the_whole(pieces: Vec<Vec<u8>>) {
            let mut digester = Digester::new(Algorithm::Sha512);
            for piece in &pieces {
                digester.update(piece);
            }
            prop_assert_eq!(digester.finish(), Digest::of_with(Algorithm::Sha512, &pieces.concat()));
        }
    }
}
