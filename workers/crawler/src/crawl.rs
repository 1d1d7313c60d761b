//! From listed objects to parcels: what is to be sent, and what is to be written. Pure; [`crate::run()`] and
//! [`crate::measure()`] differ only in what they do with a parcel.

use lazaret_model::{BucketScope, CrawlId, CrawlResult, JobId, Matching, ObjectRef, PacketId, Progress};

use crate::census::{Census, Fate};
use lazaret_model::pack::{Packer, PacketLimits};

/// Archived objects in one part: a row has some 400 bytes, so that a part stays well under a megabyte.
const ARCHIVED_ROWS: usize = 1_000;

/// A packet, by who completes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parcel {
    /// To be sent: the body of a message.
    Work(String),
    /// To be written by the crawler itself.
    Archived(PacketId, Vec<ObjectRef>),
}

/// One attempt to crawl one scope.
#[derive(Debug)]
pub struct Crawl {
    crawl_id: CrawlId,
    census: Census,
    packer: Packer,
    archived: Vec<ObjectRef>,
}

impl Crawl {
    pub fn new(
        job_id: JobId,
        crawl_id: CrawlId,
        scope: BucketScope,
        matching: impl Into<Matching>,
        limits: PacketLimits,
    ) -> Self {
        let packer = Packer::new(job_id, crawl_id.clone(), &scope.name, limits);
        Self { census: Census::new(crawl_id.clone(), scope, matching.into()), crawl_id, packer, archived: Vec::new() }
    }

    /// Takes an object in, in the order of the listing; hands out a parcel when one is full.
    pub fn take(&mut self, object: ObjectRef) -> Option<Parcel> {
        match self.census.count(&object) {
            Fate::OutsideWindow => None,
            Fate::Archived => {
                self.archived.push(object);
                if self.archived.len() < ARCHIVED_ROWS { None } else { self.close_archived() }
            }
            Fate::Scan => {
                let full = self.packer.add(&object, self.census.sequence())?;
                self.census.count_packet(true);
                Some(Parcel::Work(full.body))
            }
        }
    }

    pub fn progress(&self) -> Progress {
        self.census.progress()
    }

    /// The parcels of what is left, and all counts.
    pub fn finish(mut self) -> (Vec<Parcel>, CrawlResult) {
        let mut last = Vec::new();
        if let Some(rest) = self.packer.close(self.census.sequence()) {
            self.census.count_packet(true);
            last.push(Parcel::Work(rest.body));
        }
        last.extend(self.close_archived());
        (last, self.census.finish())
    }

    fn close_archived(&mut self) -> Option<Parcel> {
        if self.archived.is_empty() {
            return None;
        }
        let packet = self.crawl_id.packet(self.census.sequence());
        self.census.count_packet(false);
        Some(Parcel::Archived(packet, std::mem::take(&mut self.archived)))
    }
}
