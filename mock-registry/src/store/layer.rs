//! A layer that is computed and never stored: a tar with one file of seeded noise.
//!
//! The file's content is one block of noise, repeated; where in the block it starts depends on the layer. So any range of
//! a layer of any size is a slice of that one block, and costs no copy. The digest is computed when it is first asked
//! for, in steps, so that a client that goes away loses none of the work that was done for it.
//!
//! Sizes: a tar ends with 1 KiB of zeros, so smaller layers are made that large; below 1536 bytes there is no file in it.
//! What is asked for beyond whole blocks of 512 bytes is zeros at the end, which readers of tar ignore.
//!
//! Source: POSIX ustar; sizes of 8 GiB and more in GNU's base-256.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use oci::{Algorithm, Digest, Digester};
use rand::Rng as _;
use sha2::{Digest as _, Sha256};
use testbed::Seed;

/// The unit of a tar.
const RECORD: u64 = 512;
/// The two empty records at the end of a tar.
const END_BYTES: u64 = 2 * RECORD;
/// The noise that is repeated.
const BLOCK_BYTES: u64 = 1 << 20;
/// How much is hashed between two looks at whether somebody still waits.
const HASH_STEP_BYTES: u64 = 64 << 20;

static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// The noise of one seed, shared by all its layers.
#[derive(Clone, Debug)]
pub(crate) struct Noise {
    seed: Seed,
    block: Arc<OnceLock<Bytes>>,
}

/// A computed layer.
#[derive(Debug)]
pub(crate) struct Layer {
    noise: Noise,
    phase: u64,
    header: Bytes,
    file_bytes: u64,
    size_bytes: u64,
    digest: OnceLock<Digest>,
    hashing: tokio::sync::Mutex<(Digester, u64)>,
}

impl Noise {
    /// The noise of `seed`, not drawn yet.
    pub(crate) fn new(seed: Seed) -> Self {
        Self { seed, block: Arc::default() }
    }

    fn block(&self) -> &Bytes {
        self.block.get_or_init(|| {
            let mut block = vec![0; usize::try_from(BLOCK_BYTES).unwrap_or_default()];
            self.seed.stream("layers").fill_bytes(&mut block);
            block.into()
        })
    }
}

impl Layer {
    /// The layer called `name` of about `size_bytes`; name, size and seed decide every byte of it.
    pub(crate) fn new(noise: &Noise, name: &str, size_bytes: u64) -> Self {
        let size_bytes = size_bytes.max(END_BYTES);
        let (header, file_bytes) = match size_bytes.checked_sub(RECORD + END_BYTES) {
            Some(room) => {
                let file_bytes = room - room % RECORD;
                (tar_header(name, file_bytes), file_bytes)
            }
            None => (Bytes::new(), 0),
        };
        let hash: [u8; 32] = Sha256::digest(name.as_bytes()).into();
        let phase = hash.iter().take(8).fold(0, |number: u64, byte| number << 8 | u64::from(*byte)) % BLOCK_BYTES;
        Self {
            noise: noise.clone(),
            phase,
            header,
            file_bytes,
            size_bytes,
            digest: OnceLock::new(),
            hashing: tokio::sync::Mutex::new((Digester::new(Algorithm::Sha256), 0)),
        }
    }

    /// How many bytes it has.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Bytes from `at`, at least one and none from `end` on; `at < end <= size_bytes`.
    pub(crate) fn piece(&self, at: u64, end: u64) -> Bytes {
        let header_bytes = self.header.len() as u64;
        let file_end = header_bytes + self.file_bytes;
        // Each of these lies within a buffer in memory.
        let index = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        if at < header_bytes {
            self.header.slice(index(at)..index(end.min(header_bytes)))
        } else if at < file_end {
            let in_block = (at - header_bytes + self.phase) % BLOCK_BYTES;
            let n = (end.min(file_end) - at).min(BLOCK_BYTES - in_block);
            self.noise.block().slice(index(in_block)..index(in_block + n))
        } else {
            Bytes::from_static(&ZEROS[..ZEROS.len().min(index(end - at))])
        }
    }

    /// The digest, computed now if it is not known yet.
    pub(crate) async fn digest(self: &Arc<Self>) -> Digest {
        if let Some(digest) = self.digest.get() {
            return digest.clone();
        }
        let mut hashing = self.hashing.lock().await;
        while hashing.1 < self.size_bytes {
            let (mut digester, at) = hashing.clone();
            let layer = Arc::clone(self);
            let step = tokio::task::spawn_blocking(move || {
                let at = layer.hash_step(&mut digester, at);
                (digester, at)
            });
            // A step is lost only with the whole runtime, and then nobody waits for the digest either.
            let Ok(done) = step.await else { return std::future::pending().await };
            *hashing = done;
        }
        self.digest.get_or_init(|| hashing.0.clone().finish()).clone()
    }

    fn hash_step(&self, digester: &mut Digester, mut at: u64) -> u64 {
        let end = self.size_bytes.min(at + HASH_STEP_BYTES);
        while at < end {
            let piece = self.piece(at, end);
            digester.update(&piece);
            at += piece.len() as u64;
        }
        at
    }
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
    use proptest::prelude::*;

    use super::*;

    fn layer(size_bytes: u64) -> Arc<Layer> {
        Arc::new(Layer::new(&Noise::new(Seed(1)), "a/b:1#1", size_bytes))
    }

    fn read(layer: &Layer, mut at: u64, end: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        while at < end {
            let piece = layer.piece(at, end);
            bytes.extend_from_slice(&piece);
            at += piece.len() as u64;
        }
        bytes
    }

    #[tokio::test]
    async fn the_digest_is_that_of_the_bytes() {
        for size in [0, 1, 1024, 1535, 1536, 2048, 5000, 3 << 20] {
            let layer = layer(size);
            let bytes = read(&layer, 0, layer.size_bytes());
            assert_eq!(layer.digest().await, Digest::of(&bytes), "{size}");
            assert_eq!(layer.size_bytes(), size.max(1024));
        }
    }

    #[test]
    fn a_layer_is_a_tar_with_one_file() {
        let layer = layer(10_240);
        let bytes = read(&layer, 0, 10_240);
        assert_eq!(&bytes[257..262], b"ustar");
        let size = std::str::from_utf8(&bytes[124..135]).unwrap();
        assert_eq!(u64::from_str_radix(size, 8), Ok(10_240 - 1536));
        let stated = u32::from_str_radix(std::str::from_utf8(&bytes[148..154]).unwrap(), 8).unwrap();
        let sum: u32 = bytes[..512]
            .iter()
            .enumerate()
            .map(|(n, byte)| if (148..156).contains(&n) { 32 } else { u32::from(*byte) })
            .sum();
        assert_eq!(stated, sum);
        assert!(bytes[10_240 - 1024..].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn a_huge_layer_is_read_anywhere_at_once() {
        let layer = layer(1 << 40);
        assert_eq!(&layer.piece(0, 512)[124..128], &[0x80, 0, 0, 0]);
        assert_eq!(read(&layer, (1 << 40) - 2048, 1 << 40).len(), 2048);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn a_range_is_a_part_of_the_whole(size in 0_u64..1_500_000, from in 0_u64..1_500_000, n in 0_u64..100_000) {
            let layer = layer(size);
            let whole = read(&layer, 0, layer.size_bytes());
            prop_assert_eq!(whole.len() as u64, layer.size_bytes());
            let from = from.min(layer.size_bytes());
            let end = (from + n).min(layer.size_bytes());
            prop_assert_eq!(&read(&layer, from, end)[..], &whole[from as usize..end as usize]);
        }
    }
}
