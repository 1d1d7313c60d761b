//! AWS, as the library wants it.

use std::sync::Arc;

use lazaret_actions::promotion::Promotions;
use lazaret_agent::config::EventSettings;
use lazaret_agent::{Deps, Environment, EventDeps, Scanner};
use lazaret_aws::ObjectStore;
use lazaret_aws::sdk::Sdk;

/// What every agent needs.
pub fn agent(sdk: &Sdk, store: Arc<dyn ObjectStore>, environment: &Environment, scanner: Arc<dyn Scanner>) -> Deps {
    let promotions = environment.promote_state_machine_arn.as_deref().map(|arn| Promotions {
        executions: Arc::new(sdk.executions(arn)),
        results_bucket: environment.settings.results_bucket.clone(),
    });
    let queue = Arc::new(sdk.queue(&environment.queue_url));
    Deps { store, queue, scanner, promotions, tally: Arc::default() }
}

/// What one needs that waits for events.
pub fn events(sdk: &Sdk, agent: Deps, events: &EventSettings) -> EventDeps {
    EventDeps {
        agent,
        topic: Arc::new(sdk.topic(events.notifications_topic.as_str())),
        bus: Arc::new(sdk.event_bus(&events.event_bus)),
    }
}
