//! A month of a schedule of `new`, hundreds of times: runs that fail, overlap, are called twice, crash at any step or hang for hours, days
//! of 23 and 25 hours, uploads that take weeks, a bucket that is deleted or locked. In the end each object was in exactly one complete run.
//!
//! `SEED=17 cargo test --workspace --test month` repeats one of them.

#[path = "month/cloud.rs"]
mod cloud;
#[path = "month/random.rs"]
mod random;

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use cloud::{Cloud, Object, at};
use lazaret_model::BucketScope;
use lazaret_schedules::{Definition, Due, Outcome, Overlap, ScheduleError, ScheduleName, Takes, settle, start};

const SEEDS: u64 = 200;
const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
/// 2026-10-01: the clocks change on the 25th.
const BEGIN: i64 = 1_790_812_800;
const SETTLE_SECONDS: u32 = 3_600;
/// What a PUT may take from its LastModified until it can be seen.
const SLOWEST_PUT: i64 = 3_000;
/// A process that was suspended for longer does not come back.
const LONGEST_SLEEP: i64 = 20 * DAY;

type Calls = Pin<Box<dyn Future<Output = Result<Option<Outcome>, ScheduleError>>>>;

/// A function that is running.
struct Call {
    future: Calls,
    kind: Kind,
    tries: u32,
    since: i64,
}

#[derive(Clone)]
enum Kind {
    Start(Due),
    Settle(lazaret_model::JobId),
}

struct Month {
    seed: u64,
    cloud: Cloud,
    name: ScheduleName,
    definition: Definition,
    calls: Vec<Call>,
}

/// What a month was made of, so that a test can tell that it was not empty.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    objects: usize,
    complete_runs: u32,
    failed_runs: u32,
    crashes: u32,
    refused: u32,
    queued: u32,
    repeated: u32,
    old_uploads: usize,
}

impl Month {
    fn new(seed: u64) -> Self {
        let cloud = Cloud::new(seed, BEGIN);
        let queue = cloud.lock().random.chance(50);
        let definition = Definition {
            buckets: ["cargo/a/", "cargo/b/", "mail"].into_iter().map(BucketScope::parse).collect(),
            takes: Takes::New,
            overlap: if queue { Overlap::Queue } else { Overlap::Refuse },
            from: None,
            target_minutes: 60,
            limits: lazaret_model::JobLimits::default(),
            settle_seconds: SETTLE_SECONDS,
        };
        Self { seed, cloud, name: "nightly".parse().expect("a name"), definition, calls: Vec::new() }
    }

    fn call(&mut self, kind: Kind, tries: u32) {
        let (cloud, name, definition) = (self.cloud.clone(), self.name.clone(), self.definition.clone());
        let since = cloud.lock().now;
        let future: Calls = match kind.clone() {
            Kind::Start(due) => Box::pin(async move { start(&cloud, &name, &definition, due).await.map(Some) }),
            Kind::Settle(job) => Box::pin(async move { settle(&cloud, &job).await }),
        };
        self.calls.push(Call { future, kind, tries, since });
    }

