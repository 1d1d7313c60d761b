//! `lazaret events redrive`: sends events that were given up to the agents again.
//!
//! A message is received, sent to the queue, and only then deleted from the dead letters. Stopped anywhere, it is in one of the
//! two, or for a moment in both: an event that is told twice is scanned once more, and no harm is done.

use std::collections::BTreeSet;
use std::time::Duration;

use lazaret_aws::queue::{Message, Queue, SEND_BATCH_BYTES, SEND_BATCH_MESSAGES};
use lazaret_model::event::{EventBody, EventRecord, read_event};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::cloud::Cloud;
use crate::commands::events_show::queue;
use crate::console::Console;
use crate::deployment::{EVENTS_DEAD_LETTER_QUEUE, EVENTS_QUEUE};
use crate::escape;
use crate::outcome::Outcome;
use crate::units;

/// A poll of this length asks all of SQS's servers: nothing then is nothing.
const WAIT: Duration = Duration::from_secs(2);
/// For as long a message is ours; what is not sent by then shows up again.
const VISIBILITY: Duration = Duration::from_secs(60);

/// Send events that were given up to the agents again
#[derive(Debug, Clone, clap::Args)]
pub struct RedriveArgs {
    /// How many at most [default: all]
    #[arg(long, value_name = "N")]
    pub max: Option<u64>,
    /// Print one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// # Errors
/// If there is no event flow here, or a queue fails: what was not sent by then is still among the dead letters.
pub async fn run(cloud: &Cloud, args: &RedriveArgs, console: &mut Console) -> anyhow::Result<Outcome> {
    let to = queue(cloud, EVENTS_QUEUE).await?;
    let from = queue(cloud, EVENTS_DEAD_LETTER_QUEUE).await?;
    let mut left = args.max.unwrap_or(u64::MAX);
    let (mut sent, mut refused) = (0, 0);
    let mut seen = BTreeSet::new();
    while left > 0 {
        let most = u32::try_from(left.min(SEND_BATCH_MESSAGES as u64)).expect("ten at most");
        let messages = from.receive(most, WAIT, VISIBILITY).await?;
        if messages.is_empty() {
            break;
        }
        left -= messages.len() as u64;
        // what comes back while we are at it was given up again, and would be sent without end
        let (new, again): (Vec<_>, Vec<_>) =
            messages.into_iter().partition(|message| seen.insert(<[u8; 32]>::from(Sha256::digest(&message.body))));
        give_back(from.as_ref(), &again).await;
        for message in &new {
            console.note(&told(&message.body))?;
        }
        for batch in batches(&new) {
            let bodies: Vec<String> = batch.iter().map(|message| message.body.clone()).collect();
            let not_taken = to.send(&bodies).await?;
            for (index, message) in batch.iter().enumerate() {
                if not_taken.contains(&index) {
                    refused += 1;
                    give_back(from.as_ref(), std::slice::from_ref(message)).await;
                } else {
                    from.delete(&message.receipt_handle).await?;
                    sent += 1;
                }
            }
        }
        if !again.is_empty() || refused > 0 {
            break;
        }
    }
    let depth = from.depth().await?;
    let dead = depth.visible + depth.in_flight + depth.delayed;
    if args.json {
        console.json(&json!({"sent": sent, "refused": refused, "deadLetters": dead}))?;
    } else {
        let rest =
            if dead > 0 { format!(" About {} are left.", units::counted(dead, "dead letter")) } else { String::new() };
        console.text(&format!("Sent {} again.{rest}", units::counted(sent, "message")))?;
    }
    if refused > 0 {
        console.note(&format!(
            "{} not taken by the queue, and stay where they were: try again.",
            units::counted(refused, "message")
        ))?;
        return Ok(Outcome::Failed);
    }
    Ok(Outcome::NothingFound)
}

/// Visible again at once; should this fail, after [`VISIBILITY`].
async fn give_back(from: &dyn Queue, messages: &[Message]) {
    for message in messages {
        if let Err(error) = from.extend(&message.receipt_handle, Duration::ZERO).await {
            tracing::debug!(%error, "A message shows up again by itself");
        }
    }
}

/// As many as one call may send, by their number and bytes.
fn batches(messages: &[Message]) -> Vec<&[Message]> {
    let mut batches = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (index, message) in messages.iter().enumerate() {
        if index > start && (bytes + message.body.len() > SEND_BATCH_BYTES || index - start == SEND_BATCH_MESSAGES) {
            batches.push(&messages[start..index]);
            (start, bytes) = (index, 0);
        }
        bytes += message.body.len();
    }
    if start < messages.len() {
        batches.push(&messages[start..]);
    }
    batches
}

/// What a body tells of, for a person: keys are hostile.
fn told(body: &str) -> String {
    match read_event(body) {
        Ok(EventBody::Test) => "a test event of S3".to_owned(),
        Ok(EventBody::Records(records)) if records.is_empty() => "an event without records".to_owned(),
        Ok(EventBody::Records(records)) => {
            let place = |record: &EventRecord| match record {
                EventRecord::Created(created) => {
                    format!("s3://{}/{}", escape::line(&created.object.bucket), escape::line(&created.object.key))
                }
                EventRecord::Other(name) => format!("an event `{}`", escape::line(name)),
                EventRecord::Unreadable(why) => format!("a record that can’t be read: {}", escape::line(why)),
            };
            records.iter().map(place).collect::<Vec<_>>().join(", ")
        }
        Err(error) => format!(
            "a body of {} that is no event: {}",
            units::bytes(body.len() as u64),
            escape::line(&error.to_string())
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use lazaret_aws::fake::{FailingQueue, FakeQueue, throttled};
    use lazaret_aws::queue::Queues;
    use lazaret_aws::{ServiceError, fake::FakeQueues};

    use super::*;
    use crate::commands::events_show;
    use crate::testing::Lab;

    fn event(key: &str) -> String {
        json!({"Records": [{"eventName": "ObjectCreated:Put", "eventTime": "2026-11-22T10:00:00Z", "s3": {
            "bucket": {"name": "uploads"}, "object": {"key": key, "size": 1, "eTag": "e", "sequencer": "01"}}}]})
        .to_string()
    }

    struct Flow {
        lab: Lab,
        queue: FakeQueue,
        dead: FakeQueue,
    }

    fn flow(dead_letters: usize) -> Flow {
        let lab = Lab::new();
        let (queue, dead) = lab.queues.create_with_dead_letters(EVENTS_QUEUE, EVENTS_DEAD_LETTER_QUEUE, 5);
        (0..dead_letters).for_each(|n| dead.push(event(&format!("k{n}"))));
        Flow { lab, queue, dead }
    }

    fn args(max: Option<u64>) -> RedriveArgs {
        RedriveArgs { max, json: true }
    }

    #[tokio::test(start_paused = true)]
    async fn dead_letters_go_back_to_the_queue_and_are_told_of() {
        let Flow { lab, queue, dead } = flow(25);
        dead.push(event("a%1B%5B2J+b"));
        dead.push("no event");
        run(&lab.cloud(), &args(None), &mut lab.console()).await.expect("sent");
        assert_eq!(lab.json(), json!({"sent": 27, "refused": 0, "deadLetters": 0}));
        assert_eq!((queue.bodies().len(), dead.bodies().len()), (27, 0));
        let told = lab.err.text();
        assert!(told.contains("s3://uploads/k24") && told.contains("s3://uploads/a\\u{1b}[2J b"), "{told}");
        assert!(told.contains("a body of 8 B that is no event"), "{told}");
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_are_sent_than_asked_for() {
        let Flow { lab, queue, dead } = flow(25);
        run(&lab.cloud(), &args(Some(12)), &mut lab.console()).await.expect("sent");
        assert_eq!((queue.bodies().len(), dead.bodies().len()), (12, 13));
        events_show::run(&lab.cloud(), &events_show::ShowArgs { json: false }, &mut lab.console())
            .await
            .expect("shown");
        let text = lab.out.text();
        assert!(
            text.contains("Waiting       12") && text.contains("Dead letters  13") && text.contains("redrive"),
            "{text}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_queue_does_not_take_stays_among_the_dead_letters() {
        let Flow { lab, queue, dead } = flow(3);
        queue.refuse(|body| body.contains("k1"));
        let outcome = run(&lab.cloud(), &args(None), &mut lab.console()).await.expect("sent");
        assert_eq!((outcome, queue.bodies().len()), (Outcome::Failed, 2));
        assert_eq!(dead.bodies(), [event("k1")]);
        assert_eq!(dead.depth().await.expect("a depth").visible, 1, "given back at once");
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_back_meanwhile_is_not_sent_in_circles() {
        let Flow { lab, queue, dead } = flow(1);
        let twin = dead.clone();
        queue.refuse(move |body| {
            twin.push(body);
            false
        });
        run(&lab.cloud(), &args(None), &mut lab.console()).await.expect("sent");
        assert_eq!((queue.bodies().len(), dead.bodies().len()), (1, 1));
    }

    /// Queues some of whose calls fail.
    struct Failing(FailingQueue, FailingQueue);

    #[async_trait::async_trait]
    impl Queues for Failing {
        async fn url(&self, name: &str) -> Result<Option<String>, ServiceError> {
            Ok(Some(FakeQueues::url_of(name)))
        }

        fn at(&self, url: &str) -> Arc<dyn Queue> {
            Arc::new(if url.ends_with("-dead") { self.1.clone() } else { self.0.clone() })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn stopped_anywhere_nothing_is_lost() {
        for operation in ["send", "receive", "delete"] {
            for (call, lost) in [(1, true), (1, false), (2, true), (2, false)] {
                let Flow { lab, queue, dead } = flow(15);
                let (to, from) = (FailingQueue::new(queue.clone()), FailingQueue::new(dead.clone()));
                let faults = if operation == "send" { &to.faults } else { &from.faults };
                match lost {
                    true => faults.lose_answer(operation, call, throttled("Any")),
                    false => faults.fail(operation, call, throttled("Any")),
                }
                let cloud = Cloud { queues: Arc::new(Failing(to, from)), ..lab.cloud() };
                run(&cloud, &args(None), &mut lab.console()).await.expect_err("stopped");
                let all: BTreeSet<String> = queue.bodies().into_iter().chain(dead.bodies()).collect();
                assert_eq!(all.len(), 15, "{operation} {call} {lost}");
                tokio::time::advance(VISIBILITY).await;
                run(&lab.cloud(), &args(None), &mut lab.console()).await.expect("sent");
                let all: BTreeSet<String> = queue.bodies().into_iter().collect();
                assert_eq!((all.len(), dead.bodies().len()), (15, 0), "{operation} {call} {lost}");
            }
        }
    }

    #[tokio::test]
    async fn without_an_event_flow_it_says_what_to_deploy() {
        let lab = Lab::new();
        let error = run(&lab.cloud(), &args(None), &mut lab.console()).await.expect_err("no queue").to_string();
        assert!(error.contains("`lazaret-events`") && error.contains("deploy"), "{error}");
    }
}
