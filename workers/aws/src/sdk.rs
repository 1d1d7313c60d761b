//! Adapters over the AWS SDK.
