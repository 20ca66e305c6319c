//! `InputStream`: messages that arrive whole, and messages that are cut.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use evio_core::InputStream;

/// Bytes per message.
const MESSAGE: usize = 64;

/// Messages per packet.
const MESSAGES: usize = 16;

pub(crate) fn bench(criterion: &mut Criterion) {
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
