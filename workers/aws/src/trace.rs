//! Traces: what became of one request or one object, across programs, for AWS X-Ray.
//!
//! A [`Segment`] is one program's part. Its document goes to a collector beside the program, by UDP on loopback
//! (`AWS_XRAY_DAEMON_ADDRESS`): no call of AWS, nothing to wait for, and a document that is lost costs a line of a picture. Where no
//! collector is named nothing is sent, and ids are still made: lines of the log have them.
//!
//! A document holds names of ours, times, ids and verdicts; never a key, a path or anything else that a caller chose.

use std::collections::BTreeMap;
use std::env;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::str::FromStr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use jiff::Timestamp;
use serde_json::{Value, json};
use tracing::{info, warn};
use uuid::Uuid;

/// What a collector wants before each document (X-Ray developer guide, "Sending segment documents to the daemon").
const PREAMBLE: &str = "{\"format\": \"json\", \"version\": 1}\n";

/// Of traces that begin here. X-Ray bills each ($5 a million: its price list, from memory).
const SAMPLED: f64 = 0.05;

static TRACER: OnceLock<Tracer> = OnceLock::new();

tokio::task_local! {
    static CURRENT: Arc<Current>;
}

/// What is known of a segment by the work that goes on within it.
#[derive(Debug)]
struct Current {
    header: String,
    annotations: Mutex<BTreeMap<&'static str, &'static str>>,
}

/// Reads the environment. What is wrong there costs the traces, not the program.
pub fn start() {
    let Ok(address) = env::var("AWS_XRAY_DAEMON_ADDRESS") else { return };
    let rate = env::var("LAZARET_TRACE_RATE").ok().and_then(|rate| rate.parse().ok()).unwrap_or(SAMPLED);
    match address.parse().map_err(io::Error::other).and_then(|to| Tracer::new(to, rate)) {
        Ok(tracer) => {
            info!(rate, "Traces are sent");
            tracer.install();
        }
        Err(error) => warn!(%error, "No traces are sent: AWS_XRAY_DAEMON_ADDRESS is not an address and a port"),
    }
}

/// Sends documents.
pub struct Tracer {
    socket: UdpSocket,
    rate: f64,
    /// Nobody outside can tell which ids it takes: callers choose theirs.
    choice: RandomState,
}

impl Tracer {
    /// # Errors
    /// If there is no socket to send from.
    pub fn new(to: SocketAddr, rate: f64) -> io::Result<Self> {
        let socket = UdpSocket::bind(if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" })?;
        socket.connect(to)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, rate, choice: RandomState::new() })
    }

    /// For this process, if there is none yet.
    pub fn install(self) {
        let _ = TRACER.set(self);
    }

    fn chooses(&self, id: &TraceId) -> bool {
        (self.choice.hash_one(&id.0) as f64) < self.rate * (u64::MAX as f64)
    }
}

/// `1-`, the time in eight hexadecimal digits, `-`, and 24 more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceId(String);

impl TraceId {
    fn new(now: Timestamp) -> Self {
        let digits = Uuid::new_v4().simple().to_string();
        Self(format!("1-{:08x}-{}", now.as_second(), &digits[..24]))
    }
}

impl FromStr for TraceId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let parts: Vec<&str> = text.split('-').collect();
        let [version, time, rest] = parts[..] else { return Err(()) };
        let whole = version == "1" && is_hex(time, 8) && is_hex(rest, 24);
        if whole { Ok(Self(text.to_ascii_lowercase())) } else { Err(()) }
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// `X-Amzn-Trace-Id`: `Root=1-…;Parent=…;Sampled=1`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Header {
    root: TraceId,
    parent: Option<String>,
    sampled: Option<bool>,
}

impl Header {
    /// None if it has no id that is one: whoever sent it, a new trace begins.
    fn read(text: &str) -> Option<Self> {
        let field = |name: &str| text.split(';').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='));
        let sampled = match field("Sampled") {
            Some("1") => Some(true),
            Some("0") => Some(false),
            _ => None,
        };
        let parent = field("Parent").filter(|parent| is_hex(parent, 16)).map(str::to_ascii_lowercase);
        Some(Self { root: field("Root")?.parse().ok()?, parent, sampled })
    }
}

