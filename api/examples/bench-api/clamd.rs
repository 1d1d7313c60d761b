//! clamd, with a configuration, a socket and a process of our own; Debian's service has no part in it.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::sleep;

/// ClamAV's own definitions take half a minute.
const START: Duration = Duration::from_secs(300);
/// As clamdscan sends them.
const CHUNK_BYTES: usize = 64 << 10;

/// A clamd that runs, and ends with this.
pub struct Clamd {
    child: Child,
    socket: PathBuf,
    _directory: TempDir,
}

impl Clamd {
    /// The limits are those of our engine as far as clamd has them, and it may scan as many files at a time. Its cache is off, as ours is:
    /// every file is sent many times.
    pub async fn start(definitions: &Path, threads: usize) -> io::Result<Self> {
        let directory = tempfile::tempdir()?;
        let socket = directory.path().join("clamd.sock");
        let temporary = directory.path().join("tmp");
        std::fs::create_dir(&temporary)?;
        let (socket_text, temporary, definitions) = (socket.display(), temporary.display(), definitions.display());
        let configuration = format!(
            "LocalSocket {socket_text}\nDatabaseDirectory {definitions}\nTemporaryDirectory {temporary}\nForeground yes\n\
             MaxThreads {threads}\nMaxQueue 200\nDisableCache yes\nSelfCheck 0\nConcurrentDatabaseReload no\n\
             StreamMaxLength 2000M\nMaxScanSize 2000M\nMaxFileSize 2000M\nMaxFiles 1000000\nMaxRecursion 40\nMaxScanTime 0\n\
             AlertExceedsMax yes\nAlertEncrypted yes\n",
        );
        let file = directory.path().join("clamd.conf");
        std::fs::write(&file, configuration)?;
        let log = std::fs::File::create(directory.path().join("log"))?;
        let child = Command::new("/usr/sbin/clamd")
            .arg("--config-file")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .map_err(|error| io::Error::new(error.kind(), format!("clamd ({error}): see bench/packages.txt")))?;
        let mut this = Self { child, socket, _directory: directory };
        this.until_ready(&file.with_file_name("log")).await?;
        Ok(this)
    }

    async fn until_ready(&mut self, log: &Path) -> io::Result<()> {
        let begun = Instant::now();
        while self.ask(b"zPING\0").await.unwrap_or_default() != "PONG" {
            if self.child.try_wait()?.is_some() || begun.elapsed() > START {
                return Err(io::Error::other(format!("clamd: {}", std::fs::read_to_string(log)?)));
            }
            sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Its number.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// One command on one connection, which is how clamd's clients send files; its answer without the last byte.
    pub async fn ask(&self, command: &[u8]) -> io::Result<String> {
        let mut stream = UnixStream::connect(&self.socket).await?;
        stream.write_all(command).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok(String::from_utf8_lossy(&answer).trim_end_matches('\0').to_owned())
    }

    /// A file as INSTREAM takes it.
    pub fn command(content: &[u8]) -> Vec<u8> {
        let mut command = b"zINSTREAM\0".to_vec();
        for chunk in content.chunks(CHUNK_BYTES) {
            command.extend_from_slice(&u32::try_from(chunk.len()).expect("64 KiB").to_be_bytes());
            command.extend_from_slice(chunk);
        }
        command.extend_from_slice(&0_u32.to_be_bytes());
        command
    }
}

impl Drop for Clamd {
    fn drop(&mut self) {
        let _ = self.child.kill(); // by its id: it is nobody's service
        let _ = self.child.wait();
    }
}
