//! A loop on a thread of its own, which ends with its benchmark.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{io, mem};

use evio_core::{Config, EventLoop, Handler, LoopHandle};
use evio_sys::net::{ListenOptions, Listener};

/// How long an answer may take before the benchmark fails.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Running {
    pub(crate) handle: LoopHandle,
    address: SocketAddr,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Running {
    pub(crate) fn start<H: Handler>(make: impl FnOnce() -> H + Send + 'static) -> io::Result<Self> {
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listener = Listener::tcp(anywhere, &ListenOptions::default())?;
        let address = listener.local_addr()?.as_inet().expect("a TCP listener has such an address");
        let mut event_loop = EventLoop::new(Config::default())?;
        event_loop.listen(0, listener)?;
        let handle = event_loop.handle();
        let thread = Some(thread::spawn(move || event_loop.run(make())));
        Ok(Self { handle, address, thread })
    }

    pub(crate) fn connect(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(stream)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.handle.shutdown();
        if let Some(thread) = mem::take(&mut self.thread) {
            let ended = thread.join().expect("the handlers do not panic");
            ended.expect("the poller works");
        }
    }
}
