//! Definitions as immutable versions in S3.
