//! Runs freshclam with a configuration of its own: ClamAV's own set, an owner's, or both.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, bail};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::console::Console;

/// ClamAV's own mirror.
const MIRROR: &str = "database.clamav.net";

/// Lines of freshclam's that an error repeats.
const LAST_LINES: usize = 5;

/// All of our environment that freshclam gets: how to reach its servers, nothing of AWS.
const PASSED_ON: &[&str] = &[
    "PATH",
    "HOME",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "CURL_CA_BUNDLE",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// Where definitions come from.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct SourceArgs {
    /// Fetch this file as well, whatever its name (freshclam's DatabaseCustomURL: http, https or file; repeatable)
    #[arg(long = "database-custom-url", value_name = "URL")]
    pub custom_urls: Vec<String>,
    /// Fetch ClamAV's set from a mirror of your own (freshclam's PrivateMirror; repeatable)
    #[arg(long = "private-mirror", value_name = "URL", conflicts_with = "mirror")]
    pub private_mirrors: Vec<String>,
    /// Fetch ClamAV's set from this host [default: database.clamav.net]
    #[arg(long = "database-mirror", value_name = "HOST")]
    pub mirror: Option<String>,
    /// Fetch the files of --database-custom-url and nothing else
    #[arg(long, requires = "custom_urls", conflicts_with_all = ["private_mirrors", "mirror"])]
    pub custom_only: bool,
    /// Where freshclam keeps its files, so that it fetches differences the next time [default: ~/.cache/lazaret/definitions]
    #[arg(long, value_name = "WORK")]
    pub dir: Option<PathBuf>,
    /// freshclam's program
    #[arg(long, value_name = "PATH", default_value = "freshclam")]
    pub freshclam: PathBuf,
}

/// A directory that is ours while this lives, with a configuration in it.
#[derive(Debug)]
pub struct Freshclam {
    program: PathBuf,
    work: PathBuf,
    custom_only: bool,
    wanted: Vec<Wanted>,
    _lock: File,
}

impl Freshclam {
    /// # Errors
    /// If there is no directory to work in, another update is at work there, or a URL can't be meant.
    pub fn prepare(args: &SourceArgs) -> anyhow::Result<Self> {
        let work = match &args.dir {
            Some(dir) => std::path::absolute(dir)?,
            None => default_dir()?,
        };
        let this = |what: &str| format!("{what} `{}`; --dir names another directory", work.display());
        fs::create_dir_all(work.join("database")).with_context(|| this("cannot make"))?;
        let lock = File::create(work.join("lock")).with_context(|| this("cannot write to"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => {
                bail!("another update is at work in `{}`: wait for it", work.display())
            }
            Err(fs::TryLockError::Error(error)) => return Err(error).with_context(|| this("cannot lock")),
        }
        let freshclam = Self {
            program: args.freshclam.clone(),
            work,
            custom_only: args.custom_only,
            wanted: Wanted::of(args),
            _lock: lock,
        };
        let config = config(args, &freshclam.database().to_string_lossy(), is_root())?;
        fs::write(freshclam.config_file(), config).with_context(|| "freshclam's configuration")?;
        Ok(freshclam)
    }

    /// Where the definitions lie afterwards.
    pub fn database(&self) -> PathBuf {
        self.work.join("database")
    }

    fn config_file(&self) -> PathBuf {
        self.work.join("freshclam.conf")
    }

    /// Runs it to its end; what it says goes to standard error.
    ///
    /// # Errors
    /// If it is not installed, or does not succeed.
    pub async fn run(&self, console: &mut Console) -> anyhow::Result<()> {
        let mut config: OsString = "--config-file=".into();
        config.push(self.config_file());
        let mut command = Command::new(&self.program);
        command.arg(config).arg("--stdout");
        if self.custom_only {
            command.args(["--update-db=custom", "--no-dns"]);
        }
        command.env_clear().envs(PASSED_ON.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).kill_on_drop(true);
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) if error.kind() == io::ErrorKind::NotFound => bail!(
                "`{}` is not installed: install it (Debian and Ubuntu: apt-get install clamav-freshclam; Fedora: dnf install \
                 clamav-freshclam; macOS: brew install clamav), or give a directory with definitions: --from DIR",
                self.program.display()
            ),
            Err(error) => return Err(error).with_context(|| format!("cannot run `{}`", self.program.display())),
        };
        let mut lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        let mut last = std::collections::VecDeque::with_capacity(LAST_LINES);
        while let Some(line) = lines.next_line().await.context("freshclam's output")? {
            console.note(&format!("  {line}"))?;
            if last.len() == LAST_LINES {
                last.pop_front();
            }
            last.push_back(line);
        }
        let status = child.wait().await?;
        if !status.success() {
            let last: Vec<_> = last.into();
            bail!(
                "freshclam failed ({status}); its last words were: {}. Can this machine reach the mirror? --private-mirror names \
                 another, --from DIR takes what was fetched elsewhere",
                last.join(" / ")
            );
        }
        self.remove_others()
    }

    /// freshclam keeps what it fetched once. A file that nobody asks for any more must not be published for ever.
    fn remove_others(&self) -> anyhow::Result<()> {
        let database = self.database();
        for entry in fs::read_dir(&database)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if path.is_file() && !self.wanted.iter().any(|wanted| wanted.matches(&name)) {
                fs::remove_file(&path).with_context(|| format!("removing `{}`", path.display()))?;
            }
        }
        Ok(())
    }
}

