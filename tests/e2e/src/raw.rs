//! HTTP to the local cloud without an SDK in between: bytes as they are, and what no SDK of ours speaks.

use anyhow::{Context, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// GETs `path` and returns the body's bytes.
///
/// # Errors
/// If the answer is not 200.
pub async fn get(path: &str) -> anyhow::Result<Vec<u8>> {
    exchange(&format!("GET {path}"), b"").await
}

/// Calls a function and waits for its answer.
///
/// # Errors
/// If there is no such function, or it failed.
pub async fn invoke(function: &str, input: &serde_json::Value) -> anyhow::Result<serde_json::Value> {
    let line = format!("POST /2015-03-31/functions/{function}/invocations");
    let answer = exchange(&line, input.to_string().as_bytes()).await?;
    let answer: serde_json::Value = serde_json::from_slice(&answer).context("the answer is JSON")?;
    ensure!(answer.get("errorType").is_none(), "{function} failed: {answer}");
    Ok(answer)
}

/// Calls an operation of a service that speaks JSON, by its target: `AmazonEC2ContainerServiceV20141113.ListTasks`.
///
/// # Errors
/// If it failed.
pub async fn call(service: &str, target: &str, input: &serde_json::Value) -> anyhow::Result<serde_json::Value> {
    let fields = format!("X-Amz-Target: {target}\r\nContent-Type: application/x-amz-json-1.1\r\n");
    let answer = exchange_with("POST /", service, &fields, input.to_string().as_bytes()).await?;
    serde_json::from_slice(&answer).context("the answer is JSON")
}

/// The XML that a service answers to an action of the query protocol, `Action=DescribeAlarms&…`.
///
/// # Errors
/// If the answer is not 200.
pub async fn query(service: &str, action: &str) -> anyhow::Result<String> {
    Ok(String::from_utf8(exchange_with(&format!("GET /?{action}"), service, "", b"").await?)?)
}

async fn exchange(line: &str, body: &[u8]) -> anyhow::Result<Vec<u8>> {
    let service = if line.contains("/functions/") { "lambda" } else { "s3" };
    exchange_with(line, service, "", body).await
}

async fn exchange_with(line: &str, service: &str, fields: &str, body: &[u8]) -> anyhow::Result<Vec<u8>> {
    let endpoint = std::env::var("AWS_ENDPOINT_URL").context("AWS_ENDPOINT_URL")?;
    let place = endpoint.trim_start_matches("http://").trim_end_matches('/');
    let region = std::env::var("AWS_REGION").unwrap_or_default();
    let date = "20260101";
    // the local cloud reads the service and region from the credential and checks no signature
    let head = format!(
        "{line} HTTP/1.1\r\nHost: {place}\r\nConnection: close\r\nContent-Length: {}\r\n{fields}\
         Authorization: AWS4-HMAC-SHA256 Credential=test/{date}/{region}/{service}/aws4_request, SignedHeaders=host, Signature=0\r\n\
         X-Amz-Date: {date}T000000Z\r\n\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(place).await.with_context(|| format!("connecting to {place}"))?;
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").context("an answer with a head")?;
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    ensure!(head.starts_with("HTTP/1.1 200"), "{line}: {head}\n{}", String::from_utf8_lossy(&answer[end..]));
    let body = answer.split_off(end + 4);
    if head.to_ascii_lowercase().contains("transfer-encoding: chunked") { unchunked(&body) } else { Ok(body) }
}

fn unchunked(mut rest: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n").context("a chunk's size")?;
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end])?.trim(), 16)?;
        if size == 0 {
            return Ok(body);
        }
        body.extend_from_slice(rest.get(end + 2..end + 2 + size).context("a whole chunk")?);
        rest = rest.get(end + 4 + size..).context("another chunk")?;
    }
}
