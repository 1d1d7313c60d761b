//! Hands over every member of a container.

use std::io::{self, Read};

use flate2::Crc;

use crate::cursor::ReadError;
use crate::kind::{Kind, detect};
use crate::limits::Budget;
use crate::name::MemberPath;
use crate::source::{Section, Source};
use crate::unpack::stream::Extent;
use crate::unpack::{Packing, Stream};
use crate::unread::{Fault, Unread};
use crate::{ar, tar, zip};

/// Takes what a walk finds. Nesting is the visitor's: it decides whether a member is a container to walk in its turn.
pub trait Visitor {
    /// Takes one member. What it says of itself is not checked yet: what is wrong with it comes by [`Visitor::unread`] afterwards.
    ///
    /// Folders, links and stored members of no bytes are not handed over.
    ///
    /// # Errors
    /// [`Stop`] ends the walk.
    fn member(&mut self, member: Member<'_, '_>, budget: &Budget) -> Result<(), Stop>;

    /// Takes note of something that stays unread, or that other readers may take differently.
    ///
    /// # Errors
    /// [`Stop`] ends the walk.
    fn unread(&mut self, unread: Unread) -> Result<(), Stop>;
}

/// One member.
pub struct Member<'m, 'a> {
    pub path: &'m MemberPath,
    /// As the container spells it; empty if it has no name.
    pub name: &'m [u8],
    pub content: Content<'m, 'a>,
}

pub enum Content<'m, 'a> {
    /// Lies in the container as it is, and may be walked in place. Any size: it is the visitor's to say if that is too large.
    Stored(Section<'a>),
    /// Unpacks as it is read. Damage and limits end it early without an error, so that what came before them is not lost; an error
    /// means that the source failed. What is not read to the end is reported as [`Fault::LeftUnread`].
    Packed(&'m mut dyn Read),
}

/// Ends a walk before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stop;

#[derive(Debug, thiserror::Error)]
pub enum WalkError {
    #[error("the container can't be read: {0}")]
    Source(#[from] io::Error),
    #[error("stopped by the visitor")]
    Stopped,
}

impl From<Stop> for WalkError {
    fn from(_: Stop) -> Self {
        Self::Stopped
    }
}

/// What a walk came by. Nothing stayed unread if `unread` is 0 here and in the walks of all members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Walked {
    /// None if it is no container; nothing was handed over then.
    pub kind: Option<Kind>,
    /// Members that were handed over.
    pub members: u64,
    /// Calls of [`Visitor::unread`].
    pub unread: u64,
}

/// Hands over every member of one container, which lies at `path`.
///
/// # Errors
/// If the source fails, or the visitor stops.
pub fn walk(
    content: &dyn Source,
    path: &MemberPath,
    budget: &Budget,
    visitor: &mut dyn Visitor,
) -> Result<Walked, WalkError> {
    let section = Section::whole(content);
    let mut walker =
        Walker { budget, visitor, path, container_bytes: section.len(), stored_bytes: 0, members: 0, unread: 0 };
    let kind = detect(content)?;
    if let Some(kind) = kind {
        match budget.enter() {
            Err(fault) => walker.report(None, fault)?,
            Ok(_entered) => match kind {
                Kind::Zip => zip::walk(section, &mut walker)?,
                Kind::Tar => tar::walk(section, &mut walker)?,
                Kind::Gzip => streams(section, Packing::Gzip, &mut walker)?,
                Kind::Bzip2 => streams(section, Packing::Bzip2, &mut walker)?,
                Kind::Xz => streams(section, Packing::Xz, &mut walker)?,
                Kind::Zstd => streams(section, Packing::Zstd, &mut walker)?,
                Kind::Ar => ar::walk(section, &mut walker)?,
            },
        }
    }
    Ok(Walked { kind, members: walker.members, unread: walker.unread })
}

/// A container of one member.
fn streams(section: Section<'_>, packing: Packing, walker: &mut Walker<'_>) -> Result<(), WalkError> {
    if let Err(fault) = walker.budget.take_member() {
        return walker.report(None, fault);
    }
    let stream = match Stream::open(section, 0, packing, Extent::All) {
        Ok(stream) => stream,
        Err(error) => return walker.report(None, fault(error)?),
    };
    let name = stream.name().to_vec();
    let unpacked = walker.packed(&name, stream)?;
    if let Some(fault) = unpacked.fault {
        return walker.report(None, fault);
    }
    if !section.is_zero_from(unpacked.position)? {
        walker.stored(&[], section.part(unpacked.position, section.len()))?;
    }
    Ok(())
}

/// The fault, if it is one of the content.
pub(crate) fn fault(error: ReadError) -> Result<Fault, io::Error> {
    match error {
        ReadError::Fault(fault) => Ok(fault),
        ReadError::Source(error) => Err(error),
    }
}

/// What the walks of all kinds need.
pub(crate) struct Walker<'w> {
    pub(crate) budget: &'w Budget,
    visitor: &'w mut dyn Visitor,
    path: &'w MemberPath,
    container_bytes: u64,
    stored_bytes: u64,
    members: u64,
    unread: u64,
}

/// How the unpacking of a member went.
pub(crate) struct Unpacked {
    pub(crate) bytes: u64,
    pub(crate) crc: u32,
    /// Where it ended in the section.
    pub(crate) position: u64,
    pub(crate) fault: Option<Fault>,
}

impl Walker<'_> {
    /// Members that were handed over so far.
    pub(crate) fn members(&self) -> u64 {
        self.members
    }

