//! The limits of connections that the program asked for: those of the loop, whatever those of
//! addresses are.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Read;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::ControlFlow;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use evio_core::{Action, Config, Conn, EventLoop, Handler, Limits, Loop, Serving, Stream, Tag};
use evio_sys::net::SocketAddr;

const DEADLINE: Duration = Duration::from_secs(20);

/// Asks for connections when it begins, and tells each more than an address would let it.
struct Asks(Option<Stream>, SocketAddr);

impl Handler for Asks {
    type Context = ();

    fn context(&mut self, _: &Conn<'_>) {}

    fn serving(&mut self, event_loop: &mut Loop<'_>, _: &Serving) -> ControlFlow<()> {
        event_loop.adopt(self.0.take().unwrap(), Tag::default()).unwrap();
        event_loop.connect(self.1.clone(), Tag::default()).unwrap();
        ControlFlow::Continue(())
    }

    fn opened(&mut self, conn: &mut Conn<'_>, _: &mut ()) -> Action {
        conn.write(b"more than ten bytes");
        Action::Close
    }

    fn data(&mut self, _: &mut Conn<'_>, _: &mut (), _: &[u8]) -> Action {
        Action::None
    }
}

#[test]
fn the_limits_of_no_address_are_those_of_a_connection_that_was_asked_for() {
    let (mut config, mut strict) = (Config::default(), Limits::default());
    strict.max_output = 10;
    config.address_limits.resize_with(1 << 16, || Some(strict));
    let event_loop = EventLoop::new(config).unwrap();
    let handle = event_loop.handle();
    let target = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = target.local_addr().unwrap();
    let (adopted, mut peer) = UnixStream::pair().unwrap();
    let asks = Asks(Some(adopted.into()), address.into());
    let running = thread::spawn(move || event_loop.run(asks));

    let mut received = Vec::new();
    peer.set_read_timeout(Some(DEADLINE)).unwrap();
    let _ = peer.read_to_end(&mut received);
    assert_eq!(received, b"more than ten bytes", "adopted");
    received.clear();
    let (mut peer, _) = target.accept().unwrap();
    peer.set_read_timeout(Some(DEADLINE)).unwrap();
    let _ = peer.read_to_end(&mut received);
    assert_eq!(received, b"more than ten bytes", "outbound");
    drop(peer);
    handle.shutdown();
    running.join().unwrap().unwrap();
}
