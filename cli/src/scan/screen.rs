//! Results on standard output as they come; everything else on standard error.

use std::io;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use lazaret_model::Verdict;

use crate::console::Console;
use crate::escape;
use crate::scan::examined::Examined;
use crate::scan::tally::Tally;
use crate::units;

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    /// One line of JSON each.
    pub json: bool,
    /// Nothing but what is infected.
    pub infected_only: bool,
}

/// Both streams, and what came of everything so far.
pub struct Screen<'a> {
    console: &'a mut Console,
    format: Format,
    spinner: Option<ProgressBar>,
    begun: Instant,
    pub tally: Tally,
}

impl<'a> Screen<'a> {
    pub fn new(console: &'a mut Console, format: Format) -> Self {
        let spinner = console.err_is_terminal.then(|| {
            let style =
                ProgressStyle::with_template("{spinner} [{elapsed}] {wide_msg}").expect("a well-formed template");
            let spinner = ProgressBar::new_spinner().with_style(style);
            spinner.enable_steady_tick(Duration::from_millis(120));
            spinner
        });
        Self { console, format, spinner, begun: Instant::now(), tally: Tally::default() }
    }

    /// Says what takes a while.
    pub fn doing(&self, what: &str) {
        if let Some(spinner) = &self.spinner {
            spinner.set_message(what.to_owned());
        }
    }

    /// From here on time counts as scanning.
    pub fn begin(&mut self) {
        self.begun = Instant::now();
    }

    /// Counts and writes a result.
    ///
    /// # Errors
    /// If the reader is gone.
    pub fn show(&mut self, examined: &Examined) -> io::Result<()> {
        self.tally.count(examined);
        let (format, console) = (self.format, &mut *self.console);
        let mut write = || show(format, console, examined);
        match &self.spinner {
            Some(spinner) => {
                spinner.suspend(write)?;
                spinner.set_message(progress(&self.tally, self.begun.elapsed()));
                Ok(())
            }
            None => write(),
        }
    }

    /// A note for a person.
    ///
    /// # Errors
    /// If standard error is gone.
    pub fn note(&mut self, text: &str) -> io::Result<()> {
        match &self.spinner {
            Some(spinner) => spinner.suspend(|| self.console.note(text)),
            None => self.console.note(text),
        }
    }

    /// Takes the spinner away and says what came of everything.
    ///
    /// # Errors
    /// If standard error is gone.
    pub fn end(mut self) -> io::Result<Tally> {
        if let Some(spinner) = self.spinner.take() {
            spinner.finish_and_clear();
        }
        self.console.note(&self.tally.text(self.begun.elapsed()))?;
        Ok(std::mem::take(&mut self.tally))
    }
}

impl Drop for Screen<'_> {
    fn drop(&mut self) {
        if let Some(spinner) = &self.spinner {
            spinner.finish_and_clear();
        }
    }
}

fn show(format: Format, console: &mut Console, examined: &Examined) -> io::Result<()> {
    let infected = matches!(examined.verdict, Verdict::Infected { .. });
    let wanted = infected || !format.infected_only;
    let lines = |lines: Vec<String>| lines.iter().map(|line| escape::line(line)).collect::<Vec<_>>().join("\n");
    // JSON has no room for the detail, and `-i` none for what was not read: both matter to a person
    let unread =
        !matches!(examined.verdict, Verdict::Clean | Verdict::InfectedAllowed { .. } | Verdict::Infected { .. });
    if unread && (format.json || !wanted) {
        console.note(&lines(examined.text()))?;
    }
    if format.json && !examined.evidence.notes.is_empty() {
        console.note(&lines(examined.notes().collect()))?;
    }
    match (wanted, format.json) {
        (false, _) => Ok(()),
        (true, true) => console.json(&examined.line()),
        (true, false) => console.text(&lines(examined.text().into_iter().chain(examined.notes()).collect())),
    }
}

fn progress(tally: &Tally, took: Duration) -> String {
    let per_second = tally.bytes as f64 / took.as_secs_f64().max(0.1);
    format!(
        "{} scanned, {} infected, {}/s",
        units::counted(tally.all(), "file"),
        units::count(tally.infected),
        units::bytes(per_second as u64)
    )
}

#[cfg(test)]
mod tests {
    use lazaret_model::verdict::UnscannableReason;
    use lazaret_model::{Evidence, Finding};

    use super::*;
    use crate::testing::{Lab, infected};

    fn shown(format: Format) -> (String, String) {
        let lab = Lab::new();
        let mut console = lab.console();
        let mut screen = Screen::new(&mut console, format);
        let note = Finding { member: "m".into(), threat: "rule".into(), engine: "yara".into() };
        let evidence = Evidence { notes: vec![note], ..Evidence::default() };
        let clean = Examined { path: "noted".into(), bytes: 1, verdict: Verdict::Clean, evidence };
        let encrypted = Verdict::Unscannable { reason: UnscannableReason::Encrypted, detail: "a.txt".into() };
        for examined in [
            clean,
            Examined::unread("zip".into(), 1, encrypted),
            Examined::unread("evil\u{1b}[2J\n".into(), 1, infected("Eicar")),
        ] {
            screen.show(&examined).expect("written");
        }
        assert_eq!(screen.tally.all(), 3);
        drop(screen);
        (lab.out.text(), lab.err.text())
    }

    #[test]
    fn text_shows_all_and_obeys_nothing() {
        let (out, err) = shown(Format { json: false, infected_only: false });
        let expected = "noted: Clean\nnoted: Note rule (m)\nzip: Unscannable encrypted (a.txt)\nevil\\u{1b}[2J\\n: Infected Eicar\n";
        assert_eq!((out.as_str(), err.as_str()), (expected, ""));
    }

    #[test]
    fn with_infected_only_what_was_not_read_is_still_said() {
        let (out, err) = shown(Format { json: false, infected_only: true });
        assert_eq!(out, "evil\\u{1b}[2J\\n: Infected Eicar\n");
        assert_eq!(err, "zip: Unscannable encrypted (a.txt)\n");
        let (out, _) = shown(Format { json: true, infected_only: true });
        assert_eq!(out.lines().count(), 1);
    }

    #[test]
    fn json_is_a_line_each_and_details_go_to_the_person() {
        let (out, err) = shown(Format { json: true, infected_only: false });
        let paths: Vec<String> = out
            .lines()
            .map(|line| {
                serde_json::from_str::<serde_json::Value>(line).expect("JSON")["path"].as_str().expect("a path").into()
            })
            .collect();
        assert_eq!(paths, ["noted", "zip", "evil\u{1b}[2J\n"]);
        assert!(!out.contains('\u{1b}'));
        assert_eq!(err, "noted: Note rule (m)\nzip: Unscannable encrypted (a.txt)\n");
    }
}
