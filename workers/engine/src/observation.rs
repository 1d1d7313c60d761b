//! All that libclamav said while it scanned one stretch of bytes, in the order it said it.
//!
//! libclamav tells of layers: it enters one, inspects it, lists its members, enters each of these in turn, leaves it. A layer's
//! position on this stack is the only way to know which member a signature matched in: it reports the name alone.

use lazaret_engine_protocol::UnscannableReason;
use lazaret_walker::name::{self, EMBEDDED, escape, is_made_up};
use lazaret_walker::{Fingerprint, Kind, MemberPath, Unread};

use crate::findings::{Findings, Found};
use crate::layer::{Layer, Listed};
use crate::problem::{Problem, reason};

/// Gaps and warnings kept of one scan; the first is what a verdict tells, so the rest only counts.
const KEPT: usize = 4_096;

/// libclamav cuts longer names of members to this many bytes.
const CUT_NAME_BYTES: usize = 255;

/// Signatures that are no malware but libclamav's words for "not read to its end". A dictionary that is larger than it takes is
/// a limit as well, whatever its name says.
const LIMITS: &[&str] = &["Heuristics.Limits.Exceeded", "Heuristics.XZ.DicSizeLimit"];
const ENCRYPTED: &str = "Heuristics.Encrypted";

/// What was seen. The classes are apart, so that thousands of one cannot crowd out another.
#[derive(Debug, Default)]
pub struct Observation {
    /// Where what is scanned lies in the file.
    root: MemberPath,
    layers: Vec<Layer>,
    pub malware: Findings,
    /// Signatures that say that a limit was reached.
    pub limits: Findings,
    /// Signatures that say that something is encrypted.
    pub encryption: Findings,
    /// Paths of encrypted members.
    pub encrypted: Vec<String>,
    /// What was not read to its end, for other reasons.
    pub gaps: Vec<Gap>,
    /// libclamav's own warnings and errors.
    pub warnings: Vec<String>,
    /// At least one layer was entered: libclamav looked at the bytes.
    pub entered: bool,
    /// The walker reads what is scanned.
    root_is_walked: bool,
    unbalanced: bool,
}

/// Something that libclamav did not read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    pub problem: Problem,
    pub healing: Healing,
}

/// Whether a walk of ours may read what libclamav did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Healing {
    /// A walk from the top comes by it: what that finds stands in for the gap.
    ByWalk,
    Never,
}

impl Observation {
    /// Of what lies at `root` in the file.
    pub fn at(root: &MemberPath) -> Self {
        Self { root: root.clone(), ..Self::default() }
    }

