//! Finding where a line or a section of lines ends, without looking at any byte twice.

use memchr::memchr_iter;

/// What a scan found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The line or section is the first that many bytes.
    End(usize),
    /// It goes on behind the bytes that are there.
    Partial,
    /// A line break that is not CR LF, or a control byte, stands in it.
    Malformed,
    /// It does not end within the limit.
    TooLong,
}

/// The memory of a scan between two arrivals of bytes.
///
/// It goes forward only, so that a head that arrives one byte at a time costs no more than one
/// that arrives at once. The strictness about line breaks lives here, because everything behind it
/// takes a bare LF for a line break.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Scan {
    /// Invariant: the first `scanned` bytes of the input are clean and hold no end.
    scanned: usize,
    /// Length of the first line with its line break; 0 until that is seen.
    first_line: usize,
}

impl Scan {
    /// Tells whether nothing has been scanned yet.
    pub(super) fn is_new(&self) -> bool {
        self.scanned == 0
    }

    /// Looks for the end of the line that `input` starts with.
    pub(super) fn line(&mut self, input: &[u8], limit: usize) -> Found {
        self.advance(input, limit, |_| true)
    }

    /// Looks for the end of the section of lines that `input` starts with: its first empty line.
    pub(super) fn section(&mut self, input: &[u8], limit: usize) -> Found {
        self.advance(input, limit, |lines| lines == b"\r\n" || lines.ends_with(b"\r\n\r\n"))
    }

    /// Returns the first line of `input` with its line break, once a scan has passed it.
    pub(super) fn first_line<'a>(&self, input: &'a [u8]) -> Option<&'a [u8]> {
        (self.first_line > 0).then(|| &input[..self.first_line])
    }

    /// Goes on to the first line end at which `is_end` holds for all bytes up to there.
    fn advance(&mut self, input: &[u8], limit: usize, is_end: impl Fn(&[u8]) -> bool) -> Found {
        let window = &input[..input.len().min(limit)];
        let mut end = None;
        for offset in memchr_iter(b'\n', &window[self.scanned..]) {
            let lines = &window[..=self.scanned + offset];
            if self.first_line == 0 {
                self.first_line = lines.len();
            }
            if is_end(lines) {
                end = Some(lines.len());
                break;
            }
        }
        // One byte back, because a line break may have been cut in two.
        let fresh = &window[self.scanned.saturating_sub(1)..end.unwrap_or(window.len())];
        if window.first() == Some(&b'\n') || !is_clean(fresh) {
            return Found::Malformed;
        }
        match end {
            Some(end) => Found::End(end),
            None if window.len() == limit => Found::TooLong,
            None => {
                self.scanned = window.len();
                Found::Partial
            }
        }
    }
}

/// Tells whether CR and LF occur only as pairs, and no other control byte but tab occurs.
///
/// A CR at the very end may still become a pair, and an LF at the start may end one.
pub(super) fn is_clean(bytes: &[u8]) -> bool {
    let Some((&first, after)) = bytes.split_first() else { return true };
    let before = &bytes[..after.len()];
    let pairs_are_clean = match (before.last_chunk::<BLOCK>(), after.last_chunk::<BLOCK>()) {
        (Some(last_before), Some(last_after)) => {
            let mut faults = [0; BLOCK];
            for (before, after) in before.chunks_exact(BLOCK).zip(after.chunks_exact(BLOCK)) {
                add_faults(&mut faults, before, after);
            }
            // This block overlaps the one before it, so that no byte is left over.
            add_faults(&mut faults, last_before, last_after);
            faults == [0; BLOCK]
        }
        _ => before.iter().zip(after).all(|(&a, &b)| !is_fault(a, b)),
    };
    pairs_are_clean && !is_control(first)
}

/// As many bytes as the vector instructions of every processor take at once.
const BLOCK: usize = 16;

/// Marks the bytes of a block of `after` that must not stand behind those of `before`.
///
/// There is no early exit, so that it takes a few vector instructions.
#[inline(always)]
fn add_faults(faults: &mut [u8; BLOCK], before: &[u8], after: &[u8]) {
    for ((fault, &a), &b) in faults.iter_mut().zip(before).zip(after) {
        *fault |= u8::from(is_fault(a, b));
    }
}

/// Tells whether `b` must not stand behind `a`.
#[inline]
fn is_fault(a: u8, b: u8) -> bool {
    ((a == b'\r') != (b == b'\n')) | is_control(b)
}

/// Tells whether `byte` is a control byte that must stand nowhere.
#[inline]
fn is_control(byte: u8) -> bool {
    let white = (byte == b'\t') | (byte == b'\r') | (byte == b'\n');
    ((byte < b' ') & !white) | (byte == 0x7f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_and_faults() {
        let cases: [(&[u8], Found, Found); 14] = [
            (b"", Found::Partial, Found::Partial),
            (b"a", Found::Partial, Found::Partial),
            (b"a\r", Found::Partial, Found::Partial),
            (b"a\r\n", Found::End(3), Found::Partial),
            (b"\r\n", Found::End(2), Found::End(2)),
            (b"a\r\n\r\n", Found::End(3), Found::End(5)),
            (b"a\r\nb\r\n\r\n\0", Found::End(3), Found::End(8)),
            (b"a\r\nb\n", Found::End(3), Found::Malformed),
            (b"\n", Found::Malformed, Found::Malformed),
            (b"a\n", Found::Malformed, Found::Malformed),
            (b"\ra", Found::Malformed, Found::Malformed),
            (b"\0", Found::Malformed, Found::Malformed),
            (b"a\x7f", Found::Malformed, Found::Malformed),
            (b"0123456789", Found::TooLong, Found::TooLong),
        ];
        for (input, line, section) in cases {
            assert_eq!(Scan::default().line(input, 10), line, "{}", input.escape_ascii());
            assert_eq!(Scan::default().section(input, 10), section, "{}", input.escape_ascii());
        }
    }

    /// Bytes are looked at in blocks, and a fault can be anywhere in one or between two.
    #[test]
    fn a_fault_is_found_wherever_it_is() {
        for len in 0..50 {
            let bytes = vec![b'a'; len];
            assert!(is_clean(&bytes));
            for position in 0..len {
                for byte in 0..=u8::MAX {
                    let mut bytes = bytes.clone();
                    bytes[position] = byte;
                    let expected = match byte {
                        b'\n' => position == 0,
                        b'\r' => position == len - 1,
                        _ => byte == b'\t' || !byte.is_ascii_control(),
                    };
                    assert_eq!(is_clean(&bytes), expected, "{byte:#x} at {position} of {len}");
                }
            }
        }
    }

    /// A scan that started over for each byte would look at all of them again.
    #[test]
    fn goes_forward_only() {
        let input = b"a: b\r\nc: d\r\n\r\n";
        let mut scan = Scan::default();
        for len in 1..input.len() {
            assert_eq!(scan.section(&input[..len], 100), Found::Partial);
            assert_eq!(scan.scanned, len);
        }
        assert_eq!(scan.first_line(input), Some(&b"a: b\r\n"[..]));
        assert_eq!(scan.section(input, 100), Found::End(input.len()));
    }
}
