//! A Cognito of our own: logins, keys, and tokens of every kind that there should not be.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::{Arc, LazyLock, Mutex};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair, RsaPublicKeyComponents};
use serde_json::{Value, json};
use tokio::net::TcpListener;

pub const POOL: &str = "eu-west-1_Test";
pub const CLIENT: &str = "client-1";
pub const ISSUER: &str = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Test";

/// Made once for each program of tests: a key is no secret only if nobody else has it.
static KEYS: LazyLock<[Arc<RsaKeyPair>; 2]> = LazyLock::new(|| [make_key(), make_key()]);

fn make_key() -> Arc<RsaKeyPair> {
    let made = Command::new("openssl")
        .args(["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-outform", "DER"])
        .output()
        .expect("openssl runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    // OpenSSL 3 writes the one form of DER here, others the other
    let key = RsaKeyPair::from_der(&made.stdout).or_else(|_| RsaKeyPair::from_pkcs8(&made.stdout));
    Arc::new(key.expect("a key"))
}

/// The pool.
#[derive(Clone)]
pub struct FakeCognito {
    address: SocketAddr,
    state: Arc<Mutex<Pool>>,
}

struct Pool {
    /// Which of [`KEYS`] are published, by id.
    published: BTreeMap<String, usize>,
    /// What a login answers in place of its own answer.
    fault: Option<(u16, Value)>,
    logins: usize,
    key_fetches: usize,
    keys_fail: bool,
}

impl FakeCognito {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let pool = Pool {
            published: BTreeMap::from([("first".into(), 0)]),
            fault: None,
            logins: 0,
            key_fetches: 0,
            keys_fail: false,
        };
        let this = Self { address, state: Arc::new(Mutex::new(pool)) };
        let router = Router::new().route("/", post(log_in)).route("/jwks.json", get(jwks)).with_state(this.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        this
    }

    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    pub fn jwks_url(&self) -> String {
        format!("{}jwks.json", self.url())
    }

    pub fn answer_logins_with(&self, status: u16, body: Value) {
        self.pool().fault = Some((status, body));
    }

    /// From now on only the second key is published.
    pub fn rotate(&self) {
        self.pool().published = BTreeMap::from([("second".into(), 1)]);
    }

    pub fn fail_keys(&self, fail: bool) {
        self.pool().keys_fail = fail;
    }

    pub fn logins(&self) -> usize {
        self.pool().logins
    }

    pub fn key_fetches(&self) -> usize {
        self.pool().key_fetches
    }

    fn pool(&self) -> std::sync::MutexGuard<'_, Pool> {
        self.state.lock().expect("not poisoned")
    }
}

/// What an access token claims that counts.
pub fn claims() -> Value {
    let now = Timestamp::now().as_second();
    json!({"iss": ISSUER, "sub": "subject-1", "client_id": CLIENT, "username": "anna", "token_use": "access",
        "iat": now, "exp": now + 3_600, "scope": "aws.cognito.signin.user.admin"})
}

pub fn token(head: &Value, claims: &Value, key: usize) -> String {
    let signed = unsigned(head, claims);
    let mut signature = vec![0; KEYS[key].public().modulus_len()];
    KEYS[key].sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).expect("signed");
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// Its first two parts.
pub fn unsigned(head: &Value, claims: &Value) -> String {
    [head, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".")
}

pub fn head(kid: &str) -> Value {
    json!({"kid": kid, "alg": "RS256"})
}

/// A token as the pool makes it.
pub fn good_token() -> String {
    token(&head("first"), &claims(), 0)
}

/// The first key as its document spells it: modulus and exponent.
pub fn public_key(key: usize) -> (Vec<u8>, Vec<u8>) {
    let RsaPublicKeyComponents { n, e } = RsaPublicKeyComponents::<Vec<u8>>::from(KEYS[key].public());
    (n, e)
}

async fn jwks(State(cognito): State<FakeCognito>) -> Result<Json<Value>, StatusCode> {
    let mut pool = cognito.pool();
    pool.key_fetches += 1;
    if pool.keys_fail {
        return Err(StatusCode::INTERNAL_SERVER_ERROR);
    }
    let keys: Vec<Value> = pool
        .published
        .iter()
        .map(|(kid, key)| {
            let (n, e) = public_key(*key);
            let text = |number: Vec<u8>| URL_SAFE_NO_PAD.encode(number);
            json!({"kid": kid, "kty": "RSA", "alg": "RS256", "use": "sig", "n": text(n), "e": text(e)})
        })
        .collect();
    Ok(Json(json!({"keys": keys})))
}

async fn log_in(State(cognito): State<FakeCognito>, headers: HeaderMap, body: String) -> (StatusCode, Json<Value>) {
    let mut pool = cognito.pool();
    pool.logins += 1;
    assert_eq!(headers["x-amz-target"], "AWSCognitoIdentityProviderService.InitiateAuth");
    assert_eq!(headers["content-type"], "application/x-amz-json-1.1");
    let request: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(request["AuthFlow"], "USER_PASSWORD_AUTH");
    assert_eq!(request["ClientId"], CLIENT);
    if let Some((status, fault)) = &pool.fault {
        return (StatusCode::from_u16(*status).expect("a status"), Json(fault.clone()));
    }
    let given = &request["AuthParameters"];
    match (given["USERNAME"].as_str(), given["PASSWORD"].as_str()) {
        (Some(super::USER), Some(super::PASSWORD)) => {
            let result = json!({"AccessToken": good_token(), "ExpiresIn": 3_600, "TokenType": "Bearer",
                "IdToken": "not ours", "RefreshToken": "not ours"});
            (StatusCode::OK, Json(json!({"AuthenticationResult": result, "ChallengeParameters": {}})))
        }
        (Some(super::USER), _) => refusal("NotAuthorizedException", "Incorrect username or password."),
        _ => refusal("UserNotFoundException", "User does not exist."),
    }
}

fn refusal(kind: &str, message: &str) -> (StatusCode, Json<Value>) {
    (StatusCode::BAD_REQUEST, Json(json!({"__type": kind, "message": message})))
}
