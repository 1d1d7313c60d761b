//! Has a file scanned by Lazaret's verdict API before it goes anywhere. `api/Cargo.toml` builds it for the tests.
//!
//! ```text
//! LAZARET_USER=... LAZARET_PASSWORD=... scan-file https://lazaret.example.com FILE
//! ```
//!
//! Exit code: 0 clean, 1 something was found, 2 nobody knows. Needs: hyper, hyper-util, hyper-rustls, rustls, tokio, futures,
//! percent-encoding, serde_json, anyhow.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::{Bytes, BytesMut};
use futures::stream::try_unfold;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use hyper::{Request, Response, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use tokio::fs::File;
use tokio::io::AsyncReadExt;
use tokio::time::{sleep, timeout};

/// A large archive may take an hour.
const PATIENCE: Duration = Duration::from_secs(4_000);
/// A full server says 429, one that can't scan right now 503: both say when to come again.
const TRIES: usize = 5;
const CHUNK_BYTES: usize = 64 << 10;

type Body = UnsyncBoxBody<Bytes, std::io::Error>;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let ([base_url, path], Some(user), Some(password)) =
        (arguments.as_slice(), set("LAZARET_USER"), set("LAZARET_PASSWORD"))
    else {
        eprintln!("usage: LAZARET_USER=... LAZARET_PASSWORD=... scan-file BASE-URL FILE");
        return 2.into();
    };
    match scan(base_url.trim_end_matches('/'), &user, &password, Path::new(path)).await {
        Ok(answer) => tell(path, &answer).into(),
        Err(error) => {
            eprintln!("error: {error:#}");
            2.into()
        }
    }
}

/// The answer of the API on a file.
async fn scan(base_url: &str, user: &str, password: &str, path: &Path) -> anyhow::Result<Value> {
    let api = Api::new()?;
    // a token counts for an hour, and for any number of files: keep it if you have many
    let credentials = json!({"username": user, "password": password}).to_string();
    let token = api
        .post(async || {
            let body = Full::from(credentials.clone()).map_err(|never| match never {}).boxed_unsync();
            Ok(Request::post(format!("{base_url}/api/Token")).header(CONTENT_TYPE, "application/json").body(body)?)
        })
        .await
        .context("logging in")?;
    let bearer = format!("Bearer {}", token["accessToken"].as_str().context("no token")?);
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let name = utf8_percent_encode(&name, NON_ALPHANUMERIC).to_string();
    let send = async || {
        let file = File::open(path).await.with_context(|| format!("opening {}", path.display()))?;
        let length = file.metadata().await?.len();
        Ok(Request::post(format!("{base_url}/api/Scan"))
            .header(AUTHORIZATION, &bearer)
            .header(CONTENT_TYPE, "application/octet-stream")
            .header(CONTENT_LENGTH, length)
            .header("File-Name", &name)
            .body(as_it_is_read(file))?)
    };
    api.post(send).await
}

/// A file need not fit into memory.
fn as_it_is_read(file: File) -> Body {
    let chunks = try_unfold(file, async |mut file| {
        let mut chunk = BytesMut::with_capacity(CHUNK_BYTES);
        let read = file.read_buf(&mut chunk).await?;
        Ok((read > 0).then(|| (Frame::data(chunk.freeze()), file)))
    });
    StreamBody::new(chunks).boxed_unsync()
}

struct Api(Client<HttpsConnector<HttpConnector>, Body>);

impl Api {
    fn new() -> anyhow::Result<Self> {
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(rustls::crypto::ring::default_provider())?
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Self(Client::builder(TokioExecutor::new()).build(connector)))
    }

    /// One request, made anew for each try.
    async fn post(&self, request: impl AsyncFn() -> anyhow::Result<Request<Body>>) -> anyhow::Result<Value> {
        let mut left = TRIES;
        loop {
            left -= 1;
            let response = timeout(PATIENCE, self.0.request(request().await?)).await.context("no answer in time")??;
            let (status, wait) = (response.status(), retry_after(&response));
            let body = response.into_body().collect().await?.to_bytes();
            if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) && left > 0 {
                sleep(wait).await;
                continue;
            }
            let answer: Value =
                serde_json::from_slice(&body).with_context(|| format!("{status}: no answer of the API"))?;
            if status != StatusCode::OK {
                bail!("{status}: {}", shown(&answer["errorMessage"]));
            }
            return Ok(answer);
        }
    }
}

fn retry_after<B>(response: &Response<B>) -> Duration {
    let seconds = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    Duration::from_secs(seconds.unwrap_or(2))
}

/// Prints the verdict, and gives the exit code.
fn tell(path: &str, answer: &Value) -> u8 {
    let result = answer["result"].as_str().unwrap_or_default();
    println!("{path}: {result}");
    for found in answer["detectedInfections"].as_array().into_iter().flatten() {
        println!("  {} in {}", shown(&found["infection"]), shown(&found["file"]));
    }
    if !answer["errorMessage"].is_null() {
        println!("  {}", shown(&answer["errorMessage"]));
    }
    match result {
        "Clean" => 0,
        "Infected" | "InfectedAllowed" => 1,
        // whatever is not Clean is not: also what nobody could read
        _ => 2,
    }
}

/// Names of members come from whoever made the archive: what a terminal obeys is spelled out.
fn shown(text: &Value) -> String {
    text.as_str().unwrap_or_default().escape_default().to_string()
}
