//! What the API costs beside clamd: the same files, definitions and machine, as many at a time, in one run.
//!
//! `bench-api DEFINITIONS_DIR [RUNS [CORPUS]]`: see `bench/README.md`. Prints a table, one line a size. The server is the program as it is
//! deployed, the file comes as a form over a kept connection with a token that is checked each time; clamd gets it by INSTREAM over a Unix
//! socket. All files of a size go through the one, then through the other, in turns, and the figure is the median of the runs' ratios.

#[path = "../../tests/common/mod.rs"]
mod common;

mod clamd;
#[path = "../../../workers/engine/examples/bench/contents.rs"]
mod contents;
mod corpus;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use clamd::Clamd;
use common::client::{Connection, multipart};
use common::cognito::good_token;
use common::processes::processor_seconds;
use common::program::{Program, eicar};
use corpus::{CORPORA, Corpus};
use futures::future::try_join_all;

/// Scans at a time: of the engine's workers, and of clamd's threads.
const WORKERS: usize = 2;
/// Files under way at a time: as many again wait.
const CLIENTS: usize = 4;

type Failure = Box<dyn std::error::Error>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args_os().skip(1);
    let Some(definitions) = arguments.next() else {
        return Err("usage: bench-api DEFINITIONS_DIR [RUNS [CORPUS]]".into());
    };
    let definitions = std::fs::canonicalize(definitions)?;
    let runs: usize = arguments.next().map_or(Ok(5), |runs| runs.to_string_lossy().parse())?;
    let named = arguments.next().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();

    let begun = Instant::now();
    let clamd = Clamd::start(&definitions, WORKERS).await?;
    println!("clamd is ready after {:.1} s", begun.elapsed().as_secs_f64());
    let begun = Instant::now();
    let program = server(&definitions).await?;
    println!("the API is ready after {:.1} s", begun.elapsed().as_secs_f64());
    let bench = Bench { clamd, program, token: good_token() };
    bench.check().await?;
    println!("seed {}, {runs} runs, {CLIENTS} clients, {WORKERS} workers and threads", contents::SEED);
    for corpus in CORPORA.iter().filter(|corpus| corpus.name.contains(&named)) {
        bench.measure(corpus, runs).await?;
    }
    Ok(())
}

async fn server(definitions: &Path) -> Result<Program, Failure> {
    let this = std::env::current_exe()?;
    let programs = this.ancestors().nth(2).ok_or("target/debug/examples/bench-api")?;
    // the same files come again and again: a cache of verdicts would answer in the engine's place
    let settings = [("LAZARET_VERDICT_CACHE_ENTRIES", "0"), ("LAZARET_SCAN_WORKERS", &WORKERS.to_string())];
    Ok(Program::start_in(tempfile::tempdir()?, programs, definitions, &settings).await)
}

/// Both, side by side.
struct Bench {
    clamd: Clamd,
    program: Program,
    token: String,
}

/// One run over all files of a size.
struct Run {
    elapsed: Duration,
    /// Of the server and all below it.
    processor_seconds: f64,
    /// Of each file.
    latencies: Vec<Duration>,
}

impl Bench {
    /// Both know the same definitions.
    async fn check(&self) -> Result<(), Failure> {
        let said = self.clamd.ask(&Clamd::command(&eicar())).await?;
        let mut connection = Connection::open(self.program.address).await?;
        let reply = connection.exchange(&[&self.request(&eicar())]).await?;
        if said.ends_with("FOUND") && reply.json()["result"] == "Infected" {
            return Ok(());
        }
        Err(format!("EICAR: clamd says {said}, the API {reply:?}").into())
    }

