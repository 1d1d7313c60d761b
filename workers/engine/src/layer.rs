//! One layer of what libclamav looks at: a file, a member, a part that was unpacked or normalised.

use std::collections::{HashMap, HashSet, VecDeque};

use lazaret_walker::name::{base_name, escape, join};
use lazaret_walker::{Fingerprint, Kind};

/// How many members of one name are compared by size before the first of them is taken.
const CANDIDATES: usize = 64;

/// Files and members of at most this many bytes are not scanned by libclamav: nothing fits in them.
pub const UNSCANNED_BYTES: u64 = 5;

/// The size that zip writes where the true one is in a zip64 record.
const ZIP64_BYTES: u64 = u32::MAX as u64;

#[derive(Debug, Default)]
pub(crate) struct Layer {
    /// libclamav's type, `CL_TYPE_ZIP`.
    pub(crate) kind: String,
    /// The name as text, if it has one.
    pub(crate) name: Option<String>,
    /// The same bytes once more, in another form.
    pub(crate) normalised: bool,
    /// The walker comes by this layer too: it and all around it are containers that it reads.
    pub(crate) walked: bool,
    pub(crate) bytes: u64,
    /// What the walker comes by here, and libclamav has not entered yet: how many members have this content. By content, so that one
    /// that libclamav enters twice, as it does with office documents, stands in for no other.
    expected: HashMap<Fingerprint, u64>,
    /// A zip lies in it as it is, so that its members may be taken for this layer's own.
    pub(crate) hides_zip: bool,
    members: Vec<Member>,
    /// From base names to members that no layer has taken yet, in their order.
    waiting: HashMap<Vec<u8>, VecDeque<usize>>,
    listed: HashSet<(u32, Vec<u8>)>,
}

/// An entry of a container's index, as libclamav tells of it.
#[derive(Debug, Clone, Copy)]
pub struct Listed<'call> {
    pub name: &'call [u8],
    pub packed_bytes: u64,
    pub bytes: u64,
    pub position: u32,
    pub encrypted: bool,
}

#[derive(Debug)]
struct Member {
    name: Vec<u8>,
    packed_bytes: u64,
    bytes: u64,
    encrypted: bool,
    visited: bool,
    /// What was unpacked of it, once visited.
    unpacked: u64,
}

impl Layer {
    pub(crate) fn new(kind: &[u8]) -> Self {
        Self { kind: String::from_utf8_lossy(kind).into_owned(), ..Self::default() }
    }

    /// The walker comes by these members.
    pub(crate) fn expect(&mut self, members: Vec<Fingerprint>) {
        for member in members.into_iter().filter(|member| member.bytes > UNSCANNED_BYTES) {
            *self.expected.entry(member).or_default() += 1;
        }
    }

    /// Whether the walker comes by anything here that libclamav has not entered yet.
    pub(crate) fn awaits(&self) -> bool {
        !self.expected.is_empty()
    }

    /// libclamav entered this: whichever member it was, all that have the same bytes were looked at.
    pub(crate) fn entered(&mut self, content: &Fingerprint) {
        self.expected.remove(content);
    }

    /// A part of the layer is left out, which was told: what else may be missing is no news.
    pub(crate) fn expect_no_more(&mut self) {
        self.expected.clear();
    }

    /// How many members the walker comes by and libclamav did not.
    pub(crate) fn missed(&self) -> u64 {
        self.expected.values().sum()
    }

    /// The layer's index has this entry.
    pub(crate) fn list(&mut self, listed: Listed<'_>) {
        let Listed { name, packed_bytes, bytes, position, encrypted } = listed;
        // Zip tells of each member twice, of its central and of its local header, at one position.
        if self.listed.insert((position, name.to_owned())) {
            self.waiting.entry(base_name(name).to_owned()).or_default().push_back(self.members.len());
            let name = name.to_owned();
            self.members.push(Member { name, packed_bytes, bytes, encrypted, visited: false, unpacked: 0 });
        } else if encrypted {
            // Or several that lie within a program, each at position 0: one that fits in it is no code.
            if let Some(same) = self.members.iter_mut().rev().find(|member| member.name == name) {
                same.encrypted = true;
                same.packed_bytes = same.packed_bytes.min(packed_bytes);
            }
        }
    }

