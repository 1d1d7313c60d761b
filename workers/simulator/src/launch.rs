//! `RunTask` under throttling and a quota, in the order of *Launch fleet* of `statemachines/retro-job.asl.json`.

use crate::cloud::Cloud;
use crate::random::Random;

/// `MaxConcurrency` of *Launch fleet*.
const CALLS_AT_ONCE: usize = 5;
/// *Pace launches*: after each call of a fleet that is larger than Fargate's burst.
const PACE_SECONDS: f64 = 2.0;
const PACED_ABOVE_CALLS: usize = 10;
/// Of the retry on `Ecs.EcsException`, with full jitter.
const RETRY_SECONDS: f64 = 5.0;
const RETRY_GROWTH: f64 = 1.5;
const RETRY_MOST_SECONDS: f64 = 60.0;
const RETRIES: i32 = 12;

/// Fargate's launch rate.
#[derive(Debug, Clone)]
pub struct Tokens {
    left: f64,
    at: f64,
}

impl Tokens {
    pub fn full(cloud: &Cloud) -> Self {
        Self { left: cloud.launch_burst, at: 0.0 }
    }

    fn take(&mut self, count: f64, now: f64, cloud: &Cloud) -> bool {
        self.left = (self.left + (now - self.at).max(0.0) * cloud.launches_per_second).min(cloud.launch_burst);
        self.at = self.at.max(now);
        let enough = self.left >= count;
        if enough {
            self.left -= count;
        }
        enough
    }
}

/// What came of the calls.
#[derive(Debug, Default)]
pub struct Launched {
    /// When each task was launched.
    pub at: Vec<f64>,
    /// When the last call was answered.
    pub end: f64,
    pub throttled_calls: u64,
}

/// Launches `batches` from `now` on, where `running` agents run already.
pub fn launch(
    batches: &[u32],
    now: f64,
    running: u32,
    tokens: &mut Tokens,
    cloud: &Cloud,
    random: &mut Random,
) -> Launched {
    let mut launched = Launched { end: now, ..Launched::default() };
    let mut room = cloud.quota_agents.saturating_sub(running);
    let paced = batches.len() > PACED_ABOVE_CALLS;
    // (when it may call, its batch, the tries before): the earliest first, so that tokens are taken in the order of time
    let mut waiting: Vec<(f64, u32, i32)> = Vec::new();
    let mut batches = batches.iter();
    loop {
        while waiting.len() < CALLS_AT_ONCE {
            let Some(batch) = batches.next() else { break };
            waiting.push((now, *batch, 0));
        }
        let Some(first) = (0..waiting.len()).min_by(|a, b| waiting[*a].0.total_cmp(&waiting[*b].0)) else {
            return launched;
        };
        let (at, batch, tries) = waiting[first];
        let answered = at + cloud.run_task.draw(random);
        launched.end = launched.end.max(answered);
        if !tokens.take(f64::from(batch), at, cloud) {
            launched.throttled_calls += 1;
            if tries < RETRIES {
                let wait = (RETRY_SECONDS * RETRY_GROWTH.powi(tries)).min(RETRY_MOST_SECONDS);
                waiting[first] = (answered + random.between(0.0, wait), batch, tries + 1);
                continue;
            }
        } else {
            let count = batch.min(room);
            room -= count;
            launched.at.extend((0..count).map(|_| answered));
        }
        // this place of the Map is free for the next batch
        let free = answered + if paced { PACE_SECONDS } else { 0.0 };
        match batches.next() {
            Some(next) => waiting[first] = (free, *next, 0),
            None => drop(waiting.swap_remove(first)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fleet(agents: u32, cloud: &Cloud) -> Launched {
        let batches = lazaret_model::fleet::batches(agents);
        launch(&batches, 0.0, 0, &mut Tokens::full(cloud), cloud, &mut Random::new(1))
    }

    #[test]
    fn a_paced_fleet_is_launched_near_the_sustained_rate_and_hardly_throttled() {
        let launched = fleet(1_000, &Cloud::default());
        assert_eq!(launched.at.len(), 1_000);
        assert!((45.0..90.0).contains(&launched.end), "{}", launched.end);
        assert!(launched.throttled_calls < 10, "{}", launched.throttled_calls);
    }

    #[test]
    fn throttling_is_waited_out_and_a_quota_launches_what_it_has() {
        let slow = Cloud { launch_burst: 10.0, launches_per_second: 1.0, ..Cloud::default() };
        let launched = fleet(60, &slow);
        assert_eq!(launched.at.len(), 60);
        assert!(launched.end >= 50.0 && launched.throttled_calls > 0);
        assert_eq!(fleet(60, &Cloud { quota_agents: 7, ..Cloud::default() }).at.len(), 7);
    }
}