    /// A layer begins; its name and size follow.
    pub fn enter(&mut self, kind: &[u8]) {
        self.entered = true;
        self.layers.push(Layer::new(kind));
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
            (Some(full_name), _) => Some(full_name),
            (None, Some(name)) if !is_made_up(name) => Some(name.to_owned()),
            _ => None,
        }
        .filter(|name| !name.is_empty())
        .map(|name| if name.len() < CUT_NAME_BYTES { escape(&name) } else { format!("{}…", escape(&name)) });
        layer.bytes = bytes;
        layer.normalised = normalised;
    }

    /// The walker takes the layer on top for this container; `None` if for none. Whether it must be walked from a copy: libclamav does
    /// not read it, and no walk from the top comes by it.
    pub fn recognise(&mut self, kind: Option<Kind>) -> bool {
        let parent_is_walked = self.parent().is_none_or(|parent| parent.walked);
        let Some(layer) = self.layers.last_mut() else { return false };
        layer.walked = kind.is_some() && parent_is_walked && !layer.normalised;
        let Some(kind) = kind.filter(|kind| !layer.is_read_as(*kind)) else { return false };
        if !layer.walked {
            return true;
        }
        // A zip behind something else, or a container that libclamav does not know.
        self.gap(UnscannableReason::Unsupported, &format!("{kind:?}, which libclamav does not read"), Healing::ByWalk);
        false
    }

    /// The layer on top was copied, and is walked by itself.
    pub fn set_aside(&mut self) {
        if let Some(layer) = self.layers.last_mut() {
            layer.walked = true;
        }
    }

    /// The walker comes by these members in the container on top.
    pub fn expect(&mut self, members: Vec<Fingerprint>) {
        if let Some(layer) = self.layers.last_mut() {
            layer.expect(members);
        }
    }

    /// Whether the layer on top may be a member that the walker comes by, so that its fingerprint is worth taking.
    pub fn may_be_expected(&self) -> bool {
        self.parent().is_some_and(Layer::awaits)
    }

    /// The layer on top has this content.
    pub fn entered(&mut self, content: &Fingerprint) {
        if let Some(parent) = self.parent_mut() {
            parent.entered(content);
        }
    }

    /// The layer on top is an archive that only libclamav reads, and a zip lies in it as it is: what libclamav says of members may
    /// be said of the zip's.
    pub fn hides_zip(&mut self) {
        if let Some(layer) = self.layers.last_mut() {
            layer.hides_zip = true;
        }
    }

    /// libclamav's type of the layer on top is that of an archive whose members it lists, and which the walker does not know.
    pub fn is_listed_by_libclamav_alone(&self) -> bool {
        self.layers.last().is_some_and(Layer::is_listed_by_libclamav_alone)
    }

    /// The layer on top says that members beside it are encrypted.
    pub fn protected(&mut self) {
        let path = self.path();
        keep(&mut self.encrypted, path);
    }

    /// The layer on top is of a format that nobody here reads.
    pub fn foreign(&mut self, format: &str) {
        self.gap(UnscannableReason::Unsupported, &format!("{format}, which is not supported"), Healing::Never);
    }

    /// What libclamav found lies in members of a container that the walker reads too, and whose names it knows better.
    pub fn is_named_by_walk(&self) -> bool {
        self.root_is_walked && self.malware.kept().iter().any(|found| found.member != self.root.as_str())
    }

    /// The container on top is not whole.
    pub fn damaged(&mut self, unread: &Unread) {
        let path = self.path();
        let member = unread.path.as_str();
        let path = if member.is_empty() { path } else { name::join(&path, member) };
        let reason = reason(unread.fault.reason());
        if reason == UnscannableReason::Encrypted {
            if !self.encrypted.contains(&path) {
                keep(&mut self.encrypted, path);
            }
            return;
        }
        let walked = self.layers.last().is_some_and(|layer| layer.walked);
        let healing = if walked { Healing::ByWalk } else { Healing::Never };
        keep(&mut self.gaps, Gap { problem: Problem::unread(reason, &path, &unread.fault.to_string()), healing });
    }

    /// The layer on top is not looked at, and why.
    pub fn refuse(&mut self, why: &str) {
        if let Some(parent) = self.parent_mut() {
            parent.expect_no_more(); // no walk heals this: it would only take its time
        }
        self.gap(UnscannableReason::LimitsExceeded, why, Healing::Never);
    }

    /// The layer on top could not be looked over.
    pub fn fail(&mut self, why: &str) {
        self.gap(UnscannableReason::Incomplete, why, Healing::ByWalk);
    }

    fn parent(&self) -> Option<&Layer> {
        self.layers.iter().rev().nth(1)
    }

    fn parent_mut(&mut self) -> Option<&mut Layer> {
        self.layers.iter_mut().rev().nth(1)
    }

    fn gap(&mut self, reason: UnscannableReason, text: &str, healing: Healing) {
        let walked = self.layers.last().is_some_and(|layer| layer.walked);
        let healing = if walked { healing } else { Healing::Never };
        let path = self.path();
        keep(&mut self.gaps, Gap { problem: Problem::unread(reason, &path, text), healing });
    }

    /// The layer's index has this entry.
    pub fn list(&mut self, listed: Listed<'_>) {
        match self.layers.last_mut() {
            Some(layer) => layer.list(listed),
            None => self.unbalanced = true,
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
        for encrypted in layer.encrypted(&path) {
            if !self.encrypted.contains(&encrypted) {
                keep(&mut self.encrypted, encrypted);
            }
        }
        if self.layers.is_empty() {
            self.root_is_walked = layer.walked;
        }
        let healing = if layer.walked { Healing::ByWalk } else { Healing::Never };
        let mut gaps = layer.gaps(&path);
        if layer.missed() > 0 {
            gaps.push(format!("{}: {} members not read by libclamav", shown(&path), layer.missed()));
        }
        if layer.hides_zip {
            gaps.push(format!("{}: a zip within it hides which members were read", shown(&path)));
        }
        for gap in gaps {
            let problem = Problem::Unscannable(UnscannableReason::Incomplete, gap);
            keep(&mut self.gaps, Gap { problem, healing });
        }
    }

    /// libclamav wrote a warning or an error.
    pub fn warn(&mut self, text: &[u8]) {
        keep(&mut self.warnings, escape(text.trim_ascii()));
    }

    /// Whether every layer that was entered was left: else something ended early.
    pub fn is_balanced(&self) -> bool {
        self.layers.is_empty() && !self.unbalanced
    }

    /// How many layers are around the one on top, other forms of the same bytes left out.
    pub fn depth(&self) -> usize {
        self.layers.iter().filter(|layer| !layer.normalised).count().saturating_sub(1)
    }

    /// The names from the file's first member down to the layer on top.
    pub fn path(&self) -> String {
        let layers = self.layers.iter().skip(1).filter(|layer| !layer.normalised);
        layers.fold(self.root.as_str().to_owned(), |path, layer| {
            name::join(&path, layer.name.as_deref().unwrap_or(EMBEDDED))
        })
    }
}

fn shown(path: &str) -> &str {
    if path.is_empty() { "the container" } else { path }
}

fn keep<T>(list: &mut Vec<T>, item: T) {
    if list.len() < KEPT {
        list.push(item);
    }
}
