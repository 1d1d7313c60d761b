//! Files and folders through the engine.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use futures::{StreamExt, stream};
use jiff::Timestamp;
use lazaret_agent::decide::Basis;
use lazaret_agent::spool::Spool;
use lazaret_agent::{EngineGone, Scanned, Scanner};
use lazaret_model::Verdict;
use lazaret_model::verdict::{ErrorReason, UnscannableReason};
use tokio::sync::mpsc;

use crate::scan::examined::Examined;
use crate::scan::intake::{Intake, NotTaken, take_file, take_stdin};
use crate::scan::screen::Screen;
use crate::scan::target::path_text;
use crate::scan::walk::{Found, walk};

/// Files in hand for each worker. A copy takes a tenth of a scan: this many keep a worker busy behind one that is slow.
const FILES_PER_WORKER: usize = 4;
/// Files that the walk is ahead.
const AHEAD: usize = 256;

/// What scans.
#[derive(Clone)]
pub struct Scanning {
    pub scanner: Arc<dyn Scanner>,
    pub spool: Spool,
    pub workers: usize,
    /// Larger files are not read.
    pub max_file_bytes: u64,
}

impl Scanning {
    /// Scans a file, or all files in a folder; results come in the order in which they are there.
    ///
    /// # Errors
    /// If the engine is gone, or whoever reads the results.
    pub async fn path(&self, argument: &Path, screen: &mut Screen<'_>) -> anyhow::Result<()> {
        let (sender, found) = mpsc::channel(AHEAD);
        let argument = argument.to_owned();
        // the walk ends when the receiver is dropped
        let walking = tokio::task::spawn_blocking(move || walk(&argument, |found| sender.blocking_send(found).is_ok()));
        let found = stream::unfold(found, async |mut found| found.recv().await.map(|next| (next, found)));
        let mut results =
            std::pin::pin!(found.map(|found| self.take(found)).buffer_unordered(self.workers * FILES_PER_WORKER));
        while let Some(result) = results.next().await {
            match result? {
                Taken::Examined(examined) => screen.show(&examined)?,
                Taken::Link => screen.tally.links += 1,
                Taken::Skipped { path, why } => {
                    screen.tally.special += 1;
                    screen.note(&format!("{}: left out, it is {why}", crate::escape::line(&path_text(&path))))?;
                }
            }
        }
        Ok(walking.await?)
    }

    /// Scans standard input.
    ///
    /// # Errors
    /// If the engine is gone, or whoever reads the results.
    pub async fn stdin(&self, screen: &mut Screen<'_>) -> anyhow::Result<()> {
        let begun = Instant::now();
        let intake = take_stdin(self.max_file_bytes, &self.spool).await;
        Ok(screen.show(&self.examine("-".into(), intake, begun).await?)?)
    }

    async fn take(&self, found: Found) -> Result<Taken, EngineGone> {
        Ok(match found {
            Found::Link => Taken::Link,
            Found::Skipped { path, why } => Taken::Skipped { path, why },
            Found::Unreadable { path, error } => {
                Taken::Examined(Box::new(not_taken(path_text(&path), NotTaken::Io(error))))
            }
            Found::File { path, named } => {
                let begun = Instant::now();
                let intake = take_file(&path, named, self.max_file_bytes, &self.spool).await;
                Taken::Examined(Box::new(self.examine(path_text(&path), intake, begun).await?))
            }
        })
    }

    async fn examine(
        &self,
        path: String,
        intake: Result<Intake, NotTaken>,
        begun: Instant,
    ) -> Result<Examined, EngineGone> {
        let Intake { content, room: _room } = match intake {
            Ok(intake) => intake,
            Err(why) => return Ok(not_taken(path, why)),
        };
        let (bytes, sha256) = (content.size, content.sha256);
        let Scanned { verdict, notes, definitions, cached } = self.scanner.scan(content).await?;
        let mut evidence = Basis { sha256: Some(sha256), definitions, notes, cached }.evidence(Timestamp::now());
        evidence.milliseconds = Some(begun.elapsed().as_millis() as u64);
        Ok(Examined { path, bytes, verdict, evidence })
    }
}

enum Taken {
    Examined(Box<Examined>),
    Link,
    Skipped { path: PathBuf, why: &'static str },
}

fn not_taken(path: String, why: NotTaken) -> Examined {
    let detail = why.to_string();
    let (bytes, verdict) = match why {
        NotTaken::TooLarge { bytes, .. } => {
            (bytes, Verdict::Unscannable { reason: UnscannableReason::TooLarge, detail })
        }
        NotTaken::Changed { bytes } => (bytes, Verdict::Error { reason: ErrorReason::FetchFailed, detail }),
        NotTaken::Io(error) => {
            let denied = error.kind() == std::io::ErrorKind::PermissionDenied;
            let reason = if denied { ErrorReason::AccessDenied } else { ErrorReason::FetchFailed };
            (0, Verdict::Error { reason, detail })
        }
    };
    Examined::unread(path, bytes, verdict)
}
