//! Bytes that are computed where they are asked for: any range at once, and the digest of all.
//!
//! Content is a head, noise, and zeros. Compressed it is the same with headers between, at places that follow from the
//! sizes. Either way it consists of a few small texts and of stretches of a block that is shared, so a piece is a slice and
//! costs no copy. The digest is computed when it is first asked for, in steps, so that a client that goes away loses none of
//! the work that was done for it.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use oci::{Algorithm, Digest, Digester};

use super::noise::{CHUNK_BYTES, NOISE_BYTES, Noise, index};
use crate::image::Compression;

/// How much is hashed between two looks at whether somebody still waits.
const HASH_STEP_BYTES: u64 = 64 << 20;

/// What there is before compression.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    /// What the noise is cut from.
    pub(crate) noise: Noise,
    /// What stands first; no more than a chunk.
    pub(crate) head: Bytes,
    /// Where in its block the noise begins.
    pub(crate) phase: u64,
    /// How much noise follows.
    pub(crate) noise_bytes: u64,
    /// How many zeros end it; no more than a chunk.
    pub(crate) zero_bytes: u64,
}

/// Computed content with its digest.
#[derive(Debug)]
pub(crate) struct Computed {
    recipe: Recipe,
    compression: Compression,
    size_bytes: u64,
    parts: OnceLock<Vec<Part>>,
    digest: OnceLock<Digest>,
    hashing: tokio::sync::Mutex<(Digester, u64)>,
}

/// A stretch of the content.
#[derive(Debug)]
struct Part {
    /// Where the next one begins.
    end: u64,
    source: Source,
}

/// Where a stretch comes from.
#[derive(Debug)]
enum Source {
    Memory(Bytes),
    /// The noise's block in this compression, again and again, beginning at `start` in it.
    Noise {
        compression: Compression,
        start: u64,
    },
}

impl Recipe {
    fn size_bytes(&self) -> u64 {
        self.head.len() as u64 + self.noise_bytes + self.zero_bytes
    }

    fn checksum(&self) -> u32 {
        let mut sum = crc32fast::Hasher::new();
        sum.update(&self.head);
        sum.combine(&self.noise.checksum(self.phase, self.noise_bytes));
        sum.update(&vec![0; index(self.zero_bytes)]);
        sum.finalize()
    }
}

impl Computed {
    /// What `recipe` says, in a stream of `compression`. Computes nothing yet but the size.
    pub(crate) fn new(recipe: Recipe, compression: Compression) -> Self {
        // A checksum has the same size whatever it is.
        let size_bytes = parts(&recipe, compression, 0).last().map_or(0, |part| part.end);
        Self {
            recipe,
            compression,
            size_bytes,
            parts: OnceLock::new(),
            digest: OnceLock::new(),
            hashing: tokio::sync::Mutex::new((Digester::new(Algorithm::Sha256), 0)),
        }
    }

