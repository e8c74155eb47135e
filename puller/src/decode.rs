//! Bodies that come compressed: `Content-Encoding`, for clients that ask for it.
//!
//! A digest and a size are those of the decoded bytes. An offset in them is none in what is sent, so clients ask for a range
//! as it is. zstd, which containerd asks for too, is not among what is decoded here.
//!
//! Source: facts/registry E5, B14; RFC 9110, "Content-Encoding".

use std::{
    io::{self, Write as _},
    mem,
};

use bytes::Bytes;
use flate2::write::{MultiGzDecoder, ZlibDecoder};
use http::{HeaderMap, header::CONTENT_ENCODING};

use crate::transport::text;

/// What is asked for.
pub(crate) const ENCODINGS: &str = "gzip, deflate";

/// Makes what was sent what it stands for. Boxed, because most bodies are sent as they are.
pub(crate) enum Decoder {
    Identity,
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
    Deflate(Box<ZlibDecoder<Vec<u8>>>),
}

impl Decoder {
    /// For a body with such `headers`.
    ///
    /// # Errors
    /// The encoding, if it is another one than those asked for.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, String> {
        match text(headers, CONTENT_ENCODING).map(|encoding| encoding.trim().to_ascii_lowercase()).as_deref() {
            None | Some("" | "identity") => Ok(Self::Identity),
            Some("gzip" | "x-gzip") => Ok(Self::Gzip(Box::new(MultiGzDecoder::new(Vec::new())))),
            Some("deflate") => Ok(Self::Deflate(Box::new(ZlibDecoder::new(Vec::new())))),
            Some(other) => Err(String::from(other)),
        }
    }

    /// Whether bytes are sent as they are.
    pub(crate) fn is_identity(&self) -> bool {
        matches!(self, Self::Identity)
    }

    /// What is known of the body after another piece of it.
    ///
    /// # Errors
    /// It is not of the encoding.
    pub(crate) fn decode(&mut self, piece: Bytes) -> io::Result<Bytes> {
        match self {
            Self::Identity => return Ok(piece),
            Self::Gzip(decoder) => decoder.write_all(&piece).and_then(|()| decoder.flush())?,
            Self::Deflate(decoder) => decoder.write_all(&piece).and_then(|()| decoder.flush())?,
        }
        Ok(self.take())
    }

    /// What is left when the body is over.
    ///
    /// # Errors
    /// It ended too early.
    pub(crate) fn finish(&mut self) -> io::Result<Bytes> {
        match self {
            Self::Identity => {}
            Self::Gzip(decoder) => decoder.try_finish()?,
            Self::Deflate(decoder) => decoder.try_finish()?,
        }
        Ok(self.take())
    }

    fn take(&mut self) -> Bytes {
        match self {
            Self::Identity => Bytes::new(),
            Self::Gzip(decoder) => mem::take(decoder.get_mut()).into(),
            Self::Deflate(decoder) => mem::take(decoder.get_mut()).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use flate2::{
        Compression,
        write::{GzEncoder, ZlibEncoder},
    };
    use proptest::prelude::*;

    use super::*;

    fn decoder(encoding: &str) -> Result<Decoder, String> {
        Decoder::of(&HeaderMap::from_iter([(CONTENT_ENCODING, encoding.parse().unwrap())]))
    }

    fn encode(encoding: &str, bytes: &[u8]) -> Vec<u8> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        match encoding {
            "gzip" => gzip.write_all(bytes).and_then(|()| gzip.finish()).unwrap(),
            "deflate" => zlib.write_all(bytes).and_then(|()| zlib.finish()).unwrap(),
            _ => bytes.to_vec(),
        }
    }

    fn decode(encoding: &str, pieces: &[&[u8]]) -> io::Result<Vec<u8>> {
        let mut decoder = decoder(encoding).unwrap();
        let mut all = Vec::new();
        for piece in pieces {
            all.extend_from_slice(&decoder.decode(Bytes::copy_from_slice(piece))?);
        }
        all.extend_from_slice(&decoder.finish()?);
        Ok(all)
    }

    #[test]
    fn what_is_not_of_the_encoding_is_an_error() {
        let sent = encode("gzip", b"a layer");
        assert!(decode("gzip", &[b"a layer"]).is_err());
        assert!(decode("deflate", &[&sent]).is_err());
        assert!(decode("gzip", &[&sent[..sent.len() - 1]]).is_err(), "it ends too early");
        assert_eq!(decoder("br").err().as_deref(), Some("br"));
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_what_it_was(bytes in prop::collection::vec(any::<u8>(), 0..3000), cut in 0..3000_usize) {
            for encoding in ["gzip", "deflate", "identity"] {
                let sent = encode(encoding, &bytes);
                let (first, second) = sent.split_at(cut.min(sent.len()));
                prop_assert_eq!(&decode(encoding, &[first, second]).unwrap(), &bytes, "{}", encoding);
            }
        }

        #[test]
        fn anything_else_is_decoded_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            for encoding in ["gzip", "deflate"] {
                let _ = decode(encoding, &[&bytes]);
            }
        }
    }
}
