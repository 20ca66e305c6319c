//! Lines and messages, against the obvious way to find them in the whole input.

use super::*;

const PREFIXES: [LengthPrefix; 5] = [
    LengthPrefix::U8,
    LengthPrefix::U16Be,
    LengthPrefix::U16Le,
    LengthPrefix::U32Be,
    LengthPrefix::U32Le,
];

/// The frames that were found, and whether the next one was too long.
type Found = (Vec<Vec<u8>>, bool);

/// Takes all frames out of input that arrives in `pieces`, until one is too long.
fn take_all<'p>(
    pieces: impl IntoIterator<Item = &'p [u8]>,
    mut take: impl FnMut(&mut Unread<'_>) -> Result<Option<Vec<u8>>, FrameTooLong>,
) -> Found {
    let mut stream = InputStream::new();
    let mut frames = Vec::new();
    let mut arrived = 0;
    for piece in pieces {
        let mut input = stream.begin(piece).unwrap();
        arrived += piece.len();
        loop {
            // Each takes a byte at least; a frame that is not consumed would come for ever.
            assert!(frames.len() <= arrived, "more frames than bytes");
            match take(&mut input) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(_) => return (frames, true),
            }
        }
    }
    (frames, false)
}

fn take_lines<'p>(pieces: impl IntoIterator<Item = &'p [u8]>, max_len: usize) -> Found {
    take_all(pieces, |input| Ok(input.take_line(max_len)?.map(<[u8]>::to_vec)))
}

/// The lines of input that is there as a whole.
fn expected_lines(input: &[u8], max_len: usize) -> Found {
    let mut lines = Vec::new();
    let mut parts = input.split(|&byte| byte == b'\n').peekable();
    while let Some(line) = parts.next() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() > max_len {
            return (lines, true);
        }
        if parts.peek().is_some() {
            lines.push(line.to_vec());
        }
    }
    (lines, false)
}

/// Cuts `input` behind each byte whose bit is set in `cuts`.
fn cut(input: &[u8], cuts: usize) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    let mut start = 0;
    for end in 1..=input.len() {
        if end == input.len() || cuts >> (end - 1) & 1 == 1 {
            pieces.push(&input[start..end]);
            start = end;
        }
    }
    pieces
}

/// All inputs of six bytes that matter, in all 32 cuttings: the same lines, and the same error.
#[test]
fn every_cutting_gives_the_same_lines() {
    const LEN: usize = 6;
    for number in 0..3usize.pow(LEN as u32) {
        let byte = |place| b"a\r\n"[number / 3usize.pow(place as u32) % 3];
        let input: [u8; LEN] = std::array::from_fn(byte);
        for max_len in 0..4 {
            let expected = expected_lines(&input, max_len);
            for cuts in 0..1 << (LEN - 1) {
                let pieces = cut(&input, cuts);
                let found = take_lines(pieces.iter().copied(), max_len);
                assert_eq!(found, expected, "{pieces:?}, at most {max_len}");
            }
        }
    }
}

/// Long enough for the stream to move what is unread to the front of its buffer.
#[test]
fn lines_are_found_in_pieces_of_every_length() {
    let mut input = Vec::new();
    for len in (0..70).chain([1, 200, 3, 0, 64]) {
        input.extend((b'a'..=b'z').cycle().take(len));
        input.extend_from_slice(if len % 3 == 0 { b"\r\n" } else { b"\n" });
    }
    let expected = expected_lines(&input, 200);
    assert_eq!((expected.0.len(), expected.1), (75, false));
    for len in 1..=input.len() {
        assert_eq!(take_lines(input.chunks(len), 200), expected, "pieces of {len}");
    }
}

fn frame(prefix: LengthPrefix, message: &[u8]) -> Vec<u8> {
    let len = u32::try_from(message.len()).unwrap();
    let [a, b, c, d] = len.to_be_bytes();
    let head = match prefix {
        LengthPrefix::U8 => vec![d],
        LengthPrefix::U16Be => vec![c, d],
        LengthPrefix::U16Le => vec![d, c],
        LengthPrefix::U32Be => vec![a, b, c, d],
        LengthPrefix::U32Le => vec![d, c, b, a],
    };
    [head, message.to_vec()].concat()
}

