//! What to scan: the arguments that `job start` and `plan` share, and the checks before anything is created.

use std::collections::BTreeSet;

use anyhow::bail;
use jiff::Timestamp;
use lazaret_aws::{ObjectStore, StoreError};
use lazaret_model::job::{Dollars, TARGET_MINUTES, WindowInput};
use lazaret_model::{BucketScope, Job, JobId, JobInput, JobLimits, Source};

use crate::console::Console;
use crate::escape;
use crate::moment;

#[derive(Debug, Clone, Default, clap::Args)]
pub struct LimitArgs {
    /// The most agents that a job may have at once; it takes longer if it needs more
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_agents: Option<u32>,
    /// The most dollars that a job may be estimated to cost; more is refused before an agent is launched
    #[arg(long, value_name = "DOLLARS")]
    pub max_dollars: Option<Dollars>,
}

impl LimitArgs {
    pub fn limits(&self) -> JobLimits {
        JobLimits { agents: self.max_agents, dollars: self.max_dollars }
    }
}

// No doc comment here: clap would take it for the help of the command that these arguments are part of.
#[derive(Debug, Clone, clap::Args)]
pub struct ScopeArgs {
    /// A bucket, or the part of it below a prefix; may be given several times
    #[arg(long = "bucket", value_name = "NAME[/PREFIX]", required = true, num_args = 1..)]
    pub buckets: Vec<String>,
    /// Only objects modified at or after this: 2026-01-31T12:00:00Z, 2026-01-31 (midnight UTC), or an age like 7d [default: all]
    #[arg(long, value_name = "T")]
    pub from: Option<String>,
    /// Only objects modified before this, written as for --from [default: now]
    #[arg(long, value_name = "T")]
    pub to: Option<String>,
    /// Minutes that the job should take; more agents are started for a shorter time
    #[arg(long, value_name = "N", default_value_t = TARGET_MINUTES)]
    pub target_minutes: u32,
    #[command(flatten)]
    pub limits: LimitArgs,
}

impl ScopeArgs {
    /// The input of the execution.
    ///
    /// # Errors
    /// If a time can't be read.
    pub fn input(&self, now: Timestamp) -> Result<JobInput, moment::BadMoment> {
        let moment = |text: &Option<String>| text.as_deref().map(|text| moment::parse(text, now)).transpose();
        Ok(JobInput {
            buckets: self.buckets.iter().map(|bucket| BucketScope::parse(bucket)).collect(),
            window: WindowInput { from: moment(&self.from)?, to: moment(&self.to)? },
            source: Source::OnDemand,
            target_minutes: self.target_minutes,
            limits: self.limits.limits(),
            selected: false,
        })
    }

    /// The job as it would be if it started now: the same rules as in the state machine.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn job(&self, job_id: &JobId, now: Timestamp) -> anyhow::Result<Job> {
        Ok(self.input(now)?.into_job(job_id.clone(), now)?)
    }
}

/// Looks at each bucket once. The caller may lack a right that the deployment has: then it's only said.
///
/// # Errors
/// All buckets that don't exist; or the first that could not be asked about.
pub async fn check_buckets(store: &dyn ObjectStore, job: &Job, console: &mut Console) -> anyhow::Result<()> {
    let names: BTreeSet<&str> = job.buckets.iter().map(|scope| scope.name.as_str()).collect();
    let mut missing = Vec::new();
    for name in names {
        match store.check_bucket(name).await {
            Ok(()) => {}
            Err(StoreError::NoSuchBucket(_) | StoreError::NotFound) => missing.push(format!("`{name}`")),
            Err(StoreError::AccessDenied(_)) => console.note(&format!(
                "Warning: you may not list bucket `{name}`, so it was not checked; the deployment's own roles may."
            ))?,
            Err(error) => bail!("bucket `{name}` can't be checked: {}", escape::line(&error.to_string())),
        }
    }
    match missing.as_slice() {
        [] => Ok(()),
        [name] => bail!("bucket {name} does not exist"),
        names => bail!("buckets {} do not exist", names.join(", ")),
    }
}
