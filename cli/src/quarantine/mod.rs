//! What stands in quarantine: copies, each with the record of what it was.
//!
//! * [`find`]: lists copies, or finds the one that a person means.
//! * [`entry`]: one copy, from its record, or, where there is none, from what it says of itself.
//! * [`remove`]: takes a copy away, and says what Object Lock says.

pub mod entry;
pub mod find;
pub mod remove;