#[test]
fn every_cutting_gives_the_same_messages() {
    let messages: Vec<Vec<u8>> =
        [0, 3, 1, 0, 0, 255, 17, 254, 2, 0].map(|len| (0..len).collect()).into();
    for prefix in PREFIXES {
        let input: Vec<u8> = messages.iter().flat_map(|message| frame(prefix, message)).collect();
        let take_all = |pieces: &mut dyn Iterator<Item = &'_ [u8]>| {
            take_all(pieces, |input| Ok(input.take_prefixed(prefix, 255)?.map(<[u8]>::to_vec)))
        };
        for len in 1..=input.len() {
            let (first, second) = input.split_at(len);
            for found in
                [take_all(&mut input.chunks(len)), take_all(&mut [first, second].into_iter())]
            {
                assert!(found == (messages.clone(), false), "{prefix:?}, cut at {len}: {found:?}");
            }
        }
    }
}

#[test]
fn a_prefix_is_read_in_its_order() {
    let lens = [
        (LengthPrefix::U8, 0x12),
        (LengthPrefix::U16Be, 0x1234),
        (LengthPrefix::U16Le, 0x3412),
        (LengthPrefix::U32Be, 0x1234_5678),
        (LengthPrefix::U32Le, 0x7856_3412),
    ];
    for (prefix, len) in lens {
        let mut stream = InputStream::new();
        let mut input = stream.begin(b"\x12\x34\x56\x78").unwrap();
        let error = input.take_prefixed(prefix, len - 1).unwrap_err();
        assert_eq!((error.len(), error.max_len()), (Some(len), len - 1), "{prefix:?}");
        assert_eq!(input.take_prefixed(prefix, len), Ok(None), "{prefix:?}");
    }
}

#[test]
fn the_first_of_several_ends_is_found_at_every_place() {
    for len in 0..3 * CHUNK {
        let mut bytes = vec![b'x'; len];
        assert_eq!(find_newline(&bytes), None);
        for place in (0..len).rev() {
            bytes[place] = b'\n';
            assert_eq!(find_newline(&bytes), Some(place), "of {len}");
        }
    }
}

#[test]
fn a_line_of_the_limit_passes_and_one_byte_more_fails() {
    let passing = [
        ("1234\n", Some("1234")),
        ("1234\r\n", Some("1234")),
        ("123\r\r\n", Some("123\r")),
        // The end of the line may be missing, or half of it.
        ("1234", None),
        ("1234\r", None),
    ];
    for (bytes, expected) in passing {
        let mut stream = InputStream::new();
        let mut input = stream.begin(bytes.as_bytes()).unwrap();
        assert_eq!(input.take_line(4), Ok(expected.map(str::as_bytes)), "{bytes:?}");
    }
    let failing =
        ["12345\n", "12345\r\n", "1234\r\r\n", "1234\rx", "1234\r\r", "12345", "1234567890\n"];
    for bytes in failing {
        let mut stream = InputStream::new();
        let mut input = stream.begin(bytes.as_bytes()).unwrap();
        for _ in 0..2 {
            assert_eq!(input.take_line(4), Err(FrameTooLong::line(4)), "{bytes:?}");
            assert_eq!(*input, *bytes.as_bytes(), "nothing is taken");
        }
    }
}

#[test]
fn a_message_of_the_limit_passes_and_one_byte_more_fails_before_it_arrives() {
    let mut stream = InputStream::new();
    let mut input = stream.begin(b"\x04abcd\x05").unwrap();
    assert_eq!(input.take_prefixed(LengthPrefix::U8, 4), Ok(Some(b"abcd".as_slice())));
    for _ in 0..2 {
        let error = input.take_prefixed(LengthPrefix::U8, 4).unwrap_err();
        assert_eq!((error.len(), error.max_len()), (Some(5), 4));
        assert_eq!(*input, *b"\x05");
    }
}

#[test]
fn whole_lines_and_messages_are_not_copied() {
    let mut stream = InputStream::new();
    let packet = b"line\n\x02me".as_slice();
    let mut input = stream.begin(packet).unwrap();
    assert!(std::ptr::eq(input.take_line(9).unwrap().unwrap(), &raw const packet[..4]));
    let message = input.take_prefixed(LengthPrefix::U8, 9).unwrap().unwrap();
    assert!(std::ptr::eq(message, &raw const packet[6..]));
    assert_eq!(input.take_line(9), Ok(None));
    assert_eq!(input.take_prefixed(LengthPrefix::U8, 9), Ok(None));
    drop(input);
    assert_eq!(stream.buffer.capacity(), 0);
}

#[test]
fn each_byte_of_a_dripping_line_is_searched_once() {
    const LEN: usize = 10_000;
    for piece in [1, 7, 100] {
        let line = vec![b'x'; LEN];
        let mut stream = InputStream::new();
        let mut searched = 0;
        for piece in line.chunks(piece) {
            let mut input = stream.begin(piece).unwrap();
            // The second call finds nothing left to search.
            for _ in 0..2 {
                searched += input.range_to_search(LEN).len();
                assert_eq!(input.take_line(LEN), Ok(None));
            }
        }
        assert_eq!(searched, LEN, "pieces of {piece}");
        assert_eq!(stream.begin(b"\n").unwrap().take_line(LEN), Ok(Some(&line[..])));
    }
}

