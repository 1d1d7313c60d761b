//! The workers: who scans what, since when, and what happens when one dies.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use lazaret_engine_protocol::{FailureReason, HostFrame, ScanReply, ScanVerdict, socket};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, fstat};
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process, waitpid};

use super::{HostError, Job};
use crate::backend::Backend;
use crate::jail::Jail;
use crate::scratch::{self, Scratch};
use crate::worker;

/// How long a worker may take to set itself up; it takes 40 ms with all of ClamAV's definitions.
const START_LIMIT: Duration = Duration::from_secs(30);

/// Workers that die in a row before they are ready, until the host gives up.
const MAX_FAILED_STARTS: u32 = 5;

pub(super) struct Pool<B> {
    workers: Vec<Worker>,
    scratch: Scratch, // before the engine, which may take a second to free its memory
    backend: B,
    jail: Jail,
    scan_limit: Duration,
    failed_starts: u32,
}

struct Worker {
    /// `None` once it was waited for: its number may be another process's by then.
    pid: Option<Pid>,
    socket: OwnedFd,
    scratch: PathBuf,
    state: State,
}

enum State {
    Starting { since: Instant },
    Idle,
    Scanning { id: u64, since: Instant },
}

/// Why a worker is replaced.
enum Fault {
    /// It died, or sent what is no answer.
    Crashed(&'static str),
    TookTooLong,
}

/// An answer, with the bundle that goes with it.
pub(super) type Answer = (ScanReply, Option<OwnedFd>);

/// A reply that holds nothing but a verdict.
pub(super) fn answer(id: u64, verdict: ScanVerdict, elapsed: Duration) -> ScanReply {
    let milliseconds = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    ScanReply { id, verdict, notes: Vec::new(), members: None, milliseconds }
}

impl<B: Backend> Pool<B> {
    pub(super) fn new(
        backend: B,
        jail: Jail,
        scratch: Scratch,
        count: usize,
        scan_limit: Duration,
    ) -> Result<Self, HostError> {
        let workers = Vec::with_capacity(count);
        let mut pool = Self { workers, scratch, backend, jail, scan_limit, failed_starts: 0 };
        for index in 0..count {
            let worker = pool.start(index)?;
            pool.workers.push(worker);
        }
        Ok(pool)
    }

    pub(super) fn all_ready(&self) -> bool {
        !self.workers.iter().any(|worker| matches!(worker.state, State::Starting { .. }))
    }

    pub(super) fn is_idle(&self) -> bool {
        !self.workers.iter().any(|worker| matches!(worker.state, State::Scanning { .. }))
    }

    pub(super) fn sockets(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.workers.iter().map(|worker| worker.socket.as_fd())
    }

    /// When the first worker runs out of time.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.workers.iter().filter_map(|worker| self.deadline(worker)).min()
    }

    fn deadline(&self, worker: &Worker) -> Option<Instant> {
        match worker.state {
            State::Idle => None,
            State::Starting { since } => Some(since + START_LIMIT),
            State::Scanning { since, .. } => Some(since + self.scan_limit),
        }
    }

    /// Hands the file to a worker that is idle; gives it back if none is.
    pub(super) fn assign(&mut self, job: Job) -> Result<(), Job> {
        let idle = self.workers.iter_mut().filter(|worker| matches!(worker.state, State::Idle));
        for worker in idle {
            // An idle worker waits in `receive`, so the socket is empty. If it just died, `turn` will see that.
            if socket::send(&worker.socket, &job.request.encode(), Some(job.file.as_fd())).is_ok() {
                worker.state = State::Scanning { id: job.request.id, since: Instant::now() };
                return Ok(());
            }
        }
        Err(job)
    }

    /// Reads what workers said (`readable` is in the order of [`Pool::sockets`]), replaces those that died or took too long; the answers.
    pub(super) fn turn(&mut self, readable: &[bool]) -> Result<Vec<Answer>, HostError> {
        let mut replies = Vec::new();
        let now = Instant::now();
        for (index, readable) in readable.iter().copied().enumerate() {
            let heard = if readable { self.listen(index) } else { Ok(None) };
            let late = self.deadline(&self.workers[index]).is_some_and(|deadline| deadline <= now);
            match heard {
                Ok(Some(reply)) => {
                    replies.push(reply);
                    // Its file has its answer; whatever else it said or left would be the next file's problem.
                    if let Err(why) = self.settle(index) {
                        eprintln!("worker {index} {why}");
                        self.replace(index, &Fault::Crashed(why))?;
                    }
                }
                Ok(None) if late => {
                    replies.extend(self.replace(index, &Fault::TookTooLong)?.map(|reply| (reply, None)))
                }
                Ok(None) => {}
                Err(why) => replies.extend(self.replace(index, &Fault::Crashed(why))?.map(|reply| (reply, None))),
            }
        }
        Ok(replies)
    }

