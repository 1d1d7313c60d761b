//! From the bytes of a form to its parts.

use bytes::{Buf, Bytes, BytesMut};
use memchr::memmem::Finder;

use super::{Malformed, PartHead};

/// A part's headers; file names have up to 1,024 bytes on most systems.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// White space that may stand between a boundary and the end of its line.
const PADDING_BYTES_MAX: usize = 256;
/// CRLF
const LINE_END: usize = 2;
/// What may stand before the first boundary; nobody writes anything.
const PREAMBLE_BYTES_MAX: usize = 4 << 10;

/// What is next in a form.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// A part begins.
    Head(PartHead),
    /// More of its body.
    Piece(Bytes),
    /// It is whole.
    PartEnd,
    /// So is the form. What comes after it belongs to nothing.
    End,
}

/// Reads a form: [`Self::push`] what has come, then ask for [`Self::next`] until it has nothing more.
pub struct Parts {
    /// CRLF, two dashes, the boundary.
    delimiter: Finder<'static>,
    buffer: BytesMut,
    state: State,
}

enum State {
    Preamble {
        skipped: usize,
    },
    AfterDelimiter,
    Head,
    /// Before the first byte of a body.
    Begin,
    Body,
    Ended,
}

impl Parts {
    pub fn new(boundary: &[u8]) -> Self {
        let delimiter = [b"\r\n--", boundary].concat();
        // the first boundary may stand at the very beginning, where no line ends before it
        let buffer = BytesMut::from(&b"\r\n"[..]);
        Self { delimiter: Finder::new(&delimiter).into_owned(), buffer, state: State::Preamble { skipped: 0 } }
    }

    /// More bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        if !matches!(self.state, State::Ended) {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// What is next; `None` if that shows only with more bytes.
    ///
    /// # Errors
    /// If it is no form.
    #[expect(clippy::should_implement_trait, reason = "`None` is not the end")]
    pub fn next(&mut self) -> Result<Option<Event>, Malformed> {
        loop {
            match self.state {
                State::Preamble { skipped } => match self.delimiter.find(&self.buffer) {
                    Some(at) => self.pass_delimiter(at),
                    None => {
                        let skipped = skipped + self.safe();
                        if skipped > PREAMBLE_BYTES_MAX {
                            return Err(Malformed::Begin);
                        }
                        self.buffer.advance(self.safe());
                        self.state = State::Preamble { skipped };
                        return Ok(None);
                    }
                },
                State::AfterDelimiter => match self.after_delimiter()? {
                    Some(Next::Part) => self.state = State::Head,
                    Some(Next::End) => {
                        self.state = State::Ended;
                        self.buffer.clear();
                        return Ok(Some(Event::End));
                    }
                    None => return Ok(None),
                },
                State::Head => return self.head(),
                State::Begin => {
                    if !self.begin() {
                        return Ok(None);
                    }
                }
                State::Body => return Ok(self.body()),
                State::Ended => return Ok(None),
            }
        }
    }

    /// No more bytes come.
    ///
    /// # Errors
    /// If the form is not at its end.
    pub fn finish(self) -> Result<(), Malformed> {
        if matches!(self.state, State::Ended) { Ok(()) } else { Err(Malformed::Truncated) }
    }

    /// Bytes that are no beginning of a delimiter, whatever comes after them.
    fn safe(&self) -> usize {
        self.buffer.len().saturating_sub(self.delimiter.needle().len() - 1)
    }

    fn pass_delimiter(&mut self, at: usize) {
        self.buffer.advance(at + self.delimiter.needle().len());
        self.state = State::AfterDelimiter;
    }

    fn after_delimiter(&mut self) -> Result<Option<Next>, Malformed> {
        if self.buffer.starts_with(b"--") {
            return Ok(Some(Next::End));
        }
        let padding = self.buffer.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        if padding > PADDING_BYTES_MAX {
            return Err(Malformed::Delimiter);
        }
        match &self.buffer[padding..] {
            [b'\r', b'\n', ..] => {
                // the line's end stays: a head that is empty ends with it
                self.buffer.advance(padding);
                Ok(Some(Next::Part))
            }
            [] | [b'\r'] => Ok(None),
            [b'-'] if padding == 0 => Ok(None),
            _ => Err(Malformed::Delimiter),
        }
    }

