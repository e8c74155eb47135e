//! Reading parts of files without holding up the threads that serve.
//!
//! What the system has in memory is copied at once; only what it has to fetch is read on a thread that may wait. Buffers are
//! of a size that stays in a core's cache between the file and the socket, and are used again.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    path::Path,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use tokio::task::{JoinHandle, spawn_blocking};

/// How much is read at once.
const PIECE_BYTES: u64 = 256 << 10;
/// How many buffers wait to be used again.
const MAX_IDLE_BUFFERS: usize = 32;

/// A file to be read.
#[derive(Debug)]
pub(crate) struct OpenFile {
    file: File,
    size_bytes: u64,
    buffers: Buffers,
}

/// A read that waits for the disk.
#[derive(Debug, Default)]
pub(crate) struct Reading(Option<JoinHandle<io::Result<Bytes>>>);

/// Buffers that were used and can be used again. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Buffers(Arc<Mutex<Vec<Box<[u8]>>>>);

/// A buffer on its way to a socket.
struct Lent {
    buffer: Box<[u8]>,
    n_bytes: usize,
    home: Buffers,
}

impl OpenFile {
    /// `file`, of which `size_bytes` are read.
    pub(super) fn new(file: File, size_bytes: u64, buffers: Buffers) -> Self {
        Self { file, size_bytes, buffers }
    }

    /// How many bytes there are.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Bytes from `at` on, at least one and at most up to `end`; `at < end`.
    ///
    /// # Errors
    /// The file cannot be read, or became shorter.
    pub(crate) fn poll_piece(
        self: &Arc<Self>,
        at: u64,
        end: u64,
        reading: &mut Reading,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Bytes>> {
        let waiting = match &mut reading.0 {
            Some(waiting) => waiting,
            None => match self.read(at, end, read_cached)? {
                Some(piece) => return Poll::Ready(Ok(piece)),
                None => {
                    let file = Arc::clone(self);
                    reading.0.insert(spawn_blocking(move || file.read_waiting(at, end)))
                }
            },
        };
        let read = ready!(Pin::new(waiting).poll(cx));
        reading.0 = None;
        Poll::Ready(read.map_err(io::Error::other).flatten())
    }

    fn read_waiting(&self, at: u64, end: u64) -> io::Result<Bytes> {
        let read = |file: &File, buffer: &mut [u8], at| file.read_at(buffer, at).map(Some);
        self.read(at, end, read)?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    fn read(
        &self,
        at: u64,
        end: u64,
        read: impl FnOnce(&File, &mut [u8], u64) -> io::Result<Option<usize>>,
    ) -> io::Result<Option<Bytes>> {
        let mut lent = self.buffers.lend();
        let wanted = usize::try_from(end.saturating_sub(at).min(PIECE_BYTES)).unwrap_or_default();
        match read(&self.file, &mut lent.buffer[..wanted], at)? {
            Some(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Some(n_bytes) => {
                lent.n_bytes = n_bytes;
                Ok(Some(Bytes::from_owner(lent)))
            }
            None => Ok(None),
        }
    }
}

/// What the system has in memory of what is asked for; `None` if it would have to fetch it.
#[cfg(target_os = "linux")]
fn read_cached(file: &File, buffer: &mut [u8], at: u64) -> io::Result<Option<usize>> {
    use rustix::io::{Errno, ReadWriteFlags, preadv2};

    let mut buffers = [io::IoSliceMut::new(buffer)];
    match preadv2(file, &mut buffers, at, ReadWriteFlags::NOWAIT) {
        Ok(n_bytes) => Ok(Some(n_bytes)),
        // The latter three: the file system, or what stands between us and the kernel, cannot tell.
        Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Other systems cannot be asked.
#[cfg(not(target_os = "linux"))]
fn read_cached(_: &File, _: &mut [u8], _: u64) -> io::Result<Option<usize>> {
    Ok(None)
}

/// Opens the file if the system finds it without fetching anything; `None` if it would have to.
///
/// # Errors
/// It cannot be opened.
#[cfg(target_os = "linux")]
pub(super) fn open_cached(path: &Path) -> io::Result<Option<File>> {
    use rustix::{
        fs::{CWD, Mode, OFlags, ResolveFlags, openat2},
        io::Errno,
    };

    match openat2(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::CACHED) {
        Ok(file) => Ok(Some(file.into())),
        // The latter three: kernels before 5.12, and what may stand between us and the kernel.
        Err(Errno::AGAIN | Errno::NOSYS | Errno::INVAL | Errno::PERM) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Other systems cannot be asked.
#[cfg(not(target_os = "linux"))]
pub(super) fn open_cached(_: &Path) -> io::Result<Option<File>> {
    Ok(None)
}

impl Buffers {
    fn lend(&self) -> Lent {
        let buffer = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let new = || vec![0; usize::try_from(PIECE_BYTES).unwrap_or_default()].into();
        Lent { buffer: buffer.unwrap_or_else(new), n_bytes: 0, home: self.clone() }
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.buffer[..self.n_bytes]
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut idle = self.home.0.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE_BUFFERS {
            idle.push(std::mem::take(&mut self.buffer));
        }
    }
}
