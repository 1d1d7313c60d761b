//! What a worker tries. Each is harmless if it succeeds, and says so with `Ok`.

use std::fs::{self, File};
use std::io::{self, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::symlink;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::ptr;

use lazaret_engine_protocol::socket;
use libc::c_long;
use rustix::process::{Resource, setrlimit};

use crate::world::{LINK, World, neighbours_secret};

/// The frame of a worker that waits for its host's end.
pub const WAITING: &str = "waiting";

pub type Attempt = fn(&World) -> io::Result<()>;

pub fn named(name: &str) -> Option<Attempt> {
    ATTEMPTS.iter().find(|(known, _)| *known == name).map(|(_, attempt)| *attempt)
}

const ATTEMPTS: &[(&str, Attempt)] = &[
    ("nothing", |_| Ok(())),
    // files
    ("read-file", |_| read("/etc/passwd")),
    ("read-host-environment", |world| read(&format!("/proc/{}/environ", world.host))),
    ("read-host-memory", |world| read(&format!("/proc/{}/mem", world.host))),
    ("read-own-maps", |_| read("/proc/self/maps")),
    ("read-neighbour", |_| File::open(neighbours_secret()).map(drop)),
    ("read-descriptor", |world| call(libc::SYS_fcntl, [world.descriptor as usize, libc::F_GETFD as usize, 0, 0, 0])),
    ("write-scratch", |_| fs::write("file", "content")),
    ("write-outside", |_| fs::write("../outside", "content")),
    ("write-through-link", |_| fs::write(LINK, "content")),
    ("make-symbolic-link", |_| symlink("/etc/passwd", "new-link")),
    ("make-hard-link", |_| fs::hard_link("/bin/true", "new-link")),
    ("move-outside", |_| fs::write("file", "content").and_then(|()| fs::rename("file", "../outside"))),
    ("make-device", |_| call(libc::SYS_mknodat, [at(), path(c"device"), libc::S_IFCHR as usize | 0o600, 0x103, 0])),
    ("stat-outside", |_| fs::metadata("/etc/passwd").map(drop)),
    // programs and processes
    ("run-program", |_| Err(Command::new("/bin/true").exec())),
    ("run-from-memory", run_from_memory),
    ("fork", |_| fork()),
    ("start-thread", |_| std::thread::Builder::new().spawn(|| ()).map(drop)),
    ("trace-host", |world| call(libc::SYS_ptrace, [libc::PTRACE_SEIZE as usize, number(world), 0, 0, 0])),
    ("signal-host", |world| call(libc::SYS_kill, [number(world), libc::SIGURG as usize, 0, 0, 0])),
    ("outlive-host", |_| outlive()),
    // the network
    ("socket-inet", |_| socket(libc::AF_INET)),
    ("socket-unix", |_| UnixDatagram::unbound().map(drop)),
    ("socket-netlink", |_| socket(libc::AF_NETLINK)),
    ("connect-tcp", |world| TcpStream::connect(world.tcp).map(drop)),
    ("listen-tcp", |_| std::net::TcpListener::bind("127.0.0.1:0").map(drop)),
    ("connect-abstract", |world| UnixStream::connect_addr(&world.abstract_socket.1).map(drop)),
    ("send-elsewhere", |_| send_elsewhere()),
    // what can be used up
    ("many-files", |_| (0..1_000).map(|_| File::create("file")).collect::<io::Result<Vec<_>>>().map(drop)),
    ("large-file", |_| File::create("file")?.write_all(&vec![0; 2 << 20])),
    ("large-memory", |_| map(8 << 30, libc::PROT_READ | libc::PROT_WRITE).map(drop)),
    ("locked-memory", |_| call(libc::SYS_mlock, [map(4_096, libc::PROT_READ)?, 4_096, 0, 0, 0])),
    ("raise-limit", |world| Ok(setrlimit(Resource::Nofile, world.descriptors)?)),
    ("dump-core", |_| fault()),
    // memory that is run
    ("map-executable", |_| map(4_096, libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC).map(drop)),
    ("make-executable", |_| {
        call(
            libc::SYS_mprotect,
            [map(4_096, libc::PROT_READ)?, 4_096, (libc::PROT_READ | libc::PROT_EXEC) as usize, 0, 0],
        )
    }),
    // power
    ("become-root", |_| call(libc::SYS_setuid, [0; 5])),
    ("mount", |_| mount()),
    ("chroot", |_| call(libc::SYS_chroot, [path(c"."), 0, 0, 0, 0])),
    ("new-user-namespace", |_| call(libc::SYS_unshare, [libc::CLONE_NEWUSER as usize, 0, 0, 0, 0])),
    ("read-secret", World::read_secret),
    // parts of the kernel
    ("bpf", |_| call(libc::SYS_bpf, [0; 5])),
    ("perf-event", |_| call(libc::SYS_perf_event_open, [0; 5])),
    ("userfaultfd", |_| call(libc::SYS_userfaultfd, [0; 5])),
    ("io-uring", |_| call(libc::SYS_io_uring_setup, [0; 5])),
    ("keyring", |_| call(libc::SYS_keyctl, [0; 5])),
    ("personality", |_| call(libc::SYS_personality, [0xffff_ffff, 0, 0, 0, 0])),
    ("terminal", |_| call(libc::SYS_ioctl, [0, libc::TIOCSTI as usize, 0, 0, 0])),
    ("priority-futex", |_| call(libc::SYS_futex, [0, libc::FUTEX_LOCK_PI as usize, 0, 0, 0])),
    ("share-state", |_| call(libc::SYS_fcntl, [0, libc::F_SETFL as usize, libc::O_NONBLOCK as usize, 0, 0])),
    ("undump", |_| call(libc::SYS_prctl, [libc::PR_SET_DUMPABLE as usize, 1, 0, 0, 0])),
    ("other-calls", |_| call(libc::SYS_getpid | 0x4000_0000, [0; 5])),
    ("copy-in-kernel", |_| call(libc::SYS_copy_file_range, [0; 5])),
];

/// `done`, or the name of what the kernel answered.
pub fn outcome(result: &io::Result<()>) -> String {
    match result {
        Ok(()) => "done".to_owned(),
        Err(error) => match error.raw_os_error() {
            Some(libc::EACCES) => "EACCES".to_owned(),
            Some(libc::EAGAIN) => "EAGAIN".to_owned(),
            Some(libc::EBADF) => "EBADF".to_owned(),
            Some(libc::EMFILE) => "EMFILE".to_owned(),
            Some(libc::ENOMEM) => "ENOMEM".to_owned(),
            Some(libc::ENOSYS) => "ENOSYS".to_owned(),
            Some(libc::EPERM) => "EPERM".to_owned(),
            Some(libc::EXDEV) => "EXDEV".to_owned(),
            _ => error.to_string(),
        },
    }
}

fn call(number: c_long, [a, b, c, d, e]: [usize; 5]) -> io::Result<()> {
    // SAFETY: none of the calls above writes to memory of this process: their pointers are texts, or null where the kernel would
    // answer with an error.
    let result = unsafe { libc::syscall(number, a, b, c, d, e) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn number(world: &World) -> usize {
    world.host.as_raw_nonzero().get().unsigned_abs() as usize
}

/// The number for «relative to the working directory».
fn at() -> usize {
    libc::AT_FDCWD as usize
}

fn path(text: &'static std::ffi::CStr) -> usize {
    text.as_ptr() as usize
}

fn read(path: &str) -> io::Result<()> {
    File::open(path).map(drop)
}

fn map(bytes: usize, protection: libc::c_int) -> io::Result<usize> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: a new range at an address that the kernel chooses replaces nothing.
    let start = unsafe { libc::mmap(ptr::null_mut(), bytes, protection, flags, -1, 0) };
    if start == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(start as usize) }
}

fn socket(family: libc::c_int) -> io::Result<()> {
    call(libc::SYS_socket, [family as usize, (libc::SOCK_DGRAM | libc::SOCK_CLOEXEC) as usize, 0, 0, 0])
}

/// Over a second descriptor of the worker's own socket.
fn send_elsewhere() -> io::Result<()> {
    // SAFETY: the worker's socket is number 3, as long as it runs.
    let socket = unsafe { std::os::fd::BorrowedFd::borrow_raw(3) };
    // SAFETY: `dup` touches no memory.
    let copy = unsafe { libc::dup(socket.as_raw_fd()) };
    if copy == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a new descriptor that nothing else owns.
    let copy = unsafe { OwnedFd::from_raw_fd(copy) };
    socket::send(&copy, b"elsewhere", Some(copy.as_fd()))
}

fn run_from_memory(world: &World) -> io::Result<()> {
    let memory = rustix::fs::memfd_create("program", rustix::fs::MemfdFlags::CLOEXEC)?;
    let mut memory = File::from(memory);
    memory.write_all(&world.program)?;
    let arguments = [c"true".as_ptr(), ptr::null()];
    let descriptor = usize::try_from(memory.as_raw_fd()).expect("open");
    let empty = arguments.as_ptr() as usize;
    call(libc::SYS_execveat, [descriptor, path(c""), empty, empty, libc::AT_EMPTY_PATH as usize])
}

fn fork() -> io::Result<()> {
    // SAFETY: the worker has one thread; the copy ends at once.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        // SAFETY: ends the copy without the worker's destructors.
        0 => unsafe { libc::_exit(0) },
        _ => Ok(()),
    }
}

/// Tells the host to end, sees its end, and goes on for ever.
fn outlive() -> io::Result<()> {
    // SAFETY: the worker's socket is number 3, as long as it runs.
    let socket = unsafe { std::os::fd::BorrowedFd::borrow_raw(3) };
    socket::send(socket, WAITING.as_bytes(), None)?;
    let _ = socket::receive(socket);
    loop {
        std::thread::yield_now();
    }
}

fn fault() -> io::Result<()> {
    let page = map(4_096, libc::PROT_NONE)? as *mut u8;
    // SAFETY: writes to a page that is mapped and no value's; it may not be written, so the kernel ends the process here.
    unsafe { page.write_volatile(1) };
    Ok(())
}

fn mount() -> io::Result<()> {
    call(libc::SYS_mount, [path(c"none"), path(c"."), path(c"tmpfs"), 0, 0])?;
    call(libc::SYS_umount2, [path(c"."), libc::MNT_DETACH as usize, 0, 0, 0])
}
