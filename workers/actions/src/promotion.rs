//! Promotion: a verdict in a staging bucket is written down where only agents may write, then the state machine is started.
//!
//! What acts on the verdict (the function `promote`) reads it from there, and believes nothing that came with the execution.

use std::sync::Arc;

use bytes::Bytes;
use lazaret_aws::executions::{Execution, ExecutionStatus, Started};
use lazaret_aws::objects::PutCondition;
use lazaret_aws::{Executions, ObjectStore, ServiceError};
use lazaret_model::promotion::{PromotionInput, PromotionOutcome};
use lazaret_model::{ResultRow, Verdict, layout};
use serde_json::json;
use tracing::info;

use crate::error::ActError;
use crate::retry;

/// Executions of one verdict that are started anew after one failed or held it: each needs another scan of the same version. What has failed
/// so often is for a person.
const EXECUTIONS_MAX: u32 = 20;

/// The state machine `promote-object`.
#[derive(Clone)]
pub struct Promotions {
    pub executions: Arc<dyn Executions>,
    /// Where verdicts are written down.
    pub results_bucket: String,
}

impl Promotions {
    /// Returns once an execution is accepted, by this call or by an earlier one for the same verdict on the same version.
    pub async fn start(&self, store: &dyn ObjectStore, row: &ResultRow, record: &str) -> Result<(), ActError> {
        self.write_down(store, row, record).await?;
        let input = PromotionInput {
            record: record.to_owned(),
            bucket: row.object.bucket.clone(),
            key: row.object.key.clone(),
            version_id: row.object.version_id.clone(),
            verdict: row.verdict.name().to_owned(),
        };
        let input = json!(input);
        for attempt in 1..=EXECUTIONS_MAX {
            let name = if attempt == 1 { record.to_owned() } else { format!("{record}-{attempt}") };
            let started = retry::STORE
                .run(|error: &ServiceError| error.retryable, || self.executions.start_once(&name, &input))
                .await
                .map_err(ActError::StartPromotion)?;
            if let Started::New(_) = started {
                return Ok(());
            }
            let known = retry::STORE
                .run(|error: &ServiceError| error.retryable, || self.executions.describe(&name))
                .await
                .map_err(ActError::StartPromotion)?;
            match known {
                Some(known) if known.status == ExecutionStatus::Running => return Ok(()),
                Some(known) if known.status == ExecutionStatus::Succeeded && !is_held(row, &known) => return Ok(()),
                // it ended without having done it
                Some(known) => {
                    info!(attempt, status = ?known.status, "A promotion of this version did not do it; starting another");
                }
                // Step Functions forgets after 90 days, and a name that is taken and unknown is not ours to use
                None => info!(attempt, "A promotion of this version is unknown by now; starting another"),
            }
        }
        Err(ActError::PromotionsFailed(EXECUTIONS_MAX))
    }

    async fn write_down(&self, store: &dyn ObjectStore, row: &ResultRow, record: &str) -> Result<(), ActError> {
        let bytes = Bytes::from(serde_json::to_vec(row).expect("rows of the model are always JSON"));
        let key = layout::verdict_key(record);
        let put = || store.put(&self.results_bucket, &key, bytes.clone(), "application/json", PutCondition::Always);
        retry::store(put).await.map(drop).map_err(ActError::WriteVerdict)
    }
}

/// Whether an execution that succeeded left in staging what may go: the reason (a setting, the bucket's versions) may be mended. What
/// is held for its verdict's sake is where it belongs.
fn is_held(row: &ResultRow, known: &Execution) -> bool {
    let may_go = matches!(row.verdict, Verdict::Clean | Verdict::InfectedAllowed { .. });
    let outcome = known.output.as_ref().and_then(|output| output.get("outcome"));
    may_go && outcome.is_some_and(|outcome| *outcome == json!(PromotionOutcome::Held))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use lazaret_aws::fake::{FakeExecutions, FakeStore};
    use lazaret_model::Evidence;
    use lazaret_model::promotion::record_name;
    use lazaret_model::verdict::UnscannableReason;

    use super::*;

    #[tokio::test]
    async fn one_execution_a_verdict_and_another_only_after_a_failure() {
        let store = FakeStore::new().with_versioned_bucket("staging").with_bucket("results");
        store.insert("staging", "k", "x");
        let executions = FakeExecutions::new();
        let promotions = Promotions { executions: Arc::new(executions.clone()), results_bucket: "results".to_owned() };
        let row = ResultRow {
            object: store.pinned_ref("staging", "k"),
            verdict: Verdict::Clean,
            action: None,
            scanned_at: Timestamp::UNIX_EPOCH,
            evidence: Evidence::default(),
        };
        let name = record_name(&row.object, &row.verdict);
        let count = async || executions.list(10).await.expect("listed").len();
        for _ in 0..2 {
            promotions.start(&store, &row, &name).await.expect("accepted");
            assert_eq!(count().await, 1);
        }
        let written = store.bytes("results", &layout::verdict_key(&name)).expect("written down");
        assert_eq!(serde_json::from_slice::<ResultRow>(&written).expect("a row"), row);
        executions.fail(&name, "Lazaret.Permanent", "denied");
        promotions.start(&store, &row, &name).await.expect("accepted");
        assert_eq!(count().await, 2);
        executions.succeed(&format!("{name}-2"), json!({"outcome": "Held"}));
        promotions.start(&store, &row, &name).await.expect("accepted");
        assert_eq!(count().await, 3, "what held it may be mended by now");
        executions.succeed(&format!("{name}-3"), json!({"outcome": "Promoted"}));
        promotions.start(&store, &row, &name).await.expect("accepted");
        assert_eq!(count().await, 3, "what succeeded is done");
    }

    #[tokio::test]
    async fn what_is_held_for_its_verdict_is_held_once() {
        let store = FakeStore::new().with_versioned_bucket("staging").with_bucket("results");
        store.insert("staging", "k", "x");
        let executions = FakeExecutions::new();
        let promotions = Promotions { executions: Arc::new(executions.clone()), results_bucket: "results".to_owned() };
        let reason = UnscannableReason::Encrypted;
        let row = ResultRow {
            object: store.pinned_ref("staging", "k"),
            verdict: Verdict::Unscannable { reason, detail: String::new() },
            action: None,
            scanned_at: Timestamp::UNIX_EPOCH,
            evidence: Evidence::default(),
        };
        let name = record_name(&row.object, &row.verdict);
        promotions.start(&store, &row, &name).await.expect("accepted");
        executions.succeed(&name, json!({"outcome": "Held"}));
        promotions.start(&store, &row, &name).await.expect("accepted");
        assert_eq!(executions.list(10).await.expect("listed").len(), 1);
    }
}
