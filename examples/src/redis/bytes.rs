//! Byte strings that need no allocation while they are short.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

use super::keyspace::allocation;

/// The longest string that is stored in place.
///
/// It makes `Bytes` half a cache line, and is longer than most keys and many values. To find such
/// a key and to read its value touches the table alone, instead of two allocations more: at the
/// size of a real keyspace each of these would be a cache miss.
const MAX_SHORT_LEN: usize = 30;

/// The room that a string may keep beyond twice its length when it is overwritten.
///
/// So a value that varies a little is overwritten in place, and one that was long once does not
/// stay so.
const KEPT_SLACK: usize = 64;

/// A byte string: a key, a value, or an element of a collection.
#[derive(Clone)]
pub(super) enum Bytes {
    Short { len: u8, bytes: [u8; MAX_SHORT_LEN] },
    Long(Vec<u8>),
}

impl Bytes {
    /// Returns the memory that the string takes beyond itself.
    pub(super) fn memory(&self) -> usize {
        match self {
            Self::Short { .. } => 0,
            Self::Long(bytes) => allocation(bytes.capacity()),
        }
    }

    /// Replaces the string by `new`.
    pub(super) fn set(&mut self, new: &[u8]) {
        if !self.set_in_place(new) {
            *self = Self::from(new);
        }
    }

    /// Replaces the string by `new` if it needs no other memory for that; tells whether it has.
    #[inline]
    pub(super) fn set_in_place(&mut self, new: &[u8]) -> bool {
        match self {
            Self::Short { len, bytes } if new.len() <= MAX_SHORT_LEN => {
                bytes[..new.len()].copy_from_slice(new);
                *len = new.len() as u8;
                true
            }
            Self::Long(old) if is_worth_keeping(old.capacity(), new.len()) => {
                old.clear();
                old.extend_from_slice(new);
                true
            }
            _ => false,
        }
    }

    /// Writes `part` at `offset`; what is missing before it becomes zeros.
    pub(super) fn write_at(&mut self, offset: usize, part: &[u8]) {
        let end = offset + part.len();
        if matches!(self, Self::Short { len, .. } if end > usize::from(*len)) {
            let mut longer = self.to_vec();
            longer.resize(end, 0);
            *self = Self::from(longer);
        }
        match self {
            Self::Short { bytes, .. } => bytes[offset..end].copy_from_slice(part),
            Self::Long(bytes) => {
                bytes.resize(bytes.len().max(end), 0);
                bytes[offset..end].copy_from_slice(part);
            }
        }
    }

    /// Appends `tail`; in amortised constant time for each of its bytes.
    pub(super) fn append(&mut self, tail: &[u8]) {
        match self {
            Self::Long(bytes) => bytes.extend_from_slice(tail),
            short => *short = Self::from([&**short, tail].concat()),
        }
    }
}

/// Tells whether a string of `len` bytes needs an allocation, fits this one and does not waste it.
fn is_worth_keeping(capacity: usize, len: usize) -> bool {
    len > MAX_SHORT_LEN && len <= capacity && capacity <= 2 * len + KEPT_SLACK
}

impl From<&[u8]> for Bytes {
    fn from(from: &[u8]) -> Self {
        if from.len() > MAX_SHORT_LEN {
            return Self::Long(from.to_vec());
        }
        let mut bytes = [0; MAX_SHORT_LEN];
        bytes[..from.len()].copy_from_slice(from);
        Self::Short { len: from.len() as u8, bytes }
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(from: Vec<u8>) -> Self {
        if from.len() > MAX_SHORT_LEN { Self::Long(from) } else { Self::from(&*from) }
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Short { len, bytes } => &bytes[..usize::from(*len)],
            Self::Long(bytes) => bytes,
        }
    }
}

impl Borrow<[u8]> for Bytes {
    fn borrow(&self) -> &[u8] {
        self
    }
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Hash for Bytes {
    // As `Borrow` demands, the same as that of the slice.
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl PartialEq for Bytes {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Bytes {}

impl PartialOrd for Bytes {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Bytes {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (**self).cmp(&**other)
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(len: usize) -> Vec<u8> {
        (0..len).map(|byte| byte as u8).collect()
    }

    #[test]
    fn short_and_long_strings_replace_each_other() {
        for first in 0..100 {
            for second in 0..100 {
                let mut bytes = Bytes::from(&*text(first));
                assert_eq!(*bytes, *text(first));
                bytes.set(&text(second));
                assert_eq!(bytes, Bytes::from(text(second)));
                let is_short = matches!(bytes, Bytes::Short { .. });
                assert_eq!(is_short, second <= MAX_SHORT_LEN, "{first} then {second}");
                bytes.append(&text(first));
                assert_eq!(*bytes, [text(second), text(first)].concat());
            }
        }
    }

    #[test]
    fn an_allocation_is_kept_while_it_fits() {
        let address = |bytes: &Bytes| bytes.as_ptr();
        let mut bytes = Bytes::from(&*text(100));
        let before = address(&bytes);
        for len in [90, 100, 31, 64] {
            bytes.set(&text(len));
            assert_eq!(address(&bytes), before, "{len}");
        }
        let mut bytes = Bytes::from(vec![0; 1 << 20]);
        bytes.set(&text(100));
        assert!(matches!(bytes, Bytes::Long(bytes) if bytes.capacity() < 1000));
    }

    #[test]
    fn a_string_is_half_a_cache_line() {
        assert_eq!(size_of::<Bytes>(), 32);
    }
}
