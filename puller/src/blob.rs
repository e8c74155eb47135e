//! One blob: streamed, counted and hashed on the way, taken up again where it broke off, verified at the end.
//!
//! A blob is never held in memory. After a broken connection the rest is asked for with `Range: bytes=<offset>-`:
//!
//! | answer | then |
//! |---|---|
//! | 206, `Content-Range` exactly from the offset to the end | the rest is appended |
//! | 200 | the prefix is discarded as it comes by, and the rest appended; other clients begin anew, or fail |
//! | 206 with another range, 416 | from zero, if the client has another attempt for it |
//!
//! An attempt that brings the blob further than any before it, by as much as the client wants to see, is progress, and its
//! attempts begin anew: a large blob over a bad line comes through, and one that drips does not go on for ever.
//!
//! More bytes than the descriptor says are an error at once. A wrong digest at the end starts from zero once, with clients
//! that have an attempt for it, and is the outcome the second time.
//!
//! Source: distribution-spec, "Pulling blobs"; facts/registry E5.

use std::time::Duration;

use http::{Method, StatusCode, header::CONTENT_RANGE};
use oci::{ContentRange, Descriptor, Digester, Endpoint, RangeRequest, RepositoryName, ResolvedRange};
use reqwest::Response;
use testbed::{
    clock::Participant,
    task::{FailureKind, PullFailure},
};
use tokio::time::timeout;

use crate::{
    client::{Cause, FullAnswer, RequestKind, Resume},
    decode::Decoder,
    failure::Trouble,
    manifest::MAX_MISMATCHES,
    progress::Progress,
    session::{Attempts, Session},
    sink::{BlobFile, Sink},
    transport::{Ask, text},
};

/// How long one attempt at a body may take, in wire time. Silence ends it much earlier: that is the vantage's deadline.
const BODY_DEADLINE: Duration = Duration::from_secs(30 * 60);
/// How much has to arrive between two pieces of news about it.
const NEWS_BYTES: u64 = 256 * 1024;

/// Fetches the blob that `descriptor` points at into `sink`.
pub(crate) async fn fetch(
    session: &Session,
    participant: &Participant,
    repository: &RepositoryName,
    descriptor: &Descriptor,
    kind: RequestKind,
    sink: &Sink,
) -> Result<(), PullFailure> {
    let Descriptor { digest, size, .. } = descriptor;
    session.listener.tell(|| Progress::BlobStarted { digest: digest.clone(), size_bytes: *size });

    let endpoint = Endpoint::Blob { repository: repository.clone(), digest: digest.clone() };
    let accept = if session.profile.blobs.sends_accept { session.accept() } else { Vec::new() };
    let ask = Ask { accept, ..Ask::new(kind, Method::GET, session.url(&endpoint)) };
    let mut attempts = Attempts::new(session, participant, &ask);
    let mut download = Download::new(session, descriptor, sink.create_blob().await?);
    let mut n_mismatches = 0;
    let mut n_furthest = 0_u64;
    loop {
        let trouble = match download.go_on(participant, &ask).await {
            Ok(()) => match download.verify() {
                Ok(()) => break,
                Err(trouble) => trouble,
            },
            Err(trouble) => trouble,
        };
        if trouble.failure.kind == FailureKind::DigestMismatch {
            n_mismatches += 1;
            if n_mismatches == MAX_MISMATCHES {
                return Err(trouble.failure);
            }
        }
        let habits = &session.profile.blobs;
        let is_wrong = matches!(trouble.cause, Cause::Digest | Cause::Range);
        let must_restart = is_wrong || habits.resume == Resume::Restart;
        let progress = habits.progress.map(|progress| n_furthest.saturating_add(progress.bytes()));
        if !is_wrong && progress.is_some_and(|progress| download.n_bytes >= progress) {
            n_furthest = download.n_bytes;
            attempts.reset();
        }
        attempts.wait_after(trouble).await?;
        if must_restart {
            download.restart().await?;
        }
    }

    download.file.keep(digest).await?;
    session.listener.tell(|| Progress::BlobDone { digest: digest.clone() });
    Ok(())
}

