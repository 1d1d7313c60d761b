//! A cloud with nothing in it, fake or emulated.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use aws_sdk_s3::types::{
    BucketVersioningStatus, DefaultRetention, ObjectLockConfiguration, ObjectLockEnabled, ObjectLockRetentionMode,
    ObjectLockRule, StorageClass, Tag, Tagging, VersioningConfiguration,
};
use aws_sdk_sqs::types::QueueAttributeName;
use bytes::Bytes;
use lazaret_aws::executions::Started;
use lazaret_aws::fake::{
    FakeBuckets, FakeExecutions, FakeObject, FakeQueues, FakeScheduler, FakeStore, FakeTopics, FakeUploads,
    FakeUserPools,
};
use lazaret_aws::queue::Queues;
use lazaret_aws::sdk::{ScheduleTarget, Sdk};
use lazaret_aws::{Buckets, Executions, ObjectStore, Scheduler, Topics, Uploads, UserPools};
use lazaret_model::headers::ObjectHeaders;
use lazaret_model::{ObjectRef, Upload};
use uuid::Uuid;

/// Where the SDK's half looks.
const ENDPOINT: &str = "LAZARET_TEST_ENDPOINT";

/// What the owners of buckets, queues and state machines do, which no port does.
#[async_trait]
pub trait World: Send + Sync {
    fn store(&self) -> Arc<dyn ObjectStore>;
    fn queues(&self) -> Arc<dyn Queues>;
    /// A new bucket of any name.
    async fn bucket(&self, versioned: bool) -> String;
    /// The same store, which copies in parts from 5 MiB on.
    fn store_in_parts(&self) -> Arc<dyn ObjectStore>;
    async fn enable_versions(&self, bucket: &str);
    async fn suspend_versions(&self, bucket: &str);
    /// A new bucket with Object Lock, whose versions nobody deletes for a day.
    async fn locked_bucket(&self) -> String;
    /// An object with all that S3 keeps beside its bytes.
    async fn put_dressed(&self, bucket: &str, key: &str, bytes: Bytes, headers: &ObjectHeaders, class: &str);
    fn buckets(&self) -> Arc<dyn Buckets>;
    fn topics(&self) -> Arc<dyn Topics>;
    async fn tag_bucket(&self, bucket: &str, tags: &[(&str, &str)]);
    /// A bucket's notification configuration, as S3 answers it.
    async fn raw_notifications(&self, bucket: &str) -> String;
    /// The ARN of a new topic.
    async fn topic(&self) -> String;
    /// The ARN of a topic that could be there.
    async fn missing_topic(&self) -> String;
    /// The ARN of a new queue.
    async fn queue_arn(&self) -> String;
    async fn put(&self, bucket: &str, key: &str, bytes: &'static str);
    async fn put_archived(&self, bucket: &str, key: &str);
    /// As its owner deletes it: without a version.
    async fn remove(&self, bucket: &str, key: &str);
    /// A new queue of any name, whose messages go to another after two receives. Returns both names.
    async fn queue(&self) -> (String, String);
    /// A new state machine whose first state, `Wait for it`, takes longer than any test.
    async fn executions(&self) -> Arc<dyn Executions>;
    fn user_pools(&self) -> Arc<dyn UserPools>;
    fn uploads(&self) -> Arc<dyn Uploads>;
    /// Begins an upload in parts. Returns its id.
    async fn begin_upload(&self, bucket: &str, key: &str) -> String;
    async fn abort_upload(&self, bucket: &str, key: &str, id: &str);
    /// A new group of schedules, with nothing in it.
    async fn scheduler(&self) -> Arc<dyn Scheduler>;
    /// A new user pool of any name, with Cognito's own rules for passwords. Returns its id and name.
    async fn user_pool(&self) -> (String, String);

    /// The object as a listing shows it.
    async fn listed(&self, bucket: &str, key: &str) -> ObjectRef {
        let page = self.store().list_page(bucket, key, None).await.expect("a page");
        page.objects.into_iter().find(|object| object.key == key).expect("a listed object")
    }
}

/// The fakes, and the SDK if there is an endpoint for it.
pub async fn worlds() -> Vec<Box<dyn World>> {
    let mut worlds: Vec<Box<dyn World>> = vec![Box::new(Fakes::default())];
    match std::env::var(ENDPOINT) {
        Ok(endpoint) => worlds.push(Box::new(Emulator::at(&endpoint).await)),
        Err(_) => println!("looked at the fakes alone: {ENDPOINT} is not set"),
    }
    worlds
}

fn name(kind: &str) -> String {
    // not by our name: what is left of the stacks is looked for by it
    format!("ports-{kind}-{}", Uuid::new_v4())
}

struct Fakes {
    store: FakeStore,
    queues: FakeQueues,
    buckets: FakeBuckets,
    topics: FakeTopics,
    uploads: FakeUploads,
    user_pools: FakeUserPools,
}

impl Default for Fakes {
    fn default() -> Self {
        let store = FakeStore::new();
        let (buckets, queues, topics) = (FakeBuckets::of(&store), FakeQueues::new(), FakeTopics::new());
        Self { store, queues, buckets, topics, uploads: FakeUploads::new(), user_pools: FakeUserPools::new() }
    }
}

#[async_trait]
impl World for Fakes {
    fn store(&self) -> Arc<dyn ObjectStore> {
        Arc::new(self.store.clone())
    }

