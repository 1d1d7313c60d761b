//! What finished jobs say of an agent's speed, and the constants of the sizing that follow from it.
//!
//! `size_fleet` leaves a [`FleetRecord`]; agents count what they do and for how long they had something in hand ([`AgentAccount`]);
//! `report` makes a [`Sample`] of both and keeps it in the [`Calibration`], by which the next job is sized.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::fleet::{FleetPlan, FleetSettings, LAUNCH_BURST, Limit};
use crate::job::JobId;
use crate::progress::Progress;
use crate::result::ResultRow;
use crate::verdict::Verdict;

/// Samples that are kept; each newer one counts [`OLDER`] as much as the next, so that the last of these hardly counts.
const SAMPLES: usize = 20;
const OLDER: f64 = 0.8;
/// No constant is moved farther than this from the deployment's own, up or down: one odd job must not make the next take all
/// of a quota, or a day.
pub const MOST: f64 = 4.0;
/// A sample of this many agent-seconds counts in full, a smaller one less.
const FULL_SECONDS: f64 = 600.0;
/// Below this a job says nothing: what it took is start and end. Above it, it counts for what it is: a sixtieth of a full sample.
const LEAST_SECONDS: f64 = 10.0;
/// What the deployment's own constants count for, in full samples. It also decides what the samples leave open: jobs of small objects
/// alone say nothing of a byte.
const PRIOR: f64 = 0.1;
/// Of a job's objects, and of its bytes, those that may have had their verdict from memory, or none at all: they took no scan.
const UNSCANNED_SHARE: f64 = 0.1;
/// Of a fleet's work, how long one large object may take: it keeps one worker of an agent busy while the others have nothing to do.
const LONE_SHARE: f64 = 0.2;

/// What a deployment's own settings say.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deployed {
    /// Before any calibration. `max_agents` is within the quota's share.
    #[serde(flatten)]
    pub settings: FleetSettings,
    /// Of one agent.
    pub agent_vcpus: f64,
}

impl Deployed {
    /// Whether samples of the one say anything of the other: the same agents, measured against the same constants.
    fn compares_with(&self, other: &Self) -> bool {
        // a number that went through JSON may come back another in its last digit
        let same = |one: f64, two: f64| (one - two).abs() <= 1e-9 * one.abs().max(two.abs());
        self.settings.scan_workers == other.settings.scan_workers
            && self.numbers().into_iter().zip(other.numbers()).all(|(one, two)| same(one, two))
    }

    fn numbers(&self) -> [f64; 4] {
        let FleetSettings { seconds_per_object, seconds_per_byte, startup_seconds, .. } = self.settings;
        [seconds_per_object, seconds_per_byte, startup_seconds, self.agent_vcpus]
    }
}

/// How a job's fleet was sized: `work/<job>/fleet.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FleetRecord {
    /// Right before the launch.
    pub sized_at: Timestamp,
    pub deployed: Deployed,
    /// Whether the owner lets finished jobs refine the constants.
    pub refine: bool,
    pub plan: FleetPlan,
}

/// What an agent of a job counts: `work/<job>/progress/agent-<id>.json`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AgentAccount {
    #[serde(flatten)]
    pub progress: Progress,
    /// Of `progress.scanned`: objects that were fetched whole and looked at to a verdict, and their bytes.
    pub judged: u64,
    pub judged_bytes: u64,
    /// For how long it has had at least one packet in hand.
    pub busy_milliseconds: u64,
    /// When it had its first one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_packet_at: Option<Timestamp>,
}

impl AgentAccount {
    /// Counts the rows of a packet that were recorded for the first time.
    pub fn count(&mut self, rows: &[ResultRow]) {
        for row in rows {
            let size = row.object.size;
            self.progress.scanned += 1;
            self.progress.bytes += size;
            self.progress.infected += u64::from(matches!(row.verdict, Verdict::Infected { .. }));
            self.progress.cache_hits += u64::from(row.evidence.cached);
            let looked_at = match row.verdict {
                Verdict::Clean
                | Verdict::Infected { .. }
                | Verdict::InfectedAllowed { .. }
                | Verdict::Unscannable { .. } => true,
                Verdict::Error { .. } | Verdict::Skipped { .. } | Verdict::Gone { .. } => false,
            };
            // without a digest it was not read: too large, say
            if looked_at && row.evidence.sha256.is_some() && !row.evidence.cached {
                self.judged += 1;
                self.judged_bytes += size;
            }
        }
    }
}