/// A download, as far as it has come.
struct Download<'a> {
    session: &'a Session,
    descriptor: &'a Descriptor,
    file: BlobFile,
    digester: Digester,
    /// How many bytes of the blob are in the file and in the digest.
    n_bytes: u64,
    /// `n_bytes` when it was last told.
    n_told: u64,
}

impl<'a> Download<'a> {
    fn new(session: &'a Session, descriptor: &'a Descriptor, file: BlobFile) -> Self {
        let digester = Digester::new(descriptor.digest.algorithm());
        Self { session, descriptor, file, digester, n_bytes: 0, n_told: 0 }
    }

    /// One attempt at what is still missing.
    async fn go_on(&mut self, participant: &Participant, ask: &Ask) -> Result<(), Trouble> {
        if self.n_bytes > 0 && self.n_bytes == self.descriptor.size {
            return Ok(());
        }
        let (first, habits) = (self.n_bytes, &self.session.profile.blobs);
        // One past the end, as regclient has it: what a registry makes of it is the registry's.
        let range = match habits.range_has_end {
            true => RangeRequest::Between { first, last: self.descriptor.size },
            false => RangeRequest::From { first },
        };
        let range = (first > 0).then_some(range);
        let takes_encoded = habits.decodes && range.is_none();
        let ask = Ask { range, takes_encoded, ..ask.clone() };
        let response = self.session.exchange(participant, &ask).await?;
        let decoder = match takes_encoded {
            true => Decoder::of(response.headers()).map_err(|other| self.encoded(&format!("is encoded as {other}")))?,
            false => Decoder::Identity,
        };
        let mut discard_bytes = self.read_head(&response, !decoder.is_identity())?;
        if discard_bytes > 0 && habits.full_answer == FullAnswer::Restart {
            self.restart().await.map_err(|failure| Trouble::last(failure.kind, failure.message))?;
            discard_bytes = 0;
        } else if discard_bytes < self.n_bytes {
            self.session.cost.add_resumed();
        }
        match timeout(BODY_DEADLINE, self.read_body(&ask, response, decoder, discard_bytes)).await {
            Ok(read) => read,
            Err(_) => Err(Trouble::cut(format!("{}: no whole body for {BODY_DEADLINE:?}", ask.name()))),
        }
    }

    /// What the answer's head promises: how many bytes of its body are known already. The length of an encoded body is no
    /// promise.
    fn read_head(&self, response: &Response, is_encoded: bool) -> Result<u64, Trouble> {
        let Descriptor { digest, size, .. } = self.descriptor;
        let habits = &self.session.profile.blobs;
        let content = |message| Err(Trouble::range(format!("blob {digest}: {message}")));
        match response.status() {
            StatusCode::PARTIAL_CONTENT if self.n_bytes > 0 => {
                let stated = text(response.headers(), CONTENT_RANGE);
                let wanted = ResolvedRange { first: self.n_bytes, last: size - 1 };
                let is_exact = stated.and_then(|text| text.parse().ok()).is_some_and(|stated| {
                    matches!(stated, ContentRange::Part { range, size: whole }
                        if range == wanted && whole.is_none_or(|whole| whole == *size))
                });
                let (first, stated) = (self.n_bytes, stated.unwrap_or("nothing"));
                if is_exact { Ok(0) } else { content(format!("asked for the bytes from {first}, got `{stated}`")) }
            }
            StatusCode::OK => match response.content_length().filter(|_| !is_encoded) {
                Some(length) if length > *size => Err(self.too_many(length)),
                Some(length) if length < *size && habits.checks_length => Err(self.too_many(length)),
                _ if self.n_bytes > 0 && habits.full_answer == FullAnswer::Fail => {
                    let message = format!("blob {digest}: asked for the bytes from {}, got all", self.n_bytes);
                    Err(Trouble::last(FailureKind::Protocol, message))
                }
                _ => Ok(self.n_bytes),
            },
            StatusCode::RANGE_NOT_SATISFIABLE => {
                content(format!("the registry has no bytes from {} on, of {size}", self.n_bytes))
            }
            status => content(format!("unexpected status {status}")),
        }
    }

