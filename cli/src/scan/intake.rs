//! From a file to a content for the engine: a copy that nobody changes, taken while the file stood still.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use lazaret_agent::Content;
use lazaret_agent::spool::{MEMORY_BYTES, Place, Room, Spool};
use rustix::fs::{Mode, OFlags};
use sha2::{Digest, Sha256};
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;

/// Read at once.
const CHUNK_BYTES: usize = 256 << 10;

/// A content, and its place in the budget for as long as it is scanned.
pub struct Intake {
    pub content: Content,
    pub room: Room,
}

/// Why there is no content.
#[derive(Debug, thiserror::Error)]
pub enum NotTaken {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("it has {bytes} bytes, the limit is {limit}")]
    TooLarge { bytes: u64, limit: u64 },
    #[error("it changed while it was read")]
    Changed { bytes: u64 },
}

/// Takes a file in. Only an argument itself may be a link (`named`).
///
/// # Errors
/// If it is no file, can't be read, is larger than `limit`, or changes meanwhile.
pub async fn take_file(path: &Path, named: bool, limit: u64, spool: &Spool) -> Result<Intake, NotTaken> {
    let path = path.to_owned();
    let file = tokio::task::spawn_blocking(move || open(&path, named)).await.map_err(io::Error::other)??;
    let mut file = tokio::fs::File::from_std(file);
    file.set_max_buf_size(CHUNK_BYTES);
    let bytes = file.metadata().await?.len();
    if bytes > limit {
        return Err(NotTaken::TooLarge { bytes, limit });
    }
    let room = spool.room(bytes).await;
    // the wait for room may have been long: it may have grown, but from here on it stands still
    let before = file.metadata().await?;
    let changed = || NotTaken::Changed { bytes };
    if before.len() != bytes {
        return Err(changed());
    }
    let content = copy(&mut file, spool.place(bytes)?, bytes).await?;
    let after = file.metadata().await?;
    if content.size != bytes || stamp(&before) != stamp(&after) {
        return Err(changed());
    }
    Ok(Intake { content, room })
}

/// Takes standard input in, to its end.
///
/// # Errors
/// If it can't be read, or is longer than `limit`.
pub async fn take_stdin(limit: u64, spool: &Spool) -> Result<Intake, NotTaken> {
    let (sender, chunks) = mpsc::channel(1);
    // a thread that nobody waits for: a terminal on which nothing is typed must not keep the program from its end
    std::thread::spawn(move || read_all(std::io::stdin().lock(), &sender));
    take_stream(chunks, limit, spool).await
}