/// What one finished job measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sample {
    pub job_id: JobId,
    pub ended_at: Timestamp,
    /// Objects that were scanned, and their bytes.
    pub objects: u64,
    pub bytes: u64,
    /// In which agents had something in hand.
    pub agent_seconds: f64,
    /// From the sizing to the first packet of the median agent of those that were launched at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub startup_seconds: Option<f64>,
}

/// Why a job is no measure for the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoSample {
    #[error("the owner switched it off")]
    Off,
    #[error("too little work")]
    TooLittle,
    #[error("S3 or one large object kept the agents waiting")]
    HeldUp,
    #[error("too many objects took no scan")]
    Unscanned,
}

impl Sample {
    /// What the agents of a complete job say.
    ///
    /// # Errors
    /// If the job is no measure.
    pub fn of(
        job_id: JobId,
        ended_at: Timestamp,
        record: &FleetRecord,
        accounts: &[AgentAccount],
    ) -> Result<Self, NoSample> {
        let sum = |number: fn(&AgentAccount) -> u64| accounts.iter().map(number).fold(0, u64::saturating_add);
        let agent_seconds = sum(|account| account.busy_milliseconds) as f64 / 1e3;
        let (judged, counted) = (sum(|account| account.judged), sum(|account| account.progress.scanned));
        if !record.refine {
            return Err(NoSample::Off);
        }
        if agent_seconds < LEAST_SECONDS || judged == 0 {
            return Err(NoSample::TooLittle);
        }
        let plan = &record.plan;
        let held_up = match plan.limit {
            Some(Limit::S3Requests) => true,
            // the whole of the expected time may be that object's
            Some(Limit::LargestObject) => plan.expected_seconds > plan.work_seconds * LONE_SHARE,
            _ => false,
        };
        if held_up {
            return Err(NoSample::HeldUp);
        }
        let (bytes, all_bytes) = (sum(|account| account.judged_bytes), sum(|account| account.progress.bytes));
        let left_out = |judged: u64, all: u64| all.saturating_sub(judged) as f64 > all as f64 * UNSCANNED_SHARE;
        if left_out(judged, counted) || left_out(bytes, all_bytes) {
            return Err(NoSample::Unscanned);
        }
        let startup_seconds = startup(record, accounts);
        Ok(Self { job_id, ended_at, objects: judged, bytes, agent_seconds, startup_seconds })
    }
}

/// Of the agents that were launched at once; those that were launched later, or again, began later.
fn startup(record: &FleetRecord, accounts: &[AgentAccount]) -> Option<f64> {
    let began = |account: &AgentAccount| Some(account.first_packet_at?.duration_since(record.sized_at).as_secs_f64());
    let mut seconds: Vec<f64> = accounts.iter().filter_map(began).collect();
    seconds.sort_by(f64::total_cmp);
    seconds.truncate(record.plan.agents.clamp(1, LAUNCH_BURST) as usize);
    seconds.get(seconds.len() / 2).map(|seconds| seconds.max(0.0))
}

/// What the last jobs of a deployment measured: `calibration.json`. Who deletes it begins anew.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Calibration {
    pub deployed: Deployed,
    /// The newest first.
    pub samples: Vec<Sample>,
}

impl Calibration {
    /// Reads `calibration.json`.
    ///
    /// # Errors
    /// If it is no calibration, or one with numbers that no job can have measured.
    pub fn from_json(bytes: &[u8]) -> Result<Self, String> {
        let read: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if read.deployed.numbers().into_iter().any(|number| number < 0.0) {
            return Err("its deployment has a constant below 0".to_owned());
        }
        let possible = |sample: &Sample| sample.agent_seconds >= 0.0 && sample.startup_seconds.unwrap_or(0.0) >= 0.0;
        match read.samples.iter().find(|sample| !possible(sample)) {
            Some(sample) => Err(format!("the sample of job `{}` has a time below 0", sample.job_id)),
            None => Ok(read),
        }
    }

