//! Runs of a schedule, as EventBridge Scheduler and Step Functions call for them.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use lazaret_aws::Executions;
use lazaret_aws::fake::{FakeExecutions, FakeObject, FakeStore, FakeUploads};
use lazaret_functions::start_scheduled::{Input, StartScheduled};
use lazaret_model::summary::{Completeness, Status};
use lazaret_model::{Failure, JobId, Selection, Summary, Upload, layout};
use lazaret_schedules::ScheduleState;
use serde_json::{Value, json};

struct World {
    store: FakeStore,
    uploads: FakeUploads,
    executions: FakeExecutions,
    function: StartScheduled,
}

/// The fake S3's clock stands at the start of 2026; with the default hour to settle, runs end an hour before.
fn world() -> World {
    let store = FakeStore::new().with_bucket("results").with_bucket("cargo").with_bucket("mail");
    let (uploads, executions) = (FakeUploads::new(), FakeExecutions::new());
    let function = StartScheduled {
        store: Arc::new(store.clone()),
        uploads: Arc::new(uploads.clone()),
        executions: Arc::new(executions.clone()),
        results_bucket: "results".into(),
    };
    World { store, uploads, executions, function }
}

fn due(definition: Value, at: &str) -> Input {
    let call = json!({"schedule": "nightly", "definition": definition, "due": at});
    serde_json::from_value(call).expect("a call")
}

fn both(overlap: &str) -> Value {
    json!({"buckets": [{"name": "cargo"}, {"name": "mail", "prefix": "in/"}], "scope": "new", "overlap": overlap})
}

impl World {
    async fn call(&self, input: Input) -> (String, Option<JobId>) {
        let output = self.function.handle(input, Timestamp::UNIX_EPOCH).await.expect("an answer");
        (output.outcome, output.job_id)
    }

    async fn start(&self, at: &str) -> JobId {
        let (outcome, job) = self.call(due(both("refuse"), at)).await;
        assert_eq!(outcome, "started");
        job.expect("a job")
    }

    async fn input(&self, job: &JobId) -> Value {
        let execution = self.executions.describe(job.as_str()).await.expect("known").expect("there");
        execution.input.expect("its input")
    }

    fn selection(&self, job: &JobId, index: u32) -> Selection {
        let bytes = self.store.bytes("results", &layout::selection_key(job, index)).expect("a selection");
        serde_json::from_slice(&bytes).expect("a selection")
    }

    fn state(&self) -> ScheduleState {
        let bytes = self.store.bytes("results", "schedules/nightly/state.json").expect("a state");
        serde_json::from_slice(&bytes).expect("a state")
    }

    async fn end(&self, job: &JobId, status: Status) {
        let text = include_str!("../../../tests/fixtures/contracts/summary.json");
        let example: Summary = serde_json::from_str(text).expect("a summary");
        let complete = status == Status::Complete;
        let summary = Summary {
            job_id: job.clone(),
            status,
            completeness: Completeness { complete, ..example.completeness.clone() },
            ..example
        };
        let bytes = serde_json::to_vec(&summary).expect("JSON");
        self.store.insert("results", &layout::summary_key(job), bytes);
        self.executions.succeed(job.as_str(), json!({}));
    }

    /// What EventBridge tells.
    fn ended(job: &JobId) -> Input {
        serde_json::from_value(json!({"detail": {"name": job.as_str(), "status": "SUCCEEDED"}})).expect("an event")
    }
}

#[tokio::test]
async fn a_run_begins_where_the_last_complete_one_ended() {
    let world = world();
    let first = world.start("2026-01-01T04:00:00Z").await;
    let input = world.input(&first).await;
    assert_eq!(input["source"], "schedule/nightly");
    assert_eq!(input["window"], json!({"from": "2006-03-14T00:00:00Z", "to": "2025-12-31T23:00:00Z"}));
    assert_eq!(input["selected"], true);
    assert_eq!(world.selection(&first, 1).window.to.to_string(), "2025-12-31T23:00:00Z");
    world.end(&first, Status::Complete).await;
    assert_eq!(world.call(World::ended(&first)).await.0, "settled");
    assert_eq!(world.state().marks.len(), 2);

    // S3's clock has not moved, so nothing is old enough
    assert_eq!(world.call(due(both("refuse"), "2026-01-02T04:00:00Z")).await.0, "nothing-yet");
    // that of the next run, a moment later, is the fake's next write with a later date
    let state = ScheduleState { last_due: None, ..world.state() };
    let earlier = state.marks["cargo/"].to - SignedDuration::from_hours(24);
    let mut state = state;
    state.marks.get_mut("cargo/").expect("a mark").to = earlier;
    world.store.insert("results", "schedules/nightly/state.json", serde_json::to_vec(&state).expect("JSON"));
    let second = world.start("2026-01-03T04:00:00Z").await;
    assert_eq!(world.input(&second).await["buckets"], json!([{"name": "cargo", "prefix": ""}]));
    assert_eq!(world.selection(&second, 0).window.from, earlier);
}

