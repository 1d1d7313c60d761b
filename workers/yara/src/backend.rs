//! YARA-X as the host's engine: what the rules say of a file, or of each member in a bundle.

use std::fs::File;
use std::path::Path;

use lazaret_engine_host::jail::Profile;
use lazaret_engine_host::{Arguments, Backend, Finished, Loaded};
use lazaret_engine_protocol::{Content, FailureReason, ScanRequest, ScanVerdict, UnscannableReason, bundle};
use yara_x::Scanner;

use crate::content::{Buffer, ReadError};
use crate::findings::Report;
use crate::rules::{self, RuleSet};

/// Matches of one pattern that are kept; 32 bytes each. Those beyond are not counted: `#a > 200000` is never true. YARA-X's own
/// limit of a million lets some hundred patterns take all of a worker's memory.
const MAX_MATCHES: usize = 100_000;

/// Of a worker's memory, the part that a content may take; the rest is for matches and what modules parse.
const CONTENT_SHARE: u64 = 2;

/// The owner's rules, compiled, and a scanner that workers inherit.
pub struct Yara {
    /// Without a timeout: YARA-X would start a thread for it, and the host must have one only. The host's own time limit holds.
    scanner: Scanner<'static>,
    loaded: Loaded,
    buffer: Buffer,
    max_content_bytes: u64,
}

impl Yara {
    /// Compiles the rules; warnings and errors go to standard error, a line each.
    ///
    /// # Errors
    /// In words that name the file and the line.
    pub fn load(arguments: &Arguments) -> Result<Self, String> {
        let RuleSet { rules, count, fingerprint, .. } = rules::load_aloud(&arguments.definitions)?;
        // They live as long as the process, and so the scanner, which borrows them, can lie beside them.
        let mut scanner = Scanner::new(Box::leak(Box::new(rules)));
        scanner.max_matches_per_pattern(MAX_MATCHES).fast_scan(true);
        let loaded = Loaded {
            signatures: count,
            version: fingerprint,
            built_seconds: None, // the owner's rules do not age
            engine_version: format!("YARA-X {}", yara_x::VERSION),
        };
        let max_content_bytes = arguments.limits.memory_bytes / CONTENT_SHARE;
        Ok(Self { scanner, loaded, buffer: Buffer::default(), max_content_bytes })
    }

    /// Looks at one content; an error is the verdict if nothing is found elsewhere.
    fn look(
        &mut self,
        file: &File,
        start: u64,
        bytes: u64,
        member: &str,
        report: &mut Report,
    ) -> Result<(), ScanVerdict> {
        let what = || if member.is_empty() { String::new() } else { format!("{member}: ") };
        let failed = |text: String| ScanVerdict::failed(FailureReason::EngineFailed, format!("{}{text}", what()));
        if bytes == 0 {
            return Ok(()); // nothing to match
        }
        if bytes > self.max_content_bytes {
            let reason =
                if member.is_empty() { UnscannableReason::TooLarge } else { UnscannableReason::LimitsExceeded };
            let detail = format!("{}{bytes} bytes, and the rules take {}", what(), self.max_content_bytes);
            return Err(ScanVerdict::unscannable(reason, detail));
        }
        let content = self.buffer.read(file, start, bytes).map_err(|error| match error {
            ReadError::NoMemory { .. } => {
                ScanVerdict::unscannable(UnscannableReason::LimitsExceeded, format!("{}{error}", what()))
            }
            ReadError::File(_) => failed(error.to_string()),
        })?;
        let results = self.scanner.scan(content).map_err(|error| failed(format!("YARA-X: {error}")))?;
        results.matching_rules().for_each(|rule| report.add(&rule, member));
        Ok(())
    }

    /// Looks at each member; the first error is the answer, and no reason to leave out the members after it.
    fn look_into(&mut self, bundle: &File, bytes: u64, report: &mut Report) -> Result<(), ScanVerdict> {
        let damaged = |error: std::io::Error| ScanVerdict::failed(FailureReason::EngineFailed, error.to_string());
        let mut result = Ok(());
        for entry in bundle::Reader::open(bundle, bytes).map_err(damaged)? {
            let looked = entry
                .map_err(damaged)
                .and_then(|entry| self.look(bundle, entry.start, entry.bytes, &printable(&entry.path), report));
            result = result.and(looked);
        }
        result
    }
}

impl Backend for Yara {
    fn loaded(&self) -> Loaded {
        self.loaded.clone()
    }

    fn profile(&self) -> Profile {
        Profile::Match
    }

    /// The first scan sets up the stack on which traps are handled, which no worker may.
    fn warm_up(&mut self, _scratch: &Path) -> Result<(), String> {
        let sample: Vec<u8> = (0..=u8::MAX).cycle().take(4_096).collect();
        self.scanner.scan(&sample).map(drop).map_err(|error| error.to_string())
    }

    /// Nothing is unpacked here.
    fn enter_worker(&mut self, _scratch: &Path) -> Result<(), String> {
        Ok(())
    }

    fn scan(&mut self, file: &File, request: &ScanRequest) -> Finished {
        let mut report = Report::default();
        let looked = match request.content {
            Content::File => self.look(file, 0, request.size, "", &mut report),
            Content::Bundle => self.look_into(file, request.size, &mut report),
        };
        self.buffer.release();
        let Report { infected, notes } = report;
        let verdict = if infected.is_empty() {
            looked.err().unwrap_or(ScanVerdict::Clean)
        } else {
            let omitted = infected.omitted;
            ScanVerdict::Infected { detections: infected.detections.into_iter().collect(), omitted }
        };
        Finished { verdict, notes: notes.detections.into_iter().collect(), members: None }
    }
}

/// A member's path was escaped by who wrote the bundle; but hostile bytes may have had hold of that worker.
fn printable(path: &str) -> String {
    path.chars().map(|character| if character.is_control() { char::REPLACEMENT_CHARACTER } else { character }).collect()
}