    /// Without a sample.
    pub fn new(deployed: Deployed) -> Self {
        Self { deployed, samples: Vec::new() }
    }

    /// What is known after a job of agents as they are `deployed`, which may have been no measure. Samples of other agents are dropped; one
    /// of a job that is known already replaces it.
    #[must_use]
    pub fn after(self, deployed: Deployed, sample: Option<Sample>) -> Self {
        let mut samples = if self.deployed.compares_with(&deployed) { self.samples } else { Vec::new() };
        if let Some(sample) = sample {
            samples.retain(|known| known.job_id != sample.job_id);
            samples.insert(0, sample);
            samples.truncate(SAMPLES);
        }
        Self { deployed, samples }
    }

    /// How many samples say something of agents as they are `deployed`.
    pub fn samples_of(&self, deployed: &Deployed) -> usize {
        if self.deployed.compares_with(deployed) { self.samples.len() } else { 0 }
    }

    /// The constants for agents as they are `deployed`: its own if no sample says anything of them.
    pub fn settings(&self, deployed: &Deployed) -> FleetSettings {
        let own = deployed.settings;
        if self.samples_of(deployed) == 0 {
            return own;
        }
        let (object, byte) = self.speeds(&own);
        FleetSettings {
            seconds_per_object: own.seconds_per_object * object,
            seconds_per_byte: own.seconds_per_byte * byte,
            startup_seconds: self.startup(own.startup_seconds),
            ..own
        }
    }

    /// How many times as long as the deployment's constants say an object takes, and a byte: the least squares of what each sample
    /// took, as a multiple of what it should have taken, with the constants themselves as one more sample.
    fn speeds(&self, own: &FleetSettings) -> (f64, f64) {
        // x p + y q = r for each sample: p of its time is for objects, q for bytes, and it took r times as long
        let (mut pp, mut pq, mut qq, mut pr, mut qr) = (PRIOR, 0.0, PRIOR, PRIOR, PRIOR);
        for (age, sample) in self.samples.iter().enumerate() {
            let objects = sample.objects as f64 * own.seconds_per_object;
            let bytes = sample.bytes as f64 * own.seconds_per_byte;
            let predicted = objects + bytes;
            if predicted <= 0.0 {
                continue;
            }
            let weight = (sample.agent_seconds / FULL_SECONDS).min(1.0) * OLDER.powi(age as i32);
            let (p, q, r) = (objects / predicted, bytes / predicted, bounded(sample.agent_seconds / predicted));
            pp += weight * p * p;
            pq += weight * p * q;
            qq += weight * q * q;
            pr += weight * p * r;
            qr += weight * q * r;
        }
        // above 0, since the prior stands in the diagonal
        let determinant = pp * qq - pq * pq;
        (bounded((pr * qq - qr * pq) / determinant), bounded((qr * pp - pr * pq) / determinant))
    }

    fn startup(&self, own: f64) -> f64 {
        let (mut weights, mut seconds) = (PRIOR, PRIOR * own);
        for (age, sample) in self.samples.iter().enumerate() {
            if let Some(startup) = sample.startup_seconds {
                let weight = OLDER.powi(age as i32);
                weights += weight;
                seconds += weight * startup.clamp(own / MOST, own * MOST);
            }
        }
        seconds / weights
    }
}

