//! `POST /api/Scan`: the files of a request, and the verdict on them.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use lazaret_model::Verdict;
use serde_json::json;
use tokio::time::timeout;
use tracing::{Instrument, info};
use uuid::Uuid;

use super::attend::note_reference;
use crate::admission::Place;
use crate::answer::{Accepted, Judged, ScanAnswer, Upload};
use crate::app::App;
use crate::describe::Operation;
use crate::problem::Problem;
use crate::receive::{File, Received, receive};
use crate::schema::Schema;
use crate::tokens::Caller;
use crate::upload::{Parcel, Target, tags};

/// How long an answer that was fetched later may take to be written down, beside the scan itself.
const WRITING: Duration = Duration::from_secs(120);

pub fn operation() -> Operation {
    let text = String::schema;
    let file = json!({"type": "string", "contentMediaType": "application/octet-stream"});
    let upload_to = "BUCKET or BUCKET/PREFIX: where to store the files if all of them are clean";
    let target = || json!({"type": "string", "pattern": "^(s3://)?[A-Za-z0-9._-]+(/.*)?$"});
    let preference = json!({"type": "string", "examples": ["respond-async"]});
    let mut upload_to_field = target();
    upload_to_field["description"] = upload_to.into();
    let form = json!({
        "type": "object",
        "description": "Any part with a file name is a file to scan, whatever the part's own name is; there may be several. Parts without \
            one are ignored, but for uploadTo",
        "properties": {"documents": file, "uploadTo": upload_to_field},
        "required": ["documents"],
    });
    Operation::new("POST", "/api/Scan", "Scans files before they are stored anywhere")
        .describing(
            "Either a form with any number of files, or one file as the body. The answer is synchronous, however long it takes; \
             `Prefer: respond-async` is heeded only where the server's settings say so, and for large bodies.",
        )
        .asking("header", "File-Name", false, text(), "Of a file that is the body: its name, percent-encoded beyond ASCII")
        .asking("header", "Upload-To", false, target(), "Of a file that is the body: as uploadTo of a form")
        .asking("header", "Prefer", false, preference, "`respond-async`: see above")
        .taking_bytes("multipart/form-data", form)
        .taking_bytes("application/octet-stream", json!({}))
        .answering::<ScanAnswer>(200, "The verdict")
        .answering::<Accepted>(202, "The scan goes on: ask /api/Scan/JobStatus. Only where settings allow it")
        .leading_to("getScanJobStatus", "referenceId", "$response.body#/referenceId")
        .failing(&[
            (400, "The request can't be read to its end, has no file, or may not store where it wants to"),
            (401, "No valid access token"),
            (413, "The body is too large"),
            (429, "The server is full; Retry-After says when to try again"),
            (500, "The server failed"),
            (503, "The server can't scan at the moment; Retry-After says when to try again"),
        ])
}

/// Scans the files of a request.
pub async fn scan(State(app): State<Arc<App>>, caller: Caller, request: Request) -> Result<Response, Problem> {
    app.judge.ready()?;
    let (head, body) = request.into_parts();
    let received = {
        let _place = app.judge.admission.receiving()?;
        receive(&head.headers, body, &app.holds, &app.config.limits).await?
    };
    let place = app.judge.admission.queue()?;
    let target =
        received.upload_to.as_deref().map(|text| Target::read(text, &app.config.buckets.upload)).transpose()?;
    let destinations = target.map(|target| Destinations::of(target, &received.files)).transpose()?;
    let reference = Uuid::new_v4();
    note_reference(&reference);
    let limits = &app.config.limits;
    let later = limits.asynchronous && received.bytes >= limits.async_bytes && prefers_later(&head.headers);
    let scan = Scan { app: Arc::clone(&app), caller, reference, received, destinations, place };
    if later { scan.answer_later().await } else { Ok(Json(scan.answer().await?).into_response()) }
}

fn prefers_later(headers: &HeaderMap) -> bool {
    let preferences = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    preferences.flat_map(|value| value.split([',', ';'])).any(|one| one.trim().eq_ignore_ascii_case("respond-async"))
}

/// Where each file goes if all are clean.
struct Destinations {
    bucket: String,
    keys: Vec<String>,
}

impl Destinations {
    fn of(target: Target, files: &[File]) -> Result<Self, Problem> {
        let mut keys: Vec<String> = Vec::new();
        for file in files {
            let key = target.key(&file.name)?;
            if keys.contains(&key) {
                return Err(Problem::bad_request("two of the files would be stored under one name"));
            }
            keys.push(key);
        }
        Ok(Self { bucket: target.bucket, keys })
    }
}

/// One request whose files are all here.
struct Scan {
    app: Arc<App>,
    caller: Caller,
    reference: Uuid,
    received: Received,
    destinations: Option<Destinations>,
    place: Place,
}

impl Scan {
    async fn answer_later(self) -> Result<Response, Problem> {
        let (app, caller, reference) = (Arc::clone(&self.app), self.caller.clone(), self.reference);
        app.jobs.begin(reference, &caller, app.config.limits.answer + WRITING).await?;
        let work = {
            let app = Arc::clone(&app);
            async move {
                let outcome = self.answer().await;
                app.jobs.finish(reference, &caller, outcome).await;
            }
        };
        app.background.spawn(work.in_current_span());
        Ok((StatusCode::ACCEPTED, Json(Accepted::new(reference))).into_response())
    }

    async fn answer(self) -> Result<ScanAnswer, Problem> {
        let longest = self.app.config.limits.answer;
        let answer = timeout(longest, self.work()).await;
        answer.unwrap_or(Err(Problem::Unavailable("the scan took too long")))
    }

    async fn work(self) -> Result<ScanAnswer, Problem> {
        let Self { app, caller, reference, received, destinations, place: _place } = self;
        let policies = app.judge.policies.current();
        let policy = destinations.as_ref().map_or(&policies.default, |to| policies.of(&to.bucket));
        let (mut kept, mut contents, mut shares) = (Vec::new(), Vec::new(), Vec::new());
        for File { name, held } in received.files {
            if destinations.is_some() {
                let file = held.content.file.try_clone();
                let file = file.map_err(|_| Problem::Unavailable("there is no place for the file"))?;
                kept.push((file, held.content.size, held.content.sha256));
            }
            contents.push((name, held.content));
            shares.push(held.share);
        }
        let judged = app.judge.all(policy, contents).await?;
        let at = Timestamp::now();
        let mut answer = ScanAnswer::of(&judged, reference, at);
        app.judge.tell(&judged, received.bytes);
        if let Some(destinations) = destinations
            && judged.iter().all(|file| file.verdict == Verdict::Clean)
        {
            let tags = tags(&policy.tag_keys, &caller.user, at);
            for (((file, size, sha256), key), Judged { name, .. }) in kept.iter().zip(&destinations.keys).zip(&judged) {
                let bucket = destinations.bucket.as_str();
                let parcel = Parcel { file, size: *size, sha256: *sha256, bucket, key, tags: &tags };
                let version_id = app.uploads.store(parcel).await?;
                info!("Stored a clean file");
                answer.uploads.push(Upload {
                    file: name.clone(),
                    container: destinations.bucket.clone(),
                    object_path: key.clone(),
                    version_id,
                });
            }
        }
        Ok(answer)
    }
}
