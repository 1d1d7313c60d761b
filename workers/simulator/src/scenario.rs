//! A bucket, an account and a target.

use lazaret_model::fleet::FleetSettings;

use crate::cloud::Cloud;
use crate::random::Random;

const KIB: f64 = 1024.0;
const GIB: f64 = KIB * KIB * KIB;

/// How large objects are, in bytes.
#[derive(Debug, Clone, Copy)]
pub enum Sizes {
    Uniform { from: f64, to: f64 },
    LogNormal { median: f64, sigma: f64, most: f64 },
}

impl Sizes {
    pub fn draw(self, random: &mut Random) -> u64 {
        let bytes = match self {
            Self::Uniform { from, to } => random.between(from, to),
            Self::LogNormal { median, sigma, most } => random.log_normal(median, sigma).min(most),
        };
        bytes as u64
    }
}

/// What is scanned: `scopes` prefixes that are all alike.
#[derive(Debug, Clone, Copy)]
pub struct Bucket {
    /// In all scopes together.
    pub objects: u64,
    pub scopes: u64,
    pub sizes: Sizes,
    /// Keys up to their last `/`.
    pub objects_in_a_directory: u64,
}

/// One job.
#[derive(Debug, Clone)]
pub struct Scenario {
    pub name: &'static str,
    pub bucket: Bucket,
    pub target_minutes: u32,
    /// What the sizing knows.
    pub settings: FleetSettings,
    /// What is.
    pub cloud: Cloud,
}

impl Scenario {
    pub fn new(name: &'static str, bucket: Bucket) -> Self {
        Self { name, bucket, target_minutes: 60, settings: FleetSettings::default(), cloud: Cloud::default() }
    }

    /// At most so many agents: by the account's quota, which the sizing knows.
    pub fn with_quota(mut self, agents: u32) -> Self {
        self.settings.max_agents = agents;
        self.cloud.quota_agents = agents;
        self
    }

    /// Tasks are launched so slowly, of which the sizing knows nothing: others in the account launch as well.
    pub fn throttled(mut self, burst: f64, per_second: f64) -> Self {
        self.cloud.launch_burst = burst;
        self.cloud.launches_per_second = per_second;
        self
    }
}

impl Bucket {
    /// 1 to 8 KiB.
    pub fn tiny(objects: u64) -> Self {
        let sizes = Sizes::Uniform { from: KIB, to: 8.0 * KIB };
        Self { objects, scopes: 1, sizes, objects_in_a_directory: 1_000 }
    }

    /// A quarter to 2 GiB: up to what the engine looks at as a whole.
    pub fn huge(objects: u64) -> Self {
        let sizes = Sizes::Uniform { from: GIB / 4.0, to: 2.0 * GIB };
        Self { objects, scopes: 1, sizes, objects_in_a_directory: 100 }
    }

    /// Half below 16 KiB, 100 KB on average, some of gigabytes.
    pub fn mixed(objects: u64) -> Self {
        let sizes = Sizes::LogNormal { median: 16.0 * KIB, sigma: 1.9, most: 2.0 * GIB };
        Self { objects, scopes: 1, sizes, objects_in_a_directory: 1_000 }
    }

    /// 1 to 16 GiB: up to what the policies let be scanned by default.
    pub fn enormous(objects: u64) -> Self {
        let sizes = Sizes::Uniform { from: GIB, to: 16.0 * GIB };
        Self { objects, scopes: 1, sizes, objects_in_a_directory: 100 }
    }

    /// All in one directory.
    pub fn flat(self) -> Self {
        Self { objects_in_a_directory: u64::MAX, ..self }
    }

    pub fn in_scopes(self, scopes: u64) -> Self {
        Self { scopes, ..self }
    }
}
