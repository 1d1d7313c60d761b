//! What a finished job says of its agents' speed, kept for the next. No job fails for it.

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use lazaret_aws::objects::PutCondition;
use lazaret_aws::{ObjectStore, StoreError};
use lazaret_model::calibration::{AgentAccount, Calibration, FleetRecord, NoSample, Sample};
use lazaret_model::{JobId, layout};
use tracing::{info, warn};

use crate::error::FunctionError;
use crate::work;

/// Accounts of agents that are read at once.
const CONCURRENT: usize = 64;
/// Jobs that end in the same moment write over each other's; the loser reads again.
const ATTEMPTS: u32 = 5;

/// What the last jobs measured, if any has. One that can't be read is as good as none.
pub async fn known(store: &dyn ObjectStore, bucket: &str) -> Option<Calibration> {
    match stored(store, bucket).await {
        Ok((known, _)) => known,
        Err(error) => {
            warn!(%error, "The calibration can't be read: the deployment's own constants hold");
            None
        }
    }
}

/// Takes a job that is complete into account.
///
/// # Errors
/// Those of the store; `Permanent` if the record of its fleet is not what it should be.
pub async fn learn(store: &dyn ObjectStore, bucket: &str, job: &JobId, now: Timestamp) -> Result<(), FunctionError> {
    let record: FleetRecord = work::read_json(store, bucket, &layout::fleet_key(job)).await?;
    let accounts = accounts(store, bucket, job).await?;
    let sample = Sample::of(job.clone(), now, &record, &accounts);
    match &sample {
        Ok(Sample { objects, bytes, agent_seconds, startup_seconds, .. }) => {
            info!(job.id = %job, objects, bytes, agent_seconds, startup_seconds, "The job is a measure for the next");
        }
        Err(why) => info!(job.id = %job, %why, "The job is no measure for the next"),
    }
    for _ in 0..ATTEMPTS {
        let (known, etag) = stored(store, bucket).await?;
        // switched off, it is forgotten: what comes later may be another deployment's
        let known = known.filter(|_| sample != Err(NoSample::Off));
        let known = known.unwrap_or_else(|| Calibration::new(record.deployed));
        let next = known.after(record.deployed, sample.clone().ok());
        let json = serde_json::to_vec(&next).map_err(|error| FunctionError::permanent(error.to_string()))?;
        let condition = etag.as_deref().map_or(PutCondition::Absent, PutCondition::Over);
        match store.put(bucket, layout::CALIBRATION_KEY, Bytes::from(json), "application/json", condition).await {
            Ok(_) => return Ok(()),
            // S3 says that two wrote at once by a conflict, too, which is an error that passes
            Err(StoreError::PreconditionFailed | StoreError::NotFound) => {}
            Err(error) if error.retryable() => warn!(%error, "The calibration was not written: once more"),
            Err(error) => return Err(FunctionError::store("writing the calibration")(error)),
        }
    }
    Err(FunctionError::transient(format!("the calibration changed {ATTEMPTS} times while it was written")))
}

/// With the ETag of whatever is there.
async fn stored(store: &dyn ObjectStore, bucket: &str) -> Result<(Option<Calibration>, Option<String>), FunctionError> {
    let stored = store.get(bucket, layout::CALIBRATION_KEY).await;
    let Some(stored) = stored.map_err(FunctionError::store("reading the calibration"))? else {
        return Ok((None, None));
    };
    let calibration = Calibration::from_json(&stored.bytes)
        .map_err(|error| warn!(%error, "The calibration is damaged: finished jobs begin anew"))
        .ok();
    Ok((calibration, Some(stored.etag)))
}

async fn accounts(store: &dyn ObjectStore, bucket: &str, job: &JobId) -> Result<Vec<AgentAccount>, FunctionError> {
    let prefix = layout::agents_progress_prefix(job);
    let mut accounts = Vec::new();
    let mut next: Option<String> = None;
    loop {
        let page = store.list_page(bucket, &prefix, next.as_deref()).await;
        let page = page.map_err(FunctionError::store("listing the agents' accounts"))?;
        let read = |key: String| async move { work::read_json::<AgentAccount>(store, bucket, &key).await };
        let keys = page.objects.into_iter().map(|object| object.key);
        let mut read = stream::iter(keys).map(read).buffered(CONCURRENT);
        while let Some(account) = read.try_next().await? {
            accounts.push(account);
        }
        next = page.next;
        if next.is_none() {
            return Ok(accounts);
        }
    }
}
