//! Several parts of a blob in one body: `multipart/byteranges`.
//!
//! Source: RFC 9110, "Media Type multipart/byteranges".

use std::{
    fmt::Write as _,
    pin::Pin,
    task::{Context, Poll, ready},
    vec::IntoIter,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use oci::{ContentRange, Digest, ResolvedRange};

use crate::{body::ContentBody, store::Content};

/// Parts of a blob, each with its place in front of it.
#[derive(Debug)]
pub(super) struct ByteRanges {
    content: Content,
    boundary: String,
    parts: IntoIter<ResolvedRange>,
    /// The part whose bytes are next.
    part: Option<ContentBody>,
    is_first: bool,
    left_bytes: u64,
}

impl ByteRanges {
    /// The `parts` of the blob `digest`, in their order.
    pub(super) fn new(content: Content, digest: &Digest, parts: Vec<ResolvedRange>) -> Self {
        // No content holds its own digest, so it is a text that does not occur there.
        let boundary = digest.encoded().chars().take(60).collect();
        let mut body =
            Self { content, boundary, part: None, is_first: true, left_bytes: 0, parts: Vec::new().into_iter() };
        let heads = parts.iter().enumerate().map(|(n, part)| body.head(*part, n == 0).len() as u64 + part.size_bytes());
        body.left_bytes = heads.sum::<u64>() + body.tail().len() as u64;
        body.parts = parts.into_iter();
        body
    }

    /// What the answer says in `Content-Type`.
    pub(super) fn content_type(&self) -> String {
        format!("multipart/byteranges; boundary={}", self.boundary)
    }

    /// How many bytes it has altogether.
    pub(super) fn size_bytes(&self) -> u64 {
        self.left_bytes
    }

    /// What stands in front of a part.
    fn head(&self, range: ResolvedRange, is_first: bool) -> String {
        let place = ContentRange::Part { range, size: Some(self.content.size_bytes()) };
        let mut head = String::from(if is_first { "" } else { "\r\n" });
        // Writing to a string does not fail.
        let _ = write!(
            head,
            "--{}\r\nContent-Range: {place}\r\nContent-Type: application/octet-stream\r\n\r\n",
            self.boundary
        );
        head
    }

    /// What stands behind the last part.
    fn tail(&self) -> String {
        format!("\r\n--{}--\r\n", self.boundary)
    }
}

impl Body for ByteRanges {
    type Data = Bytes;
    type Error = <ContentBody as Body>::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Some(part) = &mut self.part {
            if let Some(frame) = ready!(Pin::new(part).poll_frame(cx)) {
                let n_bytes = frame.as_ref().ok().and_then(Frame::data_ref).map_or(0, Bytes::len);
                self.left_bytes = self.left_bytes.saturating_sub(n_bytes as u64);
                return Poll::Ready(Some(frame));
            }
            self.part = None;
        }
        if self.is_end_stream() {
            return Poll::Ready(None);
        }
        let text = match self.parts.next() {
            Some(range) => {
                self.part = Some(ContentBody::new(self.content.clone(), range.first, range.last + 1));
                let is_first = std::mem::replace(&mut self.is_first, false);
                self.head(range, is_first)
            }
            None => self.tail(),
        };
        self.left_bytes = self.left_bytes.saturating_sub(text.len() as u64);
        Poll::Ready(Some(Ok(Frame::data(text.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.left_bytes == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left_bytes)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn parts_stand_between_boundaries_and_are_as_long_as_announced() {
        let bytes = Bytes::from_static(b"0123456789");
        let digest = Digest::of(&bytes);
        let parts = vec![ResolvedRange { first: 7, last: 9 }, ResolvedRange { first: 0, last: 0 }];
        let body = ByteRanges::new(Content::Memory(bytes), &digest, parts);
        let (size_bytes, boundary) = (body.size_bytes(), body.boundary.clone());
        let sent = body.collect().await.unwrap().to_bytes();
        assert_eq!(sent.len() as u64, size_bytes);
        let expected = "--#\r\nContent-Range: bytes 7-9/10\r\nContent-Type: application/octet-stream\r\n\r\n789\r\n\
                        --#\r\nContent-Range: bytes 0-0/10\r\nContent-Type: application/octet-stream\r\n\r\n0\r\n--#--\r\n";
        assert_eq!(std::str::from_utf8(&sent).unwrap(), expected.replace('#', &boundary));
    }
}