/// Whose header it is that a segment goes on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A service of AWS, that has decided whether the trace is kept.
    Aws,
    /// Anybody: his id is taken, so that lines of both sides can be joined; what is kept he does not choose.
    Caller,
}

/// One program's part of a trace.
#[derive(Debug)]
pub struct Segment {
    name: &'static str,
    root: TraceId,
    id: String,
    parent: Option<String>,
    sampled: bool,
    began_at: Timestamp,
    begun: Instant,
    current: Arc<Current>,
}

/// Begins one, of the trace that `header` names or of a new one.
pub fn begin(name: &'static str, header: Option<&str>, from: Origin) -> Segment {
    let began_at = Timestamp::now();
    let header = header.and_then(Header::read);
    let decided = header.as_ref().and_then(|header| header.sampled).filter(|_| from == Origin::Aws);
    let (root, parent) =
        header.map_or_else(|| (TraceId::new(began_at), None), |Header { root, parent, .. }| (root, parent));
    let sampled = TRACER.get().is_some_and(|tracer| decided.unwrap_or_else(|| tracer.chooses(&root)));
    let id = Uuid::new_v4().simple().to_string()[..16].to_owned();
    let header = format!("Root={root};Parent={id};Sampled={}", u8::from(sampled));
    let current = Arc::new(Current { header, annotations: Mutex::default() });
    Segment { name, root, id, parent, sampled, began_at, begun: Instant::now(), current }
}

impl Segment {
    pub fn trace_id(&self) -> &TraceId {
        &self.root
    }

    /// Runs `work` so that what it calls goes on from here: see [`current`] and [`annotate`].
    pub fn around<T, W: Future<Output = T>>(&self, work: W) -> impl Future<Output = T> + use<T, W> {
        CURRENT.scope(Arc::clone(&self.current), work)
    }

    /// Sends the document, if the trace is kept. A fault is ours; an error is the caller's.
    pub fn end(self, ending: Ending) {
        let Some(tracer) = TRACER.get().filter(|_| self.sampled) else { return };
        // a collector that is gone costs the trace
        let _ = tracer.socket.send(format!("{PREAMBLE}{}", self.document(ending)).as_bytes());
    }

    fn document(self, ending: Ending) -> Value {
        let began = self.began_at.as_microsecond() as f64 / 1e6;
        let mut document = json!({
            "name": self.name,
            "id": self.id,
            "trace_id": self.root.0,
            "start_time": began,
            "end_time": began + self.begun.elapsed().as_secs_f64(),
            "annotations": *self.current.annotations.lock().unwrap_or_else(PoisonError::into_inner),
        });
        if let Some(parent) = self.parent {
            document["parent_id"] = json!(parent);
        }
        match ending {
            Ending::Done => {}
            Ending::Error => document["error"] = json!(true),
            Ending::Throttled => {
                document["error"] = json!(true);
                document["throttle"] = json!(true);
            }
            Ending::Fault => document["fault"] = json!(true),
        }
        document
    }
}

/// How a segment ended, as X-Ray tells it apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Done,
    Error,
    Throttled,
    Fault,
}

/// The header for a call that is made within [`Segment::around`].
/// None where no traces are sent: then it would tell the next service to send some.
pub fn current() -> Option<String> {
    TRACER.get()?;
    CURRENT.try_with(|current| current.header.clone()).ok()
}

