use std::collections::HashMap;
use std::fs::File;
use std::sync::atomic::AtomicUsize;

use lazaret_model::verdict::{ErrorReason, UnscannableReason};
use proptest::prelude::*;

use super::*;

/// Says of a content what its first byte asks for, in words that name the definitions.
#[derive(Default)]
struct Oracle {
    version: Mutex<String>,
    /// The version that a scan finds in place of the one that was there when it was asked for.
    swaps_to: Mutex<Option<String>>,
    refuses: std::sync::atomic::AtomicBool,
    scans: AtomicUsize,
}

impl Oracle {
    fn at(version: &str) -> Arc<Self> {
        let oracle = Self::default();
        oracle.load(version);
        Arc::new(oracle)
    }

    fn load(&self, version: &str) {
        *self.version.lock().expect("unpoisoned") = version.to_owned();
    }

    fn scans(&self) -> usize {
        self.scans.load(Ordering::SeqCst)
    }

    fn says(sha256: &[u8; 32], version: &str) -> Verdict {
        let detail = format!("{} by {version}", sha256[1]);
        match sha256[0] % 5 {
            0 | 1 => Verdict::Clean,
            2 => Verdict::Infected {
                findings: vec![Finding { member: String::new(), threat: detail, engine: "clamav".into() }],
            },
            3 => Verdict::Unscannable { reason: UnscannableReason::Encrypted, detail },
            _ => Verdict::Error { reason: ErrorReason::EngineCrashed, detail },
        }
    }
}

#[async_trait]
impl Scanner for Oracle {
    async fn scan(&self, content: Content) -> Result<Scanned, EngineGone> {
        self.scans.fetch_add(1, Ordering::SeqCst);
        if let Some(next) = self.swaps_to.lock().expect("unpoisoned").take() {
            self.load(&next);
        }
        let version = self.version.lock().expect("unpoisoned").clone();
        let verdict = Self::says(&content.sha256, &version);
        let definitions = Some(DefinitionsStamp { version, built_at: None });
        Ok(Scanned { verdict, notes: Vec::new(), definitions, cached: false })
    }

    fn definitions(&self) -> Option<DefinitionsStamp> {
        let version = self.version.lock().expect("unpoisoned").clone();
        (!self.refuses.load(Ordering::SeqCst)).then_some(DefinitionsStamp { version, built_at: None })
    }
}

fn content(kind: u8, name: u8) -> Content {
    let mut sha256 = [0; 32];
    (sha256[0], sha256[1]) = (kind, name);
    Content { file: File::open("/dev/null").expect("there").into(), size: 0, sha256 }
}

fn cache(oracle: &Arc<Oracle>, entries: usize, settings: u8) -> CachingScanner {
    let entries = NonZeroUsize::new(entries).expect("not zero");
    CachingScanner::new(Arc::clone(oracle) as Arc<dyn Scanner>, entries, [settings; 32])
}

async fn scan(scanner: &CachingScanner, kind: u8, name: u8) -> Scanned {
    scanner.scan(content(kind, name)).await.expect("an engine")
}

const CLEAN: u8 = 0;
const INFECTED: u8 = 2;
const UNSCANNABLE: u8 = 3;
const ERROR: u8 = 4;

#[tokio::test]
async fn the_same_bytes_are_scanned_once_and_hits_are_counted() {
    let oracle = Oracle::at("1");
    let scanner = cache(&oracle, 10, 0);
    for kind in [CLEAN, INFECTED, UNSCANNABLE] {
        let first = scan(&scanner, kind, 0).await;
        let second = scan(&scanner, kind, 0).await;
        assert!(!first.cached && second.cached);
        assert_eq!(Scanned { cached: false, ..second }, first);
    }
    assert_eq!(oracle.scans(), 3);
    assert_eq!(scanner.counts(), CacheCounts { hits: 3, misses: 3 });
}

#[tokio::test]
async fn errors_are_never_kept() {
    let oracle = Oracle::at("1");
    let scanner = cache(&oracle, 10, 0);
    for _ in 0..3 {
        assert!(!scan(&scanner, ERROR, 0).await.cached);
    }
    assert_eq!(oracle.scans(), 3);
}

