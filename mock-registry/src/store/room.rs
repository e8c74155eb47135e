//! The room that a registry has for what is pushed: taken as bytes arrive, given back when nobody holds them any more.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;

use crate::error::RegistryError;

/// How much everything that was pushed to a registry may have together, uploads under way and manifests included.
pub(crate) const MAX_TOTAL_BYTES: u64 = 8 << 30;

/// The room of one registry. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Room(Arc<AtomicU64>);

/// A part of the room, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    room: Room,
    n_bytes: u64,
}

impl Room {
    /// A part of nothing yet.
    pub(crate) fn hold(&self) -> Held {
        Held { room: self.clone(), n_bytes: 0 }
    }

    /// `data` in this room: its part is given back with the last clone of what is returned.
    ///
    /// # Errors
    /// There is not enough room.
    pub(crate) fn keep(&self, data: Bytes) -> Result<Bytes, RegistryError> {
        let mut held = self.hold();
        held.add(data.len() as u64)?;
        Ok(held.beside(data))
    }

    /// How much of it is taken.
    #[cfg(test)]
    pub(crate) fn taken_bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Held {
    /// Takes more.
    ///
    /// # Errors
    /// There is not enough room; then nothing is taken.
    pub(crate) fn add(&mut self, n_bytes: u64) -> Result<(), RegistryError> {
        let grown = |taken: u64| taken.checked_add(n_bytes).filter(|taken| *taken <= MAX_TOTAL_BYTES);
        let taken = self.room.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, grown);
        taken.map_err(|_| RegistryError::NoRoom { max_bytes: MAX_TOTAL_BYTES })?;
        self.n_bytes += n_bytes;
        Ok(())
    }

    /// Keeps at most `n_bytes` of it.
    pub(crate) fn shrink_to(&mut self, n_bytes: u64) {
        let freed = self.n_bytes.saturating_sub(n_bytes);
        self.room.0.fetch_sub(freed, Ordering::Relaxed);
        self.n_bytes -= freed;
    }

    /// `data`, which from now on holds this part.
    pub(crate) fn beside(self, data: Bytes) -> Bytes {
        Bytes::from_owner(Kept { data, _held: self })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

struct Kept {
    data: Bytes,
    _held: Held,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_given_back_with_the_last_clone() {
        let room = Room::default();
        let kept = room.keep(Bytes::from_static(b"hello")).unwrap();
        let part = kept.slice(1..3);
        drop(kept);
        assert_eq!((room.taken_bytes(), &part[..]), (5, &b"el"[..]));
        drop(part);
        assert_eq!(room.taken_bytes(), 0);
    }

    #[test]
    fn what_does_not_fit_takes_nothing() {
        let room = Room::default();
        let mut held = room.hold();
        held.add(MAX_TOTAL_BYTES - 1).unwrap();
        assert!(matches!(room.hold().add(2), Err(RegistryError::NoRoom { .. })));
        assert_eq!(room.taken_bytes(), MAX_TOTAL_BYTES - 1);
        held.shrink_to(7);
        assert_eq!(room.taken_bytes(), 7);
    }
}
