//! Progress as a bar on a terminal.

use std::io;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::console::Console;
use crate::units;
use crate::watch::View;
use crate::watch::lines;
use crate::watch::pace::Pace;
use crate::watch::snapshot::Snapshot;

/// A spinner while buckets are crawled, a bar once the number of objects is known. It draws on standard error.
pub struct BarView {
    bar: ProgressBar,
    scanning: bool,
}

impl BarView {
    pub fn begin() -> Self {
        let bar = ProgressBar::new_spinner().with_style(style("{spinner} {prefix} [{elapsed}] {msg}"));
        bar.enable_steady_tick(Duration::from_millis(120));
        Self { bar, scanning: false }
    }
}

impl View for BarView {
    fn show(&mut self, snapshot: &Snapshot, pace: &Pace, _console: &mut Console) -> io::Result<()> {
        let progress = snapshot.progress;
        self.bar.set_prefix(lines::state(snapshot));
        let Some(planned) = snapshot.planned else {
            self.bar.set_message(format!(
                "{} crawled, {} matched",
                units::counted(progress.crawled, "object"),
                units::count(progress.matched)
            ));
            return Ok(());
        };
        let speed = lines::speed(snapshot, pace);
        let infected = format!("{} infected", units::count(progress.infected));
        self.bar.set_message(if speed.is_empty() { infected } else { format!("{infected}, {speed}") });
        // the message first: the bar would be drawn once with the spinner's
        if !self.scanning {
            self.scanning = true;
            self.bar
                .set_style(style("{spinner} {prefix} [{elapsed}] {wide_bar} {human_pos}/{human_len} scanned, {msg}"));
            self.bar.set_length(planned.matched);
        }
        self.bar.set_position(progress.scanned);
        Ok(())
    }

    fn close(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates above are well formed")
}
