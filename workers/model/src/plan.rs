//! The plan of a job: which crawls count. Written once, by `size_fleet`, before the first agent starts.

use serde::{Deserialize, Serialize};

use crate::crawl::{CrawlResult, SizeHistogram};
use crate::job::Job;
use crate::packet::{CrawlId, PacketId};

/// What every later step reads to know the whole of the job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobPlan {
    pub job: Job,
    /// The accepted crawl of each scope. Packets of other crawls (attempts that Step Functions gave up) are void.
    pub crawls: Vec<CrawlResult>,
}

impl JobPlan {
    /// Whether a packet belongs to the job; agents delete the others unread.
    pub fn accepts(&self, packet: &PacketId) -> bool {
        self.crawl(&packet.crawl).is_some_and(|crawl| packet.sequence < crawl.packets)
    }

    fn crawl(&self, id: &CrawlId) -> Option<&CrawlResult> {
        self.crawls.iter().find(|crawl| crawl.crawl_id == *id)
    }

    pub fn packets(&self) -> u64 {
        self.crawls.iter().map(|crawl| crawl.packets).sum()
    }

    pub fn packet_ids(&self) -> impl Iterator<Item = PacketId> + '_ {
        self.crawls.iter().flat_map(|crawl| (0..crawl.packets).map(|sequence| crawl.crawl_id.packet(sequence)))
    }

    pub fn listed(&self) -> u64 {
        self.crawls.iter().map(|crawl| crawl.listed).sum()
    }

    pub fn outside_window(&self) -> u64 {
        self.crawls.iter().map(|crawl| crawl.outside_window).sum()
    }

    pub fn matched(&self) -> u64 {
        self.crawls.iter().map(|crawl| crawl.matched).sum()
    }

    pub fn matched_bytes(&self) -> u64 {
        self.crawls.iter().map(|crawl| crawl.matched_bytes).sum()
    }

    pub fn sizes(&self) -> SizeHistogram {
        let mut sizes = SizeHistogram::default();
        for crawl in &self.crawls {
            sizes.merge(&crawl.sizes);
        }
        sizes
    }
}
