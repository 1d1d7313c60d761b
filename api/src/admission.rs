//! How much is taken in hand: places for bodies on their way, a bounded queue, and the engine behind it.
//!
//! A body on its way holds no place of the queue, so that slow clients hold nobody up but each other. Whoever finds no place is told so
//! at once (429): nothing waits where it is not counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::problem::{Cause, Problem};

/// Scans that are handed to the engine for each of its workers: one in it, and the next, so that no worker waits for us.
const SCANS_PER_WORKER: usize = 2;

/// A place; given back when dropped.
#[derive(Debug)]
pub struct Place(#[expect(dead_code, reason = "held for its Drop")] OwnedSemaphorePermit);

/// Hands out places.
#[derive(Debug, Clone)]
pub struct Admission {
    receiving: Arc<Semaphore>,
    queue: Arc<Semaphore>,
    engine: Arc<Semaphore>,
    places: usize,
    queue_places: usize,
    /// Of the queue, since it was last asked for.
    deepest: Arc<AtomicUsize>,
}

impl Admission {
    pub fn new(receiving: usize, queue: usize, workers: usize) -> Self {
        let places = |count: usize| Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS)));
        let (receiving, queue, engine) = (places(receiving), places(queue), places(workers * SCANS_PER_WORKER));
        let queue_places = queue.available_permits();
        let all = receiving.available_permits() + queue_places;
        Self { receiving, queue, engine, places: all, queue_places, deepest: Arc::default() }
    }

    /// Requests whose bodies are on their way, and those whose files are here.
    pub fn in_hand(&self) -> usize {
        self.places - self.receiving.available_permits() - self.queue.available_permits()
    }

    /// The most requests at a time that held a place of the queue, since the last call.
    pub fn deepest(&self) -> usize {
        let now = self.queued();
        self.deepest.swap(now, Ordering::Relaxed).max(now)
    }

    fn queued(&self) -> usize {
        self.queue_places - self.queue.available_permits()
    }

    /// For a request whose body is to be read. If the queue is full by now, the body need not come at all.
    ///
    /// # Errors
    /// If there is no place.
    pub fn receiving(&self) -> Result<Place, Problem> {
        if self.queue.available_permits() == 0 {
            return Err(full(Cause::Queue));
        }
        take(&self.receiving, Cause::Receiving)
    }

    /// For a request whose files are all here.
    ///
    /// # Errors
    /// If there is no place.
    pub fn queue(&self) -> Result<Place, Problem> {
        let place = take(&self.queue, Cause::Queue)?;
        self.deepest.fetch_max(self.queued(), Ordering::Relaxed);
        Ok(place)
    }

    /// For one scan, first come, first served.
    pub async fn engine(&self) -> Place {
        Place(Arc::clone(&self.engine).acquire_owned().await.expect("never closed"))
    }
}

fn take(places: &Arc<Semaphore>, cause: Cause) -> Result<Place, Problem> {
    Arc::clone(places).try_acquire_owned().map(Place).map_err(|_| full(cause))
}

fn full(cause: Cause) -> Problem {
    Problem::full(cause, "there is no place for another scan; try again in a moment")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn slow_bodies_hold_no_place_of_the_queue() {
        let admission = Admission::new(2, 1, 1);
        let _slow = (admission.receiving().expect("a place"), admission.receiving().expect("a place"));
        assert!(admission.receiving().is_err());
        assert_eq!((admission.in_hand(), admission.deepest()), (2, 0));
        let queued = admission.queue().expect("the queue is empty");
        let _scanning = admission.engine().await;
        assert!(admission.queue().is_err());
        drop(queued);
        assert_eq!((admission.deepest(), admission.deepest()), (1, 0), "the most since the last look");
        assert!(admission.queue().is_ok());
    }

    #[test]
    fn a_full_queue_refuses_before_the_body_comes() {
        let admission = Admission::new(2, 1, 1);
        let queued = admission.queue().expect("a place");
        assert!(matches!(admission.receiving(), Err(Problem::TooMany { retry_after_seconds: 1.., .. })));
        drop(queued);
        assert!(admission.receiving().is_ok());
    }
}
