//! A task that a loop has taken runs, however near its end the loop is.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::net::{Ipv4Addr, TcpListener};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use evio::{Action, Events, LoadBalance, LoopHandle, SendError, Tag};

use util::{Client, DEADLINE, TCP, bind, reports, start_each};

/// Counts the tasks that were taken and those that were run.
#[derive(Clone, Default)]
struct Tasks {
    taken: Arc<AtomicUsize>,
    run: Arc<AtomicUsize>,
}

impl Tasks {
    /// Leaves a task, which leaves another one as it runs.
    fn post(&self, event_loop: &LoopHandle) -> Result<(), SendError> {
        self.leave(event_loop, 1)
    }

    fn leave(&self, event_loop: &LoopHandle, others: usize) -> Result<(), SendError> {
        let this = self.clone();
        event_loop.post(move |event_loop| {
            this.run.fetch_add(1, Ordering::SeqCst);
            if others > 0 {
                let _ = this.leave(&event_loop.handle(), others - 1);
            }
        })?;
        self.taken.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn counts(&self) -> [usize; 2] {
        [&self.taken, &self.run].map(|count| count.load(Ordering::SeqCst))
    }
}

#[test]
fn what_the_last_callback_leaves_is_run() {
    let tasks = Tasks::default();
    for last in ["closed", "detached", "connect failed", "stopping"] {
        let of_handler = tasks.clone();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let server = start_each(bind(TCP), 1, move |_| {
            let post = |here| {
                let tasks = of_handler.clone();
                move |event_loop: &LoopHandle| {
                    if here == last {
                        // A loop that refuses it has done well, too.
                        let _ = tasks.post(event_loop);
                    }
                }
            };
            let (closed, detached, failed, stopping) =
                (post("closed"), post("detached"), post("connect failed"), post("stopping"));
            Events::new()
                .data(move |conn, (), _| match last {
                    "detached" => Action::Detach,
                    "connect failed" => {
                        conn.event_loop().connect(address, Tag::default()).map(|_| ()).unwrap();
                        Action::Shutdown
                    }
                    "stopping" => {
                        conn.write(b"!");
                        Action::None
                    }
                    _ => Action::Shutdown,
                })
                .closed(move |conn, (), _| {
                    closed(&conn.loop_handle());
                    ControlFlow::Continue(())
                })
                .detached(move |event_loop, _, (), _| {
                    detached(&event_loop.handle());
                    ControlFlow::Break(())
                })
                .connect_failed(move |conn, _| {
                    failed(&conn.loop_handle());
                    ControlFlow::Continue(())
                })
                .stopping(move |conn, ()| {
                    stopping(&conn.loop_handle());
                    Action::Close
                })
        });
        let client = server.connect();
        client.send(b"?");
        if last == "stopping" {
            client.receive(1);
            server.handle().shutdown_gracefully(Duration::from_secs(60));
        }
        let _ = client.receive_to_any_end();
        drop(client);
        server.wait();
        let [taken, run] = tasks.counts();
        assert_eq!(taken, run, "tasks that were taken and run, left by `{last}`");
    }
}

/// Other threads leave tasks for all loops until they are told that those have ended.
#[test]
fn what_other_threads_leave_while_a_server_ends_is_run() {
    const LOOPS: usize = 2;
    for round in 0..4 {
        let tasks = Tasks::default();
        let (handles, handle) = reports();
        let server = bind(TCP).load_balance(LoadBalance::RoundRobin);
        let server = start_each(server, LOOPS, move |_| {
            let handles = handles.clone();
            Events::new().opened(move |conn, ()| {
                handles.send(conn.loop_handle()).unwrap();
                Action::None
            })
        });
        let clients: Vec<Client> = (0..LOOPS).map(|_| server.connect()).collect();
        let event_loops: Vec<LoopHandle> = (0..LOOPS).map(|_| handle.next()).collect();
        thread::scope(|scope| {
            let tasks = &tasks;
            for event_loop in &event_loops {
                scope.spawn(move || {
                    let start = Instant::now();
                    while tasks.post(event_loop) != Err(SendError::Stopped) {
                        assert!(start.elapsed() < DEADLINE, "the server does not end");
                    }
                });
            }
            drop(clients);
            server.stop();
        });
        let [taken, run] = tasks.counts();
        assert_eq!(taken, run, "tasks that were taken and run, round {round}");
    }
}
