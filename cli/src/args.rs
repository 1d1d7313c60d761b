//! The command line.

use clap::{Parser, Subcommand};

use crate::commands::job_list::ListArgs;
use crate::commands::job_show::ShowArgs;
use crate::commands::job_start::StartArgs;
use crate::commands::job_stop::StopArgs;
use crate::commands::job_wait::WaitArgs;
use crate::commands::plan::PlanArgs;
use crate::commands::report::ReportArgs;
use crate::commands::scan::ScanArgs;
use crate::commands::{bucket_list, bucket_protect, bucket_show, bucket_unprotect};
use crate::commands::{definitions_list, definitions_show, definitions_update, definitions_use};
use crate::commands::{events_redrive, events_show};
use crate::commands::{quarantine_delete, quarantine_list, quarantine_restore, quarantine_show};
use crate::commands::{
    schedule_create, schedule_delete, schedule_enable, schedule_list, schedule_run_now, schedule_show,
};
use crate::commands::{user_create, user_disable, user_enable, user_list, user_reset};

/// Scan S3 buckets and files for malware: start, watch and read Lazaret's jobs
#[derive(Debug, Parser)]
#[command(name = "lazaret", version, after_help = EXIT_CODES)]
pub struct Cli {
    /// The state machine [default: lazaret-retro-job in the caller's account and region]
    #[arg(long, global = true, env = "LAZARET_STATE_MACHINE_ARN", value_name = "ARN", hide_env_values = true, help_heading = DEPLOYMENT)]
    pub state_machine_arn: Option<String>,
    /// The bucket with the results [default: lazaret-results-<account>-<region> of the state machine]
    #[arg(long, global = true, env = "LAZARET_RESULTS_BUCKET", value_name = "BUCKET", hide_env_values = true, help_heading = DEPLOYMENT)]
    pub results_bucket: Option<String>,
    /// The bucket with what was found [default: lazaret-quarantine-<account>-<region>]
    #[arg(long, global = true, env = "LAZARET_QUARANTINE_BUCKET", value_name = "BUCKET", hide_env_values = true, help_heading = DEPLOYMENT)]
    pub quarantine_bucket: Option<String>,
    /// The topic that protected buckets publish to [default: lazaret-events in the state machine's account and region]
    #[arg(long, global = true, env = "LAZARET_EVENTS_TOPIC_ARN", value_name = "ARN", hide_env_values = true, help_heading = DEPLOYMENT)]
    pub events_topic_arn: Option<String>,
    /// The pool of the verdict API's users [default: the pool named lazaret in the caller's account and region]
    #[arg(long, global = true, env = "LAZARET_USER_POOL_ID", value_name = "ID", hide_env_values = true, help_heading = DEPLOYMENT)]
    pub user_pool_id: Option<String>,
    #[command(subcommand)]
    pub command: Command,
}

/// Global options stand under every command: apart from its own.
const DEPLOYMENT: &str = "Which deployment";
const EXIT_CODES: &str = "Exit codes: 0 nothing found, 1 infected objects found, 2 an error, or a job that failed, was stopped or is \
                          incomplete; 130 after Ctrl-C while waiting.";

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start, list, show, watch and stop jobs
    #[command(subcommand)]
    Job(JobCommand),
    /// Protect buckets, so that new objects are scanned as they arrive
    #[command(subcommand)]
    Bucket(BucketCommand),
    /// List, show, restore and delete what stands in quarantine
    #[command(subcommand)]
    Quarantine(QuarantineCommand),
    /// Show the events that wait, and send those again that were given up
    #[command(subcommand)]
    Events(EventsCommand),
    /// Update, list, show and choose the virus definitions that all agents use
    #[command(subcommand)]
    Definitions(DefinitionsCommand),
    /// Make, list, disable and enable the users of the verdict API, and reset their passwords
    #[command(subcommand)]
    User(UserCommand),
    /// Have jobs started in time
    #[command(subcommand)]
    Schedule(ScheduleCommand),
    Report(ReportArgs),
    Plan(PlanArgs),
    Scan(ScanArgs),
}

#[derive(Debug, Subcommand)]
pub enum JobCommand {
    Start(StartArgs),
    List(ListArgs),
    Show(ShowArgs),
    Wait(WaitArgs),
    Stop(StopArgs),
}

#[derive(Debug, Subcommand)]
pub enum BucketCommand {
    Protect(bucket_protect::ProtectArgs),
    Unprotect(bucket_unprotect::UnprotectArgs),
    List(bucket_list::ListArgs),
    Show(bucket_show::ShowArgs),
}

