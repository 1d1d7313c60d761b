//! Promote: takes one version of an object out of a staging bucket, as its verdict says.
//!
//! Nothing of the input counts but the name of a verdict's record. Only agents may write those, and the name is derived from
//! what the record says: whoever starts an execution without one, or with that of another object, is refused.

mod contract;

use std::sync::Arc;

use lazaret_actions::error::PromoteError;
use lazaret_actions::promote::{Promoted, promote, promoted_copy};
use lazaret_actions::quarantine::quarantine;
use lazaret_actions::tag::{tag, tag_held};
use lazaret_actions::{ActError, delete, retry};
use lazaret_aws::ObjectStore;
use lazaret_model::policy::{InfectedAction, Policies, Policy};
use lazaret_model::promotion::{PromotionOutcome, is_record_name, outweighs, record_name};
use lazaret_model::quarantine::quarantine_key;
use lazaret_model::{ActionOutcome, ResultRow, Verdict, layout};
use tracing::{info, warn};

pub use contract::{Answer, Done, Found, Input, Place, Step};

use crate::error::FunctionError;

/// The function and what it needs.
pub struct Promote {
    pub store: Arc<dyn ObjectStore>,
    pub results_bucket: String,
    pub quarantine_bucket: String,
}

impl Promote {
    /// # Errors
    /// `Untrusted` if no agent's verdict stands behind the call, `Transient` if a service failed for now, `Permanent` with
    /// what to do about it. The version stays in staging, unless the text says more.
    pub async fn handle(&self, input: Input) -> Result<Answer, FunctionError> {
        let row = self.row(&input.record).await?.ok_or_else(|| no_such_record(&input.record))?;
        let wrong = || untrusted(&input.record, format!("is of a verdict that is {}", row.verdict.name()));
        if input.step == Step::Read {
            return Ok(Answer::Found(Found::from(&row)));
        }
        let policy = self.policy(&row.object.bucket).await?;
        let done = match (input.step, &row.verdict) {
            (Step::Promote, Verdict::Clean | Verdict::InfectedAllowed { .. }) => self.promote(&policy, &row).await?,
            (Step::Quarantine, Verdict::Infected { .. }) => self.quarantine(&policy, &row).await?,
            (Step::Hold, _) => self.hold(&policy, &row, None).await?,
            (Step::Read | Step::Promote | Step::Quarantine, _) => return Err(wrong()),
        };
        info!(
            object.bucket = %done.bucket, object.key = %done.key.escape_debug(), verdict = done.verdict,
            outcome = ?done.outcome, "{}", done.detail.escape_debug()
        );
        Ok(Answer::Done(done))
    }

    async fn promote(&self, policy: &Policy, row: &ResultRow) -> Result<Done, FunctionError> {
        let Some(to) = policy.promote_to() else {
            return self.hold(policy, row, Some("its bucket is no staging bucket any more")).await;
        };
        if [&self.results_bucket, &self.quarantine_bucket].contains(&&to.bucket) {
            return self.hold(policy, row, Some("its production bucket is one of Lazaret's own")).await;
        }
        if let Some(infected) = self.found_infected(row).await? {
            // the tags of that verdict, not of this one
            self.hold(policy, &infected, None).await?;
            let detail = "It stays in staging: another scan found it infected, later than this one or by definitions that are not known to be older.";
            return Ok(done(row, PromotionOutcome::Held, None, detail));
        }
        let keys = &policy.tag_keys;
        Ok(match promote(self.store.as_ref(), keys, row, to).await.map_err(of_promotion)? {
            Promoted::Done(there) => {
                done(row, PromotionOutcome::Promoted, Some(there.into()), "It stands in production.")
            }
            Promoted::Superseded(there) => {
                let detail = "Production holds a later version of this key, or the same bytes; this one was deleted from staging.";
                done(row, PromotionOutcome::Superseded, Some(there.into()), detail)
            }
            Promoted::Gone => {
                done(row, PromotionOutcome::Gone, None, "It was deleted from staging before it could be copied.")
            }
            Promoted::Held(why) => self.hold(policy, row, Some(&why.to_string())).await?,
        })
    }

    async fn quarantine(&self, policy: &Policy, row: &ResultRow) -> Result<Done, FunctionError> {
        let store = self.store.as_ref();
        let done = match policy.infected {
            InfectedAction::Keep => return self.hold(policy, row, None).await,
            InfectedAction::Delete => match delete::delete(store, row).await.map_err(of_action)? {
                ActionOutcome::Gone => gone(row),
                _ => done(row, PromotionOutcome::Deleted, None, "It was deleted, as the policy of its bucket says."),
            },
            InfectedAction::Move => {
                let (bucket, key) = (self.quarantine_bucket.clone(), quarantine_key(&row.object));
                match quarantine(store, &policy.tag_keys, row, &bucket, &key).await.map_err(of_action)? {
                    ActionOutcome::Gone => gone(row),
                    _ => {
                        let there = Place { bucket, key, version_id: None };
                        done(row, PromotionOutcome::Quarantined, Some(there), "It stands in quarantine.")
                    }
                }
            }
        };
        // an earlier verdict on this version may have been another: by older definitions, or while it was allowed
        let copy = match policy.promote_to() {
            Some(to) => promoted_copy(store, row, to).await.map_err(of_promotion)?,
            None => None,
        };
        match copy {
            None => Ok(done),
            Some(lazaret_actions::promote::Place { bucket, key, .. }) => Err(FunctionError::permanent(format!(
                "an earlier verdict let this version go to production: remove its copy in bucket `{bucket}` at key `{}` ({})",
                key.escape_debug(),
                done.detail
            ))),
        }
    }

