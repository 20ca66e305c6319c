//! A server on a thread of its own.

use std::any::Any;
use std::panic;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use evio::{BoundAddress, Error, Handler, Server, ServerHandle};

use super::{Client, DEADLINE};

/// How long a server waits at its end for clients that do not close their side. Most tests keep
/// their clients to the end, and have nothing to learn from waiting.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_millis(50);

/// Binds one address.
#[track_caller]
pub(crate) fn bind(address: &str) -> Server {
    bind_all([address])
}

/// Binds several addresses.
#[track_caller]
pub(crate) fn bind_all<'a>(addresses: impl IntoIterator<Item = &'a str>) -> Server {
    let server = Server::bind(addresses).unwrap_or_else(|error| panic!("{error}"));
    server.shutdown_timeout(SHUTDOWN_TIMEOUT)
}

/// Runs a server with one loop.
pub(crate) fn start<H: Handler>(
    server: Server,
    make: impl FnOnce() -> H + Send + 'static,
) -> Running {
    spawn(server, |server| server.run(make()))
}

/// Runs a server with several loops.
pub(crate) fn start_each<H: Handler>(
    server: Server,
    loops: usize,
    make: impl Fn(usize) -> H + Send + Sync + 'static,
) -> Running {
    spawn(server, move |server| server.run_each(loops, make))
}

fn spawn(
    server: Server,
    run: impl FnOnce(Server) -> Result<(), Error> + Send + 'static,
) -> Running {
    let (addrs, handle) = (server.local_addrs(), server.handle());
    let (sender, ended) = mpsc::channel();
    let thread = thread::spawn(move || {
        let result = run(server);
        // Nobody is listening when the test has failed already.
        let _ = sender.send(result);
    });
    Running { addrs, handle, ended, thread: Some(thread) }
}

/// A running server. It is told to end when this is dropped, and waited for only by the methods
/// that say so.
pub(crate) struct Running {
    addrs: Vec<BoundAddress>,
    handle: ServerHandle,
    ended: Receiver<Result<(), Error>>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    pub(crate) fn addrs(&self) -> &[BoundAddress] {
        &self.addrs
    }

    pub(crate) fn handle(&self) -> &ServerHandle {
        &self.handle
    }

    /// Connects to the first address.
    #[track_caller]
    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.addrs[0].addr())
    }

    /// Ends the server, and waits for that.
    #[track_caller]
    pub(crate) fn stop(self) {
        self.handle.shutdown();
        self.wait();
    }

    /// Waits for the server to end well by itself.
    #[track_caller]
    pub(crate) fn wait(self) {
        match self.join() {
            Ok(result) => result.expect("the server ends without an error"),
            Err(panic) => panic::resume_unwind(panic),
        }
    }

    /// Waits for the server to end in whatever way: with a result or a panic.
    #[track_caller]
    pub(crate) fn join(mut self) -> Result<Result<(), Error>, Box<dyn Any + Send>> {
        let result = match self.ended.recv_timeout(DEADLINE) {
            Err(RecvTimeoutError::Timeout) => panic!("the server did not end"),
            ended => ended.ok(),
        };
        let thread = self.thread.take().expect("only this takes the thread");
        thread.join().map(|()| result.expect("a server that did not panic has a result"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.handle.shutdown();
    }
}
