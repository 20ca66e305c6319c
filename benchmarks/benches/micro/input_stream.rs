//! `InputStream`: messages that arrive whole, and messages that are cut.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use evio_core::{InputStream, LengthPrefix, Unread};

/// Bytes per message.
const MESSAGE: usize = 64;

/// Messages per packet.
const MESSAGES: usize = 16;

/// The most that a loop reads at once.
const PIECE: usize = 64 << 10;

pub(crate) fn bench(criterion: &mut Criterion) {
    cutting(criterion);
    framing(criterion);
    long_message(criterion);
}

fn cutting(criterion: &mut Criterion) {
    let packet = vec![b'm'; MESSAGE * MESSAGES];
    let mut group = criterion.benchmark_group("input_stream");
    group.throughput(Throughput::Bytes(packet.len() as u64));
    // Whole messages are read where they are; the others leave half a message for the next packet.
    for (name, first) in [("whole", 0), ("cut", MESSAGE / 2)] {
        let mut stream = InputStream::new();
        read(&mut stream, &packet[..first]);
        group.bench_function(name, |bencher| {
            bencher.iter(|| read(&mut stream, black_box(&packet)));
        });
    }
    // One message in as many packets as it has bytes.
    group.throughput(Throughput::Bytes(MESSAGE as u64));
    group.bench_function("byte by byte", |bencher| {
        let mut stream = InputStream::new();
        bencher.iter(|| {
            for byte in black_box(&packet[..MESSAGE]) {
                read(&mut stream, std::slice::from_ref(byte));
            }
        });
    });
    group.finish();
}

/// Takes all whole messages out of the stream.
fn read(stream: &mut InputStream, packet: &[u8]) {
    let mut input = stream.begin(packet).expect("little is left each time");
    while input.len() >= MESSAGE {
        black_box(&input[..MESSAGE]);
        input.consume(MESSAGE);
    }
}

/// Messages of 64 bytes, as lines and behind their length: taken by the stream, and by hand.
fn framing(criterion: &mut Criterion) {
    let mut line = [b'm'; MESSAGE];
    line[MESSAGE - 1] = b'\n';
    let lines = line.repeat(PIECE / MESSAGE);
    let mut message = [b'm'; MESSAGE];
    message[..2].copy_from_slice(&(MESSAGE as u16 - 2).to_be_bytes());
    let messages = message.repeat(PIECE / MESSAGE);

    let mut group = criterion.benchmark_group("framing");
    group.throughput(Throughput::Elements((PIECE / MESSAGE) as u64));
    let mut bench = |name, packet: &[u8], take: fn(&mut Unread<'_>)| {
        let mut stream = InputStream::new();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut input = stream.begin(black_box(packet)).expect("nothing is left");
                take(&mut input);
                assert!(input.is_empty());
            });
        });
    };
    bench("lines", &lines, |input| {
        while let Ok(Some(line)) = input.take_line(512) {
            black_box(line);
        }
    });
    bench("lines by hand", &lines, |input| {
        while let Some(end) = input.iter().position(|&byte| byte == b'\n') {
            black_box(&input[..end]);
            input.consume(end + 1);
        }
    });
    bench("prefixed", &messages, |input| {
        while let Ok(Some(message)) = input.take_prefixed(LengthPrefix::U16Be, 512) {
            black_box(message);
        }
    });
    bench("prefixed by hand", &messages, |input| {
        while let Some((head, rest)) = input.split_first_chunk() {
            let len = usize::from(u16::from_be_bytes(*head));
            let Some(message) = rest.get(..len) else { break };
            black_box(message);
            input.consume(2 + len);
        }
    });
    group.finish();
}

/// A message of nearly a mebibyte, in as many pieces as a loop reads it in.
fn long_message(criterion: &mut Criterion) {
    let message = vec![b'm'; (1 << 20) - PIECE / 2];
    let mut group = criterion.benchmark_group("long message");
    group.throughput(Throughput::Bytes(message.len() as u64));
    for (name, expected) in [("grown", 0), ("expected", message.len())] {
        let mut stream = InputStream::new();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                for piece in black_box(&message).chunks(PIECE) {
                    let mut input = stream.begin(piece).expect("less than a mebibyte is left");
                    input.expect(expected);
                    if input.len() == message.len() {
                        black_box(&*input);
                        input.consume(message.len());
                    }
                }
            });
        });
    }
    group.finish();
}
