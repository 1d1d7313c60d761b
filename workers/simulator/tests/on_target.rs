//! A job that is sized for an hour ends in 45 to 65 minutes, or `lazaret plan` says beforehand why it does not, and when.

use lazaret_model::fleet::Limit;
use lazaret_simulator::table::{self, SEEDS};
use lazaret_simulator::{Bucket, Outcome, Scenario, run};

const PAGE: &str = include_str!("../../../docs/scale.md");

fn check(scenario: &Scenario, reason: Option<Limit>, seed: u64) -> Outcome {
    let job = run(scenario, seed);
    let planned = job.plan.total_seconds / 60.0;
    let told = format!(
        "{} (seed {seed}): {:.1} minutes, {} agents, {:?}; planned {planned:.1}, {:?}",
        scenario.name, job.minutes, job.fleet.agents, job.fleet.limit, job.plan.limit
    );
    assert!(!job.drained.stuck && job.reported, "{told}");
    assert_eq!(job.plan.limit, reason, "{told}");
    match reason {
        None => assert!((45.0..=65.0).contains(&job.minutes), "{told}"),
        // the last of these decide, and no two of them take the same time
        Some(Limit::LargestObject) => assert!(job.minutes > 65.0 && job.minutes < 2.0 * planned, "{told}"),
        // what is said is true: within a sixth, or a few minutes of a short job
        Some(_) => assert!((job.minutes - planned).abs() < (planned / 6.0).max(4.0), "{told}"),
    }
    job
}

#[test]
fn a_job_for_an_hour_ends_in_45_to_65_minutes_or_the_plan_says_why_not() {
    let mut rows = String::from(table::PROFILE_HEAD);
    for (scenario, reason) in table::profiles() {
        let jobs: Vec<Outcome> = SEEDS.map(|seed| check(&scenario, reason, seed)).collect();
        rows.push_str(&table::profile_row(&scenario, &jobs));
    }
    println!("seeds {SEEDS:?}\n{rows}");
    assert!(
        PAGE.contains(&rows),
        "docs/scale.md has other figures (its first lines say how to write them). It should have\n{rows}"
    );
}

#[test]
fn the_pages_scale_is_what_the_simulator_says() {
    let mut rows = String::from(table::SCALE_HEAD);
    for scenario in table::scale() {
        rows.push_str(&table::scale_row(&scenario, &run(&scenario, table::SEED)));
    }
    println!("seed {}\n{rows}", table::SEED);
    assert!(
        PAGE.contains(&rows),
        "docs/scale.md has other figures (its first lines say how to write them). It should have\n{rows}"
    );
}

#[test]
fn a_job_of_the_same_seed_is_the_same() {
    let scenario = Scenario::new("log-normal", Bucket::mixed(100_000));
    let (one, two) = (run(&scenario, 7), run(&scenario, 7));
    assert_eq!((one.minutes, one.dollars), (two.minutes, two.dollars));
    assert!(run(&scenario, 8).minutes != one.minutes);
}

#[test]
fn agents_that_die_cost_time_and_lose_no_packet() {
    let mut scenario = Scenario::new("deaths", Bucket::mixed(3_000_000).in_scopes(4));
    scenario.cloud.hours_to_death = 0.5;
    let job = run(&scenario, 1);
    assert!(!job.drained.stuck && job.drained.redelivered > 10, "{:?}", job.drained);
    assert!(job.drained.relaunches > 0 && job.minutes > 65.0, "{:?}", job.drained);
}
