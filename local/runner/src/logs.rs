//! A container's log as Docker streams it: frames of a header of eight bytes and some text.

use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::{BufMut as _, Bytes, BytesMut};
use futures::stream;

use crate::container::{Container, State};

/// How often a followed log is looked at.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(100);
/// Text in one frame.
const FRAME_BYTES: usize = 64 * 1024;
/// Both streams go to one file, so all frames say standard output.
const STDOUT: u8 = 1;

/// The log from its beginning, or its last `tail` lines; with `follow` until the container ends.
///
/// # Errors
/// If the log can't be read. A container that never ran has an empty one.
pub fn stream(container: Arc<Container>, follow: bool, tail: Option<usize>) -> std::io::Result<Body> {
    // Small reads of a local file that is in the page cache: a thread pool would cost more than it saves.
    let file = match std::fs::File::open(&container.log) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Body::empty()),
        opened => opened?,
    };
    if let Some(lines) = tail {
        let mut text = Vec::new();
        let mut file = file;
        file.read_to_end(&mut text)?;
        return Ok(Body::from(frame(last_lines(&text, lines))));
    }
    Ok(Body::from_stream(stream::unfold((file, container), move |(mut file, container)| async move {
        loop {
            // The state first: whatever was written before the end is then seen by the read below.
            let over = matches!(container.state(), State::Exited { .. }) || !follow;
            let mut text = vec![0; FRAME_BYTES];
            match file.read(&mut text) {
                Ok(0) if over => return None,
                Ok(0) => tokio::time::sleep(FOLLOW_INTERVAL).await,
                Ok(read) => return Some((Ok(frame(&text[..read])), (file, container))),
                Err(error) => return Some((Err(error), (file, container))),
            }
        }
    })))
}

fn frame(text: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(8 + text.len());
    frame.put_slice(&[STDOUT, 0, 0, 0]);
    frame.put_u32(u32::try_from(text.len()).unwrap_or(u32::MAX));
    frame.put_slice(text);
    frame.freeze()
}

fn last_lines(text: &[u8], lines: usize) -> &[u8] {
    let end = text.strip_suffix(b"\n").unwrap_or(text);
    let start = end.iter().rposition({
        let mut seen = 0;
        move |byte| {
            seen += usize::from(*byte == b'\n');
            seen == lines
        }
    });
    match (lines, start) {
        (0, _) => b"",
        (_, Some(newline)) => &text[newline + 1..],
        (_, None) => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_counted_from_the_end() {
        let text = b"one\ntwo\nthree\n";
        assert_eq!(last_lines(text, 1), b"three\n");
        assert_eq!(last_lines(text, 2), b"two\nthree\n");
        assert_eq!(last_lines(text, 3), text);
        assert_eq!(last_lines(text, 9), text);
        assert_eq!(last_lines(text, 0), b"");
        assert_eq!(last_lines(b"", 5), b"");
    }
}
