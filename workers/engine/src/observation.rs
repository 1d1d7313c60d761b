//! All that libclamav said while it scanned one file, in the order it said it.
//!
//! libclamav tells of layers: it enters one, inspects it, lists its members, enters each of these in turn, leaves it. A layer's
//! position on this stack is the only way to know which member a signature matched in: it reports the name alone.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::member::{self, EMBEDDED, SEPARATOR};

/// Detections, gaps and warnings kept of one file; the rest is counted. A reply carries fewer still.
const KEPT: usize = 4_096;

/// How many members of one name are compared by size before the first of them is taken.
const CANDIDATES: usize = 64;

/// Files and members of at most this many bytes are not scanned by libclamav: nothing fits in them.
pub const UNSCANNED_BYTES: u64 = 5;

/// The size that zip writes where the true one is in a zip64 record.
const ZIP64_BYTES: u64 = u32::MAX as u64;

/// Signatures that are no malware but libclamav's words for "not read to its end". A dictionary that is larger than it takes is
/// a limit as well, whatever its name says.
const LIMITS: &[&str] = &["Heuristics.Limits.Exceeded", "Heuristics.XZ.DicSizeLimit"];
const ENCRYPTED: &str = "Heuristics.Encrypted";

/// A signature that matched.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Found {
    /// The escaped path of the member, empty for the file itself.
    pub member: String,
    pub signature: String,
}

/// Findings of one class, each path and signature once, in the order they were found.
#[derive(Debug, Default)]
pub struct Findings {
    kept: Vec<Found>,
    known: HashSet<Found>,
    /// Those beyond [`KEPT`]; may count one twice.
    pub omitted: u64,
}

/// What was seen of one file. The classes are apart, so that thousands of one cannot crowd out another.
#[derive(Debug, Default)]
pub struct Observation {
    layers: Vec<Layer>,
    pub malware: Findings,
    /// Signatures that say that a limit was reached.
    pub limits: Findings,
    /// Signatures that say that something is encrypted.
    pub encryption: Findings,
    /// Paths of encrypted members.
    pub encrypted: Vec<String>,
    /// Parts of containers that were never read.
    pub gaps: Vec<String>,
    /// libclamav's own warnings and errors.
    pub warnings: Vec<String>,
    /// At least one layer was entered: libclamav looked at the file.
    pub entered: bool,
    unbalanced: bool,
}

/// One layer: the file, a member, a part that was unpacked or normalised.
#[derive(Debug, Default)]
struct Layer {
    /// libclamav's type, `CL_TYPE_ZIP`.
    kind: String,
    /// The escaped name, if it has one.
    name: Option<String>,
    /// The same bytes once more, in another form.
    normalised: bool,
    bytes: u64,
    members: Vec<Member>,
    /// From base names to members that no layer has taken yet, in their order.
    waiting: HashMap<Vec<u8>, VecDeque<usize>>,
    listed: HashSet<(u32, Vec<u8>)>,
}

/// An entry of a container's index.
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

impl Observation {
    /// A layer begins; its name and size follow.
    pub fn enter(&mut self, kind: &[u8]) {
        self.entered = true;
        self.layers.push(Layer { kind: String::from_utf8_lossy(kind).into_owned(), ..Layer::default() });
    }

    /// What the layer that was just entered is called. Of zip members libclamav passes only the base name here.
    pub fn inspect(&mut self, name: Option<&[u8]>, bytes: u64, normalised: bool) {
        let Some((layer, above)) = self.layers.split_last_mut() else {
            self.unbalanced = true;
            return;
        };
        let full_name = match (name, above.last_mut()) {
            (Some(name), Some(parent)) => parent.visit(name, bytes),
            _ => None,
        };
        layer.name = match (full_name, name) {
            (Some(full_name), _) => Some(member::escape(&full_name)),
            (None, Some(name)) if !member::is_made_up(name) => Some(member::escape(name)),
            _ => None,
        };
        layer.bytes = bytes;
        layer.normalised = normalised;
    }

    /// The layer's index has this entry.
    pub fn list(&mut self, name: &[u8], packed_bytes: u64, bytes: u64, position: u32, encrypted: bool) {
        let Some(layer) = self.layers.last_mut() else {
            self.unbalanced = true;
            return;
        };
        // Zip tells of each member twice, of its central and of its local header, at one position.
        if layer.listed.insert((position, name.to_owned())) {
            let index = layer.members.len();
            layer.waiting.entry(member::base_name(name).to_owned()).or_default().push_back(index);
            layer.members.push(Member {
                name: name.to_owned(),
                packed_bytes,
                bytes,
                encrypted,
                visited: false,
                unpacked: 0,
            });
        } else if encrypted {
            // Or several that lie within a program, each at position 0: one that fits in it is no code.
            if let Some(same) = layer.members.iter_mut().rev().find(|member| member.name == name) {
                same.encrypted = true;
                same.packed_bytes = same.packed_bytes.min(packed_bytes);
            }
        }
    }

