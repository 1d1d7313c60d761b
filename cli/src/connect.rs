//! Finds the deployment and connects to it.

use std::sync::Arc;

use anyhow::Context;
use lazaret_aws::sdk::Sdk;

use crate::args::{Cli, Command};
use crate::cloud::Cloud;
use crate::deployment::{CLUSTER, Deployment, NoDeployment, STATE_MACHINE};

/// The deployment that the flags or the environment name, else the one of the caller's account and region.
///
/// # Errors
/// If there is none, or AWS can't be asked.
pub async fn connect(cli: &Cli) -> anyhow::Result<Cloud> {
    let sdk = Sdk::from_env().await;
    let deployment = match (&cli.command, &cli.state_machine_arn) {
        // a plan reads buckets and nothing of a deployment: it can be made before there is one
        (Command::Plan(_), _) => Deployment { state_machine_arn: String::new(), results_bucket: String::new() },
        (_, Some(arn)) => Deployment::new(arn.clone(), cli.results_bucket.clone())?,
        (_, None) => {
            let found = sdk.find_state_machine(STATE_MACHINE).await.with_context(|| {
                format!("the state machine `{STATE_MACHINE}` was looked for and AWS refused (AWS_REGION, AWS_PROFILE?)")
            })?;
            Deployment::new(found.ok_or(NoDeployment::NotFound)?, cli.results_bucket.clone())?
        }
    };
    Ok(Cloud {
        executions: Arc::new(sdk.executions(&deployment.state_machine_arn)),
        store: Arc::new(sdk.store()),
        queues: Arc::new(sdk.queues()),
        tasks: Arc::new(sdk.task_fleet(CLUSTER)),
        results_bucket: deployment.results_bucket,
    })
}
