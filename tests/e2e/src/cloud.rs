//! Buckets and objects of the local cloud.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, ensure};
use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    BucketLocationConstraint, BucketVersioningStatus, CreateBucketConfiguration, ObjectIdentifier, StorageClass,
    VersioningConfiguration,
};
use futures::StreamExt;
use jiff::Timestamp;
use lazaret_aws::sdk::{Sdk, SfnExecutions};
use lazaret_model::quarantine::copy_of_record;

use crate::corpus::Specimen;

/// PUTs at once: the emulator takes no more from two cores.
const CONCURRENT_PUTS: usize = 16;

/// The local cloud, or any other whose variables are set.
pub struct Cloud {
    pub s3: Client,
    pub sdk: Sdk,
    pub results_bucket: String,
    pub quarantine_bucket: String,
    state_machine_arn: String,
}

impl Cloud {
    /// # Errors
    /// If `.local/env` was not sourced.
    pub async fn from_env() -> anyhow::Result<Self> {
        let variable = |name: &str| {
            std::env::var(name).with_context(|| format!("{name} is not set: run `make local-up`, then `. .local/env`"))
        };
        let endpoint = variable("AWS_ENDPOINT_URL")?;
        let local = ["http://127.0.0.1:", "http://localhost:"].iter().any(|start| endpoint.starts_with(start));
        ensure!(local, "these tests delete buckets: AWS_ENDPOINT_URL must be on this machine, it is {endpoint}");
        let sdk = Sdk::from_env().await;
        Ok(Self {
            s3: sdk.s3_client(),
            sdk,
            results_bucket: variable("LAZARET_RESULTS_BUCKET")?,
            quarantine_bucket: variable("LAZARET_QUARANTINE_BUCKET")?,
            state_machine_arn: variable("LAZARET_STATE_MACHINE_ARN")?,
        })
    }

    /// The executions of the retro job.
    pub fn executions(&self) -> SfnExecutions {
        self.sdk.executions(&self.state_machine_arn)
    }

    /// An empty bucket of that name, whatever was there.
    pub async fn fresh_bucket(&self, name: &str, versioned: bool) -> anyhow::Result<()> {
        if self.s3.head_bucket().bucket(name).send().await.is_ok() {
            self.empty(name).await?;
            self.s3.delete_bucket().bucket(name).send().await?;
        }
        let region = self.s3.config().region().map(ToString::to_string);
        // the one region that must not be named
        let elsewhere = region.filter(|region| region != "us-east-1").map(|region| {
            CreateBucketConfiguration::builder()
                .location_constraint(BucketLocationConstraint::from(region.as_str()))
                .build()
        });
        let create = self.s3.create_bucket().bucket(name).set_create_bucket_configuration(elsewhere);
        create.send().await.with_context(|| format!("creating {name}"))?;
        if versioned {
            let enabled = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
            self.s3.put_bucket_versioning().bucket(name).versioning_configuration(enabled).send().await?;
        }
        Ok(())
    }

    async fn empty(&self, bucket: &str) -> anyhow::Result<()> {
        // a denying policy of a test would deny this too
        self.s3.delete_bucket_policy().bucket(bucket).send().await?;
        loop {
            let page = self.s3.list_object_versions().bucket(bucket).send().await?;
            let versions = page.versions().iter().map(|v| (v.key(), v.version_id()));
            let markers = page.delete_markers().iter().map(|m| (m.key(), m.version_id()));
            let doomed: Vec<_> = versions
                .chain(markers)
                .map(|(key, version)| {
                    ObjectIdentifier::builder()
                        .key(key.unwrap_or_default())
                        .set_version_id(version.map(str::to_owned))
                        .build()
                })
                .collect::<Result<_, _>>()?;
            if doomed.is_empty() {
                return Ok(());
            }
            let delete = aws_sdk_s3::types::Delete::builder().set_objects(Some(doomed)).build()?;
            self.s3.delete_objects().bucket(bucket).delete(delete).send().await?;
        }
    }

