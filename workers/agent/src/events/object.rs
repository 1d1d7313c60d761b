//! One new object: sort out, inspect, act, announce. Every step is safe to do twice, and an error leaves the rest to the next delivery.

use jiff::Timestamp;
use lazaret_actions::Actor;
use lazaret_aws::ServiceError;
use lazaret_model::event::CreatedObject;
use lazaret_model::verdict::{ErrorReason, SkippedReason};
use lazaret_model::{ActionOutcome, ResultRow, Verdict};
use tracing::{Instrument, debug, info, info_span};

use super::Service;
use super::earlier::EarlierError;
use super::recent::Claim;
use super::sort_out::Sorted;
use crate::act::{Act, is_pending};
use crate::inspect::InspectError;
use crate::policies::PoliciesError;

/// Why an object is not done.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    #[error("whether its bucket is protected: {0}")]
    Policies(#[from] PoliciesError),
    #[error(transparent)]
    Inspect(#[from] InspectError),
    #[error(transparent)]
    Earlier(#[from] EarlierError),
    #[error("it could not be fetched for now: {0}")]
    Fetch(String),
    #[error("its action could not be finished for now")]
    Unfinished,
    #[error("announcing its result: {0}")]
    Announce(#[source] ServiceError),
}

impl ObjectError {
    pub(super) fn ends_the_agent(&self) -> bool {
        matches!(self, Self::Inspect(InspectError::Engine(_)))
    }
}

impl Service {
    /// From a record to the point where its message is no longer needed for it.
    pub(super) async fn settle(&self, created: &CreatedObject, last_delivery: bool) -> Result<(), ObjectError> {
        let object = &created.object;
        let span = info_span!("object", object.bucket = %object.bucket, object.key = %object.key.escape_debug());
        async {
            if let Sorted::Ignored(why) = self.sort_out.sort(created).await? {
                info!(why, "An event is ignored");
                return Ok(());
            }
            match self.recent.claim(created).await {
                Ok(claim) => self.settle_claimed(created, claim, last_delivery).await,
                Err(why) => {
                    info!(why = %why, "An event is confirmed without a scan");
                    Ok(())
                }
            }
        }
        .instrument(span)
        .await
    }

    async fn settle_claimed(
        &self,
        created: &CreatedObject,
        claim: Claim<'_>,
        last_delivery: bool,
    ) -> Result<(), ObjectError> {
        let mut row = self.inspector.inspect_one(&created.object, &self.life.stopping).await?;
        match &row.verdict {
            Verdict::Error { reason: ErrorReason::FetchFailed, detail } if !last_delivery => {
                return Err(ObjectError::Fetch(detail.clone()));
            }
            Verdict::Gone { reason } => match self.earlier.decided(&created.object).await? {
                Some(earlier) => row = earlier,
                None => {
                    debug!(%reason, "The object is gone");
                    return Ok(());
                }
            },
            _ => {}
        }
        self.act_on(&mut row, last_delivery).await?;
        let acted = Timestamp::now();
        self.announce(&row, created).await?;
        log(&row);
        self.tally.count(&row.verdict, created.object.last_modified, acted);
        if is_final(&row) {
            claim.done();
        }
        Ok(())
    }

    async fn act_on(&self, row: &mut ResultRow, last_delivery: bool) -> Result<(), ObjectError> {
        if !is_pending(row) {
            return Ok(());
        }
        self.earlier.write_down(row).await?;
        let act = Act {
            actor: Actor { store: self.store.as_ref(), promotions: self.promotions.as_ref() },
            policies: &self.policies,
            actions: &self.actions,
            last_delivery,
        };
        let outcome = act.outcome(row).await;
        if outcome == ActionOutcome::Pending {
            return Err(ObjectError::Unfinished);
        }
        if let Some(action) = &mut row.action {
            action.outcome = outcome;
        }
        Ok(())
    }

    async fn announce(&self, row: &ResultRow, created: &CreatedObject) -> Result<(), ObjectError> {
        // what the owner's lists leave out is no news
        let listed_out = matches!(row.verdict, Verdict::Skipped { reason: SkippedReason::SkipList });
        let wanted = self.policies.current().of(&row.object.bucket).announce.covers(&row.verdict);
        if listed_out || !wanted {
            return Ok(());
        }
        self.announcer.announce(row, created.sequencer.as_ref()).await.map_err(ObjectError::Announce)
    }
}

/// Whether another delivery of the same event could tell no more.
fn is_final(row: &ResultRow) -> bool {
    let failed = row.action.as_ref().is_some_and(|action| matches!(action.outcome, ActionOutcome::Failed(_)));
    row.verdict.was_scanned() && !matches!(row.verdict, Verdict::Error { .. }) && !failed
}

/// New objects are few beside those of a job, and each is news to somebody: a line for each, the clean as well.
fn log(row: &ResultRow) {
    let threat = row.verdict.findings().first().map(|finding| finding.threat.escape_debug().to_string());
    let outcome = row.action.as_ref().map(|action| match &action.outcome {
        ActionOutcome::Failed(why) => format!("Failed: {}", why.escape_debug()),
        other => format!("{other:?}"),
    });
    info!(
        verdict = row.verdict.name(),
        threat,
        reason = row.verdict.reason(),
        detail = %row.verdict.detail().escape_debug(),
        action = row.action.as_ref().map(|action| action.kind.name()),
        outcome,
        object.version_id = row.object.version_id,
        object.size = row.object.size,
        duration_ms = row.evidence.milliseconds,
        "A new object has its verdict"
    );
}
