//! What one scan has used up so far, over all that libclamav and the walker make of a file.

use lazaret_engine_protocol::Limits;

/// Counts layers and bytes. libclamav's own limits are soft, or silent, or stop a whole scan: these stop at the layer that is too much.
#[derive(Debug)]
pub struct Meter {
    max_members: u64,
    max_depth: usize,
    max_bytes: u64,
    members: u64,
    bytes: u64,
}

impl Meter {
    /// For a file of `file_bytes`.
    pub fn new(limits: &Limits, file_bytes: u64) -> Self {
        Self {
            max_members: limits.max_members,
            max_depth: usize::try_from(limits.max_depth).unwrap_or(usize::MAX),
            max_bytes: limits.unpacked_bytes(file_bytes),
            members: 0,
            bytes: 0,
        }
    }

    /// Takes a layer of `bytes` bytes with `depth` containers around it. Why it is too much, if it is.
    pub fn take(&mut self, depth: usize, bytes: u64) -> Result<(), String> {
        if depth == 0 {
            return Ok(()); // the file itself
        }
        if depth > self.max_depth {
            return Err(format!("more than {} containers within one another", self.max_depth));
        }
        if self.members >= self.max_members {
            return Err(format!("more than {} members", self.max_members));
        }
        self.members += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > self.max_bytes {
            return Err(format!("unpacks to more than {} bytes", self.max_bytes));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        max_members: 3,
        max_depth: 2,
        max_unpacked_bytes: 1_000,
        max_file_bytes: u64::MAX,
        max_expansion_ratio: 10,
        max_member_bytes: u64::MAX,
        max_bundle_bytes: 0,
        memory_bytes: 0,
    };

    #[test]
    fn each_limit_stops_at_the_layer_that_is_too_much() {
        let mut meter = Meter::new(&LIMITS, 50);
        assert_eq!(meter.take(0, 50), Ok(()));
        assert!(meter.take(3, 1).expect_err("depth").contains("2 containers"));
        assert_eq!(meter.take(1, 400), Ok(()));
        assert!(meter.take(1, 601).expect_err("bytes").contains("1000 bytes"));
        assert_eq!(Meter::new(&LIMITS, 50).take(2, 1_000), Ok(()));
        let mut meter = Meter::new(&LIMITS, 50);
        for _ in 0..3 {
            assert_eq!(meter.take(1, 0), Ok(()));
        }
        assert!(meter.take(1, 0).expect_err("members").contains("3 members"));
    }
}
