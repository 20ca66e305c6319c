//! What errors and reasons say, and what is shown of a value in a log.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::{Debug, Display};
use std::io;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::ops::ControlFlow;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

use evio_core::{
    Action, CloseReason, Config, Conn, EventLoop, Handler, InputStream, LengthPrefix, Loop,
    SendError, Serving, Timeout, Udp,
};
use evio_sys::net;

/// Everything that a test waits for must come within this time. It is reached by failures only.
const DEADLINE: Duration = Duration::from_secs(20);

fn check(texts: &[(&dyn Display, &str)]) {
    for (number, (value, expected)) in texts.iter().enumerate() {
        assert_eq!(value.to_string(), *expected);
        let others = texts[..number].iter().map(|(_, other)| *other);
        assert!(others.into_iter().all(|other| other != *expected), "{expected} says two things");
    }
}

#[test]
fn each_reason_to_close_says_what_happened() {
    check(&[
        (&CloseReason::PeerClosed, "closed by the peer"),
        (&CloseReason::Closed, "closed by this server"),
        (&CloseReason::Aborted, "aborted by this server"),
        (&CloseReason::Shutdown, "server shutdown"),
        (&CloseReason::Error(io::Error::other("cut")), "connection failed: cut"),
        (&CloseReason::OutputLimit, "output limit exceeded"),
        (&CloseReason::Withheld, "output withheld, since pre_write failed"),
        (&CloseReason::DiscardLimit, "peer sends on instead of taking the rest"),
        (&CloseReason::Panicked, "a callback panicked"),
        (&CloseReason::Timeout(Timeout::Connect), "no answer from the peer"),
        (&CloseReason::Timeout(Timeout::Idle), "idle for too long"),
        (&CloseReason::Timeout(Timeout::Read), "message not whole in time"),
        (&CloseReason::Timeout(Timeout::Write), "peer takes no output"),
        (&CloseReason::Timeout(Timeout::Congestion), "peer takes output too slowly"),
        (&CloseReason::Timeout(Timeout::Close), "peer did not take the rest in time"),
    ]);
}

#[test]
fn each_refusal_says_why() {
    let mut stream = InputStream::with_max_len(2);
    drop(stream.begin(b"123").unwrap());
    let too_long = stream.begin(b"").unwrap_err();
    let mut frames = InputStream::new();
    let mut frames = frames.begin(b"\0\x01\x11\x70").unwrap();
    let long_line = frames.take_line(3).unwrap_err();
    let long_message = frames.take_prefixed(LengthPrefix::U32Be, 65_536).unwrap_err();
    check(&[
        (&SendError::NotStarted, "the server does not run yet"),
        (&SendError::Full, "too many messages are waiting for this loop"),
        (&SendError::Stopped, "the server has ended"),
        (&too_long, "unread input exceeds the limit of 2 bytes"),
        (&long_line, "a line is longer than the limit of 3 bytes"),
        (&long_message, "a message of 70000 bytes is longer than the limit of 65536 bytes"),
    ]);
    let shown = format!("{stream:?}");
    assert!(shown.contains("len: 3") && shown.contains("max_len: 2"), "{shown}");
}

/// Sends what is shown of the values that callbacks get.
struct Shows(Sender<String>);

impl Shows {
    fn show(&self, value: &dyn Debug) {
        self.0.send(format!("{value:?}")).unwrap();
    }
}

impl Handler for Shows {
    type Context = ();

    fn context(&mut self, _: &Conn<'_>) {}

    fn data(&mut self, _: &mut Conn<'_>, (): &mut (), _: &[u8]) -> Action {
        Action::None
    }

    fn serving(&mut self, event_loop: &mut Loop<'_>, _: &Serving) -> ControlFlow<()> {
        self.show(event_loop);
        self.show(&event_loop.handle());
        ControlFlow::Continue(())
    }

    fn opened(&mut self, conn: &mut Conn<'_>, (): &mut ()) -> Action {
        conn.write(b"1234");
        self.show(conn);
        self.show(&conn.handle());
        Action::None
    }

    fn datagram(&mut self, socket: &mut Udp<'_>, _: SocketAddr, _: &[u8]) -> ControlFlow<()> {
        self.show(socket);
        ControlFlow::Break(())
    }
}

#[test]
fn what_is_shown_of_a_value_says_which_one_it_is() {
    let (shows, shown) = mpsc::channel();
    let any_port = "127.0.0.1:0".parse().unwrap();
    let listener = net::Listener::tcp(any_port, &net::ListenOptions::default()).unwrap();
    let address = listener.local_addr().unwrap().as_inet().unwrap();
    let socket = net::UdpSocket::bind(any_port, &net::ListenOptions::default()).unwrap();
    let udp_address = socket.local_addr().unwrap();
    let mut group = EventLoop::group(2, Config::default()).unwrap();
    assert_eq!(format!("{:?}", group[1]), "EventLoop { loop_id: 1, .. }");
    let mut event_loop = group.remove(0);
    event_loop.listen_here(0, listener).unwrap();
    event_loop.bind(7, socket).unwrap();
    let loop_thread = thread::spawn(move || event_loop.run(Shows(shows)));
    let next = || shown.recv_timeout(DEADLINE).unwrap();
    assert_eq!([next(), next()], ["Loop { loop_id: 0, .. }", "LoopHandle { loop_id: 0, .. }"]);

    let client = TcpStream::connect(address).unwrap();
    let peer = client.local_addr().unwrap();
    let (conn, handle) = (next(), next());
    let id = handle.strip_prefix("ConnHandle { id: ").unwrap().strip_suffix(", .. }").unwrap();
    let expected = format!("Conn {{ id: {id}, peer: Some({peer}), output_len: 4, .. }}");
    assert_eq!(conn, expected);
    drop(client);

    UdpSocket::bind(any_port).unwrap().send_to(b"?", udp_address).unwrap();
    assert_eq!(next(), "Udp { address_index: 7 }");
    loop_thread.join().unwrap().unwrap();
}