    /// One datagram of a worker: a reply, its greeting, or a reason to replace it.
    fn listen(&mut self, index: usize) -> Result<Option<Answer>, &'static str> {
        let worker = &mut self.workers[index];
        let received = match socket::receive(&worker.socket) {
            Ok(Some(received)) => received,
            Ok(None) => return Err("died"),
            Err(_) => return Err("sent an unreadable answer"),
        };
        match worker.state {
            State::Starting { .. } if received.frame == worker::GREETING => {
                worker.state = State::Idle;
                self.failed_starts = 0;
                Ok(None)
            }
            State::Scanning { id, since } => match HostFrame::decode(&received.frame) {
                // One that brings a descriptor says so, and the other way round.
                Ok(HostFrame::Reply(reply)) if reply.id == id && reply.members.is_some() == received.file.is_some() => {
                    if received.file.as_ref().is_some_and(|file| !is_regular(file)) {
                        return Err("sent a descriptor of what is no file");
                    }
                    worker.state = State::Idle;
                    let milliseconds = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
                    Ok(Some((ScanReply { milliseconds, ..reply }, received.file)))
                }
                _ => Err("sent a wrong answer"),
            },
            _ => Err("spoke unasked"),
        }
    }

    /// After an answer: what the engine left in scratch goes, usually nothing; and the worker waits in silence.
    fn settle(&self, index: usize) -> Result<(), &'static str> {
        let worker = &self.workers[index];
        scratch::empty(&worker.scratch).map_err(|_| "left what cannot be removed while it lives")?;
        let mut socket = [PollFd::new(&worker.socket, PollFlags::IN)];
        match poll(&mut socket, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) {
            Ok(0) => Ok(()),
            _ => Err("went on speaking after its answer"),
        }
    }

    /// Ends a worker, empties its scratch directory, starts another; the answer for the file that it had.
    fn replace(&mut self, index: usize, fault: &Fault) -> Result<Option<ScanReply>, HostError> {
        let worker = &mut self.workers[index];
        let status = match worker.pid.take() {
            Some(pid) => end(pid).map_err(HostError::kernel("end a worker"))?,
            None => "ended before".to_owned(), // its successor was not started, and the host ends for that
        };
        let reply = match worker.state {
            State::Scanning { id, since } => {
                let elapsed = since.elapsed();
                let verdict = match fault {
                    Fault::TookTooLong => {
                        let detail = format!("killed after {} s", self.scan_limit.as_secs());
                        ScanVerdict::failed(FailureReason::EngineTimeout, detail)
                    }
                    Fault::Crashed(why) => {
                        ScanVerdict::failed(FailureReason::EngineCrashed, format!("the worker {why} ({status})"))
                    }
                };
                eprintln!("worker {index} is replaced after {} ms: {verdict:?}", elapsed.as_millis());
                Some(answer(id, verdict, elapsed))
            }
            State::Idle => {
                eprintln!("worker {index} ended without a file ({status})");
                None
            }
            State::Starting { .. } => {
                eprintln!("worker {index} ended before it was ready ({status})");
                self.failed_starts += 1;
                if self.failed_starts >= MAX_FAILED_STARTS {
                    return Err(HostError::Workers(self.failed_starts));
                }
                None
            }
        };
        self.workers[index] = self.start(index)?;
        Ok(reply)
    }

    fn start(&mut self, index: usize) -> Result<Worker, HostError> {
        let directory = self.scratch.worker(index).map_err(HostError::kernel("make a scratch directory"))?;
        let (ours, theirs) = socket::pair().map_err(HostError::kernel("make a socket"))?;
        let (backend, jail) = (&mut self.backend, &self.jail);
        let pid = jail
            .fork(theirs, &directory, |socket| worker::run(backend, socket, jail))
            .map_err(HostError::kernel("fork a worker"))?;
        Ok(Worker {
            pid: Some(pid),
            socket: ours,
            scratch: directory,
            state: State::Starting { since: Instant::now() },
        })
    }
}

impl<B> Drop for Pool<B> {
    fn drop(&mut self) {
        for pid in self.workers.iter_mut().filter_map(|worker| worker.pid.take()) {
            if let Err(error) = end(pid) {
                eprintln!("cannot end worker {pid}: {error}");
            }
        }
        // The scratch directory is dropped after this, with nobody left who writes to it.
    }
}

/// Kills a worker and waits for it; how it ended, which may have been earlier.
fn end(pid: Pid) -> io::Result<String> {
    kill_process(pid, Signal::KILL)?; // works on one that died and is not yet waited for
    let status = loop {
        match waitpid(Some(pid), WaitOptions::empty()) {
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
            Ok(waited) => break waited.map(|(_, status)| status),
        }
    };
    Ok(status.map_or_else(|| "no status".to_owned(), describe))
}

fn is_regular(file: &OwnedFd) -> bool {
    fstat(file).is_ok_and(|status| FileType::from_raw_mode(status.st_mode) == FileType::RegularFile)
}

fn describe(status: WaitStatus) -> String {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => format!("{status:?}"),
    }
}
