//! A place among the exchanges that may be under way at once, given back when it is dropped.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::{Limiter, Ruling};
use crate::Measure;

/// A place among the exchanges that are under way.
pub(crate) struct Permit {
    limiter: Limiter,
    limit: u64,
    key: u128,
}

/// The places that one exchange takes up, left on its response; the last clone gives them back.
#[derive(Clone, Debug)]
pub(crate) struct Permits(#[expect(dead_code, reason = "held until it is dropped")] Arc<Vec<Permit>>);

/// A body that holds the places of its exchange until it is sent, or given up.
#[derive(Debug)]
pub(crate) struct HoldingBody {
    body: axum::body::Body,
    _permits: Permits,
}

impl Permits {
    /// The places that were given with `ruling`, if it gave any.
    pub(super) fn of(limiter: &Limiter, ruling: &Ruling) -> Option<Self> {
        let taken =
            ruling.standings.iter().filter(|standing| standing.used && standing.config.of == Measure::Concurrency);
        let permits: Vec<_> = taken
            .map(|standing| Permit { limiter: limiter.clone(), limit: standing.limit, key: standing.key })
            .collect();
        (!permits.is_empty()).then(|| Self(Arc::new(permits)))
    }

    /// `body`, with the places held until it ends.
    pub(crate) fn hold(self, body: axum::body::Body) -> HoldingBody {
        HoldingBody { body, _permits: self }
    }
}

impl Body for HoldingBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.limiter.close(self.limit, self.key);
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Permit({})", self.limit)
    }
}
