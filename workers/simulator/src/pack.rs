//! Objects into packets, by the crawler's own packer.

use std::num::{NonZeroU64, NonZeroUsize};

use jiff::Timestamp;
use lazaret_model::fleet::CRAWLERS_AT_ONCE;
use lazaret_model::pack::{Packer, PacketLimits};
use lazaret_model::{CrawlId, ETag, ObjectRef, StorageClass};

use crate::random::Random;
use crate::scenario::Bucket;

/// Objects that are packed one by one; the packets of a larger scope repeat them.
const SAMPLE: u64 = 100_000;
/// As `cdk/lib/config.ts` deploys it.
const PACKET_OBJECTS: usize = 2_000;
const PACKET_BYTES: u64 = 256 * 1024 * 1024;

/// What the simulation knows of a packet.
#[derive(Debug, Clone, Copy, Default)]
pub struct Packet {
    pub objects: u32,
    pub bytes: u64,
    pub largest: u64,
    /// Of its first object, counted through all scopes.
    pub directory: u32,
}

/// The packets of a bucket in the order of the queue.
pub fn packets(bucket: &Bucket, random: &mut Random) -> Vec<Packet> {
    let a_scope = (bucket.objects / bucket.scopes).max(1);
    let sample = sample(bucket, a_scope.min(SAMPLE), random);
    let directories = a_scope.div_ceil(bucket.objects_in_a_directory);
    let one_scope = |scope: u64| {
        let mut listed = 0;
        sample.iter().cycle().map_while(move |packet| {
            let left = a_scope - listed;
            if left == 0 {
                return None;
            }
            let objects = u64::from(packet.objects).min(left);
            let share = objects as f64 / f64::from(packet.objects);
            let directory = scope * directories + listed / bucket.objects_in_a_directory;
            listed += objects;
            let bytes = if share < 1.0 { (packet.bytes as f64 * share) as u64 } else { packet.bytes };
            Some(Packet { objects: objects as u32, bytes, directory: directory as u32, ..*packet })
        })
    };
    let mut packets = Vec::new();
    let scopes: Vec<u64> = (0..bucket.scopes).collect();
    // crawlers that run side by side fill the queue in turns
    for side_by_side in scopes.chunks(CRAWLERS_AT_ONCE as usize) {
        let mut scopes: Vec<_> = side_by_side.iter().map(|scope| one_scope(*scope)).collect();
        loop {
            let before = packets.len();
            packets.extend(scopes.iter_mut().filter_map(Iterator::next));
            if packets.len() == before {
                break;
            }
        }
    }
    packets
}

fn sample(bucket: &Bucket, objects: u64, random: &mut Random) -> Vec<Packet> {
    let limits = PacketLimits {
        objects: NonZeroUsize::new(PACKET_OBJECTS).expect("2,000 is not zero"),
        bytes: NonZeroU64::new(PACKET_BYTES).expect("256 MiB is not zero"),
        ..PacketLimits::default()
    };
    let mut packer = Packer::new("simulated".parse().expect("a job id"), CrawlId::new(0, 0), "bucket", limits);
    let (mut packets, mut open) = (Vec::new(), Packet::default());
    for number in 0..objects {
        let directory = number / bucket.objects_in_a_directory;
        let object = ObjectRef {
            bucket: "bucket".into(),
            key: format!("data/2026/{directory:08}/object-{number:012}.bin"),
            version_id: None,
            etag: ETag::from("d41d8cd98f00b204e9800998ecf8427e"),
            size: bucket.sizes.draw(random),
            last_modified: Timestamp::UNIX_EPOCH,
            storage_class: StorageClass::standard(),
        };
        if let Some(full) = packer.add(&object, packets.len() as u64) {
            debug_assert_eq!(full.objects, open.objects as usize);
            packets.push(std::mem::take(&mut open));
        }
        open.objects += 1;
        open.bytes += object.size;
        open.largest = open.largest.max(object.size);
    }
    packets.push(open);
    packets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_object_is_in_one_packet_and_scopes_take_turns() {
        let bucket = Bucket::tiny(1_000_000).in_scopes(4);
        let packets = packets(&bucket, &mut Random::new(1));
        assert_eq!(packets.iter().map(|packet| u64::from(packet.objects)).sum::<u64>(), 1_000_000);
        assert!(packets.iter().all(|packet| packet.objects as usize <= PACKET_OBJECTS));
        let first: Vec<u32> = packets.iter().take(5).map(|packet| packet.directory / 250).collect();
        assert_eq!(first, [0, 1, 2, 3, 0]);
    }

    #[test]
    fn a_huge_object_has_a_packet_of_its_own() {
        let packets = packets(&Bucket::huge(100), &mut Random::new(1));
        assert_eq!(packets.len(), 100);
    }
}
