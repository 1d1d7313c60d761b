//! What a job left behind: nothing, if all is well.

use std::time::{Duration, Instant};

use lazaret_aws::queue::Queues;
use lazaret_aws::tasks::TaskFleet;
use lazaret_model::{JobId, layout};

use crate::cloud::Cloud;

/// How long a tear-down may take that runs after the execution has ended (after an abort): it waits for tasks to stop.
const TEAR_DOWN_SECONDS: u64 = 90;

/// The job's queues, tasks, processes and temporary objects that are there now.
///
/// # Errors
/// If the cloud does not answer.
pub async fn of_job(cloud: &Cloud, job_id: &str) -> anyhow::Result<Vec<String>> {
    let job: JobId = job_id.parse()?;
    let mut left = Vec::new();
    for name in [job.queue_name(), job.dead_letter_queue_name()] {
        if cloud.sdk.queues().url(&name).await?.is_some() {
            left.push(format!("queue {name}"));
        }
    }
    let tasks = cloud.sdk.task_fleet("lazaret").running(job_id).await?;
    left.extend(tasks.into_iter().map(|task| format!("task {}", task.arn)));
    left.extend(crate::workers::of_job(job_id, "").into_iter().map(|pid| format!("process {pid:?}")));
    let objects = cloud.keys(&cloud.results_bucket, &layout::work_prefix(&job)).await?;
    left.extend(objects.into_keys().map(|key| format!("object {key}")));
    Ok(left)
}

/// Waits until nothing of the job is left.
///
/// # Errors
/// Names what is still there after the time that a tear-down may take.
pub async fn none_of_job(cloud: &Cloud, job_id: &str) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(TEAR_DOWN_SECONDS);
    loop {
        let left = of_job(cloud, job_id).await?;
        if left.is_empty() {
            return Ok(());
        }
        anyhow::ensure!(Instant::now() < deadline, "job {job_id} left behind: {}", left.join(", "));
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
