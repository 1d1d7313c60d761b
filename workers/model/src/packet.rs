//! A work packet: one SQS message with many objects.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::job::JobId;
use crate::object::ObjectRef;

/// Deliveries of a packet before it goes to the dead letters: the `maxReceiveCount` of the job's queue, as
/// `statemachines/retro-job.asl.json` sets it.
pub const DELIVERIES: u32 = 5;

/// One attempt to crawl one scope of a job: `<scope's index>-<8 hex digits of the attempt>`. A retried crawl has another
/// id, so that its packets are never mistaken for those of the attempt before.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CrawlId {
    scope_index: u32,
    attempt: u32,
}

impl CrawlId {
    /// `scope_index` is the place of the bucket in the job's input, `attempt` any number that no other attempt has.
    pub fn new(scope_index: u32, attempt: u32) -> Self {
        Self { scope_index, attempt }
    }

    pub fn scope_index(&self) -> u32 {
        self.scope_index
    }

    /// The packet number `sequence` (from 0) of this crawl.
    pub fn packet(&self, sequence: u64) -> PacketId {
        PacketId { crawl: self.clone(), sequence }
    }
}

impl fmt::Display for CrawlId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:08x}", self.scope_index, self.attempt)
    }
}

/// A crawl's or a packet's id that is spelled wrongly.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an id of a crawl or packet")]
pub struct BadId(String);

impl FromStr for CrawlId {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        let parse = || {
            let (scope, attempt) = text.split_once('-')?;
            Some(Self { scope_index: scope.parse().ok()?, attempt: u32::from_str_radix(attempt, 16).ok()? })
        };
        // only the one spelling that `Display` writes: an id is part of an object's key
        parse().filter(|id| id.to_string() == text).ok_or_else(|| BadId(text.to_owned()))
    }
}

/// A packet's id: its crawl and its place in it. The packets of a crawl are exactly 0, 1, … n-1: completeness needs no list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PacketId {
    pub crawl: CrawlId,
    pub sequence: u64,
}

impl fmt::Display for PacketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:010}", self.crawl, self.sequence)
    }
}

impl FromStr for PacketId {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        let parse = || {
            let (crawl, sequence) = text.rsplit_once('-')?;
            Some(Self { crawl: crawl.parse().ok()?, sequence: sequence.parse().ok()? })
        };
        parse().filter(|id| id.to_string() == text).ok_or_else(|| BadId(text.to_owned()))
    }
}

macro_rules! as_text {
    ($name:ident) => {
        impl TryFrom<String> for $name {
            type Error = BadId;
            fn try_from(text: String) -> Result<Self, BadId> {
                text.parse()
            }
        }
        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }
    };
}
as_text!(CrawlId);
as_text!(PacketId);

/// One SQS message of a job's queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkPacket {
    pub job_id: JobId,
    pub packet_id: PacketId,
    pub bucket: String,
    /// In the order of the listing, all of `bucket`.
    pub objects: Vec<ObjectRef>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_one_spelling_and_sort_as_numbers() {
        let crawl = CrawlId::new(7, 0xbeef);
        assert_eq!(crawl.to_string(), "0007-0000beef");
        let packet = crawl.packet(12);
        assert_eq!(packet.to_string(), "0007-0000beef-0000000012");
        assert_eq!(packet.to_string().parse(), Ok(packet));
        for bad in ["7-beef-12", "0007-0000beef", "0007-0000BEEF-0000000012", "../x", "0007-0000beef-+000000012"] {
            assert!(bad.parse::<PacketId>().is_err(), "{bad}");
        }
    }
}
