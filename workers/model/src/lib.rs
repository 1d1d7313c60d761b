//! The words of Lazaret, one type each, and the decisions that need no I/O.
//!
//! The major components are:
//!
//! * [`job`]: what a person or a schedule asks for ([`JobInput`]) and what a job then is ([`Job`]).
//! * [`selection`]: which objects a job of a schedule matches.
//! * [`object`], [`packet`]: the exact version of an object, and the message that carries many of them.
//! * [`crawl`]: what a crawl counted; [`plan`]: which crawls of a job count, and so which packets exist.
//! * [`verdict`], [`policy`], [`action`], [`tags`], [`quarantine`]: what was found, what is done about it, and how it is written down.
//! * [`event`]: what S3 tells of new objects; [`announcement`]: what the world is told of their verdicts.
//! * [`promotion`]: from a staging bucket to production; [`allowed`]: contents that their owner allowed; [`headers`]: what a copy keeps.
//! * [`definitions`]: which definitions a verdict rests on; [`manifest`]: what a published version of them holds.
//! * [`result`]: a row for each object; [`summary`]: the totals and the proof of completeness.
//! * [`pack`]: how many objects a packet holds; [`fleet`], [`drain`]: how many agents to start, and when a job is done.
//! * [`calibration`]: what finished jobs say of an agent's speed.
//! * [`estimate`], [`prices`]: what a job would take, and what AWS asks for it; [`units`]: numbers for a person.
//! * [`layout`]: where everything lies in the results bucket; [`failure`]: the error names that Step Functions sees; [`metrics`]: how
//!   CloudWatch is told.
//!
//! No I/O, no clock, no async: whoever calls brings the facts.

pub mod action;
pub mod allowed;
pub mod announcement;
pub mod calibration;
pub mod crawl;
pub mod definitions;
pub mod drain;
pub mod estimate;
pub mod event;
pub mod failure;
pub mod fleet;
pub mod headers;
pub mod job;
pub mod layout;
pub mod manifest;
pub mod metrics;
pub mod object;
pub mod pack;
pub mod packet;
pub mod plan;
pub mod policy;
pub mod prices;
pub mod progress;
pub mod promotion;
pub mod quarantine;
pub mod result;
pub mod selection;
pub mod summary;
pub mod tags;
pub mod units;
pub mod verdict;

pub use action::{Action, ActionKind, ActionOutcome};
pub use allowed::AllowedContent;
pub use announcement::ScanResult;
pub use crawl::{CrawlBrief, CrawlResult, SizeHistogram};
pub use definitions::DefinitionsStamp;
pub use failure::Failure;
pub use headers::ObjectHeaders;
pub use job::{BucketScope, Job, JobId, JobInput, JobLimits, Source, Window};
pub use manifest::{DefinitionsFile, DefinitionsFileName, DefinitionsManifest, DefinitionsPointer, DefinitionsVersion};
pub use object::{ETag, ObjectRef, StorageClass};
pub use packet::{CrawlId, PacketId, WorkPacket};
pub use plan::JobPlan;
pub use policy::{Policies, Policy};
pub use progress::Progress;
pub use quarantine::QuarantineRecord;
pub use result::{Evidence, ResultRow};
pub use selection::{Matching, Selection, Upload};
pub use summary::{Completeness, Summary, Totals};
pub use verdict::{Finding, Verdict};
