//! A job over a staging bucket, and a job that meets contents which their owner allowed.

mod common;

use common::events::policies;
use common::*;
use lazaret_aws::Executions;
use lazaret_model::allowed::AllowedContent;
use lazaret_model::policy::InfectedAction;
use lazaret_model::promotion::record_name;
use lazaret_model::{ActionKind, ActionOutcome, ResultRow, layout};
use sha2::{Digest, Sha256};

/// The bucket with versions as a staging bucket.
async fn staged(objects: &[(&str, &str)]) -> World {
    let world = World::with_objects(VERSIONED, objects).await;
    let mut policies = policies(|_| {});
    policies.buckets.insert(VERSIONED.into(), policies.of(common::events::STAGING).clone());
    world.write_policies(&policies).await;
    world
}

async fn executions(world: &World) -> usize {
    world.executions.list(100).await.expect("listed").len()
}

#[tokio::test(start_paused = true)]
async fn a_job_hands_what_it_finds_in_a_staging_bucket_to_the_state_machine_once() {
    let world = staged(&[("a", "plain"), ("b", "virus"), ("c", "encrypted")]).await;
    world.run().await.expect("ends idle");
    for row in world.rows() {
        let action = row.action.clone().expect("an action");
        let name = record_name(&row.object, &row.verdict);
        assert_eq!(action.kind, ActionKind::Promote { record: name.clone() });
        assert_eq!(action.outcome, ActionOutcome::Done);
        let written = world.s3.bytes(RESULTS, &layout::verdict_key(&name)).expect("written down");
        let written: ResultRow = serde_json::from_slice(&written).expect("a row");
        assert_eq!((written.object, written.verdict), (row.object.clone(), row.verdict));
        let execution = world.executions.describe(&name).await.expect("asked").expect("started");
        assert_eq!(execution.input.expect("an input")["record"], name);
        assert!(world.s3.tags_of(VERSIONED, &row.object.key).is_empty() && world.s3.exists(VERSIONED, &row.object.key));
    }
    assert_eq!((executions(&world).await, world.quarantined().len(), world.messages()), (3, 0, 0));
    // it comes again, and its part is lost
    world.s3.remove(RESULTS, &layout::part_key(&job_id(), &world.packets[0].packet_id));
    world.send(&world.packets[0]);
    world.run().await.expect("ends idle");
    assert_eq!(executions(&world).await, 3, "none was started twice");
}

#[tokio::test(start_paused = true)]
async fn a_job_leaves_a_content_that_its_owner_allowed_where_it_is() {
    let world = World::with_objects(BUCKET, &[("allowed", "a virus"), ("other", "another virus")]).await;
    let sha256 = Sha256::digest("a virus").iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let allowed = AllowedContent {
        sha256: sha256.clone(),
        threats: vec![THREAT.into()],
        at: jiff::Timestamp::UNIX_EPOCH,
        by: String::new(),
    };
    world.put(&layout::allowed_key(&sha256), serde_json::to_vec(&allowed).expect("json")).await;
    world.write_policies(&policies(|policy| policy.infected = InfectedAction::Move)).await;
    world.run().await.expect("ends idle");
    assert_eq!(world.row("allowed").verdict.name(), "InfectedAllowed");
    assert_eq!(world.tag(BUCKET, "allowed", "scan-result").as_deref(), Some("InfectedAllowed"));
    assert_eq!((world.row("other").verdict.name(), world.quarantined().len()), ("Infected", 1));
}