    /// A signature matched in the layer on top.
    pub fn find(&mut self, signature: &[u8]) {
        let signature = String::from_utf8_lossy(signature);
        // ClamAV marks what its own set does not have; the owner's signatures are as good.
        let signature = signature.strip_suffix(".UNOFFICIAL").unwrap_or(&signature).to_owned();
        let member = self.path();
        let class = if LIMITS.iter().any(|limit| signature.starts_with(limit)) {
            &mut self.limits
        } else if signature.starts_with(ENCRYPTED) {
            &mut self.encryption
        } else {
            &mut self.malware
        };
        class.add(Found { member, signature });
    }

    /// The layer on top is done.
    pub fn leave(&mut self) {
        let path = self.path();
        let Some(layer) = self.layers.pop() else {
            self.unbalanced = true;
            return;
        };
        // Within a program libclamav takes every `PK\x03\x04` for a zip; gzip's own code has three, gpg's and sqlite's one. What
        // then would be larger, packed, than the program itself is code. A zip64 member has its size elsewhere.
        let is_code = |member: &Member| {
            is_program(&layer.kind) && member.packed_bytes > layer.bytes && member.packed_bytes != ZIP64_BYTES
        };
        for member in layer.members.iter().filter(|member| member.encrypted && !is_code(member)) {
            keep(&mut self.encrypted, join(&path, &member::escape(&member.name)));
        }
        if is_container(&layer.kind) {
            for gap in layer.gaps(&path) {
                keep(&mut self.gaps, gap);
            }
        }
    }

    /// libclamav wrote a warning or an error.
    pub fn warn(&mut self, text: &[u8]) {
        keep(&mut self.warnings, member::escape(text.trim_ascii()));
    }

    /// Whether every layer that was entered was left: else something ended early.
    pub fn is_balanced(&self) -> bool {
        self.layers.is_empty() && !self.unbalanced
    }

    /// The names from the file's first member down to the layer on top.
    fn path(&self) -> String {
        let mut path = String::new();
        let mut after_embedded = false;
        for layer in self.layers.iter().skip(1).filter(|layer| !layer.normalised) {
            match &layer.name {
                Some(name) => path = join(&path, name),
                // One in another adds nothing for a reader.
                None if after_embedded => {}
                None => path = join(&path, EMBEDDED),
            }
            after_embedded = layer.name.is_none();
        }
        path
    }
}

impl Findings {
    fn add(&mut self, found: Found) {
        if self.known.contains(&found) {
            return;
        }
        if self.kept.len() >= KEPT {
            self.omitted += 1;
            return;
        }
        self.known.insert(found.clone());
        self.kept.push(found);
    }

    pub fn kept(&self) -> &[Found] {
        &self.kept
    }

    pub fn first(&self) -> Option<&Found> {
        self.kept.first()
    }
}

impl Layer {
    /// Takes the first member of this name that no layer has taken: one of this size, else any. Its full name.
    fn visit(&mut self, name: &[u8], bytes: u64) -> Option<Vec<u8>> {
        let waiting = self.waiting.get_mut(member::base_name(name))?;
        let same_size = waiting.iter().take(CANDIDATES).position(|index| self.members[*index].bytes == bytes);
        let index = waiting.remove(same_size.unwrap_or(0))?;
        let member = &mut self.members[index];
        member.visited = true;
        member.unpacked = bytes;
        Some(member.name.clone())
    }

    /// What of this container was not read.
    fn gaps(&self, path: &str) -> Vec<String> {
        if self.members.is_empty() && self.bytes > 0 {
            let name = if path.is_empty() { "the container" } else { path };
            return vec![format!("{name}: no member could be read")];
        }
        let unread = |member: &Member| {
            let name = join(path, &member::escape(&member.name));
            if member.encrypted || member.name.ends_with(b"/") || member.bytes <= UNSCANNED_BYTES {
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
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}{SEPARATOR}{name}") }
}

fn keep(list: &mut Vec<String>, text: String) {
    if list.len() < KEPT {
        list.push(text);
    }
}

/// Whether this type is a program's, whose code may hold anything.
fn is_program(kind: &str) -> bool {
    ["CL_TYPE_MSEXE", "CL_TYPE_ELF", "CL_TYPE_MACHO"].iter().any(|program| kind.starts_with(program))
}

/// Whether libclamav lists the members of this type, so that the list can be held against what it entered.
fn is_container(kind: &str) -> bool {
    ["_ZIP", "_OOXML", "_7Z", "_RAR", "_MSCAB", "_TAR"].iter().any(|part| kind.contains(part))
}