    /// Takes the first member of this name that no layer has taken: one of this size, else any. Its full name.
    pub(crate) fn visit(&mut self, name: &[u8], bytes: u64) -> Option<Vec<u8>> {
        let waiting = self.waiting.get_mut(base_name(name))?;
        let same_size = waiting.iter().take(CANDIDATES).position(|index| self.members[*index].bytes == bytes);
        let index = waiting.remove(same_size.unwrap_or(0))?;
        let member = &mut self.members[index];
        member.visited = true;
        member.unpacked = bytes;
        Some(member.name.clone())
    }

    /// The paths of encrypted members.
    pub(crate) fn encrypted(&self, path: &str) -> Vec<String> {
        // In anything that is no archive libclamav takes every `PK\x03\x04` for a zip; gzip's own code has three, a list of magic numbers
        // has sixty. What then is larger, packed, than all there is, or has no name that a person could read, is none. An archive
        // behind something else has an end record, by which the walker knows it.
        let is_listed = is_listed(&self.kind);
        let is_member = |member: &Member| {
            let is_within = member.packed_bytes <= self.bytes || member.packed_bytes == ZIP64_BYTES;
            let is_named = !member.name.is_empty() && !member.name.iter().any(u8::is_ascii_control);
            is_listed || is_within && is_named
        };
        let encrypted = self.members.iter().filter(|member| member.encrypted && is_member(member));
        encrypted.map(|member| member_path(path, &member.name)).collect()
    }

    /// What of this container was not read: the index that libclamav told of held against what it entered.
    pub(crate) fn gaps(&self, path: &str) -> Vec<String> {
        if !is_listed(&self.kind) {
            return Vec::new();
        }
        if self.members.is_empty() && self.bytes > 0 {
            let name = if path.is_empty() { "the container" } else { path };
            return vec![format!("{name}: no member could be read")];
        }
        let unread = |member: &Member| {
            let name = member_path(path, &member.name);
            if member.encrypted || member.bytes <= UNSCANNED_BYTES {
                None
            } else if !member.visited {
                Some(format!("{name}: never read"))
            } else if member.unpacked < member.bytes && member.bytes != ZIP64_BYTES {
                Some(format!("{name}: {} of {} bytes read", member.unpacked, member.bytes))
            } else {
                None
            }
        };
        self.members.iter().filter_map(unread).collect()
    }

    /// An archive whose members libclamav lists, and the walker does not.
    pub(crate) fn is_listed_by_libclamav_alone(&self) -> bool {
        ["_7Z", "_RAR", "_MSCAB"].iter().any(|part| self.kind.contains(part))
    }

    /// Whether libclamav takes the layer for that container, so that it unpacks it.
    pub(crate) fn is_read_as(&self, kind: Kind) -> bool {
        let parts: &[&str] = match kind {
            Kind::Zip => &["_ZIP", "_OOXML"],
            Kind::Tar => &["_TAR"],
            Kind::Gzip => &["_GZ"],
            Kind::Bzip2 => &["_BZ"],
            Kind::Xz => &["_XZ"],
            Kind::Ar | Kind::Zstd => &[],
        };
        parts.iter().any(|part| self.kind.contains(part))
    }
}

fn member_path(path: &str, name: &[u8]) -> String {
    join(path, &escape(name))
}

/// Whether libclamav lists the members of this type, so that the list can be held against what it entered.
fn is_listed(kind: &str) -> bool {
    ["_ZIP", "_OOXML", "_7Z", "_RAR", "_MSCAB", "_TAR"].iter().any(|part| kind.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(text: &str) -> Fingerprint {
        Fingerprint::of(&text.as_bytes()).expect("in memory")
    }

    #[test]
    fn what_is_entered_twice_stands_in_for_its_own_copies_and_nothing_else() {
        let mut layer = Layer::new(b"CL_TYPE_OOXML_WORD");
        layer.expect(["first!", "second", "second", "tiny"].map(content).to_vec());
        assert_eq!(layer.missed(), 3, "nothing fits in the last");
        for _ in 0..2 {
            layer.entered(&content("first!"));
            assert_eq!(layer.missed(), 2, "as long as the other, and not the same");
        }
        layer.entered(&content("second"));
        assert_eq!((layer.missed(), layer.awaits()), (0, false));
    }
}