    fn queues(&self) -> Arc<dyn Queues> {
        Arc::new(self.queues.clone())
    }

    async fn bucket(&self, versioned: bool) -> String {
        let bucket = name("bucket");
        self.store.create_bucket(&bucket, versioned);
        bucket
    }

    fn store_in_parts(&self) -> Arc<dyn ObjectStore> {
        self.store()
    }

    async fn enable_versions(&self, bucket: &str) {
        self.store.enable_versions(bucket);
    }

    async fn suspend_versions(&self, bucket: &str) {
        self.store.suspend_versions(bucket);
    }

    async fn locked_bucket(&self) -> String {
        let bucket = self.bucket(true).await;
        self.store.lock_versions(&bucket);
        bucket
    }

    async fn put_dressed(&self, bucket: &str, key: &str, bytes: Bytes, headers: &ObjectHeaders, class: &str) {
        self.store.insert_object(bucket, key, FakeObject::new(bytes).headers(headers.clone()).class(class));
    }

    fn buckets(&self) -> Arc<dyn Buckets> {
        Arc::new(self.buckets.clone())
    }

    fn topics(&self) -> Arc<dyn Topics> {
        Arc::new(self.topics.clone())
    }

    async fn tag_bucket(&self, bucket: &str, tags: &[(&str, &str)]) {
        self.buckets.set_tags(bucket, tags);
    }

    async fn raw_notifications(&self, bucket: &str) -> String {
        format!("{:?}", self.buckets.notifications_of(bucket))
    }

    async fn topic(&self) -> String {
        let arn = format!("arn:aws:sns:eu-test-1:000000000000:{}", name("topic"));
        self.topics.create(&arn);
        arn
    }

    async fn missing_topic(&self) -> String {
        let arn = format!("arn:aws:sns:eu-test-1:000000000000:{}", name("none"));
        self.buckets.set_unreachable(&arn);
        arn
    }

    async fn queue_arn(&self) -> String {
        format!("arn:aws:sqs:eu-test-1:000000000000:{}", name("queue"))
    }

    async fn put(&self, bucket: &str, key: &str, bytes: &'static str) {
        self.store.insert(bucket, key, bytes);
    }

    async fn put_archived(&self, bucket: &str, key: &str) {
        self.store.insert_object(bucket, key, FakeObject::new("cold").class("GLACIER"));
    }

    async fn remove(&self, bucket: &str, key: &str) {
        self.store.remove(bucket, key);
    }

    async fn queue(&self) -> (String, String) {
        let (queue, dead) = (name("queue"), name("dead"));
        self.queues.create_with_dead_letters(&queue, &dead, 2);
        (queue, dead)
    }

    async fn executions(&self) -> Arc<dyn Executions> {
        Arc::new(FakeMachine(FakeExecutions::new()))
    }

    fn user_pools(&self) -> Arc<dyn UserPools> {
        Arc::new(self.user_pools.clone())
    }

