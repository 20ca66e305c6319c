//! Messages from another thread to a loop, and back through a channel: the binary `wake` compares
//! them with others.

use std::hint;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Sender};

use criterion::{Criterion, Throughput};
use evio_core::{Action, Conn, ConnHandle, Conns, Handler};

use crate::running::Running;

/// Messages that are sent before their arrival is awaited: far fewer than a mailbox holds.
const BATCH: u64 = 1000;

struct Counter {
    arrived: Arc<AtomicU64>,
    handles: Sender<ConnHandle>,
}

impl Handler for Counter {
    type Context = ();

    fn context(&mut self, conn: &Conn<'_>) {
        // Nobody waits for it when the benchmark is over.
        let _ = self.handles.send(conn.handle());
    }

    fn data(&mut self, _: &mut Conn<'_>, _: &mut (), _: &[u8]) -> Action {
        Action::None
    }

    fn woken(&mut self, _: &mut Conn<'_>, _: &mut ()) -> Action {
        self.arrived.fetch_add(1, Ordering::Release);
        Action::None
    }
}

pub(crate) fn bench(criterion: &mut Criterion) {
    let arrived = Arc::new(AtomicU64::new(0));
    let (handles, handle) = mpsc::channel();
    let counter = Counter { arrived: Arc::clone(&arrived), handles };
    let running = Running::start(move || counter).expect("a loop can be made");
    let _peer = running.connect().expect("the loop accepts");
    let conn = handle.recv().expect("the connection opens");

    let mut group = criterion.benchmark_group("mailbox");
    for (name, batch) in [("one", 1), ("a thousand", BATCH)] {
        group.throughput(Throughput::Elements(batch));
        group.bench_function(format!("wake, {name}"), |bencher| {
            bencher.iter(|| {
                let goal = arrived.load(Ordering::Acquire) + batch;
                (0..batch).for_each(|_| conn.wake().expect("the mailbox has room"));
                wait_for(&arrived, goal);
            });
        });
        group.bench_function(format!("post, {name}"), |bencher| {
            bencher.iter(|| {
                let goal = arrived.load(Ordering::Acquire) + batch;
                for _ in 0..batch {
                    let arrived = Arc::clone(&arrived);
                    let task = move |_: &mut Conns<'_>| {
                        arrived.fetch_add(1, Ordering::Release);
                    };
                    running.handle.post(task).expect("the mailbox has room");
                }
                wait_for(&arrived, goal);
            });
        });
    }
    group.finish();
}

/// Waits without sleeping, which would take longer than what is measured.
fn wait_for(arrived: &AtomicU64, goal: u64) {
    while arrived.load(Ordering::Acquire) < goal {
        hint::spin_loop();
    }
}
