//! The noise that made-up files consist of: one block for each seed, repeated as often as a file needs.
//!
//! The block is kept in each compression too, cut into chunks with their headers between them. So a range of a compressed
//! layer is a slice of a shared block, as one of a plain layer is.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock, PoisonError, Weak},
};

use bytes::Bytes;
use crc32fast::Hasher;
use rand::Rng as _;
use testbed::Seed;

use crate::image::Compression;

/// How much content stands behind one header of a compressed stream. A stored block of gzip holds at most 65,535 bytes, a
/// raw block of zstd at most 128 KiB.
pub(crate) const CHUNK_BYTES: u64 = 32 << 10;
/// One chunk less than 1 MiB: with its headers the block is then still no more than the largest piece of a body.
pub(crate) const NOISE_BYTES: u64 = 31 * CHUNK_BYTES;

/// The blocks of every seed in use. The registries of a world hold the same images, so they share them.
static IN_USE: Mutex<BTreeMap<u64, Weak<Blocks>>> = Mutex::new(BTreeMap::new());

/// The noise of one seed. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Noise(Arc<Blocks>);

#[derive(Debug)]
struct Blocks {
    seed: Seed,
    plain: OnceLock<Bytes>,
    gzip: OnceLock<Bytes>,
    zstd: OnceLock<Bytes>,
    checksum: OnceLock<Hasher>,
}

impl Noise {
    /// The noise of `seed`, not drawn yet.
    pub(crate) fn new(seed: Seed) -> Self {
        let mut in_use = IN_USE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(blocks) = in_use.get(&seed.0).and_then(Weak::upgrade) {
            return Self(blocks);
        }
        let blocks = Arc::new(Blocks {
            seed,
            plain: OnceLock::new(),
            gzip: OnceLock::new(),
            zstd: OnceLock::new(),
            checksum: OnceLock::new(),
        });
        in_use.retain(|_, blocks| blocks.strong_count() > 0);
        in_use.insert(seed.0, Arc::downgrade(&blocks));
        Self(blocks)
    }

    /// The block as it is in a stream of `compression`: [`NOISE_BYTES`], and a header before each chunk.
    pub(crate) fn block(&self, compression: Compression) -> &Bytes {
        let framed = match compression {
            Compression::None => return self.0.plain.get_or_init(|| self.draw()),
            Compression::Gzip => &self.0.gzip,
            Compression::Zstd => &self.0.zstd,
        };
        framed.get_or_init(|| {
            let plain = self.block(Compression::None);
            let mut block = Vec::with_capacity(1 << 20);
            for chunk in plain.chunks(index(CHUNK_BYTES)) {
                block.extend_from_slice(&compression.header(chunk.len() as u64, false));
                block.extend_from_slice(chunk);
            }
            block.into()
        })
    }

    /// The CRC-32 of `n_bytes` of noise that begin at `phase` in the block, without reading most of it.
    pub(crate) fn checksum(&self, phase: u64, n_bytes: u64) -> Hasher {
        let block = self.block(Compression::None);
        let lead_bytes = n_bytes.min((NOISE_BYTES - phase) % NOISE_BYTES);
        let mut sum = Hasher::new();
        sum.update(&block[index(phase)..index(phase + lead_bytes)]);
        let mut n_blocks = (n_bytes - lead_bytes) / NOISE_BYTES;
        let mut power = self.0.checksum.get_or_init(|| checksum_of(block)).clone();
        while n_blocks > 0 {
            if n_blocks % 2 == 1 {
                sum.combine(&power);
            }
            power.combine(&power.clone());
            n_blocks /= 2;
        }
        sum.update(&block[..index((n_bytes - lead_bytes) % NOISE_BYTES)]);
        sum
    }

    fn draw(&self) -> Bytes {
        let mut block = vec![0; index(NOISE_BYTES)];
        self.0.seed.stream("layers").fill_bytes(&mut block);
        block.into()
    }
}

/// A place within a buffer in memory, which therefore fits.
pub(crate) fn index(at: u64) -> usize {
    usize::try_from(at).unwrap_or(usize::MAX)
}

fn checksum_of(bytes: &[u8]) -> Hasher {
    let mut sum = Hasher::new();
    sum.update(bytes);
    sum
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn registries_of_one_seed_share_their_noise() {
        let (one, other) = (Noise::new(Seed(11)), Noise::new(Seed(11)));
        assert_eq!(one.block(Compression::None).as_ptr(), other.block(Compression::None).as_ptr());
        assert_ne!(one.block(Compression::None), Noise::new(Seed(12)).block(Compression::None));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn a_checksum_is_that_of_the_bytes(phase in 0..NOISE_BYTES, n_bytes in 0..5 * NOISE_BYTES) {
            let noise = Noise::new(Seed(1));
            let block = noise.block(Compression::None);
            let bytes = &block.repeat(6)[index(phase)..index(phase + n_bytes)];
            prop_assert_eq!(noise.checksum(phase, n_bytes).finalize(), checksum_of(bytes).finalize());
        }
    }
}
