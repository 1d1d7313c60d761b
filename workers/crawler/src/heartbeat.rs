//! Tells Step Functions that the crawl is alive, and hears whether anybody still waits for it.

use std::sync::Arc;
use std::time::Duration;

use lazaret_aws::TaskCallback;
use lazaret_aws::token::Taken;
use tokio_util::task::AbortOnDropHandle;
use tracing::warn;

/// Beats at once and then at every interval, on a task of its own, so that no work delays a beat. Ends when nobody waits for
/// the token any more. A beat that fails is no reason to stop: the next may pass, and if none does, Step Functions says so.
pub fn beat(callback: Arc<dyn TaskCallback>, interval: Duration) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(async move {
        let mut ticks = tokio::time::interval(interval);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            match callback.heartbeat().await {
                Ok(Taken::Yes) => {}
                Ok(Taken::NoLongerWaiting) => return,
                Err(error) => warn!(error = %error, "A heartbeat failed"),
            }
        }
    }))
}
