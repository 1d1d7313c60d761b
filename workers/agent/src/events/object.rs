//! One new object: inspect, act, announce. Every step is safe to do twice, and an error leaves the rest to the next delivery.

use std::time::Duration;

use jiff::Timestamp;
use lazaret_actions::error::is_pinned;
use lazaret_actions::tag::replace_stale_result;
use lazaret_actions::{ActError, Actor};
use lazaret_aws::trace::{self, Ending, Origin};
use lazaret_aws::{ServiceError, StoreError};
use lazaret_model::event::CreatedObject;
use lazaret_model::packet::DELIVERIES;
use lazaret_model::verdict::{ErrorReason, SkippedReason};
use lazaret_model::{Action, ActionKind, ActionOutcome, ObjectRef, ResultRow, StorageClass, Verdict};
use tokio::time::{Instant, sleep};
use tracing::{Instrument, debug, info, info_span, warn};

use super::Service;
use super::earlier::EarlierError;
use super::receive::{InHand, Receipt};
use super::recent::Claim;
use crate::act::{Act, is_pending};
use crate::inspect::InspectError;
use crate::policies::PoliciesError;
use crate::retry;

/// Where definitions are stale newer ones may be on their way: an agent looks for them every five minutes, and five deliveries take about as long.
const STALE: Duration = Duration::from_secs(60);

/// Objects that are looked at, one in the place of another, before the message is given back: a key that is written faster than it is read
/// comes to rest some time.
const SUCCESSORS: u32 = 5;

