//! One upload: the pieces that arrive, on their way to the medium, and their digest.
//!
//! Where the medium may wait for a disk, pieces are gathered to about 1 MiB, and then hashed and written on a thread that may
//! wait, one such write at a time. So an upload of any size takes no more memory than that; and while nothing arrives it takes
//! none, because what was gathered is written when a request ends, however it ends.

use std::mem;

use bytes::Bytes;
use oci::{Algorithm, Digest, Digester};
use tokio::{runtime::Handle, task::JoinHandle};

use super::medium::{Intake, Medium, joined, run};
use crate::error::RegistryError;

/// How much is gathered before it is written.
const GATHERED_BYTES: usize = 1 << 20;
/// How many pieces are gathered, however small they are: each has its own cost.
const MAX_PIECES: usize = 256;

/// One upload.
#[derive(Debug)]
pub(crate) struct Session {
    state: State,
    gathered: Gathered,
    /// Everything that arrived, what is gathered included.
    size_bytes: u64,
    max_bytes: u64,
    is_immediate: bool,
    /// How much the last request brought.
    pub(crate) last_chunk_bytes: Option<u64>,
}

#[derive(Debug)]
enum State {
    Idle(Box<Writer>),
    Writing(JoinHandle<Result<Box<Writer>, RegistryError>>),
    /// It was finished, or it failed: who waited for it meanwhile comes too late.
    Ended,
}

/// What arrived and was not handed to the medium yet.
#[derive(Debug, Default)]
struct Gathered {
    pieces: Vec<Bytes>,
    n_bytes: usize,
}

#[derive(Debug)]
struct Writer {
    intake: Box<dyn Intake>,
    digester: Digester,
    algorithm: Algorithm,
}

/// What one request brings to an upload.
#[derive(Debug)]
pub(crate) struct Receiving<'a>(&'a mut Session);

/// How far an upload was, to go back to.
#[derive(Debug)]
pub(crate) struct Mark {
    size_bytes: u64,
    digester: Digester,
}

/// A blob that has arrived, and has the digest that was promised.
#[derive(Debug)]
pub(crate) struct Received {
    pub(super) digest: Digest,
    pub(super) intake: Box<dyn Intake>,
}

impl Session {
    /// An upload to `medium` of which nothing has arrived; `algorithm` is that of the digest it is expected to have.
    pub(super) fn new(medium: &dyn Medium, algorithm: Algorithm) -> Self {
        let writer = Writer { intake: medium.intake(), digester: Digester::new(algorithm), algorithm };
        Self {
            state: State::Idle(Box::new(writer)),
            gathered: Gathered::default(),
            size_bytes: 0,
            max_bytes: medium.max_blob_bytes(),
            is_immediate: medium.is_immediate(),
            last_chunk_bytes: None,
        }
    }

    /// How many bytes have arrived.
    ///
    /// # Errors
    /// The upload has ended.
    pub(crate) fn size_bytes(&self) -> Result<u64, RegistryError> {
        if matches!(self.state, State::Ended) { Err(RegistryError::UploadUnknown) } else { Ok(self.size_bytes) }
    }

    /// Takes what one request brings.
    pub(crate) fn receive(&mut self) -> Receiving<'_> {
        Receiving(self)
    }

    /// Where it is now.
    ///
    /// # Errors
    /// The upload has ended, or ends because it cannot be written.
    pub(crate) async fn mark(&mut self) -> Result<Mark, RegistryError> {
        let digester = self.written().await?.digester.clone();
        Ok(Mark { size_bytes: self.size_bytes, digester })
    }

    /// Forgets what arrived since `mark`.
    ///
    /// # Errors
    /// The upload has ended, or ends because it cannot be written.
    pub(crate) async fn go_back(&mut self, mark: Mark) -> Result<(), RegistryError> {
        self.gathered = Gathered::default();
        let writer = self.settled().await?;
        writer.intake.truncate(mark.size_bytes);
        writer.digester = mark.digester;
        self.size_bytes = mark.size_bytes;
        Ok(())
    }

    /// The blob, if it has the digest that was promised. The upload ends either way.
    ///
    /// # Errors
    /// It has another digest; it cannot be written; the upload has ended already.
    pub(crate) async fn finish(&mut self, expected: &Digest) -> Result<Received, RegistryError> {
        self.written().await?;
        let State::Idle(writer) = mem::replace(&mut self.state, State::Ended) else {
            return Err(RegistryError::UploadUnknown);
        };
        let wanted = expected.algorithm();
        let (intake, actual) = if writer.algorithm == wanted {
            (writer.intake, writer.digester.finish())
        } else {
            let mut intake = writer.intake;
            let again = move || intake.digest(wanted).map(|actual| (intake, actual));
            run(self.is_immediate, again).await?
        };
        if actual != *expected {
            return Err(RegistryError::DigestMismatch { expected: expected.clone(), actual });
        }
        Ok(Received { digest: actual, intake })
    }

    /// Waits until everything that arrived is written.
    async fn written(&mut self) -> Result<&mut Writer, RegistryError> {
        self.settled().await?;
        self.write_gathered();
        self.settled().await
    }

    /// Waits until nothing is being written.
    async fn settled(&mut self) -> Result<&mut Writer, RegistryError> {
        if let State::Writing(writing) = &mut self.state {
            let written = joined(writing).await;
            self.state = State::Ended;
            self.state = State::Idle(written?);
        }
        match &mut self.state {
            State::Idle(writer) => Ok(writer),
            State::Writing(_) | State::Ended => Err(RegistryError::UploadUnknown),
        }
    }

    /// Begins to write what is gathered.
    fn write_gathered(&mut self) {
        // Without a runtime there is no server that anybody could come back to.
        let Ok(runtime) = Handle::try_current() else { return };
        if self.gathered.pieces.is_empty() || !matches!(self.state, State::Idle(_)) {
            return;
        }
        if let State::Idle(writer) = mem::replace(&mut self.state, State::Ended) {
            let Gathered { pieces, .. } = mem::take(&mut self.gathered);
            self.state = State::Writing(runtime.spawn_blocking(move || writer.write(&pieces)));
        }
    }
}

