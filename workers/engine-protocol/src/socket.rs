//! One frame a datagram, with at most one descriptor beside it.
//!
//! `SOCK_SEQPACKET` keeps the frames apart, so that a peer cannot make the other side wait for the rest of one.
//! Works on blocking and non-blocking sockets alike; on the latter the errors are of kind `WouldBlock`.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};

use crate::frame::MAX_FRAME_BYTES;

/// What one datagram brought.
#[derive(Debug)]
pub struct Received {
    pub frame: Vec<u8>,
    pub file: Option<OwnedFd>,
}

/// Two ends of a new connection, both closed on exec.
///
/// # Errors
/// If the process has no descriptors left.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?)
}

/// Sends one frame, and the file if there is one.
///
/// # Errors
/// `BrokenPipe` if the other side is gone, `WouldBlock` if the socket is non-blocking and full.
pub fn send(socket: impl AsFd, frame: &[u8], file: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let files = file.as_slice();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !files.is_empty() {
        assert!(control.push(SendAncillaryMessage::ScmRights(files)), "the space is for one descriptor");
    }
    loop {
        match sendmsg(&socket, &[IoSlice::new(frame)], &mut control, SendFlags::NOSIGNAL) {
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
            Ok(sent) if sent == frame.len() => return Ok(()),
            Ok(_) => return Err(io::Error::other("a datagram was sent in part")),
        }
    }
}

/// Receives one frame; `None` once the other side has closed.
///
/// # Errors
/// `InvalidData` if the datagram is longer than any frame or carries more than one descriptor (all are closed),
/// `WouldBlock` if the socket is non-blocking and empty.
pub fn receive(socket: impl AsFd) -> io::Result<Option<Received>> {
    let mut frame = vec![0_u8; MAX_FRAME_BYTES];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        match recvmsg(&socket, &mut [IoSliceMut::new(&mut frame)], &mut control, RecvFlags::CMSG_CLOEXEC) {
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::CONNRESET) => return Ok(None),
            Err(error) => return Err(error.into()),
            Ok(received) => break received,
        }
    };
    // Taken first, so that whatever is refused below is closed as well.
    let mut files: Vec<OwnedFd> = control
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(files) => Some(files),
            _ => None,
        })
        .flatten()
        .collect();
    if received.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) || files.len() > 1 {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a datagram longer than any frame"));
    }
    if received.bytes == 0 {
        return Ok(None);
    }
    frame.truncate(received.bytes);
    Ok(Some(Received { frame, file: files.pop() }))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek, Write};

    use super::*;

    #[test]
    fn a_frame_arrives_with_its_file() {
        let (here, there) = pair().expect("a pair");
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(b"content").expect("written");
        send(&here, b"frame", Some(file.as_fd())).expect("sent");
        drop(here);
        let received = receive(&there).expect("received").expect("a frame");
        assert_eq!(received.frame, b"frame");
        let mut file = std::fs::File::from(received.file.expect("a file"));
        let mut content = String::new();
        file.rewind().expect("seekable");
        file.read_to_string(&mut content).expect("readable");
        assert_eq!(content, "content");
        assert!(receive(&there).expect("received").is_none(), "the other side has closed");
    }

    #[test]
    fn a_datagram_longer_than_a_frame_is_refused() {
        let (here, there) = pair().expect("a pair");
        rustix::net::send(&here, &vec![b' '; MAX_FRAME_BYTES + 1], SendFlags::empty()).expect("sent");
        assert_eq!(receive(&there).expect_err("too long").kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn more_than_one_descriptor_is_refused() {
        let (here, there) = pair().expect("a pair");
        let files = [here.as_fd(); 5];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(5))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        assert!(control.push(SendAncillaryMessage::ScmRights(&files)));
        sendmsg(&here, &[IoSlice::new(b"frame")], &mut control, SendFlags::empty()).expect("sent");
        assert_eq!(receive(&there).expect_err("too many").kind(), io::ErrorKind::InvalidData);
    }
}
