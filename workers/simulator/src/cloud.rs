//! How fast and how evenly AWS and an agent work.

use lazaret_model::fleet::{FleetSettings, LAUNCH_BURST, LAUNCHES_PER_SECOND};

use crate::random::Random;

/// A log-normal time: half of all are below `median` seconds; `sigma` is the deviation of the logarithm.
#[derive(Debug, Clone, Copy)]
pub struct Spread {
    pub median_seconds: f64,
    pub sigma: f64,
}

impl Spread {
    pub fn draw(self, random: &mut Random) -> f64 {
        random.log_normal(self.median_seconds, self.sigma)
    }
}

/// One account in one region, and the agents in it.
#[derive(Debug, Clone, Copy)]
pub struct Cloud {
    /// A page of 1,000 keys: 0.1 to 0.3 s.
    pub page: Spread,
    /// A crawler's task from its launch to its first request.
    pub crawler_startup: Spread,
    /// An agent's task from its launch to its first scan: image pull, definitions, self-test.
    pub agent_startup: Spread,
    /// An answer of RunTask for ten tasks.
    pub run_task: Spread,
    /// Tokens of Fargate's launch rate: see `lazaret_model::fleet`.
    pub launch_burst: f64,
    pub launches_per_second: f64,
    /// Agents that the account's vCPU quota has room for.
    pub quota_agents: u32,
    /// What an agent really takes: median of agents, before the spreads below.
    pub seconds_per_object: f64,
    pub seconds_per_byte: f64,
    /// Deviation of the logarithm of an agent's speed, and of a packet's work: assumed, no fleet has been measured on AWS.
    pub agent_sigma: f64,
    pub packet_sigma: f64,
    /// Hours of one agent until its task is lost (retirement, a host that fails): assumed.
    pub hours_to_death: f64,
    /// A packet in dead hands shows again after so many seconds at most: `visibilitySeconds`.
    pub visibility_seconds: f64,
    /// An agent that finds no packet for so long ends: `idleSeconds`.
    pub idle_seconds: f64,
    /// The first wait of the drain loop: `pollSeconds`.
    pub poll_seconds: f64,
}

impl Default for Cloud {
    fn default() -> Self {
        let FleetSettings { seconds_per_object, seconds_per_byte, .. } = FleetSettings::default();
        Self {
            page: Spread { median_seconds: 0.19, sigma: 0.3 },
            crawler_startup: Spread { median_seconds: 30.0, sigma: 0.25 },
            agent_startup: Spread { median_seconds: 70.0, sigma: 0.3 },
            run_task: Spread { median_seconds: 0.8, sigma: 0.3 },
            launch_burst: f64::from(LAUNCH_BURST),
            launches_per_second: LAUNCHES_PER_SECOND,
            quota_agents: u32::MAX,
            seconds_per_object,
            seconds_per_byte,
            agent_sigma: 0.2,
            packet_sigma: 0.25,
            hours_to_death: 5_000.0,
            visibility_seconds: 300.0,
            idle_seconds: 60.0,
            poll_seconds: 20.0,
        }
    }
}
