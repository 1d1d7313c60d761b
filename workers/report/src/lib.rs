//! A job's report: the proof that it missed nothing, as JSON, CSV and one self-contained HTML page.
//!
//! The major components are:
//!
//! * [`aggregate`]: parts in, totals and completeness out, a row at a time ([`Aggregator`]); [`seen`]: no object twice.
//! * [`summary`]: the [`lazaret_model::Summary`] of a finished job.
//! * [`json`]: what `lazaret report ID --json` prints ([`JsonReport`], [`ReportDocument`]).
//! * [`csv`]: the same rows for a spreadsheet ([`CsvReport`]).
//! * [`page`]: the page for a person ([`Page`]).
//!
//! It reads and writes nothing but `Write`rs: where rows come from is the caller's concern. Keys, member names and error
//! texts are hostile everywhere in here.

pub mod aggregate;
pub mod csv;
pub mod json;
pub mod page;
pub mod seen;
pub mod summary;

pub use aggregate::{Aggregator, Audit, PartError};
pub use csv::CsvReport;
pub use json::{JsonReport, ReportDocument, ReportRow};
pub use page::Page;
pub use summary::summarise;
