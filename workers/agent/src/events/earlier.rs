//! What an earlier delivery decided on an object that is gone since: deleted for its infection, or promoted out of its staging bucket.
//!
//! An agent that dies between that and the announcement leaves nothing at the object's place to tell by. What it decided lies where the
//! promotion reads it; a week later it is gone.

use std::sync::Arc;

use bytes::Bytes;
use lazaret_aws::objects::PutCondition;
use lazaret_aws::{ObjectStore, StoreError};
use lazaret_model::layout::verdict_key;
use lazaret_model::policy::InfectedAction;
use lazaret_model::promotion::record_name;
use lazaret_model::{ActionKind, ObjectRef, ResultRow, Verdict};
use tracing::{error, info};

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
        let key = verdict_key(&record_name(&row.object, &row.verdict));
        let bytes = Bytes::from(serde_json::to_vec(row).expect("rows of the model are always JSON"));
        let put =
            || self.store.put(&self.results_bucket, &key, bytes.clone(), "application/json", PutCondition::Always);
        retry::store(put).await.map(drop).map_err(EarlierError::Write)
    }

    /// The row of an object that is gone, if it was written down. Its action is to be done as if it had not been begun.
    pub async fn decided(&self, object: &ObjectRef) -> Result<Option<ResultRow>, EarlierError> {
        let policies = self.policies.current();
        let policy = policies.of(&object.bucket);
        if policy.promote_to().is_none() && policy.infected != InfectedAction::Delete {
            return Ok(None);
        }
        // the verdicts that make an object leave its place; a name is made of no more of them
        let infected = Verdict::Infected { findings: Vec::new() };
        for verdict in [infected, Verdict::Clean, Verdict::InfectedAllowed { findings: Vec::new() }] {
            let key = verdict_key(&record_name(object, &verdict));
            let stored = match retry::store(|| self.store.get(&self.results_bucket, &key)).await {
                Ok(Some(stored)) => stored,
                Ok(None) => continue,
                Err(error) if error.retryable() => return Err(EarlierError::Read(error)),
                Err(error) => {
                    error!(%error, "What an earlier delivery decided can't be read; what is gone is not announced again");
                    return Ok(None);
                }
            };
            let Ok(row) = serde_json::from_slice::<ResultRow>(&stored.bytes) else { continue };
            info!(verdict = row.verdict.name(), "The object was decided on before it went");
            return Ok(Some(row));
        }
        Ok(None)
    }
}
