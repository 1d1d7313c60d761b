//! `lazaret bucket protect`: from now on a bucket's new objects are scanned as they arrive.

use anyhow::{Context, bail};
use clap::ValueEnum;
use jiff::Timestamp;
use lazaret_model::policy::{Announce, InfectedAction, ProtectedBy, Via};
use lazaret_protection::activation::{Activation, SETTLE_SECONDS};
use lazaret_protection::check::parse_destination;
use lazaret_protection::{Flow, Protected, Wish, protect};
use serde_json::json;

use crate::cloud::Cloud;
use crate::console::Console;
use crate::outcome::Outcome;
use crate::{moment, protection_text};

/// Protect a bucket, or change how it is protected
///
/// What is not said stays as it is, or is the default.
#[derive(Debug, Clone, clap::Args)]
pub struct ProtectArgs {
    /// The bucket
    #[arg(value_name = "NAME")]
    pub name: String,
    /// The time of `--scan-existing since T`
    #[arg(value_name = "T", hide = true)]
    pub since: Option<String>,
    /// Make it a staging bucket: clean objects are promoted to DEST, with PREFIX before their keys, and deleted here
    #[arg(long, value_name = "DEST[/PREFIX]")]
    pub two_bucket: Option<String>,
    /// Clean objects stay where they are [default of a bucket that is not protected yet]
    #[arg(long, conflicts_with = "two_bucket")]
    pub standard: bool,
    /// What is done with infected objects [default: move]
    #[arg(long, value_enum)]
    pub infected: Option<Infected>,
    /// Scan only keys that match; `*` stands for any characters, `?` for one; may be given several times; `*` alone is every key
    #[arg(long, value_name = "PATTERN")]
    pub include: Option<Vec<String>>,
    /// Do not scan keys that match; may be given several times; an empty one takes back what was given before
    #[arg(long, value_name = "PATTERN")]
    pub exclude: Option<Vec<String>>,
    /// Which verdicts are announced on EventBridge and SNS [default: all]
    #[arg(long, value_enum)]
    pub announce: Option<Announced>,
    /// How its events come [default: sns]; eventbridge is for buckets whose own rules leave no room for one of ours
    #[arg(long, value_enum)]
    pub via: Option<Way>,
    /// What of the objects that it holds already is scanned, by a job: all, none, or `since T` with T as for `job start`
    /// [default: all if it was not protected so far, else none]
    #[arg(long, value_name = "all|since T|none")]
    pub scan_existing: Option<String>,
    /// From the moment that its events are switched on to the end of that job's window: S3 may take minutes
    #[arg(long, value_name = "N", env = "LAZARET_ACTIVATION_SETTLE_SECONDS", hide_env_values = true, default_value_t = SETTLE_SECONDS)]
    pub settle_seconds: u64,
    /// Print one line of JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Infected {
    /// To the quarantine bucket
    Move,
    /// The version that was scanned, for good
    Delete,
    /// Tag them, and leave them
    Keep,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Announced {
    All,
    /// Everything but Clean
    Findings,
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Way {
    /// By a rule in its notification configuration
    Sns,
    /// By its delivery to EventBridge
    Eventbridge,
}

/// What of the objects that are there is scanned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Existing {
    /// Where its events were off.
    Unsaid,
    All,
    Since(Timestamp),
    None,
}

impl Existing {
    fn read(args: &ProtectArgs, now: Timestamp) -> anyhow::Result<Self> {
        let spelled = args.scan_existing.as_deref().map(str::trim);
        let joined =
            spelled.and_then(|text| text.strip_prefix("since")).map(|rest| rest.trim_start_matches('=').trim());
        match (spelled, joined, &args.since) {
            (None, _, None) => Ok(Self::Unsaid),
            (Some("all"), _, None) => Ok(Self::All),
            (Some("none"), _, None) => Ok(Self::None),
            (_, Some(""), Some(time)) => Ok(Self::Since(moment::parse(time, now)?)),
            (_, Some(time), None) if !time.is_empty() => Ok(Self::Since(moment::parse(time, now)?)),
            (_, Some(""), None) => bail!("`--scan-existing since` wants a time behind it: --scan-existing since 7d"),
            (_, _, Some(more)) => bail!("one bucket at a time: what is `{more}`?"),
            (Some(other), ..) => bail!("`--scan-existing {other}` is unknown: write all, none or since T"),
        }
    }

