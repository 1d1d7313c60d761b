//! Looks over each layer as libclamav enters it: within the limits, whole, and copied for a second engine if one is to see it.

use lazaret_walker::{Limits as WalkLimits, Source, defect, detect};

use crate::bundle::Bundle;
use crate::meter::Meter;
use crate::observation::Observation;
use crate::region::Region;

/// What the callbacks of one call of libclamav have in hand.
#[derive(Debug)]
pub struct Watch<'scan> {
    pub observation: Observation,
    pub meter: &'scan mut Meter,
    pub bundle: Option<&'scan mut Bundle>,
    pub walk_limits: WalkLimits,
    /// What is scanned is itself a member, which a bundle must hold.
    pub is_member: bool,
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

    /// Whether the layer, if it is a container, is whole: libclamav does not say.
    fn check(&mut self, content: &dyn Source) {
        let checked = detect(content).and_then(|kind| {
            self.observation.recognise(kind);
            kind.map_or(Ok(None), |_| defect(content, &self.walk_limits))
        });
        match checked {
            Ok(None) => {}
            Ok(Some(unread)) => self.observation.damaged(&unread),
            Err(error) => self.observation.fail(&error.to_string()),
        }
    }
}