#[tokio::test]
async fn an_incomplete_and_a_failed_run_move_nothing() {
    let world = world();
    let first = world.start("2026-01-01T04:00:00Z").await;
    world.end(&first, Status::Incomplete).await;
    let second = world.start("2026-01-02T04:00:00Z").await;
    assert_eq!(world.input(&second).await["window"]["from"], "2006-03-14T00:00:00Z");
    world.executions.fail(second.as_str(), "Lazaret.Transient", "no report at all");
    let third = world.start("2026-01-03T04:00:00Z").await;
    assert!(world.state().marks.is_empty() && third != second);
    assert!(third.as_str().starts_with("nightly-20260101T000000Z-3"), "{third}");
}

#[tokio::test]
async fn a_call_that_comes_twice_is_one_run() {
    let world = world();
    let first = world.start("2026-01-01T04:00:00Z").await;
    assert_eq!(world.call(due(both("queue"), "2026-01-01T04:00:00Z")).await.0, "repeated");
    world.end(&first, Status::Complete).await;
    assert_eq!(world.call(due(both("queue"), "2026-01-01T04:00:00Z")).await.0, "repeated");
    assert_eq!(world.executions.list(9).await.expect("a list").len(), 1);
}

#[tokio::test]
async fn a_run_that_overlaps_is_refused_or_follows_once() {
    let world = world();
    let all = json!({"buckets": [{"name": "cargo"}], "scope": "all", "overlap": "queue"});
    let first = world.call(due(all.clone(), "2026-01-01T04:00:00Z")).await.1.expect("a job");
    assert_eq!(world.input(&first).await["window"], json!({}));
    assert_eq!(world.call(due(both("refuse"), "2026-01-02T04:00:00Z")).await, ("refused".into(), Some(first.clone())));
    for day in 3..6 {
        let answer = world.call(due(all.clone(), &format!("2026-01-0{day}T04:00:00Z"))).await;
        assert_eq!(answer, ("queued".into(), Some(first.clone())));
    }
    let early = world.function.handle(World::ended(&first), Timestamp::UNIX_EPOCH).await.expect_err("it runs");
    assert_eq!(early.failure, Failure::Transient);
    world.end(&first, Status::Complete).await;
    let (outcome, second) = world.call(World::ended(&first)).await;
    assert_eq!(outcome, "started");
    let second = second.expect("a job");
    world.end(&second, Status::Complete).await;
    assert_eq!(world.call(World::ended(&second)).await.0, "settled");
    assert_eq!(world.state().refused, 1);
}

#[tokio::test]
async fn a_bucket_that_was_deleted_or_denied_does_not_stop_the_others() {
    let world = world();
    world.store.remove_bucket("mail");
    let first = world.start("2026-01-01T04:00:00Z").await;
    assert_eq!(world.input(&first).await["buckets"], json!([{"name": "cargo", "prefix": ""}]));
    assert_eq!(
        serde_json::to_value(world.state().left_out).expect("JSON"),
        json!([{"bucket": "mail", "why": "missing"}])
    );
    world.end(&first, Status::Complete).await;

    // it is there again: its first run begins at the beginning
    world.store.create_bucket("mail", false);
    let second = world.start("2026-01-02T04:00:00Z").await;
    assert_eq!(world.input(&second).await["buckets"], json!([{"name": "mail", "prefix": "in/"}]));
    world.executions.fail(second.as_str(), "Lazaret.AccessDenied", "");

    for bucket in ["mail", "cargo"] {
        world.store.deny(bucket);
    }
    let input = due(both("refuse"), "2026-01-03T04:00:00Z");
    let error = world.function.handle(input, Timestamp::UNIX_EPOCH).await.expect_err("nothing left");
    assert_eq!(error.failure, Failure::Permanent);
    assert!(error.message.contains("`cargo` may not be listed, `mail` may not be listed"), "{error}");
}

#[tokio::test]
async fn an_upload_that_is_open_is_left_to_a_later_run() {
    let world = world();
    let upload = |id: &str, key: &str| Upload {
        key: key.into(),
        upload_id: id.into(),
        initiated: "2025-12-31T20:00:00Z".parse().expect("a time"),
    };
    world.uploads.begin("cargo", upload("1", "big"));
    world.uploads.begin("mail", upload("2", "elsewhere"));
    let first = world.start("2026-01-01T04:00:00Z").await;
    assert_eq!(world.selection(&first, 0).left_out, [upload("1", "big")]);
    assert!(world.selection(&first, 1).left_out.is_empty(), "another prefix");
    world.end(&first, Status::Complete).await;
    world.call(World::ended(&first)).await;
    assert_eq!(world.state().marks["cargo/"].open, [upload("1", "big")]);
}

#[tokio::test]
async fn the_end_of_any_other_job_is_nobodys_business() {
    let world = world();
    for name in ["retro-20261101T120000Z-1a2b", "job-1", "not a job", "other-20260101T000000Z-1"] {
        let input: Input = serde_json::from_value(json!({"detail": {"name": name}})).expect("an event");
        assert_eq!(world.call(input).await.0, "settled");
    }
    assert!(world.store.keys("results", "").is_empty());
}

#[tokio::test]
async fn a_state_that_cannot_be_read_is_no_new_beginning() {
    let world = world();
    world.store.insert_object("results", "schedules/nightly/state.json", FakeObject::new("not JSON"));
    let input = due(both("refuse"), "2026-01-01T04:00:00Z");
    let error = world.function.handle(input, Timestamp::UNIX_EPOCH).await.expect_err("damaged");
    assert_eq!(error.failure, Failure::Permanent);
    assert!(world.executions.list(9).await.expect("a list").is_empty());
}
