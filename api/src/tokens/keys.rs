//! The issuer's public keys: fetched when a token names one that is not known, and now and then all anew.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::error::Unspecified;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::web::{Web, WebError};

/// Between two fetches, whatever tokens ask for: key ids can be invented.
const BETWEEN_FETCHES: Duration = Duration::from_secs(30);
/// After this a key that its issuer took back is forgotten.
const FRESH: Duration = Duration::from_secs(3_600);
/// Cognito has two.
const KEYS_MAX: usize = 32;

/// A public key of RSA, of 2,048 to 8,192 bits: others verify nothing.
pub struct PublicKey(RsaPublicKeyComponents<Vec<u8>>);

impl PublicKey {
    /// # Errors
    /// If this key did not sign that.
    pub fn verify(&self, signed: &[u8], signature: &[u8]) -> Result<(), Unspecified> {
        self.0.verify(&RSA_PKCS1_2048_8192_SHA256, signed, signature)
    }
}

/// Why there is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyError {
    /// The issuer has none of that id.
    Unknown,
    /// The issuer's keys are not known at all.
    Unavailable,
}

/// The keys of one issuer.
pub struct Keys {
    web: Web,
    url: String,
    known: RwLock<Known>,
    /// When the last fetch began. Whoever holds it fetches.
    fetched: Mutex<Option<Instant>>,
}

#[derive(Default, Clone)]
struct Known {
    keys: HashMap<String, Arc<PublicKey>>,
    /// `None` before the first.
    since: Option<Instant>,
}

#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error(transparent)]
    Web(#[from] WebError),
    #[error("the answer's status is {0}")]
    Status(u16),
    #[error("the answer is no set of keys: {0}")]
    Json(#[from] serde_json::Error),
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Entry>,
}

/// Other kinds of keys have other fields.
#[derive(Deserialize)]
struct Entry {
    kid: Option<String>,
    kty: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

impl Keys {
    pub fn at(web: Web, url: String) -> Self {
        Self { web, url, known: RwLock::default(), fetched: Mutex::default() }
    }

    /// The key of that id.
    ///
    /// # Errors
    /// If there is none.
    pub async fn get(&self, id: &str) -> Result<Arc<PublicKey>, KeyError> {
        if let Some(key) = self.fresh(id) {
            return Ok(key);
        }
        self.fetch().await;
        // old keys are better than none while the issuer does not answer
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let why_none = if known.since.is_some() { KeyError::Unknown } else { KeyError::Unavailable };
        known.keys.get(id).cloned().ok_or(why_none)
    }

    fn fresh(&self, id: &str) -> Option<Arc<PublicKey>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let is_fresh = known.since.is_some_and(|since| since.elapsed() < FRESH);
        known.keys.get(id).filter(|_| is_fresh).cloned()
    }

    /// Fetches the keys, unless that was just done. All who want it meanwhile wait for the one.
    async fn fetch(&self) {
        let mut fetched = self.fetched.lock().await;
        if fetched.is_some_and(|at| at.elapsed() < BETWEEN_FETCHES) {
            return;
        }
        *fetched = Some(Instant::now());
        match self.ask().await {
            Ok(keys) => {
                info!(keys = keys.len(), "The issuer's keys are fetched");
                let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
                if known.since.is_none() {
                    *fetched = None; // nobody invented an id for the first: a key that is new by now is looked for at once
                }
                *known = Known { keys, since: Some(Instant::now()) };
            }
            Err(error) => warn!(%error, "The issuer's keys could not be fetched"),
        }
    }

    async fn ask(&self) -> Result<HashMap<String, Arc<PublicKey>>, FetchError> {
        let answer = self.web.get(&self.url).await?;
        if !answer.status.is_success() {
            return Err(FetchError::Status(answer.status.as_u16()));
        }
        let document: Document = serde_json::from_slice(&answer.body)?;
        Ok(document.keys.into_iter().take(KEYS_MAX).filter_map(Entry::key).collect())
    }
}

impl Entry {
    /// Only keys that were made for this.
    fn key(self) -> Option<(String, Arc<PublicKey>)> {
        let is = |told: &Option<String>, expected: &str| told.as_deref().is_none_or(|told| told == expected);
        let usable = self.kty.as_deref() == Some("RSA") && is(&self.alg, "RS256") && is(&self.usage, "sig");
        if !usable {
            return None;
        }
        let number = |text: Option<String>| URL_SAFE_NO_PAD.decode(text?.trim_end_matches('=')).ok();
        let key = RsaPublicKeyComponents { n: unsigned(number(self.n)?), e: unsigned(number(self.e)?) };
        Some((self.kid?, Arc::new(PublicKey(key))))
    }
}

/// Some write a zero before a number whose first bit is set; it is refused as a number.
fn unsigned(number: Vec<u8>) -> Vec<u8> {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number[zeros..].to_vec()
}
