//! What bounds one scan. A limit that is reached is never silent: the verdict is `Unscannable`.

use serde::{Deserialize, Serialize};

/// The settings of an engine, passed to its program as JSON. An empty object is the defaults.
///
/// The defaults are above those of the services that scan S3 (AWS GuardDuty: 10,000 members, depth 5): what they stop is
/// not read, and what is not read helps nobody. Time bounds them all: see `EngineConfig::scan_seconds`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Limits {
    /// Bytes of the file itself; a larger one is not looked at.
    pub max_file_bytes: u64,
    /// Members of one file in all, those of nested containers among them.
    pub max_members: u64,
    /// Containers within containers; 1 is a member of the file itself.
    pub max_depth: u32,
    /// Bytes that one file may unpack to in all.
    pub max_unpacked_bytes: u64,
    /// Bytes unpacked for each byte of the file; applies from [`RATIO_FROM_BYTES`] unpacked on.
    pub max_expansion_ratio: u64,
    /// Bytes of one member that is unpacked to the disk, and of the largest file that a worker may write.
    pub max_member_bytes: u64,
    /// Bytes of members that are kept for a second engine.
    pub max_bundle_bytes: u64,
    /// Memory of a worker beside the definitions and the file.
    pub memory_bytes: u64,
}

/// Below this no ratio is a bomb: a text of 256 MiB of one letter packs a thousandfold, and takes a moment to read.
pub const RATIO_FROM_BYTES: u64 = 256 << 20;

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_file_bytes: 64 << 30,
            max_members: 1_000_000,
            max_depth: 32,
            // What two minutes of matching get through, with some to spare.
            max_unpacked_bytes: 16 << 30,
            max_expansion_ratio: 1_000,
            max_member_bytes: 8 << 30, // of the 20 GiB disk of a Fargate task
            max_bundle_bytes: 1 << 30,
            memory_bytes: 1 << 30,
        }
    }
}

impl Limits {
    /// As the engine's program takes it.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("numbers are always JSON")
    }

    /// # Errors
    /// If it is no JSON object of these fields.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// How many bytes a file of `file_bytes` may unpack to.
    pub fn unpacked_bytes(&self, file_bytes: u64) -> u64 {
        let by_ratio = file_bytes.saturating_mul(self.max_expansion_ratio).max(RATIO_FROM_BYTES);
        by_ratio.min(self.max_unpacked_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_read_back_and_what_is_left_out_is_the_default() {
        let limits = Limits { max_depth: 3, ..Limits::default() };
        assert_eq!(Limits::from_json(&limits.to_json()).expect("its own"), limits);
        assert_eq!(Limits::from_json(r#"{"maxDepth":3}"#).expect("one field"), limits);
        assert!(Limits::from_json(r#"{"maxDeep":3}"#).is_err());
    }

    #[test]
    fn the_ratio_counts_only_for_much() {
        let limits = Limits::default();
        assert_eq!(limits.unpacked_bytes(1), RATIO_FROM_BYTES);
        assert_eq!(limits.unpacked_bytes(1 << 20), 1_000 << 20);
        assert_eq!(limits.unpacked_bytes(1 << 30), limits.max_unpacked_bytes);
    }
}
