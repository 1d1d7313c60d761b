//! What keeps a bucket from being protected, or from promoting to another.

use lazaret_aws::StoreError;
use lazaret_aws::buckets::Versioning;
use lazaret_model::promotion::Destination;
use lazaret_model::{BucketScope, Policies};

use crate::error::ProtectError;
use crate::site::Site;

/// The bucket is there, within reach, and not one of ours.
///
/// # Errors
/// What stands against it.
pub async fn check_bucket(site: &Site, bucket: &str) -> Result<(), ProtectError> {
    if site.is_ours(bucket) {
        return Err(ProtectError::OurBucket(bucket.to_owned()));
    }
    let ours = &site.topic.region;
    match site.buckets.region(bucket).await {
        Ok(region) if region == *ours => Ok(()),
        Ok(region) => Err(ProtectError::OtherRegion { bucket: bucket.to_owned(), region, ours: ours.clone() }),
        Err(StoreError::NoSuchBucket(_) | StoreError::NotFound) => Err(ProtectError::NoBucket(bucket.to_owned())),
        Err(source) => Err(ProtectError::store(format!("looking where bucket `{bucket}` lies"))(source)),
    }
}

/// A staging bucket and where it promotes to.
///
/// # Errors
/// What stands against it.
pub async fn check_staging(
    site: &Site,
    bucket: &str,
    to: &Destination,
    policies: &Policies,
) -> Result<(), ProtectError> {
    if to.bucket == bucket {
        return Err(ProtectError::PromotesToItself(bucket.to_owned()));
    }
    if site.is_ours(&to.bucket) {
        return Err(ProtectError::OurDestination(to.bucket.clone()));
    }
    if to.prefix.len() > 1024 {
        return Err(ProtectError::LongPrefix);
    }
    check_versioned(site, bucket).await?;
    check_circle(bucket, to, policies)?;
    let ours = &site.topic.region;
    match site.buckets.region(&to.bucket).await {
        Ok(region) if region == *ours => Ok(()),
        Ok(region) => Err(ProtectError::DestinationElsewhere { bucket: to.bucket.clone(), region, ours: ours.clone() }),
        Err(StoreError::NoSuchBucket(_) | StoreError::NotFound) => Err(ProtectError::NoDestination(to.bucket.clone())),
        // what only the function that promotes may look at is there
        Err(StoreError::AccessDenied(_)) => Ok(()),
        Err(source) => Err(ProtectError::store(format!("looking where bucket `{}` lies", to.bucket))(source)),
    }
}

async fn check_versioned(site: &Site, bucket: &str) -> Result<(), ProtectError> {
    let versioning = site.buckets.versioning(bucket).await;
    match versioning.map_err(ProtectError::store(format!("looking whether bucket `{bucket}` has versions")))? {
        Versioning::Enabled => Ok(()),
        off => {
            let suspended = off == Versioning::Suspended;
            Err(ProtectError::NotVersioned { bucket: bucket.to_owned(), suspended })
        }
    }
}

/// A destination may be a staging bucket itself, as long as that does not lead back.
fn check_circle(bucket: &str, to: &Destination, policies: &Policies) -> Result<(), ProtectError> {
    let mut way = vec![bucket.to_owned(), to.bucket.clone()];
    while let Some(next) = way.last().and_then(|last| policies.of(last).promote_to()) {
        let back = way.contains(&next.bucket);
        way.push(next.bucket.clone());
        if back {
            return Err(ProtectError::Circle(way));
        }
    }
    Ok(())
}

/// Reads `DEST` or `DEST/PREFIX`.
///
/// # Errors
/// If there is no bucket of such a name.
pub fn parse_destination(text: &str) -> Result<Destination, ProtectError> {
    let BucketScope { name, prefix } = BucketScope::parse(text);
    let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.'));
    if !plain || !(3..=63).contains(&name.len()) {
        return Err(ProtectError::BadDestination { bucket: name });
    }
    Ok(Destination { bucket: name, prefix })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use lazaret_model::Policy;
    use lazaret_model::policy::{ProtectedBy, Protection};

    use super::*;

    fn to(bucket: &str) -> Destination {
        Destination { bucket: bucket.into(), prefix: String::new() }
    }

    #[test]
    fn a_way_that_leads_back_is_shown() {
        let mut policies = Policies::default();
        for (from, next) in [("b", "c"), ("c", "a")] {
            let protection = Protection::new(Timestamp::UNIX_EPOCH, ProtectedBy::Command).promoting_to(to(next));
            policies.buckets.insert(from.into(), Policy { protection: Some(protection), ..Policy::default() });
        }
        let error = check_circle("a", &to("b"), &policies).expect_err("a circle").to_string();
        assert!(error.contains("`a` → `b` → `c` → `a`"), "{error}");
        check_circle("x", &to("y"), &policies).expect("no circle");
        // one of others is none of ours, and is no reason to walk for ever
        policies.buckets.insert("a".into(), policies.buckets["b"].clone());
        assert!(check_circle("x", &to("a"), &policies).is_err());
    }

    #[test]
    fn destinations_are_a_bucket_and_perhaps_a_prefix() {
        let parsed = |text| parse_destination(text).map(|to| (to.bucket, to.prefix));
        assert_eq!(parsed("production").expect("a name"), ("production".into(), String::new()));
        assert_eq!(parsed("s3://production/in/").expect("a name"), ("production".into(), "in/".into()));
        for bad in ["", "/in", "Production", "a", "b c"] {
            assert!(parsed(bad).expect_err(bad).to_string().contains("DEST/PREFIX"));
        }
    }
}
