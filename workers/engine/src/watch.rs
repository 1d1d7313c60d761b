//! Looks over each layer as libclamav enters it: within the limits, whole, and copied for a second engine if one is to see it.

use std::fs::File;
use std::io;
use std::path::Path;

use lazaret_walker::{Fingerprint, Limits as WalkLimits, MemberPath, Source, check, detect, foreign, has_zip_member};

use crate::bundle::Bundle;
use crate::meter::Meter;
use crate::observation::Observation;
use crate::region::Region;
use crate::spool::spool;

/// Layers of one scan that are copied to be walked; each holds a descriptor.
const MAX_COPIES: usize = 64;

/// A layer that libclamav does not read, deep in something that the walker does not: it is walked from a copy.
#[derive(Debug)]
pub struct Copy {
    pub path: MemberPath,
    pub file: File,
    pub bytes: u64,
}

/// Where an OpenDocument says of each of its members whether a password protects it: encrypted by itself, and not as a zip does it.
const MANIFEST: &str = "META-INF/manifest.xml";
const PROTECTED: &[u8] = b"manifest:encryption-data";

/// A manifest has some hundred bytes for each member.
const MANIFEST_BYTES: usize = 1 << 20;

/// What the callbacks of one call of libclamav have in hand.
#[derive(Debug)]
pub struct Watch<'scan> {
    pub observation: Observation,
    pub meter: &'scan mut Meter,
    pub bundle: Option<&'scan mut Bundle>,
    pub walk_limits: WalkLimits,
    /// What is scanned is itself a member, which a bundle must hold.
    pub is_member: bool,
    pub scratch: &'scan Path,
    pub copies: Vec<Copy>,
}

/// What libclamav is to do with a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    Scan,
    Skip,
}

impl Watch<'_> {
    /// The layer on top has these bytes; `None` if libclamav could not get at them.
    pub fn inspect(&mut self, name: Option<&[u8]>, bytes: u64, normalised: bool, content: Option<&Region>) -> Layer {
        self.observation.inspect(name, bytes, normalised);
        let depth = self.observation.depth();
        if let Err(why) = self.meter.take(depth, bytes) {
            self.observation.refuse(&why);
            return Layer::Skip;
        }
        if normalised || bytes == 0 {
            return Layer::Scan;
        }
        let Some(content) = content else {
            self.observation.fail("its bytes can't be had");
            return Layer::Scan;
        };
        self.check(content);
        if (depth > 0 || self.is_member)
            && let Some(bundle) = &mut self.bundle
        {
            bundle.add(&self.observation.path(), content);
        }
        Layer::Scan
    }

    /// Whether the layer, if it is a container, is whole, and what libclamav should come by in it: it does not say.
    fn check(&mut self, content: &Region) {
        if let Err(error) = self.look_over(content) {
            self.observation.fail(&error.to_string());
        }
    }

    fn look_over(&mut self, content: &Region) -> io::Result<()> {
        if self.observation.may_be_expected() {
            self.observation.entered(&Fingerprint::of(content)?);
        }
        let kind = detect(content)?;
        if self.observation.path().ends_with(MANIFEST) {
            let mut manifest = vec![0; usize::try_from(content.len()).unwrap_or(usize::MAX).min(MANIFEST_BYTES)];
            let count = content.read_at(&mut manifest, 0)?;
            if manifest[..count].windows(PROTECTED.len()).any(|bytes| bytes == PROTECTED) {
                self.observation.protected();
            }
        }
        if kind.is_none()
            && let Some(format) = foreign(content)?
        {
            self.observation.foreign(format);
        }
        if self.observation.is_listed_by_libclamav_alone() && has_zip_member(content)? {
            self.observation.hides_zip();
        }
        if self.observation.recognise(kind) {
            self.copy(content);
            return Ok(()); // the walk of the copy looks over it
        }
        if kind.is_some() {
            let checked = check(content, &self.walk_limits)?;
            self.observation.expect(checked.members);
            if let Some(unread) = checked.defect {
                self.observation.damaged(&unread);
            }
        }
        Ok(())
    }

    fn copy(&mut self, content: &Region) {
        if self.copies.len() >= MAX_COPIES {
            self.observation.fail("one of too many containers that libclamav does not read");
            return;
        }
        match spool(self.scratch, &mut content.reader()) {
            Ok((file, bytes)) => {
                let path = MemberPath::from_text(self.observation.path());
                self.copies.push(Copy { path, file, bytes });
                self.observation.set_aside();
            }
            Err(error) => self.observation.fail(&format!("cannot be copied to be read: {error}")),
        }
    }
}
