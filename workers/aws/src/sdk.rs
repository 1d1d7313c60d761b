//! The ports over the AWS SDK.
//!
//! * [`Sdk`]: the clients, built once from the environment (`AWS_*`, the task's or function's role).
//! * [`SnsTopic`], [`EventBridgeBus`], [`SnsTopics`], [`S3Store`], [`S3Buckets`], [`SqsQueue`], [`SqsQueues`], [`SfnCallback`], [`SfnExecutions`], [`EcsFleet`], [`S3Uploads`], [`ScheduleGroup`], [`CognitoPools`]: one adapter a port.
//! * `signed`: what has no SDK crate here. `fault`: how the services' errors become ours. `encoding`: keys in headers and listings.

mod announce;
mod buckets;
mod callback;
mod caller;
mod encoding;
mod executions;
mod fault;
mod fleet;
mod parts;
mod queue;
mod scheduler;
mod signed;
mod store;
mod topics;
mod uploads;
mod users;

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::{RequestChecksumCalculation, ResponseChecksumValidation};
use aws_smithy_http_client::Builder as HttpClient;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

pub use announce::{EventBridgeBus, SnsTopic};
pub use buckets::S3Buckets;
pub use callback::SfnCallback;
pub use executions::SfnExecutions;
pub use fleet::EcsFleet;
pub use queue::{SqsQueue, SqsQueues};
pub use scheduler::{ScheduleGroup, ScheduleTarget};
pub use store::S3Store;
pub use topics::SnsTopics;
pub use uploads::S3Uploads;
pub use users::CognitoPools;

pub(crate) use fault::chain;

use crate::ServiceError;

/// A TCP and TLS handshake within a region takes milliseconds; anything near this is a lost packet or a dead host.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// From the request to the first byte of the answer. Above SQS's longest poll (20 s), and above what S3 takes to begin.
const READ_TIMEOUT: Duration = Duration::from_secs(40);
/// The region of an endpoint for which none is set.
const ENDPOINT_REGION: &str = "us-east-1";
/// Tries of one call, the first included, at most 20 s apart. Long throttling is the callers' to wait out.
const ATTEMPTS: u32 = 5;

/// Clients of the services, sharing their connections. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Sdk {
    s3: aws_sdk_s3::Client,
    sqs: aws_sdk_sqs::Client,
    sfn: aws_sdk_sfn::Client,
    ecs: aws_sdk_ecs::Client,
    sns: aws_sdk_sns::Client,
    events: aws_sdk_eventbridge::Client,
    config: SdkConfig,
}

impl Sdk {
    /// Clients as the environment says. `AWS_ENDPOINT_URL` turns to an emulator, with the bucket in the path.
    pub async fn from_env() -> Self {
        let config = loader().load().await;
        let emulated = std::env::var_os("AWS_ENDPOINT_URL").is_some();
        Self::new(&config, emulated)
    }

    /// Clients of an emulator, or of another service that speaks S3's language.
    pub async fn at_endpoint(url: &str) -> Self {
        Self::new(&loader().endpoint_url(url).load().await, true)
    }

    fn new(config: &SdkConfig, path_style: bool) -> Self {
        let mut s3 = aws_sdk_s3::config::Builder::from(config);
        if path_style && config.region().is_none() {
            // signatures need one, and services that only resemble S3 take any
            s3 = s3.region(Region::new(ENDPOINT_REGION));
        }
        let s3 = s3
            .force_path_style(path_style)
            // S3 checks every part of a PUT by its signature already; endpoints that only resemble S3 reject the trailers
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            // what is scanned are the bytes that the owner stored
            .response_checksum_validation(ResponseChecksumValidation::WhenSupported)
            .build();
        Self {
            s3: aws_sdk_s3::Client::from_conf(s3),
            sqs: aws_sdk_sqs::Client::new(config),
            sfn: aws_sdk_sfn::Client::new(config),
            ecs: aws_sdk_ecs::Client::new(config),
            sns: aws_sdk_sns::Client::new(config),
            events: aws_sdk_eventbridge::Client::new(config),
            config: config.clone(),
        }
    }

    /// S3.
    pub fn store(&self) -> S3Store {
        S3Store::new(self.s3.clone())
    }

    /// Buckets' own settings.
    pub fn buckets(&self) -> S3Buckets {
        S3Buckets::new(self.s3.clone())
    }

    /// Uploads in parts.
    pub fn uploads(&self) -> S3Uploads {
        S3Uploads::new(self.s3.clone())
    }

    /// A group of schedules. The client is made here: few programs need it.
    pub fn schedules(&self, target: ScheduleTarget) -> ScheduleGroup {
        ScheduleGroup::new(aws_sdk_scheduler::Client::new(&self.config), target)
    }

    /// SNS topics.
    pub fn topics(&self) -> SnsTopics {
        SnsTopics::new(self.sns.clone())
    }

    /// Cognito's user pools.
    pub fn user_pools(&self) -> CognitoPools {
        CognitoPools::new(self.config.clone())
    }

    /// The queue at `url`.
    pub fn queue(&self, url: &str) -> SqsQueue {
        SqsQueue::new(self.sqs.clone(), url)
    }

    /// SQS queues by name.
    pub fn queues(&self) -> SqsQueues {
        SqsQueues::new(self.sqs.clone())
    }

    /// The topic of that ARN.
    pub fn topic(&self, arn: &str) -> SnsTopic {
        SnsTopic::new(self.sns.clone(), arn)
    }

    /// The bus of that name or ARN.
    pub fn event_bus(&self, name: &str) -> EventBridgeBus {
        EventBridgeBus::new(self.events.clone(), name)
    }

    /// Whoever waits for this task token.
    pub fn callback(&self, task_token: impl Into<String>) -> SfnCallback {
        SfnCallback::new(self.sfn.clone(), task_token.into())
    }

    /// The tasks of an ECS cluster.
    pub fn task_fleet(&self, cluster: &str) -> EcsFleet {
        EcsFleet::new(self.ecs.clone(), cluster)
    }

    /// The executions of a state machine.
    pub fn executions(&self, state_machine_arn: &str) -> SfnExecutions {
        SfnExecutions::new(self.sfn.clone(), state_machine_arn)
    }

    /// The ARN of the state machine of that name in the caller's account and region; `None` if there is none.
    ///
    /// # Errors
    /// If Step Functions can't be asked.
    pub async fn find_state_machine(&self, name: &str) -> Result<Option<String>, ServiceError> {
        executions::find_state_machine(&self.sfn, name).await
    }

    /// The ARN of the caller, where AWS tells it.
    pub async fn caller(&self) -> Option<String> {
        caller::caller(&self.config).await
    }

    /// The plain client, for what no port is about.
    pub fn s3_client(&self) -> aws_sdk_s3::Client {
        self.s3.clone()
    }

    /// The same of SQS.
    pub fn sqs_client(&self) -> aws_sdk_sqs::Client {
        self.sqs.clone()
    }

    /// The same of SNS.
    pub fn sns_client(&self) -> aws_sdk_sns::Client {
        self.sns.clone()
    }

    /// The same of EventBridge.
    pub fn eventbridge_client(&self) -> aws_sdk_eventbridge::Client {
        self.events.clone()
    }
}

fn loader() -> aws_config::ConfigLoader {
    let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).read_timeout(READ_TIMEOUT).build();
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(HttpClient::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https())
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
        .timeout_config(timeouts)
}
