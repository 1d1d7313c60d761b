//! A body as it comes in: no more than is allowed, and no slower.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_LENGTH;
use bytes::Bytes;
use futures::StreamExt;
use tokio::time::{Instant, timeout_at};

use crate::config::Limits;
use crate::problem::Problem;

/// For a body of a few hundred bytes, which one packet carries.
const SMALL: Duration = Duration::from_secs(5);

/// So much must come within each stall time: at 30 s, a modem of 1990 passes and a trickle that only wants a place does not.
const STALL_BYTES: u64 = 4 << 10;

/// Reads a body.
pub struct Pace {
    stream: BodyDataStream,
    received: u64,
    limit_bytes: u64,
    stall: Duration,
    /// By then the next [`STALL_BYTES`] must be here.
    stall_at: Instant,
    stall_bytes: u64,
    /// By then all must be here.
    end_at: Instant,
}

impl Pace {
    /// # Errors
    /// If the request says that its body is too large: none of it is read.
    pub fn new(headers: &HeaderMap, body: Body, limit_bytes: u64, limits: &Limits) -> Result<Self, Problem> {
        let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if announced.is_some_and(|bytes| bytes > limit_bytes) {
            return Err(Problem::TooLarge { limit_bytes });
        }
        let now = Instant::now();
        Ok(Self {
            stream: body.into_data_stream(),
            received: 0,
            limit_bytes,
            stall: limits.stall,
            stall_at: now + limits.stall,
            stall_bytes: 0,
            end_at: now + limits.receive,
        })
    }

    /// Bytes so far.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// If it ends early, is too large or too slow.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Problem> {
        let by = self.stall_at.min(self.end_at);
        let chunk = match timeout_at(by, self.stream.next()).await {
            Ok(None) => return Ok(None),
            Ok(Some(Ok(chunk))) => chunk,
            Ok(Some(Err(_))) => return Err(Problem::bad_request("the body ended before it was whole")),
            Err(_) => return Err(Problem::bad_request("the body did not arrive in time")),
        };
        self.received += chunk.len() as u64;
        if self.received > self.limit_bytes {
            return Err(Problem::TooLarge { limit_bytes: self.limit_bytes });
        }
        self.stall_bytes += chunk.len() as u64;
        if self.stall_bytes >= STALL_BYTES {
            self.stall_bytes = 0;
            self.stall_at = Instant::now() + self.stall;
        }
        Ok(Some(chunk))
    }

    /// A small body in memory.
    ///
    /// # Errors
    /// As [`Self::chunk`].
    pub async fn whole(mut self) -> Result<Vec<u8>, Problem> {
        self.end_at = self.end_at.min(Instant::now() + SMALL);
        let mut all = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            all.extend_from_slice(&chunk);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;
    use crate::testing::limits;

    const SECOND: Duration = Duration::from_secs(1);

    /// Bytes that come one chunk every `every`, for ever.
    fn trickle(bytes: usize, every: Duration) -> Body {
        let chunks = stream::unfold((), move |()| async move {
            tokio::time::sleep(every).await;
            Some((Ok::<_, std::io::Error>(Bytes::from(vec![0; bytes])), ()))
        });
        Body::from_stream(chunks)
    }

    async fn refused(body: Body, limit_bytes: u64) -> (Problem, Duration) {
        let limits = Limits { stall: 30 * SECOND, receive: 900 * SECOND, ..limits() };
        let begun = Instant::now();
        let mut pace = Pace::new(&HeaderMap::new(), body, limit_bytes, &limits).expect("a body");
        loop {
            if let Err(problem) = pace.chunk().await {
                return (problem, begun.elapsed());
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_small_body_has_the_time_of_a_small_one() {
        let limits = Limits { stall: 30 * SECOND, receive: 900 * SECOND, ..limits() };
        let begun = Instant::now();
        let pace = Pace::new(&HeaderMap::new(), trickle(1, SECOND), 1 << 20, &limits).expect("a body");
        assert!(matches!(pace.whole().await, Err(Problem::BadRequest(_))));
        assert_eq!(begun.elapsed(), SMALL);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stalls_or_trickles_is_given_up() {
        for body in [trickle(1, 3_600 * SECOND), trickle(1, SECOND), trickle(1_000, 29 * SECOND)] {
            let (problem, after) = refused(body, 1 << 30).await;
            assert!(matches!(problem, Problem::BadRequest(_)));
            assert!(after <= 31 * SECOND, "{after:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_body_may_take_its_time_and_no_longer() {
        let (problem, after) = refused(trickle(5_000, 20 * SECOND), 1 << 30).await;
        assert!(matches!(problem, Problem::BadRequest(_)));
        assert!((900 * SECOND..902 * SECOND).contains(&after), "{after:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_is_too_large_as_soon_as_it_is() {
        let (problem, after) = refused(trickle(10_000, SECOND), 25_000).await;
        assert_eq!(problem, Problem::TooLarge { limit_bytes: 25_000 });
        assert!(after < 4 * SECOND);
        let headers = HeaderMap::from_iter([(CONTENT_LENGTH, 25_001.into())]);
        assert!(Pace::new(&headers, Body::empty(), 25_000, &limits()).is_err(), "by what its head says");
    }
}
