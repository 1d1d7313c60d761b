//! The function `promote`: what it believes, where it sends a version, and what it answers.

mod world;

use lazaret_aws::fake::{FailingStore, FakeObject};
use lazaret_aws::{ObjectStore, StoreError};
use lazaret_functions::promote::{Answer, Done, Input, Step};
use lazaret_model::policy::{InfectedAction, Policies, Policy, ProtectedBy, Protection};
use lazaret_model::promotion::{Destination, PromotionOutcome, record_name};
use lazaret_model::verdict::UnscannableReason;
use lazaret_model::*;
use world::{QUARANTINE, RESULTS, World, infected, moment};

const KEY: &str = "in/a";

fn world() -> World {
    let world = World::new();
    world.store.create_bucket("staging", true);
    world.store.create_bucket("production", true);
    world.store.create_bucket(QUARANTINE, true);
    world.put_policy(staging_policy("production"));
    world
}

fn staging_policy(to: &str) -> Policy {
    let protection = Protection::new(moment("2026-01-01T00:00:00Z"), ProtectedBy::Command)
        .promoting_to(Destination { bucket: to.into(), prefix: String::new() });
    Policy { protection: Some(protection), ..Policy::default() }
}

impl World {
    fn put_policy(&self, policy: Policy) {
        let buckets = [("staging".to_owned(), policy)].into();
        self.put_json(layout::POLICIES_KEY, &Policies { buckets, ..Policies::default() });
    }

    /// An object that is stored and scanned, and the name of its record.
    fn scanned(&self, verdict: Verdict) -> String {
        self.store.insert("staging", KEY, verdict.name());
        self.judged(verdict, "2026-11-01T06:00:00Z")
    }

    /// A verdict on what stands in staging.
    fn judged(&self, verdict: Verdict, at: &str) -> String {
        self.judged_of(self.store.pinned_ref("staging", KEY), verdict, at)
    }

    fn judged_of(&self, object: ObjectRef, verdict: Verdict, at: &str) -> String {
        let name = record_name(&object, &verdict);
        let row = ResultRow { object, verdict, action: None, scanned_at: moment(at), evidence: Evidence::default() };
        self.put_json(&layout::verdict_key(&name), &row);
        name
    }

    async fn step(&self, step: Step, record: &str) -> Result<Done, (Failure, String)> {
        match self.promote().handle(Input { step, record: record.to_owned() }).await {
            Ok(Answer::Done(done)) => Ok(done),
            Ok(Answer::Found(found)) => panic!("{found:?}"),
            Err(error) => Err((error.failure, error.message)),
        }
    }

    fn result_tags(&self, bucket: &str, key: &str) -> Vec<String> {
        let tags = self.store.tags_of(bucket, key);
        tags.into_iter().filter(|tag| tag.key != "date-scanned").map(|tag| tag.value).collect()
    }
}

fn unscannable() -> Verdict {
    Verdict::Unscannable { reason: UnscannableReason::Encrypted, detail: "a.txt".into() }
}

#[tokio::test]
async fn each_verdict_has_its_way_and_a_replay_finds_it_gone() {
    let allowed = Verdict::InfectedAllowed { findings: infected().findings().to_vec() };
    for (verdict, step, outcome, ends_in) in [
        (Verdict::Clean, Step::Promote, PromotionOutcome::Promoted, "production"),
        (allowed, Step::Promote, PromotionOutcome::Promoted, "production"),
        (infected(), Step::Quarantine, PromotionOutcome::Quarantined, QUARANTINE),
        (unscannable(), Step::Hold, PromotionOutcome::Held, "staging"),
    ] {
        let world = world();
        let record = world.scanned(verdict.clone());
        for _ in 0..2 {
            let done = world.step(step, &record).await.expect("done");
            assert_eq!((done.outcome, done.verdict.as_str()), (outcome, verdict.name()));
            let holds = ["staging", "production", QUARANTINE].map(|bucket| !world.store.keys(bucket, "").is_empty());
            assert_eq!(holds, ["staging", "production", QUARANTINE].map(|bucket| bucket == ends_in), "{verdict:?}");
        }
        if let Some(target) = world.step(step, &record).await.expect("done").target {
            assert_eq!(target.bucket, ends_in);
            assert_eq!(world.result_tags(ends_in, &target.key)[0], verdict.name());
        }
    }
}