    /// The buffer begins with the end of the boundary's line.
    fn head(&mut self) -> Result<Option<Event>, Malformed> {
        const END: &[u8] = b"\r\n\r\n";
        let window = &self.buffer[..self.buffer.len().min(HEAD_BYTES_MAX)];
        let Some(end) = memchr::memmem::find(window, END) else {
            let is_over = window.len() == HEAD_BYTES_MAX;
            return if is_over { Err(Malformed::HeadTooLarge) } else { Ok(None) };
        };
        let head = PartHead::read(&self.buffer[..end])?;
        self.buffer.advance(end + LINE_END);
        self.state = State::Begin;
        Ok(Some(Event::Head(head)))
    }

    /// The buffer begins with the end of the empty line. There are senders who take it for the beginning of the next boundary, where
    /// there is no body: were it read as one, it would run on into the next part.
    fn begin(&mut self) -> bool {
        let needle = self.delimiter.needle();
        let common = self.buffer.len().min(needle.len());
        if self.buffer[..common] != needle[..common] {
            self.buffer.advance(LINE_END);
            self.state = State::Body;
        } else if common < needle.len() {
            return false;
        } else {
            self.state = State::Body;
        }
        true
    }

    fn body(&mut self) -> Option<Event> {
        match self.delimiter.find(&self.buffer) {
            Some(0) => {
                self.pass_delimiter(0);
                Some(Event::PartEnd)
            }
            Some(at) => Some(Event::Piece(self.buffer.split_to(at).freeze())),
            None => {
                let safe = self.safe();
                (safe > 0).then(|| Event::Piece(self.buffer.split_to(safe).freeze()))
            }
        }
    }
}

enum Next {
    Part,
    End,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The parts, with their bodies, of a form that comes in pieces of those sizes.
    fn read(form: &[u8], sizes: &[usize]) -> Result<Vec<(PartHead, Vec<u8>)>, Malformed> {
        let mut parts = Parts::new(b"b");
        let mut read: Vec<(PartHead, Vec<u8>)> = Vec::new();
        let (mut rest, mut sizes, mut ended) = (form, sizes.iter().cycle(), false);
        while !rest.is_empty() {
            let (piece, after) = rest.split_at((*sizes.next().expect("a cycle")).clamp(1, rest.len()));
            rest = after;
            parts.push(piece);
            while let Some(event) = parts.next()? {
                assert!(!ended, "nothing comes after the end");
                match event {
                    Event::Head(head) => read.push((head, Vec::new())),
                    Event::Piece(bytes) => read.last_mut().expect("a head came first").1.extend_from_slice(&bytes),
                    Event::PartEnd => {}
                    Event::End => ended = true,
                }
            }
        }
        parts.finish()?;
        Ok(read)
    }

    fn bodies(form: &str) -> Result<Vec<String>, Malformed> {
        let read = read(form.as_bytes(), &[1])?;
        Ok(read.into_iter().map(|(_, body)| String::from_utf8(body).expect("text")).collect())
    }

    #[test]
    fn bodies_are_what_stands_between_the_empty_line_and_the_next_boundary() {
        for (form, expected) in [
            ("--b\r\nX: y\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--\r\n", &["one", "two"][..]),
            ("--b\r\nX: y\r\n\r\n\r\n--b--", &[""]),
            ("preamble\r\n--b \t\r\n\r\n\r\n\r\n--b--epilogue\r\n--b\r\n", &["\r\n"]),
            ("--b\r\n\r\n\r\n--\r\n-b\r--b\r\n\n--b\r\n--b--", &["\r\n--\r\n-b\r--b\r\n\n--b"]),
            ("--b--", &[]),
            // no body at all, and no line for it
            ("--b\r\nX: y\r\n\r\n--b\r\n\r\ntwo\r\n--b--", &["", "two"]),
        ] {
            assert_eq!(bodies(form).expect(form), expected, "{form:?}");
        }
    }

