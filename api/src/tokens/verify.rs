//! Verify: RS256 and nothing else, by a key of the issuer, for us, now.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::caller::Caller;
use super::keys::{KeyError, Keys};

/// Cognito's have about 1,100 bytes; those of users in many groups a few thousand.
const TOKEN_BYTES_MAX: usize = 8 << 10;
/// Clocks of two machines that are kept by NTP differ by far less.
const SKEW_SECONDS: i64 = 60;

/// Why a token does not count. Its bearer is not told which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("it is no token")]
    Malformed,
    #[error("it is signed in another way than RS256")]
    Algorithm,
    #[error("no key of the issuer has that id")]
    UnknownKey,
    #[error("its signature is not right")]
    Signature,
    #[error("it has expired")]
    Expired,
    #[error("it does not count yet")]
    Early,
    #[error("another issuer made it")]
    Issuer,
    #[error("it was made for another client or use")]
    Audience,
    /// The fault is not the bearer's.
    #[error("the issuer's keys could not be fetched")]
    NoKeys,
}

impl From<KeyError> for TokenError {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Unknown => Self::UnknownKey,
            KeyError::Unavailable => Self::NoKeys,
        }
    }
}

/// Checks tokens.
pub struct Verifier {
    pub issuer: String,
    pub client_ids: Vec<String>,
    pub keys: Keys,
}

/// `alg` is compared, never used: the key's kind decides how it is checked.
#[derive(Deserialize)]
struct Head {
    alg: String,
    kid: String,
    /// What a reader must understand, or refuse the token. We understand none.
    crit: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    exp: i64,
    nbf: Option<i64>,
    iat: Option<i64>,
    token_use: String,
    /// Of access tokens.
    client_id: Option<String>,
    /// Of access tokens.
    username: Option<String>,
    /// Of id tokens.
    aud: Option<String>,
    /// Of id tokens.
    #[serde(rename = "cognito:username")]
    cognito_username: Option<String>,
}

impl Verifier {
    /// The caller that a token names.
    ///
    /// # Errors
    /// If it does not count at `now`.
    pub async fn verify(&self, token: &str, now: Timestamp) -> Result<Caller, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::Malformed);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (head, claims) = signed.split_once('.').ok_or(TokenError::Malformed)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| TokenError::Malformed)?;
        let head: Head = json(head)?;
        if head.alg != "RS256" || head.crit.is_some() {
            return Err(TokenError::Algorithm);
        }
        let key = self.keys.get(&head.kid).await?;
        key.verify(signed.as_bytes(), &signature).map_err(|_| TokenError::Signature)?;
        self.check(json(claims)?, now.as_second())
    }

    fn check(&self, claims: Claims, now: i64) -> Result<Caller, TokenError> {
        if claims.iss != self.issuer {
            return Err(TokenError::Issuer);
        }
        let (client, user) = match claims.token_use.as_str() {
            "access" => (claims.client_id, claims.username),
            "id" => (claims.aud, claims.cognito_username),
            _ => return Err(TokenError::Audience),
        };
        if !client.is_some_and(|client| self.client_ids.contains(&client)) {
            return Err(TokenError::Audience);
        }
        if claims.exp.saturating_add(SKEW_SECONDS) <= now {
            return Err(TokenError::Expired);
        }
        let begins = claims.nbf.max(claims.iat);
        if begins.is_some_and(|begins| begins.saturating_sub(SKEW_SECONDS) > now) {
            return Err(TokenError::Early);
        }
        let user = user.unwrap_or_else(|| claims.sub.clone());
        Ok(Caller { subject: claims.sub, user })
    }
}

fn json<T: DeserializeOwned>(part: &str) -> Result<T, TokenError> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| TokenError::Malformed)
}
