//! Where a report's rows come from: the findings of a finished job, or its parts.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Seek, Write};

use anyhow::{Context, bail};
use futures::{StreamExt, stream};
use lazaret_aws::{ObjectStore, StoreError};
use lazaret_model::{CrawlId, JobId, JobPlan, ObjectRef, PacketId, ResultRow, layout, result};

use crate::cloud::Cloud;

/// Parts that are fetched at once: about 500 a second from S3.
const READS_AT_ONCE: usize = 16;

/// What takes rows one by one.
pub type Take<'a> = &'a mut (dyn FnMut(&ResultRow) -> anyhow::Result<()> + Send);

/// Rows, read as often as they are asked for, never all in memory.
pub enum Rows {
    /// The one object with everything that is not Clean.
    Findings(ObjectRef),
    /// Every part.
    Parts(Vec<PacketId>),
    /// What was read from parts before.
    Spooled(Spool),
}

impl Rows {
    /// Gives every row to `take`.
    ///
    /// # Errors
    /// If one can't be read: a report never leaves rows out silently.
    pub async fn visit(&self, cloud: &Cloud, job_id: &JobId, take: Take<'_>) -> anyhow::Result<()> {
        match self {
            Self::Findings(object) => findings(cloud.store.as_ref(), object, take).await,
            Self::Parts(packets) => parts(cloud, job_id, packets, take).await,
            Self::Spooled(spool) => spool.visit(take),
        }
    }
}

/// The findings of a finished job; `None` if it left none.
pub async fn find_findings(cloud: &Cloud, job_id: &JobId) -> Result<Option<ObjectRef>, StoreError> {
    let key = layout::findings_key(job_id);
    let page = cloud.store.list_page(&cloud.results_bucket, &key, None).await?;
    Ok(page.objects.into_iter().find(|object| object.key == key))
}

/// The packets that have a part and count.
///
/// A crawl that Step Functions gave up and ran again may have left parts of archived objects. The plan says which attempt
/// counts; it is gone with the job's end, and then it is the attempt with the most parts: agents delete packets of the
/// others unread.
pub async fn find_parts(cloud: &Cloud, job_id: &JobId, plan: Option<&JobPlan>) -> Result<Vec<PacketId>, StoreError> {
    let mut packets = Vec::new();
    let mut next = None;
    loop {
        let page = cloud.store.list_page(&cloud.results_bucket, &layout::parts_prefix(job_id), next.as_deref()).await?;
        packets.extend(page.objects.iter().filter_map(|object| layout::packet_of_part(job_id, &object.key)));
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    match plan {
        Some(plan) => packets.retain(|packet| plan.accepts(packet)),
        None => keep_one_attempt(&mut packets),
    }
    Ok(packets)
}

fn keep_one_attempt(packets: &mut Vec<PacketId>) {
    let mut parts: HashMap<CrawlId, u64> = HashMap::new();
    for packet in packets.iter() {
        *parts.entry(packet.crawl.clone()).or_default() += 1;
    }
    let mut accepted: BTreeMap<u32, (u64, CrawlId)> = BTreeMap::new();
    for (crawl, count) in parts {
        let candidate = (count, crawl);
        let known = accepted.entry(candidate.1.scope_index()).or_insert_with(|| candidate.clone());
        *known = candidate.max(known.clone());
    }
    packets.retain(|packet| accepted.get(&packet.crawl.scope_index()).is_some_and(|(_, crawl)| *crawl == packet.crawl));
}

async fn parts(cloud: &Cloud, job_id: &JobId, packets: &[PacketId], take: Take<'_>) -> anyhow::Result<()> {
    let (store, bucket) = (&cloud.store, cloud.results_bucket.as_str());
    let mut read = stream::iter(packets)
        .map(|packet| async move {
            let key = layout::part_key(job_id, packet);
            let stored = store.get(bucket, &key).await;
            (key, stored)
        })
        .buffered(READS_AT_ONCE);
    while let Some((key, stored)) = read.next().await {
        let place = || format!("part s3://{bucket}/{key}");
        let Some(stored) = stored.with_context(place)? else { bail!("{} was removed meanwhile", place()) };
        for row in result::part_from_json_lines(&stored.bytes).with_context(place)? {
            take(&row)?;
        }
    }
    Ok(())
}

async fn findings(store: &dyn ObjectStore, object: &ObjectRef, take: Take<'_>) -> anyhow::Result<()> {
    let place = || format!("s3://{}/{}", object.bucket, object.key);
    let mut body = store.fetch(object).await.with_context(place)?.body;
    let mut rest: Vec<u8> = Vec::new();
    while let Some(chunk) = body.chunk().await.with_context(place)? {
        rest.extend_from_slice(&chunk);
        let Some(end) = rest.iter().rposition(|byte| *byte == b'\n') else { continue };
        let lines: Vec<u8> = rest.drain(..=end).collect();
        for row in result::part_from_json_lines(&lines).with_context(place)? {
            take(&row)?;
        }
    }
    for row in result::part_from_json_lines(&rest).with_context(place)? {
        take(&row)?;
    }
    Ok(())
}

/// Rows on the local disk, in a file that is gone with the process. A job that still writes would answer two readings
/// differently, and totals stand before rows.
pub struct Spool {
    file: File,
}

/// Fills a [`Spool`].
pub struct SpoolWriter(BufWriter<File>);

impl SpoolWriter {
    pub fn begin() -> anyhow::Result<Self> {
        Ok(Self(BufWriter::new(tempfile::tempfile().context("a temporary file for the rows")?)))
    }

    pub fn row(&mut self, row: &ResultRow) -> anyhow::Result<()> {
        serde_json::to_writer(&mut self.0, row)?;
        Ok(self.0.write_all(b"\n")?)
    }

    pub fn finish(self) -> anyhow::Result<Spool> {
        let file = self.0.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        Ok(Spool { file })
    }
}

impl Spool {
    fn visit(&self, take: Take<'_>) -> anyhow::Result<()> {
        let mut file = &self.file;
        file.rewind()?;
        for line in BufReader::new(file).split(b'\n') {
            take(&serde_json::from_slice(&line?)?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_plan_the_attempt_with_the_most_parts_counts() {
        let (given_up, accepted, other) = (CrawlId::new(0, 9), CrawlId::new(0, 1), CrawlId::new(1, 5));
        let mut packets = vec![given_up.packet(0), accepted.packet(0), accepted.packet(1), other.packet(0)];
        keep_one_attempt(&mut packets);
        assert_eq!(packets, [accepted.packet(0), accepted.packet(1), other.packet(0)]);
    }
}
