//! One file a subcommand.

pub mod job_list;
pub mod job_show;
pub mod job_start;
pub mod job_stop;
pub mod job_wait;
pub mod plan;
pub mod report;