    /// Polls one of the calls, or lets it crash.
    fn turn(&mut self, tally: &mut Tally) {
        if self.calls.is_empty() {
            return;
        }
        let (index, crashes, comes_back, now) = {
            let mut inner = self.cloud.lock();
            let last = i64::try_from(self.calls.len()).expect("few") - 1;
            let index = usize::try_from(inner.random.between(0, last)).expect("an index");
            let crashes = !inner.calm && inner.random.per_mille(8);
            (index, crashes, inner.random.chance(60), inner.now)
        };
        let mut call = self.calls.swap_remove(index);
        if crashes || now - call.since > LONGEST_SLEEP {
            tally.crashes += 1;
            if comes_back && call.tries < 2 {
                self.call(call.kind, call.tries + 1);
            }
            return;
        }
        match call.future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => self.calls.push(call),
            Poll::Ready(Ok(outcome)) => match outcome {
                Some(Outcome::Refused { .. }) => tally.refused += 1,
                Some(Outcome::Queued { .. }) => tally.queued += 1,
                Some(Outcome::Repeated) => tally.repeated += 1,
                _ => {}
            },
            Poll::Ready(Err(error)) => {
                let expected = error.retryable() || matches!(error, ScheduleError::NoBucketLeft(_));
                assert!(expected, "seed {}: {error}", self.seed);
                if call.tries < 2 {
                    self.call(call.kind, call.tries + 1);
                }
            }
        }
    }

    /// What people do to the buckets.
    fn disturb(&mut self) {
        let mut inner = self.cloud.lock();
        let inner = &mut *inner;
        let random = &mut inner.random;
        let (bucket, prefix) =
            [("cargo", "a/"), ("cargo", "b/"), ("mail", "")][usize::try_from(random.between(0, 2)).expect("an index")];
        let key = format!("{prefix}{}", random.between(0, 400));
        let now = inner.now;
        if !inner.missing.contains_key(bucket) {
            if inner.random.chance(60) {
                let (skew, after) = (inner.random.between(-2, 2), inner.random.between(0, SLOWEST_PUT));
                inner.put(bucket, &key, now + skew, after);
            }
            if inner.random.chance(8) {
                let lasts = match inner.random.between(0, 2) {
                    0 => inner.random.between(1, HOUR),
                    1 => inner.random.between(HOUR, 3 * DAY),
                    _ => inner.random.between(DAY, 16 * DAY),
                };
                let completes = inner.random.chance(70);
                inner.begin_upload(bucket, &format!("{key}-in-parts"), lasts, completes);
                // two of one key at once, as nobody does by accident
                if inner.random.chance(15) {
                    let lasts = inner.random.between(1, 4 * DAY);
                    inner.begin_upload(bucket, &format!("{key}-in-parts"), lasts, true);
                }
            }
            if inner.random.chance(4) {
                inner.delete(bucket, &key);
            }
            if inner.random.per_mille(2) {
                let back = now + inner.random.between(HOUR, 4 * DAY);
                inner.delete_bucket(bucket, back);
            }
            if inner.random.per_mille(3) {
                let until = now + inner.random.between(HOUR, 2 * DAY);
                inner.denied.insert(bucket.into(), until);
            }
        }
    }

    fn live(&mut self, tally: &mut Tally) {
        let period = [HOUR, 6 * HOUR, DAY][usize::try_from(self.cloud.lock().random.between(0, 2)).expect("an index")];
        let mut due = BEGIN + HOUR;
        loop {
            let seconds = self.cloud.lock().random.between(1, 1_500);
            self.cloud.lock().pass(seconds);
            let now = self.cloud.lock().now;
            if now > BEGIN + 31 * DAY {
                break;
            }
            self.disturb();
            if now >= due {
                // Scheduler calls at least once, and the same time is the same run
                self.call(Kind::Start(Due::Scheduler(Some(at(due)))), 0);
                if self.cloud.lock().random.chance(10) {
                    self.call(Kind::Start(Due::Scheduler(Some(at(due)))), 0);
                }
                // a clock that changes makes a day of 23 or of 25 hours, or leaves a run out
                let changes = self.cloud.lock().random.chance(5);
                let shift = if changes {
                    [-HOUR / 2, HOUR, period]
                        [usize::try_from(self.cloud.lock().random.between(0, 2)).expect("an index")]
                } else {
                    0
                };
                due += period + shift;
                due = due.max(now - period);
            }
            if self.cloud.lock().random.per_mille(8) {
                self.call(Kind::Start(Due::Now), 0);
            }
            let announced = std::mem::take(&mut self.cloud.lock().announced);
            announced.into_iter().for_each(|job| self.call(Kind::Settle(job), 0));
            let turns = self.cloud.lock().random.between(0, 40);
            (0..turns).for_each(|_| self.turn(tally));
        }
    }

    /// Nothing fails any more: the next runs find what is left.
    fn end(&mut self, tally: &mut Tally) {
        {
            let mut inner = self.cloud.lock();
            inner.calm = true;
            inner.denied.clear();
            let now = inner.now;
            inner.uploads.iter_mut().filter(|upload| !upload.closed).for_each(|upload| upload.closes = now);
        }
        for _ in 0..8 {
            self.cloud.lock().pass(2 * HOUR);
            self.call(Kind::Start(Due::Now), 0);
            while !self.calls.is_empty() {
                self.turn(tally);
            }
            for _ in 0..4 {
                self.cloud.lock().pass(HOUR);
                let announced = std::mem::take(&mut self.cloud.lock().announced);
                announced.into_iter().for_each(|job| self.call(Kind::Settle(job), 0));
                while !self.calls.is_empty() {
                    self.turn(tally);
                }
            }
        }
    }

    fn prove(&self, tally: &mut Tally) {
        let inner = self.cloud.lock();
        let seed = self.seed;
        for object in &inner.objects {
            let Object { gone, scanned, .. } = *object;
            // beside an upload that was open for more than a week, once more is right and once less never is
            let most = if inner.is_beside_an_old_upload(object) { u32::MAX } else { 1 };
            assert!(scanned <= most, "seed {seed}: scanned {scanned} times: {object:?}");
            assert!(gone || scanned > 0, "seed {seed}: never scanned: {object:?}");
        }
        tally.objects = inner.objects.iter().filter(|object| !object.gone).count();
        tally.old_uploads = inner.objects.iter().filter(|object| inner.is_beside_an_old_upload(object)).count();
        tally.complete_runs = inner.complete_runs;
        tally.failed_runs = inner.failed_runs;
    }
}

fn month(seed: u64) -> Tally {
    let mut tally = Tally::default();
    let mut month = Month::new(seed);
    month.live(&mut tally);
    month.end(&mut tally);
    month.prove(&mut tally);
    tally
}

#[test]
fn new_neither_skips_nor_doubles_an_object_whatever_fails() {
    let only: Option<u64> = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
    let seeds = only.map_or(0..SEEDS, |seed| seed..seed + 1);
    let months: Vec<Tally> = seeds.map(month).collect();
    let sum = |of: fn(&Tally) -> usize| months.iter().map(of).sum::<usize>();
    let count = |of: fn(&Tally) -> u32| months.iter().map(of).sum::<u32>();
    println!(
        "{} months, seeds from {}: {} objects, {} complete runs, {} others, {} crashes, {} refused, {} queued, {} repeated, {} beside old uploads",
        months.len(),
        only.unwrap_or_default(),
        sum(|month| month.objects),
        count(|month| month.complete_runs),
        count(|month| month.failed_runs),
        count(|month| month.crashes),
        count(|month| month.refused),
        count(|month| month.queued),
        count(|month| month.repeated),
        sum(|month| month.old_uploads),
    );
    if only.is_none() {
        // a month in which nothing happens proves nothing
        for happened in [
            count(|month| month.failed_runs),
            count(|month| month.crashes),
            count(|month| month.refused),
            count(|month| month.queued),
            count(|month| month.repeated),
        ] {
            assert!(happened > 100, "{happened}");
        }
        assert!(sum(|month| month.old_uploads) > 100);
    }
}
