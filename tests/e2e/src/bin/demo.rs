//! The demo: fills two buckets with real files, runs a job over them as a person would, and holds its report against the
//! verdicts that were written down beforehand. `make demo` starts and stops the cloud around it.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, bail, ensure};
use lazaret_e2e::cloud::Cloud;
use lazaret_e2e::corpus::{self, Expected, Specimen};
use lazaret_e2e::{check, cli, leftovers};
use tokio::process::Command;

const UPLOADS: &str = "demo-uploads";
const ARCHIVE: &str = "demo-archive";
/// Ordinary files of this machine, shared out over both buckets.
const SYSTEM_FILES: usize = 3_000;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let folder =
        PathBuf::from(std::env::args_os().nth(1).context("usage: lazaret-demo FOLDER, where the report goes")?);
    std::fs::create_dir_all(&folder)?;
    let cloud = Cloud::from_env().await?;

    say_which_definitions();
    let (uploads, archive, from) = fill(&cloud).await?;
    let buckets = [(UPLOADS, uploads.as_slice()), (ARCHIVE, archive.as_slice())];
    let written_down = folder.join("expected.jsonl");
    write_down(&written_down, &buckets)?;
    println!("Expected verdicts, written down before the job runs: {}\n", written_down.display());

    let job_id = format!("demo-{}", jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ"));
    run_job(&job_id, &from).await?;
    compare(&cloud, &job_id, &buckets).await?;

    let html = folder.join("report.html");
    let html_text = html.to_str().context("the folder's name is UTF-8")?;
    let run = cli::lazaret(&["report", &job_id, "--html", html_text]).await?;
    ensure!(run.code == 0 || run.code == 1, "`lazaret report --html` ended with {}: {}", run.code, run.stderr);
    println!("\nThe HTML report: {}", html.display());
    Ok(())
}

fn say_which_definitions() {
    if std::env::var("LAZARET_TEST_DEFINITIONS").is_ok_and(|value| value == "1") {
        println!(
            "Definitions: a small set made for this demo. It knows EICAR and Debian's clamav-testfiles AND NOTHING ELSE."
        );
        println!("Set LAZARET_DEFINITIONS_DIR to a folder that freshclam filled to scan for real malware.\n");
    }
}

/// Fills both buckets. Returns what is in them, and where the job's window begins.
async fn fill(cloud: &Cloud) -> anyhow::Result<(Vec<Specimen>, Vec<Specimen>, String)> {
    cloud.fresh_bucket(UPLOADS, false).await?;
    cloud.fresh_bucket(ARCHIVE, true).await?;
    let old = Specimen::new("old/before-the-window.com", corpus::eicar(), Expected::OutsideWindow);
    let from = cloud.put_before_window(UPLOADS, &old).await?;

    let mut uploads = corpus::system_files(SYSTEM_FILES)?;
    let mut archive = uploads.split_off(uploads.len() / 2);
    let infected = corpus::infected()?;
    archive.extend(infected.iter().step_by(3).cloned());
    uploads.extend(infected);
    uploads.extend(corpus::odd()?);
    println!("Filling s3://{UPLOADS} with {} objects and s3://{ARCHIVE} with {} …", uploads.len() + 1, archive.len());
    cloud.fill(UPLOADS, &uploads).await?;
    cloud.fill(ARCHIVE, &archive).await?;
    uploads.push(old);
    Ok((uploads, archive, from.to_string()))
}

fn write_down(path: &Path, buckets: &[(&str, &[Specimen])]) -> anyhow::Result<()> {
    let mut lines = String::new();
    for (bucket, specimens) in buckets {
        for specimen in *specimens {
            let (result, reason) = specimen.expected.row().unwrap_or(("outside the window", None));
            let line = serde_json::json!({"bucket": bucket, "key": specimen.key, "result": result, "reason": reason});
            lines.push_str(&line.to_string());
            lines.push('\n');
        }
    }
    Ok(std::fs::write(path, lines)?)
}

/// Runs `lazaret` with this terminal, so that its progress is seen.
async fn run_job(job_id: &str, from: &str) -> anyhow::Result<()> {
    let arguments =
        ["job", "start", "--id", job_id, "--bucket", UPLOADS, "--bucket", ARCHIVE, "--from", from, "--wait"];
    println!("$ lazaret {}", arguments.join(" "));
    let status = Command::new("lazaret").args(arguments).stdin(Stdio::null()).status().await?;
    match status.code() {
        Some(1) => Ok(()),
        Some(0) => bail!("the job found nothing infected, and there are infected objects"),
        code => bail!("the job ended with {code:?}"),
    }
}

async fn compare(cloud: &Cloud, job_id: &str, buckets: &[(&str, &[Specimen])]) -> anyhow::Result<()> {
    let report = cli::whole_report(job_id).await?;
    check::totals_add_up(&report)?;
    let differences = check::differences(&report, buckets);
    for difference in differences.iter().take(20) {
        eprintln!("  {difference}");
    }
    ensure!(differences.is_empty(), "{} verdicts differ from what was written down", differences.len());
    let infected = |specimens: &[Specimen]| specimens.iter().filter(|s| s.expected == Expected::Infected).count();
    let expected: usize = buckets.iter().map(|(_, specimens)| infected(specimens)).sum();
    let mut quarantined = 0;
    for (bucket, specimens) in buckets {
        quarantined += cloud.quarantined(bucket).await?.len();
        let kept = cloud.keys(bucket, "").await?;
        let left = specimens.iter().filter(|s| s.expected == Expected::Infected && kept.contains_key(&s.key)).count();
        ensure!(left == 0, "{left} infected objects are still in {bucket}");
    }
    ensure!(quarantined == expected, "{quarantined} objects in quarantine, {expected} expected");
    leftovers::none_of_job(cloud, job_id).await?;
    println!("\nEvery one of the {} verdicts is the one that was written down.", report["totals"]["inWindow"]);
    println!("{expected} infected objects stand in s3://{}; none is left where it was.", cloud.quarantine_bucket);
    println!("No queue, task or temporary object of the job is left.");
    Ok(())
}
