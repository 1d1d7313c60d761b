//! The decoders of other crates behind one function: bytes in, bytes out.
//!
//! Their own readers lose what they had unpacked before an error; here it is handed over first.

use deflate64::InflaterManaged;
use flate2::{Decompress, FlushDecompress};
use liblzma::stream::{Action, Error as LzmaError, Status as LzmaStatus, Stream as LzmaStream};

use crate::cursor::{Cursor, ReadError};
use crate::limits::MAX_DICTIONARY_BYTES;
use crate::unread::Fault;

/// Memory of an xz decoder: a dictionary, and its own tables, for which 4 MiB are plenty.
const XZ_MEMORY_BYTES: u64 = MAX_DICTIONARY_BYTES + (4 << 20);

/// What an end-of-stream marker in place of a size looks like in the header of LZMA.
const UNKNOWN_SIZE: u64 = u64::MAX;

pub(crate) enum Engine {
    Deflate(Decompress),
    Deflate64(Box<InflaterManaged>),
    Bzip2(bzip2::Decompress),
    Xz(LzmaStream),
}

/// What one call did.
struct Step {
    consumed: usize,
    produced: usize,
    outcome: Result<Progress, Fault>,
}

#[derive(PartialEq)]
enum Progress {
    More,
    End,
}

impl Engine {
    pub(crate) fn deflate() -> Self {
        Self::Deflate(Decompress::new(false))
    }

    pub(crate) fn deflate64() -> Self {
        Self::Deflate64(Box::new(InflaterManaged::new()))
    }

    pub(crate) fn bzip2() -> Self {
        Self::Bzip2(bzip2::Decompress::new(false))
    }

    pub(crate) fn xz() -> Result<Self, Fault> {
        LzmaStream::new_stream_decoder(XZ_MEMORY_BYTES, liblzma::stream::TELL_UNSUPPORTED_CHECK)
            .map(Self::Xz)
            .map_err(|error| lzma_fault(&error))
    }

    /// LZMA as in a zip: its properties first, then data that ends after `bytes` or, if that is not known, with a marker.
    pub(crate) fn lzma(cursor: &mut Cursor<'_>, bytes: Option<u64>) -> Result<Self, ReadError> {
        let [_, _, properties_bytes, high] = cursor.array::<4>()?;
        if (properties_bytes, high) != (5, 0) {
            return Err(Fault::BadHeader.into());
        }
        let properties = cursor.array::<5>()?;
        let header = [properties.as_slice(), &bytes.unwrap_or(UNKNOWN_SIZE).to_le_bytes()].concat();
        let mut stream = LzmaStream::new_lzma_decoder(XZ_MEMORY_BYTES).map_err(|error| lzma_fault(&error))?;
        // It takes nothing without room for a byte, of which there is none yet.
        while stream.total_in() < header.len() as u64 {
            let given = stream.total_in();
            let rest = usize::try_from(given).ok().and_then(|given| header.get(given..)).unwrap_or_default();
            stream.process(rest, &mut [0], Action::Run).map_err(|error| lzma_fault(&error))?;
            if stream.total_in() == given {
                return Err(Fault::BadHeader.into());
            }
        }
        Ok(Self::Xz(stream))
    }

    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Step {
        match self {
            Self::Deflate(state) => {
                let (before_in, before_out) = (state.total_in(), state.total_out());
                let flush = if input.is_empty() { FlushDecompress::Finish } else { FlushDecompress::None };
                let outcome = match state.decompress(input, output, flush) {
                    Ok(flate2::Status::StreamEnd) => Ok(Progress::End),
                    Ok(flate2::Status::Ok | flate2::Status::BufError) => Ok(Progress::More),
                    Err(_) => Err(Fault::BadData),
                };
                step(state.total_in() - before_in, state.total_out() - before_out, outcome)
            }
            Self::Deflate64(state) => {
                let result = state.inflate(input, output);
                let outcome = match (result.data_error, state.finished()) {
                    (true, _) => Err(Fault::BadData),
                    (false, true) => Ok(Progress::End),
                    (false, false) => Ok(Progress::More),
                };
                Step { consumed: result.bytes_consumed, produced: result.bytes_written, outcome }
            }
            Self::Bzip2(state) => {
                let (before_in, before_out) = (state.total_in(), state.total_out());
                let outcome = match state.decompress(input, output) {
                    Ok(bzip2::Status::StreamEnd) => Ok(Progress::End),
                    Ok(bzip2::Status::MemNeeded) => Err(Fault::WindowTooLarge),
                    Ok(_) => Ok(Progress::More),
                    Err(_) => Err(Fault::BadData),
                };
                step(state.total_in() - before_in, state.total_out() - before_out, outcome)
            }
            Self::Xz(state) => {
                let (before_in, before_out) = (state.total_in(), state.total_out());
                let outcome = match state.process(input, output, Action::Run) {
                    Ok(LzmaStatus::StreamEnd) => Ok(Progress::End),
                    Ok(_) => Ok(Progress::More),
                    Err(error) => Err(lzma_fault(&error)),
                };
                step(state.total_in() - before_in, state.total_out() - before_out, outcome)
            }
        }
    }
}

fn step(consumed: u64, produced: u64, outcome: Result<Progress, Fault>) -> Step {
    // Both are at most the length of a slice.
    let length = |bytes| usize::try_from(bytes).unwrap_or(usize::MAX);
    Step { consumed: length(consumed), produced: length(produced), outcome }
}

fn lzma_fault(error: &LzmaError) -> Fault {
    match error {
        LzmaError::Mem | LzmaError::MemLimit => Fault::WindowTooLarge,
        LzmaError::Options | LzmaError::UnsupportedCheck => Fault::Method(95),
        _ => Fault::BadData,
    }
}

/// One stream of an engine.
pub(crate) struct Unpacker {
    engine: Engine,
    /// What the last call found, to be told once the bytes before it are handed over.
    outcome: Result<Progress, Fault>,
}

impl Unpacker {
    pub(crate) fn new(engine: Engine) -> Self {
        Self { engine, outcome: Ok(Progress::More) }
    }

    /// Reads on; 0 only at the stream's end.
    pub(crate) fn read(&mut self, cursor: &mut Cursor<'_>, output: &mut [u8]) -> Result<usize, ReadError> {
        if output.is_empty() {
            return Ok(0);
        }
        loop {
            match self.outcome {
                Ok(Progress::More) => {}
                Ok(Progress::End) => return Ok(0),
                Err(fault) => return Err(fault.into()),
            }
            let input = cursor.fill()?;
            let is_at_end = input.is_empty();
            let Step { consumed, produced, outcome } = self.engine.step(input, output);
            cursor.consume(consumed);
            self.outcome = match outcome {
                Ok(Progress::More) if (consumed, produced) == (0, 0) => {
                    Err(if is_at_end { Fault::Truncated } else { Fault::BadData })
                }
                outcome => outcome,
            };
            if produced > 0 {
                return Ok(produced);
            }
        }
    }
}
