//! Logins through Cognito's `InitiateAuth`: one POST that needs no credentials of ours, so that no SDK is needed for it.

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::json;

use super::{Granted, LoginError, Users};
use crate::config::UserSettings;
use crate::web::Web;

const CONTENT_TYPE: &str = "application/x-amz-json-1.1";
const TARGET: (&str, &str) = ("x-amz-target", "AWSCognitoIdentityProviderService.InitiateAuth");

/// What Cognito says of a login that fails by the user's own fault. A name that can't be one is a wrong one.
const REFUSALS: &[&str] = &[
    "NotAuthorizedException",
    "UserNotFoundException",
    "UserNotConfirmedException",
    "PasswordResetRequiredException",
    "InvalidParameterException",
    "ForbiddenException",
    "UserLambdaValidationException",
];
const THROTTLES: &[&str] = &["TooManyRequestsException", "LimitExceededException"];

/// A user pool, through one app client that has no secret.
pub struct Cognito {
    web: Web,
    url: String,
    client_id: String,
}

impl Cognito {
    pub fn new(web: Web, settings: &UserSettings) -> Self {
        let client_id = settings.client_ids.first().cloned().unwrap_or_default();
        Self { web, url: settings.cognito_url.clone(), client_id }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Initiated {
    /// Missing where Cognito wants more than a password: a new one, a second factor.
    authentication_result: Option<AuthenticationResult>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AuthenticationResult {
    access_token: String,
    expires_in: u64,
}

#[derive(Deserialize)]
struct Fault {
    /// With or without a namespace and a `#`.
    #[serde(rename = "__type", default)]
    kind: String,
}

#[async_trait]
impl Users for Cognito {
    async fn log_in(&self, name: &str, password: &str) -> Result<Granted, LoginError> {
        let request = json!({
            "AuthFlow": "USER_PASSWORD_AUTH",
            "ClientId": self.client_id,
            "AuthParameters": {"USERNAME": name, "PASSWORD": password},
        });
        let answer = self.web.post(&self.url, CONTENT_TYPE, TARGET, request.to_string().into_bytes()).await;
        let answer = answer.map_err(|error| LoginError::Unavailable(error.to_string()))?;
        if answer.status.is_success() {
            let initiated: Initiated = serde_json::from_slice(&answer.body)
                .map_err(|_| LoginError::Unavailable("an answer of another form".to_owned()))?;
            let result = initiated.authentication_result.ok_or(LoginError::Refused)?;
            return Ok(Granted { access_token: result.access_token, expires_in_seconds: result.expires_in });
        }
        let fault = serde_json::from_slice::<Fault>(&answer.body).map(|fault| fault.kind).unwrap_or_default();
        let kind = fault.rsplit('#').next().unwrap_or_default();
        match () {
            () if answer.status.is_client_error() && REFUSALS.contains(&kind) => Err(LoginError::Refused),
            () if THROTTLES.contains(&kind) => Err(LoginError::Throttled),
            // among them a client id that is not there: a fault of the deployment
            () => Err(LoginError::Unavailable(format!("{} {}", answer.status.as_u16(), kind.escape_debug()))),
        }
    }
}
