//! Messages from other threads, and from callbacks to their own loop.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Read;
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use evio_core::{Action, Config, Conn, EventLoop, Handler};
use evio_sys::net::{ListenOptions, Listener};

/// Sends itself more messages than a turn carries out, and then nothing wakes the loop any more.
struct Flood;

/// Several times the budget of a turn.
const MESSAGES: usize = 10_000;

impl Handler for Flood {
    type Context = ();

    fn context(&mut self, _: &Conn<'_>) {}

    fn opened(&mut self, conn: &mut Conn<'_>, _: &mut ()) -> Action {
        let handle = conn.handle();
        for number in 0..MESSAGES {
            handle.send(number.to_be_bytes()).unwrap();
        }
        handle.close().unwrap();
        Action::None
    }

    fn data(&mut self, _: &mut Conn<'_>, _: &mut (), _: &[u8]) -> Action {
        Action::None
    }
}

#[test]
fn messages_beyond_a_turns_budget_are_carried_out_without_another_wake() {
    let listener =
        Listener::tcp("127.0.0.1:0".parse().unwrap(), &ListenOptions::default()).unwrap();
    let address = listener.local_addr().unwrap().as_inet().unwrap();
    let mut event_loop = EventLoop::new(Config::default()).unwrap();
    event_loop.listen(0, listener).unwrap();
    let handle = event_loop.handle();
    thread::scope(|scope| {
        scope.spawn(|| event_loop.run(Flood).unwrap());
        let client = || -> std::io::Result<Vec<u8>> {
            let mut stream = TcpStream::connect(address)?;
            stream.set_read_timeout(Some(Duration::from_secs(20)))?;
            let mut seen = Vec::new();
            stream.read_to_end(&mut seen)?;
            Ok(seen)
        };
        let seen = client();
        handle.shutdown();
        let expected: Vec<u8> = (0..MESSAGES).flat_map(usize::to_be_bytes).collect();
        assert!(seen.unwrap() == expected);
    });
}