/// A line that is far too long costs no more than one that is just too long.
#[test]
fn no_byte_beyond_the_limit_is_searched() {
    let mut stream = InputStream::new();
    let input = stream.begin(&[b'x'; 1000]).unwrap();
    assert_eq!(input.range_to_search(10), 0..12);
}

#[test]
fn what_was_searched_and_then_consumed_hides_no_line() {
    let mut stream = InputStream::new();
    let mut input = stream.begin(b"abc").unwrap();
    assert_eq!(input.take_line(9), Ok(None));
    input.consume(2);
    drop(input);
    let mut input = stream.begin(b"\nd\n").unwrap();
    assert_eq!(input.take_line(9), Ok(Some(b"c".as_slice())));
    assert_eq!(input.take_line(9), Ok(Some(b"d".as_slice())));
    drop(input);

    let mut input = stream.begin(b"abc").unwrap();
    assert_eq!(input.take_line(9), Ok(None));
    input.consume(3);
    drop(input);
    // Not searched when it arrives.
    drop(stream.begin(b"\ne\n").unwrap());
    let mut input = stream.begin(b"").unwrap();
    assert_eq!(input.take_line(9), Ok(Some(b"".as_slice())));
    assert_eq!(input.take_line(9), Ok(Some(b"e".as_slice())));
}

#[test]
fn a_lower_limit_than_before_is_kept() {
    let mut stream = InputStream::new();
    let mut input = stream.begin(b"123456").unwrap();
    assert_eq!(input.take_line(9), Ok(None));
    assert!(input.take_line(5).is_err());
    assert_eq!(input.take_line(6), Ok(None));
}

#[test]
fn announced_memory_is_reserved_by_what_has_arrived() {
    const ANNOUNCED: usize = 1 << 30;
    let mut stream = InputStream::with_max_len(usize::MAX);
    let head = (ANNOUNCED as u32).to_be_bytes();
    let mut input = stream.begin(&head).unwrap();
    assert_eq!(input.take_prefixed(LengthPrefix::U32Be, ANNOUNCED), Ok(None));
    drop(input);
    for _ in 0..20 {
        let capacity = stream.buffer.capacity();
        assert!(capacity <= RESERVED_PER_BYTE * stream.len(), "{capacity} for {}", stream.len());
        let mut input = stream.begin(&[0; 1000]).unwrap();
        assert_eq!(input.take_prefixed(LengthPrefix::U32Be, ANNOUNCED), Ok(None));
    }
    assert!(stream.buffer.capacity() > 100_000, "{}", stream.buffer.capacity());
}

#[test]
fn no_more_is_reserved_than_the_stream_may_hold() {
    let mut stream = InputStream::with_max_len(100);
    let mut input = stream.begin(&[0; 50]).unwrap();
    input.expect(800);
    assert_eq!(input.len(), 50);
    drop(input);
    assert_eq!(stream.buffer.capacity(), 100);
    // More than the stream may hold, as a last piece can be.
    let mut input = stream.begin(&[0; 70]).unwrap();
    input.expect(800);
    assert_eq!(input.take_exact(120), Some([0; 120].as_slice()));
}

#[test]
fn a_long_message_finds_its_memory_reserved() {
    const PIECE: usize = 64 << 10;
    let message = vec![b'm'; 900 << 10];
    let input = frame(LengthPrefix::U32Le, &message);
    let mut stream = InputStream::new();
    let mut capacities = Vec::new();
    for piece in input.chunks(PIECE) {
        let mut input = stream.begin(piece).unwrap();
        let taken = input.take_prefixed(LengthPrefix::U32Le, 1 << 20).unwrap();
        assert!(taken.is_none_or(|taken| taken == message));
        drop(input);
        capacities.push(stream.buffer.capacity());
    }
    // Given back with the last piece.
    assert_eq!(capacities.pop(), Some(0));
    assert_eq!(capacities, [input.len(); 14]);
}

#[test]
fn an_empty_stream_reserves_nothing() {
    let mut stream = InputStream::new();
    let mut input = stream.begin(b"").unwrap();
    input.expect(1000);
    assert_eq!(input.take_exact(1000), None);
    assert_eq!(input.take_exact(0), Some(b"".as_slice()));
    drop(input);
    assert_eq!(stream.buffer.capacity(), 0);
}
