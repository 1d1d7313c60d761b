//! Other definitions under load, with the real engine: no verdict is lost, none comes late, each is of the set that it names.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use lazaret_agent::config::EngineSettings;
use lazaret_agent::definitions::age::MaxAge;
use lazaret_agent::definitions::{DefinitionsScanner, EngineLoader, Keeper};
use lazaret_agent::{Content, Scanner};
use lazaret_aws::fake::FakeStore;
use lazaret_definitions::publish::Tried;
use lazaret_definitions::{DefinitionsSet, Move, publish};
use lazaret_model::{DefinitionsVersion, Verdict};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

const BUCKET: &str = "results";
/// Scan workers, and tasks that ask them: a little more than they can do, as in an agent.
const WORKERS: usize = 2;
const LOADS: usize = 3;
/// No verdict may come later than this after the slowest one of a quiet time.
const DELAY: Duration = Duration::from_secs(1);

fn eicar() -> String {
    [r"X5O!P%@AP[4\PZX54(P^)7CC)7}", "$EICAR-STANDARD-", "ANTIVIRUS-TEST-FILE!$H+H*"].concat()
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// The text that only set number `number` knows.
fn marker(number: usize) -> String {
    format!("lazaret-marker-of-set-{number:04}")
}

/// A set that knows EICAR and one marker, with all files of `base` if there is one.
fn write_set(number: usize, base: Option<&Path>) -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    for entry in base.into_iter().flat_map(|base| fs::read_dir(base).expect("readable")) {
        let path = entry.expect("an entry").path();
        std::os::unix::fs::symlink(&path, directory.path().join(path.file_name().expect("a name"))).expect("linked");
    }
    let rules = format!("Test.Eicar:0:0:{}\nTest.Marker-{number}:0:*:{}\n", hex(&eicar()), hex(&marker(number)));
    fs::write(directory.path().join("lazaret-swap.ndb"), rules).expect("written");
    directory
}

/// Built beside this test by every `cargo test --workspace`.
fn engine() -> PathBuf {
    let test = std::env::current_exe().expect("this test has a path");
    let program = test.ancestors().nth(2).expect("target/debug").join("lazaret-engine");
    assert!(program.is_file(), "{} is not there: run `cargo build --workspace`", program.display());
    program
}

struct Lab {
    store: FakeStore,
    scanner: Arc<DefinitionsScanner>,
    keeper: Keeper,
    _scratch: TempDir,
}

impl Lab {
    fn new() -> Self {
        let scratch = tempfile::tempdir().expect("a directory");
        let store = FakeStore::new().with_bucket(BUCKET);
        let scanner = Arc::new(DefinitionsScanner::new(MaxAge::seconds(86_400)));
        let settings = EngineSettings::new(engine(), Duration::from_secs(60));
        let scratch_dir = scratch.path().to_owned();
        let keeper = Keeper {
            store: Arc::new(store.clone()),
            results_bucket: BUCKET.into(),
            loader: Arc::new(EngineLoader { settings, scratch_dir: scratch_dir.clone(), workers: WORKERS }),
            scratch_dir,
            scanner: Arc::clone(&scanner),
        };
        Self { store, scanner, keeper, _scratch: scratch }
    }

    async fn publish(&self, directory: &Path) -> DefinitionsVersion {
        let set = DefinitionsSet::read(directory).expect("a set");
        let tried = Tried { signatures: 2, engine_version: "of this test".into() };
        publish(&self.store, BUCKET, &set, &tried, Move::Anywhere).await.expect("published");
        set.version
    }
}

/// One verdict under load.
struct Sample {
    text: String,
    begun: Instant,
    took: Duration,
    version: String,
    infected: bool,
}

/// Asks one scan after the other until it is told to stop; texts with every set's marker, EICAR, and none of them.
async fn load(scanner: Arc<DefinitionsScanner>, sets: usize, stop: Arc<AtomicBool>) -> Vec<Sample> {
    let mut samples = Vec::new();
    let texts = (0..sets).map(|set| format!("before {} after", marker(set))).chain([eicar(), "nothing".into()]);
    let mut texts = texts.collect::<Vec<_>>().into_iter().cycle();
    while !stop.load(Ordering::SeqCst) {
        let text = texts.next().expect("cycles");
        let mut file = tempfile::tempfile().expect("a file");
        std::io::Write::write_all(&mut file, text.as_bytes()).expect("written");
        let content =
            Content { file: file.into(), size: text.len() as u64, sha256: Sha256::digest(text.as_bytes()).into() };
        let begun = Instant::now();
        let scanned = scanner.scan(content).await.expect("an engine");
        let took = begun.elapsed();
        let infected = match scanned.verdict {
            Verdict::Clean => false,
            Verdict::Infected { .. } => true,
            other => panic!("`{text}` got {other:?}"),
        };
        let version = scanned.definitions.expect("a verdict names its definitions").version;
        samples.push(Sample { text, begun, took, version, infected });
    }
    samples
}

fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted[(sorted.len() - 1) * percent / 100]
}

/// Switches `sets - 1` times while scans go on, prints how long verdicts took, and holds all of them to their sets.
async fn swap_under_load(sets: usize, base: Option<&Path>, quiet: Duration) {
    let lab = Lab::new();
    let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
    let first = write_set(0, base);
    numbers.insert(lab.publish(first.path()).await.to_string(), 0);
    lab.keeper.begin().await.expect("begun");

    let stop = Arc::new(AtomicBool::new(false));
    let loads: Vec<_> =
        (0..LOADS).map(|_| tokio::spawn(load(Arc::clone(&lab.scanner), sets, Arc::clone(&stop)))).collect();
    tokio::time::sleep(quiet).await;
    let mut changes = Vec::new();
    for number in 1..sets {
        let next = write_set(number, base);
        numbers.insert(lab.publish(next.path()).await.to_string(), number);
        let begun = Instant::now();
        lab.keeper.look().await.expect("switched");
        changes.push((begun, Instant::now()));
        tokio::time::sleep(quiet).await;
    }
    stop.store(true, Ordering::SeqCst);
    let mut samples = Vec::new();
    for load in loads {
        samples.extend(load.await.expect("a load that lost no verdict"));
    }

    let mut by_set = vec![0_u32; sets];
    for sample in &samples {
        let set = numbers[&sample.version];
        by_set[set] += 1;
        let expected = sample.text.contains(&marker(set)) || sample.text == eicar();
        assert_eq!(sample.infected, expected, "`{}` by set {set}", sample.text.escape_debug());
    }
    assert!(by_set.iter().all(|count| *count > 0), "every set scanned: {by_set:?}");

    let overlaps = |sample: &Sample| {
        changes.iter().any(|(begun, ended)| sample.begun <= *ended && sample.begun + sample.took >= *begun)
    };
    let mut took = [Vec::new(), Vec::new()];
    for sample in &samples {
        took[usize::from(overlaps(sample))].push(sample.took);
    }
    let [quiet_took, change_took] = took.each_mut().map(|took| {
        took.sort();
        &*took
    });
    for (what, took) in [("quiet", quiet_took), ("while definitions change", change_took)] {
        let [half, most, longest] = [50, 99, 100].map(|percent| percentile(took, percent));
        println!("{what}: {} verdicts, p50 {half:?}, p99 {most:?}, longest {longest:?}", took.len());
    }
    let changes: Vec<_> = changes.iter().map(|(begun, ended)| *ended - *begun).collect();
    println!("{} changes of definitions took {changes:?}; verdicts by set: {by_set:?}", changes.len());
    let (slowest, slowest_quiet) = (percentile(change_took, 100), percentile(quiet_took, 100));
    assert!(slowest < slowest_quiet + DELAY, "a verdict took {slowest:?}, {slowest_quiet:?} in a quiet time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_definitions_lose_and_delay_no_verdict() {
    swap_under_load(5, None, Duration::from_millis(500)).await;
}

/// `LAZARET_SWAP_DEFINITIONS=DIR cargo test … -- --ignored --nocapture`: the same with a large set.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a large set, which takes a gigabyte of memory twice"]
async fn other_large_definitions_lose_and_delay_no_verdict() {
    let base = std::env::var_os("LAZARET_SWAP_DEFINITIONS").expect("LAZARET_SWAP_DEFINITIONS names a directory");
    swap_under_load(3, Some(Path::new(&base)), Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_set_that_the_engine_refuses_leaves_the_last_good_one() {
    let lab = Lab::new();
    let good = write_set(0, None);
    let version = lab.publish(good.path()).await.to_string();
    lab.keeper.begin().await.expect("begun");
    let broken = write_set(1, None);
    fs::write(broken.path().join("lazaret-swap.ndb"), "this is no signature\n").expect("written");
    lab.publish(broken.path()).await;
    let blind = tempfile::tempdir().expect("a directory");
    fs::write(blind.path().join("own.ndb"), format!("Own.Rule:0:*:{}\n", hex("anything"))).expect("written");
    for bad in [&broken, &blind] {
        lab.publish(bad.path()).await;
        let error = lab.keeper.look().await.expect_err("refused");
        println!("{error}");
        assert_eq!(lab.scanner.in_force().expect("one is").stamp.version, version);
    }
    lab.scanner.shutdown().await;
}
