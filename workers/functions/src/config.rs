//! The environment of the functions, read once at the start.

use std::str::FromStr;

use lazaret_model::fleet::FleetSettings;
use lazaret_protection::TopicArn;

use crate::size_fleet::QuotaShare;

/// A variable that is missing or can't be what was meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("the environment variable {0} is not set")]
    Missing(&'static str),
    #[error("the environment variable {name} is `{value}`: {wanted}")]
    Bad { name: &'static str, value: String, wanted: &'static str },
}

/// What of the environment each function needs.
#[derive(Debug, Clone, PartialEq)]
pub enum Config {
    CheckInput,
    SizeFleet { results_bucket: String, fleet: FleetSettings, share: QuotaShare, refine: bool },
    CheckDrain { results_bucket: String, cluster: String, settings: DrainSettings },
    Report { results_bucket: String },
    TearDown { results_bucket: String, cluster: String },
    Promote { results_bucket: String, quarantine_bucket: String },
    WatchStaging { results_bucket: String, limit_seconds: u64 },
    ProtectTagged { results_bucket: String, topic: TopicArn, state_machine_arn: String, settle_seconds: u64 },
    StartScheduled { results_bucket: String, state_machine_arn: String },
    WatchDefinitions { results_bucket: String },
}

/// How `check_drain` looks and launches.
#[derive(Debug, Clone, PartialEq)]
pub struct DrainSettings {
    /// Family of the agents' task definition.
    pub agent_family: String,
    /// The first wait between two looks.
    pub poll_seconds: f64,
    /// Agents that are launched again at once, at most.
    pub max_agents: u32,
}

impl Config {
    /// Reads the process's environment.
    ///
    /// # Errors
    /// Names the variable that is missing or wrong.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_variables(&|name| std::env::var(name).ok())
    }

    /// Reads the variables that `get` knows.
    ///
    /// # Errors
    /// As [`Config::from_env`].
    pub fn from_variables(get: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let text = |name| get(name).filter(|value| !value.is_empty()).ok_or(ConfigError::Missing(name));
        let results_bucket = || text("LAZARET_RESULTS_BUCKET");
        let cluster = || text("LAZARET_CLUSTER");
        let max_agents = || number::<u32>(&text, "LAZARET_MAX_AGENTS", |n| n > 0, "write a number of tasks above 0");
        let seconds = |name| number::<f64>(&text, name, |n| n.is_finite() && n >= 0.0, "write seconds, such as 0.5");
        let handler = text("_HANDLER")?;
        match handler.as_str() {
            "check_input" => Ok(Self::CheckInput),
            "size_fleet" => Ok(Self::SizeFleet {
                results_bucket: results_bucket()?,
                share: QuotaShare {
                    agent_vcpus: number(&text, "LAZARET_AGENT_VCPUS", |n: f64| n > 0.0, "write vCPUs, such as 2")?,
                    share: number(&text, "LAZARET_QUOTA_SHARE", |n: f64| n > 0.0 && n <= 1.0, "write 0.8, or up to 1")?,
                },
                fleet: FleetSettings {
                    max_agents: max_agents()?,
                    seconds_per_object: seconds("LAZARET_SECONDS_PER_OBJECT")?,
                    seconds_per_byte: seconds("LAZARET_SECONDS_PER_BYTE")?,
                    startup_seconds: seconds("LAZARET_STARTUP_SECONDS")?,
                    scan_workers: number(&text, "LAZARET_SCAN_WORKERS", |n| n > 0, "write a number above 0")?,
                },
                refine: number(&text, "LAZARET_REFINE_SIZING", |_| true, "write true or false")?,
            }),
            "check_drain" => Ok(Self::CheckDrain {
                results_bucket: results_bucket()?,
                cluster: cluster()?,
                settings: DrainSettings {
                    agent_family: text("LAZARET_AGENT_FAMILY")?,
                    poll_seconds: seconds("LAZARET_POLL_SECONDS")?,
                    max_agents: max_agents()?,
                },
            }),
            "report" => Ok(Self::Report { results_bucket: results_bucket()? }),
            "tear_down" => Ok(Self::TearDown { results_bucket: results_bucket()?, cluster: cluster()? }),
            "promote" => Ok(Self::Promote {
                results_bucket: results_bucket()?,
                quarantine_bucket: text("LAZARET_QUARANTINE_BUCKET")?,
            }),
            "watch_staging" => Ok(Self::WatchStaging {
                results_bucket: results_bucket()?,
                limit_seconds: number(&text, "LAZARET_STAGING_LIMIT_SECONDS", |n| n > 0, "write seconds, such as 900")?,
            }),
            "protect_tagged" => Ok(Self::ProtectTagged {
                results_bucket: results_bucket()?,
                topic: topic(text("LAZARET_EVENTS_TOPIC_ARN")?)?,
                state_machine_arn: text("LAZARET_STATE_MACHINE_ARN")?,
                settle_seconds: number(
                    &text,
                    "LAZARET_ACTIVATION_SETTLE_SECONDS",
                    |_| true,
                    "write seconds, such as 300",
                )?,
            }),
            "watch_definitions" => Ok(Self::WatchDefinitions { results_bucket: results_bucket()? }),
            "start_scheduled" => Ok(Self::StartScheduled {
                results_bucket: results_bucket()?,
                state_machine_arn: text("LAZARET_STATE_MACHINE_ARN")?,
            }),
            _ => Err(ConfigError::Bad {
                name: "_HANDLER",
                value: handler,
                wanted: "write check_input, size_fleet, check_drain, report, tear_down, promote, watch_staging, protect_tagged, start_scheduled or watch_definitions",
            }),
        }
    }
}