    async fn read_body(
        &mut self,
        ask: &Ask,
        mut response: Response,
        mut decoder: Decoder,
        mut discard_bytes: u64,
    ) -> Result<(), Trouble> {
        let mut is_over = false;
        while !is_over {
            let patience = self.session.timeout.unwrap_or(BODY_DEADLINE);
            let Ok(chunk) = timeout(patience, response.chunk()).await else {
                return Err(Trouble::cut(format!("{}: nothing more for {patience:?}", ask.name())));
            };
            let chunk = chunk.map_err(|error| Trouble::of_body(&ask.method, &ask.url, error))?;
            let mut chunk = match chunk {
                Some(piece) => {
                    self.session.cost.add_received(piece.len() as u64);
                    decoder.decode(piece).map_err(|error| self.encoded(&format!("cannot be decoded: {error}")))?
                }
                None => {
                    is_over = true;
                    let early = |error| Trouble::cut(format!("{}: the encoded body ends early: {error}", ask.name()));
                    decoder.finish().map_err(early)?
                }
            };
            let n_known = usize::try_from(discard_bytes).unwrap_or(usize::MAX).min(chunk.len());
            discard_bytes -= n_known as u64;
            let chunk = chunk.split_off(n_known);
            if chunk.is_empty() {
                continue;
            }
            let n_bytes = self.n_bytes + chunk.len() as u64;
            if n_bytes > self.descriptor.size {
                return Err(self.too_many(n_bytes));
            }
            self.digester.update(&chunk);
            self.file.write(chunk).await.map_err(|failure| Trouble::last(failure.kind, failure.message))?;
            self.n_bytes = n_bytes;
            self.tell();
        }
        if self.n_bytes == self.descriptor.size {
            return Ok(());
        }
        // The body ended in good order and too early: a cut that HTTP did not notice, or a blob that is shorter.
        let Descriptor { digest, size, .. } = self.descriptor;
        let message =
            format!("blob {digest}: size mismatch: the manifest says {size} bytes, received {}", self.n_bytes);
        Err(Trouble::cut(message))
    }

    /// Whether it is what the manifest promised.
    fn verify(&self) -> Result<(), Trouble> {
        let expected = &self.descriptor.digest;
        let actual = self.digester.clone().finish();
        if actual == *expected { Ok(()) } else { Err(Trouble::digest("blob", expected, &actual)) }
    }

    async fn restart(&mut self) -> Result<(), PullFailure> {
        self.file.clear().await?;
        self.digester = Digester::new(self.descriptor.digest.algorithm());
        self.n_bytes = 0;
        self.n_told = 0;
        Ok(())
    }

    /// The body is not what its `Content-Encoding` says, or what it says is not known.
    fn encoded(&self, what: &str) -> Trouble {
        Trouble::last(FailureKind::Protocol, format!("blob {}: the body {what}", self.descriptor.digest))
    }

    fn too_many(&self, n_bytes: u64) -> Trouble {
        let Descriptor { digest, size, .. } = self.descriptor;
        let message = format!("blob {digest}: size mismatch: the manifest says {size} bytes, received {n_bytes}");
        Trouble::last(FailureKind::Protocol, message)
    }

    fn tell(&mut self) {
        if self.n_bytes - self.n_told >= NEWS_BYTES || self.n_bytes == self.descriptor.size {
            self.n_told = self.n_bytes;
            let (digest, n_bytes) = (&self.descriptor.digest, self.n_bytes);
            self.session.listener.tell(|| Progress::BlobProgress { digest: digest.clone(), n_bytes });
        }
    }
}
