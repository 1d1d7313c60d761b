//! The host process: between the agent and the workers, with one thread and one poll loop.
//!
//! It parses nothing of a file. Each request that it took is answered exactly once, whatever becomes of the worker.

mod pool;

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use lazaret_engine_protocol::{FailureReason, HostFrame, Ready, ScanRequest, ScanVerdict, socket};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::getpid;

use crate::arguments::Arguments;
use crate::backend::{Backend, Loaded};
use crate::jail::{self, Available, Jail};
use crate::process;
use crate::scratch::{Scratch, ScratchError};
use pool::Pool;

/// Files that wait for a worker; each holds a descriptor. Beyond it the agent's requests wait in the socket.
const MAX_QUEUE: usize = 128;

#[derive(Debug, thiserror::Error)]
pub enum HostError {
    #[error("standard input is no agent's socket ({0}); an agent starts this program")]
    NoAgent(#[source] io::Error),
    #[error(transparent)]
    Scratch(#[from] ScratchError),
    /// In the engine's words: no definitions, no rules, or damaged ones.
    #[error("{0}")]
    Load(String),
    #[error("the engine cannot be warmed up: {0}")]
    WarmUp(String),
    #[error("there is no jail: {0}")]
    Jail(#[from] jail::JailError),
    #[error("cannot {step}: {source}")]
    Kernel {
        step: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("the agent sent what is no request: {0}")]
    Protocol(String),
    #[error("workers do not start: {0} in a row died before they were ready")]
    Workers(u32),
}

impl HostError {
    fn kernel(step: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Kernel { step, source }
    }
}

/// Runs until the agent closes its socket, or until SIGTERM and the last reply. `load` makes the engine.
///
/// # Errors
/// If the engine does not load, there is no scratch directory, no jail, no workers, or an agent that does not speak the protocol.
pub fn run<B: Backend>(
    arguments: &Arguments,
    load: impl FnOnce(&Arguments) -> Result<B, String>,
) -> Result<(), HostError> {
    let agent = process::take_agent_socket().map_err(HostError::NoAgent)?;
    let available = Available::probe(&arguments.allow_missing)?;
    let scratch = Scratch::claim(&arguments.scratch, available.identity())?;
    let mut backend = load(arguments).map_err(HostError::Load)?;
    let warm = scratch.worker(0).map_err(HostError::kernel("make a scratch directory"))?;
    backend.warm_up(&warm).map_err(HostError::WarmUp)?;
    let jail = Jail::prepare(available, &arguments.limits, backend.profile())?;
    let ready = greeting(backend.loaded(), arguments.workers, jail.missing());
    jail.enter_host(scratch.path())?;
    // Before the first worker, which so leaves SIGTERM to the host: a drain lets scans finish.
    let termination = process::catch_termination().map_err(HostError::kernel("catch signals"))?;
    rustix::io::ioctl_fionbio(&agent, true).map_err(|error| HostError::kernel("use the socket")(error.into()))?;
    let pool = Pool::new(backend, jail, scratch, arguments.workers, arguments.scan_limit)?;
    let host =
        Host { agent, termination, pool, greeting: Some(ready), queue: VecDeque::new(), outgoing: VecDeque::new() };
    host.serve()
}

fn greeting(loaded: Loaded, workers: usize, jail_missing: Vec<String>) -> Ready {
    Ready {
        signatures: loaded.signatures,
        definitions_version: loaded.version,
        definitions_built_seconds: loaded.built_seconds,
        engine_version: loaded.engine_version,
        workers,
        host_pid: getpid().as_raw_nonzero().get().unsigned_abs(),
        jail_missing,
    }
}

/// A file that waits for a worker, or is with one.
#[derive(Debug)]
struct Job {
    request: ScanRequest,
    file: OwnedFd,
}

/// A frame for the agent, and the descriptor beside it.
type Outgoing = (Vec<u8>, Option<OwnedFd>);

struct Host<B> {
    agent: OwnedFd,
    termination: OwnedFd,
    pool: Pool<B>,
    /// Sent once all workers are ready.
    greeting: Option<Ready>,
    queue: VecDeque<Job>,
    outgoing: VecDeque<Outgoing>,
}

/// What the agent's socket said.
#[derive(PartialEq, Eq)]
enum Agent {
    Speaks,
    Gone,
}

impl<B: Backend> Host<B> {
    fn serve(mut self) -> Result<(), HostError> {
        let mut draining = false;
        loop {
            if self.pool.all_ready()
                && let Some(ready) = self.greeting.take()
            {
                self.outgoing.push_back((HostFrame::Ready(ready).encode(), None));
            }
            while let Some(job) = self.queue.pop_front() {
                if let Err(job) = self.pool.assign(job) {
                    self.queue.push_front(job);
                    break;
                }
            }
            if self.flush()? == Agent::Gone {
                return Ok(()); // nobody is left to answer; dropping the pool ends the workers
            }
            if draining && self.queue.is_empty() && self.outgoing.is_empty() && self.pool.is_idle() {
                return Ok(());
            }
            let events = self.wait(draining).map_err(HostError::kernel("wait for events"))?;
            for (reply, bundle) in self.pool.turn(&events.workers)? {
                self.outgoing.push_back((HostFrame::Reply(reply).encode(), bundle));
            }
            if events.termination && !draining {
                draining = true;
                // What the agent sent before the signal is answered as well.
                if self.read_requests(usize::MAX)? == Agent::Gone {
                    return Ok(());
                }
            }
            if events.agent && !draining && self.read_requests(MAX_QUEUE)? == Agent::Gone {
                return Ok(());
            }
        }
    }

    /// Waits until something can be read, a reply can be written, or a worker's time is up.
    fn wait(&self, draining: bool) -> io::Result<Events> {
        let mut agent = PollFlags::empty(); // its end is told in any case
        agent.set(PollFlags::IN, !draining && self.queue.len() < MAX_QUEUE);
        agent.set(PollFlags::OUT, !self.outgoing.is_empty());
        let mut descriptors = vec![
            PollFd::from_borrowed_fd(self.agent.as_fd(), agent),
            PollFd::from_borrowed_fd(
                self.termination.as_fd(),
                if draining { PollFlags::empty() } else { PollFlags::IN },
            ),
        ];
        let workers = self.pool.sockets();
        descriptors.extend(workers.map(|socket: BorrowedFd<'_>| PollFd::from_borrowed_fd(socket, PollFlags::IN)));
        let timeout =
            self.pool.next_deadline().map(|deadline| timespec(deadline.saturating_duration_since(Instant::now())));
        match poll(&mut descriptors, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let fired = |descriptor: &PollFd<'_>| !descriptor.revents().is_empty();
        Ok(Events {
            agent: fired(&descriptors[0]),
            termination: fired(&descriptors[1]),
            workers: descriptors[2..].iter().map(fired).collect(),
        })
    }

    /// Takes requests until the socket is empty, or the queue as long as it may be.
    fn read_requests(&mut self, most: usize) -> Result<Agent, HostError> {
        while self.queue.len() < most {
            let received = match socket::receive(&self.agent) {
                Ok(Some(received)) => received,
                Ok(None) => return Ok(Agent::Gone),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(HostError::Protocol(error.to_string())),
            };
            let request =
                ScanRequest::decode(&received.frame).map_err(|error| HostError::Protocol(error.to_string()))?;
            match received.file {
                Some(file) => self.queue.push_back(Job { request, file }),
                None => {
                    let verdict = ScanVerdict::failed(FailureReason::EngineFailed, "no file came with the request");
                    let reply = HostFrame::Reply(pool::answer(request.id, verdict, Duration::ZERO));
                    self.outgoing.push_back((reply.encode(), None));
                }
            }
        }
        Ok(Agent::Speaks)
    }

    /// Sends what the agent's socket takes.
    fn flush(&mut self) -> Result<Agent, HostError> {
        while let Some((frame, bundle)) = self.outgoing.front() {
            match socket::send(&self.agent, frame, bundle.as_ref().map(AsFd::as_fd)) {
                Ok(()) => drop(self.outgoing.pop_front()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(Agent::Gone),
                Err(error) => return Err(HostError::kernel("answer the agent")(error)),
            }
        }
        Ok(Agent::Speaks)
    }
}

struct Events {
    agent: bool,
    termination: bool,
    /// In the order of [`Pool::sockets`].
    workers: Vec<bool>,
}

fn timespec(duration: Duration) -> Timespec {
    // A millisecond more, so that the deadline has passed when poll returns.
    Timespec::try_from(duration + Duration::from_millis(1)).unwrap_or(Timespec { tv_sec: 3_600, tv_nsec: 0 })
}
