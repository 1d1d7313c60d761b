//! Whole jobs on the local cloud: what the demo and the end-to-end tests share.
//!
//! * [`corpus`]: objects, and the verdict that each must get, written down before any job runs.
//! * [`cloud`]: buckets and objects of the local cloud.
//! * [`cli`]: `lazaret`, run as a person runs it. [`api`]: the verdict API, called as clients do.
//! * [`check`]: holds a report against what was written down; [`leftovers`]: what a job left behind.
//! * [`rules`]: rules of the owner's own.
//! * [`workers`]: the processes of tasks, to be killed; [`wait`]: awaits a condition.
//! * [`flow`]: the event flow: its queues, its agents, and a spy on what it announces. [`raw`]: HTTP without an SDK in between.
//!
//! It needs a running local cloud (`make local-up`) and its variables (`.local/env`). It tests wiring and behaviour; what only
//! a template can show (IAM, KMS, quotas) is tested in `cdk/`.

pub mod api;
pub mod check;
pub mod cli;
pub mod cloud;
pub mod corpus;
pub mod flow;
pub mod leftovers;
pub mod raw;
pub mod rules;
pub mod wait;
pub mod workers;
