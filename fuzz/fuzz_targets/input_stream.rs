//! An `InputStream` against the obvious way to do the same.
#![no_main]

use evio::InputStream;
use libfuzzer_sys::fuzz_target;

/// Small, so that it is reached.
const MAX_LEN: usize = 64;

// Pieces of input, each with how much of what is unread is consumed then.
fuzz_target!(|steps: Vec<(&[u8], u8)>| {
    let mut stream = InputStream::with_max_len(MAX_LEN);
    let mut expected = Vec::new();
    for (piece, count) in steps {
        assert_eq!(stream.len(), expected.len());
        let Ok(mut unread) = stream.begin(piece) else {
            assert!(expected.len() > MAX_LEN);
            return;
        };
        assert!(expected.len() <= MAX_LEN);
        expected.extend_from_slice(piece);
        assert_eq!(*unread, *expected);
        let count = usize::from(count).min(expected.len());
        unread.consume(count);
        expected.drain(..count);
        assert_eq!(*unread, *expected);
    }
});
