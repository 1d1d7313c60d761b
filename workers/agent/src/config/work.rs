//! Where an agent's objects come from: the packets of one job, or the events of protected buckets.

use std::str::FromStr;
use std::time::Duration;

use lazaret_model::JobId;

use super::read::{ConfigError, Variables};

/// What an agent lives for.
#[derive(Debug, Clone)]
pub enum Work {
    /// `LAZARET_WORK=job`, which is the default: the packets of one job, until its queue stays empty.
    Job(JobSettings),
    /// `LAZARET_WORK=events`: new objects of protected buckets, until it is told to end.
    Events(EventSettings),
}

/// What only the agents of a job need to know.
#[derive(Debug, Clone)]
pub struct JobSettings {
    /// `LAZARET_JOB_ID`
    pub job_id: JobId,
    /// `LAZARET_IDLE_SECONDS`: an agent whose queue shows nothing for this long ends itself.
    pub idle: Duration,
    /// `LAZARET_PROGRESS_SECONDS`
    pub progress: Duration,
}

/// What only agents that wait for events need to know.
#[derive(Debug, Clone)]
pub struct EventSettings {
    /// `LAZARET_NOTIFICATIONS_TOPIC_ARN`: results are published here.
    pub notifications_topic: TopicArn,
    /// `LAZARET_EVENT_BUS` (`default`): results are put here.
    pub event_bus: String,
    /// `LAZARET_OWN_ROLE_IDS`, with commas; none: what these roles stored is scanned already, or came from quarantine.
    pub own_role_ids: Vec<String>,
}

/// The ARN of an SNS topic, which tells whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicArn(String);

impl TopicArn {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The account's number.
    pub fn account(&self) -> &str {
        self.part(4)
    }

    /// `aws`, or that of China or of a government.
    pub fn partition(&self) -> &str {
        self.part(1)
    }

    fn part(&self, index: usize) -> &str {
        self.0.split(':').nth(index).unwrap_or_default()
    }
}

impl FromStr for TopicArn {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<_> = text.split(':').collect();
        let is_topic =
            parts.len() == 6 && parts[0] == "arn" && parts[2] == "sns" && !parts.iter().any(|p| p.is_empty());
        if is_topic { Ok(Self(text.to_owned())) } else { Err(format!("`{text}` is no ARN of a topic")) }
    }
}

impl Work {
    pub(super) fn read(variables: &Variables<'_>) -> Result<Self, ConfigError> {
        const NAME: &str = "LAZARET_WORK";
        match variables.text(NAME).as_deref() {
            Ok("job") | Err(_) => JobSettings::read(variables).map(Self::Job),
            Ok("events") => EventSettings::read(variables).map(Self::Events),
            Ok(other) => Err(ConfigError::bad(NAME, format!("`{other}` is neither `job` nor `events`"))),
        }
    }
}

impl JobSettings {
    fn read(variables: &Variables<'_>) -> Result<Self, ConfigError> {
        const JOB_ID: &str = "LAZARET_JOB_ID";
        Ok(Self {
            job_id: variables.text(JOB_ID)?.parse().map_err(|error| ConfigError::bad(JOB_ID, error))?,
            idle: variables.seconds("LAZARET_IDLE_SECONDS", 1)?,
            progress: variables.seconds("LAZARET_PROGRESS_SECONDS", 1)?,
        })
    }
}

impl EventSettings {
    fn read(variables: &Variables<'_>) -> Result<Self, ConfigError> {
        const TOPIC: &str = "LAZARET_NOTIFICATIONS_TOPIC_ARN";
        Ok(Self {
            notifications_topic: variables.text(TOPIC)?.parse().map_err(|why: String| ConfigError::bad(TOPIC, why))?,
            event_bus: variables.text("LAZARET_EVENT_BUS").unwrap_or_else(|_| "default".to_owned()),
            own_role_ids: variables.list("LAZARET_OWN_ROLE_IDS"),
        })
    }
}
