//! Objects and packets for unit tests.

use lazaret_model::{CrawlId, ObjectRef, StorageClass, WorkPacket};

pub fn object(key: &str) -> ObjectRef {
    ObjectRef {
        bucket: "bucket".into(),
        key: key.into(),
        version_id: None,
        etag: "e".into(),
        size: 1,
        last_modified: jiff::Timestamp::UNIX_EPOCH,
        storage_class: StorageClass::standard(),
    }
}

pub fn packet(sequence: u64, objects: Vec<ObjectRef>) -> WorkPacket {
    WorkPacket {
        job_id: "job".parse().expect("an id"),
        packet_id: CrawlId::new(0, 1).packet(sequence),
        bucket: "bucket".into(),
        objects,
    }
}
