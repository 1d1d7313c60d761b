//! `POST /api/Token`: a user's name and password for a token.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, Request, State};
use tracing::{error, info};

use crate::address::{Peer, caller};
use crate::app::App;
use crate::describe::Operation;
use crate::pace::Pace;
use crate::problem::{Cause, Problem};
use crate::schema::words;
use crate::users::{Granted, LoginError};

/// A name of 128 characters and a password of 256 are the longest that Cognito has.
const BODY_BYTES_MAX: u64 = 8 << 10;

words! {
    /// Who logs in.
    pub struct Credentials {
        pub username: String,
        pub password: String,
    }

    /// What he may show for an hour.
    pub struct Token {
        pub access_token: String,
        /// Always `Bearer`.
        pub token_type: String,
        /// In seconds.
        pub expires_in: u64,
    }
}

pub fn operation() -> Operation {
    Operation::new("POST", "/api/Token", "Logs in")
        .describing("The token counts for an hour, and for any number of requests.")
        .open()
        .taking::<Credentials>()
        .answering::<Token>(200, "A token")
        .failing(&[
            (400, "The body is no JSON object with a username and a password"),
            (401, "Wrong user name or password"),
            (413, "The body is too large"),
            (429, "Too many logins failed; Retry-After says when to try again"),
            (500, "The server failed"),
            (503, "Logins can't be checked at the moment"),
        ])
}

/// Logs in.
pub async fn token(
    State(app): State<Arc<App>>,
    Extension(Peer(peer)): Extension<Peer>,
    request: Request,
) -> Result<Json<Token>, Problem> {
    let address = caller(request.headers(), peer, app.config.users.proxies);
    let (head, body) = request.into_parts();
    let full = |_| Problem::full(Cause::Logins, "too many logins at the moment");
    let arriving = app.logins_arriving.try_acquire().map_err(full)?;
    let body = Pace::new(&head.headers, body, BODY_BYTES_MAX, &app.config.limits)?.whole().await?;
    drop(arriving);
    let Credentials { username, password } = serde_json::from_slice(&body)
        .map_err(|_| Problem::bad_request("the body is no JSON object with a username and a password"))?;
    let _place = app.logins.try_acquire().map_err(full)?;
    let counted = app.throttle.count(&username, address).map_err(|wait| {
        info!(%address, "A login was throttled");
        too_many(wait.as_secs() + 1)
    })?;
    match app.users.log_in(&username, &password).await {
        Ok(Granted { access_token, expires_in_seconds }) => {
            app.throttle.forgive(counted);
            Ok(Json(Token { access_token, token_type: "Bearer".to_owned(), expires_in: expires_in_seconds }))
        }
        Err(LoginError::Refused) => {
            app.tally.login_failed();
            info!(%address, "A login was refused");
            Err(Problem::Unauthorized("wrong user name or password"))
        }
        Err(LoginError::Throttled) => Err(too_many(30)),
        Err(error) => {
            app.throttle.forgive(counted);
            error!(%error, "Logins can't be checked");
            Err(Problem::Unavailable("logins can't be checked at the moment"))
        }
    }
}

fn too_many(retry_after_seconds: u64) -> Problem {
    Problem::TooMany { cause: Cause::Logins, why: "too many logins failed", retry_after_seconds }
}
