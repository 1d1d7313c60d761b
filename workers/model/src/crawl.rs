//! What one crawl of one scope counted.

use serde::{Deserialize, Serialize};

use crate::job::BucketScope;
use crate::packet::CrawlId;

/// Objects and bytes by the binary logarithm of the size: bucket 0 holds empty objects, bucket n sizes from
/// 2^(n-1) to 2^n - 1. Written without its empty tail; S3's largest object (50 TB) falls into bucket 46.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SizeHistogram(Vec<SizeBucket>);

/// One bar of the histogram.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SizeBucket {
    pub objects: u64,
    pub bytes: u64,
}

impl SizeHistogram {
    pub fn add(&mut self, size: u64) {
        let index = (u64::BITS - size.leading_zeros()) as usize;
        self.reach(index + 1);
        self.0[index].objects += 1;
        self.0[index].bytes += size;
    }

    pub fn merge(&mut self, other: &Self) {
        self.reach(other.0.len());
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            mine.objects += theirs.objects;
            mine.bytes += theirs.bytes;
        }
    }

    pub fn objects(&self) -> u64 {
        self.0.iter().map(|bar| bar.objects).sum()
    }

    pub fn bytes(&self) -> u64 {
        self.0.iter().map(|bar| bar.bytes).sum()
    }

    /// The bars, from empty objects upwards.
    pub fn bars(&self) -> &[SizeBucket] {
        &self.0
    }

    fn reach(&mut self, length: usize) {
        if self.0.len() < length {
            self.0.resize(length, SizeBucket::default());
        }
    }
}

/// Everything a crawl counted, as it lies in S3. `listed = outside_window + matched`,
/// `matched = sizes.objects() + archived`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CrawlResult {
    pub crawl_id: CrawlId,
    pub scope: BucketScope,
    /// Objects that the listing returned.
    pub listed: u64,
    pub outside_window: u64,
    /// Objects in the window: each gets a row.
    pub matched: u64,
    /// Bytes of all matched objects, archived ones included.
    pub matched_bytes: u64,
    /// Matched objects in an archived storage class; their rows were written by the crawler itself.
    pub archived: u64,
    /// Packets of this crawl, those that the crawler completed itself included: ids 0 to `packets` - 1.
    pub packets: u64,
    /// Packets that were sent to the queue.
    pub packets_sent: u64,
    /// The largest object to be scanned, in bytes.
    pub largest_bytes: u64,
    /// Directories (keys up to their last `/`) of the objects to be scanned, as often as the listing came to one: S3 can spread its
    /// load over so many at the most.
    #[serde(default)]
    pub directories: u64,
    /// Sizes of the matched objects that are to be scanned.
    pub sizes: SizeHistogram,
}

impl CrawlResult {
    /// What the crawler's task answers to Step Functions: small, since a job may have a thousand of them.
    pub fn brief(&self) -> CrawlBrief {
        CrawlBrief {
            crawl_id: self.crawl_id.clone(),
            bucket: self.scope.name.clone(),
            objects: self.matched,
            bytes: self.matched_bytes,
            packets: self.packets,
        }
    }
}

/// A crawl's answer to Step Functions; the whole [`CrawlResult`] lies at [`crate::layout::crawl_key`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CrawlBrief {
    pub crawl_id: CrawlId,
    pub bucket: String,
    pub objects: u64,
    pub bytes: u64,
    pub packets: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_powers_of_two_and_merge_adds_them() {
        let mut sizes = SizeHistogram::default();
        for size in [0, 1, 2, 3, 4, 1023, 1024] {
            sizes.add(size);
        }
        let objects: Vec<u64> = sizes.bars().iter().map(|bar| bar.objects).collect();
        assert_eq!(objects, [1, 1, 2, 1, 0, 0, 0, 0, 0, 0, 1, 1]);
        let mut twice = SizeHistogram::default();
        twice.merge(&sizes);
        twice.merge(&sizes);
        assert_eq!((twice.objects(), twice.bytes()), (14, 2 * sizes.bytes()));
    }
}