    async fn measure(&self, corpus: &Corpus, runs: usize) -> Result<(), Failure> {
        let contents = corpus.contents()?;
        let commands: Vec<Vec<u8>> = contents.iter().map(|content| Clamd::command(content)).collect();
        let requests: Vec<Vec<u8>> = contents.iter().map(|content| self.request(content)).collect();
        let mut pairs = Vec::new();
        for run in 0..=runs {
            // whoever goes first has the colder machine
            let pair = if run % 2 == 0 {
                let clamd = self.through_clamd(&commands).await?;
                (clamd, self.through_api(&requests).await?)
            } else {
                let api = self.through_api(&requests).await?;
                (self.through_clamd(&commands).await?, api)
            };
            // the first is for caches and pages
            if run > 0 {
                pairs.push(pair);
            }
        }
        report(corpus, &pairs);
        Ok(())
    }

    fn request(&self, content: &[u8]) -> Vec<u8> {
        let (content_type, body) = multipart(&[("my_file", content)]);
        let (token, length) = (&self.token, body.len());
        let head = format!(
            "POST /api/Scan HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\nContent-Type: {content_type}\r\n\
             Content-Length: {length}\r\n\r\n"
        );
        [head.as_bytes(), &body].concat()
    }

    async fn through_clamd(&self, commands: &[Vec<u8>]) -> Result<Run, Failure> {
        let next = AtomicUsize::new(0);
        run(self.clamd.process(), async || {
            let mut latencies = Vec::new();
            while let Some(command) = commands.get(next.fetch_add(1, Ordering::Relaxed)) {
                let begun = Instant::now();
                let said = self.clamd.ask(command).await?;
                latencies.push(begun.elapsed());
                if said != "stream: OK" {
                    return Err(format!("clamd says {said}").into());
                }
            }
            Ok(latencies)
        })
        .await
    }

    async fn through_api(&self, requests: &[Vec<u8>]) -> Result<Run, Failure> {
        let next = AtomicUsize::new(0);
        run(self.program.child.id(), async || {
            let mut latencies = Vec::new();
            let mut connection = Connection::open(self.program.address).await?;
            while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
                let begun = Instant::now();
                let reply = connection.exchange(&[request]).await?;
                latencies.push(begun.elapsed());
                if reply.status != 200 || reply.json()["result"] != "Clean" {
                    return Err(format!("the API says {reply:?}").into());
                }
            }
            Ok(latencies)
        })
        .await
    }
}

/// As many clients as there are, each with one file after another.
async fn run(server: u32, client: impl AsyncFn() -> Result<Vec<Duration>, Failure>) -> Result<Run, Failure> {
    let (begun, before) = (Instant::now(), processor_seconds(server));
    let latencies = try_join_all((0..CLIENTS).map(|_| client())).await?.concat();
    let elapsed = begun.elapsed();
    Ok(Run { elapsed, processor_seconds: processor_seconds(server) - before, latencies })
}

fn report(corpus: &Corpus, pairs: &[(Run, Run)]) {
    let ratio = |of: &dyn Fn(&Run) -> f64| median(pairs.iter().map(|(clamd, api)| of(clamd) / of(api)).collect());
    let per_second = |elapsed: f64| corpus.files as f64 / elapsed;
    let [clamd, api] = [0, 1].map(|side| {
        let runs = || pairs.iter().map(move |(clamd, api)| [clamd, api][side]);
        let elapsed = median(runs().map(|run| run.elapsed.as_secs_f64()).collect());
        (per_second(elapsed), p99(runs().flat_map(|run| run.latencies.iter().copied()).collect()) * 1e3)
    });
    println!(
        "{:<8} {:>4} files  clamd {:>7.1} files/s, p99 {:>7.1} ms  API {:>7.1} files/s, p99 {:>7.1} ms  throughput {:.3}  p99 {:.3}  processor {:.3}",
        corpus.name,
        corpus.files,
        clamd.0,
        clamd.1,
        api.0,
        api.1,
        ratio(&|run| run.elapsed.as_secs_f64()),
        1.0 / ratio(&|run| p99(run.latencies.clone())),
        1.0 / ratio(&|run| run.processor_seconds),
    );
}

/// In seconds: 99 of a hundred took no longer.
fn p99(mut latencies: Vec<Duration>) -> f64 {
    latencies.sort_unstable();
    latencies[(latencies.len() * 99).div_ceil(100) - 1].as_secs_f64()
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
