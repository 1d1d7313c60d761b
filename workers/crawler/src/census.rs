//! What the listing showed, counted. Pure.

use lazaret_model::{BucketScope, CrawlId, CrawlResult, Matching, ObjectRef, Progress, SizeHistogram};

/// What is to be done with a listed object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    OutsideWindow,
    /// In the window, but not to be read without a restore: a row and no scan.
    Archived,
    Scan,
}

/// Counts objects as they are listed.
#[derive(Debug)]
pub struct Census {
    result: CrawlResult,
    matching: Matching,
    archived_bytes: u64,
    /// Of the object that was to be scanned last.
    directory: Option<String>,
}

impl Census {
    pub fn new(crawl_id: CrawlId, scope: BucketScope, matching: Matching) -> Self {
        let result = CrawlResult {
            crawl_id,
            scope,
            listed: 0,
            outside_window: 0,
            matched: 0,
            matched_bytes: 0,
            archived: 0,
            packets: 0,
            packets_sent: 0,
            largest_bytes: 0,
            directories: 0,
            sizes: SizeHistogram::default(),
        };
        Self { result, matching, archived_bytes: 0, directory: None }
    }

    pub fn count(&mut self, object: &ObjectRef) -> Fate {
        let counts = &mut self.result;
        counts.listed += 1;
        if !self.matching.matches(object) {
            counts.outside_window += 1;
            return Fate::OutsideWindow;
        }
        counts.matched += 1;
        counts.matched_bytes += object.size;
        if object.storage_class.is_archived() {
            counts.archived += 1;
            self.archived_bytes += object.size;
            return Fate::Archived;
        }
        counts.largest_bytes = counts.largest_bytes.max(object.size);
        counts.sizes.add(object.size);
        let directory = object.key.rsplit_once('/').map_or("", |(directory, _)| directory);
        if self.directory.as_deref() != Some(directory) {
            counts.directories += 1;
            self.directory = Some(directory.to_owned());
        }
        Fate::Scan
    }

    /// The number of the next packet.
    pub fn sequence(&self) -> u64 {
        self.result.packets
    }

    /// A packet was closed; `sent` if its objects go to an agent.
    pub fn count_packet(&mut self, sent: bool) {
        self.result.packets += 1;
        self.result.packets_sent += u64::from(sent);
    }

    /// Archived objects have their verdict as soon as they are listed.
    pub fn progress(&self) -> Progress {
        Progress {
            crawled: self.result.listed,
            matched: self.result.matched,
            scanned: self.result.archived,
            bytes: self.archived_bytes,
            ..Progress::default()
        }
    }

    pub fn finish(self) -> CrawlResult {
        self.result
    }
}
