//! `lazaret-jailbreak SCRATCH_DIR ATTEMPT whole|match|STEP,STEP|none|host`: a worker that turned against its host tries one thing.
//!
//! For the tests. It enters exactly the jail that a worker enters, or some steps of it, or the host's, and prints what became of
//! the attempt: `done`, an error's name, or the signal that ended the process. It needs nothing but what it destroys itself; still, run it where
//! it may succeed: with `none` it does.

mod attempts;
mod world;

use std::error::Error;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitCode, ExitStatus};

use lazaret_engine_host::jail::{Available, Jail, Profile, Step};
use lazaret_engine_host::scratch::Scratch;
use lazaret_engine_protocol::{Limits, socket};
use world::World;

/// Small ones, so that going beyond them costs little.
const LIMITS: &str = r#"{"maxMemberBytes":1048576,"memoryBytes":268435456}"#;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [scratch, attempt, steps] = &arguments[..] else {
        eprintln!("usage: lazaret-jailbreak SCRATCH_DIR ATTEMPT whole|match|STEP,STEP|none|host");
        return ExitCode::FAILURE;
    };
    match run(Path::new(scratch), attempt, steps) {
        Ok(outcome) => {
            println!("{outcome}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("lazaret-jailbreak: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(scratch: &Path, attempt: &str, steps: &str) -> Result<String, Box<dyn Error>> {
    let attempt = attempts::named(attempt).ok_or("no such attempt")?;
    let available = Available::probe(&[])?;
    let scratch = Scratch::claim(scratch, available.identity())?;
    let directory = scratch.worker(0)?;
    let world = World::prepare(&scratch, &directory, available.identity())?;
    let profile = if steps == "match" { Profile::Match } else { Profile::Scan };
    let jail = Jail::prepare(available, &Limits::from_json(LIMITS)?, profile)?;
    let is_host = steps == "host";
    let steps = match steps {
        "whole" | "match" => {
            jail.enter_host(scratch.path())?;
            Step::WORKER.to_vec()
        }
        "none" | "host" => Vec::new(),
        steps => steps.split(',').map(Step::of_worker).collect::<Option<Vec<_>>>().ok_or("no such step")?,
    };
    let (ours, theirs) = socket::pair()?;
    let worker = jail.fork(theirs, &directory, |socket| {
        let entered = if is_host { jail.enter_host(scratch.path()) } else { jail.enter_only(&steps) };
        let outcome = match entered {
            Ok(()) => attempts::outcome(&attempt(&world)),
            Err(error) => error.to_string(),
        };
        i32::from(socket::send(socket, outcome.as_bytes(), None).is_err())
    })?;
    let mut outcome = None;
    while let Some(received) = socket::receive(&ours)? {
        let text = String::from_utf8(received.frame)?;
        if text == attempts::WAITING {
            world::die(worker);
        }
        outcome = Some(text);
    }
    Ok(match (outcome, wait(worker)?) {
        (Some(outcome), status) if status.success() => outcome,
        (_, status) => describe(status),
    })
}

fn wait(worker: rustix::process::Pid) -> Result<ExitStatus, Box<dyn Error>> {
    let mut status = 0;
    // SAFETY: the kernel writes one number, which outlives the call.
    let waited = unsafe { libc::waitpid(worker.as_raw_nonzero().get(), &mut status, 0) };
    if waited == -1 { Err(std::io::Error::last_os_error().into()) } else { Ok(ExitStatus::from_raw(status)) }
}

fn describe(status: ExitStatus) -> String {
    match (status.signal(), status.core_dumped()) {
        (Some(libc::SIGSYS), _) => "SIGSYS".to_owned(),
        (Some(libc::SIGXFSZ), _) => "SIGXFSZ".to_owned(),
        (Some(libc::SIGSEGV), false) => "SIGSEGV".to_owned(),
        (Some(libc::SIGSEGV), true) => "SIGSEGV and a core".to_owned(),
        _ => status.to_string(),
    }
}
