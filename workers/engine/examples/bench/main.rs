//! What the jail costs: the same files through plain libclamav in this process, and through the engine with one jailed worker.
//!
//! `bench DEFINITIONS_DIR ENGINE_PROGRAM [RUNS [CORPUS]]`: see `bench/README.md`. Prints a table, one line a figure. Both sides are handed files
//! that lie in memory already; all files of a kind go through the one, then through the other, and the figure is the median of the runs'
//! ratios.

mod contents;
mod corpus;
mod plain;

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt, TryStreamExt};
use lazaret_engine_protocol::{Engine, EngineConfig, ScanVerdict};
use rustix::process::{Pid, Signal, kill_process};

use corpus::{CORPORA, Corpus};
use plain::Plain;

/// How often a worker is killed in the middle of a scan.
const KILLS: usize = 11;

const NEXT: &[u8] = b"the next file";

type Failure = Box<dyn std::error::Error>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(definitions), Some(program)) = (arguments.next(), arguments.next()) else {
        return Err("usage: bench DEFINITIONS_DIR ENGINE_PROGRAM [RUNS [CORPUS]]".into());
    };
    let definitions = std::fs::canonicalize(definitions)?;
    let program = std::fs::canonicalize(program)?;
    let runs: usize = arguments.next().map_or(Ok(5), |runs| runs.to_string_lossy().parse())?;

    let begun = Instant::now();
    let plain = Plain::load(&definitions)?;
    println!("plain libclamav loaded in {:.1} s", begun.elapsed().as_secs_f64());
    let scratch = tempfile::tempdir()?;
    let engine = start(&program, &definitions, &scratch.path().join("one"), 1).await?;
    println!("seed {}, {runs} runs, {} signatures", contents::SEED, engine.info().signatures);
    let named = arguments.next().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    for corpus in CORPORA.iter().filter(|corpus| corpus.name.contains(&named)) {
        throughput(corpus, runs, &plain, &engine).await?;
    }
    engine.shutdown().await;
    drop(plain);

    let engine = start(&program, &definitions, &scratch.path().join("two"), 2).await?;
    kills(&engine, &scratch.path().join("two")).await?;
    memory(&engine)?;
    engine.shutdown().await;
    Ok(())
}

async fn start(program: &Path, definitions: &Path, scratch: &Path, workers: usize) -> Result<Engine, Failure> {
    let mut config = EngineConfig::new(program, definitions, scratch);
    config.workers = workers;
    let begun = Instant::now();
    let engine = Engine::start(config).await?;
    println!("an engine with {workers} workers is ready after {:.1} s", begun.elapsed().as_secs_f64());
    Ok(engine)
}

async fn scan(engine: &Engine, file: &File) -> Result<ScanVerdict, Failure> {
    let size = file.metadata()?.len();
    Ok(engine.scan(file.as_fd().try_clone_to_owned()?, size).await)
}

async fn throughput(corpus: &Corpus, runs: usize, plain: &Plain, engine: &Engine) -> Result<(), Failure> {
    let files = corpus.files()?;
    let mut pairs = Vec::new();
    for run in 0..=runs {
        let begun = Instant::now();
        for file in &files {
            plain.scan(file)?;
        }
        let in_process = begun.elapsed();
        let begun = Instant::now();
        // As an agent does: the next file waits in the host while the worker has one.
        let mut scans = stream::iter(&files).map(|file| scan(engine, file)).buffered(2);
        while let Some(verdict) = scans.try_next().await? {
            if verdict != ScanVerdict::Clean {
                return Err(format!("{}: {verdict:?}", corpus.name).into());
            }
        }
        // The first is for caches and pages.
        if run > 0 {
            pairs.push((in_process.as_secs_f64(), begun.elapsed().as_secs_f64()));
        }
    }
    let ratio = median(pairs.iter().map(|(in_process, jailed)| in_process / jailed).collect());
    let bytes: u64 = files.iter().map(|file| file.metadata().map_or(0, |metadata| metadata.len())).sum();
    let jailed = median(pairs.iter().map(|(_, jailed)| *jailed).collect());
    println!(
        "{:<24} {:>5} files {:>8.1} MB  jailed {:>8.2} MB/s {:>8.1} files/s  ratio to in-process {ratio:.3}",
        corpus.name,
        files.len(),
        bytes as f64 / 1e6,
        bytes as f64 / 1e6 / jailed,
        files.len() as f64 / jailed,
    );
    Ok(())
}

/// From SIGKILL in the middle of a scan to the verdict on the next file, which waits for a worker.
async fn kills(engine: &Engine, scratch: &Path) -> Result<(), Failure> {
    let slow = corpus::slow()?;
    let small = corpus::memory_file(NEXT)?;
    let mut times = Vec::new();
    for _ in 0..KILLS {
        let both = [slow.as_fd().try_clone_to_owned()?, slow.as_fd().try_clone_to_owned()?];
        let [first, second] = both.map(|file| {
            let engine = engine.clone();
            let size = slow.metadata().map_or(0, |metadata| metadata.len());
            tokio::spawn(async move { engine.scan(file, size).await })
        });
        let busy = busy_workers(engine, scratch).await;
        let (waiter, file) = (engine.clone(), small.as_fd().try_clone_to_owned()?);
        let waiting = tokio::spawn(async move { waiter.scan(file, NEXT.len() as u64).await });
        tokio::time::sleep(Duration::from_millis(5)).await; // it is in the host's queue by then
        let begun = Instant::now();
        kill_process(busy[0], Signal::KILL)?;
        let verdict = waiting.await?;
        let elapsed = begun.elapsed();
        if verdict != ScanVerdict::Clean {
            return Err(format!("the next file: {verdict:?}").into());
        }
        times.push(elapsed.as_secs_f64() * 1e3);
        kill_process(busy[1], Signal::KILL)?; // the other need not be waited for
        for verdict in [first.await?, second.await?] {
            if !matches!(verdict, ScanVerdict::Failed { .. }) {
                return Err(format!("a file whose worker was killed: {verdict:?}").into());
            }
        }
    }
    let most = times.iter().copied().fold(0.0, f64::max);
    println!("SIGKILL to the next verdict: median {:.1} ms, most {most:.1} ms of {KILLS}", median(times));
    Ok(())
}

/// Waits until both workers have unpacked something: they are in the middle of a scan.
async fn busy_workers(engine: &Engine, scratch: &Path) -> Vec<Pid> {
    loop {
        let filled = std::fs::read_dir(scratch).into_iter().flatten().flatten();
        let filled = filled.filter(|worker| std::fs::read_dir(worker.path()).is_ok_and(|mut all| all.next().is_some()));
        if filled.count() == 2 {
            return workers(engine);
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn workers(engine: &Engine) -> Vec<Pid> {
    let host = engine.info().host_pid;
    let list = std::fs::read_to_string(format!("/proc/{host}/task/{host}/children")).unwrap_or_default();
    list.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect()
}

/// What the host has, and what each worker has of its own beside it.
fn memory(engine: &Engine) -> Result<(), Failure> {
    let megabytes = |pid: u32, field: &str| -> Result<f64, Failure> {
        let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
        let line = rollup.lines().filter(|line| line.starts_with(field));
        let kib: f64 = line.filter_map(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok()).sum();
        Ok(kib / 1024.0)
    };
    println!("the host: {:.0} MiB resident", megabytes(engine.info().host_pid, "Rss")?);
    for worker in workers(engine) {
        let pid = worker.as_raw_nonzero().get().unsigned_abs();
        println!("a worker: {:.1} MiB of its own", megabytes(pid, "Private_Dirty")?);
    }
    Ok(())
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