/// Why an object is not done.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    #[error("whether its bucket is protected: {0}")]
    Policies(#[from] PoliciesError),
    #[error(transparent)]
    Inspect(#[from] InspectError),
    #[error(transparent)]
    Earlier(#[from] EarlierError),
    #[error("it has no verdict for now: {reason}: {detail}")]
    NoVerdict { reason: ErrorReason, detail: String },
    #[error("its action was not done: {0}")]
    Action(#[source] ActError),
    #[error("what came in its place: {0}")]
    Look(#[source] StoreError),
    #[error("it was overwritten {SUCCESSORS} times while it was looked at")]
    Restless,
    #[error("announcing its result: {0}")]
    Announce(#[source] ServiceError),
}

impl ObjectError {
    pub(super) fn ends_the_agent(&self) -> bool {
        matches!(self, Self::Inspect(InspectError::Engine(_)))
    }

    /// For how long the message is nobody's, if not for as long as usual.
    pub(super) fn pause(&self) -> Option<Duration> {
        matches!(self, Self::NoVerdict { reason: ErrorReason::StaleDefinitions, .. }).then_some(STALE)
    }
}

/// What came of one version.
struct Settled {
    /// Another delivery of the same event could tell no more.
    is_final: bool,
    /// Nothing that was done for it can have met another object at its key.
    alone: bool,
}

impl Service {
    /// From a record that was sorted out to the point where its message is no longer needed for it.
    pub(super) async fn settle(&self, created: &CreatedObject, in_hand: &InHand) -> Result<(), ObjectError> {
        let object = &created.object;
        // S3 hands on the trace of whoever wrote the object; most have none
        let segment = trace::begin("lazaret-events", in_hand.receipt.trace_header.as_deref(), Origin::Aws);
        let span = info_span!(
            "object",
            object.bucket = %object.bucket, object.key = %object.key.escape_debug(), trace.id = %segment.trace_id()
        );
        let work = async {
            match self.recent.claim(created, &in_hand.receipt).await {
                Some(claim) => self.settle_claimed(created, claim, in_hand).await,
                None => {
                    info!("The same event was done a moment ago");
                    Ok(())
                }
            }
        };
        let settled = segment.around(work).instrument(span).await;
        segment.end(if settled.is_ok() { Ending::Done } else { Ending::Fault });
        settled
    }

    /// The event's object; and where no version id pins that and it was overwritten, what stands there now, as if its event had come.
    ///
    /// Tags have no condition in S3. An agent, or an earlier delivery of this message, may have had the tags of the event's object on
    /// their way when it was overwritten: they stand on what came later, over the tags that this one's own event brought it, and whoever
    /// sent them may have died since. Only who finds the event's object overwritten can know.
    async fn settle_claimed(
        &self,
        created: &CreatedObject,
        claim: Claim<'_>,
        in_hand: &InHand,
    ) -> Result<(), ObjectError> {
        let mut settled = self.settle_version(&created.object, Some(created), in_hand).await?;
        let mut object = created.object.clone();
        for _ in 0..SUCCESSORS {
            let successor = if settled.alone { None } else { self.successor(&object).await? };
            let Some(now) = successor else {
                if settled.is_final {
                    claim.done();
                }
                return Ok(());
            };
            info!("The object was overwritten; what stands there now is looked at");
            settled = self.settle_version(&now, None, in_hand).await?;
            object = now;
        }
        Err(ObjectError::Restless)
    }

    /// `created` is the event of this very version; `None` where it has one of its own.
    async fn settle_version(
        &self,
        object: &ObjectRef,
        created: Option<&CreatedObject>,
        in_hand: &InHand,
    ) -> Result<Settled, ObjectError> {
        let mut row = self.inspector.inspect_one(object, &self.life.stopping).await?;
        match &row.verdict {
            Verdict::Error { reason, detail } if may_pass(*reason, &in_hand.receipt) => {
                return Err(ObjectError::NoVerdict { reason: *reason, detail: detail.clone() });
            }
            Verdict::Gone { reason } => match self.earlier.decided(object).await? {
                Some(earlier) => row = earlier,
                None => {
                    debug!(%reason, "The object is gone");
                    return Ok(Settled { is_final: false, alone: is_pinned(object) });
                }
            },
            _ => {}
        }
        let left = self.act_on(&mut row, in_hand).await?;
        let acted = Timestamp::now();
        log(&row);
        trace::annotate("verdict", row.verdict.name());
        self.announce(&row, created).await?;
        if let Some(created) = created {
            self.tally.count(&row.verdict, row.object.size);
            self.tally.took(created.object.last_modified, acted);
        }
        if let Some(error) = left {
            return Err(ObjectError::Action(error));
        }
        Ok(Settled { is_final: is_final(&row), alone: is_alone(&row) })
    }

    /// What stands at the key of an object that no version id pins, if it is another one.
    async fn successor(&self, object: &ObjectRef) -> Result<Option<ObjectRef>, ObjectError> {
        let head = || self.store.head(&object.bucket, &object.key, object.version_id.as_deref());
        let head = match retry::store(head).await {
            Ok(head) => head,
            Err(StoreError::NoSuchBucket(_)) => None,
            Err(error) => return Err(ObjectError::Look(error)),
        };
        // whether it can be read a fetch tells: not every store says what is restored
        let known = head.map(|head| ObjectRef { storage_class: StorageClass::standard(), ..head.object });
        Ok(known.filter(|now| now.etag != object.etag))
    }

    /// Does what is to be done. An action that was not done for a reason that somebody may mend is for a later delivery; on the last, which
    /// goes to the dead letters, it is returned, for what is known is told all the same.
    async fn act_on(&self, row: &mut ResultRow, in_hand: &InHand) -> Result<Option<ActError>, ObjectError> {
        let last = in_hand.receipt.is_last();
        if is_archived(row) {
            let policies = self.policies.current();
            let keys = &policies.of(&row.object.bucket).tag_keys;
            // whoever stored it may have stored it with a result: nothing of ours says so
            return match replace_stale_result(self.store.as_ref(), keys, row).await {
                Err(error) if error.retryable() && last => Ok(Some(error)),
                Err(error) if error.retryable() => Err(ObjectError::Action(error)),
                Err(error) => {
                    warn!(why = %error.to_string().escape_debug(), "A result that nobody found may stand on an archived object");
                    Ok(None)
                }
                Ok(_) => Ok(None),
            };
        }
        if !is_pending(row) {
            return Ok(None);
        }
        self.earlier.write_down(row).await?;
        let promotes = row.action.as_ref().is_some_and(|action| matches!(action.kind, ActionKind::Promote { .. }));
        // the rest is waiting for Step Functions: that stands in nobody's way
        let _parked = if promotes { in_hand.slot.leave(&self.parking) } else { None };
        let act = Act {
            actor: Actor { store: self.store.as_ref(), promotions: self.promotions.as_ref() },
            policies: &self.policies,
            actions: if promotes { &self.starts } else { &self.actions },
            last_delivery: last,
        };
        let (outcome, left) = match self.attempt(act, row).await {
            Ok(outcome) => (outcome, None),
            Err(error) if may_be_mended(&error) && !last => return Err(ObjectError::Action(error)),
            Err(error) => (act.give_up(row, &error).await, may_be_mended(&error).then_some(error)),
        };
        if let Some(action) = &mut row.action {
            action.outcome = outcome;
        }
        Ok(left)
    }

    /// An action, and where Step Functions has no room for a start, again for as long as a message may be held: a delivery is a poor thing
    /// to wait with, there are five.
    async fn attempt(&self, act: Act<'_>, row: &ResultRow) -> Result<ActionOutcome, ActError> {
        let mut refused: Option<Instant> = None;
        let mut failures = 0;
        loop {
            match act.attempt(row).await {
                // from the first refusal on: until then it may have waited for its turn only
                Err(ActError::StartPromotion(error))
                    if error.retryable && refused.get_or_insert_with(Instant::now).elapsed() < self.patience =>
                {
                    failures += 1;
                    warn!(%error, failures, "The promotion was not started; trying again");
                    sleep(retry::START.wait(failures)).await;
                }
                result => return result,
            }
        }
    }

    async fn announce(&self, row: &ResultRow, created: Option<&CreatedObject>) -> Result<(), ObjectError> {
        // what the owner's lists leave out is no news
        let listed_out = matches!(row.verdict, Verdict::Skipped { reason: SkippedReason::SkipList });
        let wanted = self.policies.current().of(&row.object.bucket).announce.covers(&row.verdict);
        if listed_out || !wanted {
            return Ok(());
        }
        let announced = match created {
            Some(created) => self.announcer.announce(row, created.sequencer.as_ref()).await,
            None => self.announcer.announce_unless_told(row).await,
        };
        announced.map_err(ObjectError::Announce)
    }
}

/// Whether a verdict says no more than that the moment was bad, and a later delivery may say more. A host of the engine that dies takes all
/// scans with it that it had in hand, and so may one that is slow for all; but a file that is to blame itself costs each delivery the
/// engine's whole time.
fn may_pass(reason: ErrorReason, receipt: &Receipt) -> bool {
    let deliveries = match reason {
        ErrorReason::FetchFailed | ErrorReason::StaleDefinitions => DELIVERIES,
        ErrorReason::EngineCrashed => 3,
        ErrorReason::EngineTimeout => 2,
        _ => 1,
    };
    receipt.count < deliveries
}

/// Whether the fault is not the object's, nor of its bucket's owner: what S3 refuses on an object it refuses again.
fn may_be_mended(error: &ActError) -> bool {
    error.retryable()
        || matches!(
            error,
            ActError::StartPromotion(_)
                | ActError::PromotionsFailed(_)
                | ActError::NoStateMachine
                | ActError::WriteVerdict(_)
        )
}

fn is_archived(row: &ResultRow) -> bool {
    matches!(row.verdict, Verdict::Skipped { reason: SkippedReason::Archived })
}

/// Whether a row that was acted on says that nothing of ours stands on another object: its version is pinned, or it was not touched, or its
/// ETag was there before its tags were written and after.
fn is_alone(row: &ResultRow) -> bool {
    let tagged = |action: &Action| action.kind == ActionKind::Tag && action.outcome == ActionOutcome::Done;
    is_pinned(&row.object) || row.action.as_ref().is_none_or(tagged) && !is_archived(row)
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
