//! What was not read, and why.

use std::fmt;

use crate::name::MemberPath;

/// Why something stays unread: the reasons that callers decide by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UnreadReason {
    Encrypted,
    Damaged,
    Truncated,
    UnsupportedMethod,
    TooManyMembers,
    TooDeep,
    TooLarge,
    ExpansionRatio,
}

impl UnreadReason {
    pub const ALL: &'static [Self] = &[
        Self::Encrypted,
        Self::Damaged,
        Self::Truncated,
        Self::UnsupportedMethod,
        Self::TooManyMembers,
        Self::TooDeep,
        Self::TooLarge,
        Self::ExpansionRatio,
    ];

    /// The stable text.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Encrypted => "encrypted",
            Self::Damaged => "damaged",
            Self::Truncated => "truncated",
            Self::UnsupportedMethod => "unsupported method",
            Self::TooManyMembers => "too many members",
            Self::TooDeep => "nested too deep",
            Self::TooLarge => "too large",
            Self::ExpansionRatio => "expands too much",
        }
    }
}

/// What exactly is wrong with a container or a member of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Fault {
    #[error("encrypted")]
    Encrypted,
    #[error("ends before it is whole")]
    Truncated,
    #[error("a part of an archive that was split")]
    Split,
    #[error("can't be unpacked: its bytes are damaged")]
    BadData,
    #[error("its checksum is wrong")]
    BadChecksum,
    #[error("unpacks to another size than it says")]
    WrongSize,
    #[error("a damaged header")]
    BadHeader,
    #[error("the directory is damaged")]
    BadDirectory,
    #[error("there is no directory")]
    NoDirectory,
    #[error("is not where the directory says")]
    NotThere,
    #[error("its own header and the directory disagree on the {0}")]
    HeadersDisagree(&'static str),
    #[error("shares bytes with another member")]
    Overlap,
    #[error("the directory does not list it")]
    Unlisted,
    #[error("members follow the archive's end")]
    AfterEnd,
    #[error("other bytes follow the last stream")]
    Trailing,
    #[error("packed with method {0}, which is not supported")]
    Method(u16),
    #[error("a sparse file, which is not supported")]
    Sparse,
    #[error("packed with a dictionary of its own, which is not supported")]
    Dictionary,
    #[error("needs too much memory to unpack")]
    WindowTooLarge,
    #[error("more members than allowed")]
    TooManyMembers,
    #[error("more containers within one another than allowed")]
    TooDeep,
    #[error("unpacks to more bytes than a member may")]
    MemberTooLarge,
    #[error("unpacks to more bytes than a file may")]
    TooMuchUnpacked,
    #[error("unpacks to more than the allowed multiple of the file")]
    ExpansionRatio,
    #[error("was not read to its end")]
    LeftUnread,
}

impl Fault {
    pub const fn reason(self) -> UnreadReason {
        match self {
            Self::Encrypted => UnreadReason::Encrypted,
            Self::Truncated | Self::Split => UnreadReason::Truncated,
            Self::BadData
            | Self::BadChecksum
            | Self::WrongSize
            | Self::BadHeader
            | Self::BadDirectory
            | Self::NoDirectory
            | Self::NotThere
            | Self::HeadersDisagree(_)
            | Self::Overlap
            | Self::Unlisted
            | Self::AfterEnd
            | Self::Trailing => UnreadReason::Damaged,
            Self::Method(_) | Self::Sparse | Self::Dictionary => UnreadReason::UnsupportedMethod,
            Self::TooManyMembers => UnreadReason::TooManyMembers,
            Self::TooDeep => UnreadReason::TooDeep,
            Self::WindowTooLarge | Self::MemberTooLarge | Self::TooMuchUnpacked | Self::LeftUnread => {
                UnreadReason::TooLarge
            }
            Self::ExpansionRatio => UnreadReason::ExpansionRatio,
        }
    }
}

/// Something that was not read, or not wholly, or that readers could take in different ways.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// The member; the file itself if it concerns the whole of it.
    pub path: MemberPath,
    pub fault: Fault,
}

impl Unread {
    pub fn reason(&self) -> UnreadReason {
        self.fault.reason()
    }
}

impl fmt::Display for Unread {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_root() {
            write!(formatter, "{}", self.fault)
        } else {
            write!(formatter, "{}: {}", self.path, self.fault)
        }
    }
}

/// What was left unread in a scan: the first few, at least one of each reason, and how many there were.
#[derive(Debug, Default, Clone)]
pub struct UnreadList {
    kept: Vec<Unread>,
    count: u64,
}

impl UnreadList {
    /// Enough for a person; an archive may have a million that are encrypted.
    const MAX_KEPT: usize = 16;

    pub fn push(&mut self, unread: Unread) {
        self.count += 1;
        let is_new = self.kept.iter().all(|kept| kept.reason() != unread.reason());
        if self.kept.len() < Self::MAX_KEPT || is_new {
            self.kept.push(unread);
        }
    }

    pub fn kept(&self) -> &[Unread] {
        &self.kept
    }

    /// All, those that were not kept included.
    pub fn count(&self) -> u64 {
        self.count
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_stays_short_and_keeps_every_reason() {
        let mut list = UnreadList::default();
        for _ in 0..1_000_000 {
            list.push(Unread { path: MemberPath::root(), fault: Fault::Encrypted });
        }
        list.push(Unread { path: MemberPath::root().join(b"x"), fault: Fault::BadChecksum });
        assert_eq!(list.count(), 1_000_001);
        assert_eq!(list.kept().len(), UnreadList::MAX_KEPT + 1);
        assert_eq!(list.kept().last().expect("one").to_string(), "x: its checksum is wrong");
    }

    #[test]
    fn every_reason_has_a_text_of_its_own() {
        let texts: std::collections::BTreeSet<_> = UnreadReason::ALL.iter().map(|reason| reason.text()).collect();
        assert_eq!(texts.len(), UnreadReason::ALL.len());
    }
}
