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
use tokio_util::task::AbortOnDropHandle;

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
    /// Scans a file, or all files in a folder; a result comes when it is there, whatever was found before.
    ///
    /// # Errors
    /// If the engine is gone, or whoever reads the results.
    pub async fn path(&self, argument: &Path, screen: &mut Screen<'_>) -> anyhow::Result<()> {
        let (sender, found) = mpsc::channel(AHEAD);
        let argument = argument.to_owned();
        // the walk ends when the receiver is dropped
        let walking = tokio::task::spawn_blocking(move || walk(&argument, |found| sender.blocking_send(found).is_ok()));
        let found = stream::unfold(found, async |mut found| found.recv().await.map(|next| (next, found)));
        let take = |found| {
            let this = self.clone();
            // tasks of their own: digests of many files at once need many cores
            AbortOnDropHandle::new(tokio::spawn(async move { this.take(found).await }))
        };
        let mut results = std::pin::pin!(found.map(take).buffer_unordered(self.workers * FILES_PER_WORKER));
        while let Some(result) = results.next().await {
            match result?? {
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::scan::screen::Format;
    use crate::scan::tally::Tally;
    use crate::testing::{Lab, WordScanner};

    pub fn scanning(scanner: &Arc<WordScanner>) -> Scanning {
        Scanning {
            scanner: Arc::clone(scanner) as Arc<dyn Scanner>,
            spool: Spool::new(std::env::temp_dir(), 1 << 20),
            workers: 2,
            max_file_bytes: 1_000,
        }
    }

    async fn scan(scanner: &Arc<WordScanner>, paths: &[&Path]) -> (anyhow::Result<()>, Tally, Lab) {
        let lab = Lab::new();
        let mut console = lab.console();
        let mut screen = Screen::new(&mut console, Format { json: false, infected_only: false });
        let mut result = Ok(());
        for path in paths {
            result = result.and(scanning(scanner).path(path, &mut screen).await);
        }
        let tally = screen.tally.clone();
        drop(screen);
        (result, tally, lab)
    }

    #[tokio::test]
    async fn every_file_has_one_line_and_what_is_left_out_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        std::fs::create_dir(root.join("deep")).expect("made");
        for (name, text) in [("clean", "plain"), ("deep/bad", "a virus"), ("zip", "encrypted"), ("empty", "")] {
            std::fs::write(root.join(name), text).expect("written");
        }
        std::fs::write(root.join("large"), vec![0; 1_001]).expect("written");
        symlink(root, root.join("deep/loop")).expect("linked");
        let pipe = root.join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("a pipe");
        let scanner = Arc::new(WordScanner::default());
        let (result, tally, lab) = scan(&scanner, &[root, &root.join("missing")]).await;
        result.expect("scanned");
        let mut lines: Vec<String> =
            lab.out.text().lines().map(|line| line.replace(&*root.to_string_lossy(), "")).collect();
        lines.sort();
        let expected = [
            "/clean: Clean",
            "/deep/bad: Infected Test.Virus",
            "/empty: Clean",
            "/large: Unscannable too large (it has 1001 bytes, the limit is 1000)",
            "/missing: Error fetch failed (No such file or directory (os error 2))",
            "/zip: Unscannable encrypted",
        ];
        assert_eq!(lines, expected);
        assert_eq!((tally.infected, tally.links, tally.special), (1, 1, 1));
        assert!(lab.err.text().contains("pipe: left out, it is a pipe"), "{}", lab.err.text());
    }

    #[tokio::test]
    async fn many_files_are_all_scanned() {
        let folder = tempfile::tempdir().expect("a folder");
        for number in 0..2_000 {
            let text = if number % 100 == 0 { format!("virus {number}") } else { format!("plain {number}") };
            std::fs::write(folder.path().join(number.to_string()), text).expect("written");
        }
        let (result, tally, _) = scan(&Arc::new(WordScanner::default()), &[folder.path()]).await;
        result.expect("scanned");
        assert_eq!((tally.all(), tally.infected, tally.clean), (2_000, 20, 1_980));
    }

    #[tokio::test]
    async fn an_engine_that_is_gone_is_no_verdict_on_any_file() {
        let folder = tempfile::tempdir().expect("a folder");
        for number in 0..100 {
            std::fs::write(folder.path().join(number.to_string()), "plain").expect("written");
        }
        let scanner = Arc::new(WordScanner { gone_from: Some(10), ..WordScanner::default() });
        let (result, tally, _) = scan(&scanner, &[folder.path()]).await;
        assert!(result.expect_err("gone").to_string().contains("gone for good"));
        assert!(tally.all() <= 10 && tally.clean == tally.all());
    }

    #[tokio::test]
    async fn a_reader_that_went_away_ends_the_scan() {
        struct Closed;
        impl std::io::Write for Closed {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(std::io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Err(std::io::ErrorKind::BrokenPipe.into())
            }
        }
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("f"), "plain").expect("written");
        let mut console = crate::console::Console::new(Box::new(Closed), Box::new(std::io::sink()));
        let mut screen = Screen::new(&mut console, Format { json: true, infected_only: false });
        let error = scanning(&Arc::default()).path(folder.path(), &mut screen).await.expect_err("no reader");
        let io = error.downcast_ref::<std::io::Error>().expect("an error of the stream");
        assert_eq!(io.kind(), std::io::ErrorKind::BrokenPipe);
    }
}
