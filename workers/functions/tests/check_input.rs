//! A mistake in the input is named before anything is created.

mod world;

use std::sync::Arc;

use lazaret_aws::StoreError;
use lazaret_aws::fake::FailingStore;
use lazaret_functions::FunctionError;
use lazaret_functions::check_input::{CheckInput, Input};
use lazaret_model::Failure;
use serde_json::{Value, json};
use world::World;

fn input(input: Value) -> Input {
    Input { input, job_id: "job-1".into(), started_at: world::now() }
}

fn buckets(names: &[&str]) -> Input {
    input(json!({ "buckets": names.iter().map(|name| json!({ "name": name })).collect::<Vec<_>>() }))
}

async fn error(world: &World, input: Input) -> FunctionError {
    world.check_input().handle(input).await.expect_err("a mistake")
}

#[tokio::test]
async fn a_good_input_becomes_a_job_with_a_scope_for_each_bucket() {
    let world = World::new();
    world.store.create_bucket("one", false);
    world.store.create_bucket("two", true);
    let output = world.check_input().handle(buckets(&["two", "one"])).await.expect("a job");
    let scopes: Vec<_> = output.scopes.iter().map(|scope| (scope.index, scope.bucket.as_str())).collect();
    assert_eq!(scopes, [(0, "two"), (1, "one")]);
    assert_eq!(output.job.window.to, world::now());
    assert_eq!(output.dead_letter_queue_name, "lazaret-job-job-1-dead");
}

#[tokio::test]
async fn every_bad_bucket_is_named_not_only_the_first() {
    let world = World::new();
    world.store.create_bucket("good", false);
    world.store.create_bucket("secret", false);
    world.store.deny("secret");
    let both = error(&world, buckets(&["missing-one", "good", "secret", "missing-two"])).await;
    assert_eq!(both.failure, Failure::BucketNotFound);
    for name in ["`missing-one`", "`missing-two`", "`secret`"] {
        assert!(both.message.contains(name), "{}", both.message);
    }
    assert!(!both.message.contains("`good`"));
    let denied = error(&world, buckets(&["good", "secret"])).await;
    assert_eq!(denied.failure, Failure::AccessDenied);
}

#[tokio::test]
async fn two_prefixes_of_a_bucket_ask_for_it_once() {
    let world = World::new();
    world.store.create_bucket("one", false);
    let scopes = json!({"buckets": [{"name": "one", "prefix": "a/"}, {"name": "one", "prefix": "b/"}]});
    world.check_input().handle(input(scopes)).await.expect("a job");
    assert_eq!(world.store.calls("check_bucket"), 1);
}

#[tokio::test]
async fn mistakes_are_bad_input_and_ask_s3_nothing() {
    let world = World::new();
    let window = |from: &str, to: &str| json!({"buckets": [{"name": "one"}], "window": {"from": from, "to": to}});
    let day = "2026-01-01T00:00:00Z";
    for (input, said) in [
        (buckets(&[]), "name at least one bucket"),
        (input(json!({})), "name at least one bucket"),
        (input(json!({"bucket": "x"})), "no field \"bucket\""),
        (input(window(day, day)), "window is empty"),
        (input(window(day, "2025-01-01T00:00:00Z")), "is not before"),
        (Input { job_id: "no good".into(), ..buckets(&["one"]) }, "is not a job id"),
    ] {
        let error = error(&world, input).await;
        assert_eq!(error.failure, Failure::BadInput);
        assert!(error.message.contains(said), "{}", error.message);
    }
    assert_eq!(world.store.calls("check_bucket"), 0);
}

#[tokio::test]
async fn an_answer_too_long_for_step_functions_is_refused() {
    let world = World::new();
    let scope = |number: usize| json!({"name": "one", "prefix": format!("{number:03}{}", "x".repeat(1000))});
    let scopes: Vec<Value> = (0..200).map(scope).collect();
    let error = error(&world, input(json!({ "buckets": scopes }))).await;
    assert_eq!(error.failure, Failure::BadInput);
    assert!(error.message.contains("split"), "{}", error.message);
}

#[tokio::test]
async fn a_service_that_is_busy_is_asked_again_by_the_state_machine() {
    let world = World::new();
    world.store.create_bucket("one", false);
    let store = FailingStore::new(world.store.clone());
    store.faults.fail("check_bucket", 1, StoreError::Transient("SlowDown".into()));
    let function = CheckInput { store: Arc::new(store) };
    let error = function.handle(buckets(&["one"])).await.expect_err("busy");
    assert_eq!(error.failure, Failure::Transient);
    function.handle(buckets(&["one"])).await.expect("no longer");
}

#[tokio::test]
async fn the_crawlers_of_a_schedule_are_told_where_their_selection_lies() {
    let world = World::new();
    world.store.create_bucket("one", false);
    let input = |selected: bool| Input {
        input: json!({"buckets": [{"name": "one", "prefix": "a/"}, {"name": "one", "prefix": "b/"}], "selected": selected}),
        job_id: "nightly-20261101T040000Z-1".into(),
        started_at: "2026-11-01T06:00:00Z".parse().expect("a time"),
    };
    let of = |output: lazaret_functions::check_input::Output| -> Vec<String> {
        output.scopes.into_iter().map(|scope| scope.selection).collect()
    };
    assert_eq!(of(world.check_input().handle(input(false)).await.expect("a job")), ["", ""]);
    assert_eq!(
        of(world.check_input().handle(input(true)).await.expect("a job")),
        ["work/nightly-20261101T040000Z-1/selection/0.json", "work/nightly-20261101T040000Z-1/selection/1.json"]
    );
}