#[derive(Debug, Subcommand)]
pub enum QuarantineCommand {
    List(quarantine_list::ListArgs),
    Show(quarantine_show::ShowArgs),
    Restore(quarantine_restore::RestoreArgs),
    Delete(quarantine_delete::DeleteArgs),
}

#[derive(Debug, Subcommand)]
pub enum EventsCommand {
    Show(events_show::ShowArgs),
    Redrive(events_redrive::RedriveArgs),
}

#[derive(Debug, Subcommand)]
pub enum ScheduleCommand {
    Create(schedule_create::CreateArgs),
    List(schedule_list::ListArgs),
    Show(schedule_show::ShowArgs),
    /// Let a schedule start its runs again
    Enable(schedule_enable::NameArgs),
    /// Have a schedule start no more runs; one that is under way goes on
    Disable(schedule_enable::NameArgs),
    Delete(schedule_delete::DeleteArgs),
    RunNow(schedule_run_now::RunNowArgs),
}

#[derive(Debug, Subcommand)]
pub enum DefinitionsCommand {
    Update(definitions_update::UpdateArgs),
    List(definitions_list::ListArgs),
    Show(definitions_show::ShowArgs),
    Use(definitions_use::UseArgs),
}

#[derive(Debug, Subcommand)]
pub enum UserCommand {
    Create(user_create::CreateArgs),
    List(user_list::ListArgs),
    Disable(user_disable::DisableArgs),
    Enable(user_enable::EnableArgs),
    Reset(user_reset::ResetArgs),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_stands_in_the_documentation() {
        fn leaves(command: &clap::Command, path: &str, found: &mut Vec<String>) {
            let below: Vec<_> = command.get_subcommands().filter(|below| below.get_name() != "help").collect();
            if below.is_empty() {
                found.push(path.to_owned());
            }
            below.iter().for_each(|below| leaves(below, &format!("{path} {}", below.get_name()), found));
        }
        let mut commands = Vec::new();
        leaves(&Cli::command(), "lazaret", &mut commands);
        assert!(commands.len() > 20, "{commands:?}");
        let documentation = include_str!("../../docs/cli.md");
        let headings: Vec<_> = documentation.lines().filter(|line| line.starts_with("### ")).collect();
        for command in commands {
            assert!(headings.iter().any(|heading| heading.contains(&format!("`{command}"))), "{command}");
        }
    }

    #[test]
    fn buckets_are_taken_one_by_one_or_together() {
        let line = "lazaret job start --bucket a b/x/ --bucket c --wait --json";
        let cli = Cli::try_parse_from(line.split(' ')).expect("a command line");
        let Command::Job(JobCommand::Start(args)) = cli.command else { panic!("another command") };
        assert_eq!(args.scope.buckets, ["a", "b/x/", "c"]);
        assert!(args.wait && args.json && args.scope.target_minutes == 60);
    }

    #[test]
    fn definitions_come_from_a_directory_or_from_freshclam() {
        let parse = |line: &str| Cli::try_parse_from(line.split(' '));
        assert!(parse("lazaret definitions update --from dir --force --json").is_ok());
        assert!(parse("lazaret definitions update --database-custom-url http://a/b.ndb --custom-only").is_ok());
        assert!(parse("lazaret definitions update --private-mirror http://a --dir work").is_ok());
        assert!(parse("lazaret definitions update --from dir --private-mirror http://a").is_err());
        assert!(parse("lazaret definitions update --custom-only").is_err(), "nothing to fetch");
    }

    #[test]
    fn passwords_are_no_arguments() {
        let parse = |line: &str| Cli::try_parse_from(line.split(' '));
        assert!(parse("lazaret user create ada --email a@b.c --password-stdin --user-pool-id eu-west-1_A").is_ok());
        assert!(parse("lazaret user reset ada --password-stdin").is_ok());
        for line in ["user create ada", "user reset ada", "user create ada --password-stdin secret"] {
            assert!(parse(&format!("lazaret {line}")).is_err(), "{line}");
        }
    }

    #[test]
    fn a_report_has_one_format() {
        let parse = |line: &str| Cli::try_parse_from(line.split(' '));
        assert!(parse("lazaret report job-1 --csv a.csv --all").is_ok());
        assert!(parse("lazaret report job-1 --csv a.csv --json").is_err());
        assert!(parse("lazaret job start").is_err(), "no bucket");
    }
}
