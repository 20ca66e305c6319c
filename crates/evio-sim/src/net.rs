//! The network, as a client sees it.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use evio_sys::net::Stream;
use evio_sys::sim::Kernel;

use crate::connection::Connection;

/// What a client's script reaches the simulation with.
#[derive(Debug)]
pub struct Net {
    kernel: Kernel,
    host: Ipv4Addr,
    /// The addresses of the connections that the client has made.
    made: RefCell<Vec<SocketAddr>>,
}

impl Net {
    pub(crate) fn new(kernel: Kernel, host: Ipv4Addr) -> Rc<Self> {
        Rc::new(Self { kernel, host, made: RefCell::default() })
    }

    /// Returns the address of the client's host, which no other client has.
    #[must_use]
    pub fn host(&self) -> Ipv4Addr {
        self.host
    }

    /// Cuts the client's host off from the network, or ends that: nothing that it or its peers send
    /// arrives meanwhile. What was lost is sent again, unless one of the ends has given up.
    pub fn cut_off(&self, is_cut_off: bool) {
        self.kernel.set_cut_off(self.host.into(), is_cut_off);
    }

    /// Returns whether one of the client's connections was cut by chance.
    pub(crate) fn was_cut(&self) -> bool {
        self.made.borrow().iter().any(|&client| self.kernel.was_cut(client))
    }

    /// Returns whether any connection of the simulation was cut by chance: one that the program
    /// under test has made, such as a proxy, can be the reason for the end of another.
    #[must_use]
    pub fn any_was_cut(&self) -> bool {
        self.kernel.any_was_cut()
    }

    /// Connects to an address, such as `10.0.0.1:80`.
    ///
    /// # Errors
    ///
    /// Fails when nobody listens there, and when nobody answers, after 127 seconds of virtual time.
    pub async fn connect(&self, address: &str) -> io::Result<Connection> {
        let address: SocketAddr =
            address.parse().map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let (stream, _) = Stream::connect(&address.into())?;
        let local = stream.local_addr()?.as_inet().ok_or(io::ErrorKind::Unsupported)?;
        self.made.borrow_mut().push(local);
        poll_fn(|context| match stream.finish_connect() {
            Ok(true) => Poll::Ready(Ok(())),
            Ok(false) => {
                self.kernel.on_change(&stream, context.waker().clone());
                Poll::Pending
            }
            Err(error) => Poll::Ready(Err(error)),
        })
        .await?;
        Ok(Connection::new(self.kernel.clone(), stream, local))
    }

    /// Waits for what `future` returns, at most for a time.
    ///
    /// # Errors
    ///
    /// Fails as `future` does, and with [`TimedOut`](io::ErrorKind::TimedOut) when the time is up.
    pub async fn within<T>(
        &self,
        time: Duration,
        future: impl Future<Output = io::Result<T>>,
    ) -> io::Result<T> {
        let mut future = pin!(future);
        let mut time = pin!(self.sleep(time));
        poll_fn(|context| match future.as_mut().poll(context) {
            Poll::Pending => {
                time.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
            }
            ready => ready,
        })
        .await
    }

    /// Waits for a time, which is virtual and costs nothing.
    pub async fn sleep(&self, time: Duration) {
        let end = self.kernel.now().saturating_add(time);
        poll_fn(|context| {
            if self.kernel.now() >= end {
                return Poll::Ready(());
            }
            self.kernel.on_time(end, context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Returns the virtual time since the simulation began.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.kernel.now()
    }

    /// Returns how many connections the program under test has, those that it is making among them.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.kernel.open_streams()
    }

    /// Draws a number below `bound`; zero if that is zero.
    #[must_use]
    pub fn random_below(&self, bound: usize) -> usize {
        self.kernel.random_below(bound)
    }

    /// Draws bytes.
    #[must_use]
    pub fn random_bytes(&self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.kernel.fill_random(&mut bytes);
        bytes
    }
}