/// A file of freshclam's directory that belongs there.
#[derive(Debug)]
enum Wanted {
    Named(String),
    /// With whatever extension: a container is a `.cvd`, updated by differences a `.cld`.
    Stem(&'static str),
}

impl Wanted {
    fn of(args: &SourceArgs) -> Vec<Self> {
        let own =
            args.custom_urls.iter().filter_map(|url| url.rsplit('/').next()).map(|name| Self::Named(name.to_owned()));
        let official = if args.custom_only { &[][..] } else { &["main", "daily", "bytecode"] };
        let official = official.iter().map(|stem| Self::Stem(stem));
        own.chain(official).chain([Self::Named("freshclam.dat".to_owned())]).collect()
    }

    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Named(wanted) => name == wanted,
            Self::Stem(stem) => name.strip_prefix(stem).is_some_and(|rest| rest.starts_with(['.', '-'])),
        }
    }
}

/// freshclam's configuration. It drops root for `DatabaseOwner`, who would have no right to our directory.
fn config(args: &SourceArgs, database: &str, root: bool) -> anyhow::Result<String> {
    let mut lines = vec![
        "# Written by `lazaret definitions update`, anew each time.".to_owned(),
        format!("DatabaseDirectory {database}"),
        "Foreground yes".to_owned(),
        // differences make a `.cld`: packed, it is a third of the size
        "CompressLocalDatabase yes".to_owned(),
        // the engine itself tries the whole set, before anything is published
        "TestDatabases no".to_owned(),
    ];
    if root {
        lines.push("DatabaseOwner root".to_owned());
    }
    for mirror in &args.private_mirrors {
        lines.push(format!("PrivateMirror {}", one_word("--private-mirror", mirror)?));
    }
    if args.private_mirrors.is_empty() {
        let mirror = args.mirror.as_deref().unwrap_or(MIRROR);
        lines.push(format!("DatabaseMirror {}", one_word("--database-mirror", mirror)?));
    }
    for url in &args.custom_urls {
        if !["http://", "https://", "file://"].iter().any(|scheme| url.starts_with(scheme)) {
            bail!("--database-custom-url `{url}`: freshclam fetches http://, https:// and file:// URLs");
        }
        lines.push(format!("DatabaseCustomURL {}", one_word("--database-custom-url", url)?));
    }
    Ok(lines.join("\n") + "\n")
}

/// A value that stays on its line and is one word of it.
fn one_word<'a>(option: &str, value: &'a str) -> anyhow::Result<&'a str> {
    let odd = |character: char| character.is_whitespace() || character.is_control() || matches!(character, '"' | '#');
    if value.is_empty() || value.contains(odd) {
        bail!("{option} `{}`: a host or URL without spaces and quotes", value.escape_debug());
    }
    Ok(value)
}

fn default_dir() -> anyhow::Result<PathBuf> {
    let from = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = from("XDG_CACHE_HOME").or_else(|| Some(from("HOME")?.join(".cache")));
    Ok(cache.context("HOME is not set: name a directory with --dir")?.join("lazaret").join("definitions"))
}