impl Receiving<'_> {
    /// Appends what arrived.
    ///
    /// # Errors
    /// The upload has ended. The blob, or everything that was pushed together, becomes too large, or cannot be written: then
    /// the upload ends.
    pub(crate) async fn append(&mut self, piece: Bytes) -> Result<(), RegistryError> {
        let Self(session) = self;
        session.settled().await?;
        session.size_bytes = session.size_bytes.saturating_add(piece.len() as u64);
        if session.size_bytes > session.max_bytes {
            session.state = State::Ended;
            return Err(RegistryError::BlobTooLarge { max_bytes: session.max_bytes });
        }
        if session.is_immediate {
            if let State::Idle(writer) = mem::replace(&mut session.state, State::Ended) {
                session.state = State::Idle(writer.write(&[piece])?);
            }
            return Ok(());
        }
        session.gathered.n_bytes += piece.len();
        session.gathered.pieces.push(piece);
        if session.gathered.n_bytes >= GATHERED_BYTES || session.gathered.pieces.len() >= MAX_PIECES {
            session.write_gathered();
            session.settled().await?;
        }
        Ok(())
    }
}

impl Drop for Receiving<'_> {
    fn drop(&mut self) {
        self.0.write_gathered();
    }
}

impl Writer {
    fn write(mut self: Box<Self>, pieces: &[Bytes]) -> Result<Box<Self>, RegistryError> {
        self.intake.append(pieces)?;
        for piece in pieces {
            self.digester.update(piece);
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Memory, Room};

    fn session() -> (Session, Room) {
        let room = Room::default();
        (Session::new(&Memory::new(room.clone()), Algorithm::Sha256), room)
    }

    async fn append(session: &mut Session, bytes: &'static [u8]) -> Result<(), RegistryError> {
        session.receive().append(Bytes::from_static(bytes)).await
    }

    #[tokio::test]
    async fn an_ended_session_takes_and_gives_nothing_more() {
        let (mut session, room) = session();
        append(&mut session, b"hello").await.unwrap();
        let received = session.finish(&Digest::of(b"hello")).await.unwrap();
        assert!(matches!(append(&mut session, b"x").await, Err(RegistryError::UploadUnknown)));
        assert!(matches!(session.finish(&Digest::of(b"hello")).await, Err(RegistryError::UploadUnknown)));
        drop(session);
        assert_eq!(room.taken_bytes(), 5);
        drop(received);
        assert_eq!(room.taken_bytes(), 0);
    }

    #[tokio::test]
    async fn going_back_forgets_bytes_digest_and_room() {
        let (mut session, room) = session();
        append(&mut session, b"hello").await.unwrap();
        let mark = session.mark().await.unwrap();
        append(&mut session, b" there").await.unwrap();
        session.go_back(mark).await.unwrap();
        assert_eq!(room.taken_bytes(), 5);
        append(&mut session, b" world").await.unwrap();
        assert_eq!(session.finish(&Digest::of(b"hello world")).await.unwrap().digest, Digest::of(b"hello world"));
    }

    #[tokio::test]
    async fn another_algorithm_than_expected_is_read_for() {
        let (mut session, _) = session();
        append(&mut session, b"hello").await.unwrap();
        let digest = Digest::of_with(Algorithm::Sha512, b"hello");
        assert_eq!(session.finish(&digest).await.unwrap().digest, digest);
    }
}
