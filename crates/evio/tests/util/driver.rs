//! A loop that a test acts on from outside.

use std::io;
use std::ops::ControlFlow;
use std::thread;
use std::time::Duration;

use evio::{Conn, ConnId, Events, Loop, LoopHandle, Server, Stream, Tag};

use super::{Calls, Running, recorder, reports, start};

/// A server with one loop that is driven, and the record of its callbacks.
pub(crate) struct Driven {
    pub(crate) server: Running,
    pub(crate) driver: Driver,
    pub(crate) calls: Calls,
}

/// Runs a server whose loop can be driven.
pub(crate) fn start_driven<C: 'static>(
    server: Server,
    make: impl FnOnce() -> Events<'static, C> + Send + 'static,
) -> Driven {
    let (handles, handle) = reports();
    let (recorder, calls) = recorder();
    let server = start(server, move || {
        recorder.wrap(make().serving(move |event_loop, _| {
            handles.send(event_loop.handle()).expect("the test waits for the handle");
            ControlFlow::Continue(())
        }))
    });
    Driven { server, driver: Driver(handle.next()), calls }
}

/// Acts on a loop.
pub(crate) struct Driver(LoopHandle);

impl Driver {
    pub(crate) fn handle(&self) -> &LoopHandle {
        &self.0
    }

    /// Makes the loop do something, and waits for it.
    #[track_caller]
    pub(crate) fn ask<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Loop<'_>) -> T + Send + 'static,
    ) -> T {
        let (answers, answer) = reports();
        let act = move |event_loop: &mut Loop<'_>| {
            // A test that has failed is gone, and must not take the loop with it.
            let _ = answers.send(act(event_loop));
        };
        self.0.post(act).expect("the loop takes the task");
        answer.next()
    }

    /// Does the same with a connection.
    #[track_caller]
    pub(crate) fn ask_of<T: Send + 'static>(
        &self,
        id: ConnId,
        act: impl FnOnce(&mut Conn<'_>) -> T + Send + 'static,
    ) -> T {
        self.ask(move |event_loop| event_loop.conn(id).map(|mut conn| act(&mut conn)))
            .expect("the connection is open")
    }

    /// Makes a socket a connection of the loop, and waits until it is open.
    #[track_caller]
    pub(crate) fn adopt(&self, stream: impl Into<Stream>) -> ConnId {
        self.adopt_all(vec![stream.into()])[0]
    }

    /// Does the same with many.
    #[track_caller]
    pub(crate) fn adopt_all(&self, streams: Vec<Stream>) -> Vec<ConnId> {
        let ids = self.ask(move |event_loop| {
            let adopt = |stream| event_loop.adopt(stream, Tag::default());
            streams.into_iter().map(adopt).collect::<io::Result<Vec<_>>>()
        });
        self.fence();
        ids.expect("the loop takes the sockets")
    }

    /// Waits until the loop has done what is due, and made the callbacks that follow from it.
    #[track_caller]
    pub(crate) fn fence(&self) {
        for _ in 0..4 {
            self.ask(|_| ());
        }
    }

    /// Lets `time` pass for the loop. That is in parts, after each of which it has had a turn, so
    /// that a loop which the machine leaves no time is waited for.
    #[track_caller]
    pub(crate) fn pass(&self, time: Duration) {
        const PARTS: u32 = 8;
        for _ in 0..PARTS {
            // The time that passes.
            thread::sleep(time / PARTS);
            self.fence();
        }
    }
}

/// Makes the loop do something when as many turns have begun: a task that is posted while the loop
/// runs waits for the next one.
pub(crate) fn after_turns(
    event_loop: &mut Loop<'_>,
    turns: usize,
    act: impl FnOnce(&mut Loop<'_>) + Send + 'static,
) {
    match turns {
        0 => act(event_loop),
        _ => {
            let next = move |event_loop: &mut Loop<'_>| after_turns(event_loop, turns - 1, act);
            // A server that has ended has no more turns.
            let _ = event_loop.handle().post(next);
        }
    }
}
