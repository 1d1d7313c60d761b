//! Finds the deployment and connects to it.

use std::sync::Arc;

use anyhow::Context;
use lazaret_aws::sdk::Sdk;
use tracing::debug;

use crate::args::{Cli, Command, QuarantineCommand};
use crate::cloud::Cloud;
use crate::deployment::{CLUSTER, Deployment, Named, NoDeployment, STATE_MACHINE};

/// The deployment that the flags or the environment name, else the one of the caller's account and region.
///
/// # Errors
/// If there is none, or AWS can't be asked.
pub async fn connect(cli: &Cli) -> anyhow::Result<Cloud> {
    let sdk = Sdk::from_env().await;
    // a variable that is set to nothing is not set
    let named = |name: &Option<String>| name.clone().filter(|name| !name.is_empty());
    let names = Named {
        results_bucket: named(&cli.results_bucket),
        quarantine_bucket: named(&cli.quarantine_bucket),
        events_topic_arn: named(&cli.events_topic_arn),
    };
    let deployment = match (&cli.command, named(&cli.state_machine_arn)) {
        // users are of their pool alone
        (Command::User(_), _) => Deployment::of_bucket(String::new()),
        // a plan can be made before there is a deployment; of one it reads what jobs have measured
        (Command::Plan(_), _) if names.results_bucket.is_some() => {
            Deployment::of_bucket(names.results_bucket.unwrap_or_default())
        }
        (Command::Plan(_), None) => match sdk.find_state_machine(STATE_MACHINE).await {
            Ok(Some(found)) => Deployment::new(found, names)?,
            Ok(None) => Deployment::of_bucket(String::new()),
            Err(error) => {
                debug!(%error, "Looking for a deployment");
                Deployment::of_bucket(String::new())
            }
        },
        // the bucket is all that definitions need
        (Command::Definitions(_), None) if names.results_bucket.is_some() => {
            Deployment::of_bucket(names.results_bucket.unwrap_or_default())
        }
        (_, Some(arn)) => Deployment::new(arn, names)?,
        (_, None) => {
            let found = sdk.find_state_machine(STATE_MACHINE).await.with_context(|| {
                format!("looking for the state machine `{STATE_MACHINE}` (are AWS_REGION, AWS_PROFILE and the credentials right?)")
            })?;
            Deployment::new(found.ok_or(NoDeployment::NotFound)?, names)?
        }
    };
    // asked for only where it is written down
    let caller = match &cli.command {
        Command::Quarantine(QuarantineCommand::Restore(args)) if args.yes => sdk.caller().await,
        _ => None,
    };
    Ok(Cloud {
        executions: Arc::new(sdk.executions(&deployment.state_machine_arn)),
        store: Arc::new(sdk.store()),
        buckets: Arc::new(sdk.buckets()),
        uploads: Arc::new(sdk.uploads()),
        scheduler: Arc::new(sdk.schedules(deployment.schedule_target())),
        topics: Arc::new(sdk.topics()),
        queues: Arc::new(sdk.queues()),
        tasks: Arc::new(sdk.task_fleet(CLUSTER)),
        user_pools: Arc::new(sdk.user_pools()),
        user_pool_id: named(&cli.user_pool_id),
        results_bucket: deployment.results_bucket,
        quarantine_bucket: deployment.quarantine_bucket,
        events_topic_arn: deployment.events_topic_arn,
        caller,
    })
}
