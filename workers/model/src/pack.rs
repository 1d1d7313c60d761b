//! Packs objects into work packets. Pure: no clock, no I/O.

use std::num::{NonZeroU64, NonZeroUsize};

use crate::{CrawlId, JobId, ObjectRef, PacketId, WorkPacket};

/// Objects in a packet: at the measured 4 ms each (`FleetSettings`) a few seconds of work beside their bytes.
const PACKET_OBJECTS: usize = 1_000;
/// Bytes of a packet's objects: at the measured 8 MB/s about half a minute.
const PACKET_BYTES: u64 = 256 * 1024 * 1024;
/// A message's body. SQS takes 1 MiB for a batch of up to 10, and bills each 64 KiB: 1,000 usual objects fit in this.
const BODY_BYTES: usize = 256 * 1024;

/// When a packet is full. An object that alone is more than `bytes` gets a packet of its own.
#[derive(Debug, Clone, Copy)]
pub struct PacketLimits {
    pub objects: NonZeroUsize,
    /// Of all objects of the packet.
    pub bytes: NonZeroU64,
    /// Of the message's body. At least [`PacketLimits::OBJECT_JSON_BYTES`] more than an empty packet.
    pub body_bytes: usize,
}

impl PacketLimits {
    /// No object's JSON is longer: a key of 1,024 bytes, each escaped to six, and some 500 bytes of the rest.
    pub const OBJECT_JSON_BYTES: usize = 8 * 1024;
}

impl Default for PacketLimits {
    fn default() -> Self {
        Self {
            objects: NonZeroUsize::new(PACKET_OBJECTS).expect("1,000 is not zero"),
            bytes: NonZeroU64::new(PACKET_BYTES).expect("256 MiB is not zero"),
            body_bytes: BODY_BYTES,
        }
    }
}

/// A packet that is ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackedPacket {
    /// A [`WorkPacket`] as JSON, with nothing that SQS refuses.
    pub body: String,
    pub objects: usize,
}

/// Collects objects until a packet is full. Every object is serialised once, so that sizes are known and not estimated.
#[derive(Debug)]
pub struct Packer {
    job_id: JobId,
    crawl_id: CrawlId,
    bucket: String,
    limits: PacketLimits,
    /// The JSON of the objects, with commas between.
    json: String,
    objects: usize,
    bytes: u64,
}

impl Packer {
    pub fn new(job_id: JobId, crawl_id: CrawlId, bucket: &str, limits: PacketLimits) -> Self {
        let bucket = bucket.to_owned();
        Self { job_id, crawl_id, bucket, limits, json: String::new(), objects: 0, bytes: 0 }
    }

    /// Adds an object. Returns the packet before it, numbered `sequence`, if the object does not fit into that.
    pub fn add(&mut self, object: &ObjectRef, sequence: u64) -> Option<PackedPacket> {
        let json = object_json(object);
        let full = self.objects > 0 && !self.fits(object, &json, sequence);
        let closed = if full { self.close(sequence) } else { None };
        if self.objects > 0 {
            self.json.push(',');
        }
        self.json.push_str(&json);
        self.objects += 1;
        self.bytes = self.bytes.saturating_add(object.size);
        closed
    }

    /// The packet of what is left, if anything is.
    pub fn close(&mut self, sequence: u64) -> Option<PackedPacket> {
        if self.objects == 0 {
            return None;
        }
        let (head, tail) = self.envelope(sequence);
        let packet = PackedPacket { body: format!("{head}{}{tail}", self.json), objects: self.objects };
        (self.objects, self.bytes) = (0, 0);
        self.json.clear();
        Some(packet)
    }

    fn fits(&self, object: &ObjectRef, json: &str, sequence: u64) -> bool {
        let (head, tail) = self.envelope(sequence);
        let body_bytes = head.len() + self.json.len() + ",".len() + json.len() + tail.len();
        self.objects < self.limits.objects.get()
            && self.bytes.saturating_add(object.size) <= self.limits.bytes.get()
            && body_bytes <= self.limits.body_bytes
    }

    /// What stands before and after the objects in a packet's JSON.
    fn envelope(&self, sequence: u64) -> (String, &'static str) {
        const TAIL: &str = "]}";
        let packet_id: PacketId = self.crawl_id.packet(sequence);
        let bucket = self.bucket.clone();
        let packet = WorkPacket { job_id: self.job_id.clone(), packet_id, bucket, objects: Vec::new() };
        let json = serde_json::to_string(&packet).expect("strings and an empty list are JSON");
        let head = json.strip_suffix(TAIL).expect("the objects come last in a packet");
        (head.to_owned(), TAIL)
    }
}

/// An object as JSON. Of what a key may hold, SQS refuses control characters, which JSON escapes in any case, and the two
/// noncharacters U+FFFE and U+FFFF, which it does not.
fn object_json(object: &ObjectRef) -> String {
    let json = serde_json::to_string(object).expect("strings and numbers are JSON");
    if json.contains(['\u{fffe}', '\u{ffff}']) {
        return json.replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff");
    }
    json
}

