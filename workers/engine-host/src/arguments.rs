//! The host's command line. Arguments rather than variables: the host's environment is empty.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use lazaret_engine_protocol::Limits;

use crate::jail::Step;

const USAGE: &str = "usage: --definitions DIR --scratch DIR --workers N --scan-seconds N [--limits JSON] \
                     [--allow-missing STEP,STEP], with an agent's socket as standard input";

/// More workers than any machine of this purpose has cores.
const MAX_WORKERS: usize = 256;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arguments {
    /// The directory with the definitions, or the rules.
    pub definitions: PathBuf,
    /// The directory that workers unpack into; this engine's alone.
    pub scratch: PathBuf,
    pub workers: usize,
    /// After this a worker is killed.
    pub scan_limit: Duration,
    pub limits: Limits,
    /// Steps of the jail to do without if the kernel lacks them.
    pub allow_missing: Vec<Step>,
}

#[derive(Debug, thiserror::Error)]
pub enum BadArguments {
    #[error("`{0}` is missing; {USAGE}")]
    Missing(&'static str),
    #[error("`{0}` is unknown; {USAGE}")]
    Unknown(String),
    #[error("`{name}` must be a number from 1 to {most}; {USAGE}")]
    NotANumber { name: &'static str, most: u64 },
    #[error("`--limits` is not JSON with known limits ({0}); {USAGE}")]
    Limits(#[from] serde_json::Error),
    #[error("`--allow-missing` names `{0}`, which is no step of the jail that a system may lack; {USAGE}")]
    Step(String),
}

impl Arguments {
    /// # Errors
    /// If anything is missing, unknown or not a number; the text says what, and how it is used.
    pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, BadArguments> {
        let (mut definitions, mut scratch, mut workers, mut scan_seconds) = (None, None, None, None);
        let (mut limits, mut allow_missing) = (None, None);
        let mut arguments = arguments.into_iter();
        while let Some(name) = arguments.next() {
            let slot = match name.to_str() {
                Some("--definitions") => &mut definitions,
                Some("--scratch") => &mut scratch,
                Some("--workers") => &mut workers,
                Some("--scan-seconds") => &mut scan_seconds,
                Some("--limits") => &mut limits,
                Some("--allow-missing") => &mut allow_missing,
                _ => return Err(BadArguments::Unknown(name.to_string_lossy().escape_debug().to_string())),
            };
            *slot = arguments.next();
        }
        let workers = number("--workers", workers, MAX_WORKERS as u64)?;
        Ok(Self {
            definitions: definitions.ok_or(BadArguments::Missing("--definitions"))?.into(),
            scratch: scratch.ok_or(BadArguments::Missing("--scratch"))?.into(),
            workers: usize::try_from(workers).expect("at most MAX_WORKERS"),
            scan_limit: Duration::from_secs(number("--scan-seconds", scan_seconds, 24 * 60 * 60)?),
            limits: limits.map_or_else(|| Ok(Limits::default()), |text| Limits::from_json(&text.to_string_lossy()))?,
            allow_missing: steps(&allow_missing.unwrap_or_default().to_string_lossy())?,
        })
    }
}

/// `identity,landlock,seccomp`; empty for none.
fn steps(text: &str) -> Result<Vec<Step>, BadArguments> {
    let names = text.split(',').filter(|name| !name.is_empty());
    names.map(|name| Step::optional(name).ok_or_else(|| BadArguments::Step(name.escape_debug().to_string()))).collect()
}

fn number(name: &'static str, text: Option<OsString>, most: u64) -> Result<u64, BadArguments> {
    let text = text.ok_or(BadArguments::Missing(name))?;
    let number = text.to_str().and_then(|text| text.parse().ok());
    number.filter(|number| (1..=most).contains(number)).ok_or(BadArguments::NotANumber { name, most })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, BadArguments> {
        Arguments::parse(line.split(' ').map(OsString::from))
    }

    #[test]
    fn reads_a_whole_command_line() {
        let arguments = parse("--definitions /d --scratch /s --workers 2 --scan-seconds 60").expect("whole");
        assert_eq!(arguments.workers, 2);
        assert_eq!(arguments.scan_limit, Duration::from_secs(60));
    }

    #[test]
    fn says_what_is_wrong() {
        let no_scratch = parse("--definitions /d --workers 2 --scan-seconds 60").expect_err("no scratch");
        assert!(matches!(no_scratch, BadArguments::Missing("--scratch")));
        let none = parse("--definitions /d --scratch /s --workers 0 --scan-seconds 60").expect_err("no workers");
        assert!(none.to_string().contains("`--workers` must be a number from 1 to 256"), "{none}");
        assert!(matches!(parse("--help"), Err(BadArguments::Unknown(_))));
        let known = "--definitions /d --scratch /s --workers 1 --scan-seconds 60";
        assert!(matches!(parse(&format!("{known} --limits {{\"a\":1}}")), Err(BadArguments::Limits(_))));
        assert!(matches!(parse(&format!("{known} --allow-missing door")), Err(BadArguments::Step(_))));
    }
}
