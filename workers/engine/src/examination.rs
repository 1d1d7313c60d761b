//! One file from end to end: libclamav over it, and where libclamav stops, a walk of ours over its members.
//!
//! libclamav sees everything first. What it leaves unread without a reason of its own (a zip64 member, a damaged directory, a zstd
//! stream) is walked if we can, member by member, each of which libclamav sees in turn; the walk's own account then stands in for
//! the gap. Above 2 GiB libclamav takes nothing: containers are walked at once, other content is looked at through overlapping
//! windows, which can find and can never prove clean.

use std::path::Path;
use std::time::{Duration, Instant};

use lazaret_engine_host::Finished;
use lazaret_engine_protocol::{Limits, MAX_FILE_BYTES, UnscannableReason};
use lazaret_walker::{
    Budget, Content, Limits as WalkLimits, Member, MemberPath, Source, Stop, Unread, Visitor, WalkError, detect, walk,
};

use crate::bundle::Bundle;
use crate::findings::{Findings, Found};
use crate::libclamav::Engine;
use crate::meter::Meter;
use crate::observation::{Healing, Observation};
use crate::part::Part;
use crate::problem::{Problem, reason};
use crate::spool::spool;
use crate::verdict::{conclude, problems};
use crate::watch::{Copy, Watch};

/// One window of what is too large for libclamav: a few seconds of matching each, so that the time can be watched.
const WINDOW_BYTES: u64 = 256 << 20;

/// Two windows share so much. No signature of ClamAV's own set reaches further, hashes of whole files aside.
const OVERLAP_BYTES: u64 = 4 << 20;

/// Problems of one file that are kept; the first of them decide.
const MAX_PROBLEMS: usize = 10_000;

/// What is the same for all scans of a worker.
#[derive(Debug, Clone, Copy)]
pub struct Bench<'worker> {
    pub engine: &'worker Engine,
    pub limits: &'worker Limits,
    pub scratch: &'worker Path,
    /// After this the host kills the worker.
    pub scan_limit: Duration,
}

/// One file's examination, as far as it got.
pub struct Examination<'worker> {
    bench: Bench<'worker>,
    walk_limits: WalkLimits,
    begun: Instant,
    meter: Meter,
    bundle: Option<Bundle>,
    malware: Findings,
    problems: Vec<Problem>,
}

impl<'worker> Examination<'worker> {
    /// Looks at the whole file; `members` asks for a bundle of what was found in it.
    pub fn run(bench: Bench<'worker>, file: Part<'_>, members: bool) -> Finished {
        let limits = bench.limits;
        let mut this = Self {
            bench,
            walk_limits: WalkLimits {
                max_members: limits.max_members,
                max_depth: limits.max_depth,
                max_member_bytes: limits.max_member_bytes,
                max_unpacked_bytes: limits.max_unpacked_bytes,
                max_expansion_ratio: limits.max_expansion_ratio,
            },
            begun: Instant::now(),
            meter: Meter::new(limits, file.bytes),
            bundle: None,
            malware: Findings::default(),
            problems: Vec::new(),
        };
        if file.bytes > limits.max_file_bytes {
            let text = format!("{} bytes, the limit is {}", file.bytes, limits.max_file_bytes);
            return conclude(&this.malware, vec![Problem::Unscannable(UnscannableReason::TooLarge, text)]).into();
        }
        if members {
            match Bundle::new(bench.scratch, limits.max_bundle_bytes) {
                Ok(bundle) => this.bundle = Some(bundle),
                Err(error) => this.problem(Problem::Failed(format!("cannot keep members: {error}"))),
            }
        }
        let budget = Budget::new(this.walk_limits, file.bytes);
        this.look(file, &MemberPath::root(), &budget);
        Finished {
            verdict: conclude(&this.malware, this.problems),
            notes: Vec::new(),
            members: this.bundle.and_then(Bundle::finish),
        }
    }

    /// Looks at what lies at `path` in the file.
    fn look(&mut self, part: Part<'_>, path: &MemberPath, budget: &Budget) {
        if part.bytes == 0 {
            return;
        }
        if part.bytes > MAX_FILE_BYTES {
            self.look_at_large(part, path, budget);
            return;
        }
        let Scanned { observation, problems, copies } = match self.scan(part, path) {
            Ok(scanned) => scanned,
            Err(problem) => return self.problem(problem),
        };
        for problem in problems {
            self.problem(problem);
        }
        let is_named_by_walk = observation.is_named_by_walk();
        let seen = observation.malware;
        if is_named_by_walk || observation.gaps.iter().any(|gap| gap.healing == Healing::ByWalk) {
            let before = std::mem::take(&mut self.malware);
            self.walk(part, path, budget);
            let walked = std::mem::replace(&mut self.malware, before);
            self.take(seen, walked, path);
        } else {
            self.malware.append(seen);
        }
        for Copy { path, file, bytes } in copies {
            self.walk(Part::whole(&file, bytes), &path, budget);
        }
    }

