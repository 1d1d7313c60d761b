//! S3 and Step Functions as a schedule sees them, on a clock of the test's: objects that appear late, calls that fail before or after
//! they had their effect, views that lag behind, and clocks that disagree.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};

use async_trait::async_trait;
use jiff::Timestamp;
use lazaret_aws::StoreError;
use lazaret_aws::executions::Started;
use lazaret_model::object::{ETag, ObjectRef, StorageClass};
use lazaret_model::{BucketScope, JobId, JobInput, Matching, Selection, Upload};
use lazaret_schedules::state::{UPLOAD_PATIENCE, Why};
use lazaret_schedules::world::{Execution, Read, World};
use lazaret_schedules::{ScheduleError, ScheduleName, ScheduleState};

use crate::random::Random;

/// How long Step Functions may show what was.
const LAG: i64 = 60;

/// An object, whatever became of it.
#[derive(Debug, Clone)]
pub struct Object {
    pub bucket: String,
    pub key: String,
    pub last_modified: i64,
    /// Overwritten or deleted.
    pub gone: bool,
    /// In how many complete runs it was.
    pub scanned: u32,
}

/// An upload in parts.
#[derive(Debug, Clone)]
pub struct InParts {
    pub bucket: String,
    pub upload: Upload,
    pub closes: i64,
    pub closed: bool,
    completes: bool,
}

pub struct Job {
    input: JobInput,
    started: i64,
    ended: Option<i64>,
    complete: bool,
    /// What is to be crawled, and when.
    crawls: Vec<(u32, i64)>,
    ends: i64,
    matched: Vec<usize>,
    fails: bool,
}

pub struct Inner {
    pub now: i64,
    pub random: Random,
    /// Nothing fails and nothing lags.
    pub calm: bool,
    pub objects: Vec<Object>,
    current: BTreeMap<(String, String), usize>,
    /// Bytes that are on their way: an object appears long after its LastModified.
    arriving: Vec<(i64, usize)>,
    pub uploads: Vec<InParts>,
    pub missing: BTreeMap<String, i64>,
    pub denied: BTreeMap<String, i64>,
    state: Option<(ScheduleState, u64)>,
    writes: u64,
    selections: BTreeMap<(JobId, u32), Selection>,
    pub jobs: BTreeMap<JobId, Job>,
    /// Jobs whose end was just announced.
    pub announced: Vec<JobId>,
    pub complete_runs: u32,
    pub failed_runs: u32,
}

#[derive(Clone)]
pub struct Cloud(Arc<Mutex<Inner>>);

pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a timestamp")
}

impl Cloud {
    pub fn new(seed: u64, now: i64) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            now,
            random: Random::new(seed),
            calm: false,
            objects: Vec::new(),
            current: BTreeMap::new(),
            arriving: Vec::new(),
            uploads: Vec::new(),
            missing: BTreeMap::new(),
            denied: BTreeMap::new(),
            state: None,
            writes: 0,
            selections: BTreeMap::new(),
            jobs: BTreeMap::new(),
            announced: Vec::new(),
            complete_runs: 0,
            failed_runs: 0,
        })))
    }

    pub fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().expect("nobody panicked")
    }

    /// Lets others go first, and may fail before anything is done.
    async fn before(&self) -> Result<(), ScheduleError> {
        let turns = self.lock().random.between(0, 2);
        for _ in 0..turns {
            Turn(false).await;
        }
        self.fail(20)
    }

    /// An answer that is lost: the deed is done.
    fn fail(&self, of_thousand: i64) -> Result<(), ScheduleError> {
        let mut inner = self.lock();
        if !inner.calm && inner.random.per_mille(of_thousand) {
            let source = StoreError::Transient("simulated".into());
            return Err(ScheduleError::Store { doing: "simulating".into(), source });
        }
        Ok(())
    }
}

/// Pending once.
struct Turn(bool);

impl Future for Turn {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Inner {
    /// Somebody starts to send an object: LastModified is this moment, the object appears `after` seconds later.
    pub fn put(&mut self, bucket: &str, key: &str, last_modified: i64, after: i64) {
        self.objects.push(Object { bucket: bucket.into(), key: key.into(), last_modified, gone: false, scanned: 0 });
        self.arriving.push((self.now + after, self.objects.len() - 1));
    }

    pub fn begin_upload(&mut self, bucket: &str, key: &str, lasts: i64, completes: bool) {
        let number = self.uploads.len();
        let initiated = self.now + self.random.between(-2, 2);
        let upload = Upload { key: key.into(), upload_id: format!("upload-{number}"), initiated: at(initiated) };
        self.uploads.push(InParts {
            bucket: bucket.into(),
            upload,
            closes: self.now + lasts,
            closed: false,
            completes,
        });
    }

    pub fn delete(&mut self, bucket: &str, key: &str) {
        if let Some(index) = self.current.remove(&(bucket.to_owned(), key.to_owned())) {
            self.objects[index].gone = true;
        }
    }

