//! Finds what a content says about itself.

use std::fs::File;
use std::io::Read;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use lazaret_agent::{Content, EngineGone, Scanned, Scanner};
use lazaret_model::verdict::{ErrorReason, UnscannableReason};
use lazaret_model::{DefinitionsStamp, Finding, Verdict};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

/// Words: `virus` and `worm` are found; a line `member NAME virus` is one in a member; `encrypted`, `crash`, `panic` and `slow` do what they
/// say, the last until [`Self::go_on`].
pub struct WordScanner {
    pub scans: AtomicU64,
    pub without_definitions: AtomicBool,
    pub stale: AtomicBool,
    pub gone: AtomicBool,
    slow: Semaphore,
    pub most_at_once: Mutex<(usize, usize)>,
}

impl Default for WordScanner {
    fn default() -> Self {
        Self {
            scans: AtomicU64::new(0),
            without_definitions: AtomicBool::new(false),
            stale: AtomicBool::new(false),
            gone: AtomicBool::new(false),
            slow: Semaphore::new(0),
            most_at_once: Mutex::default(),
        }
    }
}

impl WordScanner {
    /// Lets so many slow scans go on.
    pub fn go_on(&self, scans: usize) {
        self.slow.add_permits(scans);
    }

    pub fn begun(&self) -> u64 {
        self.scans.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Scanner for WordScanner {
    async fn scan(&self, content: Content) -> Result<Scanned, EngineGone> {
        self.scans.fetch_add(1, Ordering::SeqCst);
        if self.gone.load(Ordering::SeqCst) {
            return Err(EngineGone("as the test asked for".into()));
        }
        let mut bytes = Vec::new();
        File::from(content.file).read_to_end(&mut bytes).expect("readable");
        assert_eq!(bytes.len() as u64, content.size, "the whole content is there");
        assert_eq!(<[u8; 32]>::from(Sha256::digest(&bytes)), content.sha256);
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("panic"), "as the test asked for");
        if text.contains("slow") {
            self.slow.acquire().await.expect("never closed").forget();
        }
        Ok(Scanned { verdict: verdict(&text), notes: Vec::new(), definitions: self.definitions(), cached: false })
    }

    fn definitions(&self) -> Option<DefinitionsStamp> {
        let any = !self.without_definitions.load(Ordering::SeqCst) && !self.stale.load(Ordering::SeqCst);
        any.then(|| DefinitionsStamp { version: "words-1".into(), built_at: None })
    }

    fn without_engine(&self) -> Option<Verdict> {
        let none = self.without_definitions.load(Ordering::SeqCst);
        none.then(|| Verdict::Error { reason: ErrorReason::StaleDefinitions, detail: "none".into() })
    }
}

fn verdict(text: &str) -> Verdict {
    let finding = |member: &str, threat: &str| Finding {
        member: member.to_owned(),
        threat: format!("Test.{threat}"),
        engine: "words".into(),
    };
    let members = text.lines().filter_map(|line| {
        let (member, threat) = line.strip_prefix("member ")?.rsplit_once(' ')?;
        Some(finding(member, threat))
    });
    let mut findings: Vec<Finding> = members.collect();
    if findings.is_empty() {
        findings.extend(["virus", "worm"].iter().filter(|word| text.contains(**word)).map(|word| finding("", word)));
    }
    match () {
        () if !findings.is_empty() => Verdict::Infected { findings },
        () if text.contains("encrypted") => {
            Verdict::Unscannable { reason: UnscannableReason::Encrypted, detail: "secret.txt".into() }
        }
        () if text.contains("crash") => Verdict::Error { reason: ErrorReason::EngineCrashed, detail: String::new() },
        () => Verdict::Clean,
    }
}
