//! One frame of zstd (RFC 8878).

use ruzstd::decoding::errors::{FrameDecoderError, FrameHeaderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use std::io::Read;

use crate::cursor::{Cursor, ReadError};
use crate::limits::MAX_DICTIONARY_BYTES;
use crate::unread::Fault;

pub(crate) const FRAME: u32 = 0xfd2f_b528;

/// The last block of a frame, with nothing in it, and four bytes for a checksum.
const EMPTY_END: &[u8] = &[1, 0, 0, 0, 0, 0, 0];

/// Whether the number is that of a frame that decoders skip.
pub(crate) fn is_skippable(magic: u32) -> bool {
    magic & 0xffff_fff0 == 0x184d_2a50
}

/// Whether the number is that of the formats before 1.0, of 2015 and 2016.
pub(crate) fn is_legacy(magic: u32) -> bool {
    (0xfd2f_b51e..=0xfd2f_b527).contains(&magic)
}

pub(crate) struct Frame {
    decoder: Box<FrameDecoder>,
    unpacked_bytes: u64,
    fault: Option<Fault>,
}

impl Frame {
    /// Reads the header.
    pub(crate) fn open(cursor: &mut Cursor<'_>) -> Result<Self, ReadError> {
        let mut decoder = Box::new(FrameDecoder::new());
        decoder.set_max_window_size(MAX_DICTIONARY_BYTES);
        cursor.ran_out = false;
        decoder.init(&mut *cursor).map_err(|error| read_error(cursor, &error))?;
        Ok(Self { decoder, unpacked_bytes: 0, fault: None })
    }

    /// Reads on; 0 only at the frame's end, when its checksum and length were right.
    pub(crate) fn read(&mut self, cursor: &mut Cursor<'_>, output: &mut [u8]) -> Result<usize, ReadError> {
        while !self.decoder.is_finished() && self.decoder.can_collect() == 0 {
            let decoded = self.decoder.decode_blocks(&mut *cursor, BlockDecodingStrategy::UptoBlocks(1));
            if let Err(error) = decoded {
                match read_error(cursor, &error) {
                    ReadError::Fault(fault) => self.give_up(fault),
                    failed @ ReadError::Source(_) => return Err(failed),
                }
            }
        }
        let count = self.decoder.read(output).map_err(|_| Fault::BadData)?;
        self.unpacked_bytes += count as u64;
        if count == 0 && !output.is_empty() {
            self.check()?;
        }
        Ok(count)
    }

    /// Ends the frame here. The decoder holds back as much as its window has until it sees the last block: 8 MiB of what may be
    /// malware.
    fn give_up(&mut self, fault: Fault) {
        self.fault = Some(fault);
        if self.decoder.decode_blocks(EMPTY_END, BlockDecodingStrategy::UptoBlocks(1)).is_err() {
            *self.decoder = FrameDecoder::new();
        }
    }

    fn check(&self) -> Result<(), Fault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let expected = self.decoder.get_checksum_from_data();
        if expected.is_some() && expected != self.decoder.get_calculated_checksum() {
            return Err(Fault::BadChecksum);
        }
        // 0 is what the decoder says of a frame that does not tell.
        if ![0, self.unpacked_bytes].contains(&self.decoder.content_size()) {
            return Err(Fault::WrongSize);
        }
        Ok(())
    }
}

fn read_error(cursor: &mut Cursor<'_>, error: &FrameDecoderError) -> ReadError {
    if let Some(failure) = cursor.failure.take() {
        return failure.into();
    }
    let fault = match error {
        FrameDecoderError::WindowSizeTooBig { .. }
        | FrameDecoderError::FrameHeaderError(FrameHeaderError::WindowTooBig { .. }) => Fault::WindowTooLarge,
        FrameDecoderError::DictNotProvided { .. } => Fault::Dictionary,
        _ if cursor.ran_out => Fault::Truncated,
        FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::BadMagicNumber(_)) => Fault::BadHeader,
        _ => Fault::BadData,
    };
    fault.into()
}
