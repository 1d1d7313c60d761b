//! libclamav as the host's [`Backend`].

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lazaret_engine_host::jail::Profile;
use lazaret_engine_host::{Arguments, Backend, Finished, Loaded};
use lazaret_engine_protocol::{Content, FailureReason, Limits, ScanRequest, ScanVerdict};

use crate::definitions::fingerprint;
use crate::examination::{Bench, Examination};
use crate::huge_pages;
use crate::libclamav::{self, Engine};
use crate::part::Part;
use crate::warm_up;

/// libclamav with definitions.
pub struct ClamAv {
    engine: Engine,
    fingerprint: String,
    limits: Limits,
    scan_limit: Duration,
    /// A worker's own; the host's until the fork.
    scratch: PathBuf,
}

impl ClamAv {
    /// # Errors
    /// If there are no definitions, or damaged ones; the text names the directory.
    pub fn load(arguments: &Arguments) -> Result<Self, String> {
        let fingerprint = fingerprint(&arguments.definitions).map_err(|error| error.to_string())?;
        let engine = Engine::load(&arguments.definitions, &arguments.limits).map_err(|error| error.to_string())?;
        let huge_bytes = huge_pages::collapse();
        eprintln!("{} MiB are on huge pages", huge_bytes >> 20);
        let (limits, scan_limit) = (arguments.limits, arguments.scan_limit);
        Ok(Self { engine, fingerprint, limits, scan_limit, scratch: arguments.scratch.clone() })
    }
}

impl Backend for ClamAv {
    fn loaded(&self) -> Loaded {
        let daily = self.engine.daily();
        Loaded {
            signatures: self.engine.signatures(),
            version: match daily {
                Some((version, _)) => format!("daily {version} ({})", self.fingerprint),
                None => self.fingerprint.clone(),
            },
            built_seconds: daily.map(|(_, built)| built),
            engine_version: libclamav::version(),
        }
    }

    fn profile(&self) -> Profile {
        Profile::Scan
    }

    fn warm_up(&mut self, scratch: &Path) -> Result<(), String> {
        self.enter_worker(scratch)?;
        warm_up::load_converters();
        warm_up::scan_samples(|file, request| self.scan(file, request))
    }

    fn enter_worker(&mut self, scratch: &Path) -> Result<(), String> {
        self.scratch = scratch.to_owned();
        self.engine.set_scratch(scratch)
    }

    fn scan(&mut self, file: &File, request: &ScanRequest) -> Finished {
        if request.content != Content::File {
            return ScanVerdict::failed(FailureReason::EngineFailed, "this engine takes files only").into();
        }
        let bench =
            Bench { engine: &self.engine, limits: &self.limits, scratch: &self.scratch, scan_limit: self.scan_limit };
        Examination::run(bench, Part::whole(file, request.size), request.members)
    }
}
