//! How fast a job goes, over the last half minute.

use std::collections::VecDeque;
use std::time::Duration;

use crate::watch::snapshot::Snapshot;

/// Workers write their counters every few seconds: a shorter window would jump.
const WINDOW: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Duration,
    scanned: u64,
    bytes: u64,
}

/// The last samples.
#[derive(Debug, Default)]
pub struct Pace {
    samples: VecDeque<Sample>,
}

/// What they say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Speed {
    pub objects_per_second: f64,
    pub bytes_per_second: f64,
}

impl Pace {
    /// Takes note of a look, `at` since the watch began.
    pub fn add(&mut self, at: Duration, snapshot: &Snapshot) {
        self.sample(Sample { at, scanned: snapshot.progress.scanned, bytes: snapshot.progress.bytes });
    }

    fn sample(&mut self, sample: Sample) {
        self.samples.push_back(sample);
        // one sample from before the window stays, so that the window is always covered
        while self.samples.get(1).is_some_and(|second| sample.at.saturating_sub(second.at) >= WINDOW) {
            self.samples.pop_front();
        }
    }

    /// `None` until something was scanned while being watched.
    pub fn speed(&self) -> Option<Speed> {
        let (first, last) = (self.samples.front()?, self.samples.back()?);
        let seconds = last.at.saturating_sub(first.at).as_secs_f64();
        let scanned = last.scanned.saturating_sub(first.scanned);
        if seconds < 1.0 || scanned == 0 {
            return None;
        }
        let bytes = last.bytes.saturating_sub(first.bytes);
        Some(Speed { objects_per_second: scanned as f64 / seconds, bytes_per_second: bytes as f64 / seconds })
    }

    /// Seconds until everything is scanned, by objects or by bytes, whichever is more: small files and large ones don't
    /// come evenly.
    pub fn seconds_left(&self, snapshot: &Snapshot) -> Option<f64> {
        let (planned, speed) = (snapshot.planned?, self.speed()?);
        let objects = planned.matched.saturating_sub(snapshot.progress.scanned) as f64 / speed.objects_per_second;
        let left = planned.bytes.saturating_sub(snapshot.progress.bytes) as f64;
        let bytes = if speed.bytes_per_second > 0.0 && objects > 0.0 { left / speed.bytes_per_second } else { 0.0 };
        Some(objects.max(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(samples: &[(u64, u64)]) -> Pace {
        let mut pace = Pace::default();
        for &(seconds, scanned) in samples {
            pace.sample(Sample { at: Duration::from_secs(seconds), scanned, bytes: scanned * 100 });
        }
        pace
    }

    #[test]
    fn the_speed_is_that_of_the_last_half_minute() {
        let speed = pace(&[(0, 0), (10, 0), (30, 0), (40, 100), (60, 300)]).speed().expect("a speed");
        assert_eq!((speed.objects_per_second, speed.bytes_per_second), (10.0, 1_000.0));
    }

    #[test]
    fn a_job_that_stands_still_has_no_speed() {
        assert_eq!(pace(&[]).speed(), None);
        assert_eq!(pace(&[(0, 50), (60, 50)]).speed(), None);
    }
}
