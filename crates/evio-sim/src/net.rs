//! The network, as a client sees it.

use std::error::Error;
use std::future::{Future, poll_fn};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::net as unix;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use evio_sys::net::{self, Stream};
use evio_sys::sim::Kernel;

use crate::connection::Connection;
use crate::excuse::Excuse;
use crate::udp::ClientUdp;

/// What a client's script reaches the simulation with.
#[derive(Debug)]
pub struct Net {
    kernel: Kernel,
    host: Ipv4Addr,
    excuse: Excuse,
}

impl Net {
    pub(crate) fn new(kernel: Kernel, host: Ipv4Addr) -> Rc<Self> {
        Rc::new(Self { kernel, host, excuse: Excuse::default() })
    }

    /// Returns the address of the client's host, which no other client has. Its address of IPv6 is
    /// made from it: that of 10.1.0.1 is `fd00::a01:1`.
    #[must_use]
    pub fn host(&self) -> Ipv4Addr {
        self.host
    }

    /// Cuts the client's host off from the network, or ends that: nothing that it or its peers send
    /// arrives meanwhile. What was lost is sent again, unless one of the ends has given up.
    pub fn cut_off(&self, is_cut_off: bool) {
        self.kernel.set_cut_off(self.host.into(), is_cut_off);
    }

    /// Returns whether calls of the client have failed in this way because their connections were
    /// cut by chance.
    pub(crate) fn excuses(&self, error: &(dyn Error + 'static)) -> bool {
        self.excuse.covers(error)
    }

    /// Returns whether any connection of the simulation was cut by chance: one that the program
    /// under test has made, such as a proxy, can be the reason for the end of another.
    #[must_use]
    pub fn any_was_cut(&self) -> bool {
        self.kernel.any_was_cut()
    }

    /// Connects to an address, such as `10.0.0.1:80` or `unix:///run/x.sock`.
    ///
    /// # Errors
    ///
    /// Fails when nobody listens there; of TCP, when nobody answers, after 127 seconds of virtual
    /// time; of a Unix socket, when too many clients wait to be accepted.
    ///
    /// # Panics
    ///
    /// Panics when it is no address: nobody looks names up for clients.
    pub async fn connect(&self, address: &str) -> io::Result<Connection> {
        let (stream, _) = Stream::connect(&parse(address))?;
        let input = self.kernel.input_of(&stream).ok_or(io::ErrorKind::Unsupported)?;
        let result = poll_fn(|context| match stream.finish_connect() {
            Ok(true) => Poll::Ready(Ok(())),
            Ok(false) => {
                self.kernel.on_change(&stream, context.waker().clone());
                Poll::Pending
            }
            Err(error) => Poll::Ready(Err(error)),
        })
        .await;
        if let Err(error) = result {
            self.excuse.note(&error, self.kernel.was_cut(input.connection()));
            return Err(error);
        }
        Ok(Connection::new(self.kernel.clone(), stream, input, self.excuse.clone()))
    }

    /// Binds a UDP socket, such as `10.0.0.9:0`; port 0 is one that nobody has had. A wildcard,
    /// such as `0.0.0.0:68`, stands for the addresses of the client's host.
    ///
    /// # Errors
    ///
    /// Fails when the address is in use.
    ///
    /// # Panics
    ///
    /// Panics when it is no address.
    pub fn udp(&self, address: &str) -> io::Result<ClientUdp> {
        ClientUdp::bind(self.kernel.clone(), parse_inet(address))
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

fn parse(address: &str) -> net::SocketAddr {
    match address.strip_prefix("unix://").map(unix::SocketAddr::from_pathname) {
        Some(Ok(path)) => path.into(),
        Some(Err(error)) => panic!("{address:?} is no address of a Unix socket: {error}"),
        None => parse_inet(address).into(),
    }
}

fn parse_inet(address: &str) -> SocketAddr {
    match address.parse() {
        Ok(address) => address,
        Err(error) => panic!("{address:?} is no address and port of a simulated host: {error}"),
    }
}