#[cfg(test)]
mod tests {
    use crate::{ETag, StorageClass};
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;

    fn object(key: &str, size: u64) -> ObjectRef {
        ObjectRef {
            bucket: "bucket".into(),
            key: key.into(),
            version_id: None,
            etag: ETag::from("d41d8cd98f00b204e9800998ecf8427e"),
            size,
            last_modified: Timestamp::UNIX_EPOCH,
            storage_class: StorageClass::standard(),
        }
    }

    fn limits(objects: usize, bytes: u64, body_bytes: usize) -> PacketLimits {
        PacketLimits {
            objects: NonZeroUsize::new(objects).expect("not zero"),
            bytes: NonZeroU64::new(bytes).expect("not zero"),
            body_bytes,
        }
    }

    fn pack(objects: &[ObjectRef], limits: PacketLimits) -> Vec<PackedPacket> {
        let mut packer = Packer::new("job".parse().expect("an id"), CrawlId::new(0, 7), "bucket", limits);
        let mut packets = Vec::new();
        for object in objects {
            packets.extend(packer.add(object, packets.len() as u64));
        }
        packets.extend(packer.close(packets.len() as u64));
        packets
    }

    fn parsed(packet: &PackedPacket) -> WorkPacket {
        serde_json::from_str(&packet.body).expect("a packet")
    }

    #[test]
    fn a_packet_closes_at_the_first_of_its_limits() {
        let sizes = |limits| -> Vec<usize> {
            let objects: Vec<_> = (0..7).map(|n| object(&n.to_string(), 10)).collect();
            pack(&objects, limits).iter().map(|packet| packet.objects).collect()
        };
        assert_eq!(sizes(limits(3, 1_000, 65_536)), [3, 3, 1]);
        assert_eq!(sizes(limits(100, 20, 65_536)), [2, 2, 2, 1]);
        assert_eq!(sizes(limits(100, 1_000, 1)), [1; 7]);
        assert_eq!(sizes(PacketLimits::default()), [7]);
    }

    #[test]
    fn an_object_that_is_larger_than_a_packet_stands_alone() {
        let objects = [object("a", 1), object("b", 5_000), object("c", 0), object("d", 1)];
        let packed = pack(&objects, limits(100, 1_000, 65_536));
        assert_eq!(packed.iter().map(|packet| packet.objects).collect::<Vec<_>>(), [1, 1, 2]);
    }

    #[test]
    fn the_most_hostile_key_fits_and_holds_nothing_that_sqs_refuses() {
        let allowed =
            |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
        for key in ["\u{1}".repeat(1_024), "\u{ffff}\u{fffe}\"\\🦀".into(), "\"".repeat(1_024)] {
            let object = object(&key, u64::MAX);
            assert!(object_json(&object).len() <= PacketLimits::OBJECT_JSON_BYTES);
            let packed = pack(std::slice::from_ref(&object), PacketLimits::default());
            assert!(packed[0].body.chars().all(allowed), "{}", packed[0].body);
            assert_eq!(parsed(&packed[0]).objects, [object]);
        }
    }

    #[test]
    fn a_thousand_usual_objects_fit_in_a_message() {
        let objects: Vec<_> = (0..1_000).map(|n| object(&format!("logs/2026/01/01/part-{n:05}.gz"), 1_000)).collect();
        assert_eq!(pack(&objects, PacketLimits::default()).len(), 1);
    }

    proptest! {
        #[test]
        fn no_object_is_lost_order_is_kept_and_no_limit_is_passed(
            objects in prop::collection::vec(("\\PC{1,40}|[\\x00-\\x1f\u{fffe}\u{ffff}]{1,40}", 0_u64..2_000), 0..60),
            most_objects in 1_usize..20,
            most_bytes in 1_u64..3_000,
            most_body in 1_usize..3_000,
        ) {
            let limits = limits(most_objects, most_bytes, most_body);
            let objects: Vec<_> = objects.iter().map(|(key, size)| object(key, *size)).collect();
            let packed = pack(&objects, limits);
            let packets: Vec<WorkPacket> = packed.iter().map(parsed).collect();
            for (n, (packed, packet)) in packed.iter().zip(&packets).enumerate() {
                prop_assert_eq!(packet.packet_id.sequence, n as u64);
                prop_assert_eq!(packed.objects, packet.objects.len());
                prop_assert!(!packet.objects.is_empty() && packed.objects <= most_objects);
                let bytes: u64 = packet.objects.iter().map(|object| object.size).sum();
                prop_assert!(packed.objects == 1 || bytes <= most_bytes && packed.body.len() <= most_body);
            }
            let unpacked: Vec<ObjectRef> = packets.into_iter().flat_map(|packet| packet.objects).collect();
            prop_assert_eq!(unpacked, objects);
        }
    }
}
