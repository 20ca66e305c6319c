//! However input is cut, and however much of it is consumed at a time, every byte is seen once and
//! in order, and no more is kept than the limit allows.
#![no_main]

use evio::InputStream;
use libfuzzer_sys::fuzz_target;

/// Each pair says how long the next piece of input is, and how much is consumed then.
fuzz_target!(|input: (u8, Vec<(u8, u8)>)| {
    let (max_len, pieces) = input;
    let max_len = usize::from(max_len);
    let mut stream = InputStream::with_max_len(max_len);
    let (mut sent, mut seen) = (0usize, 0usize);
    for (len, consumed) in pieces {
        let piece: Vec<u8> = (sent..sent + usize::from(len)).map(|at| at as u8).collect();
        let Ok(mut unread) = stream.begin(&piece) else {
            assert!(sent - seen > max_len, "refused although what was left is within the limit");
            return;
        };
        assert!(sent - seen <= max_len, "more is kept than the limit allows");
        sent += piece.len();
        assert_eq!(unread.len(), sent - seen);
        assert!(unread.iter().enumerate().all(|(at, &byte)| byte == (seen + at) as u8));
        let consumed = usize::from(consumed).min(unread.len());
        unread.consume(consumed);
        seen += consumed;
    }
});
