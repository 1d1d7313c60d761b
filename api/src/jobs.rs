//! Answers that are fetched later: of scans that were answered by 202, and of nothing else.
//!
//! They lie in the results bucket (`api/jobs/`), not in memory: behind a load balancer the question reaches another server than the
//! scan did. A lifecycle rule takes them away.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use lazaret_agent::retry;
use lazaret_aws::objects::PutCondition;
use lazaret_aws::{ObjectStore, StoreError};
use serde::{Deserialize, Serialize};
use tracing::error;
use uuid::Uuid;

use crate::answer::{ProblemAnswer, ScanAnswer, ScanResult};
use crate::problem::Problem;
use crate::tokens::Caller;

const PREFIX: &str = "api/jobs/";

/// The answers of one deployment.
pub struct Jobs {
    pub store: Arc<dyn ObjectStore>,
    pub results_bucket: String,
}

/// What is written down of a scan that goes on.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    /// Nobody else is told of it.
    subject: String,
    /// No answer comes after this: whoever scanned is gone.
    until: Timestamp,
    outcome: Outcome,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Outcome {
    Pending,
    Answer(ScanAnswer),
    Problem(ProblemAnswer),
}

/// How a scan stands.
#[derive(Debug, PartialEq, Eq)]
pub enum Status {
    Pending,
    Answer(Box<ScanAnswer>),
    /// It ended without an answer.
    Problem(ProblemAnswer),
}

impl Jobs {
    /// Writes down that a scan has begun.
    ///
    /// # Errors
    /// If that could not be done: its answer would never be found.
    pub async fn begin(&self, reference: Uuid, caller: &Caller, longest: Duration) -> Result<(), Problem> {
        self.write(reference, caller, longest, Outcome::Pending).await.map_err(|error| {
            error!(%error, "A scan that goes on could not be written down");
            Problem::Unavailable("the scan can't be written down at the moment")
        })
    }

    /// Writes down what came of it.
    pub async fn finish(&self, reference: Uuid, caller: &Caller, outcome: Result<ScanAnswer, Problem>) {
        let outcome = match outcome {
            Ok(answer) => Outcome::Answer(answer),
            Err(problem) => Outcome::Problem(failed(problem.to_string())),
        };
        if let Err(error) = self.write(reference, caller, Duration::ZERO, outcome).await {
            error!(%error, %reference, "The answer of a scan could not be written down; it will be told as lost");
        }
    }

    /// # Errors
    /// If there is no such scan of this caller, or it can't be found out.
    pub async fn status(&self, reference: Uuid, caller: &Caller) -> Result<Status, Problem> {
        let key = key(reference);
        let stored = retry::store(|| self.store.get(&self.results_bucket, &key)).await;
        let stored = stored.map_err(|error| {
            error!(%error, "The record of a scan could not be read");
            Problem::Unavailable("answers can't be read at the moment")
        })?;
        let stored = stored.ok_or(Problem::NotFound)?;
        let record: Record =
            serde_json::from_slice(&stored.bytes).map_err(|_| Problem::Internal("the scan's record can't be read"))?;
        if record.subject != caller.subject {
            return Err(Problem::NotFound);
        }
        Ok(match record.outcome {
            Outcome::Pending if Timestamp::now() > record.until => {
                Status::Problem(failed("the scan was lost; send the file again".to_owned()))
            }
            Outcome::Pending => Status::Pending,
            Outcome::Answer(answer) => Status::Answer(Box::new(answer)),
            Outcome::Problem(problem) => Status::Problem(problem),
        })
    }

    async fn write(
        &self,
        reference: Uuid,
        caller: &Caller,
        longest: Duration,
        outcome: Outcome,
    ) -> Result<(), StoreError> {
        let until = Timestamp::now().saturating_add(longest).unwrap_or(Timestamp::MAX);
        let record = Record { subject: caller.subject.clone(), until, outcome };
        let json = serde_json::to_vec(&record).map_err(|error| StoreError::Permanent(error.to_string()))?;
        let (key, json) = (key(reference), Bytes::from(json));
        let put = || self.store.put(&self.results_bucket, &key, json.clone(), "application/json", PutCondition::Always);
        retry::store(put).await.map(drop)
    }
}

fn failed(why: String) -> ProblemAnswer {
    ProblemAnswer { detected_infections: Vec::new(), error_message: why, result: ScanResult::Error }
}

fn key(reference: Uuid) -> String {
    format!("{PREFIX}{reference}.json")
}

#[cfg(test)]
mod tests {
    use lazaret_aws::fake::FakeStore;
    use lazaret_model::Verdict;

    use super::*;
    use crate::answer::Judged;

    fn jobs() -> Jobs {
        Jobs { store: Arc::new(FakeStore::new().with_bucket("results")), results_bucket: "results".into() }
    }

    fn caller(subject: &str) -> Caller {
        Caller { subject: subject.into(), user: subject.into() }
    }

    #[tokio::test]
    async fn an_answer_is_found_by_whoever_asked_for_it_and_nobody_else() {
        let (jobs, reference, (anna, ben)) = (jobs(), Uuid::new_v4(), (caller("anna"), caller("ben")));
        assert_eq!(jobs.status(reference, &anna).await, Err(Problem::NotFound));
        jobs.begin(reference, &anna, Duration::from_secs(60)).await.expect("written");
        assert_eq!(jobs.status(reference, &anna).await, Ok(Status::Pending));
        let judged = [Judged { name: "f".into(), verdict: Verdict::Clean }];
        let answer = ScanAnswer::of(&judged, reference, Timestamp::now());
        jobs.finish(reference, &anna, Ok(answer.clone())).await;
        assert_eq!(jobs.status(reference, &anna).await, Ok(Status::Answer(Box::new(answer))));
        assert_eq!(jobs.status(reference, &ben).await, Err(Problem::NotFound));
    }

    #[tokio::test]
    async fn a_scan_whose_server_is_gone_is_lost_and_never_clean() {
        let (jobs, reference, anna) = (jobs(), Uuid::new_v4(), caller("anna"));
        jobs.begin(reference, &anna, Duration::ZERO).await.expect("written");
        assert!(matches!(jobs.status(reference, &anna).await, Ok(Status::Problem(_))));
        jobs.finish(reference, &anna, Err(Problem::Internal("no"))).await;
        let Ok(Status::Problem(problem)) = jobs.status(reference, &anna).await else { panic!("a problem") };
        assert_eq!((problem.error_message.as_str(), problem.result), ("no", ScanResult::Error));
    }
}