#[tokio::test]
async fn other_definitions_or_settings_know_nothing_of_a_verdict() {
    let oracle = Oracle::at("1");
    let scanner = cache(&oracle, 10, 0);
    scan(&scanner, INFECTED, 0).await;
    oracle.load("2");
    assert_eq!(scan(&scanner, INFECTED, 0).await.definitions.expect("some").version, "2");
    oracle.load("1");
    let back = scan(&scanner, INFECTED, 0).await;
    assert!(back.cached && back.definitions.expect("some").version == "1");
    let (a, b) = (cache(&oracle, 10, 1), cache(&oracle, 10, 2));
    let (content, stamp) = (content(CLEAN, 0).sha256, oracle.definitions().expect("some"));
    assert_ne!(a.key(&content, &stamp), b.key(&content, &stamp));
}

#[tokio::test]
async fn a_verdict_is_kept_under_the_definitions_that_said_it_and_not_those_that_were_there_before() {
    let oracle = Oracle::at("1");
    let scanner = cache(&oracle, 10, 0);
    *oracle.swaps_to.lock().expect("unpoisoned") = Some("2".into());
    scan(&scanner, INFECTED, 0).await;
    let under_2 = scan(&scanner, INFECTED, 0).await;
    assert!(under_2.cached && under_2.verdict.findings()[0].threat.ends_with("by 2"));
    oracle.load("1");
    assert!(!scan(&scanner, INFECTED, 0).await.cached);
}

#[tokio::test]
async fn definitions_that_may_not_be_used_any_more_answer_nothing_from_memory() {
    let oracle = Oracle::at("1");
    let scanner = cache(&oracle, 10, 0);
    scan(&scanner, CLEAN, 0).await;
    oracle.refuses.store(true, Ordering::SeqCst);
    assert!(!scan(&scanner, CLEAN, 0).await.cached);
}

#[tokio::test]
async fn it_is_bounded_in_entries_and_the_oldest_goes_first() {
    let oracle = Oracle::at("1");
    let scanner = cache(&oracle, 2, 0);
    for name in [0, 1, 0, 2] {
        scan(&scanner, CLEAN, name).await;
    }
    assert!(scan(&scanner, CLEAN, 0).await.cached, "used after 1");
    assert!(!scan(&scanner, CLEAN, 1).await.cached);
    assert_eq!(scanner.kept().verdicts.len(), 2);
}

#[test]
fn it_is_bounded_in_bytes_whatever_the_entries_hold() {
    let mut kept = Kept { verdicts: LruCache::unbounded(), bytes: 0, bytes_max: 100_000 };
    let infected = |findings| {
        let finding = Finding { member: "m".repeat(100), threat: "T".into(), engine: "clamav".into() };
        Said { verdict: Verdict::Infected { findings: vec![finding; findings] }, notes: Vec::new() }
    };
    for round in 0..500_u16 {
        let mut key = [0; 32];
        key[..2].copy_from_slice(&(round % 90).to_le_bytes());
        kept.keep(key, infected(usize::from(round % 40)));
        let sum: usize = kept.verdicts.iter().map(|(_, said)| said.bytes()).sum();
        assert_eq!(kept.bytes, sum);
        assert!(sum <= kept.bytes_max);
    }
    let before = kept.verdicts.len();
    kept.keep([255; 32], infected(1_000));
    assert_eq!(kept.verdicts.len(), before, "one that is too large is not kept and pushes nothing out");
}

#[derive(Debug, Clone)]
enum Step {
    Scan(u8, u8),
    Load(u8),
}

proptest! {
    #[test]
    fn with_and_without_a_cache_the_same_is_said(
        steps in prop::collection::vec(
            prop_oneof![8 => (0..5_u8, 0..4_u8).prop_map(|(kind, name)| Step::Scan(kind, name)), 1 => (0..3_u8).prop_map(Step::Load)],
            1..200,
        ),
        entries in 1..12_usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let (oracle, plain) = (Oracle::at("0"), Oracle::at("0"));
            let scanner = cache(&oracle, entries, 0);
            let mut known: HashMap<(u8, u8, String), usize> = HashMap::new();
            for step in steps {
                match step {
                    Step::Load(version) => {
                        oracle.load(&version.to_string());
                        plain.load(&version.to_string());
                    }
                    Step::Scan(kind, name) => {
                        let said = scan(&scanner, kind, name).await;
                        let truth = plain.scan(content(kind, name)).await.expect("an engine");
                        let seen = known.entry((kind, name, plain.version.lock().expect("unpoisoned").clone())).or_default();
                        prop_assert!(!said.cached || *seen > 0);
                        *seen += 1;
                        prop_assert_eq!(Scanned { cached: false, ..said }, truth);
                    }
                }
            }
            let counts = scanner.counts();
            prop_assert_eq!(counts.misses, oracle.scans() as u64);
            prop_assert_eq!(counts.hits + counts.misses, plain.scans() as u64);
            Ok(())
        })?;
    }
}
