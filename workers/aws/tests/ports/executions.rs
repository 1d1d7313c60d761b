//! Step Functions: an execution is known by its name.

use lazaret_aws::executions::ExecutionStatus;
use serde_json::json;

use crate::world::{until, worlds};

#[tokio::test]
async fn an_execution_is_started_seen_and_stopped_by_its_name() {
    for world in worlds().await {
        let executions = world.executions().await;
        assert!(executions.describe("job-1").await.expect("an answer").is_none());
        let input = json!({"buckets": [{"name": "b"}]});
        let arn = executions.start("job-1", &input).await.expect("started");
        let found = executions.describe("job-1").await.expect("an answer").expect("the execution");
        assert_eq!((found.arn, found.status, found.input), (arn, ExecutionStatus::Running, Some(input.clone())));
        let state = until("the first state", async || executions.current_state("job-1").await.expect("an answer"));
        assert_eq!(state.await, "Wait for it");

        executions.start("job-2", &input).await.expect("started");
        let mut names: Vec<_> =
            executions.list(10).await.expect("a list").into_iter().map(|found| found.name).collect();
        names.sort();
        assert_eq!(names, ["job-1", "job-2"]);
        assert_eq!(executions.list(1).await.expect("a list").len(), 1);

        executions.stop("job-1", "Stopped", "by a test").await.expect("stopped");
        let found = executions.describe("job-1").await.expect("an answer").expect("the execution");
        assert_eq!(found.status, ExecutionStatus::Aborted);
        assert!(found.stopped_at.is_some());
        executions.stop("job-2", "Stopped", "by a test").await.expect("stopped");
    }
}
