//! Tokens of the user pool, checked here: nobody is asked about a request.
//!
//! * [`verify`]: a token's form, its signature, and what it claims.
//! * [`keys`]: the issuer's public keys, fetched and kept.
//! * [`caller`]: the extractor that a route asks for, and so lets nobody in without.
//!
//! A user who was disabled keeps what his last token allows for at most its hour.

pub mod caller;
pub mod keys;
pub mod verify;

pub use caller::Caller;
pub use keys::Keys;
pub use verify::{TokenError, Verifier};
