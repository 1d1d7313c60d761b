//! Events for EventBridge, as many a call as it takes: a call costs the same with ten as with one.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use lazaret_aws::ServiceError;
use lazaret_aws::announce::{ANNOUNCEMENT_BYTES, BusEvent, EventBus, PUT_EVENTS_MAX};
use lazaret_model::announcement::EVENT_SOURCE;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

use crate::retry;

/// How long the first event of a batch waits for others. Nobody who reads events minds, and where an agent is busy a batch is full
/// before that.
const LINGER: Duration = Duration::from_millis(50);

/// Collects events, and puts them.
#[derive(Clone)]
pub struct Batches {
    bus: Arc<dyn EventBus>,
    inbox: mpsc::Sender<Waiting>,
}

/// An event, and who waits for its end.
pub struct Waiting {
    event: BusEvent,
    done: oneshot::Sender<Result<(), ServiceError>>,
}

impl Batches {
    /// The second is for [`Batches::keep_putting`].
    pub fn new(bus: Arc<dyn EventBus>) -> (Self, mpsc::Receiver<Waiting>) {
        let (inbox, waiting) = mpsc::channel(PUT_EVENTS_MAX);
        (Self { bus, inbox }, waiting)
    }

    /// Returns once the bus has it.
    ///
    /// # Errors
    /// If the bus refuses, or does not take it for a while.
    pub async fn put(&self, event: BusEvent) -> Result<(), ServiceError> {
        let (done, result) = oneshot::channel();
        // both ends live as long as the agent; if not, it is as if the bus had not answered
        let _ = self.inbox.send(Waiting { event, done }).await;
        result.await.unwrap_or_else(|_| Err(not_put("the agent ends")))
    }

    /// Puts what is waiting, for ever.
    pub async fn keep_putting(&self, mut waiting: mpsc::Receiver<Waiting>) -> Infallible {
        let mut puts = JoinSet::new(); // dropped, it aborts what it holds
        let mut left = None;
        loop {
            let first = match left.take() {
                Some(left) => left,
                None => waiting.recv().await.expect("self has a sender"),
            };
            let mut bytes = bytes_of(&first.event);
            let mut batch = vec![first];
            let until = Instant::now() + LINGER;
            while batch.len() < PUT_EVENTS_MAX
                && let Ok(Some(next)) = timeout_at(until, waiting.recv()).await
            {
                bytes += bytes_of(&next.event);
                if bytes > ANNOUNCEMENT_BYTES {
                    left = Some(next);
                    break;
                }
                batch.push(next);
            }
            while puts.try_join_next().is_some() {}
            puts.spawn(put_all(Arc::clone(&self.bus), batch));
        }
    }
}

/// Puts a batch. Where the bus takes it for none, each goes alone: one that can't be taken must not stand in the way of nine others.
async fn put_all(bus: Arc<dyn EventBus>, batch: Vec<Waiting>) {
    if let Err(batch) = put_together(bus.as_ref(), batch).await {
        for one in batch {
            let _ = put_together(bus.as_ref(), vec![one]).await;
        }
    }
}

/// Puts a batch; what is refused for now is put again. All get their answers, but for several that no attempt can put together.
async fn put_together(bus: &dyn EventBus, mut batch: Vec<Waiting>) -> Result<(), Vec<Waiting>> {
    let mut failures = 0;
    loop {
        let events: Vec<_> = batch.iter().map(|waiting| waiting.event.clone()).collect();
        let why = match bus.put(&events).await {
            Ok(refused) => {
                let mut again = Vec::new();
                for (index, waiting) in batch.into_iter().enumerate() {
                    if refused.contains(&index) { again.push(waiting) } else { waiting.answer(Ok(())) }
                }
                batch = again;
                not_put("EventBridge refused it")
            }
            Err(error) if !error.retryable && batch.len() > 1 => return Err(batch),
            Err(error) => error,
        };
        if batch.is_empty() {
            return Ok(());
        }
        failures += 1;
        if !why.retryable || failures >= retry::ANNOUNCE.attempts {
            batch.into_iter().for_each(|waiting| waiting.answer(Err(why.clone())));
            return Ok(());
        }
        sleep(retry::ANNOUNCE.wait(failures)).await;
    }
}