    pub fn delete_bucket(&mut self, bucket: &str, until: i64) {
        self.missing.insert(bucket.into(), until);
        let keys: Vec<_> = self.current.keys().filter(|(of, _)| of == bucket).cloned().collect();
        keys.iter().for_each(|(bucket, key)| self.delete(bucket, key));
        for upload in self.uploads.iter_mut().filter(|upload| upload.bucket == bucket) {
            upload.closed = true;
        }
        let Self { arriving, objects, .. } = self;
        arriving.retain(|(_, index)| {
            let stays = objects[*index].bucket != bucket;
            objects[*index].gone |= !stays;
            stays
        });
    }

    /// Everything that happens of itself until `now`.
    pub fn pass(&mut self, seconds: i64) {
        self.now += seconds;
        let now = self.now;
        self.missing.retain(|_, until| *until > now);
        self.denied.retain(|_, until| *until > now);
        let due: Vec<usize> = (0..self.uploads.len())
            .filter(|index| !self.uploads[*index].closed && self.uploads[*index].closes <= now)
            .collect();
        for index in due {
            self.close(index);
        }
        let (arrived, arriving): (Vec<_>, Vec<_>) = self.arriving.iter().partition(|(at, _)| *at <= now);
        self.arriving = arriving;
        for (_, index) in arrived {
            self.appear(index);
        }
        let running: Vec<JobId> =
            self.jobs.iter().filter(|(_, job)| job.ended.is_none()).map(|(id, _)| id.clone()).collect();
        for id in running {
            self.work(&id);
        }
    }

    fn close(&mut self, index: usize) {
        let upload = &mut self.uploads[index];
        upload.closed = true;
        upload.closes = self.now;
        if !upload.completes {
            return;
        }
        let (bucket, key) = (upload.bucket.clone(), upload.upload.key.clone());
        // either time may have been rounded
        let last_modified = upload.upload.initiated.as_second() + self.random.between(-1, 1);
        self.put(&bucket, &key, last_modified, 0);
        let (_, index) = self.arriving.pop().expect("just put");
        self.appear(index);
    }

    fn appear(&mut self, index: usize) {
        let Object { bucket, key, .. } = self.objects[index].clone();
        if let Some(before) = self.current.insert((bucket, key), index) {
            self.objects[before].gone = true;
        }
    }

    /// A job crawls each of its scopes at some moment, and ends at another.
    fn work(&mut self, id: &JobId) {
        let now = self.now;
        let job = self.jobs.get_mut(id).expect("a job");
        let due: Vec<u32> = job.crawls.iter().filter(|(_, at)| *at <= now).map(|(index, _)| *index).collect();
        job.crawls.retain(|(_, at)| *at > now);
        for index in due {
            self.crawl(id, index);
        }
        let job = self.jobs.get_mut(id).expect("a job");
        if job.fails || (job.ends <= now && job.crawls.is_empty()) {
            job.ended = Some(now);
            let fate = if self.calm { 0 } else { self.random.between(0, 99) };
            // a report that is complete counts, whatever the tear-down after it did
            job.complete = !job.fails && fate < 70;
            if job.complete {
                self.complete_runs += 1
            } else {
                self.failed_runs += 1
            }
            if self.calm || self.random.chance(80) {
                self.announced.push(id.clone());
            }
        }
    }

    fn crawl(&mut self, id: &JobId, index: u32) {
        let job = &self.jobs[id];
        let scope = job.input.buckets[index as usize].clone();
        let lost = self.missing.contains_key(&scope.name) || self.denied.contains_key(&scope.name);
        let selection = self.selections.get(&(id.clone(), index)).cloned().expect("written before the start");
        assert!(job.input.selected, "a run of `new` matches what was selected");
        let matching = Matching::from(selection);
        let listed =
            self.current.iter().filter(|((bucket, key), _)| *bucket == scope.name && key.starts_with(&scope.prefix));
        let matched: Vec<usize> = listed
            .filter(|((bucket, key), index)| matching.matches(&listed_as(bucket, key, &self.objects[**index])))
            .map(|(_, index)| *index)
            .collect();
        let job = self.jobs.get_mut(id).expect("a job");
        job.fails |= lost;
        job.matched.extend(matched);
    }

    /// The state says that this run was complete: now it counts.
    fn count(&mut self, id: &JobId) {
        for index in self.jobs[id].matched.clone() {
            self.objects[index].scanned += 1;
        }
    }

