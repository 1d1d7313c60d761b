//! Is this a job, and can its buckets be listed? Nothing has been created yet.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::{StreamExt, stream};
use jiff::Timestamp;
use lazaret_aws::{ObjectStore, StoreError};
use lazaret_model::{Failure, Job, JobId, layout};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::FunctionError;
use crate::input;

/// Buckets that are asked at once.
const CONCURRENT: usize = 32;
/// Buckets that a message names.
const NAMED: usize = 20;
/// What the answer may take of the 256 KiB that Step Functions passes between states, in bytes: the crawls' answers come
/// beside it.
const OUTPUT_BYTES: usize = 128 * 1024;

/// The function and what it needs.
pub struct CheckInput {
    pub store: Arc<dyn ObjectStore>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    /// The execution's input, as its owner wrote it.
    #[serde(default)]
    pub input: Value,
    /// The execution's name.
    pub job_id: String,
    pub started_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    pub job: Job,
    pub queue_name: String,
    pub dead_letter_queue_name: String,
    /// One crawler each.
    pub scopes: Vec<Scope>,
}

/// What a crawler is told to list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Scope {
    /// Its place in the job's buckets.
    pub index: u32,
    pub bucket: String,
    pub prefix: String,
    /// Where it stands what the crawler matches in place of the window; nothing in most jobs.
    pub selection: String,
}

impl CheckInput {
    /// # Errors
    /// `BadInput`, `BucketNotFound`, `AccessDenied` for the owner of the input; else what S3 failed with.
    pub async fn handle(&self, input: Input) -> Result<Output, FunctionError> {
        let bad_input = |error: lazaret_model::job::JobInputError| FunctionError::bad_input(error.to_string());
        let job_id: JobId = input.job_id.try_into().map_err(bad_input)?;
        let asked = input::parse(&input.input).map_err(FunctionError::bad_input)?;
        let output = output(asked.into_job(job_id, input.started_at).map_err(bad_input)?);
        if serde_json::to_vec(&output).map_or(usize::MAX, |json| json.len()) > OUTPUT_BYTES {
            return Err(FunctionError::bad_input(format!(
                "the {} buckets and prefixes are too long together to pass through one execution: split them into \
                 several jobs",
                output.scopes.len()
            )));
        }
        self.check_buckets(&output.job).await?;
        Ok(output)
    }

    async fn check_buckets(&self, job: &Job) -> Result<(), FunctionError> {
        let buckets: BTreeSet<&str> = job.buckets.iter().map(|scope| scope.name.as_str()).collect();
        let check = |bucket| async move { (bucket, self.store.check_bucket(bucket).await) };
        let checks: Vec<_> = stream::iter(buckets).map(check).buffered(CONCURRENT).collect().await;

        let (mut missing, mut denied, mut failed) = (Vec::new(), Vec::new(), None);
        for (bucket, answer) in checks {
            match answer {
                Ok(()) => {}
                Err(StoreError::NoSuchBucket(_) | StoreError::NotFound) => missing.push(bucket),
                Err(StoreError::AccessDenied(_)) => denied.push(bucket),
                Err(error) => failed = failed.or(Some((bucket, error))),
            }
        }
        let mut sentences = Vec::new();
        if !missing.is_empty() {
            sentences.push(format!("no such bucket: {}", names(&missing)));
        }
        if !denied.is_empty() {
            sentences.push(format!("Lazaret may not list: {}", names(&denied)));
        }
        match (missing.is_empty(), denied.is_empty(), failed) {
            (false, _, _) => Err(FunctionError { failure: Failure::BucketNotFound, message: sentences.join("; ") }),
            (true, false, _) => Err(FunctionError { failure: Failure::AccessDenied, message: sentences.join("; ") }),
            (true, true, Some((bucket, error))) => {
                Err(FunctionError::store(format_args!("looking at bucket `{bucket}`"))(error))
            }
            (true, true, None) => Ok(()),
        }
    }
}

fn output(job: Job) -> Output {
    let scope = |(index, scope): (u32, &lazaret_model::BucketScope)| Scope {
        index,
        bucket: scope.name.clone(),
        prefix: scope.prefix.clone(),
        selection: if job.selected { layout::selection_key(&job.job_id, index) } else { String::new() },
    };
    Output {
        queue_name: job.job_id.queue_name(),
        dead_letter_queue_name: job.job_id.dead_letter_queue_name(),
        scopes: (0..).zip(&job.buckets).map(scope).collect(),
        job,
    }
}

fn names(buckets: &[&str]) -> String {
    let named: Vec<String> = buckets.iter().take(NAMED).map(|bucket| format!("`{bucket}`")).collect();
    match buckets.len().saturating_sub(NAMED) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}
