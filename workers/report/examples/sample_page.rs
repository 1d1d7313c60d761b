//! Writes a page full of hostile keys, to be looked at: `cargo run -p lazaret-report --example sample_page -- FILE [ROWS]`.

#[path = "../tests/sample/mod.rs"]
mod sample;

use lazaret_model::{Action, ActionKind, ActionOutcome, Verdict};
use lazaret_report::{Aggregator, Page, summarise};
use sample::{HOSTILE_KEYS, infected, moment, plan, row, scanned, verdict};

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().expect("FILE to write");
    let findings: usize = arguments.next().map_or(40, |rows| rows.parse().expect("ROWS is a number"));

    let long = "nine hundred bytes/".repeat(48);
    let keys = HOSTILE_KEYS.iter().copied().chain([long.as_str()]);
    let mut rows: Vec<_> = keys.enumerate().map(|(number, key)| row(key, verdict(number))).collect();
    rows.extend((rows.len()..findings).map(|number| row(&format!("folder/file-{number}.bin"), verdict(number))));
    for (number, row) in rows.iter_mut().enumerate() {
        if let Verdict::Infected { .. } = row.verdict {
            let to = ActionKind::Move { to_bucket: "lazaret-quarantine".into(), to_key: row.object.key.clone() };
            let failed = ActionOutcome::Failed("access denied".into());
            row.action = Some(Action { kind: to, outcome: if number == 6 { failed } else { ActionOutcome::Done } });
        }
    }
    rows.push(scanned("clean, and noted <b>", Verdict::Clean, &["office_macro", "<i>second</i>"]));
    rows.push(scanned("infected, and noted", infected(&["Eicar-Test-Signature"]), &["office_macro"]));
    rows.extend((0..findings * 9).map(|number| row(&format!("clean/{number}"), Verdict::Clean)));

    let mut page = Page::default();
    rows.iter().for_each(|row| page.row(row));
    let plan = plan(1, rows.len() as u64);
    let mut books = Aggregator::new(&plan);
    books.part(&rows).expect("its rows");
    let summary =
        summarise(&plan, books.finish(), 12, moment("2026-11-01T00:41:12Z"), "s3://results/report.html".into());
    std::fs::write(file, page.render(&summary).expect("a page"))
}
