//! `lazaret`, the command line: starts jobs, watches them and reads their reports; protects buckets.
//!
//! The major components are:
//!
//! * [`args`]: the command line; [`commands`]: one file a subcommand; [`outcome`]: the exit codes.
//! * [`cloud`], [`deployment`], [`connect`]: what a command speaks to, and how it is found.
//! * [`scope_args`], [`moment`]: what to scan and since when, checked before anything is created.
//! * [`watch`]: a job's progress as a bar or as lines.
//! * [`record`], [`summary_text`]: how a job stands or ended; [`report_rows`], [`partial`], [`report_text`]: its rows.
//! * [`protection_text`]: how a bucket is protected; [`quarantine`]: what was found, and where it stands.
//! * [`schedule`]: jobs in time, and how far they have come.
//! * [`user_pool`]: where the verdict API's users are, and how a password comes in.
//! * [`measure`]: what a job would cost, with the model's estimate and prices.
//! * [`scan`]: files and buckets through an engine on this machine.
//! * [`freshclam`]: where new definitions come from; [`jail_args`]: what an engine on this machine may do without.
//! * [`console`], [`escape`], [`units`]: text for a person; keys are hostile there.
//!
//! It decides nothing about a job: whatever it checks, the state machine checks again.

pub mod args;
pub mod cloud;
pub mod commands;
pub mod connect;
pub mod console;
pub mod deployment;
pub mod escape;
pub mod freshclam;
pub mod jail_args;
pub mod measure;
pub mod moment;
pub mod outcome;
pub mod partial;
pub mod protection_text;
pub mod quarantine;
pub mod record;
pub mod report_rows;
pub mod report_text;
pub mod scan;
pub mod schedule;
pub mod scope_args;
pub mod summary_text;
#[cfg(test)]
mod testing;
pub mod user_pool;
pub mod watch;

use std::future::Future;

use lazaret_model::{estimate, prices, units};

use crate::args::{
    BucketCommand, Command, DefinitionsCommand, EventsCommand, JobCommand, QuarantineCommand, ScheduleCommand,
    UserCommand,
};
use crate::cloud::Cloud;
use crate::commands::{bucket_list, bucket_protect, bucket_show, bucket_unprotect};
use crate::commands::{definitions_list, definitions_show, definitions_update, definitions_use};
use crate::commands::{events_redrive, events_show};
use crate::commands::{job_list, job_show, job_start, job_stop, job_wait, plan, report, scan as scan_command};
use crate::commands::{quarantine_delete, quarantine_list, quarantine_restore, quarantine_show};
use crate::commands::{
    schedule_create, schedule_delete, schedule_enable, schedule_list, schedule_run_now, schedule_show,
};
use crate::commands::{user_create, user_disable, user_enable, user_list, user_reset};
use crate::console::Console;
use crate::outcome::Outcome;
use crate::user_pool::standard_input;

/// Runs one command. `interrupt` ends a wait, never a job.
///
/// # Errors
/// In words for the person who typed the command.
pub async fn run(
    command: &Command,
    cloud: &Cloud,
    console: &mut Console,
    interrupt: impl Future<Output = ()>,
) -> anyhow::Result<Outcome> {
    match command {
        Command::Job(JobCommand::Start(args)) => job_start::run(cloud, args, console, interrupt).await,
        Command::Job(JobCommand::List(args)) => job_list::run(cloud, args, console).await,
        Command::Job(JobCommand::Show(args)) => job_show::run(cloud, args, console).await,
        Command::Job(JobCommand::Wait(args)) => job_wait::run(cloud, args, console, interrupt).await,
        Command::Job(JobCommand::Stop(args)) => job_stop::run(cloud, args, console).await,
        Command::Bucket(BucketCommand::Protect(args)) => bucket_protect::run(cloud, args, console).await,
        Command::Bucket(BucketCommand::Unprotect(args)) => bucket_unprotect::run(cloud, args, console).await,
        Command::Bucket(BucketCommand::List(args)) => bucket_list::run(cloud, args, console).await,
        Command::Bucket(BucketCommand::Show(args)) => bucket_show::run(cloud, args, console).await,
        Command::Quarantine(QuarantineCommand::List(args)) => quarantine_list::run(cloud, args, console).await,
        Command::Quarantine(QuarantineCommand::Show(args)) => quarantine_show::run(cloud, args, console).await,
        Command::Quarantine(QuarantineCommand::Restore(args)) => quarantine_restore::run(cloud, args, console).await,
        Command::Quarantine(QuarantineCommand::Delete(args)) => quarantine_delete::run(cloud, args, console).await,
        Command::Events(EventsCommand::Show(args)) => events_show::run(cloud, args, console).await,
        Command::Events(EventsCommand::Redrive(args)) => events_redrive::run(cloud, args, console).await,
        Command::Definitions(DefinitionsCommand::Update(args)) => definitions_update::run(cloud, args, console).await,
        Command::Definitions(DefinitionsCommand::List(args)) => definitions_list::run(cloud, args, console).await,
        Command::Definitions(DefinitionsCommand::Show(args)) => definitions_show::run(cloud, args, console).await,
        Command::Definitions(DefinitionsCommand::Use(args)) => definitions_use::run(cloud, args, console).await,
        Command::Schedule(ScheduleCommand::Create(args)) => schedule_create::run(cloud, args, console).await,
        Command::Schedule(ScheduleCommand::List(args)) => schedule_list::run(cloud, args, console).await,
        Command::Schedule(ScheduleCommand::Show(args)) => schedule_show::run(cloud, args, console).await,
        Command::Schedule(ScheduleCommand::Enable(args)) => schedule_enable::enable(cloud, args, console).await,
        Command::Schedule(ScheduleCommand::Disable(args)) => schedule_enable::disable(cloud, args, console).await,
        Command::Schedule(ScheduleCommand::Delete(args)) => schedule_delete::run(cloud, args, console).await,
        Command::Schedule(ScheduleCommand::RunNow(args)) => schedule_run_now::run(cloud, args, console).await,
        Command::User(UserCommand::Create(args)) => user_create::run(cloud, args, standard_input()?, console).await,
        Command::User(UserCommand::List(args)) => user_list::run(cloud, args, console).await,
        Command::User(UserCommand::Disable(args)) => user_disable::run(cloud, args, console).await,
        Command::User(UserCommand::Enable(args)) => user_enable::run(cloud, args, console).await,
        Command::User(UserCommand::Reset(args)) => user_reset::run(cloud, args, standard_input()?, console).await,
        Command::Report(args) => report::run(cloud, args, console).await,
        Command::Scan(args) => scan_command::run(args, console, interrupt).await,
        Command::Plan(args) => plan::run(cloud, args, console).await,
    }
}