    fn uploads(&self) -> Arc<dyn Uploads> {
        Arc::new(self.uploads.clone())
    }

    async fn begin_upload(&self, bucket: &str, key: &str) -> String {
        let upload_id = Uuid::new_v4().to_string();
        let initiated = jiff::Timestamp::now();
        self.uploads.begin(bucket, Upload { key: key.to_owned(), upload_id: upload_id.clone(), initiated });
        upload_id
    }

    async fn abort_upload(&self, bucket: &str, _key: &str, id: &str) {
        self.uploads.end(bucket, id);
    }

    async fn scheduler(&self) -> Arc<dyn Scheduler> {
        Arc::new(FakeScheduler::new())
    }

    async fn user_pool(&self) -> (String, String) {
        let (id, name) = (format!("us-east-1_{}", Uuid::new_v4().simple()), name("pool"));
        self.user_pools.create(&id, &name);
        (id, name)
    }
}

/// Enters its first state at once, as the emulator's does.
struct FakeMachine(FakeExecutions);

#[async_trait]
impl Executions for FakeMachine {
    async fn start(&self, name: &str, input: &serde_json::Value) -> Result<String, lazaret_aws::ServiceError> {
        let arn = self.0.start(name, input).await?;
        self.0.enter(name, "Wait for it");
        Ok(arn)
    }

    async fn start_once(&self, name: &str, input: &serde_json::Value) -> Result<Started, lazaret_aws::ServiceError> {
        let started = self.0.start_once(name, input).await?;
        self.0.enter(name, "Wait for it");
        Ok(started)
    }

    async fn describe(
        &self,
        name: &str,
    ) -> Result<Option<lazaret_aws::executions::Execution>, lazaret_aws::ServiceError> {
        self.0.describe(name).await
    }

    async fn list(&self, limit: usize) -> Result<Vec<lazaret_aws::executions::Execution>, lazaret_aws::ServiceError> {
        self.0.list(limit).await
    }

    async fn stop(&self, name: &str, error: &str, cause: &str) -> Result<(), lazaret_aws::ServiceError> {
        self.0.stop(name, error, cause).await
    }

    async fn current_state(&self, name: &str) -> Result<Option<String>, lazaret_aws::ServiceError> {
        self.0.current_state(name).await
    }
}

struct Emulator {
    sdk: Sdk,
    s3: aws_sdk_s3::Client,
    sqs: aws_sdk_sqs::Client,
    sfn: aws_sdk_sfn::Client,
    sns: aws_sdk_sns::Client,
    endpoint: String,
}

impl Emulator {
    async fn at(endpoint: &str) -> Self {
        let local = ["http://127.0.0.1:", "http://localhost:"].iter().any(|start| endpoint.starts_with(start));
        assert!(local, "{ENDPOINT} must be on this machine, it is {endpoint}");
        let http = aws_smithy_http_client::Builder::new().build_http();
        let config = aws_config::defaults(BehaviorVersion::latest()).http_client(http).endpoint_url(endpoint);
        let config = config.region(Region::new("us-east-1")).load().await;
        let sdk = Sdk::at_endpoint(endpoint).await;
        Self {
            s3: sdk.s3_client(),
            sqs: aws_sdk_sqs::Client::new(&config),
            sfn: aws_sdk_sfn::Client::new(&config),
            sns: aws_sdk_sns::Client::new(&config),
            endpoint: endpoint.to_owned(),
            sdk,
        }
    }
}

impl Emulator {
    async fn set_versions(&self, bucket: &str, status: BucketVersioningStatus) {
        let configuration = VersioningConfiguration::builder().status(status).build();
        let set = self.s3.put_bucket_versioning().bucket(bucket).versioning_configuration(configuration);
        set.send().await.expect("versions");
    }
}

#[async_trait]
impl World for Emulator {
    fn store(&self) -> Arc<dyn ObjectStore> {
        Arc::new(self.sdk.store())
    }

    fn queues(&self) -> Arc<dyn Queues> {
        Arc::new(self.sdk.queues())
    }