    #[test]
    fn what_is_no_whole_form_is_refused() {
        let long = format!("--b\r\nX: {}\r\n\r\n", "y".repeat(HEAD_BYTES_MAX));
        let preamble = "x".repeat(PREAMBLE_BYTES_MAX + 10);
        for (form, expected) in [
            ("", Malformed::Truncated),
            ("nothing", Malformed::Truncated),
            ("--b\r\nX: y\r\n\r\nbody", Malformed::Truncated),
            ("--b\r\nX: y\r\n\r\nbody\r\n--b", Malformed::Truncated),
            ("--b\r\nX: y\r\n\r\nbody\r\n--b-", Malformed::Truncated),
            ("--b\r\nX: y", Malformed::Truncated),
            ("--b\r\n\r\nbody\r\n--bc\r\n\r\n\r\n--b--", Malformed::Delimiter),
            ("--b-\r\n", Malformed::Delimiter),
            (&long, Malformed::HeadTooLarge),
            (&preamble, Malformed::Begin),
        ] {
            assert_eq!(bodies(form), Err(expected), "{form:?}");
        }
    }

    #[test]
    fn what_is_held_is_bounded() {
        let mut parts = Parts::new(b"b");
        parts.push(b"--b\r\n\r\n");
        assert!(matches!(parts.next(), Ok(Some(Event::Head(_)))));
        for _ in 0..1_000 {
            parts.push(&[b'x'; 10_000]);
            while parts.next().expect("a form").is_some() {}
            assert!(parts.buffer.len() < 10);
        }
    }

    fn form(files: &[Vec<u8>]) -> Vec<u8> {
        let mut form = Vec::new();
        for (number, file) in files.iter().enumerate() {
            form.extend_from_slice(
                format!("--b\r\nContent-Disposition: form-data; name=f; filename=\"{number}\"\r\n\r\n").as_bytes(),
            );
            form.extend_from_slice(file);
            form.extend_from_slice(b"\r\n");
        }
        form.extend_from_slice(b"--b--\r\n");
        form
    }

    proptest! {
        #[test]
        fn files_come_out_as_they_went_in_however_they_are_cut(
            files in proptest::collection::vec(proptest::collection::vec(prop_oneof![
                Just(b'\r'), Just(b'\n'), Just(b'-'), Just(b'c'), any::<u8>().prop_filter("no boundary", |byte| *byte != b'b')
            ], 0..200), 0..5),
            sizes in proptest::collection::vec(1_usize..50, 1..20),
        ) {
            let read = read(&form(&files), &sizes).expect("a form");
            prop_assert_eq!(read.iter().map(|(_, body)| body.clone()).collect::<Vec<_>>(), files);
            for (number, (head, _)) in read.iter().enumerate() {
                let name = number.to_string();
                prop_assert_eq!(head.file_name.as_deref(), Some(name.as_str()));
            }
        }

        #[test]
        fn any_bytes_are_read_the_same_however_they_are_cut(
            bytes in proptest::collection::vec(prop_oneof![
                3 => Just(b"\r\n--b".to_vec()), 2 => Just(b"\r\n".to_vec()), 1 => Just(b"--".to_vec()),
                1 => Just(b"X: y".to_vec()), 1 => any::<u8>().prop_map(|byte| vec![byte])
            ], 0..40).prop_map(|pieces| pieces.concat()),
            sizes in proptest::collection::vec(1_usize..20, 1..10),
        ) {
            prop_assert_eq!(read(&bytes, &sizes), read(&bytes, &[usize::MAX]));
        }

        #[test]
        fn a_form_that_is_cut_short_is_never_whole(
            files in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..50), 1..4),
            cut in 1_usize..1_000,
        ) {
            let form = form(&files);
            // the last line's end, and nothing else, may be missing
            let cut = 2 + cut % (form.len() - 2);
            prop_assert!(read(&form[..form.len() - cut - 1], &[7]).is_err());
        }
    }
}
