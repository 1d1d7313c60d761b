//! Cognito: users are made, get a password, and are turned away again.

use std::collections::BTreeSet;

use lazaret_aws::users::{Password, User, UserError};

use crate::world::worlds;

fn password(text: &str) -> Password {
    Password::new(text.to_owned())
}

#[tokio::test]
async fn a_user_has_no_password_until_one_is_set_that_the_pool_takes() {
    for world in worlds().await {
        let (id, _) = world.user_pool().await;
        let pool = world.user_pools().at(&id);
        assert_eq!(pool.get("ada").await, Ok(None));
        pool.create("ada", Some("ada@example.com")).await.expect("made");
        let user = pool.get("ada").await.expect("an answer").expect("a user");
        assert_eq!((user.name.as_str(), user.email.as_deref()), ("ada", Some("ada@example.com")));
        assert!(user.enabled && !user.has_password(), "{user:?}");
        assert_eq!(user.status, User::FORCE_CHANGE_PASSWORD);
        assert_eq!(pool.create("ada", None).await, Err(UserError::Exists));

        let refused = pool.set_password("ada", &password("Xy7!")).await.expect_err("too short");
        let UserError::PasswordRefused(why) = &refused else { panic!("{refused:?}") };
        assert!(why.contains("did not conform with policy") && !why.contains("Xy7!"), "{why}");
        pool.set_password("ada", &password("Long enough, 1 of them")).await.expect("taken");
        assert!(pool.get("ada").await.expect("an answer").expect("a user").has_password());
    }
}

#[tokio::test]
async fn a_user_is_disabled_enabled_signed_out_and_deleted() {
    for world in worlds().await {
        let (id, _) = world.user_pool().await;
        let pool = world.user_pools().at(&id);
        pool.create("ada", None).await.expect("made");
        let enabled = async || pool.get("ada").await.expect("an answer").expect("a user").enabled;
        pool.disable("ada").await.expect("disabled");
        pool.sign_out("ada").await.expect("signed out");
        assert!(!enabled().await);
        pool.enable("ada").await.expect("enabled");
        assert!(enabled().await);
        pool.delete("ada").await.expect("deleted");
        assert_eq!(pool.get("ada").await, Ok(None));
        for outcome in [
            pool.disable("ada").await,
            pool.enable("ada").await,
            pool.sign_out("ada").await,
            pool.delete("ada").await,
            pool.set_password("ada", &password("Long enough, 1 of them")).await,
        ] {
            assert_eq!(outcome, Err(UserError::NotFound));
        }
    }
}

#[tokio::test]
async fn all_users_are_listed_however_many_pages_they_are() {
    for world in worlds().await {
        let (id, _) = world.user_pool().await;
        let pool = world.user_pools().at(&id);
        assert_eq!(pool.list().await, Ok(Vec::new()));
        let names: BTreeSet<String> = (0..130).map(|number| format!("user-{number}")).collect();
        for name in &names {
            pool.create(name, None).await.expect("made");
        }
        let listed = pool.list().await.expect("a list");
        assert_eq!(listed.len(), names.len());
        assert_eq!(listed.into_iter().map(|user| user.name).collect::<BTreeSet<_>>(), names);
    }
}

#[tokio::test]
async fn a_pool_is_found_by_its_name_and_one_that_is_not_there_is_said_to_be_missing() {
    for world in worlds().await {
        let (id, name) = world.user_pool().await;
        let pools = world.user_pools();
        assert_eq!(pools.ids(&name).await, Ok(vec![id]));
        assert_eq!(pools.ids(&format!("{name}-other")).await, Ok(Vec::new()));
        let error = pools.at("us-east-1_Nowhere00").list().await.expect_err("no pool");
        assert!(matches!(&error, UserError::Service(service) if service.not_found), "{error:?}");
    }
}
