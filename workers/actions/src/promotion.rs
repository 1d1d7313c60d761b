//! Promotion: a verdict in a staging bucket is written down where only agents may write, then the state machine is started.
//!
//! What acts on the verdict (the function `promote`) reads it from there, and believes nothing that came with the execution.

use std::sync::Arc;

use bytes::Bytes;
use lazaret_aws::executions::{Execution, ExecutionStatus, Started};
use lazaret_aws::objects::PutCondition;
use lazaret_aws::{Executions, ObjectStore, ServiceError};
use lazaret_model::promotion::{PromotionInput, PromotionOutcome};
use lazaret_model::{ResultRow, layout};
use serde_json::json;
use tracing::info;

use crate::error::ActError;
use crate::retry;

/// Executions of one verdict that failed one after the other, within [`FAILURES_HOURS`]: what does is for a person, and once it is
/// mended a scan on another day starts it again. Those that held the version do not count, whatever their number.
const FAILURES_MAX: u32 = 20;
const FAILURES_HOURS: i64 = 24;
/// Names that are found to be taken before it is given up for now: each further one is another agent's start in between.
const ROUNDS: u32 = 10;

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
        let mut attempt = 1;
        for _ in 0..ROUNDS {
            let name = execution_name(record, attempt);
            let started = retry::STORE
                .run(|error: &ServiceError| error.retryable, || self.executions.start_once(&name, &input))
                .await
                .map_err(ActError::StartPromotion)?;
            if let Started::New(_) = started {
                return Ok(());
            }
            // a name that is taken and unknown is not ours to use
            attempt = match self.last_from(record, attempt).await? {
                None => attempt + 1,
                Some((_, known)) if is_accepted(&known) => return Ok(()),
                Some((last, known)) => {
                    self.check_failures(record, row, last).await?;
                    info!(attempt = last, status = ?known.status, "A promotion of this version did not do it; starting another");
                    last + 1
                }
            };
        }
        let message = "other agents start executions for this version again and again".to_owned();
        let operation = "StartExecution";
        Err(ActError::StartPromotion(ServiceError { operation, message, retryable: true, not_found: false }))
    }

    /// The last of the executions of one verdict, which are numbered without a gap, from the one on that is named. A job a night that
    /// finds the version held makes hundreds: so the number is searched for by steps that double, then by halves.
    async fn last_from(&self, record: &str, first: u32) -> Result<Option<(u32, Execution)>, ActError> {
        let Some(known) = self.describe(record, first).await? else { return Ok(None) };
        let (mut last, mut step) = ((first, known), 1);
        while let Some(known) = self.describe(record, last.0 + step).await? {
            last = (last.0 + step, known);
            step *= 2;
        }
        let mut free = last.0 + step;
        while free - last.0 > 1 {
            let middle = last.0 + (free - last.0) / 2;
            match self.describe(record, middle).await? {
                Some(known) => last = (middle, known),
                None => free = middle,
            }
        }
        Ok(Some(last))
    }

    /// Fails if too many of the last executions have failed.
    async fn check_failures(&self, record: &str, row: &ResultRow, last: u32) -> Result<(), ActError> {
        let since = row.scanned_at.as_second() - FAILURES_HOURS * 3600;
        for attempt in (last.saturating_sub(FAILURES_MAX - 1)..=last).rev() {
            let known = if attempt == 0 { None } else { self.describe(record, attempt).await? };
            let failed = known.filter(|known| known.status != ExecutionStatus::Succeeded);
            if failed.is_none_or(|failed| failed.started_at.as_second() < since) {
                return Ok(());
            }
        }
        Err(ActError::PromotionsFailed(FAILURES_MAX))
    }

    /// None if it is not there: Step Functions forgets after 90 days.
    async fn describe(&self, record: &str, attempt: u32) -> Result<Option<Execution>, ActError> {
        let name = execution_name(record, attempt);
        let describe = || self.executions.describe(&name);
        let known = retry::STORE.run(|error: &ServiceError| error.retryable, describe).await;
        known.map_err(ActError::StartPromotion)
    }

    async fn write_down(&self, store: &dyn ObjectStore, row: &ResultRow, record: &str) -> Result<(), ActError> {
        let bytes = Bytes::from(serde_json::to_vec(row).expect("rows of the model are always JSON"));
        let key = layout::verdict_key(record);
        let put = || store.put(&self.results_bucket, &key, bytes.clone(), "application/json", PutCondition::Always);
        retry::store(put).await.map(drop).map_err(ActError::WriteVerdict)
    }
}

fn execution_name(record: &str, attempt: u32) -> String {
    if attempt == 1 { record.to_owned() } else { format!("{record}-{attempt}") }
}

