//! Our own JSON objects in the results bucket.

use bytes::Bytes;
use lazaret_aws::ObjectStore;
use lazaret_aws::objects::PutCondition;
use lazaret_model::{JobId, JobPlan, layout};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::FunctionError;

/// Reads a JSON object that must be there.
///
/// # Errors
/// Permanent if it isn't there or isn't what it should be.
pub async fn read_json<T: DeserializeOwned>(
    store: &dyn ObjectStore,
    bucket: &str,
    key: &str,
) -> Result<T, FunctionError> {
    let stored = store.get(bucket, key).await.map_err(FunctionError::store(format_args!("reading `{key}`")))?;
    let stored = stored.ok_or_else(|| FunctionError::permanent(format!("`{key}` is not in the results bucket")))?;
    serde_json::from_slice(&stored.bytes).map_err(|error| FunctionError::permanent(format!("`{key}`: {error}")))
}

/// Writes an object, over what an earlier attempt of this function wrote.
///
/// # Errors
/// Those of the store.
pub async fn write(
    store: &dyn ObjectStore,
    bucket: &str,
    key: &str,
    bytes: Vec<u8>,
    content_type: &str,
) -> Result<(), FunctionError> {
    let put = store.put(bucket, key, Bytes::from(bytes), content_type, PutCondition::Always);
    put.await.map(drop).map_err(FunctionError::store(format_args!("writing `{key}`")))
}

/// The same for JSON.
///
/// # Errors
/// Those of the store.
pub async fn write_json<T: Serialize + Sync>(
    store: &dyn ObjectStore,
    bucket: &str,
    key: &str,
    value: &T,
) -> Result<(), FunctionError> {
    let json = serde_json::to_vec(value).map_err(|error| FunctionError::permanent(format!("`{key}`: {error}")))?;
    write(store, bucket, key, json, "application/json").await
}

/// The plan that `size_fleet` wrote.
///
/// # Errors
/// As [`read_json`]; and if it is another job's.
pub async fn read_plan(store: &dyn ObjectStore, bucket: &str, job: &JobId) -> Result<JobPlan, FunctionError> {
    let plan: JobPlan = read_json(store, bucket, &layout::plan_key(job)).await?;
    if plan.job.job_id != *job {
        return Err(FunctionError::permanent(format!("the plan of job `{job}` names job `{}`", plan.job.job_id)));
    }
    Ok(plan)
}
