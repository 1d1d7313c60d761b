//! What an earlier delivery decided on an object that is gone since: deleted for its infection, or promoted out of its staging bucket.
//!
//! An agent that dies between that and the announcement leaves nothing at the object's place to tell by. What it decided lies where the
//! promotion reads it; a week later it is gone.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use lazaret_actions::error::is_pinned;
use lazaret_aws::objects::PutCondition;
use lazaret_aws::{ObjectStore, StoreError};
use lazaret_model::layout::verdict_key;
use lazaret_model::promotion::record_name;
use lazaret_model::{ActionKind, ObjectRef, ResultRow, Verdict};
use tracing::info;

use crate::policies::PolicyBook;
use crate::retry;

/// Why it is not known what was decided, or nobody will know.
#[derive(Debug, thiserror::Error)]
pub enum EarlierError {
    #[error("writing down what is to be deleted: {0}")]
    Write(#[source] StoreError),
    #[error("what an earlier delivery decided: {0}")]
    Read(#[source] StoreError),
}

/// Decisions in the results bucket.
pub struct Earlier {
    store: Arc<dyn ObjectStore>,
    results_bucket: String,
    policies: Arc<PolicyBook>,
}

impl Earlier {
    pub fn new(store: Arc<dyn ObjectStore>, results_bucket: String, policies: Arc<PolicyBook>) -> Self {
        Self { store, results_bucket, policies }
    }

    /// Writes down what is to be deleted. Moves leave their copy in quarantine, and promotions write down what they act on themselves.
    pub async fn write_down(&self, row: &ResultRow) -> Result<(), EarlierError> {
        let deletes = row.action.as_ref().is_some_and(|action| action.kind == ActionKind::Delete);
        if !deletes {
            return Ok(());
        }
        let key = key_of(&row.object, &row.verdict);
        let bytes = Bytes::from(serde_json::to_vec(row).expect("rows of the model are always JSON"));
        let put =
            || self.store.put(&self.results_bucket, &key, bytes.clone(), "application/json", PutCondition::Always);
        retry::store(put).await.map(drop).map_err(EarlierError::Write)
    }

    /// The row of an object that is gone, if it was written down. Its action is to be done as if it had not been begun.
    pub async fn decided(&self, object: &ObjectRef) -> Result<Option<ResultRow>, EarlierError> {
        // the verdicts that make an object leave its place, whatever the policy says by now; a name is made of no more of them
        let mut verdicts = vec![Verdict::Infected { findings: Vec::new() }];
        if self.policies.current().of(&object.bucket).promote_to().is_some() {
            verdicts.extend([Verdict::Clean, Verdict::InfectedAllowed { findings: Vec::new() }]);
        }
        for verdict in verdicts {
            let key = key_of(object, &verdict);
            let stored = retry::store(|| self.store.get(&self.results_bucket, &key)).await;
            let Some(stored) = stored.map_err(EarlierError::Read)? else { continue };
            let Ok(row) = serde_json::from_slice::<ResultRow>(&stored.bytes) else { continue };
            info!(verdict = row.verdict.name(), "The object was decided on before it went");
            return Ok(Some(row));
        }
        Ok(None)
    }
}

/// The same for every delivery, whether it knows the object from an event or from S3: without a version id the times that they name differ
/// by parts of a second. What is stored anew with the same bytes has its record in the same place, and its own event.
fn key_of(object: &ObjectRef, verdict: &Verdict) -> String {
    let last_modified = if is_pinned(object) { object.last_modified } else { Timestamp::UNIX_EPOCH };
    verdict_key(&record_name(&ObjectRef { last_modified, ..object.clone() }, verdict))
}
