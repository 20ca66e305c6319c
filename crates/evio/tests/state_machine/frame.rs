//! The frames that a server sends: they tell apart the bytes of several threads, each frame whole
//! and in the order of its writer.

use super::noise::{Stream, hash};

/// Length of the part in front of a frame's bytes.
pub(crate) const HEADER: usize = 24;

/// The writer of everything that is written on the loop's thread, through a `Conn`.
pub(crate) const LOOP: u16 = 0;
/// Others send by a handle: first each loop, then the threads that do nothing else.
pub(crate) const SENDERS: usize = 4;
/// The writer that the first of them is.
pub(crate) const FIRST_SENDER: u16 = 1;
/// The first of those that broadcast, in the same order.
pub(crate) const FIRST_BROADCASTER: u16 = FIRST_SENDER + SENDERS as u16;
/// The connection that a broadcast is for.
pub(crate) const EVERYBODY: u32 = u32::MAX;

/// Written where nothing is taken any more: must never arrive.
pub(crate) const NEVER: u32 = u32::MAX;

/// When something was written: the loop, and how often it had called `pre_write` by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) loop_id: u16,
    pub(crate) pre_writes: u32,
}

impl Written {
    /// Of what need not wait for `pre_write`, or is written by another thread.
    pub(crate) const AT_ANY_TIME: Self = Self { loop_id: u16::MAX, pre_writes: 0 };
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) number: u32,
    pub(crate) writer: u16,
    /// Counts the frames of a writer.
    pub(crate) sequence: u32,
    /// Without the header.
    pub(crate) len: u32,
    pub(crate) written: Written,
}

impl Frame {
    pub(crate) fn header(&self, seed: u64) -> [u8; HEADER] {
        let mut header = [0; HEADER];
        let Written { loop_id, pre_writes } = self.written;
        header[..4].copy_from_slice(&self.number.to_le_bytes());
        header[4..6].copy_from_slice(&self.writer.to_le_bytes());
        header[6..8].copy_from_slice(&loop_id.to_le_bytes());
        header[8..12].copy_from_slice(&self.sequence.to_le_bytes());
        header[12..16].copy_from_slice(&pre_writes.to_le_bytes());
        header[16..20].copy_from_slice(&self.len.to_le_bytes());
        let check = check(&header, seed).to_le_bytes();
        header[20..].copy_from_slice(&check);
        header
    }

    fn parse(header: &[u8], seed: u64) -> Option<Self> {
        let word = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|i| header[at + i]));
        let half = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
        (word(20) == check(header, seed)).then(|| Self {
            number: word(0),
            writer: half(4),
            sequence: word(8),
            len: word(16),
            written: Written { loop_id: half(6), pre_writes: word(12) },
        })
    }

    pub(crate) fn body(&self, seed: u64) -> &'static [u8] {
        let key = [seed, self.number.into(), self.writer.into(), self.sequence.into()];
        Stream::of(&key).at(0, self.len as usize)
    }

    /// Returns header and body in one.
    pub(crate) fn bytes(&self, seed: u64) -> Vec<u8> {
        [&self.header(seed)[..], self.body(seed)].concat()
    }
}

fn check(header: &[u8], seed: u64) -> u32 {
    let words = header[..20].chunks_exact(4).map(|word| {
        u64::from(u32::from_le_bytes(word.try_into().expect("chunks of four have four bytes")))
    });
    let words: Vec<u64> = words.chain([seed]).collect();
    hash(&words) as u32
}

/// Parses a stream of frames, and compares every byte.
#[derive(Debug)]
pub(crate) struct Reader {
    seed: u64,
    header: Vec<u8>,
    frame: Option<Frame>,
    /// The rest of the frame, which is still to come.
    body: &'static [u8],
}

impl Reader {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, header: Vec::new(), frame: None, body: &[] }
    }

    /// Returns whether the stream is between two frames.
    pub(crate) fn is_between(&self) -> bool {
        self.header.is_empty() && self.frame.is_none()
    }

    /// Parses the next bytes, and returns the frames that are whole now.
    ///
    /// # Errors
    ///
    /// Says which byte is wrong.
    pub(crate) fn take(&mut self, mut bytes: &[u8]) -> Result<Vec<Frame>, String> {
        let mut whole = Vec::new();
        while !bytes.is_empty() || self.frame.is_some() && self.body.is_empty() {
            if let Some(frame) = self.frame {
                let len = bytes.len().min(self.body.len());
                let (expected, rest) = self.body.split_at(len);
                if bytes[..len] != *expected {
                    let differs = (0..len).find(|&at| bytes[at] != expected[at]);
                    let at = frame.len as usize - self.body.len() + differs.unwrap_or(0);
                    return Err(format!("byte {at} of the body is wrong: {frame:?}"));
                }
                (self.body, bytes) = (rest, &bytes[len..]);
                if self.body.is_empty() {
                    whole.push(frame);
                    self.frame = None;
                }
                continue;
            }
            let len = bytes.len().min(HEADER - self.header.len());
            self.header.extend_from_slice(&bytes[..len]);
            bytes = &bytes[len..];
            if self.header.len() == HEADER {
                let Some(frame) = Frame::parse(&self.header, self.seed) else {
                    return Err(format!("no header of a frame: {:?}", self.header));
                };
                self.header.clear();
                (self.body, self.frame) = (frame.body(self.seed), Some(frame));
            }
        }
        Ok(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: u64 = 7;

    fn frames() -> Vec<Frame> {
        let written = Written::AT_ANY_TIME;
        let frame = |sequence, len| Frame { number: 3, writer: LOOP, sequence, len, written };
        vec![frame(0, 10), frame(1, 0), frame(2, 300)]
    }

    fn stream() -> Vec<u8> {
        frames().iter().flat_map(|frame| frame.bytes(SEED)).collect()
    }

    #[test]
    fn frames_come_back_however_they_are_cut() {
        for step in [1, 2, 23, 24, 25, 1_000] {
            let mut reader = Reader::new(SEED);
            let mut seen = Vec::new();
            for piece in stream().chunks(step) {
                seen.extend(reader.take(piece).unwrap());
            }
            assert_eq!(seen, frames(), "{step}");
            assert!(reader.is_between());
        }
    }

    #[test]
    fn a_lost_doubled_swapped_or_changed_byte_is_seen() {
        let stream = stream();
        let is_seen = |bytes: &[u8]| {
            let mut reader = Reader::new(SEED);
            let seen = reader.take(bytes);
            seen.is_err() || seen != Ok(frames()) || !reader.is_between()
        };
        assert!(!is_seen(&stream));
        for at in 0..stream.len() {
            let mut changed = stream.clone();
            changed[at] ^= 1;
            assert!(is_seen(&changed), "changed {at}");
            let mut lost = stream.clone();
            lost.remove(at);
            assert!(is_seen(&lost), "lost {at}");
            let mut doubled = stream.clone();
            doubled.insert(at, stream[at]);
            assert!(is_seen(&doubled), "doubled {at}");
            if at > 0 && stream[at] != stream[at - 1] {
                let mut swapped = stream.clone();
                swapped.swap(at - 1, at);
                assert!(is_seen(&swapped), "swapped {at}");
            }
        }
    }
}
