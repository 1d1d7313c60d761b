//! What the agent is told by its environment.
//!
//! * [`settings`]: what every agent is told; [`work`]: what a job's agents are told, and those that wait for events.
//! * [`engine`], [`definitions`]: of the engines and what they look for.
//! * [`read`]: how a variable becomes a value.

pub mod definitions;
pub mod engine;
pub mod read;
pub mod settings;
#[cfg(test)]
mod tests;
pub mod work;

pub use definitions::{DefinitionsSettings, DefinitionsSource};
pub use engine::{EngineSettings, RulesSettings};
pub use read::ConfigError;
pub use settings::Settings;
pub use work::{EventSettings, JobSettings, TopicArn, Work};

use read::Variables;

/// Verdicts that are remembered: 20 MB. A packet has 1,000 objects, and copies tend to lie near each other.
const VERDICT_CACHE_ENTRIES: usize = 100_000;

/// Everything that the program reads.
#[derive(Debug, Clone)]
pub struct Environment {
    pub work: Work,
    pub settings: Settings,
    pub engine: EngineSettings,
    pub rules: RulesSettings,
    pub definitions: DefinitionsSettings,
    /// `LAZARET_VERDICT_CACHE_ENTRIES` (100,000): 0 remembers none.
    pub verdict_cache_entries: usize,
    /// `LAZARET_QUEUE_URL`: of the job's packets, or of the events.
    pub queue_url: String,
    /// `LAZARET_PROMOTE_STATE_MACHINE_ARN`: without it nothing is promoted from staging buckets.
    pub promote_state_machine_arn: Option<String>,
}

impl Environment {
    /// Reads the process's environment.
    ///
    /// # Errors
    /// Names the first variable that is missing or wrong.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::read(&|name| std::env::var(name).ok())
    }

    fn read(get: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let variables = Variables(get);
        Ok(Self {
            work: Work::read(&variables)?,
            settings: Settings::read(&variables)?,
            engine: EngineSettings::read(&variables)?,
            rules: RulesSettings::read(&variables)?,
            definitions: DefinitionsSettings::read(&variables)?,
            verdict_cache_entries: variables.number_or("LAZARET_VERDICT_CACHE_ENTRIES", VERDICT_CACHE_ENTRIES, 0)?,
            queue_url: variables.text("LAZARET_QUEUE_URL")?,
            promote_state_machine_arn: variables.text("LAZARET_PROMOTE_STATE_MACHINE_ARN").ok(),
        })
    }
}
