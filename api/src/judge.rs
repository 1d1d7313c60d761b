//! Judge: what is said of each file of a request, by the engine and by its owner.

use std::sync::Arc;

use futures::future::try_join_all;
use lazaret_agent::policies::PolicyBook;
use lazaret_agent::{Content, EngineGone, Scanned, Scanner};
use lazaret_aws::trace;
use lazaret_model::{Policy, Verdict};
use tokio::time::Instant;

use crate::admission::Admission;
use crate::answer::Judged;
use crate::metrics::Tally;
use crate::problem::Problem;
use crate::standing::Standing;

/// What judges.
pub struct Judge {
    pub scanner: Arc<dyn Scanner>,
    pub policies: Arc<PolicyBook>,
    pub admission: Admission,
    pub standing: Arc<Standing>,
    pub tally: Arc<Tally>,
}

impl Judge {
    /// Whether a scan can be asked for at all; otherwise its body need not come.
    ///
    /// # Errors
    /// If there are no definitions, or no engine.
    pub fn ready(&self) -> Result<(), Problem> {
        if self.standing.broken().is_some() {
            return Err(gone());
        }
        match self.scanner.without_engine() {
            Some(_) => Err(Problem::Unavailable("there are no definitions to scan with yet")),
            None => Ok(()),
        }
    }

    /// The verdicts on several contents, in their order. They are asked for together; the engine takes them as it can.
    ///
    /// # Errors
    /// If the engine is gone: that says nothing of any file.
    pub async fn all(&self, policy: &Policy, files: Vec<(String, Content)>) -> Result<Vec<Judged>, Problem> {
        try_join_all(files.into_iter().map(|(name, content)| self.one(policy, name, content))).await
    }

    async fn one(&self, policy: &Policy, name: String, content: Content) -> Result<Judged, Problem> {
        let sha256 = content.sha256;
        let scanned = {
            let queued = Instant::now();
            let _place = self.admission.engine().await;
            let begun = Instant::now();
            let scanned = self.scanner.scan(content).await;
            self.tally.scanned(begun - queued, begun.elapsed());
            scanned
        };
        let Scanned { verdict, .. } = scanned.map_err(|EngineGone(why)| {
            self.standing.engine_is_gone(why);
            gone()
        })?;
        Ok(Judged { name, verdict: self.review(policy, &sha256, verdict).await })
    }

    /// Counts what was said of the files of one request, and writes a line of it into the log.
    pub fn tell(&self, files: &[Judged], bytes: u64) {
        self.tally.judged(files.iter().map(|file| &file.verdict), bytes);
        log(files, bytes);
    }

    async fn review(&self, policy: &Policy, sha256: &[u8; 32], verdict: Verdict) -> Verdict {
        self.policies.review(policy, Some(sha256), verdict).await
    }
}

fn gone() -> Problem {
    Problem::Unavailable("the engine is gone; another server takes over")
}

/// A line for each request. Names are the caller's own, and what is in a file is nobody's business.
fn log(files: &[Judged], bytes: u64) {
    let worst = files.iter().find(|file| file.verdict != Verdict::Clean);
    let verdict = worst.map_or(Verdict::Clean.name(), |file| file.verdict.name());
    let threat = worst.and_then(|file| file.verdict.findings().first());
    let threat = threat.map(|finding| finding.threat.escape_debug().to_string());
    let reason = worst.and_then(|file| file.verdict.reason());
    trace::annotate("verdict", verdict);
    tracing::info!(verdict, threat, reason, files = files.len(), bytes, "Scanned");
}