fn read_all(mut from: impl Read, to: &mpsc::Sender<io::Result<Vec<u8>>>) {
    loop {
        let mut chunk = vec![0; CHUNK_BYTES];
        let read = match from.read(&mut chunk) {
            Ok(0) => return,
            Ok(read) => {
                chunk.truncate(read);
                Ok(chunk)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let failed = read.is_err();
        if to.blocking_send(read).is_err() || failed {
            return;
        }
    }
}

async fn take_stream(mut stream: impl Source, limit: u64, spool: &Spool) -> Result<Intake, NotTaken> {
    // how long it is shows at its end: on the disk it takes no memory
    let room = spool.room(0).await;
    let place = spool.place(MEMORY_BYTES + 1)?;
    let content = copy(&mut stream, place, limit).await?;
    if content.size > limit {
        return Err(NotTaken::TooLarge { bytes: content.size, limit });
    }
    Ok(Intake { content, room })
}

/// Where bytes come from.
trait Source: Send {
    /// Fills the chunk and says how far; 0 is the end.
    fn next(&mut self, chunk: &mut Vec<u8>) -> impl Future<Output = io::Result<usize>> + Send;
}

impl Source for tokio::fs::File {
    async fn next(&mut self, chunk: &mut Vec<u8>) -> io::Result<usize> {
        self.read(chunk).await
    }
}

impl Source for mpsc::Receiver<io::Result<Vec<u8>>> {
    async fn next(&mut self, chunk: &mut Vec<u8>) -> io::Result<usize> {
        let Some(read) = self.recv().await else { return Ok(0) };
        *chunk = read?;
        Ok(chunk.len())
    }
}

/// No pipe is waited for and no terminal taken, whatever has come to stand there since the walk.
fn open(path: &Path, named: bool) -> io::Result<File> {
    let mut flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    if !named {
        flags |= OFlags::NOFOLLOW;
    }
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file any more"));
    }
    Ok(file)
}

/// Copies to the end, or to the first bytes beyond `most`.
async fn copy(from: &mut impl Source, mut place: Place, most: u64) -> io::Result<Content> {
    let mut chunk = vec![0; usize::try_from(most).unwrap_or(CHUNK_BYTES).clamp(1, CHUNK_BYTES)];
    let mut digest = Sha256::new();
    let mut size = 0;
    while size <= most {
        let read = from.next(&mut chunk).await?;
        if read == 0 {
            break;
        }
        size += read as u64;
        digest.update(&chunk[..read]);
        place.write(&chunk[..read]).await?;
    }
    Ok(Content { file: place.finish().await?, size, sha256: digest.finalize().into() })
}

/// What a change of the content changes too.
fn stamp(metadata: &Metadata) -> (u64, i64, i64, i64, i64) {
    (metadata.len(), metadata.mtime(), metadata.mtime_nsec(), metadata.ctime(), metadata.ctime_nsec())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn spool() -> Spool {
        Spool::new(std::env::temp_dir(), 1 << 30)
    }

    fn read(intake: Intake) -> Vec<u8> {
        let mut bytes = Vec::new();
        File::from(intake.content.file).read_to_end(&mut bytes).expect("readable");
        bytes
    }

    #[tokio::test]
    async fn a_file_is_copied_with_its_digest() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("f");
        for bytes in [Vec::new(), b"some bytes".to_vec(), vec![7; 3 * CHUNK_BYTES + 1]] {
            std::fs::write(&path, &bytes).expect("written");
            let intake = take_file(&path, false, u64::MAX, &spool()).await.expect("taken");
            assert_eq!(intake.content.size, bytes.len() as u64);
            assert_eq!(intake.content.sha256, <[u8; 32]>::from(Sha256::digest(&bytes)));
            assert_eq!(read(intake), bytes);
        }
    }

    #[tokio::test]
    async fn a_link_is_taken_only_where_it_was_named_and_a_pipe_never() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, link) = (folder.path().join("f"), folder.path().join("l"));
        std::fs::write(&file, "x").expect("written");
        std::os::unix::fs::symlink(&file, &link).expect("linked");
        assert!(take_file(&link, true, 10, &spool()).await.is_ok());
        assert!(matches!(take_file(&link, false, 10, &spool()).await, Err(NotTaken::Io(_))));
        let pipe = folder.path().join("p");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("a pipe");
        assert!(matches!(take_file(&pipe, true, 10, &spool()).await, Err(NotTaken::Io(_))));
    }

    #[tokio::test]
    async fn what_is_too_large_is_not_read_and_an_endless_stream_ends() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("f");
        std::fs::write(&path, "four").expect("written");
        assert!(take_file(&path, false, 4, &spool()).await.is_ok());
        let refused = take_file(&path, false, 3, &spool()).await;
        assert!(matches!(refused, Err(NotTaken::TooLarge { bytes: 4, limit: 3 })));
        let (sender, endless) = mpsc::channel(1);
        std::thread::spawn(move || read_all(io::repeat(1), &sender));
        assert!(matches!(take_stream(endless, 1_000, &spool()).await, Err(NotTaken::TooLarge { .. })));
        let (sender, chunks) = mpsc::channel(8);
        std::thread::spawn(move || read_all(&b"abc"[..], &sender));
        assert_eq!(read(take_stream(chunks, 3, &spool()).await.expect("taken")), b"abc");
    }

    #[tokio::test]
    async fn a_file_that_changes_while_it_is_read_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("f");
        std::fs::write(&path, vec![0; 16 << 20]).expect("written");
        let done = std::sync::atomic::AtomicBool::new(false);
        let mut file = File::options().append(true).open(&path).expect("ours");
        let taken = std::thread::scope(|scope| {
            // a log that never rests: each pass through the file meets many lines
            scope.spawn(|| {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    file.write_all(b"line").expect("written");
                }
            });
            let runtime = tokio::runtime::Runtime::new().expect("a runtime");
            let spool = spool();
            let take = scope.spawn(move || runtime.block_on(take_file(&path, false, u64::MAX, &spool)));
            let taken = take.join().expect("no panic");
            done.store(true, std::sync::atomic::Ordering::Relaxed);
            taken
        });
        assert!(matches!(taken, Err(NotTaken::Changed { .. })), "{:?}", taken.map(|intake| intake.content.size));
    }
}
