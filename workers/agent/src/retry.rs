//! How often the agent tries again, and for how long.

use std::time::Duration;

pub use lazaret_actions::retry::{STORE, store};
use lazaret_aws::Backoff;

/// Calls to SQS about one message: short, since the message comes back by itself where they fail.
pub const MESSAGE: Backoff = Backoff { attempts: 4, first: Duration::from_millis(200), cap: Duration::from_secs(2) };

/// Receiving. A queue that answers nothing else for about eight minutes is not coming back for this agent.
pub const RECEIVE: Backoff = Backoff { attempts: 20, first: Duration::from_millis(500), cap: Duration::from_secs(30) };

/// Starting an execution that Step Functions refuses for now, each time after [`STORE`] was tried to its end: as long as the caller has.
pub const START: Backoff = Backoff { attempts: u32::MAX, first: Duration::from_secs(1), cap: Duration::from_secs(10) };

/// Calls to SNS and EventBridge: some ten seconds, then the message comes back later.
pub const ANNOUNCE: Backoff = Backoff { attempts: 6, first: Duration::from_millis(200), cap: Duration::from_secs(5) };
