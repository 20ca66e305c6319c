//! An `InputStream` against the obvious way to do the same.
#![no_main]

use evio::{InputStream, LengthPrefix};
use libfuzzer_sys::fuzz_target;

/// Small, so that it is reached.
const MAX_LEN: usize = 64;

/// What is to be taken from the front, and what is left then. `None` is for what is not whole, an
/// error for what is too long.
type Taken<'a> = Result<Option<(&'a [u8], &'a [u8])>, ()>;

fn line(input: &[u8], max_len: usize) -> Taken<'_> {
    let end = input.iter().position(|&byte| byte == b'\n');
    let line = &input[..end.unwrap_or(input.len())];
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.len() > max_len {
        return Err(());
    }
    Ok(end.map(|end| (line, &input[end + 1..])))
}

fn message(input: &[u8], max_len: usize) -> Taken<'_> {
    let Some((&len, rest)) = input.split_first() else { return Ok(None) };
    if usize::from(len) > max_len {
        return Err(());
    }
    Ok(rest.split_at_checked(len.into()))
}

// Pieces of input, each with what is done then: bytes are consumed, or a line or a message taken.
fuzz_target!(|steps: Vec<(&[u8], u8, u8)>| {
    let mut stream = InputStream::with_max_len(MAX_LEN);
    let mut expected = Vec::new();
    for (piece, kind, count) in steps {
        assert_eq!(stream.len(), expected.len());
        let Ok(mut unread) = stream.begin(piece) else {
            assert!(expected.len() > MAX_LEN);
            return;
        };
        assert!(expected.len() <= MAX_LEN);
        expected.extend_from_slice(piece);
        assert_eq!(*unread, *expected);
        let count = usize::from(count);
        let (found, taken) = match kind % 3 {
            0 => {
                let count = count.min(expected.len());
                unread.consume(count);
                expected.drain(..count);
                continue;
            }
            1 => (line(&expected, count), unread.take_line(count)),
            _ => (message(&expected, count), unread.take_prefixed(LengthPrefix::U8, count)),
        };
        assert_eq!(taken.map_err(drop), found.map(|found| found.map(|(frame, _)| frame)));
        let left = found.ok().flatten().map_or(expected.len(), |(_, rest)| rest.len());
        expected.drain(..expected.len() - left);
        assert_eq!(*unread, *expected);
    }
});