    /// Whether an object of this key and time may be scanned twice: beside an upload that was open for more than a week.
    pub fn is_beside_an_old_upload(&self, object: &Object) -> bool {
        self.uploads.iter().any(|one| {
            let near = (one.upload.initiated.as_second() - object.last_modified).abs() <= 1;
            let old = one.closes - one.upload.initiated.as_second() >= UPLOAD_PATIENCE.as_secs() - 24 * 3600;
            one.bucket == object.bucket && one.upload.key == object.key && near && old
        })
    }
}

fn listed_as(bucket: &str, key: &str, object: &Object) -> ObjectRef {
    ObjectRef {
        bucket: bucket.into(),
        key: key.into(),
        version_id: None,
        etag: ETag::from("e"),
        size: 1,
        last_modified: at(object.last_modified),
        storage_class: StorageClass::standard(),
    }
}

#[async_trait]
impl World for Cloud {
    async fn time(&self, _: &ScheduleName) -> Result<Timestamp, ScheduleError> {
        self.before().await?;
        let mut inner = self.lock();
        // one of S3's many servers
        let skew = inner.random.between(-2, 2);
        Ok(at(inner.now + skew))
    }

    async fn read(&self, _: &ScheduleName) -> Result<Read, ScheduleError> {
        self.before().await?;
        Ok(self.lock().state.clone().map(|(state, version)| (state, version.to_string())))
    }

    async fn write(
        &self,
        _: &ScheduleName,
        state: &ScheduleState,
        over: Option<&str>,
    ) -> Result<Option<String>, ScheduleError> {
        self.before().await?;
        let written = {
            let mut inner = self.lock();
            let there = inner.state.as_ref().map(|(_, version)| version.to_string());
            if there.as_deref() == over {
                let ended = inner.state.as_ref().and_then(|(before, _)| before.running.clone());
                if let (Some(run), None, Some(last)) = (ended, &state.running, &state.last) {
                    assert_eq!(last.job_id, run.job_id);
                    if last.complete {
                        inner.count(&run.job_id);
                    }
                }
                inner.writes += 1;
                let version = inner.writes;
                inner.state = Some((state.clone(), version));
                Some(version.to_string())
            } else {
                None
            }
        };
        self.fail(20)?;
        Ok(written)
    }

    async fn look(&self, bucket: &str) -> Result<Option<Why>, ScheduleError> {
        self.before().await?;
        let inner = self.lock();
        Ok(match () {
            () if inner.missing.contains_key(bucket) => Some(Why::Missing),
            () if inner.denied.contains_key(bucket) => Some(Why::Denied),
            () => None,
        })
    }

    async fn open_uploads(&self, scope: &BucketScope) -> Result<Vec<Upload>, ScheduleError> {
        self.before().await?;
        let inner = self.lock();
        let open = inner.uploads.iter().filter(|one| !one.closed && one.bucket == scope.name);
        Ok(open.map(|one| one.upload.clone()).filter(|upload| upload.key.starts_with(&scope.prefix)).collect())
    }

    async fn write_selection(&self, job: &JobId, scope_index: u32, selection: &Selection) -> Result<(), ScheduleError> {
        self.before().await?;
        let before = self.lock().selections.insert((job.clone(), scope_index), selection.clone());
        assert!(before.is_none_or(|before| before == *selection), "whoever starts a run selects the same");
        self.fail(20)
    }

    async fn start(&self, job: &JobId, input: &JobInput) -> Result<Started, ScheduleError> {
        self.before().await?;
        let started = {
            let mut inner = self.lock();
            let now = inner.now;
            if let Some(known) = inner.jobs.get(job) {
                let same = known.ended.is_none() && known.input == *input;
                if same { Started::New(job.to_string()) } else { Started::Exists }
            } else {
                assert!(inner.jobs.values().all(|job| job.ended.is_some()), "one run at a time");
                let crawled = |(index, _): (u32, &BucketScope)| (index, 0);
                let mut crawls: Vec<(u32, i64)> = (0..).zip(&input.buckets).map(crawled).collect();
                for crawl in &mut crawls {
                    crawl.1 = now + inner.random.between(60, 3_600);
                }
                let ends = now + inner.random.between(600, 3 * 3_600);
                let fresh = Job {
                    input: input.clone(),
                    started: now,
                    ended: None,
                    complete: false,
                    crawls,
                    ends,
                    matched: Vec::new(),
                    // refused at its first step
                    fails: !inner.calm && inner.random.chance(3),
                };
                inner.jobs.insert(job.clone(), fresh);
                Started::New(job.to_string())
            }
        };
        self.fail(20)?;
        Ok(started)
    }

    async fn execution(&self, job: &JobId) -> Result<Execution, ScheduleError> {
        self.before().await?;
        let mut inner = self.lock();
        let (now, lags) = (inner.now, !inner.calm && inner.random.chance(30));
        let Some(found) = inner.jobs.get(job) else { return Ok(Execution::Unknown) };
        let is_fresh = |then: i64| lags && now - then < LAG;
        Ok(match found.ended {
            _ if is_fresh(found.started) => Execution::Unknown,
            Some(ended) if is_fresh(ended) => Execution::Running,
            Some(_) => Execution::Ended,
            None => Execution::Running,
        })
    }

    async fn is_complete(&self, job: &JobId) -> Result<bool, ScheduleError> {
        self.before().await?;
        Ok(self.lock().jobs.get(job).is_some_and(|job| job.complete))
    }
}