    /// How many bytes there are.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Bytes from `at`, at least one and none from `end` on; `at < end <= size_bytes`.
    pub(crate) fn piece(&self, at: u64, end: u64) -> Bytes {
        let parts = self.parts.get_or_init(|| {
            let checksum = if self.compression == Compression::Gzip { self.recipe.checksum() } else { 0 };
            parts(&self.recipe, self.compression, checksum)
        });
        let n = parts.partition_point(|part| part.end <= at);
        let begin = n.checked_sub(1).map_or(0, |before| parts[before].end);
        let n_bytes = end.min(parts[n].end) - at;
        match &parts[n].source {
            Source::Memory(bytes) => bytes.slice(index(at - begin)..index(at - begin + n_bytes)),
            Source::Noise { compression, start } => {
                let block = self.recipe.noise.block(*compression);
                let in_block = (start + (at - begin)) % block.len() as u64;
                let n_bytes = n_bytes.min(block.len() as u64 - in_block);
                block.slice(index(in_block)..index(in_block + n_bytes))
            }
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
            let content = Arc::clone(self);
            let step = tokio::task::spawn_blocking(move || {
                let at = content.hash_step(&mut digester, at);
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

/// The stretches of `recipe` in a stream of `compression`, in order.
fn parts(recipe: &Recipe, compression: Compression, checksum: u32) -> Vec<Part> {
    let size_bytes = recipe.size_bytes();
    let mut row = Row { parts: Vec::new(), text: compression.begin(size_bytes) };
    if !recipe.head.is_empty() {
        row.text.extend(compression.header(recipe.head.len() as u64, false));
        row.text.extend_from_slice(&recipe.head);
    }
    match compression {
        Compression::None => row.noise(Compression::None, recipe.phase, recipe.noise_bytes),
        framed => framed_noise(&mut row, framed, recipe.phase, recipe.noise_bytes),
    }
    row.text.extend(compression.header(recipe.zero_bytes, true));
    row.text.resize(row.text.len() + index(recipe.zero_bytes), 0);
    row.text.extend(compression.end(size_bytes, checksum));
    row.flush();
    row.parts
}

/// Noise up to the next chunk of its block, then whole chunks, which are in the framed block with their headers, then the
/// rest.
fn framed_noise(row: &mut Row, compression: Compression, phase: u64, noise_bytes: u64) {
    let lead_bytes = noise_bytes.min((CHUNK_BYTES - phase % CHUNK_BYTES) % CHUNK_BYTES);
    let n_chunks = (noise_bytes - lead_bytes) / CHUNK_BYTES;
    let rest_bytes = (noise_bytes - lead_bytes) % CHUNK_BYTES;
    row.chunk(compression, phase, lead_bytes);
    let framed_chunk_bytes = CHUNK_BYTES + compression.header(CHUNK_BYTES, false).len() as u64;
    let first_chunk = (phase + lead_bytes) % NOISE_BYTES / CHUNK_BYTES;
    row.noise(compression, first_chunk * framed_chunk_bytes, n_chunks * framed_chunk_bytes);
    row.chunk(compression, (first_chunk + n_chunks) * CHUNK_BYTES % NOISE_BYTES, rest_bytes);
}

/// Stretches, and the text that is not one yet: what stands side by side is one piece.
struct Row {
    parts: Vec<Part>,
    text: Vec<u8>,
}

impl Row {
    /// A part of a chunk behind a header of its own.
    fn chunk(&mut self, compression: Compression, start: u64, n_bytes: u64) {
        if n_bytes > 0 {
            self.text.extend(compression.header(n_bytes, false));
            self.noise(Compression::None, start, n_bytes);
        }
    }

    fn noise(&mut self, compression: Compression, start: u64, n_bytes: u64) {
        if n_bytes > 0 {
            self.flush();
            self.push(n_bytes, Source::Noise { compression, start });
        }
    }

    fn flush(&mut self) {
        let text = std::mem::take(&mut self.text);
        self.push(text.len() as u64, Source::Memory(text.into()));
    }

    fn push(&mut self, n_bytes: u64, source: Source) {
        if n_bytes > 0 {
            let begin = self.parts.last().map_or(0, |part| part.end);
            self.parts.push(Part { end: begin + n_bytes, source });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use proptest::prelude::*;
    use testbed::Seed;

    use super::*;

    const ALL: [Compression; 3] = [Compression::None, Compression::Gzip, Compression::Zstd];

    fn content(head: &[u8], phase: u64, noise_bytes: u64, zero_bytes: u64, compression: Compression) -> Computed {
        let head = Bytes::copy_from_slice(head);
        Computed::new(Recipe { noise: Noise::new(Seed(1)), head, phase, noise_bytes, zero_bytes }, compression)
    }

    fn read(content: &Computed, mut at: u64, end: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        while at < end {
            let piece = content.piece(at, end);
            bytes.extend_from_slice(&piece);
            at += piece.len() as u64;
        }
        bytes
    }

    fn read_all(content: &Computed) -> Vec<u8> {
        read(content, 0, content.size_bytes())
    }

    /// What an independent decoder makes of a stream, which must have nothing behind its end.
    fn decode(stream: &[u8], compression: Compression) -> Vec<u8> {
        let mut decoded = Vec::new();
        let mut rest = stream;
        match compression {
            Compression::None => return stream.to_vec(),
            Compression::Gzip => {
                flate2::bufread::GzDecoder::new(&mut rest).read_to_end(&mut decoded).unwrap();
            }
            Compression::Zstd => {
                let mut decoder = ruzstd::decoding::StreamingDecoder::new(&mut rest).unwrap();
                decoder.read_to_end(&mut decoded).unwrap();
            }
        }
        assert!(rest.is_empty(), "{} bytes left", rest.len());
        decoded
    }

    #[tokio::test]
    async fn the_digest_is_that_of_the_bytes() {
        for compression in ALL {
            let content = Arc::new(content(b"head", 5, 3 << 20, 1024, compression));
            assert_eq!(content.digest().await, Digest::of(&read_all(&content)), "{compression:?}");
        }
    }

    #[test]
    fn a_terabyte_is_read_anywhere_at_once() {
        for compression in ALL {
            let content = content(b"head", 5, 1 << 40, 1024, compression);
            let size_bytes = content.size_bytes();
            let overhead = size_bytes - (1 << 40);
            assert!(overhead < (1 << 40) / 4096, "{compression:?}: {overhead}");
            assert_eq!(read(&content, size_bytes / 2, size_bytes / 2 + 2048).len(), 2048);
            assert_eq!(read(&content, size_bytes - 2048, size_bytes).len(), 2048);
        }
    }

    #[test]
    fn pieces_are_large_from_the_first_whole_chunk_on() {
        for compression in ALL {
            let content = content(b"head", 5, 64 << 20, 1024, compression);
            let (mut at, mut n_pieces) = (0, 0);
            while at < content.size_bytes() {
                at += content.piece(at, content.size_bytes().min(at + (1 << 20))).len() as u64;
                n_pieces += 1;
            }
            assert!(n_pieces < 75, "{compression:?}: {n_pieces}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn a_decoder_gives_what_was_there_before_compression(
            head in prop::collection::vec(any::<u8>(), 0..600),
            phase in 0..NOISE_BYTES,
            noise_bytes in prop_oneof![0..200_000_u64, 0..3_000_000_u64],
            zero_bytes in 0_u64..2000,
        ) {
            let plain = read_all(&content(&head, phase, noise_bytes, zero_bytes, Compression::None));
            prop_assert_eq!(plain.len() as u64, head.len() as u64 + noise_bytes + zero_bytes);
            for compression in ALL {
                let content = content(&head, phase, noise_bytes, zero_bytes, compression);
                prop_assert!(decode(&read_all(&content), compression) == plain, "{:?}", compression);
            }
        }

        #[test]
        fn a_range_is_a_part_of_the_whole(
            phase in 0..NOISE_BYTES,
            noise_bytes in 0_u64..3_000_000,
            from in 0_u64..3_000_000,
            n_bytes in 0_u64..200_000,
        ) {
            for compression in ALL {
                let content = content(b"head", phase, noise_bytes, 1024, compression);
                let whole = read_all(&content);
                let from = from.min(content.size_bytes());
                let end = (from + n_bytes).min(content.size_bytes());
                prop_assert!(read(&content, from, end) == whole[index(from)..index(end)], "{:?}", compression);
            }
        }
    }
}
