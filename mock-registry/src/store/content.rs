//! The bytes of one blob, in memory or computed: any part of it in constant time.

use std::sync::Arc;

use bytes::Bytes;

use super::layer::Layer;

/// The largest piece that is handed to a connection at once.
const PIECE_BYTES: u64 = 1 << 20;

/// The bytes of one blob. A clone is a pointer.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// Pushed, or small.
    Memory(Bytes),
    /// Computed from where it is.
    Layer(Arc<Layer>),
}

impl Content {
    /// How many bytes there are.
    pub(crate) fn size_bytes(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::Layer(layer) => layer.size_bytes(),
        }
    }

    /// The bytes from `at` on, at most up to `end` and at most one piece; empty only where nothing is left.
    pub(crate) fn piece(&self, at: u64, end: u64) -> Bytes {
        let end = end.min(self.size_bytes()).min(at.saturating_add(PIECE_BYTES));
        if at >= end {
            return Bytes::new();
        }
        match self {
            Self::Memory(bytes) => {
                // Both lie within `bytes`, so they fit into a usize.
                let index = |at| usize::try_from(at).unwrap_or(usize::MAX);
                bytes.slice(index(at)..index(end))
            }
            Self::Layer(layer) => layer.piece(at, end),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn pieces_in_a_row_are_the_part_that_was_asked_for(
            bytes in prop::collection::vec(any::<u8>(), 0..300),
            at in 0_u64..400,
            end in 0_u64..400,
        ) {
            let content = Content::Memory(bytes.clone().into());
            let (mut now, mut read) = (at, Vec::new());
            loop {
                let piece = content.piece(now, end);
                if piece.is_empty() {
                    break;
                }
                now += piece.len() as u64;
                read.extend_from_slice(&piece);
            }
            let end = (end as usize).min(bytes.len());
            prop_assert_eq!(&read[..], bytes.get(at as usize..end).unwrap_or_default());
        }
    }
}