    /// Takes note of a fault of a member, or of the container.
    pub(crate) fn report(&mut self, name: Option<&[u8]>, fault: Fault) -> Result<(), WalkError> {
        self.unread += 1;
        let path = name.map_or_else(|| self.path.clone(), |name| self.path.join(name));
        Ok(self.visitor.unread(Unread { path, fault })?)
    }

    /// Hands over a member that lies in the container as it is.
    pub(crate) fn stored(&mut self, name: &[u8], section: Section<'_>) -> Result<(), WalkError> {
        if section.is_empty() {
            return Ok(());
        }
        // Nothing is unpacked for them, so no budget holds them: a megabyte could be a thousand members of a thousand megabytes.
        self.stored_bytes = self.stored_bytes.saturating_add(section.len());
        if self.stored_bytes > self.container_bytes {
            return self.report(Some(name), Fault::Overlap);
        }
        self.members += 1;
        let path = self.path.join(name);
        Ok(self.visitor.member(Member { path: &path, name, content: Content::Stored(section) }, self.budget)?)
    }

    /// Hands over a member as it unpacks.
    pub(crate) fn packed(&mut self, name: &[u8], stream: Stream<'_>) -> Result<Unpacked, WalkError> {
        self.members += 1;
        let path = self.path.join(name);
        let mut content = MemberStream::new(stream, self.budget);
        self.visitor.member(Member { path: &path, name, content: Content::Packed(&mut content) }, self.budget)?;
        content.finish()
    }
}

/// A member as it unpacks, within the limits.
struct MemberStream<'a, 'budget> {
    /// None once it ended, so that a member that is walked next does not add its decoder's memory to this one's.
    stream: Option<Stream<'a>>,
    budget: &'budget Budget,
    bytes: u64,
    crc: Crc,
    position: u64,
    fault: Option<Fault>,
    failure: Option<io::Error>,
}

impl<'a, 'budget> MemberStream<'a, 'budget> {
    fn new(stream: Stream<'a>, budget: &'budget Budget) -> Self {
        let position = stream.position();
        Self { stream: Some(stream), budget, bytes: 0, crc: Crc::new(), position, fault: None, failure: None }
    }

    fn end(&mut self, fault: Option<Fault>) {
        self.fault = fault;
        if let Some(stream) = self.stream.take() {
            self.position = stream.position();
        }
    }

    /// Reads without regard to limits; 0 at the end, whatever ended it.
    fn read_on(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(stream) = &mut self.stream else { return Ok(0) };
        match stream.read(buffer) {
            Ok(0) => self.end(None),
            Ok(count) => return Ok(count),
            Err(ReadError::Fault(fault)) => self.end(Some(fault)),
            Err(ReadError::Source(error)) => {
                let kind = error.kind();
                self.failure = Some(error);
                self.end(None);
                return Err(kind.into());
            }
        }
        Ok(0)
    }

    fn finish(mut self) -> Result<Unpacked, WalkError> {
        if self.stream.is_some() && self.read_on(&mut [0]).is_ok_and(|count| count > 0) {
            self.end(Some(Fault::LeftUnread));
        }
        match self.failure {
            Some(error) => Err(error.into()),
            None => Ok(Unpacked { bytes: self.bytes, crc: self.crc.sum(), position: self.position, fault: self.fault }),
        }
    }
}

impl Read for MemberStream<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() || self.stream.is_none() {
            return Ok(0);
        }
        let most = match self.budget.unpackable_bytes(self.bytes) {
            Ok(most) => usize::try_from(most).unwrap_or(usize::MAX).min(buffer.len()),
            Err(fault) => {
                // Only if there is more.
                if self.read_on(&mut [0])? > 0 {
                    self.end(Some(fault));
                }
                return Ok(0);
            }
        };
        let count = self.read_on(&mut buffer[..most])?;
        self.bytes += count as u64;
        self.budget.unpacked(count);
        self.crc.update(&buffer[..count]);
        Ok(count)
    }
}
