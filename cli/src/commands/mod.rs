//! One file a subcommand.

pub mod bucket_list;
pub mod bucket_protect;
pub mod bucket_show;
pub mod bucket_unprotect;
pub mod definitions_list;
pub mod definitions_show;
pub mod definitions_update;
pub mod definitions_use;
pub mod events_redrive;
pub mod events_show;
pub mod job_list;
pub mod job_show;
pub mod job_start;
pub mod job_stop;
pub mod job_wait;
pub mod plan;
pub mod quarantine_delete;
pub mod quarantine_list;
pub mod quarantine_restore;
pub mod quarantine_show;
pub mod report;
pub mod scan;
