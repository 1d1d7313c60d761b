//! How much is taken in hand: places for bodies on their way, a bounded queue, and the engine behind it.
//!
//! A body on its way holds no place of the queue, so that slow clients hold nobody up but each other. Whoever finds no place is told so
//! at once (429): nothing waits where it is not counted.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::problem::Problem;

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
}

impl Admission {
    pub fn new(receiving: usize, queue: usize, workers: usize) -> Self {
        let places = |count: usize| Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS)));
        let (receiving, queue, engine) = (places(receiving), places(queue), places(workers * SCANS_PER_WORKER));
        let all = receiving.available_permits() + queue.available_permits();
        Self { receiving, queue, engine, places: all }
    }

    /// Requests whose bodies are on their way, and those whose files are here.
    pub fn in_hand(&self) -> usize {
        self.places - self.receiving.available_permits() - self.queue.available_permits()
    }

    /// For a request whose body is to be read. If the queue is full by now, the body need not come at all.
    ///
    /// # Errors
    /// If there is no place.
    pub fn receiving(&self) -> Result<Place, Problem> {
        if self.queue.available_permits() == 0 {
            return Err(full());
        }
        take(&self.receiving)
    }

    /// For a request whose files are all here.
    ///
    /// # Errors
    /// If there is no place.
    pub fn queue(&self) -> Result<Place, Problem> {
        take(&self.queue)
    }

    /// For one scan, first come, first served.
    pub async fn engine(&self) -> Place {
        Place(Arc::clone(&self.engine).acquire_owned().await.expect("never closed"))
    }
}

fn take(places: &Arc<Semaphore>) -> Result<Place, Problem> {
    Arc::clone(places).try_acquire_owned().map(Place).map_err(|_| full())
}

fn full() -> Problem {
    Problem::full("there is no place for another scan; try again in a moment")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn slow_bodies_hold_no_place_of_the_queue() {
        let admission = Admission::new(2, 1, 1);
        let _slow = (admission.receiving().expect("a place"), admission.receiving().expect("a place"));
        assert!(admission.receiving().is_err());
        assert_eq!(admission.in_hand(), 2);
        let queued = admission.queue().expect("the queue is empty");
        let _scanning = admission.engine().await;
        assert!(admission.queue().is_err());
        drop(queued);
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
