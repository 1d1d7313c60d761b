//! What the page says, in numbers and words; the template only sets it.

use jiff::Timestamp;
use lazaret_model::summary::{DefinitionsUse, Status};
use lazaret_model::{Completeness, SizeHistogram, Source, Summary, Totals};

/// A line of the head: a name and its text.
pub(super) struct Fact {
    pub name: &'static str,
    pub text: String,
}

/// One of the large numbers.
pub(super) struct Tile {
    pub id: &'static str,
    pub name: &'static str,
    pub text: String,
    /// Drawn in the colour of its name, where it is not zero.
    pub loud: bool,
}

/// A bar with its numbers beside it.
pub(super) struct Bar {
    /// The style's name of its colour.
    pub class: &'static str,
    pub name: String,
    /// Of the longest bar, in percent; what is there is seen, however small its share.
    pub width: String,
    pub count: String,
    /// The share of all, or the bytes.
    pub aside: String,
}

/// One equation of the proof.
pub(super) struct Check {
    pub name: &'static str,
    pub left: String,
    pub right: String,
    pub holds: bool,
}

pub(super) fn status(status: Status) -> &'static str {
    match status {
        Status::Running => "RUNNING",
        Status::Complete => "COMPLETE",
        Status::Incomplete => "INCOMPLETE",
        Status::Failed => "FAILED",
        Status::Stopped => "STOPPED",
    }
}

/// The outcome in one sentence.
pub(super) fn headline(summary: &Summary) -> String {
    let Totals { infected, unscannable, error, skipped, actions_failed, .. } = summary.totals;
    let mut text = match (summary.completeness.complete, infected) {
        (true, 0) => "No object is infected.".to_owned(),
        (false, 0) => "No infected object was found, but objects are missing from this report.".to_owned(),
        (_, 1) => "1 object is infected.".to_owned(),
        (_, n) => format!("{} objects are infected.", grouped(n)),
    };
    let unread = unscannable + error + skipped;
    if unread > 0 {
        let verb = if unread == 1 { "object was" } else { "objects were" };
        text.push_str(&format!(" {} {verb} not wholly scanned: nothing is known of what they hold.", grouped(unread)));
    }
    if actions_failed > 0 {
        let verb = if actions_failed == 1 { "action was" } else { "actions were" };
        text.push_str(&format!(" {} {verb} not done: see the column Action.", grouped(actions_failed)));
    }
    text
}

pub(super) fn facts(summary: &Summary) -> Vec<Fact> {
    let fact = |name, text| Fact { name, text };
    let source = match &summary.source {
        Source::OnDemand => "on demand".to_owned(),
        Source::Activation => "activation".to_owned(),
        Source::Schedule(name) => format!("schedule {name}"),
    };
    let mut facts = vec![
        fact("Window", format!("{} to {}", moment(summary.window.from), moment(summary.window.to))),
        fact("Started", moment(summary.started_at)),
        fact("Ended", moment(summary.ended_at)),
        fact("Took", duration(summary.ended_at.as_second() - summary.started_at.as_second())),
        fact("Asked for by", source),
        fact("Agents", grouped(summary.agents)),
    ];
    facts.extend(summary.definitions.iter().map(|used| fact("Definitions", definitions(used))));
    if summary.totals.cache_hits > 0 {
        let text = format!("{} objects, whose bytes had been scanned before", grouped(summary.totals.cache_hits));
        facts.push(fact("From the cache", text));
    }
    if summary.totals.noted > 0 {
        facts.push(fact("With notes", format!("{} objects", grouped(summary.totals.noted))));
    }
    facts
}

fn definitions(used: &DefinitionsUse) -> String {
    let age = used.oldest_age_seconds.map(|seconds| {
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        format!(", at most {} old", duration(seconds))
    });
    format!("{} ({} objects{})", used.version, grouped(used.objects), age.unwrap_or_default())
}

pub(super) fn tiles(totals: &Totals) -> Vec<Tile> {
    let tile = |id, name, number| Tile { id, name, text: grouped(number), loud: number > 0 };
    vec![
        tile("crawled", "Crawled", totals.crawled),
        tile("in-window", "In window", totals.in_window),
        tile("clean", "Clean", totals.clean),
        tile("infected", "Infected", totals.infected),
        tile("infected-allowed", "Allowed", totals.infected_allowed),
        tile("unscannable", "Unscannable", totals.unscannable),
        tile("error", "Error", totals.error),
        tile("skipped", "Skipped", totals.skipped),
        tile("gone", "Gone", totals.gone),
        Tile { id: "bytes", name: "Bytes", text: bytes(totals.bytes), loud: false },
    ]
}

pub(super) fn verdicts(totals: &Totals) -> Vec<Bar> {
    let counts = [
        ("clean", "Clean", totals.clean),
        ("infected", "Infected", totals.infected),
        ("infected-allowed", "InfectedAllowed", totals.infected_allowed),
        ("unscannable", "Unscannable", totals.unscannable),
        ("error", "Error", totals.error),
        ("skipped", "Skipped", totals.skipped),
        ("gone", "Gone", totals.gone),
    ];
    let (all, most) = (totals.rows(), counts.iter().map(|(_, _, count)| *count).max().unwrap_or_default());
    let bar = |(class, name, count): (&'static str, &str, u64)| Bar {
        class,
        name: name.to_owned(),
        width: width(count, most),
        count: grouped(count),
        aside: percent(count, all),
    };
    counts.into_iter().map(bar).collect()
}

/// Ends of the ranges of sizes, as bars of the histogram: powers of two, so that no bar is cut.
const RANGES: [(usize, &str); 8] = [
    (0, "empty"),
    (10, "below 1 KiB"),
    (14, "1 to 16 KiB"),
    (18, "16 to 256 KiB"),
    (22, "256 KiB to 4 MiB"),
    (26, "4 to 64 MiB"),
    (30, "64 MiB to 1 GiB"),
    (usize::MAX, "1 GiB and more"),
];

