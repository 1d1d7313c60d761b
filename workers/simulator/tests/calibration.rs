//! Agents that are not as fast as the sizing believes: what a job measured brings the next one to its target.

use jiff::{SignedDuration, Timestamp};
use lazaret_model::calibration::{Calibration, Deployed, FleetRecord, Sample};
use lazaret_simulator::{Bucket, Outcome, Scenario, run};

const JOBS: u64 = 4;

/// One job after the other, each sized by those before it.
fn jobs(scenario: &Scenario, seed: u64) -> Vec<Outcome> {
    let deployed = Deployed { settings: scenario.settings, agent_vcpus: 2.0 };
    let mut known = Calibration::new(deployed);
    (0..JOBS)
        .map(|number| {
            let sized = Scenario { settings: known.settings(&deployed), ..scenario.clone() };
            let job = run(&sized, seed * 100 + number);
            let sized_at = Timestamp::UNIX_EPOCH + SignedDuration::from_millis((job.sized_seconds * 1e3) as i64);
            let record = FleetRecord { sized_at, deployed, refine: true, plan: job.fleet.clone() };
            let id = format!("job-{number}").parse().expect("an id");
            let sample = Sample::of(id, sized_at, &record, &job.drained.accounts).expect("a measure");
            known = known.clone().after(deployed, Some(sample));
            job
        })
        .collect()
}

fn slower(name: &'static str, bucket: Bucket, object: f64, byte: f64) -> Scenario {
    let mut scenario = Scenario::new(name, bucket);
    scenario.cloud.seconds_per_object *= object;
    scenario.cloud.seconds_per_byte *= byte;
    scenario
}

#[test]
fn a_job_misses_its_target_once_and_the_ones_after_it_do_not() {
    let scenarios = [
        slower("half as fast", Bucket::mixed(5_000_000).in_scopes(4), 2.0, 2.0),
        slower("twice as fast", Bucket::mixed(20_000_000).in_scopes(20), 0.5, 0.5),
        slower("slow with small objects", Bucket::tiny(8_000_000).in_scopes(20), 2.5, 1.0),
        slower("slow with large ones", Bucket::huge(3_000), 1.0, 1.8),
    ];
    for scenario in scenarios {
        for seed in 1..4 {
            let minutes: Vec<f64> = jobs(&scenario, seed).iter().map(|job| job.minutes).collect();
            println!("{} (seed {seed}): {minutes:.1?} minutes", scenario.name);
            assert!(!(45.0..=65.0).contains(&minutes[0]), "{} (seed {seed}): {minutes:.1?}", scenario.name);
            for later in &minutes[2..] {
                assert!((45.0..=65.0).contains(later), "{} (seed {seed}): {minutes:.1?}", scenario.name);
            }
        }
    }
}

#[test]
fn agents_that_are_as_fast_as_believed_stay_so() {
    let scenario = Scenario::new("log-normal", Bucket::mixed(5_000_000).in_scopes(4));
    for seed in 1..4 {
        for job in jobs(&scenario, seed) {
            assert!((45.0..=65.0).contains(&job.minutes), "seed {seed}: {:.1} minutes", job.minutes);
        }
    }
}
