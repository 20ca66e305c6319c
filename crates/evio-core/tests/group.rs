//! Loops that belong together, without the facade.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::ControlFlow;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

use evio_core::{Action, Config, Conn, EventLoop, Handler, LoadBalance, Loop, LoopHandle, Serving};
use evio_sys::net::{ListenOptions, Listener};

const DEADLINE: Duration = Duration::from_secs(20);

fn listener() -> (Listener, SocketAddr) {
    let listener =
        Listener::tcp("127.0.0.1:0".parse().unwrap(), &ListenOptions::default()).unwrap();
    let address = listener.local_addr().unwrap().as_inet().unwrap();
    (listener, address)
}

/// Answers with its loop and the index of the address.
struct Whereabouts(Sender<Serving>);

impl Handler for Whereabouts {
    type Context = ();

    fn context(&mut self, _: &Conn<'_>) {}

    fn serving(&mut self, _: &mut Loop<'_>, serving: &Serving) -> ControlFlow<()> {
        self.0.send(serving.clone()).unwrap();
        ControlFlow::Continue(())
    }

    fn data(&mut self, conn: &mut Conn<'_>, _: &mut (), _: &[u8]) -> Action {
        conn.write(&[conn.id().loop_id() as u8, conn.address_index().unwrap() as u8]);
        Action::Close
    }
}

/// Ends the group when the test does, also by a failure.
struct EndOnDrop(LoopHandle);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.shutdown();
    }
}

fn ask(address: SocketAddr) -> Vec<u8> {
    let mut client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    client.write_all(b"?").unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).unwrap();
    answer
}

/// One listener shares its connections with the group, one keeps them, whichever loop has them.
#[test]
fn listeners_share_or_keep_their_connections() {
    let config = Config::default().load_balance(LoadBalance::RoundRobin);
    let mut loops = EventLoop::group(3, config).unwrap();
    let ((shared, shared_address), (kept, kept_address)) = (listener(), listener());
    loops[1].listen(7, shared).unwrap();
    loops[2].listen_here(8, kept).unwrap();
    let handle = loops[0].handle();
    let (servings, serving) = mpsc::channel();
    thread::scope(|scope| {
        for event_loop in loops {
            let servings = servings.clone();
            scope.spawn(move || event_loop.run(Whereabouts(servings)).unwrap());
        }
        let _end = EndOnDrop(handle);
        let serving = serving.recv_timeout(DEADLINE).unwrap();
        assert_eq!(serving.loops(), 3);
        let addrs = serving.local_addrs().iter();
        let addrs: Vec<_> = addrs.map(|(index, addr)| (*index, addr.as_inet())).collect();
        assert_eq!(addrs, [(7, Some(shared_address)), (8, Some(kept_address))]);
        for _ in 0..2 {
            for loop_id in 0..3 {
                assert_eq!(ask(shared_address), [loop_id, 7]);
                assert_eq!(ask(kept_address), [2, 8]);
            }
        }
    });
    assert!(serving.try_recv().is_err(), "serving is told once");
}

/// A group that has lost a loop would go on giving it connections.
#[test]
fn a_loop_that_is_dropped_ends_the_others() {
    for dropped in 0..3 {
        let mut loops = EventLoop::group(3, Config::default()).unwrap();
        let gone = loops.remove(dropped);
        let (servings, _serving) = mpsc::channel();
        let (ends, end) = mpsc::channel();
        for event_loop in loops {
            let (servings, ends) = (servings.clone(), ends.clone());
            thread::spawn(move || ends.send(event_loop.run(Whereabouts(servings))));
        }
        drop(gone);
        for _ in 0..2 {
            end.recv_timeout(DEADLINE).unwrap().unwrap();
        }
    }
}

#[test]
fn a_group_has_at_least_one_loop_and_at_most_what_an_id_can_name() {
    assert_eq!(EventLoop::group(0, Config::default()).unwrap().len(), 1);
    let error = EventLoop::group(65_536, Config::default()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
}
