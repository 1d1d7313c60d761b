//! Whether this server is to be sent requests: it serves, or it is on its way out.

use tokio::sync::watch;

/// How it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Serving,
    /// Told to end: what is in hand is finished.
    Draining,
    /// The engine gave up for good: nothing can be finished.
    Broken(String),
}

/// Told by whoever finds out, read by whoever must know.
#[derive(Debug)]
pub struct Standing(watch::Sender<State>);

impl Default for Standing {
    fn default() -> Self {
        Self(watch::Sender::new(State::Serving))
    }
}

impl Standing {
    pub fn drain(&self) {
        self.0.send_if_modified(|state| {
            let serving = *state == State::Serving;
            if serving {
                *state = State::Draining;
            }
            serving
        });
    }

    pub fn engine_is_gone(&self, why: String) {
        self.0.send_if_modified(|state| {
            let news = !matches!(state, State::Broken(_));
            if news {
                *state = State::Broken(why);
            }
            news
        });
    }

    pub fn serving(&self) -> bool {
        *self.0.borrow() == State::Serving
    }

    /// Why nothing can be finished, if so.
    pub fn broken(&self) -> Option<String> {
        match &*self.0.borrow() {
            State::Broken(why) => Some(why.clone()),
            _ => None,
        }
    }

    /// Returns when the engine is gone, with its last words.
    pub async fn until_broken(&self) -> String {
        let mut states = self.0.subscribe();
        let _ = states.wait_for(|state| matches!(state, State::Broken(_))).await; // the sender lives as long as `self`
        self.broken().unwrap_or_default()
    }
}
