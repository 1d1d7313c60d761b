//! libclamav as the host's [`Backend`].

use std::fs::File;
use std::path::Path;

use lazaret_engine_host::jail::Profile;
use lazaret_engine_host::mapping::Mapping;
use lazaret_engine_host::{Arguments, Backend, Finished, Loaded};
use lazaret_engine_protocol::{Content, FailureReason, MAX_FILE_BYTES, ScanRequest, ScanVerdict, UnscannableReason};

use crate::definitions::fingerprint;
use crate::gzip;
use crate::libclamav::{self, Engine};
use crate::verdict::judge;

/// libclamav with definitions.
pub struct ClamAv {
    engine: Engine,
    fingerprint: String,
}

impl ClamAv {
    /// # Errors
    /// If there are no definitions, or damaged ones; the text names the directory.
    pub fn load(arguments: &Arguments) -> Result<Self, String> {
        let fingerprint = fingerprint(&arguments.definitions).map_err(|error| error.to_string())?;
        let engine = Engine::load(&arguments.definitions).map_err(|error| error.to_string())?;
        Ok(Self { engine, fingerprint })
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
        self.engine.set_scratch(scratch)
    }

    fn enter_worker(&mut self, scratch: &Path) -> Result<(), String> {
        self.engine.set_scratch(scratch)
    }

    fn scan(&mut self, file: &File, request: &ScanRequest) -> Finished {
        examine(&self.engine, file, request).into()
    }
}

fn examine(engine: &Engine, file: &File, request: &ScanRequest) -> ScanVerdict {
    let failed = |text: String| ScanVerdict::failed(FailureReason::EngineFailed, text);
    let size = request.size;
    if request.content != Content::File {
        return failed("this engine takes files only".to_owned());
    }
    if size > MAX_FILE_BYTES {
        let detail = format!("{size} bytes, and the engine takes {MAX_FILE_BYTES}");
        return ScanVerdict::unscannable(UnscannableReason::TooLarge, detail);
    }
    let mapping = match Mapping::new(file, usize::try_from(size).expect("at most 2 GiB")) {
        Ok(mapping) => mapping,
        Err(error) => return failed(format!("cannot map the file: {error}")),
    };
    let (outcome, observation) = engine.scan(&mapping);
    let verdict = judge(&outcome, &observation, size);
    // Last, since it costs time: malware found, or another reason, needs no second one.
    if verdict == ScanVerdict::Clean
        && let Some(defect) = gzip::defect(file, MAX_FILE_BYTES)
    {
        return ScanVerdict::unscannable(UnscannableReason::Incomplete, defect);
    }
    verdict
}