pub(super) fn sizes(sizes: &SizeHistogram) -> Vec<Bar> {
    let mut sums = [(0, 0); RANGES.len()];
    for (index, bar) in sizes.bars().iter().enumerate() {
        let range = RANGES.iter().position(|(last, _)| index <= *last).expect("the last range has no end");
        sums[range].0 += bar.objects;
        sums[range].1 += bar.bytes;
    }
    let most = sums.iter().map(|(objects, _)| *objects).max().unwrap_or_default();
    let bar = |((_, name), (objects, sum)): ((usize, &str), (u64, u64))| Bar {
        class: "size",
        name: name.to_owned(),
        width: width(objects, most),
        count: grouped(objects),
        aside: bytes(sum),
    };
    RANGES.into_iter().zip(sums).map(bar).collect()
}

pub(super) fn checks(proof: &Completeness) -> Vec<Check> {
    let check = |name, left: u64, right: u64, right_text: String| Check {
        name,
        left: grouped(left),
        right: right_text,
        holds: left == right,
    };
    let (in_window, outside) = (proof.in_window, proof.outside_window);
    let sum = format!("{} + {}", grouped(in_window), grouped(outside));
    vec![
        check("Crawled = in window + outside", proof.crawled, in_window + outside, sum),
        check("In window = rows", in_window, proof.rows, grouped(proof.rows)),
        check("Packets = parts", proof.packets, proof.parts, grouped(proof.parts)),
        check("Objects reported twice = none", proof.duplicates, 0, "0".to_owned()),
    ]
}

/// The proof in words, or what it lacks.
pub(super) fn sentences(proof: &Completeness) -> Vec<String> {
    if proof.complete {
        return vec![format!(
            "Nothing was missed: {} objects were crawled, {} of them lie in the window, and each of those has exactly one \
             verdict in this report.",
            grouped(proof.crawled),
            grouped(proof.in_window)
        )];
    }
    let mut sentences = vec!["This report is not complete.".to_owned()];
    if proof.crawled != proof.in_window + proof.outside_window {
        sentences.push("The crawl's own numbers don't add up.".to_owned());
    }
    if proof.rows < proof.in_window {
        let missing = proof.in_window - proof.rows;
        sentences.push(format!("{} objects in the window have no verdict.", grouped(missing)));
    }
    if proof.rows > proof.in_window {
        let surplus = proof.rows - proof.in_window;
        sentences.push(format!("There are {} rows more than objects in the window.", grouped(surplus)));
    }
    if proof.duplicates > 0 {
        sentences.push(format!("{} rows repeat an object that has one already.", grouped(proof.duplicates)));
    }
    if proof.parts < proof.packets {
        let missing = proof.packets - proof.parts;
        let names = proof.missing_packets.join(", ");
        let more = if missing > proof.missing_packets.len() as u64 { ", …" } else { "" };
        sentences.push(format!("{} packets have no result: {names}{more}.", grouped(missing)));
    }
    sentences
}

pub(super) fn cut(shown: u64, all: u64) -> Option<String> {
    (shown < all).then(|| {
        format!(
            "This page holds {} of the {} objects that are not Clean or have a note, the infected first. All of them lie in findings.jsonl \
             beside it.",
            grouped(shown),
            grouped(all)
        )
    })
}

fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn duration(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{seconds} s"),
        (0, _) => format!("{minutes} min {seconds} s"),
        _ => format!("{hours} h {minutes} min"),
    }
}

fn width(count: u64, most: u64) -> String {
    if count == 0 {
        return "0".to_owned();
    }
    format!("{:.2}", (100.0 * count as f64 / most as f64).max(0.6))
}

/// Never 0 % of something, nor 100 % of less than all.
fn percent(count: u64, all: u64) -> String {
    if count == 0 || count == all {
        return if count == 0 { "0 %" } else { "100 %" }.to_owned();
    }
    let share = (100.0 * count as f64 / all as f64).clamp(0.01, 99.99);
    if !(0.1..=99.9).contains(&share) { format!("{share:.2} %") } else { format!("{share:.1} %") }
}

/// `1234567` as `1,234,567`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn bytes(number: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if number < 1024 {
        return format!("{number} B");
    }
    let mut value = number as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1023.95 && unit < UNITS.len() - 1 {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(
            [0, 1023, 1024, 1_048_575, u64::MAX].map(bytes),
            ["0 B", "1023 B", "1.0 KiB", "1.0 MiB", "16.0 EiB"]
        );
        assert_eq!([5, 65, 7_300].map(duration), ["5 s", "1 min 5 s", "2 h 1 min"]);
        assert_eq!(percent(1, 1_000_000), "0.01 %");
        assert_eq!(percent(999_999, 1_000_000), "99.99 %");
        assert_eq!((percent(0, 0), percent(7, 7)), ("0 %".into(), "100 %".into()));
        assert_eq!((width(0, 0), width(1, 1_000_000)), ("0".into(), "0.60".into()));
    }

    #[test]
    fn every_size_falls_into_the_range_that_its_name_says() {
        let mut histogram = SizeHistogram::default();
        for size in [0, 1, 1023, 1024, 16 * 1024 - 1, 16 * 1024, (1 << 30) - 1, 1 << 30, u64::MAX / 2] {
            histogram.add(size);
        }
        let counts: Vec<String> = sizes(&histogram).into_iter().map(|bar| bar.count).collect();
        assert_eq!(counts, ["1", "2", "2", "1", "0", "0", "1", "2"]);
    }
}