    async fn bucket(&self, versioned: bool) -> String {
        let bucket = name("bucket");
        self.s3.create_bucket().bucket(&bucket).send().await.expect("a bucket");
        if versioned {
            self.enable_versions(&bucket).await;
        }
        bucket
    }

    fn store_in_parts(&self) -> Arc<dyn ObjectStore> {
        // the smallest part that S3 takes
        Arc::new(self.sdk.store().copying_in_parts(5 << 20, 5 << 20))
    }

    async fn enable_versions(&self, bucket: &str) {
        self.set_versions(bucket, BucketVersioningStatus::Enabled).await;
    }

    async fn suspend_versions(&self, bucket: &str) {
        self.set_versions(bucket, BucketVersioningStatus::Suspended).await;
    }

    async fn locked_bucket(&self) -> String {
        let bucket = name("bucket");
        let create = self.s3.create_bucket().bucket(&bucket).object_lock_enabled_for_bucket(true);
        create.send().await.expect("a bucket");
        let retention = DefaultRetention::builder().mode(ObjectLockRetentionMode::Governance).days(1).build();
        let lock = ObjectLockConfiguration::builder()
            .object_lock_enabled(ObjectLockEnabled::Enabled)
            .rule(ObjectLockRule::builder().default_retention(retention).build())
            .build();
        let put = self.s3.put_object_lock_configuration().bucket(&bucket).object_lock_configuration(lock);
        put.send().await.expect("a lock");
        bucket
    }

    async fn put_dressed(&self, bucket: &str, key: &str, bytes: Bytes, headers: &ObjectHeaders, class: &str) {
        let headers = headers.clone();
        let expires = headers.expires.map(|text| DateTime::from_str(&text, DateTimeFormat::HttpDate).expect("a date"));
        let put = self.s3.put_object().bucket(bucket).key(key).storage_class(StorageClass::from(class));
        let put = put
            .set_content_type(headers.content_type)
            .set_content_encoding(headers.content_encoding)
            .set_content_disposition(headers.content_disposition)
            .set_content_language(headers.content_language)
            .set_cache_control(headers.cache_control)
            .set_expires(expires)
            .set_website_redirect_location(headers.website_redirect_location)
            .set_metadata(Some(headers.metadata.into_iter().collect()));
        put.body(bytes.into()).send().await.expect("a put");
    }

    fn buckets(&self) -> Arc<dyn Buckets> {
        Arc::new(self.sdk.buckets())
    }

    fn topics(&self) -> Arc<dyn Topics> {
        Arc::new(self.sdk.topics())
    }

    async fn tag_bucket(&self, bucket: &str, tags: &[(&str, &str)]) {
        let tags = tags.iter().map(|(key, value)| Tag::builder().key(*key).value(*value).build().expect("a tag"));
        let tagging = Tagging::builder().set_tag_set(Some(tags.collect())).build().expect("tags");
        self.s3.put_bucket_tagging().bucket(bucket).tagging(tagging).send().await.expect("tagged");
    }

    async fn raw_notifications(&self, bucket: &str) -> String {
        raw(&self.endpoint, "GET", &format!("/{bucket}?notification"), &[], "").await
    }

    async fn topic(&self) -> String {
        let made = self.sns.create_topic().name(name("topic")).send().await.expect("a topic");
        made.topic_arn().expect("an ARN").to_owned()
    }

    async fn missing_topic(&self) -> String {
        format!("{}-none", self.topic().await)
    }

    async fn queue_arn(&self) -> String {
        let made = self.sqs.create_queue().queue_name(name("queue")).send().await.expect("a queue");
        let attributes = self.sqs.get_queue_attributes().attribute_names(QueueAttributeName::QueueArn);
        let attributes = attributes.set_queue_url(made.queue_url).send().await.expect("attributes");
        attributes.attributes().and_then(|all| all.get(&QueueAttributeName::QueueArn)).expect("an ARN").clone()
    }

    async fn put(&self, bucket: &str, key: &str, bytes: &'static str) {
        let put = self.s3.put_object().bucket(bucket).key(key).body(Bytes::from_static(bytes.as_bytes()).into());
        put.send().await.expect("a put");
    }

