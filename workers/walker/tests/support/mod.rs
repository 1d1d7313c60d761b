//! What the tests share: archives, and a visitor that keeps what it is given.
#![allow(dead_code)] // each test uses some of it

pub mod archives;

use lazaret_walker::{
    Budget, Content, Limits, Member, MemberPath, Source, Stop, Unread, UnreadReason, Visitor, defect, detect, walk,
};

/// Keeps every member, and walks those that are containers.
#[derive(Default)]
pub struct Collector {
    pub members: Vec<(String, Vec<u8>)>,
    pub unread: Vec<(String, UnreadReason)>,
}

impl Visitor for Collector {
    fn member(&mut self, member: Member<'_, '_>, budget: &Budget) -> Result<(), Stop> {
        let mut content = Vec::new();
        match member.content {
            Content::Packed(packed) => {
                packed.read_to_end(&mut content).expect("in memory");
            }
            Content::Stored(section) => {
                content.resize(usize::try_from(section.len()).expect("fits in memory"), 0);
                let count = section.read_at(&mut content, 0).expect("in memory");
                assert_eq!(count, content.len());
            }
        }
        self.members.push((member.path.to_string(), content.clone()));
        let content = content.as_slice();
        if detect(&content).expect("in memory").is_some() {
            let _ = walk(&content, member.path, budget, self).expect("in memory");
        }
        Ok(())
    }

    fn unread(&mut self, unread: Unread) -> Result<(), Stop> {
        self.unread.push((unread.path.to_string(), unread.reason()));
        Ok(())
    }
}

pub fn collect(content: &[u8], limits: Limits) -> Collector {
    let mut collector = Collector::default();
    let budget = Budget::new(limits, content.len() as u64);
    let _ = walk(&content, &MemberPath::root(), &budget, &mut collector).expect("in memory");
    collector
}

pub fn defect_of(content: &[u8]) -> Option<Unread> {
    defect(&content, &Limits::default()).expect("in memory")
}
