//! Announce: a result for whoever listens, on EventBridge and on SNS. At least once: `id` is the same each time.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use lazaret_aws::ServiceError;
use lazaret_aws::announce::{ANNOUNCEMENT_BYTES, BusEvent, Topic};
use lazaret_model::ResultRow;
use lazaret_model::announcement::{SCAN_RESULT, SCAN_RESULT_NOTIFICATION, ScanResult};
use lazaret_model::event::Sequencer;
use lru::LruCache;
use tokio::time::Instant;

use super::batch::Batches;
use crate::config::TopicArn;
use crate::retry;

/// Left for what goes with the text: attributes of SNS; source, type and resources of EventBridge.
const ENVELOPE_BYTES: usize = 4 * 1024;

/// Announcements that are remembered: 100 bytes each.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");

/// A key that is overwritten a hundred times within this is announced once for the object that stays, and not a hundred times.
const TOLD: Duration = Duration::from_secs(600);

/// Tells EventBridge and SNS.
pub struct Announcer {
    topic: Arc<dyn Topic>,
    batches: Batches,
    account: String,
    partition: String,
    /// By their ids, with the time.
    told: Mutex<LruCache<String, Instant>>,
}

impl Announcer {
    pub fn new(topic: Arc<dyn Topic>, batches: Batches, arn: &TopicArn) -> Self {
        let told = Mutex::new(LruCache::new(REMEMBERED));
        Self { topic, batches, account: arn.account().to_owned(), partition: arn.partition().to_owned(), told }
    }

    /// The same, unless this agent told it a moment ago: of an object that has an announcement of its own.
    ///
    /// # Errors
    /// As of [`Self::announce`].
    pub async fn announce_unless_told(&self, row: &ResultRow) -> Result<(), ServiceError> {
        let id = ScanResult::of(row, None).id;
        let told = self.told().get(&id).is_some_and(|at| at.elapsed() < TOLD);
        if told { Ok(()) } else { self.announce(row, None).await }
    }

    /// Returns once both have it.
    ///
    /// # Errors
    /// If one of them does not take it; the other may have it.
    pub async fn announce(&self, row: &ResultRow, sequencer: Option<&Sequencer>) -> Result<(), ServiceError> {
        let result = ScanResult::of(row, sequencer);
        let text = text_of(&result);
        let event = BusEvent {
            detail_type: SCAN_RESULT.to_owned(),
            detail: text.clone(),
            resources: vec![format!("arn:{}:s3:::{}", self.partition, result.bucket)],
        };
        tokio::try_join!(self.batches.put(event), self.publish(&text, &result))?;
        self.told().put(result.id, Instant::now());
        Ok(())
    }

    fn told(&self) -> MutexGuard<'_, LruCache<String, Instant>> {
        self.told.lock().expect("no one panics while remembering")
    }

    async fn publish(&self, text: &str, result: &ScanResult) -> Result<(), ServiceError> {
        let attributes = [
            ("notificationType", SCAN_RESULT_NOTIFICATION),
            ("scanResult", result.result.as_str()),
            ("bucket", result.bucket.as_str()),
            ("account", self.account.as_str()),
        ];
        let publish = || self.topic.publish(text, &attributes);
        retry::ANNOUNCE.run(|error: &ServiceError| error.retryable, publish).await
    }
}

/// As JSON, with so many findings as fit. Names within archives may be of any length.
fn text_of(result: &ScanResult) -> String {
    let mut result = result.clone();
    loop {
        let text = result.to_ascii_json();
        if text.len() + ENVELOPE_BYTES <= ANNOUNCEMENT_BYTES || result.findings.is_empty() && result.message.is_empty()
        {
            return text;
        }
        if result.findings.is_empty() {
            result.message.clear();
        }
        result.findings.truncate(result.findings.len() / 2);
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use lazaret_model::{Evidence, Finding, Verdict};

    use super::*;
    use crate::testing::object;

    #[test]
    fn findings_of_any_length_fit_and_their_number_stays() {
        for (findings, length) in [(3, 10), (100, 20_000), (2, 1_000_000)] {
            let finding = Finding { member: "\u{1}ü".repeat(length), threat: "t".into(), engine: "clamav".into() };
            let row = ResultRow {
                object: object("k"),
                verdict: Verdict::Infected { findings: vec![finding; findings] },
                action: None,
                scanned_at: Timestamp::UNIX_EPOCH,
                evidence: Evidence::default(),
            };
            let text = text_of(&ScanResult::of(&row, None));
            assert!(text.len() + ENVELOPE_BYTES <= ANNOUNCEMENT_BYTES);
            assert!(text.is_ascii());
            let told: ScanResult = serde_json::from_str(&text).expect("JSON");
            assert_eq!(told.findings_total, findings);
            assert_eq!(told.findings.len() == findings, findings == 3);
        }
    }
}
