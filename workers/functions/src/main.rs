//! The functions as Lambda starts them: `_HANDLER` says which one this is.

use std::io::stdout;
use std::sync::Arc;

use anyhow::Context;
use jiff::Timestamp;
use lambda_runtime::{LambdaEvent, service_fn};
use lazaret_aws::logs;
use lazaret_aws::sdk::Sdk;
use lazaret_functions::Function;
use lazaret_functions::config::Config;
use lazaret_functions::function::Services;
use serde_json::Value;
use tracing::error;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    logs::start(stdout);
    let config = Config::from_env().context("the function's environment")?;
    let sdk = Sdk::from_env().await;
    let services = Services {
        store: Arc::new(sdk.store()),
        buckets: Arc::new(sdk.buckets()),
        uploads: Arc::new(sdk.uploads()),
        state_machines: {
            let sdk = sdk.clone();
            Box::new(move |arn| Arc::new(sdk.executions(arn)))
        },
        queues: Arc::new(sdk.queues()),
        clusters: Box::new(move |cluster| Arc::new(sdk.task_fleet(cluster))),
    };
    let function = &Function::new(config, services);
    let answer = |event: LambdaEvent<Value>| async move {
        let answer = function.call(event.payload, Timestamp::now()).await;
        answer.inspect_err(|failed| error!(failure = %failed.failure, "{failed}"))
    };
    lambda_runtime::run(service_fn(answer)).await.map_err(anyhow::Error::from_boxed)
}
