//! `lazaret-evil-engine`: an engine whose workers do what the file says, within the jail: answer wrongly, hang, use things up.
//!
//! For the tests. It is started as any engine is, and loads nothing.

use std::fs::{self, File, Permissions};
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::ExitCode;

use lazaret_engine_host::jail::Profile;
use lazaret_engine_host::{Arguments, Backend, Finished, Loaded, run};
use lazaret_engine_protocol::{HostFrame, Members, ScanReply, ScanRequest, ScanVerdict, socket};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

fn main() -> ExitCode {
    let result = Arguments::parse(std::env::args_os().skip(1))
        .map_err(|error| error.to_string())
        .and_then(|arguments| run(&arguments, |_| Ok(Evil)).map_err(|error| error.to_string()));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("lazaret-evil-engine: {message}");
            ExitCode::FAILURE
        }
    }
}

struct Evil;

impl Backend for Evil {
    fn loaded(&self) -> Loaded {
        Loaded { signatures: 0, version: "none".to_owned(), built_seconds: None, engine_version: "evil".to_owned() }
    }

    fn profile(&self) -> Profile {
        Profile::Scan
    }

    fn warm_up(&mut self, _scratch: &Path) -> Result<(), String> {
        Ok(())
    }

    fn enter_worker(&mut self, _scratch: &Path) -> Result<(), String> {
        Ok(())
    }

    fn scan(&mut self, mut file: &File, request: &ScanRequest) -> Finished {
        let mut order = String::new();
        file.read_to_string(&mut order).expect("a word");
        obey(&order, request.id)
    }
}

/// The worker's socket.
fn host() -> BorrowedFd<'static> {
    // SAFETY: it is number 3, for as long as the worker lives.
    unsafe { BorrowedFd::borrow_raw(3) }
}

fn reply(id: u64, members: Option<Members>) -> Vec<u8> {
    let (verdict, notes) = (ScanVerdict::Clean, Vec::new());
    HostFrame::Reply(ScanReply { id, verdict, notes, members, milliseconds: 0 }).encode()
}

fn say(frame: &[u8]) {
    socket::send(host(), frame, None).expect("sent");
}

fn obey(order: &str, id: u64) -> Finished {
    let members = Members { bytes: 1, count: 1, complete: true };
    match order {
        "say clean" => {}
        // wrong answers
        "answer another request" => say(&reply(id + 1, None)),
        "answer twice" => say(&reply(id, None)),
        "answer often" => (0..10_000).for_each(|_| say(&reply(id, None))),
        "answer too much" => {
            let mut nothing = SendAncillaryBuffer::default();
            let frame = vec![b' '; 100_000];
            sendmsg(host(), &[std::io::IoSlice::new(&frame)], &mut nothing, SendFlags::empty()).expect("sent");
        }
        "answer rubbish" => say(b"rubbish"),
        "greet" => say(b"ready"),
        "send many descriptors" => {
            let files = [host(); 100];
            let mut space = vec![std::mem::MaybeUninit::uninit(); 1_000];
            let mut control = SendAncillaryBuffer::new(&mut space);
            assert!(control.push(SendAncillaryMessage::ScmRights(&files)));
            let frame = reply(id, Some(members));
            sendmsg(host(), &[std::io::IoSlice::new(&frame)], &mut control, SendFlags::empty()).expect("sent");
        }
        "send a descriptor unasked" => {
            let file = File::create("file").expect("made");
            socket::send(host(), &reply(id, None), Some(file.as_fd())).expect("sent");
        }
        "send a directory" => {
            let directory = File::open(".").expect("open");
            socket::send(host(), &reply(id, Some(members)), Some(directory.as_fd())).expect("sent");
        }
        "announce a descriptor" => say(&reply(id, Some(members))),
        // ends
        "panic" => panic!("as told"),
        "exit" => std::process::exit(0),
        "hang" => loop {
            std::thread::yield_now();
        },
        // what can be used up
        "use memory" => {
            let mut blocks: Vec<Vec<u8>> = Vec::new();
            loop {
                blocks.push(vec![1; 64 << 20]);
            }
        }
        "write a large file" => fs::write("file", vec![0; 64 << 20]).expect("within the limit"),
        "leave many files" => (0..5_000).for_each(|number| drop(File::create(format!("file-{number}")))),
        "leave many directories" => {
            for number in 0..200 {
                fs::create_dir_all(format!("{number}/{}", ["d"; 20].join("/"))).expect("made");
            }
        }
        "leave deep directories" => {
            let mut here = rustix::fs::open(".", rustix::fs::OFlags::RDONLY, rustix::fs::Mode::empty()).expect("open");
            for _ in 0..500 {
                rustix::fs::mkdirat(&here, "d", rustix::fs::Mode::RWXU).expect("made");
                here = rustix::fs::openat(&here, "d", rustix::fs::OFlags::RDONLY, rustix::fs::Mode::empty())
                    .expect("open");
            }
        }
        "close directories" => {
            fs::create_dir_all("closed/below").expect("made");
            for directory in ["closed/below", "closed", "."] {
                fs::set_permissions(directory, Permissions::from_mode(0o000)).expect("its own");
            }
        }
        order => panic!("unknown: {order}"),
    }
    ScanVerdict::Clean.into()
}
