//! What the commands need of the cloud.

use std::sync::Arc;

use anyhow::Context;
use lazaret_aws::queue::Queues;
use lazaret_aws::{Executions, ObjectStore, TaskFleet};
use lazaret_model::JobId;

/// A deployment of Lazaret, seen from outside.
#[derive(Clone)]
pub struct Cloud {
    pub executions: Arc<dyn Executions>,
    pub store: Arc<dyn ObjectStore>,
    pub queues: Arc<dyn Queues>,
    pub tasks: Arc<dyn TaskFleet>,
    pub results_bucket: String,
}

/// A job's id as it was typed.
///
/// # Errors
/// If it can't be one.
pub fn job_id(text: &str) -> anyhow::Result<JobId> {
    text.parse::<JobId>().context("no such job")
}
