//! Progress in plain lines: for logs and pipes.

use std::io;
use std::time::Duration;

use tokio::time::Instant;

use crate::console::Console;
use crate::escape;
use crate::units;
use crate::watch::View;
use crate::watch::pace::Pace;
use crate::watch::snapshot::Snapshot;

/// Seconds between two lines at least.
const BETWEEN: Duration = Duration::from_secs(3);

/// Writes a line when something changed.
#[derive(Default)]
pub struct LineView {
    last: Option<(Instant, String)>,
}

impl View for LineView {
    fn show(&mut self, snapshot: &Snapshot, pace: &Pace, console: &mut Console) -> io::Result<()> {
        let counts = counts(snapshot);
        if let Some((at, shown)) = &self.last
            && (at.elapsed() < BETWEEN || *shown == counts)
        {
            return Ok(());
        }
        let speed = speed(snapshot, pace);
        console.note(&if speed.is_empty() { counts.clone() } else { format!("{counts}, {speed}") })?;
        self.last = Some((Instant::now(), counts));
        Ok(())
    }

    fn close(&mut self) {}
}

/// The state, as the console of Step Functions names it.
pub fn state(snapshot: &Snapshot) -> String {
    snapshot.state.as_deref().map_or_else(|| "Starting".into(), |state| escape::line(state).into_owned())
}

/// What is done of what there is.
fn counts(snapshot: &Snapshot) -> String {
    let (state, progress) = (state(snapshot), snapshot.progress);
    match snapshot.planned {
        Some(planned) => format!(
            "{state}: {} of {} scanned, {} infected",
            units::count(progress.scanned),
            units::counted(planned.matched, "object"),
            units::count(progress.infected)
        ),
        None if progress.crawled > 0 => format!(
            "{state}: {} crawled, {} matched",
            units::counted(progress.crawled, "object"),
            units::count(progress.matched)
        ),
        None => state,
    }
}

/// `8.0 MB/s, about 2 min 5 s left`; empty while nothing is known.
pub fn speed(snapshot: &Snapshot, pace: &Pace) -> String {
    let Some(speed) = pace.speed() else { return String::new() };
    let per_second = format!("{}/s", units::bytes(speed.bytes_per_second as u64));
    match pace.seconds_left(snapshot) {
        Some(left) if left >= 1.0 => format!("{per_second}, about {} left", units::duration(left)),
        _ => per_second,
    }
}
