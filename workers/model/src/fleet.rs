//! How many agents a job needs to end about when it should.

use serde::{Deserialize, Serialize};

/// Tasks that one `RunTask` call starts (ECS API reference).
pub const TASKS_PER_CALL: u32 = 10;
/// Fargate tasks launched at once, and a second after that (ECS service quotas: burst 100, sustained 20).
const LAUNCH_BURST: u32 = 100;
const LAUNCHES_PER_SECOND: f64 = 20.0;

/// What an agent was measured to need, and what the account allows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FleetSettings {
    /// Agent-seconds for an object of no size: fetch, hop, tag, row.
    pub seconds_per_object: f64,
    /// Agent-seconds for a byte.
    pub seconds_per_byte: f64,
    /// From the launch to the first scan: image pull and loading the definitions.
    pub startup_seconds: f64,
    /// The account's quota, less what others may need.
    pub max_agents: u32,
}

impl Default for FleetSettings {
    /// Measured with 6.6 million signatures on 2 vCPUs: 726 files of 4 KiB a second, 8 MB/s over mixed content, 15 s to
    /// load; the rest of the start-up is Fargate's.
    fn default() -> Self {
        Self { seconds_per_object: 0.004, seconds_per_byte: 1.0 / 8_000_000.0, startup_seconds: 75.0, max_agents: 500 }
    }
}

/// What a crawl says of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FleetWork {
    /// Objects and bytes to be scanned.
    pub objects: u64,
    pub bytes: u64,
    /// Packets in the queue: more agents than packets would find nothing to do.
    pub packets: u64,
    pub largest_bytes: u64,
}

/// What keeps a fleet from ending on target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Limit {
    Quota,
    /// One object takes longer than the target; no fleet can split it.
    LargestObject,
    /// As many agents as packets already.
    Packets,
}

/// How many agents to launch, and when they will be done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FleetPlan {
    pub agents: u32,
    /// `RunTask` counts, each at most [`TASKS_PER_CALL`], that sum to `agents`.
    pub batches: Vec<u32>,
    /// From the first launch to the last verdict.
    pub expected_seconds: f64,
    /// Agent-seconds of scanning, start-ups not counted.
    pub work_seconds: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
}

/// `agents = work / (target - start-up)`, within the quota and the number of packets.
pub fn size_fleet(work: FleetWork, target_minutes: u32, settings: &FleetSettings) -> FleetPlan {
    if work.packets == 0 {
        return FleetPlan { agents: 0, batches: Vec::new(), expected_seconds: 0.0, work_seconds: 0.0, limit: None };
    }
    let work_seconds =
        work.objects as f64 * settings.seconds_per_object + work.bytes as f64 * settings.seconds_per_byte;
    let largest_seconds = settings.seconds_per_object + work.largest_bytes as f64 * settings.seconds_per_byte;
    let target_seconds = f64::from(target_minutes) * 60.0;
    // a target shorter than the start-up still gets a fleet: at least a minute of scanning each
    let scanning_seconds = (target_seconds - settings.startup_seconds).max(60.0);
    let wanted = (work_seconds / scanning_seconds).ceil().clamp(1.0, f64::from(u32::MAX)) as u32;
    let quota = settings.max_agents.max(1);
    let packets = u32::try_from(work.packets).unwrap_or(u32::MAX);
    let agents = wanted.min(quota).min(packets);

    let limit = if agents < wanted && quota <= packets {
        Some(Limit::Quota)
    } else if largest_seconds > scanning_seconds {
        Some(Limit::LargestObject)
    } else if agents < wanted {
        Some(Limit::Packets)
    } else {
        None
    };
    let scanning = (work_seconds / f64::from(agents)).max(largest_seconds);
    FleetPlan {
        agents,
        batches: batches(agents),
        expected_seconds: launch_seconds(agents) + settings.startup_seconds + scanning,
        work_seconds,
        limit,
    }
}