#[tokio::test]
async fn only_a_record_that_an_agent_wrote_moves_anything() {
    let world = world();
    let record = world.scanned(Verdict::Clean);
    let object = world.store.pinned_ref("staging", KEY);
    let digits = record.strip_prefix("Clean-").expect("a name");
    let never = record_name(&ObjectRef { key: "other".into(), ..object.clone() }, &Verdict::Clean);
    // the record of one verdict under the name of another, and something that is no record
    world.store.insert(RESULTS, &layout::verdict_key(&format!("Infected-{digits}")), {
        world.store.bytes(RESULTS, &layout::verdict_key(&record)).expect("written")
    });
    let elsewhere = record_name(&ObjectRef { key: "elsewhere".into(), ..object }, &Verdict::Clean);
    world.store.insert(RESULTS, &layout::verdict_key(&elsewhere), "{\"result\":\"Clean\"}");
    let names = [
        never,
        elsewhere,
        format!("Infected-{digits}"),
        format!("{record}/../{record}"),
        "../settings/policies".into(),
        String::new(),
    ];
    for name in names {
        for step in [Step::Read, Step::Promote, Step::Quarantine, Step::Hold] {
            let refused = world.promote().handle(Input { step, record: name.clone() }).await.expect_err("refused");
            assert_eq!(refused.failure, Failure::Untrusted, "{name} {refused}");
        }
    }
    assert!(world.store.keys("production", "").is_empty() && world.store.exists("staging", KEY));
    assert!(world.result_tags("staging", KEY).is_empty());
}

#[tokio::test]
async fn a_step_must_fit_the_verdict_of_the_record() {
    for (verdict, steps) in [
        (infected(), &[Step::Promote][..]),
        (unscannable(), &[Step::Promote, Step::Quarantine]),
        (Verdict::Clean, &[Step::Quarantine]),
        (Verdict::Skipped { reason: verdict::SkippedReason::Archived }, &[Step::Promote, Step::Quarantine]),
    ] {
        let world = world();
        let record = world.scanned(verdict);
        for step in steps {
            let (failure, _) = world.step(*step, &record).await.expect_err("refused");
            assert_eq!(failure, Failure::Untrusted);
        }
        assert!(world.store.keys("production", "").is_empty() && world.store.exists("staging", KEY));
    }
}

#[tokio::test]
async fn the_input_may_say_what_it_likes_beside_the_record() {
    let world = world();
    let record = world.scanned(infected());
    let event = serde_json::json!({"step": "promote", "record": record, "verdict": "Clean", "bucket": "production"});
    let input: Input = serde_json::from_value(event).expect("an input");
    assert_eq!(world.promote().handle(input).await.expect_err("refused").failure, Failure::Untrusted);
}

#[tokio::test]
async fn the_destination_is_that_of_the_policy_as_it_is_now() {
    let world = world();
    world.store.create_bucket("elsewhere", true);
    let record = world.scanned(Verdict::Clean);
    for (policy, why) in [
        (Policy::default(), "no staging bucket any more"),
        (staging_policy(QUARANTINE), "one of Lazaret's own"),
        (staging_policy(RESULTS), "one of Lazaret's own"),
        (staging_policy("staging"), "its production bucket is its staging bucket"),
    ] {
        world.put_policy(policy);
        let done = world.step(Step::Promote, &record).await.expect("held");
        assert_eq!(done.outcome, PromotionOutcome::Held);
        assert!(done.detail.contains(why), "{}", done.detail);
        assert_eq!(world.result_tags("staging", KEY)[0], "Clean");
        assert!(world.result_tags("staging", KEY)[1].starts_with("its "), "it says why");
    }
    world.put_policy(staging_policy("elsewhere"));
    assert_eq!(world.step(Step::Promote, &record).await.expect("done").outcome, PromotionOutcome::Promoted);
    assert_eq!(world.store.bytes("elsewhere", KEY).expect("there"), "Clean");
    assert!(world.store.keys("production", "").is_empty());
}