    /// From when on, if at all.
    fn window(self, activated: bool) -> Option<Option<Timestamp>> {
        match self {
            Self::All => Some(None),
            Self::Since(from) => Some(Some(from)),
            Self::Unsaid if activated => Some(None),
            Self::Unsaid | Self::None => None,
        }
    }
}

/// # Errors
/// If something stands against it, with nothing changed; or if the job over what is there could not be started.
pub async fn run(cloud: &Cloud, args: &ProtectArgs, console: &mut Console) -> anyhow::Result<Outcome> {
    let site = cloud.site()?;
    let now = Timestamp::now();
    let existing = Existing::read(args, now)?;
    // a window that is none is refused before anything is changed
    if let Some(from) = existing.window(true) {
        Activation::new(&args.name, from, now, args.settle_seconds)?;
    }
    // whether it is there only its owner may ask; S3 finds out in any case
    if let Ok(false) = cloud.topics.exists(site.topic.as_str()).await {
        bail!(
            "the topic {} does not exist: deploy the stack `lazaret-events`, or set LAZARET_EVENTS_TOPIC_ARN",
            site.topic
        );
    }
    let protected = protect(&site, &wish(args)?, now).await?;
    let job = match existing.window(protected.activated) {
        Some(from) => {
            let job = Activation::new(&args.name, from, Timestamp::now(), args.settle_seconds)?;
            job.start(&site).await?;
            Some(job)
        }
        None => None,
    };
    if job.is_none() && protected.activated {
        console.note(&format!(
            "Warning: what bucket `{0}` holds already is not scanned, and no event will tell of it: lazaret job start --bucket {0}",
            args.name
        ))?;
    }
    if args.json {
        let job = job.map(|job| json!({"jobId": job.job_id, "until": job.until, "input": job.input}));
        console.json(&json!({
            "bucket": protected.bucket, "activated": protected.activated, "policy": protected.policy, "job": job,
        }))?;
    } else {
        console.text(&text(&protected, job.as_ref()))?;
    }
    Ok(Outcome::NothingFound)
}

fn wish(args: &ProtectArgs) -> anyhow::Result<Wish> {
    let flow = match &args.two_bucket {
        Some(to) => Some(Flow::TwoBucket(parse_destination(to).context("--two-bucket")?)),
        None => args.standard.then_some(Flow::Standard),
    };
    Ok(Wish {
        flow,
        infected: args.infected.map(|infected| match infected {
            Infected::Move => InfectedAction::Move,
            Infected::Delete => InfectedAction::Delete,
            Infected::Keep => InfectedAction::Keep,
        }),
        include: args.include.clone(),
        skip: args.exclude.clone(),
        announce: args.announce.map(|announced| match announced {
            Announced::All => Announce::All,
            Announced::Findings => Announce::Findings,
            Announced::None => Announce::None,
        }),
        via: args.via.map(|way| match way {
            Way::Sns => Via::Sns,
            Way::Eventbridge => Via::EventBridge,
        }),
        ..Wish::new(&args.name, ProtectedBy::Command)
    })
}

fn text(protected: &Protected, job: Option<&Activation>) -> String {
    let Protected { bucket, policy, protection, .. } = protected;
    let mut lines = vec![format!("Bucket {bucket} is protected: new objects are scanned as they arrive.")];
    lines.extend(protection_text::settings(policy, protection));
    if !protected.keys.is_empty() {
        lines.push(format!("  S3 tells of           {}", protected.keys.join(", ")));
    }
    if let Some(job) = job {
        lines.push(format!(
            "Job {0} scans what it holds already. It begins at {1}, since S3 may take until then to tell of new objects.\nWatch it: lazaret job wait {0}",
            job.job_id,
            job.until.strftime("%Y-%m-%d %H:%M:%SZ")
        ));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use lazaret_aws::Executions;
    use lazaret_model::{Policies, layout};

    use super::*;
    use crate::args::{BucketCommand, Cli, Command};
    use crate::testing::{Lab, RESULTS, TOPIC};

    fn args(line: &str) -> ProtectArgs {
        let line = format!("lazaret bucket protect {line}");
        let cli = Cli::try_parse_from(line.split(' ')).expect("a command line");
        let Command::Bucket(BucketCommand::Protect(args)) = cli.command else { panic!("another command") };
        args
    }

    fn lab() -> Lab {
        let lab = Lab::new();
        lab.store.create_bucket("uploads", false);
        lab.store.create_bucket("staging", true);
        lab.store.create_bucket("production", false);
        lab
    }

    fn policies(lab: &Lab) -> Policies {
        let stored = lab.store.bytes(RESULTS, layout::POLICIES_KEY);
        stored.map(|bytes| serde_json::from_slice(&bytes).expect("policies")).unwrap_or_default()
    }

    async fn jobs(lab: &Lab) -> usize {
        lab.executions.list(10).await.expect("listed").len()
    }

    #[tokio::test]
    async fn a_bucket_is_protected_and_what_it_holds_is_scanned() {
        let lab = lab();
        let line = "staging --two-bucket production/in/ --infected keep --include a/* --include b/* --exclude *.log --announce findings --json";
        run(&lab.cloud(), &args(line), &mut lab.console()).await.expect("protected");
        let printed = lab.json();
        assert_eq!((&printed["bucket"], &printed["activated"]), (&json!("staging"), &json!(true)));
        assert_eq!(printed["policy"], json!(policies(&lab).buckets["staging"]));
        let id = printed["job"]["jobId"].as_str().expect("a job");
        let input = lab.executions.describe(id).await.expect("asked").expect("there").input.expect("its input");
        assert_eq!((&input, &input["source"]), (&printed["job"]["input"], &json!("activation")));
        assert_eq!(lab.buckets.notifications_of("staging").topics.len(), 2);

        run(&lab.cloud(), &args("staging --settle-seconds 10"), &mut lab.console()).await.expect("again");
        let text = lab.out.take();
        for words in
            ["promoted to s3://production/in/", "tagged, and left", "`a/*`, `b/*`", "`*.log`", "keys `a/*`", "findings"]
        {
            assert!(text.contains(words), "{words}: {text}");
        }
        assert!(!text.contains("Job"), "its events were on: {text}");
        assert_eq!((jobs(&lab).await, lab.err.text().as_str()), (1, ""));
    }

    #[tokio::test]
    async fn what_is_scanned_of_what_is_there_can_be_said() {
        for (line, from, started) in [
            ("uploads --scan-existing all --json", Some("2006-03-14T00:00:00Z"), 1),
            ("uploads --json --scan-existing since 2026-01-31", Some("2026-01-31T00:00:00Z"), 1),
            ("uploads --scan-existing since=2026-01-31 --json", Some("2026-01-31T00:00:00Z"), 1),
            ("uploads --scan-existing none --json", None, 0),
        ] {
            let lab = lab();
            run(&lab.cloud(), &args(line), &mut lab.console()).await.expect("protected");
            assert_eq!(lab.json()["job"]["input"]["window"]["from"].as_str(), from, "{line}");
            assert_eq!(jobs(&lab).await, started, "{line}");
            assert_eq!(
                lab.err.text().contains("Warning: what bucket `uploads` holds already is not scanned"),
                started == 0
            );
        }
    }

    #[tokio::test]
    async fn a_line_that_means_nothing_changes_nothing() {
        let lab = lab();
        for (line, words) in [
            ("uploads --scan-existing some", "write all, none or since T"),
            ("uploads --scan-existing since", "wants a time"),
            ("uploads --scan-existing since never", "`never` is not a time"),
            ("uploads other", "what is `other`?"),
            ("uploads --scan-existing since 2999-01-01", "window is empty"),
            ("uploads --settle-seconds 90000", "lies in the future"),
            ("staging --two-bucket No_Bucket", "DEST/PREFIX"),
            ("uploads --two-bucket production", "put-bucket-versioning"),
            ("none-such", "does not exist"),
        ] {
            let error = run(&lab.cloud(), &args(line), &mut lab.console()).await.expect_err(line);
            assert!(format!("{error:#}").contains(words), "{line}: {error:#}");
        }
        assert_eq!((policies(&lab), jobs(&lab).await), (Policies::default(), 0));
        assert!(Cli::try_parse_from("lazaret bucket protect a --standard --two-bucket b".split(' ')).is_err());
    }

    #[tokio::test]
    async fn without_the_topic_it_says_what_to_deploy() {
        let lab = lab();
        lab.topics.remove(TOPIC);
        let error = run(&lab.cloud(), &args("uploads"), &mut lab.console()).await.expect_err("no topic").to_string();
        assert!(error.contains(TOPIC) && error.contains("`lazaret-events`"), "{error}");
    }
}
