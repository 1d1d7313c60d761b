//! What the commands need of the cloud.

use std::sync::Arc;

use anyhow::Context;
use lazaret_aws::queue::Queues;
use lazaret_aws::{Buckets, Executions, ObjectStore, Scheduler, TaskFleet, Topics, Uploads, UserPools};
use lazaret_model::JobId;
use lazaret_protection::Site;

/// A deployment of Lazaret, seen from outside.
#[derive(Clone)]
pub struct Cloud {
    pub executions: Arc<dyn Executions>,
    pub store: Arc<dyn ObjectStore>,
    pub buckets: Arc<dyn Buckets>,
    pub uploads: Arc<dyn Uploads>,
    pub scheduler: Arc<dyn Scheduler>,
    pub topics: Arc<dyn Topics>,
    pub queues: Arc<dyn Queues>,
    pub tasks: Arc<dyn TaskFleet>,
    pub user_pools: Arc<dyn UserPools>,
    /// The pool of the verdict API's users, where one is named.
    pub user_pool_id: Option<String>,
    pub results_bucket: String,
    pub quarantine_bucket: String,
    /// Where protected buckets publish.
    pub events_topic_arn: String,
    /// The ARN of whoever runs this, where a command has asked for it and AWS has told.
    pub caller: Option<String>,
}

impl Cloud {
    /// The deployment as buckets see it.
    ///
    /// # Errors
    /// If the topic's ARN is none.
    pub fn site(&self) -> anyhow::Result<Site> {
        Ok(Site {
            store: self.store.clone(),
            buckets: self.buckets.clone(),
            executions: self.executions.clone(),
            results_bucket: self.results_bucket.clone(),
            quarantine_bucket: self.quarantine_bucket.clone(),
            topic: self.events_topic_arn.parse().context("the topic of events")?,
        })
    }
}

/// A job's id as it was typed.
///
/// # Errors
/// If it can't be one.
pub fn job_id(text: &str) -> anyhow::Result<JobId> {
    text.parse::<JobId>().context("no such job")
}
