//! A request through the loop and back, over loopback TCP: most of it is the kernel's.

use std::io::{Read, Write};

use criterion::{Criterion, Throughput};
use evio_core::{Action, Conn, Handler};

use crate::running::Running;

/// Connections that are asked at once.
const CONNECTIONS: usize = 50;

struct Echo;

impl Handler for Echo {
    type Context = ();

    fn context(&mut self, _: &Conn<'_>) {}

    fn data(&mut self, conn: &mut Conn<'_>, _: &mut (), input: &[u8]) -> Action {
        conn.write(input);
        Action::None
    }
}

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("request_path");
    for (name, connections, size) in
        [("one of 64 B", 1, 64), ("one of 16 KiB", 1, 16 << 10), ("fifty of 64 B", CONNECTIONS, 64)]
    {
        let running = Running::start(|| Echo).expect("a loop can be made");
        let mut streams: Vec<_> =
            (0..connections).map(|_| running.connect().expect("the loop accepts")).collect();
        let request = vec![b'm'; size];
        let mut answer = vec![0; size];
        group.throughput(Throughput::Elements(connections as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                for stream in &mut streams {
                    stream.write_all(&request).expect("the loop reads");
                }
                for stream in &mut streams {
                    stream.read_exact(&mut answer).expect("the loop answers");
                }
            });
        });
    }
    group.finish();
}