fn topic(value: String) -> Result<TopicArn, ConfigError> {
    let wanted = "write the ARN of a topic";
    value.parse().map_err(|_| ConfigError::Bad { name: "LAZARET_EVENTS_TOPIC_ARN", value, wanted })
}

fn number<T: FromStr + Copy>(
    text: &dyn Fn(&'static str) -> Result<String, ConfigError>,
    name: &'static str,
    allowed: fn(T) -> bool,
    wanted: &'static str,
) -> Result<T, ConfigError> {
    let value = text(name)?;
    let parsed = value.parse().ok().filter(|number| allowed(*number));
    parsed.ok_or(ConfigError::Bad { name, value, wanted })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [(&str, &str); 17] = [
        ("LAZARET_RESULTS_BUCKET", "results"),
        ("LAZARET_CLUSTER", "lazaret"),
        ("LAZARET_AGENT_FAMILY", "lazaret-agent"),
        ("LAZARET_POLL_SECONDS", "5"),
        ("LAZARET_MAX_AGENTS", "40"),
        ("LAZARET_SECONDS_PER_OBJECT", "0.004"),
        ("LAZARET_SECONDS_PER_BYTE", "1.25e-7"),
        ("LAZARET_STARTUP_SECONDS", "75"),
        ("LAZARET_SCAN_WORKERS", "2"),
        ("LAZARET_AGENT_VCPUS", "2"),
        ("LAZARET_QUOTA_SHARE", "0.8"),
        ("LAZARET_REFINE_SIZING", "true"),
        ("LAZARET_QUARANTINE_BUCKET", "quarantine"),
        ("LAZARET_STAGING_LIMIT_SECONDS", "900"),
        ("LAZARET_EVENTS_TOPIC_ARN", "arn:aws:sns:eu-central-1:123456789012:lazaret-events"),
        ("LAZARET_STATE_MACHINE_ARN", "arn:aws:states:eu-central-1:123456789012:stateMachine:lazaret-retro-job"),
        ("LAZARET_ACTIVATION_SETTLE_SECONDS", "300"),
    ];

    fn read(handler: &str, without: &str) -> Result<Config, ConfigError> {
        let known = |name: &str| ALL.iter().find(|(known, _)| *known == name && name != without);
        Config::from_variables(&|name| match name {
            "_HANDLER" => Some(handler.to_owned()),
            name => known(name).map(|(_, value)| (*value).to_owned()),
        })
    }

    #[test]
    fn a_missing_variable_is_named_by_the_function_that_needs_it() {
        for handler in [
            "check_input",
            "size_fleet",
            "check_drain",
            "report",
            "tear_down",
            "promote",
            "watch_staging",
            "protect_tagged",
            "start_scheduled",
            "watch_definitions",
        ] {
            read(handler, "").expect("all are set");
        }
        assert_eq!(read("report", "LAZARET_RESULTS_BUCKET"), Err(ConfigError::Missing("LAZARET_RESULTS_BUCKET")));
        assert_eq!(read("tear_down", "LAZARET_CLUSTER"), Err(ConfigError::Missing("LAZARET_CLUSTER")));
        assert!(read("report", "LAZARET_CLUSTER").is_ok());
        for (handler, name) in [
            ("promote", "LAZARET_QUARANTINE_BUCKET"),
            ("watch_staging", "LAZARET_STAGING_LIMIT_SECONDS"),
            ("protect_tagged", "LAZARET_EVENTS_TOPIC_ARN"),
            ("start_scheduled", "LAZARET_STATE_MACHINE_ARN"),
        ] {
            assert_eq!(read(handler, name), Err(ConfigError::Missing(name)));
        }
    }

    #[test]
    fn a_wrong_value_and_an_unknown_handler_say_what_to_write() {
        let none = Config::from_variables(&|name| match name {
            "_HANDLER" => Some("size_fleet".into()),
            "LAZARET_MAX_AGENTS" => Some("0".into()),
            _ => Some("1".into()),
        });
        let error = none.expect_err("no agents at all").to_string();
        assert!(error.contains("LAZARET_MAX_AGENTS") && error.contains("above 0"), "{error}");
        assert!(read("deliver", "").expect_err("unknown").to_string().contains("check_drain"));
    }
}