#[tokio::test]
async fn policies_that_cannot_be_read_hold_everything_up() {
    let world = world();
    let record = world.scanned(Verdict::Clean);
    world.store.insert(RESULTS, layout::POLICIES_KEY, "{");
    let (failure, text) = world.step(Step::Promote, &record).await.expect_err("no policies");
    assert!(failure == Failure::Transient && text.contains(layout::POLICIES_KEY), "{text}");
    let failing = FailingStore::new(world.store.clone());
    failing.faults.fail_always("get", StoreError::Permanent("no".into()));
    let function = world.promote_over(failing);
    let refused = function.handle(Input { step: Step::Promote, record: record.clone() }).await.expect_err("no answer");
    // the record, without which nothing is known of it, is read first
    assert_eq!(refused.failure, Failure::Permanent);
    let failing = FailingStore::new(world.store.clone());
    failing.faults.fail("get", 2, StoreError::AccessDenied("no".into()));
    let function = world.promote_over(failing);
    let refused = function.handle(Input { step: Step::Promote, record: record.clone() }).await.expect_err("no answer");
    assert_eq!(refused.failure, Failure::Transient);
    assert!(world.store.exists("staging", KEY));
    world.put_policy(staging_policy("production"));
    assert_eq!(world.step(Step::Promote, &record).await.expect("done").outcome, PromotionOutcome::Promoted);
}

#[tokio::test(start_paused = true)]
async fn throttling_is_for_the_state_machine_to_try_again() {
    let world = world();
    let record = world.scanned(Verdict::Clean);
    for operation in ["get", "head", "tags", "copy", "delete"] {
        let failing = FailingStore::new(world.store.clone());
        failing.faults.fail_always(operation, StoreError::Transient("SlowDown".into()));
        let step = Input { step: Step::Promote, record: record.clone() };
        let failed = world.promote_over(failing).handle(step).await.expect_err(operation);
        assert_eq!(failed.failure, Failure::Transient, "{operation}");
    }
    assert_eq!(world.step(Step::Promote, &record).await.expect("done").outcome, PromotionOutcome::Promoted);
    assert_eq!(world.store.version_count("production", KEY), 1);
}

#[tokio::test]
async fn a_bucket_without_versions_promotes_nothing_and_says_so() {
    let world = world();
    world.store.create_bucket("staging", false);
    let record = world.scanned(Verdict::Clean);
    let done = world.step(Step::Promote, &record).await.expect("held");
    assert_eq!(done.outcome, PromotionOutcome::Held);
    let tags = world.result_tags("staging", KEY);
    assert!(tags[0] == "Clean" && tags[1].contains("must be versioned"), "{tags:?}");
    // what is infected is taken out all the same
    let record = world.scanned(infected());
    let done = world.step(Step::Quarantine, &record).await.expect("done");
    assert_eq!(done.outcome, PromotionOutcome::Quarantined);
    assert!(!world.store.exists("staging", KEY));
}

#[tokio::test]
async fn the_policy_says_what_becomes_of_an_infected_version() {
    for (infected_action, outcome) in [
        (InfectedAction::Move, PromotionOutcome::Quarantined),
        (InfectedAction::Delete, PromotionOutcome::Deleted),
        (InfectedAction::Keep, PromotionOutcome::Held),
    ] {
        let world = world();
        world.put_policy(Policy { infected: infected_action, ..staging_policy("production") });
        let record = world.scanned(infected());
        for _ in 0..2 {
            assert_eq!(world.step(Step::Quarantine, &record).await.expect("done").outcome, outcome);
        }
        assert_eq!(world.store.exists("staging", KEY), infected_action == InfectedAction::Keep);
        assert_eq!(world.store.keys(QUARANTINE, "").is_empty(), infected_action != InfectedAction::Move);
        assert!(world.store.keys("production", "").is_empty());
    }
}

#[tokio::test]
async fn a_later_scan_that_found_something_counts_more_than_an_execution_that_is_started_again() {
    let world = world();
    let clean = world.scanned(Verdict::Clean);
    world.judged(infected(), "2026-11-02T06:00:00Z");
    let done = world.step(Step::Promote, &clean).await.expect("held");
    assert_eq!(done.outcome, PromotionOutcome::Held);
    assert!(world.store.keys("production", "").is_empty());
    assert_eq!(world.result_tags("staging", KEY)[0], "Infected");
}

