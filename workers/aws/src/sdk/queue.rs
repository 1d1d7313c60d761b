//! SQS.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{MessageSystemAttributeName, QueueAttributeName, SendMessageBatchRequestEntry};
use jiff::Timestamp;

use super::fault::{nonsense, service_error};
use crate::ServiceError;
use crate::queue::{Depth, Message, Queue, Queues};

/// SQS's longest visibility timeout, in seconds.
const VISIBILITY_SECONDS_MAX: u64 = 12 * 60 * 60;
/// SQS's longest poll, in seconds.
const WAIT_SECONDS_MAX: u64 = 20;

/// One queue through the SDK.
#[derive(Debug, Clone)]
pub struct SqsQueue {
    sqs: Client,
    url: String,
}

impl SqsQueue {
    pub(super) fn new(sqs: Client, url: &str) -> Self {
        Self { sqs, url: url.to_owned() }
    }
}

#[async_trait]
impl Queue for SqsQueue {
    async fn send(&self, bodies: &[String]) -> Result<Vec<usize>, ServiceError> {
        const OPERATION: &str = "SendMessageBatch";
        let entries = bodies.iter().enumerate().map(|(index, body)| {
            SendMessageBatchRequestEntry::builder().id(index.to_string()).message_body(body).build()
        });
        let entries: Vec<_> = entries.collect::<Result<_, _>>().map_err(|_| nonsense(OPERATION, "a body"))?;
        let sent = self.sqs.send_message_batch().queue_url(&self.url).set_entries(Some(entries)).send().await;
        let sent = sent.map_err(|error| service_error(OPERATION, error))?;
        if let Some(refused) = sent.failed().iter().find(|entry| entry.sender_fault()) {
            let message = format!("{}: {}", refused.code(), refused.message().unwrap_or_default());
            return Err(ServiceError { operation: OPERATION, message, retryable: false, not_found: false });
        }
        // what is not said to be sent is not sent
        let done = |index: &usize| sent.successful().iter().any(|entry| entry.id().parse() == Ok(*index));
        Ok((0..bodies.len()).filter(|index| !done(index)).collect())
    }

