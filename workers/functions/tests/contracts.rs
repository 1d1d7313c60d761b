//! `tests/fixtures/contracts` is the interface between the programs: what Rust reads of it, it writes again, to the letter.

mod world;

use std::path::PathBuf;

use lazaret_aws::fake::FakeObject;
use lazaret_functions::{check_drain, check_input, promote, report, size_fleet, tear_down};
use lazaret_model::calibration::{AgentAccount, Calibration, FleetRecord};
use lazaret_model::fleet::FleetPlan;
use lazaret_model::policy::Policy;
use lazaret_model::promotion::{PromotionInput, record_name};
use lazaret_model::result::{part_from_json_lines, part_to_json_lines};
use lazaret_model::*;
use lazaret_report::ReportDocument;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use world::World;

fn bytes(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/contracts").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn read<T: DeserializeOwned>(name: &str) -> T {
    serde_json::from_slice(&bytes(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn round_trips<T: DeserializeOwned + Serialize>(name: &str) {
    let written = serde_json::to_value(read::<T>(name)).expect("JSON");
    assert_eq!(written, read::<Value>(name), "{name}");
}

#[test]
fn every_contract_reads_and_writes_the_same() {
    round_trips::<JobInput>("job-input.json");
    round_trips::<check_input::Input>("check-input.input.json");
    round_trips::<check_input::Output>("check-input.output.json");
    round_trips::<CrawlResult>("crawl-result.json");
    round_trips::<CrawlBrief>("crawl-brief.json");
    round_trips::<JobPlan>("plan.json");
    round_trips::<size_fleet::Input>("size-fleet.input.json");
    round_trips::<FleetPlan>("size-fleet.output.json");
    round_trips::<FleetRecord>("fleet.json");
    round_trips::<AgentAccount>("agent-account.json");
    round_trips::<Calibration>("calibration.json");
    round_trips::<check_drain::Input>("check-drain.input.json");
    round_trips::<check_drain::Output>("check-drain.output.json");
    round_trips::<report::Input>("report.input.json");
    round_trips::<Summary>("summary.json");
    round_trips::<ReportDocument>("report-document.json");
    round_trips::<tear_down::Input>("tear-down.input.json");
    round_trips::<tear_down::Output>("tear-down.output.json");
    round_trips::<WorkPacket>("work-packet.json");
    round_trips::<Policies>("policies.json");
    round_trips::<Progress>("progress.json");
    round_trips::<DefinitionsManifest>("definitions-manifest.json");
    round_trips::<DefinitionsPointer>("definitions-pointer.json");
    round_trips::<ResultRow>("verdict-record.json");
    round_trips::<PromotionInput>("promotion-input.json");
    for step in ["read", "promote", "quarantine", "hold"] {
        round_trips::<promote::Input>(&format!("promotion-{step}.input.json"));
    }
    for verdict in ["", "-infected", "-unscannable"] {
        round_trips::<promote::Found>(&format!("promotion-read{verdict}.output.json"));
    }
    for step in ["promote", "quarantine", "hold"] {
        round_trips::<promote::Done>(&format!("promotion-{step}.output.json"));
    }
    round_trips::<Vec<Failure>>("failures.json");
    assert_eq!(read::<Vec<Failure>>("failures.json"), Failure::ALL);
}

#[test]
fn parts_are_written_as_they_are_read_byte_for_byte() {
    for name in ["part.jsonl", "part-archived.jsonl"] {
        let rows = part_from_json_lines(&bytes(name)).expect(name);
        let written = part_to_json_lines(&rows).expect("JSON");
        assert_eq!(
            String::from_utf8(written).expect("UTF-8"),
            String::from_utf8(bytes(name)).expect("UTF-8"),
            "{name}"
        );
    }
}

#[test]
fn the_event_of_an_execution_that_ended_names_the_job() {
    let event: tear_down::Input = read("tear-down.event.json");
    let tear_down::Input::Event { detail } = event else { panic!("{event:?}") };
    assert_eq!(detail.name, "retro-2026-11-01");
}

#[tokio::test]
async fn the_functions_answer_the_examples_with_the_examples() {
    let world = World::new();
    world.store.create_bucket("invoices", false);
    world.store.create_bucket("uploads", false);
    let answer = world.check_input().handle(read("check-input.input.json")).await;
    assert_eq!(answer, Ok(read("check-input.output.json")));

    let plan: JobPlan = read("plan.json");
    world.put_crawls(&plan);
    let answer = world.size_fleet().handle(read("size-fleet.input.json"), world::now()).await;
    assert_eq!(answer, Ok(read("size-fleet.output.json")));
    assert_eq!(world.plan(&plan.job.job_id), Some(plan.clone()));

    world.put_part(&plan, &plan.crawls[0].crawl_id.packet(0), &bytes("part.jsonl"));
    let answer = world.check_drain().handle(read("check-drain.input.json"), world::now()).await;
    assert_eq!(answer, Ok(read("check-drain.output.json")));
}

#[tokio::test]
async fn a_promotion_answers_the_examples_with_the_examples() {
    let unscannable =
        Verdict::Unscannable { reason: verdict::UnscannableReason::Encrypted, detail: "secret.txt".into() };
    for (verdict, read_output, step) in [
        (Verdict::Clean, "promotion-read.output.json", "promote"),
        (world::infected(), "promotion-read-infected.output.json", "quarantine"),
        (unscannable, "promotion-read-unscannable.output.json", "hold"),
    ] {
        let world = World::new();
        world.store.create_bucket("uploads", true);
        world.store.create_bucket("production", true);
        world.store.create_bucket(world::QUARANTINE, true);
        let record: ResultRow = read("verdict-record.json");
        let mut row = ResultRow { verdict, ..record.clone() };
        if let Verdict::Infected { findings } = &mut row.verdict {
            findings[0].member = "inner/eicar.com".into();
        }
        world.store.insert_object(
            "uploads",
            &row.object.key,
            FakeObject::new("hello").modified(row.object.last_modified),
        );
        assert_eq!(world.store.pinned_ref("uploads", &row.object.key), record.object);
        let staging = read::<Policies>("policies.json").buckets["uploads"].protection.clone();
        let policy = Policy { protection: staging, ..Policy::default() };
        let buckets = [("uploads".to_owned(), policy)].into();
        world.put_json(layout::POLICIES_KEY, &Policies { buckets, ..Policies::default() });
        let input: promote::Input = read(&format!("promotion-{step}.input.json"));
        world.put_json(&layout::verdict_key(&input.record), &row);
        let function = world.promote();
        let found = function.handle(promote::Input { step: promote::Step::Read, ..input.clone() }).await;
        assert_eq!(found, Ok(promote::Answer::Found(read(read_output))));
        let done = function.handle(input).await;
        assert_eq!(done, Ok(promote::Answer::Done(read(&format!("promotion-{step}.output.json")))), "{step}");
    }
    let input: PromotionInput = read("promotion-input.json");
    let record: ResultRow = read("verdict-record.json");
    assert_eq!(input.record, record_name(&record.object, &record.verdict));
}

#[test]
fn the_queue_gives_a_packet_up_after_as_many_deliveries_as_agents_and_drain_reckon_with() {
    let machine = include_str!("../../../statemachines/retro-job.asl.json");
    assert!(machine.contains(&format!("'maxReceiveCount': {}}}", lazaret_model::packet::DELIVERIES)));
}