/// Two agents on two deliveries of one event: the one with the older definitions is done last.
#[tokio::test]
async fn a_clean_verdict_by_older_definitions_does_not_outweigh_an_infected_one() {
    let judged = |world: &World, verdict: Verdict, at: &str, definitions: &str, age: u64| {
        let name = world.judged(verdict, at);
        let row = world.store.bytes(RESULTS, &layout::verdict_key(&name)).expect("written");
        let mut row: ResultRow = serde_json::from_slice(&row).expect("a row");
        row.evidence.definitions = Some(definitions.to_owned());
        row.evidence.definitions_age_seconds = Some(age);
        world.put_json(&layout::verdict_key(&name), &row);
        name
    };
    let world = world();
    world.store.insert("staging", KEY, "x");
    world.put_policy(Policy { infected: InfectedAction::Keep, ..staging_policy("production") });
    let infected = judged(&world, infected(), "2026-11-01T06:00:00Z", "newer", 3600);
    assert_eq!(world.step(Step::Quarantine, &infected).await.expect("kept").outcome, PromotionOutcome::Held);
    let clean = judged(&world, Verdict::Clean, "2026-11-01T06:00:07Z", "older", 90_000);
    let done = world.step(Step::Promote, &clean).await.expect("held");
    assert!(done.outcome == PromotionOutcome::Held && done.detail.contains("found it infected"), "{}", done.detail);
    assert_eq!(world.result_tags("staging", KEY)[0], "Infected");
    assert!(world.store.keys("production", "").is_empty());
    // scanned again, with definitions that no longer say so
    judged(&world, Verdict::Clean, "2026-11-02T06:00:00Z", "newest", 600);
    let done = world.step(Step::Promote, &clean).await.expect("done");
    assert_eq!(done.outcome, PromotionOutcome::Promoted);
    assert_eq!(world.result_tags("production", KEY)[0], "Clean");
}

#[tokio::test]
async fn a_version_that_was_promoted_before_it_was_found_infected_is_a_failure_that_people_hear_of() {
    let world = world();
    let clean = world.scanned(Verdict::Clean);
    let object = world.store.pinned_ref("staging", KEY);
    assert_eq!(world.step(Step::Promote, &clean).await.expect("done").outcome, PromotionOutcome::Promoted);
    let infected = world.judged_of(object, infected(), "2026-11-02T06:00:00Z");
    let (failure, text) = world.step(Step::Quarantine, &infected).await.expect_err("too late");
    assert_eq!(failure, Failure::Permanent);
    assert!(text.contains("bucket `production` at key `in/a`"), "{text}");
}

#[tokio::test]
async fn what_is_gone_and_what_has_no_room_for_tags_is_said() {
    let world = world();
    let record = world.scanned(unscannable());
    let object = world.store.pinned_ref("staging", KEY);
    world.store.delete(&object).await.expect("deleted");
    assert_eq!(world.step(Step::Hold, &record).await.expect("gone").outcome, PromotionOutcome::Gone);
    let full = (0..10).fold(FakeObject::new("x"), |object, n| object.tag(&format!("t{n}"), "v"));
    world.store.insert_object("staging", KEY, full);
    let record = world.judged(unscannable(), "2026-11-01T06:00:00Z");
    let done = world.step(Step::Hold, &record).await.expect("held");
    assert!(done.outcome == PromotionOutcome::Held && done.detail.contains("no room"), "{}", done.detail);
}

#[tokio::test]
async fn a_production_bucket_that_refuses_is_named() {
    let world = world();
    let record = world.scanned(Verdict::Clean);
    world.store.deny("production");
    let (failure, text) = world.step(Step::Promote, &record).await.expect_err("refused");
    assert!(failure == Failure::Permanent && text.contains("`production`") && text.contains("grant"), "{text}");
    world.put_policy(staging_policy("missing"));
    let (failure, text) = world.step(Step::Promote, &record).await.expect_err("missing");
    assert!(failure == Failure::Permanent && text.contains("`missing` does not exist"), "{text}");
    assert!(world.store.exists("staging", KEY));
}