fn bounded(times: f64) -> f64 {
    if times.is_finite() { times.clamp(1.0 / MOST, MOST) } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::result::Evidence;
    use crate::verdict::{SkippedReason, UnscannableReason};

    const OWN: FleetSettings = FleetSettings {
        seconds_per_object: 0.004,
        seconds_per_byte: 1.0 / 8_000_000.0,
        startup_seconds: 75.0,
        max_agents: 500,
        scan_workers: 2,
    };
    const DEPLOYED: Deployed = Deployed { settings: OWN, agent_vcpus: 2.0 };

    fn time() -> Timestamp {
        "2026-11-23T10:00:00Z".parse().expect("a time")
    }

    /// A job of agents that take `object` and `byte` times as long.
    fn sample(number: usize, objects: u64, bytes: u64, (object, byte): (f64, f64)) -> Sample {
        let agent_seconds =
            objects as f64 * OWN.seconds_per_object * object + bytes as f64 * OWN.seconds_per_byte * byte;
        let job_id = format!("job-{number}").parse().expect("an id");
        Sample { job_id, ended_at: time(), objects, bytes, agent_seconds, startup_seconds: None }
    }

    fn calibrated(samples: impl IntoIterator<Item = Sample>) -> Calibration {
        samples.into_iter().fold(Calibration::new(DEPLOYED), |known, sample| known.after(DEPLOYED, Some(sample)))
    }

    fn times(calibration: &Calibration) -> (f64, f64) {
        let refined = calibration.settings(&DEPLOYED);
        (refined.seconds_per_object / OWN.seconds_per_object, refined.seconds_per_byte / OWN.seconds_per_byte)
    }

    fn record(limit: Option<Limit>) -> FleetRecord {
        let plan = FleetPlan {
            agents: 2,
            batches: vec![2],
            expected_seconds: 1.0,
            total_seconds: 1.0,
            work_seconds: 1.0,
            limit,
        };
        FleetRecord { sized_at: time(), deployed: DEPLOYED, refine: true, plan }
    }

    fn account(judged: u64, unjudged: u64, busy_milliseconds: u64) -> AgentAccount {
        let progress = Progress { scanned: judged + unjudged, ..Progress::default() };
        AgentAccount { progress, judged, judged_bytes: judged * 10, busy_milliseconds, first_packet_at: None }
    }

    fn sampled(record: &FleetRecord, accounts: &[AgentAccount]) -> Result<Sample, NoSample> {
        Sample::of("job-1".parse().expect("an id"), time(), record, accounts)
    }

    #[test]
    fn without_a_sample_the_deployments_own_constants_hold() {
        assert_eq!(Calibration::new(DEPLOYED).settings(&DEPLOYED), OWN);
    }

    #[test]
    fn agents_that_are_slower_by_half_are_known_after_one_job_and_well_after_five() {
        let jobs = |count| calibrated((0..count).map(|number| sample(number, 10_000_000, 0, (1.5, 1.0))));
        let (first, _) = times(&jobs(1));
        let (fifth, byte) = times(&jobs(5));
        assert!((1.4..1.5).contains(&first), "{first}");
        assert!((1.46..1.5).contains(&fifth), "{fifth}");
        assert!((byte - 1.0).abs() < 1e-9, "jobs of empty objects say nothing of a byte: {byte}");
    }

    #[test]
    fn objects_and_bytes_are_told_apart_once_jobs_of_both_kinds_have_ended() {
        let real = (2.0, 0.5);
        let jobs = (0..10).map(|number| match number % 2 {
            0 => sample(number, 10_000_000, 10_000_000_000, real),
            _ => sample(number, 10_000, 1_000_000_000_000, real),
        });
        let (object, byte) = times(&calibrated(jobs));
        assert!((object - 2.0).abs() < 0.15 && (byte - 0.5).abs() < 0.05, "{object} {byte}");
    }

    #[test]
    fn a_newer_job_counts_more_and_only_the_last_twenty_are_kept() {
        let slow_then_fast =
            calibrated((0..30).map(|number| sample(number, 10_000_000, 0, (if number < 24 { 3.0 } else { 1.0 }, 1.0))));
        assert_eq!(slow_then_fast.samples.len(), SAMPLES);
        let (object, _) = times(&slow_then_fast);
        assert!(object < 1.6, "{object}");
    }

    #[test]
    fn a_report_that_is_made_again_does_not_count_its_job_twice() {
        let again = calibrated([sample(1, 1_000_000, 0, (2.0, 1.0)), sample(1, 1_000_000, 0, (2.0, 1.0))]);
        assert_eq!(again.samples.len(), 1);
    }

    #[test]
    fn a_small_job_moves_less_than_a_large_one() {
        let (small, _) = times(&calibrated([sample(1, 10_000, 0, (3.0, 1.0))]));
        let (large, _) = times(&calibrated([sample(1, 10_000_000, 0, (3.0, 1.0))]));
        assert!(small < large && small > 1.0, "{small} {large}");
    }

    #[test]
    fn other_agents_begin_anew_and_another_quota_does_not() {
        let known = calibrated([sample(1, 10_000_000, 0, (2.0, 1.0))]);
        let larger = Deployed { agent_vcpus: 4.0, ..DEPLOYED };
        assert_eq!((known.samples_of(&larger), known.settings(&larger)), (0, OWN));
        let anew = known.clone().after(larger, Some(sample(2, 10_000_000, 0, (0.5, 1.0))));
        assert_eq!(anew.samples.len(), 1);
        let quota = Deployed { settings: FleetSettings { max_agents: 7, ..OWN }, ..DEPLOYED };
        assert_eq!((known.samples_of(&quota), known.settings(&quota).max_agents), (1, 7));
    }

    #[test]
    fn the_start_up_is_that_of_the_agents_which_were_launched_at_once() {
        let mut accounts = [account(50_000, 0, 100_000); 4];
        for (account, seconds) in accounts.iter_mut().zip([120, 100, 900, 901]) {
            account.first_packet_at = Some(time() + jiff::SignedDuration::from_secs(seconds));
        }
        let sample = sampled(&record(None), &accounts).expect("a measure");
        // two were planned; the others were launched again
        assert_eq!(sample.startup_seconds, Some(120.0));
        let startup = calibrated([sample]).settings(&DEPLOYED).startup_seconds;
        assert!(startup > 75.0 && startup < 120.0, "{startup}");
    }

    #[test]
    fn jobs_that_measure_nothing_are_left_out_with_a_reason() {
        let busy = account(50_000, 0, 90_000);
        assert_eq!(sampled(&record(None), &[account(10, 0, 9_900)]), Err(NoSample::TooLittle));
        assert_eq!(sampled(&record(None), &[]), Err(NoSample::TooLittle));
        for limit in [Limit::S3Requests, Limit::LargestObject] {
            assert_eq!(sampled(&record(Some(limit)), &[busy]), Err(NoSample::HeldUp));
        }
        // among many agents one that waits for its last object hardly counts
        let mut many = record(Some(Limit::LargestObject));
        many.plan.work_seconds = 10.0 * many.plan.expected_seconds;
        assert!(sampled(&many, &[busy]).is_ok());
        let mut by_bytes = busy;
        by_bytes.progress.bytes = busy.judged_bytes * 2;
        assert_eq!(sampled(&record(None), &[by_bytes]), Err(NoSample::Unscanned));
        let damaged = AgentAccount { judged: u64::MAX, judged_bytes: u64::MAX, ..busy };
        assert!(sampled(&record(None), &[damaged, damaged]).is_ok(), "sums have an end, and no job fails for one");
        assert_eq!(sampled(&record(None), &[busy, account(1_000, 9_000, 1_000)]), Err(NoSample::Unscanned));
        assert_eq!(sampled(&FleetRecord { refine: false, ..record(None) }, &[busy]), Err(NoSample::Off));
        let sample = sampled(&record(Some(Limit::Quota)), &[busy, busy]).expect("a measure");
        assert_eq!((sample.objects, sample.bytes, sample.agent_seconds), (100_000, 1_000_000, 180.0));
    }

    #[test]
    fn only_what_was_read_whole_and_scanned_is_judged() {
        let row = |size: u64, verdict: Verdict, sha256: Option<&str>, cached: bool| {
            let object = serde_json::json!({
                "bucket": "b", "key": "k", "etag": "e", "size": size, "lastModified": time(), "storageClass": "STANDARD",
            });
            ResultRow {
                object: serde_json::from_value(object).expect("an object"),
                verdict,
                action: None,
                scanned_at: time(),
                evidence: Evidence { sha256: sha256.map(str::to_owned), cached, ..Evidence::default() },
            }
        };
        let too_large = Verdict::Unscannable { reason: UnscannableReason::TooLarge, detail: String::new() };
        let encrypted = Verdict::Unscannable { reason: UnscannableReason::Encrypted, detail: String::new() };
        let mut account = AgentAccount::default();
        account.count(&[
            row(1, Verdict::Clean, Some("00"), false),
            row(10, encrypted, Some("01"), false),
            row(100, Verdict::Clean, Some("00"), true),
            row(1_000, too_large, None, false),
            row(10_000, Verdict::Skipped { reason: SkippedReason::Archived }, None, false),
        ]);
        assert_eq!((account.judged, account.judged_bytes), (2, 11));
        assert_eq!((account.progress.scanned, account.progress.bytes, account.progress.cache_hits), (5, 11_111, 1));
    }

    #[test]
    fn constants_that_json_does_not_keep_to_the_last_digit_are_still_the_same() {
        for megabytes in 1..200 {
            let seconds_per_byte = 1.0 / (f64::from(megabytes) * 1e6);
            let deployed = Deployed { settings: FleetSettings { seconds_per_byte, ..OWN }, ..DEPLOYED };
            let known = Calibration::new(deployed).after(deployed, Some(sample(1, 10_000_000, 0, (2.0, 1.0))));
            let read = Calibration::from_json(&serde_json::to_vec(&known).expect("JSON")).expect("a calibration");
            assert_eq!(read.samples_of(&deployed), 1, "{megabytes}");
        }
    }

    #[test]
    fn numbers_that_no_job_can_have_measured_are_refused() {
        let known = calibrated([sample(1, 10_000_000, 10, (2.0, 1.0))]);
        let json = serde_json::to_value(&known).expect("JSON");
        for (pointer, number) in [
            ("/samples/0/agentSeconds", -1e300),
            ("/deployed/startupSeconds", -1.0),
            ("/deployed/secondsPerByte", -0.5),
            ("/deployed/agentVcpus", -2.0),
        ] {
            let mut damaged = json.clone();
            *damaged.pointer_mut(pointer).expect(pointer) = number.into();
            Calibration::from_json(damaged.to_string().as_bytes()).expect_err(pointer);
        }
        assert_eq!(Calibration::from_json(json.to_string().as_bytes()), Ok(known));
    }

    #[test]
    fn numbers_beyond_all_measure_leave_the_constants_usable() {
        let huge = Sample { agent_seconds: f64::MAX, ..sample(1, u64::MAX, u64::MAX, (1.0, 1.0)) };
        let settings = FleetSettings { seconds_per_object: f64::MAX, ..OWN };
        let deployed = Deployed { settings, ..DEPLOYED };
        let refined = Calibration::new(deployed).after(deployed, Some(huge)).settings(&deployed);
        assert!(refined.seconds_per_byte.is_finite() && refined.seconds_per_byte > 0.0, "{refined:?}");
    }

    proptest! {
        #[test]
        fn constants_stay_within_their_bounds_whatever_was_measured(
            jobs in proptest::collection::vec((0u64..1_000_000_000, 0u64..1_000_000_000_000_000, 0.0f64..1e12, proptest::option::of(0.0f64..1e9)), 0..30),
        ) {
            let samples = jobs.into_iter().enumerate().map(|(number, (objects, bytes, agent_seconds, startup_seconds))| Sample {
                agent_seconds, startup_seconds, ..sample(number, objects, bytes, (1.0, 1.0))
            });
            let calibration = calibrated(samples);
            let (object, byte) = times(&calibration);
            let startup = calibration.settings(&DEPLOYED).startup_seconds / OWN.startup_seconds;
            for times in [object, byte, startup] {
                prop_assert!((1.0 / MOST - 1e-9..=MOST + 1e-9).contains(&times), "{times}");
            }
        }
    }
}
