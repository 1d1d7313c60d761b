//! Users: they log in by name and password, and get a token.
//!
//! * [`cognito`]: who asks Cognito whether the two go together.
//! * [`throttle`]: how often that may fail.

pub mod cognito;
pub mod throttle;

use async_trait::async_trait;

pub use cognito::Cognito;
pub use throttle::Throttle;

/// What a login gives. Its text form hides the token.
#[derive(Clone, PartialEq, Eq)]
pub struct Granted {
    pub access_token: String,
    pub expires_in_seconds: u64,
}

impl std::fmt::Debug for Granted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Granted").field("expires_in_seconds", &self.expires_in_seconds).finish_non_exhaustive()
    }
}

/// Why a login gives nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// There is no such user, or the password is another, or he may not log in like this: nobody is told which.
    #[error("wrong user name or password")]
    Refused,
    /// Cognito has had enough for now.
    #[error("too many logins")]
    Throttled,
    /// The fault is not the user's.
    #[error("logins can't be checked: {0}")]
    Unavailable(String),
}

/// Whoever knows users.
#[async_trait]
pub trait Users: Send + Sync {
    async fn log_in(&self, name: &str, password: &str) -> Result<Granted, LoginError>;
}
