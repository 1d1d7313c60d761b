//! One file a subcommand.

pub mod bucket_list;
pub mod bucket_protect;
pub mod bucket_show;
pub mod bucket_unprotect;
pub mod definitions_list;
pub mod definitions_show;
pub mod definitions_update;
pub mod definitions_use;
pub mod job_list;
pub mod job_show;
pub mod job_start;
pub mod job_stop;
pub mod job_wait;
pub mod plan;
pub mod report;
pub mod scan;
