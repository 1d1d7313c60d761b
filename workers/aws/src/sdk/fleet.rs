//! ECS.

use std::collections::BTreeSet;

use async_trait::async_trait;
use aws_sdk_ecs::Client;
use aws_sdk_ecs::types::Task;

use super::fault::{Fault, nonsense, service_error};
use crate::ServiceError;
use crate::tasks::{RunningTask, TaskFleet};

/// Tasks that one DescribeTasks takes (ECS API reference).
const DESCRIBE_TASKS: usize = 100;
const STOPPED: &str = "STOPPED";

/// One cluster through the SDK.
#[derive(Debug, Clone)]
pub struct EcsFleet {
    ecs: Client,
    cluster: String,
}

impl EcsFleet {
    pub(super) fn new(ecs: Client, cluster: &str) -> Self {
        Self { ecs, cluster: cluster.to_owned() }
    }

    /// What ECS still knows of these tasks.
    async fn describe(&self, arns: &[String]) -> Result<Vec<Task>, ServiceError> {
        let mut tasks = Vec::with_capacity(arns.len());
        for some in arns.chunks(DESCRIBE_TASKS) {
            let describe = self.ecs.describe_tasks().cluster(&self.cluster).set_tasks(Some(some.to_vec()));
            let described = describe.send().await.map_err(|error| service_error("DescribeTasks", error))?;
            tasks.extend(described.tasks.unwrap_or_default());
        }
        Ok(tasks)
    }
}

#[async_trait]
impl TaskFleet for EcsFleet {
    async fn running(&self, job_id: &str) -> Result<Vec<RunningTask>, ServiceError> {
        const OPERATION: &str = "ListTasks";
        let mut arns = Vec::new();
        let mut next = None;
        loop {
            // beside `startedBy` ECS allows no filter; without one it lists what is meant to run
            let list = self.ecs.list_tasks().cluster(&self.cluster).started_by(job_id).set_next_token(next);
            let page = list.send().await.map_err(|error| service_error(OPERATION, error))?;
            arns.extend(page.task_arns.unwrap_or_default());
            next = page.next_token.filter(|token| !token.is_empty());
            if next.is_none() {
                break;
            }
        }
        let tasks = self.describe(&arns).await?;
        meant_to_run(arns, tasks)
    }

    async fn stop(&self, arn: &str, reason: &str) -> Result<(), ServiceError> {
        let stop = self.ecs.stop_task().cluster(&self.cluster).task(arn).reason(reason);
        match stop.send().await.map_err(Fault::from) {
            Ok(_) => Ok(()),
            Err(fault) if is_gone(fault.code(), fault.message()) => Ok(()),
            Err(fault) => Err(service_error("StopTask", fault)),
        }
    }

    async fn not_stopped(&self, arns: &[String]) -> Result<usize, ServiceError> {
        // these were asked to stop: one that is not described any more is one that stopped long ago
        let tasks = self.describe(arns).await?;
        Ok(tasks.iter().filter(|task| task.last_status() != Some(STOPPED)).count())
    }
}

/// The tasks that were listed and are not to stop. ListTasks knows a new task before DescribeTasks does, which then calls it
/// `MISSING`: such a task is meant to run, and its family is not known.
fn meant_to_run(listed: Vec<String>, described: Vec<Task>) -> Result<Vec<RunningTask>, ServiceError> {
    let mut running = Vec::with_capacity(listed.len());
    let mut unknown: BTreeSet<String> = listed.into_iter().collect();
    for task in described {
        let stopping = task.desired_status() == Some(STOPPED) || task.last_status() == Some(STOPPED);
        let family = family(task.task_definition_arn().unwrap_or_default()).to_owned();
        let arn = task.task_arn.ok_or_else(|| nonsense("DescribeTasks", "an ARN"))?;
        unknown.remove(&arn);
        if !stopping {
            running.push(RunningTask { arn, family });
        }
    }
    running.extend(unknown.into_iter().map(|arn| RunningTask { arn, family: String::new() }));
    Ok(running)
}

/// ECS forgets a task an hour after it stopped, and then says so as of any bad parameter.
fn is_gone(code: &str, message: &str) -> bool {
    code == "InvalidParameterException" && message.to_lowercase().contains("not found")
}

/// The family in `arn:aws:ecs:REGION:ACCOUNT:task-definition/FAMILY:REVISION`.
fn family(task_definition_arn: &str) -> &str {
    let name = task_definition_arn.rsplit('/').next().unwrap_or_default();
    name.split(':').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_family_is_read_from_the_arn() {
        assert_eq!(family("arn:aws:ecs:eu-central-1:123456789012:task-definition/lazaret-agent:7"), "lazaret-agent");
        assert_eq!(family("lazaret-agent:7"), "lazaret-agent");
    }

    #[test]
    fn a_task_that_is_listed_and_not_yet_described_is_meant_to_run() {
        let task = |arn: &str, desired: &str, last: &str| {
            let task = Task::builder().task_arn(arn).desired_status(desired).last_status(last);
            task.task_definition_arn("arn:aws:ecs:eu-central-1:123456789012:task-definition/lazaret-agent:7").build()
        };
        let described = vec![
            task("stopping", "STOPPED", "RUNNING"),
            task("starting", "RUNNING", "PENDING"),
            task("died", "RUNNING", "STOPPED"),
        ];
        let listed = ["new", "starting", "stopping", "died"].map(str::to_owned).to_vec();
        let running = meant_to_run(listed, described).expect("tasks");
        let named: Vec<_> = running.iter().map(|task| (task.arn.as_str(), task.family.as_str())).collect();
        assert_eq!(named, [("starting", "lazaret-agent"), ("new", "")]);
    }

    #[test]
    fn only_a_task_that_ecs_forgot_is_gone() {
        assert!(is_gone("InvalidParameterException", "InvalidParameterException: The referenced task was not found."));
        assert!(!is_gone("InvalidParameterException", "InvalidParameterException: taskId longer than 36."));
        assert!(!is_gone("ClusterNotFoundException", "Cluster not found."));
    }
}
