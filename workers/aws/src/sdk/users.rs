//! Cognito user pools, by the nine calls that are needed of it: its SDK crate has 120, and would be the largest of all to build.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::fault::{Fault, nonsense, service_error};
use super::signed::SignedService;
use crate::ServiceError;
use crate::users::{Password, User, UserError, UserPool, UserPools};

/// Pools, and users, on a page at most (Cognito API reference).
const PAGE: usize = 60;

/// User pools of the environment's account.
#[derive(Debug, Clone)]
pub struct CognitoPools {
    cognito: Arc<SignedService>,
}

impl CognitoPools {
    pub(super) fn new(config: aws_config::SdkConfig) -> Self {
        let cognito = SignedService::new(config, "cognito-idp", "AWSCognitoIdentityProviderService");
        Self { cognito: Arc::new(cognito) }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PoolsPage {
    user_pools: Vec<FoundPool>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct FoundPool {
    id: String,
    name: String,
}

#[async_trait]
impl UserPools for CognitoPools {
    async fn ids(&self, name: &str) -> Result<Vec<String>, ServiceError> {
        const OPERATION: &str = "ListUserPools";
        let mut ids = Vec::new();
        let mut next: Option<String> = None;
        loop {
            let input = page(json!({"MaxResults": PAGE}), "NextToken", next);
            let found: Result<PoolsPage, _> = self.cognito.call(OPERATION, None, &input, "").await;
            let found = found.map_err(|fault| service_error(OPERATION, fault))?;
            ids.extend(found.user_pools.into_iter().filter(|pool| pool.name == name).map(|pool| pool.id));
            next = found.next_token;
            if next.is_none() {
                return Ok(ids);
            }
        }
    }

    fn at(&self, id: &str) -> Arc<dyn UserPool> {
        Arc::new(CognitoPool { cognito: Arc::clone(&self.cognito), id: id.to_owned() })
    }
}

/// One pool.
struct CognitoPool {
    cognito: Arc<SignedService>,
    id: String,
}

/// An answer that says no more than that it was done.
#[derive(Deserialize)]
struct Done {}

/// A user as AdminGetUser shows him, or as a listing does: they call his attributes differently.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct FoundUser {
    username: String,
    #[serde(alias = "UserAttributes", default)]
    attributes: Vec<Attribute>,
    enabled: bool,
    user_status: String,
    /// Seconds since 1970, with a fraction.
    user_create_date: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attribute {
    name: String,
    #[serde(default)]
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UsersPage {
    users: Vec<FoundUser>,
    pagination_token: Option<String>,
}

impl CognitoPool {
    /// Calls `operation` in the pool's own region, which its id begins with.
    async fn call<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        mut input: Value,
        secret: &str,
    ) -> Result<T, UserError> {
        input["UserPoolId"] = json!(self.id);
        let region = self.id.split_once('_').map(|(region, _)| region);
        let answer = self.cognito.call(operation, region, &input, secret).await;
        answer.map_err(|fault| user_error(operation, fault))
    }

    async fn on(&self, operation: &'static str, name: &str) -> Result<(), UserError> {
        self.call::<Done>(operation, json!({"Username": name}), "").await.map(drop)
    }
}

#[async_trait]
impl UserPool for CognitoPool {
    async fn create(&self, name: &str, email: Option<&str>) -> Result<(), UserError> {
        // an address that its administrator typed counts as looked at: Cognito would have the user prove it by a mail
        let attributes =
            email.map(|email| json!([{"Name": "email", "Value": email}, {"Name": "email_verified", "Value": "true"}]));
        let input = json!({"Username": name, "MessageAction": "SUPPRESS",
            "UserAttributes": attributes.unwrap_or_else(|| json!([]))});
        self.call::<Value>("AdminCreateUser", input, "").await.map(drop)
    }

    async fn set_password(&self, name: &str, password: &Password) -> Result<(), UserError> {
        let input = json!({"Username": name, "Password": password.expose(), "Permanent": true});
        self.call::<Done>("AdminSetUserPassword", input, password.expose()).await.map(drop)
    }

    async fn get(&self, name: &str) -> Result<Option<User>, UserError> {
        const OPERATION: &str = "AdminGetUser";
        match self.call::<FoundUser>(OPERATION, json!({"Username": name}), "").await {
            Ok(found) => Ok(Some(user(OPERATION, found)?)),
            Err(UserError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn enable(&self, name: &str) -> Result<(), UserError> {
        self.on("AdminEnableUser", name).await
    }

    async fn disable(&self, name: &str) -> Result<(), UserError> {
        self.on("AdminDisableUser", name).await
    }

    async fn sign_out(&self, name: &str) -> Result<(), UserError> {
        self.on("AdminUserGlobalSignOut", name).await
    }

    async fn delete(&self, name: &str) -> Result<(), UserError> {
        self.on("AdminDeleteUser", name).await
    }

    async fn list(&self) -> Result<Vec<User>, UserError> {
        const OPERATION: &str = "ListUsers";
        let mut users = Vec::new();
        let mut next: Option<String> = None;
        loop {
            let input = page(json!({"Limit": PAGE}), "PaginationToken", next);
            let found: UsersPage = self.call(OPERATION, input, "").await?;
            for found in found.users {
                users.push(user(OPERATION, found)?);
            }
            next = found.pagination_token;
            if next.is_none() {
                return Ok(users);
            }
        }
    }
}

fn page(mut input: Value, token: &str, next: Option<String>) -> Value {
    if let Some(next) = next {
        input[token] = json!(next);
    }
    input
}

fn user(operation: &'static str, found: FoundUser) -> Result<User, ServiceError> {
    let email = found.attributes.into_iter().find(|attribute| attribute.name == "email");
    let created_at = Timestamp::from_millisecond((found.user_create_date * 1_000.0) as i64);
    Ok(User {
        name: found.username,
        email: email.map(|attribute| attribute.value),
        enabled: found.enabled,
        status: found.user_status,
        created_at: created_at.map_err(|_| nonsense(operation, "a readable date"))?,
    })
}

fn user_error(operation: &'static str, fault: Fault) -> UserError {
    let words = || fault.words().to_owned();
    match fault.code() {
        "UsernameExistsException" | "AliasExistsException" => UserError::Exists,
        "UserNotFoundException" => UserError::NotFound,
        "InvalidPasswordException" | "PasswordHistoryPolicyViolationException" => UserError::PasswordRefused(words()),
        "InvalidParameterException" => UserError::BadInput(words()),
        "ResourceNotFoundException" => {
            let error = service_error(operation, fault);
            UserError::Service(ServiceError { not_found: true, retryable: false, ..error })
        }
        _ => UserError::Service(service_error(operation, fault)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(code: &str) -> Fault {
        Fault::of_json(400, json!({"__type": code, "message": "words"}).to_string().as_bytes())
    }

    #[test]
    fn every_refusal_of_cognito_has_its_meaning() {
        let of = |code| user_error("AdminCreateUser", fault(code));
        assert_eq!(of("UsernameExistsException"), UserError::Exists);
        assert_eq!(of("com.amazonaws.cognito#UserNotFoundException"), UserError::NotFound);
        assert_eq!(of("InvalidPasswordException"), UserError::PasswordRefused("words".into()));
        assert_eq!(of("InvalidParameterException"), UserError::BadInput("words".into()));
        for (code, retryable, not_found) in [
            ("ResourceNotFoundException", false, true),
            ("TooManyRequestsException", true, false),
            ("NotAuthorizedException", false, false),
        ] {
            let UserError::Service(error) = of(code) else { panic!("{code}") };
            assert_eq!((error.retryable, error.not_found), (retryable, not_found), "{code}");
            assert_eq!(error.message, format!("{code}: words"));
        }
    }

    #[test]
    fn a_user_is_read_from_both_forms() {
        for attributes in ["Attributes", "UserAttributes"] {
            let found = json!({"Username": "ada", attributes: [{"Name": "sub", "Value": "1"}, {"Name": "email", "Value": "a@b"}],
                "Enabled": true, "UserStatus": "CONFIRMED", "UserCreateDate": 1.7e9});
            let user = user("ListUsers", serde_json::from_value(found).expect("a user")).expect("a user");
            assert_eq!((user.email.as_deref(), user.has_password()), (Some("a@b"), true));
            assert_eq!(user.created_at.as_second(), 1_700_000_000);
        }
    }
}