impl Waiting {
    fn answer(self, result: Result<(), ServiceError>) {
        let _ = self.done.send(result); // whoever waited may have been given up
    }
}

/// As EventBridge counts an entry: its texts, and 14 bytes for the time.
fn bytes_of(event: &BusEvent) -> usize {
    let resources: usize = event.resources.iter().map(String::len).sum();
    EVENT_SOURCE.len() + event.detail_type.len() + event.detail.len() + resources + 14
}

fn not_put(why: &str) -> ServiceError {
    ServiceError { operation: "PutEvents", message: why.to_owned(), retryable: true, not_found: false }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;
    use futures::future::join_all;
    use lazaret_aws::fake::refused;

    use super::*;

    /// Counts what each call brings; refuses as it is told.
    #[derive(Default)]
    struct Bus {
        calls: Mutex<Vec<Vec<String>>>,
        /// Details that are refused in the first call that brings them.
        refused_once: Mutex<Vec<String>>,
        /// A detail that no call may bring.
        poison: Option<String>,
    }

    #[async_trait]
    impl EventBus for Bus {
        async fn put(&self, events: &[BusEvent]) -> Result<Vec<usize>, ServiceError> {
            let details: Vec<_> = events.iter().map(|event| event.detail.clone()).collect();
            assert!(
                details.len() <= PUT_EVENTS_MAX && events.iter().map(bytes_of).sum::<usize>() <= ANNOUNCEMENT_BYTES
            );
            self.calls.lock().expect("calls").push(details.clone());
            if self.poison.as_ref().is_some_and(|poison| details.contains(poison)) {
                return Err(refused("PutEvents", "ValidationException"));
            }
            let mut once = self.refused_once.lock().expect("once");
            let again = (0..details.len()).filter(|index| once.contains(&details[*index])).collect();
            once.retain(|detail| !details.contains(detail));
            Ok(again)
        }
    }

    fn event(detail: &str) -> BusEvent {
        BusEvent { detail_type: "t".into(), detail: detail.into(), resources: Vec::new() }
    }

    async fn put(bus: Bus, details: &[String]) -> (Vec<Result<(), ServiceError>>, Vec<Vec<String>>) {
        let bus = Arc::new(bus);
        let (batches, waiting) = Batches::new(bus.clone());
        let all = join_all(details.iter().map(|detail| batches.put(event(detail))));
        let results = tokio::select! {
            results = all => results,
            never = batches.keep_putting(waiting) => match never {},
        };
        let calls = bus.calls.lock().expect("calls").clone();
        (results, calls)
    }

    fn numbered(count: usize) -> Vec<String> {
        (0..count).map(|n| n.to_string()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn ten_go_together_and_the_last_do_not_wait_for_others() {
        let began = Instant::now();
        let (results, calls) = put(Bus::default(), &numbered(23)).await;
        assert!(results.iter().all(Result::is_ok));
        assert_eq!(calls.iter().map(Vec::len).collect::<Vec<_>>(), [10, 10, 3]);
        assert!(began.elapsed() <= LINGER * 2);
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_fit_goes_with_the_next() {
        let large: Vec<_> = (0..5).map(|n| n.to_string().repeat(100 * 1024)).collect();
        let (results, calls) = put(Bus::default(), &large).await;
        assert!(results.iter().all(Result::is_ok));
        assert_eq!(calls.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 1]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_refused_is_put_again_and_nothing_else() {
        let bus = Bus { refused_once: Mutex::new(vec!["1".into(), "3".into()]), ..Bus::default() };
        let (results, calls) = put(bus, &numbered(5)).await;
        assert!(results.iter().all(Result::is_ok));
        assert_eq!(calls[1..], [vec!["1".to_owned(), "3".to_owned()]]);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_no_event_fails_alone() {
        let (results, _) = put(Bus { poison: Some("2".into()), ..Bus::default() }, &numbered(5)).await;
        assert_eq!(results.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, true, false, true, true]);
    }
}
