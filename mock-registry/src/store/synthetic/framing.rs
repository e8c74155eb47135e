//! How a compressed stream wraps content that it does not compress: in blocks with headers, whose places are arithmetic.
//!
//! Noise cannot be compressed, so what a real compressor makes of it looks the same.
//!
//! Source: RFC 1952 (gzip), RFC 1951 "Non-compressed blocks", RFC 8878 (zstd) "Frames", "Raw_Block".

use crate::image::Compression;

/// A stream without checksum or dictionary whose window is 128 KiB, and which says how large its content is.
const ZSTD_DESCRIPTOR: [u8; 2] = [0xc0, 7 << 3];

impl Compression {
    /// What a stream with `size_bytes` of content begins with.
    pub(super) fn begin(self, size_bytes: u64) -> Vec<u8> {
        match self {
            Self::None => Vec::new(),
            // Deflate, no name, no time, no operating system.
            Self::Gzip => vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff],
            Self::Zstd => [&[0x28, 0xb5, 0x2f, 0xfd], &ZSTD_DESCRIPTOR[..], &size_bytes.to_le_bytes()].concat(),
        }
    }

    /// What stands before `n_bytes` of content, which are no more than a chunk.
    pub(super) fn header(self, n_bytes: u64, is_last: bool) -> Vec<u8> {
        let is_last = u8::from(is_last);
        // A chunk's length fits into two bytes.
        let [low, high, ..] = n_bytes.to_le_bytes();
        match self {
            Self::None => Vec::new(),
            Self::Gzip => vec![is_last, low, high, !low, !high],
            // One bit for the last block, two for its kind, which is 0, and the length from there on.
            Self::Zstd => {
                let [a, b, c, ..] = (n_bytes << 3 | u64::from(is_last)).to_le_bytes();
                vec![a, b, c]
            }
        }
    }

    /// What a stream with `size_bytes` of content ends with, whose CRC-32 is `checksum`.
    pub(super) fn end(self, size_bytes: u64, checksum: u32) -> Vec<u8> {
        match self {
            Self::None | Self::Zstd => Vec::new(),
            // The size is stated modulo 2^32.
            Self::Gzip => [checksum.to_le_bytes(), (size_bytes as u32).to_le_bytes()].concat(),
        }
    }
}
