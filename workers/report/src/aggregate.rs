//! Parts in, totals and the proof of completeness out.

use lazaret_model::summary::DefinitionsUse;
use lazaret_model::{Completeness, CrawlId, CrawlResult, JobPlan, PacketId, ResultRow, Totals};

use crate::seen::Seen;

/// Why a part does not count. Its packet is then a missing one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PartError {
    #[error("part `{0}` has a row of bucket `{1}`, which its crawl did not list")]
    OtherBucket(PacketId, String),
    #[error("part `{0}` has a row outside the prefix `{1}` of its crawl")]
    OutsidePrefix(PacketId, String),
    #[error("part `{0}` has a row outside the job's window")]
    OutsideWindow(PacketId),
    #[error("part `{0}` has no row")]
    Empty(PacketId),
}

/// What a job's rows add up to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    pub totals: Totals,
    pub completeness: Completeness,
    /// The definitions that were used.
    pub definitions: Vec<DefinitionsUse>,
}

/// Adds up the parts of a job, in the order of [`JobPlan::packet_ids`].
///
/// Holds numbers and the hashes of one crawl (see [`Seen`]), never rows. That is enough to find every duplicate: the scopes of
/// a job don't overlap, and a row that its crawl can't have listed makes its whole part void.
pub struct Aggregator<'plan> {
    plan: &'plan JobPlan,
    expected: Box<dyn Iterator<Item = PacketId> + Send + 'plan>,
    totals: Totals,
    definitions: Vec<DefinitionsUse>,
    parts: u64,
    missing: Vec<String>,
    crawl: Option<CrawlId>,
    seen: Seen,
    duplicates: u64,
}

impl<'plan> Aggregator<'plan> {
    pub fn new(plan: &'plan JobPlan) -> Self {
        Self {
            plan,
            expected: Box::new(plan.packet_ids()),
            totals: Totals { crawled: plan.listed(), in_window: plan.matched(), ..Totals::default() },
            definitions: Vec::new(),
            parts: 0,
            missing: Vec::new(),
            crawl: None,
            seen: Seen::default(),
            duplicates: 0,
        }
    }

    /// The part of the next packet of the plan.
    ///
    /// # Errors
    /// If the rows can't be this packet's: none of them counts, and the packet is missing.
    ///
    /// # Panics
    /// If the plan has no further packet.
    pub fn part(&mut self, rows: &[ResultRow]) -> Result<(), PartError> {
        let packet = self.next_packet();
        let crawl = self.enter(&packet);
        if let Err(error) = check(&packet, crawl, self.plan, rows) {
            self.name_missing(&packet);
            return Err(error);
        }
        for row in rows {
            self.totals.count(row);
            DefinitionsUse::count(&mut self.definitions, row);
            self.seen.add(&row.object.key);
        }
        self.parts += 1;
        Ok(())
    }

    /// The next packet of the plan has no part that can be read.
    ///
    /// # Panics
    /// If the plan has no further packet.
    pub fn missing(&mut self) {
        let packet = self.next_packet();
        self.name_missing(&packet);
    }

    /// Closes the books. Packets that nothing was said about are missing.
    pub fn finish(mut self) -> Audit {
        while let Some(packet) = self.expected.next() {
            self.name_missing(&packet);
            if self.missing.len() == Completeness::NAMED {
                break;
            }
        }
        self.duplicates += self.seen.duplicates();
        let completeness = Completeness::new(self.plan, self.totals.rows(), self.parts, self.duplicates, self.missing);
        Audit { totals: self.totals, completeness, definitions: self.definitions }
    }

    fn next_packet(&mut self) -> PacketId {
        self.expected.next().expect("one part for each packet of the plan, in its order")
    }

    fn name_missing(&mut self, packet: &PacketId) {
        if self.missing.len() < Completeness::NAMED {
            self.missing.push(packet.to_string());
        }
    }

    /// The crawl of `packet`; the hashes of the one before are counted and dropped.
    fn enter(&mut self, packet: &PacketId) -> &'plan CrawlResult {
        let crawl = self.plan.crawls.iter().find(|crawl| crawl.crawl_id == packet.crawl);
        let crawl = crawl.expect("the packet ids are those of the plan's crawls");
        if self.crawl.as_ref() != Some(&crawl.crawl_id) {
            let before = std::mem::replace(&mut self.seen, Seen::with_room_for(crawl.matched));
            self.duplicates += before.duplicates();
            self.crawl = Some(crawl.crawl_id.clone());
        }
        crawl
    }
}

fn check(packet: &PacketId, crawl: &CrawlResult, plan: &JobPlan, rows: &[ResultRow]) -> Result<(), PartError> {
    if rows.is_empty() {
        return Err(PartError::Empty(packet.clone()));
    }
    for row in rows {
        if row.object.bucket != crawl.scope.name {
            return Err(PartError::OtherBucket(packet.clone(), row.object.bucket.clone()));
        }
        if !row.object.key.starts_with(&crawl.scope.prefix) {
            return Err(PartError::OutsidePrefix(packet.clone(), crawl.scope.prefix.clone()));
        }
        if !plan.job.window.contains(row.object.last_modified) {
            return Err(PartError::OutsideWindow(packet.clone()));
        }
    }
    Ok(())
}