/// Its folder in /proc belongs to a process's effective user.
fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::testing::Lab;

    #[test]
    fn the_configuration_says_where_from_and_nothing_else() {
        let text = config(&SourceArgs::default(), "/w/database", false).expect("a configuration");
        assert!(
            text.contains("DatabaseDirectory /w/database\n") && text.contains("DatabaseMirror database.clamav.net\n")
        );
        assert!(!text.contains("DatabaseOwner") && !text.contains("PrivateMirror"));
        let args = SourceArgs {
            custom_urls: vec!["https://rules.example/own.ndb".into(), "file:///srv/more.hdb".into()],
            private_mirrors: vec!["mirror.example:8080".into()],
            ..SourceArgs::default()
        };
        let text = config(&args, "/w/database", true).expect("a configuration");
        assert!(text.contains("PrivateMirror mirror.example:8080\n") && !text.contains("DatabaseMirror"));
        assert!(
            text.contains("DatabaseCustomURL https://rules.example/own.ndb\nDatabaseCustomURL file:///srv/more.hdb\n")
        );
        assert!(text.contains("DatabaseOwner root\n"));
    }

    #[test]
    fn no_value_makes_a_line_of_its_own() {
        for bad in ["http://a/b\nOnUpdateExecute evil", "ftp://a/b", "http://a/b c", "", "http://a/\"b"] {
            let args = SourceArgs { custom_urls: vec![bad.into()], ..SourceArgs::default() };
            assert!(config(&args, "/w", false).is_err(), "{bad}");
            let args = SourceArgs { private_mirrors: vec!["a\nb".into()], ..SourceArgs::default() };
            assert!(config(&args, "/w", false).is_err());
        }
    }

    #[tokio::test]
    async fn what_nobody_asks_for_any_more_is_not_published_for_ever() {
        let directory = tempfile::tempdir().expect("a directory");
        let args = SourceArgs {
            custom_urls: vec!["http://127.0.0.1/rules/own.ndb".into()],
            dir: Some(directory.path().into()),
            freshclam: script(directory.path(), "true"),
            ..SourceArgs::default()
        };
        let freshclam = Freshclam::prepare(&args).expect("prepared");
        for name in
            ["main.cvd", "daily.cld", "daily-27456.cvd.sign", "own.ndb", "freshclam.dat", "old.ndb", "mainly.ndb"]
        {
            fs::write(freshclam.database().join(name), "x").expect("written");
        }
        freshclam.run(&mut Lab::new().console()).await.expect("ran");
        let left = fs::read_dir(freshclam.database()).expect("readable");
        let mut left: Vec<_> = left.map(|entry| entry.expect("an entry").file_name()).collect();
        left.sort();
        assert_eq!(left, ["daily-27456.cvd.sign", "daily.cld", "freshclam.dat", "main.cvd", "own.ndb"]);
    }

    fn script(directory: &std::path::Path, text: &str) -> PathBuf {
        let (source, program) = (directory.join("freshclam.sh"), directory.join("freshclam"));
        fs::write(&source, format!("#!/bin/sh\n{text}\n")).expect("written");
        // Not written here: a fork of another test would hold it open for writing, and it could not be run.
        let installed = std::process::Command::new("install").arg("--mode=755").args([&source, &program]).status();
        assert!(installed.expect("runs").success());
        program
    }

    #[tokio::test]
    async fn what_went_wrong_is_said_with_a_way_out() {
        let directory = tempfile::tempdir().expect("a directory");
        let args = |program: PathBuf| SourceArgs {
            dir: Some(directory.path().join("work")),
            freshclam: program,
            ..SourceArgs::default()
        };
        let lab = Lab::new();
        let missing = Freshclam::prepare(&args("/nonexistent/freshclam".into())).expect("prepared");
        let error = missing.run(&mut lab.console()).await.expect_err("not installed").to_string();
        assert!(error.contains("apt-get install clamav-freshclam") && error.contains("--from DIR"), "{error}");
        drop(missing);

        let failing = script(directory.path(), "echo no route to host; exit 11");
        let failing = Freshclam::prepare(&args(failing)).expect("prepared");
        let error = failing.run(&mut lab.console()).await.expect_err("failed").to_string();
        assert!(error.contains("no route to host") && error.contains("--private-mirror"), "{error}");
        let error = Freshclam::prepare(&args("freshclam".into())).expect_err("in use").to_string();
        assert!(error.contains("another update is at work"), "{error}");
    }

    #[tokio::test]
    async fn freshclam_gets_no_credentials() {
        let directory = tempfile::tempdir().expect("a directory");
        let program = script(directory.path(), &format!("env >{}/seen", directory.path().display()));
        let args = SourceArgs { dir: Some(directory.path().join("work")), freshclam: program, ..SourceArgs::default() };
        let freshclam = Freshclam::prepare(&args).expect("prepared");
        freshclam.run(&mut Lab::new().console()).await.expect("ran");
        let seen = fs::read_to_string(directory.path().join("seen")).expect("written");
        let names: Vec<_> = seen.lines().filter_map(|line| line.split('=').next()).collect();
        assert!(names.contains(&"PATH"), "{names:?}");
        let more =
            names.iter().filter(|name| !PASSED_ON.contains(name) && !["PWD", "SHLVL", "_", "OLDPWD"].contains(name));
        assert_eq!(more.count(), 0, "{names:?}");
    }
}
