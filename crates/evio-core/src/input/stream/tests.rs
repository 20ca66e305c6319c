//! An `InputStream` by itself: what it holds, and for how long.

use super::*;

/// Feeds `message` in chunks of `chunk` bytes and consumes it in units of `unit`.
fn relay(message: &[u8], chunk: usize, unit: usize) -> Vec<u8> {
    let mut stream = InputStream::new();
    let mut seen = Vec::new();
    for packet in message.chunks(chunk) {
        let mut input = stream.begin(packet).unwrap();
        while input.len() >= unit {
            seen.extend_from_slice(&input[..unit]);
            input.consume(unit);
        }
    }
    let rest = stream.begin(&[]).unwrap();
    seen.extend_from_slice(&rest);
    seen
}

#[test]
fn every_chunking_gives_the_same_bytes() {
    let message: Vec<u8> = (0..200u8).collect();
    for chunk in 1..=message.len() {
        for unit in 1..=message.len() {
            assert_eq!(relay(&message, chunk, unit), message, "chunk {chunk}, unit {unit}");
        }
    }
}

#[test]
fn whole_messages_are_not_copied() {
    let mut stream = InputStream::new();
    let packet = b"whole".as_slice();
    let mut input = stream.begin(packet).unwrap();
    assert!(std::ptr::eq(&raw const *input, packet));
    input.consume(5);
    drop(input);
    assert_eq!(stream.buffer.capacity(), 0);
}

#[test]
fn memory_is_given_back_when_all_is_consumed() {
    let mut stream = InputStream::new();
    drop(stream.begin(&[0; 1000]).unwrap());
    assert!(stream.buffer.capacity() >= 1000);
    let mut input = stream.begin(&[0; 24]).unwrap();
    input.consume(1024);
    drop(input);
    assert_eq!(stream.buffer.capacity(), 0);
}

#[test]
fn the_limit_is_an_error_and_loses_nothing() {
    let mut stream = InputStream::with_max_len(8);
    drop(stream.begin(b"12345").unwrap());
    drop(stream.begin(b"678").unwrap());
    let mut input = stream.begin(b"9").unwrap();
    assert_eq!(&*input, b"123456789");
    input.consume(1);
    drop(input);
    drop(stream.begin(b"0").unwrap());
    for _ in 0..2 {
        assert_eq!(stream.begin(b"").unwrap_err(), InputTooLong { max_len: 8 });
        assert_eq!(stream.len(), 9);
    }
}

#[test]
fn a_growing_backlog_is_bounded_by_what_is_unread() {
    let mut stream = InputStream::new();
    drop(stream.begin(&[0; 64]).unwrap());
    for _ in 0..100_000 {
        let mut input = stream.begin(&[0; 16]).unwrap();
        input.consume(16);
    }
    assert_eq!(stream.len(), 64);
    assert!(stream.buffer.capacity() <= 2 * 64 + 16, "capacity {}", stream.buffer.capacity());
}

/// So the work is linear in the input, whatever the pattern.
#[test]
fn no_more_bytes_are_moved_than_were_consumed() {
    for unread in [1, 15, 16, 64, 1_000, 70_000] {
        let mut stream = InputStream::new();
        drop(stream.begin(&vec![0; unread]).unwrap());
        let (mut moved, mut consumed) = (0, 0);
        for _ in 0..1_000 {
            let start = stream.start;
            let mut input = stream.begin(&[0; 16]).unwrap();
            moved += if input.stream.start < start { unread } else { 0 };
            assert!(moved <= consumed, "{moved} moved, {consumed} consumed, {unread} unread");
            input.consume(16);
            consumed += 16;
        }
    }
}

#[test]
fn a_stream_holds_a_mebibyte_unless_told_otherwise() {
    let mut stream = InputStream::default();
    drop(stream.begin(&vec![0; 1 << 20]).unwrap());
    drop(stream.begin(b"x").unwrap());
    assert!(stream.begin(b"").is_err());
}

#[test]
#[should_panic(expected = "6 bytes consumed of 5")]
fn consuming_too_much_is_a_bug_of_the_caller() {
    InputStream::new().begin(b"12345").unwrap().consume(6);
}
