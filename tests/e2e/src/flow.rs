//! The event flow: its queues, its agents, and a spy on what is announced.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use aws_sdk_sqs::types::QueueAttributeName;
use lazaret_aws::Queue;
use rustix::process::Pid;
use serde_json::Value;
use uuid::Uuid;

use crate::cloud::Cloud;
use crate::{cli, wait, workers};

/// A bucket that is protected here has its first verdict within this: the service may have to start.
pub const START: Duration = Duration::from_secs(60);

/// A variable of `.local/env`.
///
/// # Errors
/// If it was not sourced.
pub fn variable(name: &str) -> anyhow::Result<String> {
    std::env::var(name).with_context(|| format!("{name} is not set: run `make local-up`, then `. .local/env`"))
}

/// The queues of events, and of those that were given up.
pub struct Queues {
    pub events: Arc<dyn Queue>,
    pub dead: Arc<dyn Queue>,
}

impl Queues {
    /// # Errors
    /// If `.local/env` was not sourced.
    pub fn of(cloud: &Cloud) -> anyhow::Result<Self> {
        let at = |name| anyhow::Ok(Arc::new(cloud.sdk.queue(&variable(name)?)));
        Ok(Self { events: at("LAZARET_EVENTS_QUEUE_URL")?, dead: at("LAZARET_EVENTS_DEAD_QUEUE_URL")? })
    }

    /// Waits until nothing is to be done any more.
    ///
    /// # Errors
    /// If something still is after `patience`, or a message was given up.
    pub async fn drained(&self, patience: Duration) -> anyhow::Result<()> {
        wait::until("an empty queue", patience, async || {
            let depth = self.events.depth().await?;
            Ok((depth.visible + depth.in_flight + depth.delayed == 0).then_some(()))
        })
        .await?;
        let dead = self.dead.depth().await?;
        ensure!(dead.visible + dead.in_flight == 0, "{} messages were given up", dead.visible + dead.in_flight);
        Ok(())
    }
}

/// The agents of the event flow that run now.
pub fn agents() -> Vec<Pid> {
    workers::with_variable("LAZARET_WORK", "events", "lazaret-agent")
}

/// Waits until an agent of the event flow runs.
///
/// # Errors
/// If none does after [`START`].
pub async fn an_agent() -> anyhow::Result<Pid> {
    wait::until("an agent of the event flow", START, async || Ok(agents().first().copied())).await
}

/// Protects `bucket`, from now on.
///
/// # Errors
/// If `lazaret` refuses.
pub async fn protect(bucket: &str, more: &[&str]) -> anyhow::Result<()> {
    let arguments = [&["bucket", "protect", bucket, "--scan-existing", "none"], more].concat();
    let run = cli::lazaret(&arguments).await?;
    ensure!(run.code == 0, "`lazaret bucket protect` ended with {}: {}", run.code, run.stderr);
    Ok(())
}

/// Waits until an object has its verdict's tag, and returns its value.
///
/// # Errors
/// If there is none after `patience`.
pub async fn tagged(cloud: &Cloud, bucket: &str, key: &str, patience: Duration) -> anyhow::Result<String> {
    wait::until(&format!("the tag of {bucket}/{key}"), patience, async || {
        Ok(cloud.tags(bucket, key).await?.remove("scan-result"))
    })
    .await
}

/// A queue that hears what a topic, or the bus, is told from now on.
pub struct Spy {
    sqs: aws_sdk_sqs::Client,
    url: String,
}

impl Spy {
    /// On an SNS topic. Messages arrive in their envelopes, with their attributes.
    ///
    /// # Errors
    /// If the local cloud refuses.
    pub async fn on_topic(cloud: &Cloud, topic_arn: &str) -> anyhow::Result<Self> {
        let (spy, arn) = Self::queue(cloud).await?;
        let sns = cloud.sdk.sns_client();
        sns.subscribe().topic_arn(topic_arn).protocol("sqs").endpoint(arn).send().await?;
        Ok(spy)
    }

    /// On the default bus, of our own events.
    ///
    /// # Errors
    /// If the local cloud refuses.
    pub async fn on_bus(cloud: &Cloud) -> anyhow::Result<Self> {
        let (spy, arn) = Self::queue(cloud).await?;
        let events = cloud.sdk.eventbridge_client();
        let rule = format!("e2e-{}", Uuid::new_v4());
        events.put_rule().name(&rule).event_pattern(r#"{"source":["lazaret"]}"#).send().await?;
        let target = aws_sdk_eventbridge::types::Target::builder().id("spy").arn(arn).build()?;
        events.put_targets().rule(&rule).targets(target).send().await?;
        Ok(spy)
    }

    async fn queue(cloud: &Cloud) -> anyhow::Result<(Self, String)> {
        let sqs = cloud.sdk.sqs_client();
        let created = sqs.create_queue().queue_name(format!("e2e-spy-{}", Uuid::new_v4())).send().await?;
        let url = created.queue_url().context("a URL")?.to_owned();
        let asked = sqs.get_queue_attributes().queue_url(&url).attribute_names(QueueAttributeName::QueueArn);
        let found = asked.send().await?;
        let arn = found.attributes().and_then(|all| all.get(&QueueAttributeName::QueueArn)).context("an ARN")?.clone();
        Ok((Self { sqs, url }, arn))
    }

    /// Waits for the first message that `wanted` makes something of; others are dropped.
    ///
    /// # Errors
    /// Names `what` if none comes within `patience`.
    pub async fn hear<T>(
        &self,
        what: &str,
        patience: Duration,
        mut wanted: impl FnMut(&Value) -> Option<T>,
    ) -> anyhow::Result<T> {
        let deadline = Instant::now() + patience;
        loop {
            for body in self.receive().await? {
                if let Some(found) = wanted(&body) {
                    return Ok(found);
                }
            }
            ensure!(Instant::now() < deadline, "waited {} s in vain for {what}", patience.as_secs());
        }
    }

    /// What has come by now, as JSON.
    ///
    /// # Errors
    /// If a message is none.
    pub async fn receive(&self) -> anyhow::Result<Vec<Value>> {
        let receive = self.sqs.receive_message().queue_url(&self.url).max_number_of_messages(10).wait_time_seconds(1);
        let mut bodies = Vec::new();
        for message in receive.send().await?.messages() {
            bodies.push(serde_json::from_str(message.body().unwrap_or_default()).context("a message is JSON")?);
            let handle = message.receipt_handle().context("a receipt handle")?;
            self.sqs.delete_message().queue_url(&self.url).receipt_handle(handle).send().await?;
        }
        Ok(bodies)
    }

    /// # Errors
    /// If the queue can't be deleted.
    pub async fn close(self) -> anyhow::Result<()> {
        self.sqs.delete_queue().queue_url(&self.url).send().await?;
        Ok(())
    }
}
