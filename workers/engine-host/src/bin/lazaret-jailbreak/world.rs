//! What lies around a worker: things that it must not reach, made ready in its host.

use std::ffi::c_char;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{self, TcpListener};
use std::os::fd::{AsRawFd, RawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{chown, symlink};
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};

use lazaret_engine_host::jail::Identity;
use lazaret_engine_host::scratch::Scratch;
use rustix::process::{Pid, Resource, Rlimit, getpid, getrlimit, kill_process, setrlimit};

/// A link in scratch that leads out.
pub const LINK: &str = "link";

/// The variable that the tests put into the host's environment, and what it says.
const VARIABLE: &std::ffi::CStr = c"LAZARET_SECRET";
const SECRET: &str = "of the agent";

pub struct World {
    pub host: Pid,
    /// Somebody listens there.
    pub tcp: net::SocketAddr,
    pub abstract_socket: (UnixListener, SocketAddr),
    /// Open in the host.
    pub descriptor: RawFd,
    /// A program, in memory.
    pub program: Vec<u8>,
    /// Where the secret lies in memory, if it does.
    pub secret: Option<usize>,
    pub descriptors: Rlimit,
    _open: (File, TcpListener),
}

impl World {
    pub fn prepare(scratch: &Scratch, directory: &Path, owner: Option<Identity>) -> io::Result<Self> {
        let own = |path: &Path| match owner {
            Some(Identity { user, group }) => chown(path, Some(user.as_raw()), Some(group.as_raw())),
            None => Ok(()),
        };
        let neighbour = scratch.worker(1)?;
        fs::write(neighbour.join("secret"), SECRET)?;
        own(&neighbour.join("secret"))?;
        symlink("../outside", directory.join(LINK))?;
        let name = SocketAddr::from_abstract_name(format!("lazaret-jailbreak-{}", getpid()))?;
        let open = File::open("/etc/passwd")?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        // So that a core could be written, if nothing else forbade it.
        let core = getrlimit(Resource::Core).maximum;
        setrlimit(Resource::Core, Rlimit { current: core, maximum: core })?;
        let mut program = Vec::new();
        File::open("/bin/true")?.read_to_end(&mut program)?;
        // SAFETY: the name ends in a zero byte; the process has one thread.
        let secret = unsafe { libc::getenv(VARIABLE.as_ptr()) };
        Ok(Self {
            host: getpid(),
            tcp: listener.local_addr()?,
            abstract_socket: (UnixListener::bind_addr(&name)?, name),
            descriptor: open.as_raw_fd(),
            program,
            secret: (!secret.is_null()).then_some(secret as usize),
            descriptors: getrlimit(Resource::Nofile),
            _open: (open, listener),
        })
    }

    /// Looks for the secret where it lay.
    pub fn read_secret(&self) -> io::Result<()> {
        let start = self.secret.ok_or(io::ErrorKind::NotFound)? as *const c_char;
        // SAFETY: the texts of the environment are at the end of the stack, which is mapped for as long as the process lives; one
        // that was overwritten is all zeros, so that it ends at once.
        let text = unsafe { std::ffi::CStr::from_ptr(start) };
        if text.to_bytes() == SECRET.as_bytes() { Ok(()) } else { Err(io::ErrorKind::NotFound.into()) }
    }
}

/// The neighbour's file, as a worker would name it.
pub fn neighbours_secret() -> PathBuf {
    Path::new("../worker-1/secret").to_owned()
}

/// Says which process is the worker, and ends the host at once.
pub fn die(worker: Pid) -> ! {
    println!("{worker}");
    let _ = io::stdout().flush();
    let _ = kill_process(getpid(), rustix::process::Signal::KILL);
    unreachable!("nobody survives SIGKILL")
}
