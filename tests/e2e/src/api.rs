//! The verdict API behind its load balancer, called as clients call it: bytes over a connection.

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use uuid::Uuid;

use crate::cli;

/// Long enough for any policy, with all that one asks for.
const PASSWORD: &str = "Correct-Horse-7-Battery";

/// What came back.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Reply {
    /// # Errors
    /// If it is none.
    pub fn json(&self) -> anyhow::Result<Value> {
        serde_json::from_slice(&self.body).with_context(|| String::from_utf8_lossy(&self.body).into_owned())
    }
}

/// Somebody who calls, or nobody.
#[derive(Debug, Clone)]
pub struct Caller {
    /// `host:port` of the load balancer.
    place: String,
    token: Option<String>,
}

impl Caller {
    /// Without a token.
    ///
    /// # Errors
    /// If `.local/env` was not sourced.
    pub fn nobody() -> anyhow::Result<Self> {
        let url = std::env::var("LAZARET_API_URL").context("LAZARET_API_URL is not set: `. .local/env`")?;
        let place = url.strip_prefix("http://").context("the local API is plain HTTP")?;
        Ok(Self { place: place.trim_end_matches('/').to_owned(), token: None })
    }

    /// A new user, logged in.
    ///
    /// # Errors
    /// If `lazaret user create` fails, or the login.
    pub async fn new() -> anyhow::Result<Self> {
        let name = format!("e2e-{}", Uuid::new_v4().simple());
        let made = cli::lazaret_told(&["user", "create", &name, "--password-stdin"], PASSWORD).await?;
        ensure!(made.code == 0, "`lazaret user create` ended with {}: {}", made.code, made.stderr);
        let nobody = Self::nobody()?;
        let login = json!({"username": name, "password": PASSWORD}).to_string();
        let reply = nobody.post("/api/Token", &[("Content-Type", "application/json")], login.as_bytes()).await?;
        ensure!(reply.status == 200, "the login was answered by {}", reply.status);
        let token = reply.json()?["accessToken"].as_str().context("a token")?.to_owned();
        Ok(Self { token: Some(token), ..nobody })
    }

    /// # Errors
    /// If no answer comes.
    pub async fn get(&self, path: &str) -> anyhow::Result<Reply> {
        self.send("GET", path, &[], b"").await
    }

    /// # Errors
    /// If no answer comes.
    pub async fn post(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> anyhow::Result<Reply> {
        self.send("POST", path, headers, body).await
    }

    /// Sends a form with these files, and reads the verdict.
    ///
    /// # Errors
    /// If no answer comes.
    pub async fn scan(&self, files: &[(&str, &[u8])], fields: &[(&str, &str)]) -> anyhow::Result<Reply> {
        let (kind, body) = form(files, fields);
        self.post("/api/Scan", &[("Content-Type", &kind)], &body).await
    }

    /// Has an object scanned where it lies.
    ///
    /// # Errors
    /// If no answer comes.
    pub async fn existing(&self, object: &Value) -> anyhow::Result<Reply> {
        let headers = [("Content-Type", "application/json")];
        self.post("/api/Scan/Existing", &headers, object.to_string().as_bytes()).await
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> anyhow::Result<Reply> {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.place);
        let token = self.token.as_ref().map(|token| format!("Bearer {token}"));
        for (name, value) in headers.iter().copied().chain(token.as_deref().map(|token| ("Authorization", token))) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
        let stream = TcpStream::connect(&self.place).await.with_context(|| format!("connecting to {}", self.place))?;
        let (mut reader, mut writer) = stream.into_split();
        // an answer may come before all is sent; whoever sends may then be cut off
        let sending = async {
            let _ = writer.write_all(head.as_bytes()).await;
            let _ = writer.write_all(body).await;
        };
        let mut answer = Vec::new();
        let (read, ()) = tokio::join!(reader.read_to_end(&mut answer), sending);
        if answer.is_empty() {
            read?;
        }
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").context("an answer with a head")?;
        let line = String::from_utf8_lossy(&answer[..end]).into_owned();
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok()).context("a status")?;
        Ok(Reply { status, body: answer.split_off(end + 4) })
    }
}

/// As the published Python client sends it: a part for each file, and one that says nothing.
fn form(files: &[(&str, &[u8])], fields: &[(&str, &str)]) -> (String, Vec<u8>) {
    let mut body = Vec::new();
    for (name, bytes) in files {
        let head = format!(
            "--XyZ\r\nContent-Disposition: form-data; name=\"documents\"; filename=\"{name}\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    for (name, value) in fields.iter().chain(&[("composite", "NONE")]) {
        let field = format!("--XyZ\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        body.extend_from_slice(field.as_bytes());
    }
    body.extend_from_slice(b"--XyZ--\r\n");
    ("multipart/form-data; boundary=XyZ".to_owned(), body)
}
