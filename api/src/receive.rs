//! Receive: from a request to the files that it brings, all of them here.

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use percent_encoding::percent_decode_str;

use crate::config::Limits;
use crate::hold::{Growing, Held, HoldError, Holds};
use crate::multipart::{Event, Malformed, PartHead, Parts, boundary};
use crate::pace::Pace;
use crate::problem::{Cause, Problem};

/// What a file is called whose sender does not say.
const UNNAMED: &str = "file";
/// A field of a form that names a bucket and a prefix: a key has 1,024 bytes, a bucket 63.
const UPLOAD_TO_BYTES_MAX: usize = 2 << 10;
/// Names longer than this are cut: they are only repeated to their sender.
const NAME_CHARS_MAX: usize = 1_024;

/// A file that came in.
pub struct File {
    /// As its sender calls it. Hostile.
    pub name: String,
    pub held: Held,
}

/// What a request brought.
pub struct Received {
    /// At least one.
    pub files: Vec<File>,
    /// Where they are to be stored, if they are clean.
    pub upload_to: Option<String>,
    /// Of the whole body.
    pub bytes: u64,
}

/// Receives a form or a plain body.
///
/// # Errors
/// If it can't be read to its end, or has no file.
pub async fn receive(headers: &HeaderMap, body: Body, holds: &Holds, limits: &Limits) -> Result<Received, Problem> {
    if headers.get_all(CONTENT_ENCODING).iter().any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(Problem::bad_request("send the file as it is, without a Content-Encoding"));
    }
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let content_type = types.next().map(|value| String::from_utf8_lossy(value.as_bytes())).unwrap_or_default();
    if types.next().is_some() {
        return Err(Problem::bad_request("there is more than one Content-Type"));
    }
    let form = boundary(&content_type).map_err(malformed)?;
    let pace = Pace::new(headers, body, limits.body_bytes, limits)?;
    match form {
        Some(boundary) => Form { pace, holds, limits }.receive(&boundary).await,
        None => plain(headers, pace, holds).await,
    }
}

async fn plain(headers: &HeaderMap, mut pace: Pace, holds: &Holds) -> Result<Received, Problem> {
    let header = |name| {
        let value = headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
        value.map(|text| percent_decode_str(&text).decode_utf8_lossy().into_owned())
    };
    let mut growing = holds.begin().map_err(no_place)?;
    while let Some(chunk) = pace.chunk().await? {
        growing.write(&chunk).await.map_err(no_place)?;
    }
    let held = growing.finish().await.map_err(no_place)?;
    let file = File { name: name(header("file-name").unwrap_or_default()), held };
    Ok(Received { files: vec![file], upload_to: header("upload-to"), bytes: pace.received() })
}

/// A form while it is received.
struct Form<'a> {
    pace: Pace,
    holds: &'a Holds,
    limits: &'a Limits,
}

/// The part that is coming in.
enum Part {
    File { name: String, growing: Box<Growing> },
    UploadTo(Vec<u8>),
    Ignored,
}

impl Form<'_> {
    async fn receive(mut self, boundary: &[u8]) -> Result<Received, Problem> {
        let mut parts = Parts::new(boundary);
        let mut received = Received { files: Vec::new(), upload_to: None, bytes: 0 };
        let (mut part, mut count) = (Part::Ignored, 0);
        while let Some(chunk) = self.pace.chunk().await? {
            parts.push(&chunk);
            while let Some(event) = parts.next().map_err(malformed)? {
                match event {
                    Event::Head(head) => {
                        count += 1;
                        if count > self.limits.parts {
                            return Err(Problem::bad_request(format!(
                                "the form has more than {} parts",
                                self.limits.parts
                            )));
                        }
                        part = self.begin(head, received.files.len())?;
                    }
                    Event::Piece(bytes) => part.write(&bytes).await?,
                    Event::PartEnd => std::mem::replace(&mut part, Part::Ignored).finish(&mut received).await?,
                    // what follows is read to its end all the same: the answer comes after the question
                    Event::End => {}
                }
            }
        }
        parts.finish().map_err(malformed)?;
        if received.files.is_empty() {
            return Err(Problem::bad_request("there is no file in the form: a file is a part with a file name"));
        }
        received.bytes = self.pace.received();
        Ok(received)
    }

    fn begin(&self, head: PartHead, files: usize) -> Result<Part, Problem> {
        match head.file_name {
            Some(_) if files == self.limits.files => {
                Err(Problem::bad_request(format!("the form has more than {} files", self.limits.files)))
            }
            Some(file_name) => {
                let growing = Box::new(self.holds.begin().map_err(no_place)?);
                Ok(Part::File { name: file_name, growing })
            }
            None if head.name.eq_ignore_ascii_case("uploadTo") => Ok(Part::UploadTo(Vec::new())),
            None => Ok(Part::Ignored),
        }
    }
}

impl Part {
    async fn write(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        match self {
            Self::File { growing, .. } => growing.write(bytes).await.map_err(no_place),
            Self::UploadTo(text) if text.len() + bytes.len() > UPLOAD_TO_BYTES_MAX => {
                Err(Problem::bad_request("uploadTo is too long"))
            }
            Self::UploadTo(text) => {
                text.extend_from_slice(bytes);
                Ok(())
            }
            Self::Ignored => Ok(()),
        }
    }

    async fn finish(self, received: &mut Received) -> Result<(), Problem> {
        match self {
            // what a browser sends for a field where no file was chosen
            Self::File { name, growing } if name.is_empty() && growing.size() == 0 => {}
            Self::File { name: file_name, growing } => {
                let held = growing.finish().await.map_err(no_place)?;
                received.files.push(File { name: name(file_name), held });
            }
            Self::UploadTo(text) => {
                let text = String::from_utf8(text).map_err(|_| Problem::bad_request("uploadTo is no text"))?;
                if received.upload_to.replace(text).is_some() {
                    return Err(Problem::bad_request("uploadTo stands twice in the form"));
                }
            }
            Self::Ignored => {}
        }
        Ok(())
    }
}

fn name(told: String) -> String {
    if told.is_empty() { UNNAMED.to_owned() } else { told.chars().take(NAME_CHARS_MAX).collect() }
}

fn malformed(why: Malformed) -> Problem {
    Problem::bad_request(why.to_string())
}

/// A place that is not there now will be.
pub fn no_place(error: HoldError) -> Problem {
    match error {
        HoldError::Full => Problem::full(Cause::Room, "there is no room for another file; try again in a moment"),
        HoldError::Io(error) => {
            tracing::error!(%error, "A file could not be held");
            Problem::Unavailable("there is no place for the file")
        }
    }
}
