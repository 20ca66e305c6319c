//! Lines and messages, however the input is split.
#![no_main]

use evio::{InputStream, LengthPrefix, Unread};
use libfuzzer_sys::fuzz_target;

/// What takes one frame: `None` if there is none yet, an error for one that is too long.
type Take = fn(&mut Unread<'_>, usize) -> Result<Option<Vec<u8>>, ()>;

const TAKES: [Take; 6] = [
    |unread, max_len| owned(unread.take_line(max_len)),
    |unread, max_len| owned(unread.take_prefixed(LengthPrefix::U8, max_len)),
    |unread, max_len| owned(unread.take_prefixed(LengthPrefix::U16Be, max_len)),
    |unread, max_len| owned(unread.take_prefixed(LengthPrefix::U16Le, max_len)),
    |unread, max_len| owned(unread.take_prefixed(LengthPrefix::U32Be, max_len)),
    |unread, max_len| owned(unread.take_prefixed(LengthPrefix::U32Le, max_len)),
];

fn owned<E>(taken: Result<Option<&[u8]>, E>) -> Result<Option<Vec<u8>>, ()> {
    taken.map(|frame| frame.map(<[u8]>::to_vec)).map_err(drop)
}

/// Takes all frames out of pieces of input. Returns them and how much is left; `None` if one is too
/// long.
fn frames<'a>(
    pieces: impl Iterator<Item = &'a [u8]>,
    take: Take,
    max_len: usize,
) -> (Vec<Vec<u8>>, Option<usize>) {
    let mut stream = InputStream::new();
    let mut frames = Vec::new();
    for piece in pieces {
        let mut unread = stream.begin(piece).expect("the input is short");
        loop {
            match take(&mut unread, max_len) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(()) => return (frames, None),
            }
        }
    }
    (frames, Some(stream.len()))
}

/// Cuts the input after as many bytes as each of `lens` says, again and again.
fn split<'a>(mut input: &'a [u8], lens: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut lens = lens.iter().cycle();
    std::iter::from_fn(move || {
        if input.is_empty() {
            return None;
        }
        let len = lens.next().map_or(1, |&len| usize::from(len).max(1));
        let (piece, rest) = input.split_at(len.min(input.len()));
        input = rest;
        Some(piece)
    })
}

fuzz_target!(|input: (u8, u16, &[u8], &[u8])| {
    let (kind, max_len, lens, bytes) = input;
    let (take, max_len) = (TAKES[usize::from(kind) % TAKES.len()], usize::from(max_len));
    let whole = frames([bytes].into_iter(), take, max_len);
    assert_eq!(whole, frames(split(bytes, lens), take, max_len));
    assert_eq!(whole, frames(split(bytes, &[1]), take, max_len));
});
