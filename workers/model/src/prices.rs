//! What AWS asks: list prices of us-east-1 (N. Virginia) without free tiers, Savings Plans or taxes.
//!
//! Each constant names the page of AWS that lists it. Other regions ask up to a third more.

/// The month that the constants are of. Fargate, public addresses and Step Functions were compared with rate tables published in
/// it that quote AWS's pages; the others are from memory and were not compared: AWS's own pages could not be read from here.
pub const AS_OF: &str = "2026-03";
pub const REGION: &str = "us-east-1";

/// Fargate, Linux on ARM (aws.amazon.com/fargate/pricing), in dollars.
pub const FARGATE_ARM: Fargate = Fargate { vcpu_hour: 0.03238, gb_hour: 0.00356 };
/// Fargate, Linux on x86-64 (the same page).
pub const FARGATE_X86: Fargate = Fargate { vcpu_hour: 0.04048, gb_hour: 0.004445 };
/// Fargate's disk beyond the 20 GB that are free, a GB and hour (the same page).
pub const FARGATE_DISK_GB_HOUR: f64 = 0.000111;
/// Fargate's disk that is free with each task, in GB (the same page).
pub const FARGATE_DISK_FREE_GB: f64 = 20.0;
/// Fargate bills by the second, a minute at least (the same page).
pub const FARGATE_MINIMUM_SECONDS: f64 = 60.0;
/// A public IPv4 address in use, an hour (aws.amazon.com/vpc/pricing).
pub const PUBLIC_IPV4_HOUR: f64 = 0.005;

/// S3 Standard: PUT, COPY, POST, LIST; a request that replaces tags is a PUT (aws.amazon.com/s3/pricing). DELETE is free.
pub const S3_PUT_OR_LIST: f64 = 0.005 / 1_000.0;
/// S3 Standard: GET, HEAD and all others (the same page).
pub const S3_GET: f64 = 0.0004 / 1_000.0;
/// S3 object tags, a tag and month (the same page): $0.0065 per 10,000.
pub const S3_TAG_MONTH: f64 = 0.0065 / 10_000.0;

/// SQS standard queues, a request of up to 64 KB (aws.amazon.com/sqs/pricing).
pub const SQS_REQUEST: f64 = 0.40 / 1_000_000.0;
/// Bytes that SQS bills as one request (the same page).
pub const SQS_REQUEST_BYTES: f64 = 64.0 * 1024.0;

/// Step Functions Standard, a state transition (aws.amazon.com/step-functions/pricing).
pub const STATE_TRANSITION: f64 = 0.025 / 1_000.0;

/// Lambda on ARM: a GB-second, and an invocation (aws.amazon.com/lambda/pricing).
pub const LAMBDA_GB_SECOND: f64 = 0.000_013_333_4;
pub const LAMBDA_INVOCATION: f64 = 0.20 / 1_000_000.0;

/// One architecture of Fargate.
#[derive(Debug, Clone, Copy)]
pub struct Fargate {
    pub vcpu_hour: f64,
    pub gb_hour: f64,
}