    async fn receive(&self, max: u32, wait: Duration, visibility: Duration) -> Result<Vec<Message>, ServiceError> {
        const OPERATION: &str = "ReceiveMessage";
        let receive = self.sqs.receive_message().queue_url(&self.url);
        let receive = receive.message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount);
        let receive = receive.message_system_attribute_names(MessageSystemAttributeName::SentTimestamp);
        let receive = receive.message_system_attribute_names(MessageSystemAttributeName::AwsTraceHeader);
        let receive = receive.max_number_of_messages(max.clamp(1, 10) as i32);
        let receive = receive.wait_time_seconds(seconds(wait, WAIT_SECONDS_MAX));
        let receive = receive.visibility_timeout(seconds(visibility, VISIBILITY_SECONDS_MAX));
        let received = receive.send().await.map_err(|error| service_error(OPERATION, error))?;
        let messages = received.messages.unwrap_or_default().into_iter().map(|message| {
            let attribute = |name| message.attributes().and_then(|all| all.get(&name)).map(String::as_str);
            let count = attribute(MessageSystemAttributeName::ApproximateReceiveCount);
            let receive_count = count.and_then(|count| count.parse().ok()).unwrap_or(1);
            let sent_at = attribute(MessageSystemAttributeName::SentTimestamp).and_then(sent_at);
            let trace_header = attribute(MessageSystemAttributeName::AwsTraceHeader).map(str::to_owned);
            Ok(Message {
                id: message.message_id.clone().ok_or_else(|| nonsense(OPERATION, "a message id"))?,
                body: message.body.ok_or_else(|| nonsense(OPERATION, "a body"))?,
                receipt_handle: message.receipt_handle.ok_or_else(|| nonsense(OPERATION, "a receipt handle"))?,
                receive_count,
                sent_at,
                trace_header,
            })
        });
        messages.collect()
    }

    async fn extend(&self, receipt_handle: &str, visibility: Duration) -> Result<(), ServiceError> {
        let change = self.sqs.change_message_visibility().queue_url(&self.url).receipt_handle(receipt_handle);
        let changed = change.visibility_timeout(seconds(visibility, VISIBILITY_SECONDS_MAX)).send().await;
        changed.map(drop).map_err(|error| service_error("ChangeMessageVisibility", error))
    }

    async fn delete(&self, receipt_handle: &str) -> Result<(), ServiceError> {
        let deleted = self.sqs.delete_message().queue_url(&self.url).receipt_handle(receipt_handle).send().await;
        deleted.map(drop).map_err(|error| service_error("DeleteMessage", error))
    }

    async fn depth(&self) -> Result<Depth, ServiceError> {
        const OPERATION: &str = "GetQueueAttributes";
        let names = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
        ];
        let get = self.sqs.get_queue_attributes().queue_url(&self.url).set_attribute_names(Some(names.to_vec()));
        let found = get.send().await.map_err(|error| service_error(OPERATION, error))?;
        let number = |name: &QueueAttributeName| {
            let text = found.attributes().and_then(|all| all.get(name));
            text.and_then(|text| text.parse().ok()).ok_or_else(|| nonsense(OPERATION, name.as_str()))
        };
        Ok(Depth { visible: number(&names[0])?, in_flight: number(&names[1])?, delayed: number(&names[2])? })
    }

    async fn delete_queue(&self) -> Result<(), ServiceError> {
        let deleted = self.sqs.delete_queue().queue_url(&self.url).send().await;
        match deleted.map_err(|error| service_error("DeleteQueue", error)) {
            Err(error) if !error.not_found => Err(error),
            _ => Ok(()),
        }
    }
}

/// `SentTimestamp`: milliseconds since 1970.
fn sent_at(text: &str) -> Option<Timestamp> {
    Timestamp::from_millisecond(text.parse().ok()?).ok()
}

/// Whole seconds, rounded up: a message must not come back before it was meant to.
fn seconds(duration: Duration, most: u64) -> i32 {
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    i32::try_from(seconds.min(most)).unwrap_or(i32::MAX)
}

/// The queues of the account and region.
#[derive(Debug, Clone)]
pub struct SqsQueues {
    sqs: Client,
}

impl SqsQueues {
    pub(super) fn new(sqs: Client) -> Self {
        Self { sqs }
    }
}

#[async_trait]
impl Queues for SqsQueues {
    async fn url(&self, name: &str) -> Result<Option<String>, ServiceError> {
        const OPERATION: &str = "GetQueueUrl";
        match self.sqs.get_queue_url().queue_name(name).send().await {
            Ok(found) => found.queue_url.map(Some).ok_or_else(|| nonsense(OPERATION, "a URL")),
            Err(error) => match service_error(OPERATION, error) {
                error if error.not_found => Ok(None),
                error => Err(error),
            },
        }
    }

    fn at(&self, url: &str) -> Arc<dyn Queue> {
        Arc::new(SqsQueue::new(self.sqs.clone(), url))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_time_of_sending_is_none() {
        assert_eq!(sent_at("1795348800123").map(|at| at.to_string()).as_deref(), Some("2026-11-22T12:00:00.123Z"));
        assert_eq!((sent_at(""), sent_at("soon"), sent_at("99999999999999999")), (None, None, None));
    }

    #[test]
    fn time_outs_are_whole_seconds_within_the_limits_of_sqs() {
        assert_eq!(seconds(Duration::ZERO, 20), 0);
        assert_eq!(seconds(Duration::from_millis(1), 20), 1);
        assert_eq!(seconds(Duration::from_secs(86_400), VISIBILITY_SECONDS_MAX), 43_200);
    }
}