    async fn put_archived(&self, bucket: &str, key: &str) {
        let put = self.s3.put_object().bucket(bucket).key(key).storage_class(StorageClass::Glacier);
        put.body(Bytes::from_static(b"cold").into()).send().await.expect("a put");
    }

    async fn remove(&self, bucket: &str, key: &str) {
        self.s3.delete_object().bucket(bucket).key(key).send().await.expect("a delete");
    }

    async fn queue(&self) -> (String, String) {
        let (queue, dead) = (name("queue"), name("dead"));
        let made = self.sqs.create_queue().queue_name(&dead).send().await.expect("a queue");
        let attributes = self.sqs.get_queue_attributes().attribute_names(QueueAttributeName::QueueArn);
        let attributes = attributes.set_queue_url(made.queue_url).send().await.expect("attributes");
        let arn = attributes.attributes().and_then(|all| all.get(&QueueAttributeName::QueueArn)).expect("an ARN");
        let redrive = format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":"2"}}"#);
        let make = self.sqs.create_queue().queue_name(&queue).attributes(QueueAttributeName::RedrivePolicy, redrive);
        make.send().await.expect("a queue");
        (queue, dead)
    }

    async fn executions(&self) -> Arc<dyn Executions> {
        let definition =
            r#"{"StartAt":"Wait for it","States":{"Wait for it":{"Type":"Wait","Seconds":600,"End":true}}}"#;
        let make = self.sfn.create_state_machine().name(name("machine")).definition(definition);
        let made = make.role_arn("arn:aws:iam::000000000000:role/any").send().await.expect("a state machine");
        Arc::new(self.sdk.executions(&made.state_machine_arn))
    }

    fn user_pools(&self) -> Arc<dyn UserPools> {
        Arc::new(self.sdk.user_pools())
    }

    fn uploads(&self) -> Arc<dyn Uploads> {
        Arc::new(self.sdk.uploads())
    }

    async fn begin_upload(&self, bucket: &str, key: &str) -> String {
        let begun = self.s3.create_multipart_upload().bucket(bucket).key(key).send().await.expect("begun");
        begun.upload_id().expect("an id").to_owned()
    }

    async fn abort_upload(&self, bucket: &str, key: &str, id: &str) {
        let abort = self.s3.abort_multipart_upload().bucket(bucket).key(key).upload_id(id);
        abort.send().await.expect("aborted");
    }

    async fn scheduler(&self) -> Arc<dyn Scheduler> {
        let group = name("group");
        let authorization = "authorization: AWS4-HMAC-SHA256 Credential=test/20261101/us-east-1/scheduler/aws4_request";
        raw(&self.endpoint, "POST", &format!("/schedule-groups/{group}"), &[authorization], "{}").await;
        Arc::new(self.sdk.schedules(ScheduleTarget {
            group,
            function_arn: "arn:aws:lambda:us-east-1:000000000000:function:no-such".into(),
            role_arn: "arn:aws:iam::000000000000:role/no-such".into(),
            dead_letter_queue_arn: "arn:aws:sqs:us-east-1:000000000000:no-such".into(),
        }))
    }

    async fn user_pool(&self) -> (String, String) {
        let name = name("pool");
        let target = "x-amz-target: AWSCognitoIdentityProviderService.CreateUserPool";
        let authorization =
            "authorization: AWS4-HMAC-SHA256 Credential=test/20261101/us-east-1/cognito-idp/aws4_request";
        let body = serde_json::json!({"PoolName": name}).to_string();
        let made = raw(&self.endpoint, "POST", "/", &[target, authorization], &body).await;
        let made: serde_json::Value = serde_json::from_str(&made).expect("JSON");
        (made["UserPool"]["Id"].as_str().expect("an id").to_owned(), name)
    }
}

/// The body of an answer to an unsigned request, which the emulator gives: the SDK shows no raw answers, and makes no user pools.
async fn raw(endpoint: &str, method: &str, path: &str, headers: &[&str], body: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let host = endpoint.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = tokio::net::TcpStream::connect(host).await.expect("a connection");
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a body");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    body.to_owned()
}

/// Asks until it is so; ten seconds at most.
pub async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..100 {
        if let Some(answer) = ask().await {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{what} never came");
}
