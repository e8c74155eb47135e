//! The bytes of one blob, in memory, computed or in a file: any part of it in constant time.

use std::{
    io,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;

use super::{
    folder::{BlobFile, OpenFile, Reading},
    synthetic::Computed,
};

/// The largest piece that is handed to a connection at once.
const PIECE_BYTES: u64 = 1 << 20;

/// The bytes of one blob. A clone is a pointer.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// Pushed, or small.
    Memory(Bytes),
    /// Made up.
    Computed(Arc<Computed>),
    /// In a file, which is open.
    File(Arc<OpenFile>),
}

/// How the index holds a blob. A clone is a pointer.
#[derive(Clone, Debug)]
pub(crate) enum Kept {
    /// It can be read as it is.
    Ready(Content),
    /// In a file, which is opened and checked when it is asked for.
    File(Arc<BlobFile>),
}

impl Content {
    /// How many bytes there are.
    pub(crate) fn size_bytes(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::Computed(content) => content.size_bytes(),
            Self::File(file) => file.size_bytes(),
        }
    }

    /// The bytes from `at` on, at most up to `end` and at most one piece; empty only where nothing is left. `reading` is what
    /// one reader keeps between two calls.
    ///
    /// # Errors
    /// A file cannot be read, or became shorter than it was.
    pub(crate) fn poll_piece(
        &self,
        at: u64,
        end: u64,
        reading: &mut Reading,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Bytes>> {
        let end = end.min(self.size_bytes()).min(at.saturating_add(PIECE_BYTES));
        if at >= end {
            return Poll::Ready(Ok(Bytes::new()));
        }
        match self {
            Self::Memory(bytes) => {
                // Both lie within `bytes`, so they fit into a usize.
                let index = |at| usize::try_from(at).unwrap_or(usize::MAX);
                Poll::Ready(Ok(bytes.slice(index(at)..index(end))))
            }
            Self::Computed(content) => Poll::Ready(Ok(content.piece(at, end))),
            Self::File(file) => file.poll_piece(at, end, reading, cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

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
            let mut nobody = Context::from_waker(Waker::noop());
            loop {
                let Poll::Ready(piece) = content.poll_piece(now, end, &mut Reading::default(), &mut nobody) else {
                    panic!("what is in memory is there at once");
                };
                let piece = piece.unwrap();
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
