//! Fake user pools.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Faults, locked, not_found};
use crate::ServiceError;
use crate::users::{Password, User, UserError, UserPool, UserPools};

/// Cognito's own least length of a password.
const PASSWORD_CHARACTERS_MIN: usize = 8;

/// The pools of an account.
#[derive(Clone, Default)]
pub struct FakeUserPools {
    /// Name and pool by id.
    pools: Arc<Mutex<BTreeMap<String, (String, FakeUserPool)>>>,
}

impl FakeUserPools {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn create(&self, id: &str, name: &str) -> FakeUserPool {
        let pool = FakeUserPool::default();
        locked(&self.pools).insert(id.to_owned(), (name.to_owned(), pool.clone()));
        pool
    }
}

#[async_trait]
impl UserPools for FakeUserPools {
    async fn ids(&self, name: &str) -> Result<Vec<String>, ServiceError> {
        let pools = locked(&self.pools);
        Ok(pools.iter().filter(|(_, (known, _))| known == name).map(|(id, _)| id.clone()).collect())
    }

    fn at(&self, id: &str) -> Arc<dyn UserPool> {
        let pool = locked(&self.pools).get(id).map(|(_, pool)| pool.clone());
        Arc::new(pool.unwrap_or_else(|| {
            let missing = FakeUserPool::default();
            missing.faults.fail_always(super::ANY, UserError::Service(not_found("UserPool")));
            missing
        }))
    }
}

/// One pool.
#[derive(Clone, Default)]
pub struct FakeUserPool {
    users: Arc<Mutex<BTreeMap<String, Kept>>>,
    pub faults: Faults<UserError>,
}

struct Kept {
    user: User,
    password: Option<Password>,
    signed_out: u32,
}

impl FakeUserPool {
    /// Whether these let a user log in.
    pub fn lets_in(&self, name: &str, password: &str) -> bool {
        let password = Password::new(password.to_owned());
        locked(&self.users)
            .get(name)
            .is_some_and(|kept| kept.user.enabled && kept.user.has_password() && kept.password == Some(password))
    }

    /// How often a user was signed out.
    pub fn sign_outs(&self, name: &str) -> u32 {
        locked(&self.users).get(name).map(|kept| kept.signed_out).unwrap_or_default()
    }

    fn with<T>(&self, name: &str, change: impl FnOnce(&mut Kept) -> T) -> Result<T, UserError> {
        locked(&self.users).get_mut(name).map(change).ok_or(UserError::NotFound)
    }
}

#[async_trait]
impl UserPool for FakeUserPool {
    async fn create(&self, name: &str, email: Option<&str>) -> Result<(), UserError> {
        let create = async {
            let mut users = locked(&self.users);
            if users.contains_key(name) {
                return Err(UserError::Exists);
            }
            let user = User {
                name: name.to_owned(),
                email: email.map(str::to_owned),
                enabled: true,
                status: User::FORCE_CHANGE_PASSWORD.to_owned(),
                created_at: Timestamp::now(),
            };
            users.insert(name.to_owned(), Kept { user, password: None, signed_out: 0 });
            Ok(())
        };
        self.faults.around("create", create).await
    }

    async fn set_password(&self, name: &str, password: &Password) -> Result<(), UserError> {
        let set = async {
            self.with(name, |kept| {
                if password.expose().chars().count() < PASSWORD_CHARACTERS_MIN {
                    let why = "Password did not conform with policy: Password not long enough";
                    return Err(UserError::PasswordRefused(why.to_owned()));
                }
                kept.password = Some(password.clone());
                User::CONFIRMED.clone_into(&mut kept.user.status);
                Ok(())
            })?
        };
        self.faults.around("set_password", set).await
    }

    async fn get(&self, name: &str) -> Result<Option<User>, UserError> {
        let get = async { Ok(self.with(name, |kept| kept.user.clone()).ok()) };
        self.faults.around("get", get).await
    }

    async fn enable(&self, name: &str) -> Result<(), UserError> {
        self.faults.around("enable", async { self.with(name, |kept| kept.user.enabled = true) }).await
    }

    async fn disable(&self, name: &str) -> Result<(), UserError> {
        self.faults.around("disable", async { self.with(name, |kept| kept.user.enabled = false) }).await
    }

    async fn sign_out(&self, name: &str) -> Result<(), UserError> {
        self.faults.around("sign_out", async { self.with(name, |kept| kept.signed_out += 1) }).await
    }

    async fn delete(&self, name: &str) -> Result<(), UserError> {
        let delete = async { locked(&self.users).remove(name).map(drop).ok_or(UserError::NotFound) };
        self.faults.around("delete", delete).await
    }

    async fn list(&self) -> Result<Vec<User>, UserError> {
        let list = async { Ok(locked(&self.users).values().map(|kept| kept.user.clone()).collect()) };
        self.faults.around("list", list).await
    }
}