/// Whether an execution does, or did, what a verdict asks for. One that held the version did not: what it was held for (a setting, the
/// bucket's versions, its storage class) may be mended by now, and if it is not, the version's tags are written anew.
fn is_accepted(known: &Execution) -> bool {
    let outcome = known.output.as_ref().and_then(|output| output.get("outcome")).cloned();
    let outcome: Option<PromotionOutcome> = outcome.and_then(|outcome| serde_json::from_value(outcome).ok());
    match known.status {
        ExecutionStatus::Running => true,
        ExecutionStatus::Succeeded => outcome.is_some_and(|outcome| outcome != PromotionOutcome::Held),
        ExecutionStatus::Failed | ExecutionStatus::TimedOut | ExecutionStatus::Aborted => false,
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};
    use lazaret_aws::fake::{FakeExecutions, FakeStore};
    use lazaret_model::promotion::record_name;
    use lazaret_model::verdict::UnscannableReason;
    use lazaret_model::{Evidence, Finding, Verdict};

    use super::*;

    struct Lab {
        store: FakeStore,
        executions: FakeExecutions,
        promotions: Promotions,
        row: ResultRow,
        name: String,
    }

    impl Lab {
        fn new(verdict: Verdict) -> Self {
            let store = FakeStore::new().with_versioned_bucket("staging").with_bucket("results");
            store.insert("staging", "k", "x");
            let executions = FakeExecutions::new();
            let promotions =
                Promotions { executions: Arc::new(executions.clone()), results_bucket: "results".to_owned() };
            let object = store.pinned_ref("staging", "k");
            let name = record_name(&object, &verdict);
            let (scanned_at, evidence) = (Timestamp::now(), Evidence::default());
            let row = ResultRow { object, verdict, action: None, scanned_at, evidence };
            Self { store, executions, promotions, row, name }
        }

        async fn start(&self) -> Result<(), ActError> {
            self.promotions.start(&self.store, &self.row, &self.name).await
        }

        async fn count(&self) -> u32 {
            let all = self.executions.list(10_000).await.expect("listed");
            u32::try_from(all.len()).expect("few")
        }

        /// Starts once more, and the execution has this number.
        async fn starts(&self, number: u32) -> String {
            self.start().await.expect("accepted");
            assert_eq!(self.count().await, number);
            execution_name(&self.name, number)
        }
    }

    fn infected() -> Verdict {
        let finding = Finding { member: String::new(), threat: "t".into(), engine: "clamav".into() };
        Verdict::Infected { findings: vec![finding] }
    }

    #[tokio::test]
    async fn one_execution_a_verdict_and_another_only_after_a_failure() {
        let lab = Lab::new(Verdict::Clean);
        for _ in 0..2 {
            lab.starts(1).await;
        }
        let written = lab.store.bytes("results", &layout::verdict_key(&lab.name)).expect("written down");
        assert_eq!(serde_json::from_slice::<ResultRow>(&written).expect("a row"), lab.row);
        lab.executions.fail(&lab.name, "Lazaret.Permanent", "denied");
        let second = lab.starts(2).await;
        lab.executions.succeed(&second, json!({"outcome": "Promoted"}));
        lab.starts(2).await;
    }

    #[tokio::test]
    async fn what_was_held_is_started_again_whatever_its_verdict_and_what_was_done_is_not() {
        let unscannable = Verdict::Unscannable { reason: UnscannableReason::Encrypted, detail: String::new() };
        for (verdict, done) in [
            (Verdict::Clean, "Promoted"),
            (Verdict::Clean, "Superseded"),
            (Verdict::Clean, "Gone"),
            (infected(), "Quarantined"),
            (infected(), "Deleted"),
            (unscannable, "Gone"),
        ] {
            let lab = Lab::new(verdict);
            let mut number = 0;
            // what no function of ours has said is no end either
            for output in [json!({"outcome": "Held"}), json!({"outcome": "Fine"}), json!({}), json!(null)] {
                number += 1;
                let name = lab.starts(number).await;
                lab.executions.succeed(&name, output);
            }
            let name = lab.starts(number + 1).await;
            lab.executions.succeed(&name, json!({"outcome": done}));
            lab.starts(number + 1).await;
        }
    }

    #[tokio::test]
    async fn a_job_a_night_may_find_it_held_for_ever() {
        let lab = Lab::new(infected());
        for night in 1..=200 {
            let name = lab.starts(night).await;
            lab.starts(night).await;
            lab.executions.succeed(&name, json!({"outcome": "Held"}));
        }
        // policy `Keep` has become `Move`
        let name = lab.starts(201).await;
        lab.executions.succeed(&name, json!({"outcome": "Quarantined"}));
        lab.starts(201).await;
    }

    #[tokio::test]
    async fn so_many_failures_in_a_row_are_for_a_person_until_the_next_day() {
        let mut lab = Lab::new(Verdict::Clean);
        for attempt in 1..=FAILURES_MAX {
            let name = lab.starts(attempt).await;
            lab.executions.fail(&name, "Lazaret.Permanent", "denied");
        }
        for _ in 0..2 {
            let refused = lab.start().await.expect_err("too many");
            assert!(matches!(refused, ActError::PromotionsFailed(FAILURES_MAX)) && !refused.retryable(), "{refused}");
        }
        assert_eq!(lab.count().await, FAILURES_MAX);
        lab.row.scanned_at += SignedDuration::from_hours(25);
        let name = lab.starts(FAILURES_MAX + 1).await;
        lab.executions.succeed(&name, json!({"outcome": "Held"}));
        let name = lab.starts(FAILURES_MAX + 2).await;
        lab.executions.fail(&name, "Lazaret.Permanent", "denied");
        lab.starts(FAILURES_MAX + 3).await;
    }
}