    /// Malware of one container, as libclamav saw it and as a walk did. The walk knows the members' names, so that what it found
    /// stands for what libclamav found of the same signature in some member.
    fn take(&mut self, seen: Findings, walked: Findings, path: &MemberPath) {
        let is_known = |found: &Found| walked.kept().iter().any(|other| other.signature == found.signature);
        for found in seen.kept().iter().filter(|found| found.member == path.as_str() || !is_known(found)) {
            self.malware.add(found.clone());
        }
        self.malware.omitted += seen.omitted;
        self.malware.append(walked);
    }

    /// libclamav over it; what was seen, and what speaks against `Clean` whatever a walk finds.
    fn scan(&mut self, part: Part<'_>, path: &MemberPath) -> Result<Scanned, Problem> {
        let mapping = part.map().map_err(|error| Problem::Failed(format!("cannot map the file: {error}")))?;
        let mut watch = Watch {
            observation: Observation::at(path),
            meter: &mut self.meter,
            bundle: self.bundle.as_mut(),
            walk_limits: self.walk_limits,
            is_member: !path.is_root(),
            scratch: self.bench.scratch,
            copies: Vec::new(),
        };
        let outcome = self.bench.engine.scan(&mapping, &mut watch);
        let Watch { observation, copies, .. } = watch;
        let problems = problems(&outcome, &observation, part.bytes);
        Ok(Scanned { observation, problems, copies })
    }

    /// Every member of a container, each looked at in its turn.
    fn walk(&mut self, part: Part<'_>, path: &MemberPath, budget: &Budget) {
        let walked = part.read(|section| walk(&section, path, budget, &mut Members { examination: self, part }));
        match walked {
            Ok(_) | Err(WalkError::Stopped) => {}
            Err(WalkError::Source(error)) => self.problem(Problem::Failed(format!("cannot read the file: {error}"))),
        }
    }

    /// What libclamav does not take.
    fn look_at_large(&mut self, part: Part<'_>, path: &MemberPath, budget: &Budget) {
        match part.read(|section| detect(&section)) {
            Ok(Some(_)) => self.walk(part, path, budget),
            Ok(None) => self.look_through_windows(part, path),
            Err(error) => self.problem(Problem::Failed(format!("cannot read the file: {error}"))),
        }
    }

    /// Overlapping windows: they find, and they never prove clean.
    fn look_through_windows(&mut self, part: Part<'_>, path: &MemberPath) {
        let mut seen = 0;
        let mut longest = Duration::ZERO;
        while seen < part.bytes {
            let begun = Instant::now();
            // Room for one that takes twice as long as the longest so far, so that the file is not an engine time-out.
            if self.begun.elapsed() + longest * 2 > self.bench.scan_limit {
                break;
            }
            let start = seen.saturating_sub(OVERLAP_BYTES);
            let window = part.stretch(start, WINDOW_BYTES);
            match self.scan(window, path) {
                // Whatever else it says is said of a piece that was cut out.
                Ok(Scanned { observation, .. }) => self.malware.append(observation.malware),
                Err(problem) => return self.problem(problem),
            }
            seen = start + window.bytes;
            longest = longest.max(begun.elapsed());
        }
        let text = format!("{} bytes and no container; the first {seen} were looked through in pieces", part.bytes);
        self.problem(Problem::unread(UnscannableReason::TooLarge, path.as_str(), &text));
    }

    fn problem(&mut self, problem: Problem) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(problem);
        }
    }
}

/// What libclamav made of one stretch.
struct Scanned {
    observation: Observation,
    /// What speaks against `Clean` whatever a walk finds.
    problems: Vec<Problem>,
    copies: Vec<Copy>,
}

/// Takes the members of one container.
struct Members<'walk, 'worker, 'file> {
    examination: &'walk mut Examination<'worker>,
    part: Part<'file>,
}

impl Visitor for Members<'_, '_, '_> {
    fn member(&mut self, member: Member<'_, '_>, budget: &Budget) -> Result<(), Stop> {
        match member.content {
            Content::Stored(section) => {
                let part = self.part.stretch(section.start(), section.len());
                self.examination.look(part, member.path, budget);
            }
            Content::Packed(content) => match spool(self.examination.bench.scratch, content) {
                Ok((file, bytes)) => self.examination.look(Part::whole(&file, bytes), member.path, budget),
                Err(error) => {
                    let text = format!("{}: cannot be unpacked to the disk: {error}", member.path);
                    self.examination.problem(Problem::Failed(text));
                }
            },
        }
        Ok(())
    }

    fn unread(&mut self, unread: Unread) -> Result<(), Stop> {
        let reason = reason(unread.fault.reason());
        let problem = Problem::unread(reason, unread.path.as_str(), &unread.fault.to_string());
        self.examination.problem(problem);
        Ok(())
    }
}