    pub async fn put(&self, bucket: &str, specimen: &Specimen) -> anyhow::Result<()> {
        self.s3
            .put_object()
            .bucket(bucket)
            .key(&specimen.key)
            .set_storage_class(specimen.storage_class.map(StorageClass::from))
            .body(ByteStream::from(specimen.bytes.clone()))
            .send()
            .await
            .with_context(|| format!("storing `{}`", specimen.key.escape_debug()))?;
        Ok(())
    }

    pub async fn fill(&self, bucket: &str, specimens: &[Specimen]) -> anyhow::Result<()> {
        let mut puts = futures::stream::iter(specimens.iter().map(|specimen| self.put(bucket, specimen)))
            .buffer_unordered(CONCURRENT_PUTS);
        while let Some(stored) = puts.next().await {
            stored?;
        }
        Ok(())
    }

    /// Stores `specimen`, then waits until whatever is stored next is later by S3's clock, which ticks in seconds.
    /// Returns the first instant that is after it.
    pub async fn put_before_window(&self, bucket: &str, specimen: &Specimen) -> anyhow::Result<Timestamp> {
        self.put(bucket, specimen).await?;
        let head = self.s3.head_object().bucket(bucket).key(&specimen.key).send().await?;
        let stored_at = head.last_modified().context("an object has a date")?;
        let next = Timestamp::from_second(stored_at.secs() + 1)?;
        while Timestamp::now() < next {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(next)
    }

    /// Every key of a bucket with its size.
    pub async fn keys(&self, bucket: &str, prefix: &str) -> anyhow::Result<BTreeMap<String, u64>> {
        let mut keys = BTreeMap::new();
        let mut pages = self.s3.list_objects_v2().bucket(bucket).prefix(prefix).into_paginator().send();
        while let Some(page) = pages.next().await {
            for object in page?.contents() {
                let size = u64::try_from(object.size().unwrap_or_default())?;
                keys.insert(object.key().context("an object has a key")?.to_owned(), size);
            }
        }
        Ok(keys)
    }

    /// The keys of the copies that stand in quarantine for objects of `bucket`; the records beside them are left out.
    pub async fn quarantined(&self, bucket: &str) -> anyhow::Result<Vec<String>> {
        let keys = self.keys(&self.quarantine_bucket, &format!("{bucket}/")).await?;
        Ok(keys.into_keys().filter(|key| copy_of_record(key).is_none()).collect())
    }

    /// Key and version id of every version that is an object, in no order.
    pub async fn versions(&self, bucket: &str) -> anyhow::Result<Vec<(String, String)>> {
        let mut versions = Vec::new();
        let (mut key, mut id) = (None, None);
        loop {
            let list = self.s3.list_object_versions().bucket(bucket);
            let page = list.set_key_marker(key).set_version_id_marker(id).send().await?;
            for version in page.versions() {
                let (key, id) = version.key().zip(version.version_id()).context("a version has a key and an id")?;
                versions.push((key.to_owned(), id.to_owned()));
            }
            if page.is_truncated() != Some(true) {
                return Ok(versions);
            }
            (key, id) = (page.next_key_marker, page.next_version_id_marker);
        }
    }

    /// The tags of an object, the current version.
    pub async fn tags(&self, bucket: &str, key: &str) -> anyhow::Result<BTreeMap<String, String>> {
        let tagging = self.s3.get_object_tagging().bucket(bucket).key(key).send().await?;
        Ok(tagging.tag_set().iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect())
    }

    /// Denies everything in a bucket to everybody, by its policy.
    pub async fn deny(&self, bucket: &str) -> anyhow::Result<()> {
        let policy = serde_json::json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Deny",
                "Principal": "*",
                "Action": ["s3:GetObject*", "s3:ListBucket*", "s3:PutObject*"],
                "Resource": [format!("arn:aws:s3:::{bucket}"), format!("arn:aws:s3:::{bucket}/*")],
            }],
        });
        self.s3.put_bucket_policy().bucket(bucket).policy(policy.to_string()).send().await?;
        Ok(())
    }
}
