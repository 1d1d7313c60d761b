//! `POST /api/Scan/Existing`: an object that is in S3. It is read, and not changed in any way.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use jiff::Timestamp;
use lazaret_agent::Content;
use lazaret_agent::fetch::{Fetched, NotFetched, fetch};
use lazaret_aws::StoreError;
use lazaret_model::verdict::{ErrorReason, GoneReason, SkippedReason, UnscannableReason};
use lazaret_model::{ObjectRef, Verdict};
use serde_json::json;
use tokio::time::timeout;
use uuid::Uuid;

use super::attend::note_reference;
use crate::answer::{Judged, ScanAnswer, ScannedObject};
use crate::app::App;
use crate::config::Config;
use crate::describe::Operation;
use crate::pace::Pace;
use crate::problem::Problem;
use crate::receive::no_place;
use crate::schema::words;
use crate::tokens::Caller;

/// A key has 1,024 bytes, each of which JSON may write as six.
const BODY_BYTES_MAX: u64 = 16 << 10;
/// S3's limit on a key.
const KEY_BYTES_MAX: usize = 1_024;
/// An object that is overwritten while it is fetched is looked at anew, so often.
const LOOKS: usize = 3;

words! {
    /// Which object.
    pub struct Existing {
        /// The bucket.
        pub container: String,
        /// The key.
        pub object_path: String,
        /// By default the current version.
        #[serde(default)]
        pub version_id: Option<String>,
    }
}

pub fn operation() -> Operation {
    Operation::new("POST", "/api/Scan/Existing", "Scans an object where it lies")
        .describing("It is read, and neither tagged nor moved. The answer names the version that was scanned.")
        .taking::<Existing>()
        .bounding::<Existing>("container", json!({"pattern": "^[A-Za-z0-9._-]+$"}))
        .bounding::<Existing>("objectPath", json!({"minLength": 1, "maxLength": KEY_BYTES_MAX}))
        .bounding::<Existing>("versionId", json!({"minLength": 1}))
        .answering::<ScanAnswer>(200, "The verdict")
        .failing(&[
            (400, "The body can't be read, or there is no such object, or its bucket may not be scanned"),
            (401, "No valid access token"),
            (413, "The body is too large"),
            (429, "The server is full; Retry-After says when to try again"),
            (500, "The server failed"),
            (503, "The server can't scan at the moment; Retry-After says when to try again"),
        ])
}

/// Scans an object.
pub async fn existing(
    State(app): State<Arc<App>>,
    _caller: Caller,
    request: Request,
) -> Result<Json<ScanAnswer>, Problem> {
    app.judge.ready()?;
    let (head, body) = request.into_parts();
    let body = Pace::new(&head.headers, body, BODY_BYTES_MAX, &app.config.limits)?.whole().await?;
    let asked: Existing = serde_json::from_slice(&body)
        .map_err(|_| Problem::bad_request("the body is no JSON object with a container and an objectPath"))?;
    asked.check(&app.config)?;
    let _place = app.judge.admission.queue()?;
    let reference = Uuid::new_v4();
    note_reference(&reference);
    let scanned = timeout(app.config.limits.answer, scan(&app, &asked)).await;
    let (object, verdict) = scanned.unwrap_or(Err(Problem::Unavailable("the scan took too long")))?;
    let judged = [Judged { name: asked.object_path, verdict }];
    app.judge.tell(&judged, object.size);
    let mut answer = ScanAnswer::of(&judged, reference, Timestamp::now());
    answer.object = Some(ScannedObject { version_id: object.version_id, e_tag: object.etag.into() });
    Ok(Json(answer))
}

impl Existing {
    fn check(&self, config: &Config) -> Result<(), Problem> {
        let is_name = |name: &str| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
        };
        let listed = config.buckets.scan.iter().any(|name| name == "*" || *name == self.container);
        // what was found elsewhere, and answers for others, are no objects of a caller's, whatever the list says
        if !is_name(&self.container) || !listed || self.container == config.results_bucket {
            return Err(Problem::bad_request("objects of that bucket may not be scanned"));
        }
        if self.object_path.is_empty() || self.object_path.len() > KEY_BYTES_MAX {
            return Err(Problem::bad_request("objectPath is no key"));
        }
        if self.version_id.as_deref() == Some("") {
            return Err(Problem::bad_request("versionId is empty"));
        }
        Ok(())
    }
}

async fn scan(app: &App, asked: &Existing) -> Result<(ObjectRef, Verdict), Problem> {
    let mut looks = LOOKS;
    loop {
        looks -= 1;
        let object = look(app, asked).await?;
        match judge(app, &object).await? {
            // what is there now is what the caller means, unless he named a version
            (_, Verdict::Gone { reason: GoneReason::Overwritten }) if asked.version_id.is_none() && looks > 0 => {}
            scanned => return Ok(scanned),
        }
    }
}

async fn look(app: &App, asked: &Existing) -> Result<ObjectRef, Problem> {
    let Existing { container, object_path, version_id } = asked;
    let head = || app.store.head(container, object_path, version_id.as_deref());
    match lazaret_agent::retry::store(head).await {
        Ok(Some(head)) => Ok(head.object),
        Ok(None) | Err(StoreError::NotFound | StoreError::NoSuchBucket(_)) => {
            Err(Problem::bad_request("there is no such object"))
        }
        // S3 says the same of an object that is not there where its bucket may not be listed
        Err(StoreError::AccessDenied(_)) => Err(Problem::bad_request("there is no such object, or it may not be read")),
        Err(error) if error.retryable() => {
            tracing::error!(%error, "An object could not be looked at");
            Err(Problem::Unavailable("the object can't be read at the moment"))
        }
        // a version id that is none, a key of nothing but spaces
        Err(_) => Err(Problem::bad_request("there is no such object")),
    }
}

async fn judge(app: &App, object: &ObjectRef) -> Result<(ObjectRef, Verdict), Problem> {
    let policies = app.judge.policies.current();
    let policy = policies.of(&object.bucket);
    if object.storage_class.is_archived() {
        return Ok((object.clone(), Verdict::Skipped { reason: SkippedReason::Archived }));
    }
    let limit = policy.max_bytes.min(app.config.limits.body_bytes);
    if object.size > limit {
        let detail = format!("{} bytes, the limit is {limit}", object.size);
        return Ok((object.clone(), Verdict::Unscannable { reason: UnscannableReason::TooLarge, detail }));
    }
    let _share = app.holds.reserve(object.size).map_err(no_place)?;
    let Fetched { file, sha256, object } = match fetch(app.store.as_ref(), app.holds.spool(), object).await {
        Ok(fetched) => fetched,
        Err(NotFetched::Gone(reason)) => return Ok((object.clone(), Verdict::Gone { reason })),
        // what AWS says of our role is not for the caller
        Err(NotFetched::Verdict(Verdict::Error { reason, detail })) => {
            tracing::warn!(%reason, detail = %detail.escape_debug(), "An object could not be fetched");
            let detail = if reason == ErrorReason::AccessDenied { String::new() } else { "try again".to_owned() };
            return Ok((object.clone(), Verdict::Error { reason, detail }));
        }
        Err(NotFetched::Verdict(verdict)) => return Ok((object.clone(), verdict)),
    };
    let content = Content { file, size: object.size, sha256 };
    let judged = app.judge.all(policy, vec![(object.key.clone(), content)]).await?;
    let verdict = judged.into_iter().next().map(|judged| judged.verdict);
    Ok((object, verdict.ok_or(Problem::Internal("a scan without a verdict"))?))
}
