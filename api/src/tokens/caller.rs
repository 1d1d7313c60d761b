//! The caller of a route: who asks for one in its arguments lets nobody in without a token.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use jiff::Timestamp;
use tracing::info;

use super::verify::TokenError;
use crate::app::App;
use crate::problem::Problem;
use crate::routes::attend::note_user;

/// Whom a token names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Never given to anybody else.
    pub subject: String,
    /// As he logs in.
    pub user: String,
}

/// The same for whatever is wrong with a token.
const REFUSED: Problem = Problem::Unauthorized("a valid access token is needed: POST /api/Token gives one");

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let mut values = parts.headers.get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return Err(REFUSED) };
        let token = value.to_str().ok().and_then(bearer).ok_or(REFUSED)?;
        let caller = app.verifier.verify(token, Timestamp::now()).await.map_err(|error| match error {
            TokenError::NoKeys => Problem::Unavailable("tokens can't be checked at the moment"),
            error => {
                info!(why = %error, "A token was refused");
                REFUSED
            }
        })?;
        note_user(&caller.user);
        Ok(caller)
    }
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