/// What the segment around this can be searched by, in words of ours.
pub fn annotate(name: &'static str, value: &'static str) {
    let _ = CURRENT.try_with(|current| {
        current.annotations.lock().unwrap_or_else(PoisonError::into_inner).insert(name, value);
    });
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const ROOT: &str = "1-5759e988-bd862e3fe1be46a994272793";

    #[test]
    fn a_header_that_is_none_begins_a_trace_of_its_own() {
        let good = Header::read(&format!("Self=1-0;Root={ROOT};Parent=53995C3F42CD8AD8;Sampled=1")).expect("a header");
        assert_eq!((good.root.0.as_str(), good.parent.as_deref()), (ROOT, Some("53995c3f42cd8ad8")));
        assert_eq!(good.sampled, Some(true));
        for bad in ["", "Root=", "Root=1-2-3", "Root=1-5759e988-bd862e3fe1be46a99427279\u{e9}", "Rooty=x", "\"};\n"] {
            assert_eq!(Header::read(bad), None, "{bad:?}");
        }
        let odd = Header::read(&format!("Root={ROOT};Parent=\"\n;Sampled=?")).expect("its id is good");
        assert_eq!((odd.parent, odd.sampled), (None, None));
        let new = TraceId::new(Timestamp::now());
        assert_eq!(new.0.parse(), Ok(new), "what is made here can be read");
    }

    /// One test: a process has one tracer.
    #[tokio::test]
    async fn documents_reach_the_collector_as_parent_and_child_of_one_trace() {
        let collector = UdpSocket::bind("127.0.0.1:0").expect("a port");
        collector.set_read_timeout(Some(Duration::from_secs(20))).expect("a time-out");
        let receive = || -> Value {
            let mut buffer = [0; 65_536];
            let length = collector.recv(&mut buffer).expect("a document");
            let text = std::str::from_utf8(&buffer[..length]).expect("UTF-8");
            serde_json::from_str(text.strip_prefix(PREAMBLE).expect("the preamble")).expect("JSON")
        };
        let off = begin("off", None, Origin::Aws);
        assert_eq!(off.around(async { current() }).await, None, "without a collector nothing is passed on");
        off.end(Ending::Done);

        Tracer::new(collector.local_addr().expect("an address"), 0.0).expect("a socket").install();
        let asked = format!("Root={ROOT};Sampled=1");
        begin("caller", Some(&asked), Origin::Caller).end(Ending::Done); // chooses nothing: the rate is 0
        begin("new", None, Origin::Aws).end(Ending::Done);
        let parent = begin("parent", Some(&asked), Origin::Aws);
        assert_eq!(parent.trace_id().to_string(), ROOT);
        let work = async {
            annotate("verdict", "Clean");
            current()
        };
        let header = parent.around(work).await.expect("a header");
        begin("child", Some(&header), Origin::Aws).end(Ending::Fault);
        parent.end(Ending::Throttled);

        let (child, parent) = (receive(), receive());
        assert_eq!((&child["name"], &parent["name"]), (&json!("child"), &json!("parent")));
        assert_eq!((&child["trace_id"], &parent["trace_id"]), (&json!(ROOT), &json!(ROOT)));
        assert_eq!(child["parent_id"], parent["id"]);
        assert_eq!((&child["fault"], child.get("error")), (&json!(true), None));
        assert_eq!((&parent["error"], &parent["throttle"], parent.get("fault")), (&json!(true), &json!(true), None));
        assert_eq!(parent["annotations"], json!({"verdict": "Clean"}));
        assert_eq!(parent.get("parent_id"), None);
        assert!(is_hex(child["id"].as_str().expect("an id"), 16) && child["id"] != parent["id"]);
        assert!(parent["start_time"].as_f64() <= child["start_time"].as_f64());
        assert!(child["end_time"].as_f64() <= parent["end_time"].as_f64());
    }

    #[test]
    fn as_many_traces_are_kept_as_the_rate_says() {
        let nobody = "127.0.0.1:9".parse().expect("an address");
        for rate in [0.0, 0.25, 1.0] {
            let tracer = Tracer::new(nobody, rate).expect("a socket");
            let kept = (0..2_000).filter(|_| tracer.chooses(&TraceId::new(Timestamp::UNIX_EPOCH))).count() as f64;
            assert!((kept / 2_000.0 - rate).abs() < 0.06, "{kept} of 2000 at {rate}");
        }
    }
}
