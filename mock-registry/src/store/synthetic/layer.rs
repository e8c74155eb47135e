//! A layer that is made up: a tar with one file of noise, as it is or compressed.
//!
//! Its size is that of the tar, which ends with 1 KiB of zeros, so smaller layers are made that large; below 1536 bytes there
//! is no file in it. What is asked for beyond whole blocks of 512 bytes is zeros at the end, which readers of tar ignore.
//! A compressed layer is a few bytes in ten thousand larger, since noise stays as it is.
//!
//! Source: POSIX ustar; sizes of 8 GiB and more in GNU's base-256.

use std::sync::Arc;

use bytes::Bytes;
use oci::Digest;
use sha2::{Digest as _, Sha256};

use super::{
    Computed,
    computed::Recipe,
    noise::{NOISE_BYTES, Noise},
};
use crate::image::Compression;

/// The unit of a tar.
const RECORD: u64 = 512;
/// The two empty records at the end of a tar.
const END_BYTES: u64 = 2 * RECORD;

/// A made-up layer.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    /// What is pulled.
    pub(crate) blob: Arc<Computed>,
    /// What is unpacked from it: the same, if it is not compressed.
    tar: Arc<Computed>,
}

impl Layer {
    /// The layer called `name` with a tar of about `size_bytes`. Seed, name, size and compression decide every byte of it.
    pub(crate) fn new(noise: &Noise, name: &str, size_bytes: u64, compression: Compression) -> Self {
        let size_bytes = size_bytes.max(END_BYTES);
        let (head, noise_bytes) = match size_bytes.checked_sub(RECORD + END_BYTES) {
            Some(room) => {
                let file_bytes = room - room % RECORD;
                (tar_header(name, file_bytes), file_bytes)
            }
            None => (Bytes::new(), 0),
        };
        let zero_bytes = size_bytes - noise_bytes - head.len() as u64;
        let recipe = Recipe { noise: noise.clone(), head, phase: phase_of(name), noise_bytes, zero_bytes };
        let tar = Arc::new(Computed::new(recipe.clone(), Compression::None));
        let blob = match compression {
            Compression::None => Arc::clone(&tar),
            compressed => Arc::new(Computed::new(recipe, compressed)),
        };
        Self { blob, tar }
    }

    /// The digests of what is pulled and of what is unpacked from it.
    pub(crate) async fn digests(&self) -> (Digest, Digest) {
        tokio::join!(self.blob.digest(), self.tar.digest())
    }

    /// How many bytes are hashed for its digests.
    pub(crate) fn hashed_bytes(&self) -> u64 {
        let tar_bytes = if Arc::ptr_eq(&self.blob, &self.tar) { 0 } else { self.tar.size_bytes() };
        self.blob.size_bytes().saturating_add(tar_bytes)
    }
}

/// Content called `name` of exactly `size_bytes` that is no tar.
pub(crate) fn noise_blob(noise: &Noise, name: &str, size_bytes: u64) -> Computed {
    let recipe = Recipe {
        noise: noise.clone(),
        head: Bytes::new(),
        phase: phase_of(name),
        noise_bytes: size_bytes,
        zero_bytes: 0,
    };
    Computed::new(recipe, Compression::None)
}

/// Where in its block the noise of what is called `name` begins.
fn phase_of(name: &str) -> u64 {
    let hash: [u8; 32] = Sha256::digest(name.as_bytes()).into();
    hash.iter().take(8).fold(0, |number: u64, byte| number << 8 | u64::from(*byte)) % NOISE_BYTES
}

/// The ustar header of a file `layer/<name>` of `size_bytes`, read-only, of the year 1970, root's.
fn tar_header(name: &str, size_bytes: u64) -> Bytes {
    let mut header = [0_u8; 512];
    let mut put = |at: usize, text: &[u8]| {
        for (to, from) in header.iter_mut().skip(at).zip(text) {
            *to = *from;
        }
    };
    // A digest keeps the field short, whatever the image is called, and makes every layer differ.
    put(0, format!("layer/{}", Digest::of(name.as_bytes()).encoded()).as_bytes());
    put(100, b"0000444\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    if size_bytes < 1 << 33 {
        put(124, format!("{size_bytes:011o}\0").as_bytes());
    } else {
        put(124, &[0x80, 0, 0, 0]);
        put(128, &size_bytes.to_be_bytes());
    }
    put(136, b"00000000000\0");
    // The checksum is taken over the header with blanks in its own place.
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\0");
    put(263, b"00");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    let text = format!("{sum:06o}\0 ");
    for (to, from) in header.iter_mut().skip(148).zip(text.as_bytes()) {
        *to = *from;
    }
    Bytes::copy_from_slice(&header)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use testbed::Seed;

    use super::*;

    fn read(content: &Computed) -> Vec<u8> {
        let (mut at, mut bytes) = (0, Vec::new());
        while at < content.size_bytes() {
            let piece = content.piece(at, content.size_bytes());
            bytes.extend_from_slice(&piece);
            at += piece.len() as u64;
        }
        bytes
    }

    fn layer(size_bytes: u64, compression: Compression) -> Layer {
        Layer::new(&Noise::new(Seed(1)), "a/b:1#1", size_bytes, compression)
    }

    #[test]
    fn a_layer_has_the_size_that_was_asked_for() {
        for size_bytes in [0, 1, 1024, 1535, 1536, 2048, 5000, 3 << 20] {
            let layer = layer(size_bytes, Compression::None);
            assert_eq!(layer.blob.size_bytes(), size_bytes.max(1024));
            assert_eq!(read(&layer.blob).len() as u64, size_bytes.max(1024));
        }
    }

    #[test]
    fn a_layer_is_a_tar_with_one_file_in_every_compression() {
        for size_bytes in [1536, 10_240, 1_000_000] {
            let layer = layer(size_bytes, Compression::Gzip);
            let mut unpacked = Vec::new();
            flate2::read::GzDecoder::new(&read(&layer.blob)[..]).read_to_end(&mut unpacked).unwrap();
            assert!(unpacked == read(&layer.tar));
            let mut archive = tar::Archive::new(&unpacked[..]);
            let files: Vec<_> =
                archive.entries().unwrap().map(|entry| entry.unwrap().header().size().unwrap()).collect();
            assert_eq!(files, [(size_bytes - 1536) / 512 * 512]);
        }
    }

    #[test]
    fn a_file_of_a_terabyte_has_its_size_in_base_256() {
        assert_eq!(layer(1 << 40, Compression::None).blob.piece(0, 512)[124..128], [0x80, 0, 0, 0]);
    }

    #[tokio::test]
    async fn both_digests_are_those_of_the_bytes() {
        for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
            let layer = layer(100_000, compression);
            let (blob, diff_id) = layer.digests().await;
            assert_eq!(blob, Digest::of(&read(&layer.blob)));
            assert_eq!(diff_id, Digest::of(&read(&layer.tar)));
            assert_eq!(blob == diff_id, compression == Compression::None);
        }
    }
}
