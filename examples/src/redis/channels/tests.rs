use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use evio::{Action, Conn, Handler, Limits, Loops, Server};

use super::*;
use crate::redis::outbox::MAX_WAITING;

const DEADLINE: Duration = Duration::from_secs(20);

/// Subscribes each connection, and says where it is.
struct Subscribing {
    channels: Channels,
    opened: Sender<(ConnId, LoopHandle)>,
}

impl Handler for Subscribing {
    type Context = ();

    fn context(&mut self, _: &Conn<'_>) {}

    fn opened(&mut self, conn: &mut Conn<'_>, (): &mut ()) -> Action {
        self.channels.subscribe(Kind::Channel, b"news", conn.id(), Protocol::Resp2);
        self.opened.send((conn.id(), conn.loop_handle())).unwrap();
        Action::None
    }

    fn data(&mut self, _: &mut Conn<'_>, (): &mut (), _: &[u8]) -> Action {
        Action::None
    }
}

/// Reads messages up to an empty one, and returns the numbers that they begin with.
fn numbers(stream: TcpStream) -> Vec<usize> {
    let mut lines = BufReader::new(stream);
    let mut numbers = Vec::new();
    loop {
        // All but the text: "*3", "$7", "message", "$4", "news".
        let mut line = String::new();
        for _ in 0..6 {
            line.clear();
            lines.read_line(&mut line).unwrap();
        }
        let len: usize = line.trim_start_matches('$').trim_end().parse().unwrap();
        let mut text = vec![0; len + 2];
        lines.read_exact(&mut text).unwrap();
        match text.split(|byte| *byte == b' ').next() {
            Some(b"\r\n") => return numbers,
            number => {
                let number = std::str::from_utf8(number.unwrap()).unwrap();
                numbers.push(number.parse().unwrap());
            }
        }
    }
}

/// Ends the server with the test, also when that fails.
struct Ending(LoopHandle);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.shutdown();
    }
}

fn waiting(channels: &Channels) -> Vec<usize> {
    channels.loops.iter().map(|of_loop| of_loop.outbox.lock().bytes()).collect()
}

/// One of two loops is busy while more is published than may wait for it.
#[test]
fn a_busy_loop_makes_a_bounded_amount_wait_and_gets_all_of_it_in_order() {
    let channels = Channels::new(2);
    let server = Server::bind(["tcp://127.0.0.1:0"]).unwrap();
    // However slowly the readers read.
    let server = server.limits(Limits::default().max_output(usize::MAX));
    let address = server.local_addrs()[0].addr().as_inet().unwrap();
    let (opened, places) = channel();
    let handler = |_| Subscribing { channels: channels.clone(), opened: opened.clone() };
    thread::scope(|scope| {
        scope.spawn(|| server.run_each(Loops::Exactly(2), handler).unwrap());
        let mut readers = Vec::new();
        let mut handles = Vec::new();
        for _ in 0..2 {
            let stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(DEADLINE)).unwrap();
            handles.push(places.recv_timeout(DEADLINE).unwrap().1);
            readers.push(scope.spawn(|| numbers(stream)));
        }
        let (busy, mine) = (&handles[1], &handles[0]);
        let _ending = Ending(mine.clone());
        assert_ne!(busy.loop_id(), mine.loop_id());
        let (release, released) = channel::<()>();
        let (begin, begun) = channel();
        let task = move |_: &mut Loop<'_>| {
            begin.send(()).unwrap();
            let _ = released.recv_timeout(DEADLINE);
        };
        busy.post(task).unwrap();
        begun.recv_timeout(DEADLINE).unwrap();

        let mut sent = 0;
        let publish = |number: usize| {
            let text = format!("{number} {}", "x".repeat(1 << 20));
            let published = channels.publish(b"news", text.as_bytes());
            channels.flush(mine);
            published.map(|receivers| receivers.count)
        };
        while publish(sent) == Ok(2) {
            sent += 1;
            assert!(sent < 200, "200 MiB wait for a busy loop");
        }
        assert!(sent >= 60, "{sent} MiB may well wait");
        assert!(waiting(&channels)[busy.loop_id()] <= MAX_WAITING);
        assert!(publish(sent).is_err(), "and the loop that is not busy was sent none of it");

        let (look, looked) = channel();
        let of_all = channels.clone();
        busy.post(move |_| look.send(waiting(&of_all)).unwrap()).unwrap();
        drop(release);
        let left = looked.recv_timeout(DEADLINE).unwrap()[busy.loop_id()];
        assert!(left > MAX_WAITING / 2, "others had no turn until {left} bytes were left");
        let deadline = Instant::now() + DEADLINE;
        while publish(sent).is_err() {
            assert!(Instant::now() < deadline, "the loop has not gone on");
            thread::yield_now();
        }
        while channels.publish(b"news", b"").is_err() {
            assert!(Instant::now() < deadline, "the loop has not gone on");
            thread::yield_now();
        }
        channels.flush(mine);
        for reader in readers {
            assert_eq!(reader.join().unwrap(), (0..=sent).collect::<Vec<_>>());
        }
        assert_eq!(waiting(&channels), [0, 0]);
    });
}

/// Each message is compared with the patterns of all who are on the loop, whoever gets it.
#[test]
fn patterns_that_do_not_match_end_a_turn_of_messages_too() {
    const MESSAGES: usize = 100;
    let channels = Channels::new(1);
    let server = Server::bind(["tcp://127.0.0.1:0"]).unwrap();
    let address = server.local_addrs()[0].addr().as_inet().unwrap();
    let (opened, places) = channel();
    let handler = Subscribing { channels: channels.clone(), opened };
    thread::scope(|scope| {
        scope.spawn(|| server.run(handler).unwrap());
        let _subscriber = TcpStream::connect(address).unwrap();
        let (subscriber, place) = places.recv_timeout(DEADLINE).unwrap();
        let _ending = Ending(place.clone());
        for number in 0..10_000 {
            let pattern = format!("{number}*");
            channels.subscribe(Kind::Pattern, pattern.as_bytes(), subscriber, Protocol::Resp2);
        }
        for _ in 0..MESSAGES {
            assert_eq!(channels.publish(b"news", b"").map(|receivers| receivers.count), Ok(1));
        }
        let (look, looked) = channel();
        let all = waiting(&channels);
        let turn = move |event_loop: &mut Loop<'_>| {
            channels.deliver(event_loop);
            look.send(waiting(&channels)).unwrap();
        };
        place.post(turn).unwrap();
        let left = looked.recv_timeout(DEADLINE).unwrap();
        assert!(left[0] > all[0] / 2, "of {} bytes {} are left", all[0], left[0]);
    });
}

#[test]
fn a_message_without_a_text_takes_room_too() {
    let outbox = Outbox::default();
    let mut queue = outbox.lock();
    let message = Message::new(b"", b"");
    let mut count = 0;
    while queue.has_room(message.cost()) {
        queue.push(message.clone());
        count += 1;
        assert!(count < 1_000_000, "a million messages wait");
    }
    drop(queue);
    assert!(outbox.begin_post(), "the loop does not know of them");
    assert!(!outbox.begin_post(), "it is told once");
    assert!(outbox.take().is_some());
    assert!(outbox.lock().has_room(message.cost()));
    assert_eq!(outbox.clear(), count - 1);
}
