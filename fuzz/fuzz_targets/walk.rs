//! The walker: whatever the bytes, no panic, no end without one, nothing beyond the limits, and no fault that only one of its two
//! ways in sees.
#![no_main]

use lazaret_walker::name::MAX_PATH_BYTES;
use lazaret_walker::{
    Budget, Content, Limits, Member, MemberPath, Source, Stop, Unread, UnreadReason, Visitor, defect, walk,
};
use libfuzzer_sys::fuzz_target;

/// Small, so that a bomb is over soon.
const LIMITS: Limits = Limits {
    max_members: 200,
    max_depth: 4,
    max_member_bytes: 1 << 16,
    max_unpacked_bytes: 1 << 18,
    max_expansion_ratio: 1_000,
};

#[derive(Default)]
struct Everything {
    unread: u64,
    reasons: Vec<UnreadReason>,
    members: u64,
}

impl Visitor for Everything {
    fn member(&mut self, member: Member<'_, '_>, budget: &Budget) -> Result<(), Stop> {
        self.members += 1;
        assert!(member.path.as_str().len() <= MAX_PATH_BYTES);
        match member.content {
            Content::Stored(section) => {
                assert!(!section.is_empty());
                self.nested(&section, member.path, budget);
            }
            Content::Packed(packed) => {
                let mut content = Vec::new();
                packed.read_to_end(&mut content).expect("in memory");
                assert!(content.len() as u64 <= LIMITS.max_member_bytes);
                assert_eq!(packed.read(&mut [0]).expect("in memory"), 0);
                self.nested(&content.as_slice(), member.path, budget);
            }
        }
        Ok(())
    }

    fn unread(&mut self, unread: Unread) -> Result<(), Stop> {
        self.unread += 1;
        self.reasons.push(unread.reason());
        Ok(())
    }
}

impl Everything {
    fn nested(&mut self, content: &dyn Source, path: &MemberPath, budget: &Budget) {
        let _ = walk(content, path, budget, self).expect("in memory");
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut everything = Everything::default();
    let budget = Budget::new(LIMITS, bytes.len() as u64);
    let walked = walk(&bytes, &MemberPath::root(), &budget, &mut everything).expect("in memory");
    assert!(budget.unpacked_bytes() <= LIMITS.max_unpacked_bytes);
    assert!(budget.members() <= LIMITS.max_members);
    assert!(everything.unread >= walked.unread && everything.members >= walked.members);

    // A defect ends the look at the first one, and looks at one container alone: it sees no fault that the walk does not.
    let defect = defect(&bytes, &LIMITS).expect("in memory");
    if let Some(defect) = defect {
        assert!(everything.reasons.contains(&defect.reason()) || budget.members() >= LIMITS.max_members, "{defect}");
    } else {
        let only_limits = |reason: &UnreadReason| {
            use UnreadReason::{TooDeep, TooLarge, TooManyMembers};
            matches!(reason, TooDeep | TooLarge | TooManyMembers)
        };
        assert!(walked.unread == 0 || everything.reasons.iter().any(only_limits), "{:?}", everything.reasons);
    }
});
