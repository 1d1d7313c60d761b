//! `lazaret schedule create`: has jobs started in time.

use anyhow::{Context, bail};
use jiff::Timestamp;
use lazaret_aws::scheduler::Scheduled;
use lazaret_model::BucketScope;
use lazaret_model::job::TARGET_MINUTES;
use lazaret_schedules::definition::{DUE, SETTLE_SECONDS};
use lazaret_schedules::every::expression;
use lazaret_schedules::{Call, Definition, Overlap, ScheduleName, Takes, World};
use serde_json::json;

use crate::cloud::Cloud;
use crate::console::Console;
use crate::moment;
use crate::outcome::Outcome;
use crate::schedule;
use crate::scope_args::{LimitArgs, check_buckets};

/// What each run scans.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ScopeArg {
    /// Everything, every time
    All,
    /// What has appeared since the last complete run; at first everything
    New,
}

/// What becomes of a run that is due while the one before is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum OverlapArg {
    /// It does not take place
    Refuse,
    /// It follows at once
    Queue,
}

/// Create a schedule: a job over buckets, again and again
#[derive(Debug, Clone, clap::Args)]
pub struct CreateArgs {
    /// Its name: up to 32 letters, digits, `-` and `_`
    pub name: String,
    /// A bucket, or the part of it below a prefix; may be given several times
    #[arg(long = "bucket", value_name = "NAME[/PREFIX]", required = true, num_args = 1..)]
    pub buckets: Vec<String>,
    /// hourly, daily, weekly, monthly, quarterly or yearly (at four in the morning), rate(12 hours), or cron(0 22 ? * MON-FRI *)
    #[arg(long, value_name = "PERIOD")]
    pub every: String,
    /// The zone of these times, Europe/Berlin
    #[arg(long, value_name = "TZ", default_value = "UTC")]
    pub timezone: String,
    /// What each run scans
    #[arg(long, value_enum, default_value_t = ScopeArg::New)]
    pub scope: ScopeArg,
    /// A run that is due while the one before is under way
    #[arg(long, value_enum, default_value_t = OverlapArg::Refuse)]
    pub overlap: OverlapArg,
    /// Where the first run of `new` begins, written as for `job start` [default: the beginning]
    #[arg(long, value_name = "T")]
    pub from: Option<String>,
    /// How old an object must be for a run of `new`, in seconds: longer than its upload took
    #[arg(long, value_name = "N", default_value_t = SETTLE_SECONDS)]
    pub settle_seconds: u32,
    /// Minutes that each job should take
    #[arg(long, value_name = "N", default_value_t = TARGET_MINUTES)]
    pub target_minutes: u32,
    #[command(flatten)]
    pub limits: LimitArgs,
    /// A text for people
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub description: String,
    /// Create it without starting anything: `schedule enable` does
    #[arg(long)]
    pub disabled: bool,
    /// Print one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// # Errors
/// If something of it can't be meant, a bucket is missing, or there is one of that name.
pub async fn run(cloud: &Cloud, args: &CreateArgs, console: &mut Console) -> anyhow::Result<Outcome> {
    let now = Timestamp::now();
    let name: ScheduleName = args.name.parse()?;
    let definition = definition(args, now)?;
    let job = definition.check(&name, now)?;
    let zone = |c: char| c.is_ascii_alphanumeric() || "_+-/".contains(c);
    if args.timezone.is_empty() || !args.timezone.chars().all(zone) {
        bail!("`{}` is no time zone: write one like Europe/Berlin, or UTC", args.timezone.escape_default());
    }
    let expression = expression(&args.every)?;
    check_buckets(cloud.store.as_ref(), &job, console).await?;
    let call = Call { schedule: name.clone(), definition, due: Some(DUE.to_owned()) };
    let scheduled = Scheduled {
        name: name.to_string(),
        expression,
        timezone: args.timezone.clone(),
        description: args.description.clone(),
        enabled: !args.disabled,
        input: serde_json::to_string(&call).context("writing what the schedule calls with")?,
    };
    if !cloud.scheduler.create(&scheduled).await.context("the schedule was not created")? {
        bail!("there is a schedule `{name}` already: delete it first, or choose another name");
    }
    if args.json {
        console.json(&json!({"name": name, "expression": scheduled.expression, "timezone": scheduled.timezone}))?;
        return Ok(Outcome::NothingFound);
    }
    let state = if args.disabled { ", disabled" } else { "" };
    console.text(&format!("Created schedule {name}: {} ({}){state}", scheduled.expression, scheduled.timezone))?;
    // one of that name was deleted with its marks kept, or with its stack; who may not read it is not told
    if let Ok(Some((before, _))) = cloud.schedule_world().read(&name).await
        && let Some(oldest) = before.marks.values().map(|mark| mark.to).min()
    {
        console.text(&format!(
            "One of that name ran before: where it scanned the same, `new` begins at its marks, from {} on.",
            schedule::time(oldest)
        ))?;
    }
    Ok(Outcome::NothingFound)
}

fn definition(args: &CreateArgs, now: Timestamp) -> anyhow::Result<Definition> {
    let from = args.from.as_deref().map(|text| moment::parse(text, now)).transpose()?;
    let takes = match args.scope {
        ScopeArg::All => Takes::All,
        ScopeArg::New => Takes::New,
    };
    if takes == Takes::All && from.is_some() {
        bail!("--from is where `new` begins: with --scope all every run scans everything");
    }
    Ok(Definition {
        buckets: args.buckets.iter().map(|bucket| BucketScope::parse(bucket)).collect(),
        takes,
        overlap: match args.overlap {
            OverlapArg::Refuse => Overlap::Refuse,
            OverlapArg::Queue => Overlap::Queue,
        },
        // marks are whole seconds
        from: from.map(|from| Timestamp::from_second(from.as_second())).transpose()?,
        target_minutes: args.target_minutes,
        limits: args.limits.limits(),
        settle_seconds: args.settle_seconds,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::{schedule_delete, schedule_enable, schedule_list, schedule_run_now, schedule_show};
    use crate::testing::Lab;

    fn args(name: &str) -> CreateArgs {
        CreateArgs {
            name: name.into(),
            buckets: vec!["cargo".into()],
            every: "daily".into(),
            timezone: "Europe/Berlin".into(),
            scope: ScopeArg::New,
            overlap: OverlapArg::Refuse,
            from: None,
            settle_seconds: 60,
            target_minutes: 60,
            limits: LimitArgs::default(),
            description: "the \u{1b}[31mnight".into(),
            disabled: false,
            json: false,
        }
    }

    async fn created(names: &[&str]) -> Lab {
        let lab = Lab::new();
        lab.store.create_bucket("cargo", false);
        for name in names {
            run(&lab.cloud(), &args(name), &mut lab.console()).await.expect("created");
        }
        lab
    }

    fn run_now(name: &str) -> schedule_run_now::RunNowArgs {
        schedule_run_now::RunNowArgs { name: name.into(), json: true }
    }

    #[tokio::test]
    async fn what_can_not_be_meant_creates_nothing() {
        let lab = created(&["nightly"]).await;
        for (wrong, says) in [
            (CreateArgs { name: "a b".into(), ..args("x") }, "is not the name of a schedule"),
            (CreateArgs { every: "fortnightly".into(), ..args("x") }, "is no period"),
            (CreateArgs { timezone: "Berlin;".into(), ..args("x") }, "is no time zone"),
            (CreateArgs { buckets: vec!["no-such".into()], ..args("x") }, "bucket `no-such` does not exist"),
            (CreateArgs { buckets: vec!["cargo".into(), "cargo/a".into()], ..args("x") }, "overlap"),
            (CreateArgs { from: Some("1d".into()), scope: ScopeArg::All, ..args("x") }, "--from is where"),
            (CreateArgs { from: Some("2100-01-01".into()), ..args("x") }, "the window is empty"),
            (args("nightly"), "there is a schedule `nightly` already"),
        ] {
            let error = run(&lab.cloud(), &wrong, &mut lab.console()).await.expect_err(says);
            assert!(error.to_string().contains(says), "{error}");
        }
        assert_eq!(lab.cloud().scheduler.list().await.expect("a list"), ["nightly"]);
    }

    #[tokio::test]
    async fn it_is_listed_and_shown_switched_off_and_on_and_deleted() {
        let lab = created(&["nightly", "archive"]).await;
        let cloud = lab.cloud();
        lab.out.take();
        schedule_list::run(&cloud, &schedule_list::ListArgs { json: false }, &mut lab.console()).await.expect("a list");
        let text = lab.out.take();
        assert!(text.find("archive").expect("one") < text.find("nightly").expect("two"), "{text}");
        assert!(text.contains("cron(0 4 * * ? *)") && text.contains("Europe/Berlin"), "{text}");

        let enable = |name: &str| schedule_enable::NameArgs { name: name.into(), json: true };
        schedule_enable::disable(&cloud, &enable("nightly"), &mut lab.console()).await.expect("disabled");
        lab.out.take();
        let show = |json| schedule_show::ShowArgs { name: "nightly".into(), json };
        schedule_show::run(&cloud, &show(true), &mut lab.console()).await.expect("shown");
        let shown = lab.json();
        assert_eq!((&shown["enabled"], &shown["definition"]["scope"]), (&json!(false), &json!("new")));
        schedule_enable::enable(&cloud, &enable("nightly"), &mut lab.console()).await.expect("enabled");
        lab.out.take();
        schedule_show::run(&cloud, &show(false), &mut lab.console()).await.expect("shown");
        let text = lab.out.take();
        assert!(text.contains("Schedule     nightly, enabled") && text.contains("Next from    2006-03-14"), "{text}");
        assert!(!text.contains('\u{1b}'), "{text:?}");

        // somebody else's in our group is not listed, and says why it is not shown
        let foreign = Scheduled {
            name: "foreign".into(),
            input: "{}".into(),
            ..cloud.scheduler.get("nightly").await.expect("asked").expect("there")
        };
        assert!(cloud.scheduler.create(&foreign).await.expect("created"));
        schedule_list::run(&cloud, &schedule_list::ListArgs { json: true }, &mut lab.console()).await.expect("a list");
        assert_eq!(lab.json()["schedules"].as_array().expect("schedules").len(), 2);
        let args = schedule_show::ShowArgs { name: "foreign".into(), json: true };
        let error = schedule_show::run(&cloud, &args, &mut lab.console()).await.expect_err("foreign").to_string();
        assert!(error.contains("does not call Lazaret"), "{error}");

        let delete = schedule_delete::DeleteArgs { name: "nightly".into(), keep_marks: false, json: true };
        schedule_delete::run(&cloud, &delete, &mut lab.console()).await.expect("deleted");
        for error in [
            schedule_show::run(&cloud, &show(true), &mut lab.console()).await,
            schedule_delete::run(&cloud, &delete, &mut lab.console()).await,
            schedule_enable::enable(&cloud, &enable("nightly"), &mut lab.console()).await,
            schedule_run_now::run(&cloud, &run_now("nightly"), &mut lab.console()).await,
        ] {
            assert!(error.expect_err("gone").to_string().contains("no schedule `nightly`"));
        }
    }

    #[tokio::test]
    async fn a_run_can_be_asked_for_and_is_refused_beside_another() {
        let lab = created(&["nightly"]).await;
        let cloud = lab.cloud();
        lab.out.take();
        schedule_run_now::run(&cloud, &run_now("nightly"), &mut lab.console()).await.expect("started");
        let job = lab.json()["jobId"].as_str().expect("a job").to_owned();
        let execution = cloud.executions.describe(&job).await.expect("known").expect("there");
        assert_eq!(execution.input.expect("an input")["source"], "schedule/nightly");
        let error = schedule_run_now::run(&cloud, &run_now("nightly"), &mut lab.console()).await.expect_err("one");
        assert!(error.to_string().contains(&job), "{error}");

        // deleted with its marks, it begins anew; the state goes with it
        assert!(lab.store.exists("results", "schedules/nightly/state.json"));
        let delete = |keep_marks| schedule_delete::DeleteArgs { name: "nightly".into(), keep_marks, json: true };
        schedule_delete::run(&cloud, &delete(true), &mut lab.console()).await.expect("deleted");
        assert!(lab.store.exists("results", "schedules/nightly/state.json"));
        run(&cloud, &args("nightly"), &mut lab.console()).await.expect("created again");
        schedule_delete::run(&cloud, &delete(false), &mut lab.console()).await.expect("deleted");
        assert!(lab.store.keys("results", "schedules/").is_empty());
    }
}
