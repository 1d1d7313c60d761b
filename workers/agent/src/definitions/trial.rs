//! A set must prove itself before anybody trusts it: with it EICAR is found, and a plain text is clean.

use std::io::Write;
use std::path::{Path, PathBuf};

use lazaret_model::Verdict;
use sha2::{Digest, Sha256};

use crate::scan::{Content, EngineGone, Scanner};

/// Why a set is not to be trusted.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    #[error("these definitions do not find EICAR, the test file that every set must know: the verdict was {0}")]
    Missed(String),
    #[error("with these definitions a plain text is not clean: the verdict was {0}")]
    FalseAlarm(String),
    #[error(transparent)]
    Engine(#[from] EngineGone),
    #[error("no place for a test file in `{}`", directory.display())]
    Scratch {
        directory: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

/// Asks an engine that has loaded the set. The two files have no names and are gone at once.
///
/// # Errors
/// If either verdict is another one, whatever the reason.
pub async fn try_out(scanner: &dyn Scanner, scratch_dir: &Path) -> Result<(), TrialError> {
    match ask(scanner, scratch_dir, eicar().as_bytes()).await? {
        Verdict::Infected { .. } => {}
        other => return Err(TrialError::Missed(said(&other))),
    }
    match ask(scanner, scratch_dir, b"A plain text, in which there is nothing to find.\n").await? {
        Verdict::Clean => Ok(()),
        other => Err(TrialError::FalseAlarm(said(&other))),
    }
}

/// Put together at run time, so that neither source nor program is the test file.
fn eicar() -> String {
    [r"X5O!P%@AP[4\PZX54(P^)7CC)7}", "$EICAR-STANDARD-", "ANTIVIRUS-TEST-FILE!$H+H*"].concat()
}

async fn ask(scanner: &dyn Scanner, scratch_dir: &Path, bytes: &[u8]) -> Result<Verdict, TrialError> {
    let unnamed = tempfile::tempfile_in(scratch_dir).and_then(|mut file| {
        file.write_all(bytes)?;
        Ok(file.into())
    });
    let file = unnamed.map_err(|source| TrialError::Scratch { directory: scratch_dir.to_owned(), source })?;
    let content = Content { file, size: bytes.len() as u64, sha256: Sha256::digest(bytes).into() };
    Ok(scanner.scan(content).await?.verdict)
}

fn said(verdict: &Verdict) -> String {
    let threats: Vec<_> = verdict.findings().iter().take(3).map(|found| found.threat.as_str()).collect();
    let more = [verdict.reason().unwrap_or_default(), verdict.detail(), &threats.join(", ")].join(" ");
    format!("{} ({})", verdict.name(), more.trim().escape_debug())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definitions::testing::FakeEngine;

    #[tokio::test]
    async fn a_set_that_misses_eicar_or_finds_something_in_nothing_is_refused() {
        let scratch = tempfile::tempdir().expect("a directory");
        let ask = |knows: &'static [&'static str]| {
            let scratch = scratch.path().to_owned();
            async move { try_out(&FakeEngine::knowing(knows), &scratch).await }
        };
        ask(&["EICAR"]).await.expect("trusted");
        assert!(matches!(ask(&[]).await, Err(TrialError::Missed(_))));
        assert!(matches!(ask(&["EICAR", "plain text"]).await, Err(TrialError::FalseAlarm(_))));
        assert!(matches!(try_out(&FakeEngine::gone(), scratch.path()).await, Err(TrialError::Engine(_))));
    }
}
