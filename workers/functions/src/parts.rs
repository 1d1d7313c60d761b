//! Which packets have their part.

use std::collections::HashMap;

use lazaret_aws::ObjectStore;
use lazaret_model::{CrawlId, JobPlan, PacketId, layout};

use crate::error::FunctionError;

/// Deletes the parts of void crawls: rows of archived objects that an attempt wrote before Step Functions gave it up. Without
/// the plan, which goes with the tear-down, nobody could tell them from the others.
///
/// # Errors
/// Those of the store.
pub async fn remove_void(store: &dyn ObjectStore, bucket: &str, plan: &JobPlan) -> Result<(), FunctionError> {
    let job = &plan.job.job_id;
    let prefix = layout::parts_prefix(job);
    let mut next: Option<String> = None;
    loop {
        let page = store.list_page(bucket, &prefix, next.as_deref()).await;
        let page = page.map_err(FunctionError::store("listing the parts"))?;
        let void = |key: &&String| layout::packet_of_part(job, key).is_some_and(|packet| !plan.accepts(&packet));
        let keys: Vec<String> = page.objects.iter().map(|object| &object.key).filter(void).cloned().collect();
        if !keys.is_empty() {
            let deleted = store.delete_keys(bucket, &keys).await;
            deleted.map_err(FunctionError::store("deleting the parts of void crawls"))?;
        }
        next = page.next;
        if next.is_none() {
            return Ok(());
        }
    }
}

/// A bit for each packet of a plan: a million packets take 125 kB.
#[derive(Debug)]
pub struct Parts {
    crawls: HashMap<CrawlId, Vec<u64>>,
    present: u64,
}

impl Parts {
    /// None of the plan's packets has its part.
    pub fn none_of(plan: &JobPlan) -> Self {
        let words = |packets: u64| vec![0; usize::try_from(packets.div_ceil(64)).expect("a plan fits into memory")];
        let crawls = plan.crawls.iter().map(|crawl| (crawl.crawl_id.clone(), words(crawl.packets)));
        Self { crawls: crawls.collect(), present: 0 }
    }

    /// Lists what there is. Parts of void crawls, and whatever else lies there, don't count.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn list(store: &dyn ObjectStore, bucket: &str, plan: &JobPlan) -> Result<Self, FunctionError> {
        let job = &plan.job.job_id;
        let prefix = layout::parts_prefix(job);
        let mut parts = Self::none_of(plan);
        let mut next: Option<String> = None;
        loop {
            let page = store.list_page(bucket, &prefix, next.as_deref()).await;
            let page = page.map_err(FunctionError::store("listing the parts"))?;
            for object in &page.objects {
                if let Some(packet) = layout::packet_of_part(job, &object.key).filter(|packet| plan.accepts(packet)) {
                    parts.add(&packet);
                }
            }
            next = page.next;
            if next.is_none() {
                return Ok(parts);
            }
        }
    }

    /// How many packets have their part.
    pub fn present(&self) -> u64 {
        self.present
    }

    fn add(&mut self, packet: &PacketId) {
        let word = usize::try_from(packet.sequence / 64).ok();
        let bits = self.crawls.get_mut(&packet.crawl);
        if let Some(word) = word.and_then(|word| bits?.get_mut(word)) {
            let bit = 1 << (packet.sequence % 64);
            self.present += u64::from(*word & bit == 0);
            *word |= bit;
        }
    }
}
