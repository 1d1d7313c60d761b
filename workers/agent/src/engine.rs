//! The engine's process as a [`Scanner`].

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use lazaret_engine_protocol::verdict as engine;
use lazaret_engine_protocol::{Engine, EngineConfig, Examined, FailureReason, Order, Ready, ScanVerdict, StartError};
use lazaret_model::verdict::{ErrorReason, UnscannableReason};
use lazaret_model::{DefinitionsStamp, Finding, Verdict};
use tracing::warn;
use uuid::Uuid;

use crate::config::EngineSettings;
use crate::scan::{Content, EngineGone, Scanned, Scanner, Seen};

/// An engine that runs, with its scratch directory.
pub struct EngineScanner {
    engine: Engine,
    scratch: PathBuf,
}

/// Why there is no engine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error("the scratch directory `{}`: {source}", path.display())]
    Scratch {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// No definitions among the causes.
    #[error(transparent)]
    Start(#[from] StartError),
}

impl EngineScanner {
    /// Starts the engine and waits until it has loaded `definitions`. It gets a directory of its own below `scratch_dir`: on a
    /// machine that runs several agents they would empty each other's.
    pub async fn start(
        settings: &EngineSettings,
        definitions: &Path,
        scratch_dir: &Path,
        workers: usize,
    ) -> Result<Self, EngineError> {
        let scratch = scratch_dir.join(format!("engine-{}", Uuid::new_v4()));
        std::fs::create_dir_all(scratch_dir)
            .map_err(|source| EngineError::Scratch { path: scratch_dir.to_owned(), source })?;
        let mut config = EngineConfig::new(&settings.program, definitions, &scratch);
        config.workers = workers;
        config.scan_seconds = settings.scan.as_secs();
        config.limits = settings.limits;
        config.allow_missing.clone_from(&settings.allow_missing);
        let started = Engine::start(config).await;
        if started.is_err() {
            remove(&scratch);
        }
        let engine = started?;
        for step in engine.info().jail_missing {
            warn!(step, "The jail is without a step that this kernel does not have");
        }
        Ok(Self { engine, scratch })
    }

    /// What it said when it was ready.
    pub fn info(&self) -> Ready {
        self.engine.info()
    }

    /// Ends the engine and leaves nothing of it on the disk.
    pub async fn shutdown(&self, patience: Duration) {
        if tokio::time::timeout(patience, self.engine.shutdown()).await.is_err() {
            warn!("The engine did not end in time; it is killed with this process");
        }
        remove(&self.scratch);
    }
}

fn remove(scratch: &Path) {
    match std::fs::remove_dir_all(scratch) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            warn!(%error, "The engine's scratch directory was not removed");
        }
        _ => {}
    }
}

impl EngineScanner {
    async fn examine(&self, content: Content, members: bool) -> Result<(Scanned, Option<Seen>), EngineGone> {
        let Content { file, size, .. } = content;
        let order = Order { file, size, content: lazaret_engine_protocol::Content::File, members };
        let Examined { verdict: said, notes, members } = self.engine.examine(order).await;
        if let (ScanVerdict::Failed { .. }, Some(why)) = (&said, self.engine.broken()) {
            return Err(EngineGone(why)); // not a word about the object
        }
        let scanned = Scanned {
            verdict: verdict(said),
            notes: notes.into_iter().map(finding).collect(),
            // replies come from the host that runs, so that what it said at its start is what it scanned with
            definitions: self.definitions(),
            cached: false,
        };
        Ok((scanned, members.map(|(bundle, members)| Seen { bundle, members })))
    }
}

#[async_trait]
impl Scanner for EngineScanner {
    async fn scan(&self, content: Content) -> Result<Scanned, EngineGone> {
        Ok(self.examine(content, false).await?.0)
    }

    async fn scan_showing_members(&self, content: Content) -> Result<(Scanned, Option<Seen>), EngineGone> {
        self.examine(content, true).await
    }

    fn definitions(&self) -> Option<DefinitionsStamp> {
        let Ready { definitions_version, definitions_built_seconds, .. } = self.engine.info();
        let built_at = definitions_built_seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
        Some(DefinitionsStamp { version: definitions_version, built_at })
    }
}

pub(crate) fn finding(found: engine::Detection) -> Finding {
    Finding { member: found.member, threat: found.threat, engine: found.engine }
}

/// The engine's words in the model's. Only its `Clean` is one.
pub(crate) fn verdict(said: ScanVerdict) -> Verdict {
    let failed = |reason, detail: &str| Verdict::Error { reason, detail: detail.to_owned() };
    match said {
        ScanVerdict::Clean => Verdict::Clean,
        ScanVerdict::Infected { detections, .. } if detections.is_empty() => {
            failed(ErrorReason::EngineFailed, "it found an infection and did not say which")
        }
        ScanVerdict::Infected { detections, omitted } => {
            if omitted > 0 {
                warn!(omitted, "The object has more findings than the engine's answer could carry");
            }
            Verdict::Infected { findings: detections.into_iter().map(finding).collect() }
        }
        ScanVerdict::Unscannable { reason, detail } => {
            let reason = match reason {
                engine::UnscannableReason::LimitsExceeded => UnscannableReason::LimitsExceeded,
                engine::UnscannableReason::Encrypted => UnscannableReason::Encrypted,
                engine::UnscannableReason::TooLarge => UnscannableReason::TooLarge,
                engine::UnscannableReason::Unsupported => UnscannableReason::Unsupported,
                engine::UnscannableReason::Incomplete => UnscannableReason::Incomplete,
            };
            Verdict::Unscannable { reason, detail }
        }
        ScanVerdict::Failed { reason, detail } => {
            let reason = match reason {
                FailureReason::EngineCrashed => ErrorReason::EngineCrashed,
                FailureReason::EngineTimeout => ErrorReason::EngineTimeout,
                FailureReason::EngineFailed => ErrorReason::EngineFailed,
            };
            failed(reason, &detail)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_engines_clean_is_clean() {
        let mut said = vec![ScanVerdict::Infected { detections: vec![], omitted: 3 }];
        said.extend(engine::UnscannableReason::ALL.iter().map(|reason| ScanVerdict::unscannable(*reason, "")));
        said.extend(FailureReason::ALL.iter().map(|reason| ScanVerdict::failed(*reason, "")));
        for said in said {
            let verdict = verdict(said);
            assert_ne!(verdict, Verdict::Clean);
            let json = serde_json::to_string(&verdict).expect("json");
            assert_eq!(serde_json::from_str::<Verdict>(&json).expect("a verdict that a part can carry"), verdict);
        }
        assert_eq!(verdict(ScanVerdict::Clean), Verdict::Clean);
    }

    #[test]
    fn reasons_keep_their_texts() {
        for reason in engine::UnscannableReason::ALL {
            assert_eq!(verdict(ScanVerdict::unscannable(*reason, "d")).reason(), Some(reason.text()));
        }
        for reason in FailureReason::ALL {
            assert_eq!(verdict(ScanVerdict::failed(*reason, "d")).reason(), Some(reason.text()));
        }
    }

    #[tokio::test]
    async fn an_engine_that_does_not_start_is_an_error_and_leaves_nothing() {
        let scratch = tempfile::tempdir().expect("a directory");
        let settings = EngineSettings::new("/nonexistent/engine", Duration::from_secs(1));
        let started = EngineScanner::start(&settings, Path::new("/nonexistent"), scratch.path(), 1).await;
        assert!(matches!(started, Err(EngineError::Start(_))));
        assert_eq!(std::fs::read_dir(scratch.path()).expect("readable").count(), 0);
    }
}