    /// Leaves it where it is, with its verdict's tags.
    async fn hold(&self, policy: &Policy, row: &ResultRow, why: Option<&str>) -> Result<Done, FunctionError> {
        let (store, keys) = (self.store.as_ref(), &policy.tag_keys);
        let tagged = match why {
            Some(why) => tag_held(store, keys, row, why).await,
            None => tag(store, keys, row).await,
        };
        let detail = match tagged {
            Ok(ActionOutcome::Gone) => return Ok(gone(row)),
            Ok(_) => why
                .map_or_else(|| "It stays in staging, tagged.".to_owned(), |why| format!("It stays in staging: {why}")),
            Err(error @ (ActError::NoRoomForTags | ActError::FoundInfected)) => {
                let why = why.map(|why| format!("{why}; ")).unwrap_or_default();
                format!("It stays in staging: {why}{error}")
            }
            Err(error) => return Err(of_action(error)),
        };
        Ok(done(row, PromotionOutcome::Held, None, &detail))
    }

    /// The record of that name. None if there is none.
    async fn row(&self, name: &str) -> Result<Option<ResultRow>, FunctionError> {
        if !is_record_name(name) {
            return Err(FunctionError::untrusted("the input's `record` is not the name of a verdict's record"));
        }
        let key = layout::verdict_key(name);
        let stored = retry::store(|| self.store.get(&self.results_bucket, &key)).await;
        let stored = stored.map_err(FunctionError::store(format_args!("reading `{key}`")))?;
        let Some(stored) = stored else { return Ok(None) };
        let row: ResultRow = serde_json::from_slice(&stored.bytes)
            .map_err(|error| untrusted(name, format!("is not a verdict's: {error}")))?;
        if record_name(&row.object, &row.verdict) != name {
            return Err(untrusted(name, "is of another verdict or another object".to_owned()));
        }
        Ok(Some(row))
    }

    /// The verdict Infected on the same version, if there is one that counts more: an execution may be started again days after its
    /// scan, and agents with different definitions may be at one version.
    async fn found_infected(&self, row: &ResultRow) -> Result<Option<ResultRow>, FunctionError> {
        let name = record_name(&row.object, &Verdict::Infected { findings: Vec::new() });
        Ok(self.row(&name).await?.filter(|infected| !outweighs(row, infected)))
    }

    /// As it is now: a destination that was changed or taken back holds at once. What can't be read now, somebody is mending: the state
    /// machine asks again.
    async fn policy(&self, bucket: &str) -> Result<Policy, FunctionError> {
        let key = layout::POLICIES_KEY;
        let stored = retry::store(|| self.store.get(&self.results_bucket, key)).await;
        let stored = stored.map_err(|error| FunctionError::transient(format!("reading `{key}`: {error}")))?;
        let Some(stored) = stored else { return Ok(Policy::default()) };
        let policies: Policies = serde_json::from_slice(&stored.bytes)
            .map_err(|error| FunctionError::transient(format!("`{key}` is not a set of policies: {error}")))?;
        Ok(policies.of(bucket).clone())
    }
}

fn done(row: &ResultRow, outcome: PromotionOutcome, target: Option<Place>, detail: &str) -> Done {
    Done {
        outcome,
        verdict: row.verdict.name().to_owned(),
        bucket: row.object.bucket.clone(),
        key: row.object.key.clone(),
        version_id: row.object.version_id.clone(),
        target,
        detail: detail.to_owned(),
    }
}

fn gone(row: &ResultRow) -> Done {
    done(row, PromotionOutcome::Gone, None, "It was deleted before it could be acted on.")
}

fn untrusted(name: &str, what: String) -> FunctionError {
    warn!(record = name, "A promotion was asked for that no verdict stands behind");
    FunctionError::untrusted(format!("the record `{name}` {what}"))
}

fn no_such_record(name: &str) -> FunctionError {
    untrusted(name, "does not exist: no agent wrote it, or it is older than a week".to_owned())
}

fn of_promotion(error: PromoteError) -> FunctionError {
    FunctionError::retry_if(error.retryable(), error.to_string())
}

fn of_action(error: ActError) -> FunctionError {
    FunctionError::retry_if(error.retryable(), error.to_string())
}

impl From<lazaret_actions::promote::Place> for Place {
    fn from(place: lazaret_actions::promote::Place) -> Self {
        let lazaret_actions::promote::Place { bucket, key, version_id } = place;
        Self { bucket, key, version_id }
    }
}
