//! One of the functions, chosen by its name, from JSON to JSON.

use std::sync::Arc;

use jiff::Timestamp;
use lazaret_aws::queue::Queues;
use lazaret_aws::{Buckets, Executions, ObjectStore, TaskFleet, Uploads};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::check_drain::CheckDrain;
use crate::check_input::CheckInput;
use crate::config::Config;
use crate::error::FunctionError;
use crate::promote::Promote;
use crate::protect_tagged::ProtectTagged;
use crate::report::Report;
use crate::size_fleet::SizeFleet;
use crate::start_scheduled::StartScheduled;
use crate::tear_down::TearDown;
use crate::watch_definitions::WatchDefinitions;
use crate::watch_staging::WatchStaging;

/// The tasks of a cluster, by its name.
pub type Clusters = dyn Fn(&str) -> Arc<dyn TaskFleet> + Send;

/// The executions of a state machine, by its ARN.
pub type StateMachines = dyn Fn(&str) -> Arc<dyn Executions> + Send;

/// The services that the functions use.
pub struct Services {
    pub store: Arc<dyn ObjectStore>,
    pub buckets: Arc<dyn Buckets>,
    pub uploads: Arc<dyn Uploads>,
    pub state_machines: Box<StateMachines>,
    pub queues: Arc<dyn Queues>,
    pub clusters: Box<Clusters>,
}

/// A function, ready to be called.
pub enum Function {
    CheckInput(CheckInput),
    SizeFleet(SizeFleet),
    CheckDrain(CheckDrain),
    Report(Report),
    TearDown(TearDown),
    Promote(Promote),
    WatchStaging(WatchStaging),
    ProtectTagged(ProtectTagged),
    StartScheduled(StartScheduled),
    WatchDefinitions(WatchDefinitions),
}

impl Function {
    pub fn new(config: Config, services: Services) -> Self {
        let Services { store, buckets, uploads, state_machines, queues, clusters } = services;
        match config {
            Config::CheckInput => Self::CheckInput(CheckInput { store }),
            Config::SizeFleet { results_bucket, fleet, share, refine } => {
                Self::SizeFleet(SizeFleet { store, results_bucket, settings: fleet, share, refine })
            }
            Config::CheckDrain { results_bucket, cluster, settings } => {
                Self::CheckDrain(CheckDrain { store, queues, fleet: clusters(&cluster), results_bucket, settings })
            }
            Config::Report { results_bucket } => Self::Report(Report { store, results_bucket }),
            Config::TearDown { results_bucket, cluster } => {
                Self::TearDown(TearDown { store, queues, fleet: clusters(&cluster), results_bucket })
            }
            Config::Promote { results_bucket, quarantine_bucket } => {
                Self::Promote(Promote { store, results_bucket, quarantine_bucket })
            }
            Config::WatchStaging { results_bucket, limit_seconds } => {
                Self::WatchStaging(WatchStaging { store, results_bucket, limit_seconds })
            }
            Config::WatchDefinitions { results_bucket } => {
                Self::WatchDefinitions(WatchDefinitions { store, results_bucket })
            }
            Config::StartScheduled { results_bucket, state_machine_arn } => {
                let executions = state_machines(&state_machine_arn);
                Self::StartScheduled(StartScheduled { store, uploads, executions, results_bucket })
            }
            Config::ProtectTagged { results_bucket, topic, state_machine_arn, settle_seconds } => {
                let executions = state_machines(&state_machine_arn);
                Self::ProtectTagged(ProtectTagged { store, buckets, executions, results_bucket, topic, settle_seconds })
            }
        }
    }

    /// Answers one call.
    ///
    /// # Errors
    /// Those of the function; `Permanent` for an event that is not its input.
    pub async fn call(&self, event: Value, now: Timestamp) -> Result<Value, FunctionError> {
        match self {
            Self::CheckInput(function) => answer(function.handle(read(event)?).await?),
            Self::SizeFleet(function) => answer(function.handle(read(event)?, now).await?),
            Self::CheckDrain(function) => answer(function.handle(read(event)?, now).await?),
            Self::Report(function) => answer(function.handle(read(event)?, now).await?),
            Self::TearDown(function) => answer(function.handle(read(event)?).await?),
            Self::Promote(function) => answer(function.handle(read(event)?).await?),
            Self::WatchStaging(function) => answer(function.handle(now).await?),
            Self::ProtectTagged(function) => answer(function.handle(read(event)?, now).await?),
            Self::WatchDefinitions(function) => answer(function.handle(now).await?),
            Self::StartScheduled(function) => answer(function.handle(read(event)?, now).await?),
        }
    }
}

fn read<T: DeserializeOwned>(event: Value) -> Result<T, FunctionError> {
    serde_json::from_value(event)
        .map_err(|error| FunctionError::permanent(format!("not this function's input: {error}")))
}

fn answer(output: impl Serialize) -> Result<Value, FunctionError> {
    serde_json::to_value(output).map_err(|error| FunctionError::permanent(error.to_string()))
}
