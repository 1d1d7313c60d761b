//! Who is let in: logins, and tokens of every kind that there should not be.

mod common;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::cognito::{CLIENT, ISSUER, claims, good_token, head, public_key, token, unsigned};
use common::{Lab, PASSWORD, USER};
use ring::hmac;
use serde_json::{Value, json};

async fn status(lab: &Lab, token: &str) -> u16 {
    lab.post("/api/Scan", &[("Authorization", &format!("Bearer {token}"))], b"fine").await.status
}

/// Good claims, with some of them replaced; null takes one out.
fn with(changes: Value) -> Value {
    let mut all = claims();
    for (name, value) in changes.as_object().expect("an object") {
        if value.is_null() {
            all.as_object_mut().expect("an object").remove(name);
        } else {
            all[name] = value.clone();
        }
    }
    all
}

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

#[tokio::test]
async fn good_tokens_of_both_kinds_count() {
    let lab = Lab::start().await;
    assert_eq!(status(&lab, &good_token()).await, 200);
    let id = with(json!({"token_use": "id", "aud": CLIENT, "client_id": null, "username": null,
        "cognito:username": "anna"}));
    assert_eq!(status(&lab, &token(&head("first"), &id, 0)).await, 200);
    // clocks differ a little
    for changes in [json!({"exp": now() - 30}), json!({"nbf": now() + 30}), json!({"iat": now() + 30})] {
        assert_eq!(status(&lab, &token(&head("first"), &with(changes), 0)).await, 200);
    }
    assert_eq!(lab.cognito.key_fetches(), 1, "nobody is asked about a request");
}

#[tokio::test]
async fn what_a_token_claims_must_all_be_right() {
    let lab = Lab::start().await;
    for changes in [
        json!({"iss": "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Other"}),
        json!({"iss": format!("{ISSUER}/")}),
        json!({"iss": null}),
        json!({"exp": now() - 120}),
        json!({"exp": null}),
        json!({"exp": "tomorrow"}),
        json!({"exp": i64::MIN}),
        json!({"nbf": now() + 120}),
        json!({"iat": now() + 120}),
        json!({"client_id": "another"}),
        json!({"client_id": null}),
        json!({"client_id": null, "aud": CLIENT}),
        json!({"client_id": [CLIENT]}),
        json!({"token_use": "id"}),
        json!({"token_use": "refresh"}),
        json!({"token_use": null}),
        json!({"sub": null}),
    ] {
        let token = token(&head("first"), &with(changes.clone()), 0);
        assert_eq!(status(&lab, &token).await, 401, "{changes}");
    }
    assert_eq!(lab.scanner.begun(), 0);
}

#[tokio::test]
async fn only_rs256_by_a_published_key_is_a_signature() {
    let lab = Lab::start().await;
    let claims = claims();
    let none = |alg: &str| format!("{}.", unsigned(&json!({"alg": alg, "kid": "first"}), &claims));
    // the public key as the secret of an HMAC, in each form that a library might take it in
    let (n, e) = public_key(0);
    let jwk = json!({"kty": "RSA", "n": URL_SAFE_NO_PAD.encode(&n), "e": URL_SAFE_NO_PAD.encode(&e)}).to_string();
    let with_hmac = |secret: &[u8]| {
        let signed = unsigned(&json!({"alg": "HS256", "kid": "first"}), &claims);
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
    };
    let good = good_token();
    let (body, signature) = good.rsplit_once('.').expect("three parts");
    let mut turned = URL_SAFE_NO_PAD.decode(signature).expect("base64");
    turned[10] ^= 1;
    let other_claims = unsigned(&head("first"), &with(json!({"sub": "somebody else"})));
    for (token, what) in [
        (none("none"), "none"),
        (none("None"), "None"),
        (none("RS256"), "no signature"),
        (with_hmac(&n), "HS256 with the modulus"),
        (with_hmac(jwk.as_bytes()), "HS256 with the document's key"),
        (token(&json!({"alg": "RS384", "kid": "first"}), &claims, 0), "another hash"),
        (token(&json!({"alg": "PS256", "kid": "first"}), &claims, 0), "another padding"),
        (token(&json!({"alg": "HS256", "kid": "first"}), &claims, 0), "a good signature under another name"),
        (token(&json!({"kid": "first"}), &claims, 0), "no algorithm"),
        (token(&json!({"alg": "RS256"}), &claims, 0), "no key"),
        (token(&json!({"alg": "RS256", "kid": "first", "crit": ["x"]}), &claims, 0), "something critical"),
        (token(&head("first"), &claims, 1), "another key under a known id"),
        (token(&head("second"), &claims, 1), "a key that is not published"),
        (token(&json!({"alg": "RS256", "kid": "x", "jku": "http://127.0.0.1:1/"}), &claims, 1), "a key that it brings"),
        (format!("{body}.{}", URL_SAFE_NO_PAD.encode(turned)), "a bit turned"),
        (format!("{other_claims}.{signature}"), "the signature of another"),
        (format!("{good}="), "padding"),
        (format!("{good}."), "a fourth part"),
        (good.replace('.', ""), "one part"),
        (String::new(), "nothing"),
        ("..".to_owned(), "three times nothing"),
        ("a.b.c".to_owned(), "no base64"),
    ] {
        assert_eq!(status(&lab, &token).await, 401, "{what}");
    }
    assert_eq!(status(&lab, &good).await, 200);
    assert_eq!(lab.scanner.begun(), 1);
}

