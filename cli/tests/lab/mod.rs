//! `lazaret` and the real engine, run as a person runs them: not as root.

use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use tempfile::TempDir;
use zip::unstable::write::FileOptionsExt;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// Who `lazaret` runs as where the tests run as root, who could read everything.
const USER: u32 = 65_534;

/// Programs, definitions, and a folder for what is scanned.
pub struct Lab {
    directory: TempDir,
}

/// How a run ended.
#[derive(Debug)]
pub struct Run {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Run {
    /// The lines of `--json`, in the order of their paths.
    pub fn lines(&self) -> Vec<Value> {
        let mut lines: Vec<Value> =
            self.out.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect();
        lines.sort_by_key(|line| line["path"].to_string());
        lines
    }
}

impl Lab {
    pub fn new() -> Self {
        let lab = Self { directory: tempfile::tempdir().expect("a directory") };
        for name in ["bin", "goods", "tmp"] {
            std::fs::create_dir(lab.place(name)).expect("made");
        }
        let engine = built("lazaret-engine");
        // the build directory may be closed to others
        for program in [Path::new(env!("CARGO_BIN_EXE_lazaret")), &engine] {
            let copy = lab.place("bin").join(program.file_name().expect("a name"));
            std::fs::copy(program, copy).expect("copied");
        }
        let wrote =
            Command::new(built("lazaret-test-definitions")).arg(lab.place("definitions")).output().expect("run");
        assert!(wrote.status.success(), "{}", String::from_utf8_lossy(&wrote.stderr));
        std::fs::set_permissions(lab.directory.path(), Permissions::from_mode(0o755)).expect("ours");
        if is_root() {
            chown(lab.place("tmp"), Some(USER), Some(USER)).expect("allowed to root");
        }
        lab
    }

    /// Of the directory of this lab.
    pub fn place(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file that is to be scanned; returns its path as `lazaret` is given it.
    pub fn put(&self, name: impl AsRef<Path>, content: &[u8]) {
        let path = self.place("goods").join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        std::fs::write(path, content).expect("written");
    }

    /// Makes the definitions look as if they had last changed so long ago.
    pub fn age_definitions(&self, age: Duration) {
        for entry in std::fs::read_dir(self.place("definitions")).expect("readable") {
            let file = std::fs::File::options().append(true).open(entry.expect("an entry").path()).expect("ours");
            file.set_modified(SystemTime::now() - age).expect("ours");
        }
    }

    /// `lazaret scan`, in the lab's directory, with its definitions.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.place("bin/lazaret"));
        command.arg("scan").args(arguments).current_dir(self.directory.path());
        command.env_clear().env("TMPDIR", self.place("tmp")).env("LAZARET_DEFINITIONS_DIR", self.place("definitions"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if is_root() {
            command.uid(USER).gid(USER);
        }
        command
    }

    pub fn scan(&self, arguments: &[&str]) -> Run {
        finish(self.command(arguments))
    }

    /// What is left in the directory for temporary files.
    pub fn left(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.place("tmp")).expect("readable");
        entries.map(|entry| entry.expect("an entry").path()).collect()
    }
}

pub fn finish(mut command: Command) -> Run {
    let output = command.output().expect("run");
    Run {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).expect("UTF-8"),
        err: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A program of another crate of the workspace, which Cargo does not build for this one's tests.
fn built(program: &str) -> PathBuf {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| {
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
        let built = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()))
            .args(["build", "--quiet", "--workspace", "--manifest-path", manifest])
            .args(["--bin", "lazaret-engine", "--bin", "lazaret-test-definitions"])
            .status();
        assert!(built.expect("run").success());
    });
    Path::new(env!("CARGO_BIN_EXE_lazaret")).with_file_name(program)
}

/// Put together here, so that no file and no program of this project is one.
pub fn eicar() -> Vec<u8> {
    [r"X5O!P%@AP[4\PZX54(P^)7CC)7}", "$EICAR-STANDARD-", "ANTIVIRUS-TEST-FILE!$H+H*"].concat().into_bytes()
}

pub fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    write_zip(members, SimpleFileOptions::default().compression_method(CompressionMethod::Deflated))
}

pub fn encrypted_zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    write_zip(members, SimpleFileOptions::default().with_deprecated_encryption(b"secret").expect("a password"))
}

fn write_zip(members: &[(&str, &[u8])], options: SimpleFileOptions) -> Vec<u8> {
    let mut writer = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in members {
        writer.start_file(*name, options).expect("a member");
        writer.write_all(content).expect("written");
    }
    writer.finish().expect("finished").into_inner()
}

pub fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(content).expect("in memory");
    encoder.finish().expect("in memory")
}
