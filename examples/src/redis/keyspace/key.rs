//! A key, as the keyspace has it.

use std::ops::Deref;

use super::memory::allocation;

/// The longest key that is stored in place. It makes an entry of the keyspace one cache line.
const MAX_SHORT_LEN: usize = 22;

/// The name of an entry; it never changes.
#[derive(Clone)]
pub(super) enum Key {
    Short { len: u8, bytes: [u8; MAX_SHORT_LEN] },
    Long(Box<[u8]>),
}

impl Key {
    /// Returns the memory that the key takes beyond itself.
    pub(super) fn memory(&self) -> usize {
        match self {
            Self::Short { .. } => 0,
            Self::Long(bytes) => allocation(bytes.len()),
        }
    }

    pub(super) fn is_short(&self) -> bool {
        matches!(self, Self::Short { .. })
    }
}

impl From<&[u8]> for Key {
    fn from(from: &[u8]) -> Self {
        if from.len() > MAX_SHORT_LEN {
            return Self::Long(from.into());
        }
        let mut bytes = [0; MAX_SHORT_LEN];
        bytes[..from.len()].copy_from_slice(from);
        Self::Short { len: from.len() as u8, bytes }
    }
}

impl Deref for Key {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Short { len, bytes } => &bytes[..usize::from(*len)],
            Self::Long(bytes) => bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_any_length_are_what_they_were_made_of() {
        for len in 0..100 {
            let text: Vec<u8> = (0..len).collect();
            let key = Key::from(&*text);
            assert_eq!(*key, *text);
            assert_eq!(key.is_short(), usize::from(len) <= MAX_SHORT_LEN);
        }
        assert_eq!(size_of::<Key>(), 24);
    }
}
