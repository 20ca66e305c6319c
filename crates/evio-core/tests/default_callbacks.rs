//! The callbacks that a handler need not have.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use evio_core::{Action, Config, Conn, EventLoop, Handler, Loop, LoopHandle, Tag};
use evio_sys::net;

/// Everything that a test waits for must come within this time. It is reached by failures only.
const DEADLINE: Duration = Duration::from_secs(20);

/// Answers each byte with itself, and has no other callback than a handler must have.
struct Bare;

impl Handler for Bare {
    type Context = ();

    fn context(&mut self, _: &Conn<'_>) {}

    fn data(&mut self, conn: &mut Conn<'_>, (): &mut (), input: &[u8]) -> Action {
        conn.write(input);
        match input {
            b"t" => conn.set_timer(Some(Duration::from_millis(1))),
            b"d" => return Action::Detach,
            _ => {}
        }
        Action::None
    }
}

struct Client(TcpStream);

impl Client {
    fn connect(address: std::net::SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        Self(stream)
    }

    fn echo(&mut self, byte: u8) {
        self.0.write_all(&[byte]).unwrap();
        let mut answer = [0];
        self.0.read_exact(&mut answer).unwrap();
        assert_eq!(answer, [byte]);
    }

    fn finds_the_end(&mut self) -> bool {
        self.0.read(&mut [0]).unwrap() == 0
    }
}

/// Carries out a task on the loop.
fn on_loop<R: Send + 'static>(
    handle: &LoopHandle,
    task: impl FnOnce(&mut Loop<'_>) -> R + Send + 'static,
) -> R {
    let (sender, receiver) = mpsc::channel();
    handle.post(move |event_loop| drop(sender.send(task(event_loop)))).unwrap();
    receiver.recv_timeout(DEADLINE).expect("the loop goes on")
}

#[test]
fn a_handler_with_the_required_callbacks_alone_goes_on_until_it_is_stopped() {
    let any_port = "127.0.0.1:0".parse().unwrap();
    let listener = net::Listener::tcp(any_port, &net::ListenOptions::default()).unwrap();
    let address = listener.local_addr().unwrap().as_inet().unwrap();
    let socket = net::UdpSocket::bind(any_port, &net::ListenOptions::default()).unwrap();
    let udp_address = socket.local_addr().unwrap();
    let mut event_loop = EventLoop::new(Config::default()).unwrap();
    event_loop.listen(0, listener).unwrap();
    event_loop.bind(1, socket).unwrap();
    let handle = event_loop.handle();
    let (sender, ended) = mpsc::channel();
    thread::spawn(move || sender.send(event_loop.run(Bare)));
    let mut client = Client::connect(address);

    // A timer does nothing. One of a millisecond is due after 48 at the most.
    client.echo(b't');
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(100) {
        client.echo(b'x');
    }

    // A datagram is dropped.
    UdpSocket::bind(any_port).unwrap().send_to(b"?", udp_address).unwrap();
    client.echo(b'x');

    // A socket that is given out is closed.
    let mut detached = Client::connect(address);
    detached.echo(b'd');
    assert!(detached.finds_the_end());
    client.echo(b'x');

    // A connection that does not come about is forgotten.
    let refused = TcpListener::bind(any_port).unwrap();
    let refused_address = refused.local_addr().unwrap();
    drop(refused);
    let connect =
        move |event_loop: &mut Loop<'_>| event_loop.connect(refused_address, Tag::default());
    // Some systems say so at once.
    if let Ok(id) = on_loop(&handle, connect) {
        let start = Instant::now();
        while on_loop(&handle, move |event_loop| event_loop.conn(id).is_some()) {
            assert!(start.elapsed() < DEADLINE);
        }
    }
    client.echo(b'x');

    // A graceful end need not be waited for.
    handle.shutdown_gracefully(100 * DEADLINE);
    assert!(client.finds_the_end());
    drop(client);
    ended.recv_timeout(DEADLINE).expect("the loop ends").unwrap();
}