/// Splits `agents` into `RunTask` calls.
pub fn batches(agents: u32) -> Vec<u32> {
    let mut counts = vec![TASKS_PER_CALL; (agents / TASKS_PER_CALL) as usize];
    if !agents.is_multiple_of(TASKS_PER_CALL) {
        counts.push(agents % TASKS_PER_CALL);
    }
    counts
}

fn launch_seconds(agents: u32) -> f64 {
    f64::from(agents.saturating_sub(LAUNCH_BURST)) / LAUNCHES_PER_SECOND
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: u32 = 60;

    #[test]
    fn an_hour_of_one_agent_is_one_agent_and_ten_hours_are_about_ten() {
        let settings = FleetSettings::default();
        let work = |objects| FleetWork { objects, bytes: 0, packets: 1_000_000, largest_bytes: 0 };
        assert_eq!(size_fleet(work(800_000), HOUR, &settings).agents, 1);
        assert_eq!(size_fleet(work(8_000_000), HOUR, &settings).agents, 10);
    }

    #[test]
    fn a_quota_makes_the_job_longer_and_never_fails_it() {
        let settings = FleetSettings { max_agents: 5, ..FleetSettings::default() };
        let work = FleetWork { objects: 8_000_000, bytes: 0, packets: 1_000_000, largest_bytes: 0 };
        let plan = size_fleet(work, HOUR, &settings);
        assert_eq!((plan.agents, plan.limit), (5, Some(Limit::Quota)));
        assert!(plan.expected_seconds > 3600.0);
    }

    #[test]
    fn one_huge_object_is_named_as_the_limit() {
        let bytes = 100_000_000_000;
        let plan = size_fleet(
            FleetWork { objects: 1, bytes, packets: 1, largest_bytes: bytes },
            HOUR,
            &FleetSettings::default(),
        );
        assert_eq!((plan.agents, plan.limit), (1, Some(Limit::LargestObject)));
    }

    proptest! {
        #[test]
        fn fleets_stay_within_every_bound(
            objects in 0u64..2_000_000_000, average in 0u64..10_000_000, packets in 0u64..3_000_000,
            target in 1u32..10_000, max_agents in 0u32..5_000,
        ) {
            let settings = FleetSettings { max_agents, ..FleetSettings::default() };
            let work = FleetWork { objects, bytes: objects.saturating_mul(average), packets, largest_bytes: average };
            let plan = size_fleet(work, target, &settings);
            prop_assert_eq!(plan.agents == 0, packets == 0);
            prop_assert!(u64::from(plan.agents) <= packets && plan.agents <= max_agents.max(1));
            prop_assert_eq!(plan.batches.iter().sum::<u32>(), plan.agents);
            prop_assert!(plan.batches.iter().all(|count| (1..=TASKS_PER_CALL).contains(count)));
            prop_assert!(plan.expected_seconds.is_finite());
        }

        #[test]
        fn more_work_never_takes_fewer_agents(objects in 1u64..100_000_000, more in 0u64..100_000_000, target in 1u32..1_000) {
            let work = |objects| FleetWork { objects, bytes: objects * 10_000, packets: 1_000_000, largest_bytes: 10_000 };
            let settings = FleetSettings::default();
            prop_assert!(size_fleet(work(objects), target, &settings).agents <= size_fleet(work(objects + more), target, &settings).agents);
        }

        #[test]
        fn an_unlimited_fleet_ends_within_the_target(objects in 1u64..500_000_000, target in 5u32..600) {
            let settings = FleetSettings { max_agents: u32::MAX, ..FleetSettings::default() };
            let work = FleetWork { objects, bytes: objects * 10_000, packets: u64::MAX, largest_bytes: 10_000 };
            let plan = size_fleet(work, target, &settings);
            let without_launch = plan.expected_seconds - launch_seconds(plan.agents);
            prop_assert!(without_launch <= f64::from(target) * 60.0 + 1.0);
        }
    }
}