#[tokio::test]
async fn keys_are_fetched_anew_for_an_id_that_is_not_known_but_not_for_every_one() {
    let lab = Lab::start().await;
    assert_eq!(status(&lab, &good_token()).await, 200);
    for number in 0..50 {
        assert_eq!(status(&lab, &token(&head(&format!("invented {number}")), &claims(), 1)).await, 401);
    }
    assert!(lab.cognito.key_fetches() <= 2, "{}", lab.cognito.key_fetches());
}

#[tokio::test]
async fn a_key_that_the_pool_takes_into_use_counts() {
    let lab = Lab::start().await;
    assert_eq!(status(&lab, &good_token()).await, 200);
    lab.cognito.rotate();
    assert_eq!(status(&lab, &token(&head("second"), &claims(), 1)).await, 200);
    assert_eq!(status(&lab, &good_token()).await, 401, "the first key is not published any more");
}

#[tokio::test]
async fn while_keys_can_not_be_fetched_it_is_not_the_callers_fault() {
    let lab = Lab::start().await;
    lab.cognito.fail_keys(true);
    let reply = lab.post("/api/Scan", &[("Authorization", &format!("Bearer {}", good_token()))], b"fine").await;
    assert_eq!((reply.status, reply.header("retry-after").is_some()), (503, true));
}

#[tokio::test]
async fn a_login_that_fails_does_not_say_which_half_was_wrong() {
    let lab = Lab::start().await;
    let wrong_password = lab.log_in(USER, "guess").await;
    let wrong_user = lab.log_in("nobody", PASSWORD).await;
    assert_eq!((wrong_password.status, wrong_user.status), (401, 401));
    assert_eq!(wrong_password.body, wrong_user.body);
    for (kind, expected) in [
        ("UserNotConfirmedException", 401),
        ("com.amazonaws.cognito#PasswordResetRequiredException", 401),
        ("InvalidParameterException", 401),
        ("TooManyRequestsException", 429),
        ("ResourceNotFoundException", 503),
        ("", 503),
    ] {
        lab.cognito.answer_logins_with(400, json!({"__type": kind, "message": "secret detail"}));
        let reply = lab.log_in("nobody else", PASSWORD).await;
        assert_eq!(reply.status, expected, "{kind}");
        assert!(!String::from_utf8_lossy(&reply.body).contains("secret detail"));
        if expected == 401 {
            assert_eq!(reply.body, wrong_user.body);
        }
    }
    lab.cognito.answer_logins_with(500, json!({}));
    assert_eq!(lab.log_in(USER, PASSWORD).await.status, 503);
    // a new password or a second factor is wanted: this is no way to give it
    lab.cognito.answer_logins_with(200, json!({"ChallengeName": "NEW_PASSWORD_REQUIRED", "Session": "s"}));
    assert_eq!(lab.log_in(USER, PASSWORD).await.status, 401);
}

#[tokio::test]
async fn failed_logins_are_throttled_for_the_user_and_good_ones_are_not() {
    let lab = Lab::start().await;
    for _ in 0..20 {
        assert_eq!(lab.log_in(USER, PASSWORD).await.status, 200);
    }
    for _ in 0..10 {
        assert_eq!(lab.log_in(USER, "guess").await.status, 401);
    }
    let asked = lab.cognito.logins();
    let reply = lab.log_in(USER, "guess").await;
    assert_eq!((reply.status, reply.header("retry-after").is_some()), (429, true));
    assert_eq!(lab.cognito.logins(), asked, "Cognito is not asked");
    assert_eq!(lab.log_in("another", "guess").await.status, 401);
    assert_eq!(status(&lab, &good_token()).await, 200, "whoever has a token is not slowed");
}

#[tokio::test]
async fn an_address_is_the_one_that_our_own_proxy_saw() {
    let lab = Lab::with(&[("LAZARET_API_PROXIES", "1")]).await;
    let log_in = async |number: usize, forwarded: &str| {
        let body = json!({"username": format!("user {number}"), "password": "guess"}).to_string();
        lab.post("/api/Token", &[("X-Forwarded-For", forwarded)], body.as_bytes()).await.status
    };
    for number in 0..30 {
        // what stands before the last is invented
        assert_eq!(log_in(number, &format!("10.0.0.{number}, 192.0.2.1")).await, 401);
    }
    assert_eq!(log_in(100, "10.0.0.99, 192.0.2.1").await, 429);
    assert_eq!(log_in(101, "192.0.2.2").await, 401);
}
