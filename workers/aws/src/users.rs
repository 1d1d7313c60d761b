//! The users of a Cognito user pool, as their administrator sees them.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::ServiceError;

/// A password. Its text form hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The password itself, for the one call that sets it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// A user. His name and address are hostile text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub name: String,
    pub email: Option<String>,
    /// Whether he may log in at all.
    pub enabled: bool,
    /// Cognito's own word, `CONFIRMED`.
    pub status: String,
    pub created_at: Timestamp,
}

impl User {
    /// Cognito's word for a user who has a password of his own.
    pub const CONFIRMED: &str = "CONFIRMED";
    /// Of one who was made and has none yet.
    pub const FORCE_CHANGE_PASSWORD: &str = "FORCE_CHANGE_PASSWORD";

    /// Whether a password was set for him that lets him log in.
    pub fn has_password(&self) -> bool {
        self.status == Self::CONFIRMED
    }
}

/// Why something could not be done to a user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UserError {
    #[error("there is a user of that name already")]
    Exists,
    #[error("there is no such user")]
    NotFound,
    /// With the rule of the pool that it breaks, never with the password.
    #[error("{0}")]
    PasswordRefused(String),
    /// A name or an address that can't be one, in Cognito's words.
    #[error("{0}")]
    BadInput(String),
    #[error(transparent)]
    Service(#[from] ServiceError),
}

/// The user pools of the account and region.
#[async_trait]
pub trait UserPools: Send + Sync {
    /// The ids of all pools of that name: names are not unique.
    async fn ids(&self, name: &str) -> Result<Vec<String>, ServiceError>;
    /// The pool of that id, whether it exists or not.
    fn at(&self, id: &str) -> Arc<dyn UserPool>;
}

/// One user pool.
#[async_trait]
pub trait UserPool: Send + Sync {
    /// Makes a user who has no password yet; nobody is written to.
    async fn create(&self, name: &str, email: Option<&str>) -> Result<(), UserError>;
    /// Sets a password with which he can log in from then on.
    async fn set_password(&self, name: &str, password: &Password) -> Result<(), UserError>;
    async fn get(&self, name: &str) -> Result<Option<User>, UserError>;
    async fn enable(&self, name: &str) -> Result<(), UserError>;
    /// He can't log in from then on. Tokens that he has count until they expire.
    async fn disable(&self, name: &str) -> Result<(), UserError>;
    /// What he could get new tokens with without his password counts no more.
    async fn sign_out(&self, name: &str) -> Result<(), UserError>;
    async fn delete(&self, name: &str) -> Result<(), UserError>;
    /// All users, in the pool's order.
    async fn list(&self) -> Result<Vec<User>, UserError>;
}
