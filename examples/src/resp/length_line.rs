//! The lines that announce how much follows.

use super::error::ProtocolError;
use super::{MAX_ARGUMENTS, MAX_BULK_LEN};

/// A line that announces a length.
#[derive(Clone, Copy)]
pub(super) enum LengthLine {
    /// `*3\r\n`, how many arguments follow.
    Arguments,
    /// `$5\r\n`, how many bytes the argument that follows has.
    Bulk,
}

impl LengthLine {
    pub(super) fn marker(self) -> u8 {
        match self {
            Self::Arguments => b'*',
            Self::Bulk => b'$',
        }
    }

    /// Returns `length` if the line may hold it.
    pub(super) fn checked(self, length: i64) -> Option<usize> {
        let (length, max) = match self {
            // As in redis, an array of less than nothing is an empty request.
            Self::Arguments => (length.max(0), MAX_ARGUMENTS),
            Self::Bulk => (length, MAX_BULK_LEN),
        };
        usize::try_from(length).ok().filter(|&length| length <= max)
    }

    pub(super) fn invalid(self) -> ProtocolError {
        match self {
            Self::Arguments => ProtocolError::InvalidMultibulkLength,
            Self::Bulk => ProtocolError::InvalidBulkLength,
        }
    }

    pub(super) fn endless(self) -> ProtocolError {
        match self {
            Self::Arguments => ProtocolError::TooBigMultibulkCount,
            Self::Bulk => ProtocolError::TooBigBulkCount,
        }
    }
}
