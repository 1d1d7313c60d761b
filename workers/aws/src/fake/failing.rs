//! Which calls of a wrapped port fail, and how.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::locked;

/// All operations together, where their order is what matters.
pub const ANY: &str = "any";

/// The calls of a port that go wrong. Operations are named as the port's methods are (`"fetch"`), [`ANY`] is each of them; calls
/// count from 1.
pub struct Faults<E> {
    state: Arc<Mutex<State<E>>>,
}

impl<E> Clone for Faults<E> {
    fn clone(&self) -> Self {
        Self { state: Arc::clone(&self.state) }
    }
}

struct State<E> {
    calls: BTreeMap<&'static str, u64>,
    planned: Vec<Planned<E>>,
    /// Others have their turn before each call.
    yields: bool,
}

struct Planned<E> {
    operation: &'static str,
    /// `None` is every call.
    call: Option<u64>,
    fault: Fault<E>,
}

#[derive(Clone)]
enum Fault<E> {
    /// Fails and does nothing.
    Before(E),
    /// Does it, and then fails: an answer that was lost.
    After(E),
    Delay(Duration),
    /// Something else happens right before the call.
    Meanwhile(Arc<dyn Fn() + Send + Sync>),
}

impl<E: Clone> Default for Faults<E> {
    fn default() -> Self {
        Self { state: Arc::new(Mutex::new(State { calls: BTreeMap::new(), planned: Vec::new(), yields: false })) }
    }
}

impl<E: Clone> Faults<E> {
    /// The `call`th call of `operation` fails with `error` and does nothing.
    pub fn fail(&self, operation: &'static str, call: u64, error: E) {
        self.plan(operation, Some(call), Fault::Before(error));
    }

    /// Every call of `operation` fails.
    pub fn fail_always(&self, operation: &'static str, error: E) {
        self.plan(operation, None, Fault::Before(error));
    }

    /// The `call`th call is done, but its answer is lost: it fails with `error` all the same.
    pub fn lose_answer(&self, operation: &'static str, call: u64, error: E) {
        self.plan(operation, Some(call), Fault::After(error));
    }

    /// The `call`th call takes this much longer.
    pub fn delay(&self, operation: &'static str, call: u64, by: Duration) {
        self.plan(operation, Some(call), Fault::Delay(by));
    }

    /// Right before the `call`th call something else happens: an owner overwrites the object, say.
    pub fn meanwhile(&self, operation: &'static str, call: u64, happens: impl Fn() + Send + Sync + 'static) {
        self.plan(operation, Some(call), Fault::Meanwhile(Arc::new(happens)));
    }

    /// The same before every call.
    pub fn meanwhile_always(&self, operation: &'static str, happens: impl Fn() + Send + Sync + 'static) {
        self.plan(operation, None, Fault::Meanwhile(Arc::new(happens)));
    }

    /// Right before each call all others have their turn: whoever polls sees a gap there.
    pub fn yield_before_each(&self) {
        locked(&self.state).yields = true;
    }

    /// Calls of an operation so far.
    pub fn calls(&self, operation: &str) -> u64 {
        locked(&self.state).calls.get(operation).copied().unwrap_or_default()
    }

    /// Calls that were planned to fail and have not come.
    pub fn outstanding(&self) -> usize {
        locked(&self.state).planned.iter().filter(|planned| planned.call.is_some()).count()
    }

    fn plan(&self, operation: &'static str, call: Option<u64>, fault: Fault<E>) {
        locked(&self.state).planned.push(Planned { operation, call, fault });
    }

    /// Counts the call and takes what is planned for it.
    fn taken(&self, operation: &'static str) -> Vec<Fault<E>> {
        let mut state = locked(&self.state);
        let mut count = |operation: &'static str| {
            let calls = state.calls.entry(operation).or_default();
            *calls += 1;
            *calls
        };
        let (now, of_any) = (count(operation), count(ANY));
        let applies = |planned: &Planned<E>| {
            let now = if planned.operation == ANY { of_any } else { now };
            (planned.operation == operation || planned.operation == ANY) && planned.call.is_none_or(|call| call == now)
        };
        let taken = state.planned.iter().filter(|planned| applies(planned)).map(|planned| planned.fault.clone());
        let taken = taken.collect();
        state.planned.retain(|planned| planned.call.is_none() || !applies(planned));
        taken
    }

    /// Makes one call of `operation`, with what was planned for it.
    pub(super) async fn around<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let yields = locked(&self.state).yields;
        if yields {
            tokio::task::yield_now().await;
        }
        let mut lost = None;
        for fault in self.taken(operation) {
            match fault {
                Fault::Before(error) => return Err(error),
                Fault::After(error) => lost = Some(error),
                Fault::Delay(by) => tokio::time::sleep(by).await,
                Fault::Meanwhile(happens) => happens(),
            }
        }
        let done = call.await?;
        lost.map_or(Ok(done), Err)
    }
}
