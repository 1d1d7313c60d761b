//! HTTP by hand: what is sent is what stands in the test.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;

/// An answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    /// In lower case.
    pub head: String,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    pub fn read(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("no answer: {:?}", String::from_utf8_lossy(bytes)));
        let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase().replace("\r\n", "\n");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        if status == 100 {
            return Self::read(&bytes[end + 4..]);
        }
        Self { status, head, body: bytes[end + 4..].to_vec() }
    }
}

/// The head of a scan of one file that is the body, on a connection that is kept.
pub fn scan_head(token: &str, length: usize) -> Vec<u8> {
    format!(
        "POST /api/Scan HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {token}\r\nContent-Length: {length}\r\n\r\n"
    )
    .into_bytes()
}

/// The head of a request that asks for the end of the connection.
pub fn head(method: &str, path: &str, headers: &[(&str, &str)]) -> String {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head
}

/// One request on one connection.
pub async fn send(address: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    let head = head(method, path, headers);
    let length = if method == "GET" { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    let mut request = format!("{head}{length}\r\n").into_bytes();
    request.extend_from_slice(body);
    exchange(address, &request).await
}

/// Sends bytes as they are, and reads to the end. An answer may come before all is sent.
pub async fn exchange(address: SocketAddr, request: &[u8]) -> Reply {
    Reply::read(&exchange_raw(address, request).await)
}

pub async fn exchange_raw(address: SocketAddr, request: &[u8]) -> Vec<u8> {
    let stream = TcpStream::connect(address).await.expect("connected");
    let (mut reader, mut writer) = stream.into_split();
    let request = request.to_vec();
    let writing = tokio::spawn(async move {
        let _ = writer.write_all(&request).await; // the server may have heard enough
        writer
    });
    let mut answer = Vec::new();
    let reading = timeout(Duration::from_secs(30), reader.read_to_end(&mut answer)).await;
    let _ = reading.expect("an end within 30 s");
    writing.abort();
    answer
}

/// A form with files, and its content type.
pub fn multipart(files: &[(&str, &[u8])]) -> (String, Vec<u8>) {
    let mut body = Vec::new();
    for (name, bytes) in files {
        let head = format!("--XyZ\r\nContent-Disposition: form-data; name=\"documents\"; filename=\"{name}\"\r\n\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--XyZ\r\nContent-Disposition: form-data; name=\"composite\"\r\n\r\nNONE\r\n--XyZ--\r\n");
    ("multipart/form-data; boundary=XyZ".to_owned(), body)
}

/// A connection that is kept for one request after another.
pub struct Connection {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (reader, writer) = stream.into_split();
        Ok(Self { reader: BufReader::new(reader), writer })
    }

    /// Sends a request in pieces, and reads its answer, which may come before all is sent. Whatever goes wrong is a request that is lost.
    pub async fn exchange(&mut self, request: &[&[u8]]) -> io::Result<Reply> {
        let Self { reader, writer } = self;
        let write = async {
            for piece in request {
                writer.write_all(piece).await?;
            }
            Ok::<(), io::Error>(())
        };
        let (written, reply) = tokio::join!(write, read_reply(reader));
        reply.and_then(|reply| if reply.status == 200 { written.map(|()| reply) } else { Ok(reply) })
    }
}

async fn read_reply(reader: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Reply> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if reader.read_until(b'\n', &mut head).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let mut reply = Reply::read(&head);
    let length = reply.header("content-length").and_then(|value| value.parse().ok()).unwrap_or_default();
    reply.body = vec![0; length];
    reader.read_exact(&mut reply.body).await?;
    Ok(reply)
}
