//! The contract of the ports: the same assertions hold for the fakes and for the SDK.
//!
//! The SDK's half runs against the endpoint in `LAZARET_TEST_ENDPOINT` (an emulator on this machine, with any `AWS_*`
//! credentials); without that variable every test says that it looked at the fakes alone.

mod buckets;
mod copies;
mod executions;
mod objects;
mod queues;
mod schedules;
mod uploads;
mod users;
mod versions;
mod world;
