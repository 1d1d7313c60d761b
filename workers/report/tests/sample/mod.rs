//! A job to report on, with the keys that a hostile tenant would choose.
#![allow(dead_code, reason = "each test uses its part")]

use lazaret_model::verdict::{ErrorReason, GoneReason, SkippedReason, UnscannableReason};
use lazaret_model::*;

pub const HOSTILE_KEYS: [&str; 9] = [
    "</script><script>document.title='owned'</script>",
    "<!--<script>",
    "<img src=x onerror=\"document.title='owned'\">",
    "quote\"s and 'apostrophes' & ampersands &lt;",
    "invoice-\u{202e}fdp.exe",
    "עברית/مرحبا/混在.txt",
    "emoji 🦠/a+b%2F.pdf",
    "line\nbreak\tand\u{2028}separator\u{0}",
    "=cmd|' /C calc'!A0",
];

pub fn moment(text: &str) -> jiff::Timestamp {
    text.parse().expect("a timestamp")
}

pub fn plan(packets: u64, matched: u64) -> JobPlan {
    let scope = BucketScope { name: "bucket".into(), prefix: String::new() };
    let mut sizes = SizeHistogram::default();
    for size in 0..matched {
        sizes.add((size % 1000).pow(2) * 100);
    }
    JobPlan {
        job: Job {
            job_id: "job-1".parse().expect("an id"),
            buckets: vec![scope.clone()],
            window: Window { from: moment("2006-03-14T00:00:00Z"), to: moment("2026-11-01T00:00:00Z") },
            source: Source::OnDemand,
            target_minutes: 60,
            limits: lazaret_model::JobLimits::default(),
            selected: false,
            started_at: moment("2026-11-01T00:00:00Z"),
        },
        crawls: vec![CrawlResult {
            crawl_id: CrawlId::new(0, 0xabcd),
            scope,
            listed: matched + 7,
            outside_window: 7,
            matched,
            matched_bytes: sizes.bytes(),
            archived: 0,
            packets,
            packets_sent: packets,
            largest_bytes: 0,
            directories: 1,
            sizes,
        }],
    }
}

pub fn row(key: &str, verdict: Verdict) -> ResultRow {
    ResultRow {
        object: ObjectRef {
            bucket: "bucket".into(),
            key: key.into(),
            version_id: None,
            etag: ETag::from("d41d8cd98f00b204e9800998ecf8427e"),
            size: 12_345,
            last_modified: moment("2026-01-01T00:00:00Z"),
            storage_class: StorageClass::standard(),
        },
        verdict,
        action: None,
        scanned_at: moment("2026-11-01T00:01:00Z"),
        evidence: Evidence::default(),
    }
}

/// A row that was scanned, with a note of each of these rules.
#[allow(dead_code, reason = "each test program uses a part of this")]
pub fn scanned(key: &str, verdict: Verdict, notes: &[&str]) -> ResultRow {
    let note = |rule: &&str| Finding { member: "<b>m</b>".into(), threat: (*rule).into(), engine: "yara".into() };
    let evidence = Evidence {
        definitions: Some("daily-27456-8f14e45f".into()),
        definitions_age_seconds: Some(7_500),
        sha256: Some("00ff".into()),
        notes: notes.iter().map(note).collect(),
        ..Evidence::default()
    };
    ResultRow { evidence, ..row(key, verdict) }
}

pub fn infected(threats: &[&str]) -> Verdict {
    let finding = |threat: &&str| Finding {
        member: "archive.zip/<b>inner</b>.exe".into(),
        threat: (*threat).into(),
        engine: "clamav".into(),
    };
    Verdict::Infected { findings: threats.iter().map(finding).collect() }
}

/// One of each, in turn.
pub fn verdict(number: usize) -> Verdict {
    match number % 6 {
        0 => infected(&["Eicar-Test-Signature"]),
        1 => Verdict::Unscannable { reason: UnscannableReason::Encrypted, detail: "secret/<plan>.txt".into() },
        2 => Verdict::Error { reason: ErrorReason::EngineCrashed, detail: "killed by signal 11".into() },
        3 => Verdict::Skipped { reason: SkippedReason::Archived },
        4 => Verdict::Gone { reason: GoneReason::Overwritten },
        _ => infected(&["Win.Test.EICAR_HDB-1", "Second", "Third", "Fourth", "<i>Fifth</i>"]),
    }
}
