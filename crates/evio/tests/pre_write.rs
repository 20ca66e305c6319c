//! `pre_write`: once per round of output, and before the first byte of it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::cell::Cell;
use std::net::{SocketAddr, UdpSocket};
use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

use evio::{Action, Conn, Events, Handler, Limits, Loop, Udp};

use util::{
    Client, DEADLINE, Held, Hold, Reports, Running, TCP, bind_all, hold, reports, start,
    unix_address,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Data,
    Datagram,
    Woken,
    Closed,
    PreWrite,
}

/// Numbers its replies, and notes in `pre_write` how many of them are committed, as a server with
/// a log would.
struct Ledger {
    replies: u64,
    committed: Arc<AtomicU64>,
    steps: Sender<Step>,
    hold: Hold,
}

impl Ledger {
    /// `h` holds up the loop, `q` is not answered, `w` asks for a wake, and `l` for a long answer.
    fn answer(&mut self, request: &[u8], mut write: impl FnMut(&[u8])) {
        match request[0] {
            b'h' => self.hold.wait(),
            b'q' | b'w' => {}
            command => {
                self.replies += 1;
                write(&self.replies.to_be_bytes());
                if command == b'l' {
                    write(&vec![0; LONG]);
                }
            }
        }
    }
}

const LONG: usize = 4 << 20;

impl Handler for Ledger {
    type Context = ();

    fn context(&mut self, _: &Conn<'_>) {}

    fn data(&mut self, conn: &mut Conn<'_>, _: &mut (), input: &[u8]) -> Action {
        self.steps.send(Step::Data).unwrap();
        if input[0] == b'w' {
            conn.handle().wake().unwrap();
        }
        self.answer(input, |reply| conn.write(reply));
        Action::None
    }

    fn woken(&mut self, conn: &mut Conn<'_>, _: &mut ()) -> Action {
        self.steps.send(Step::Woken).unwrap();
        self.answer(b"?", |reply| conn.write(reply));
        Action::None
    }

    fn closed(&mut self, _: &mut Conn<'_>, _: (), _: evio::CloseReason) -> ControlFlow<()> {
        self.steps.send(Step::Closed).unwrap();
        ControlFlow::Continue(())
    }

    fn datagram(
        &mut self,
        socket: &mut Udp<'_>,
        peer: SocketAddr,
        input: &[u8],
    ) -> ControlFlow<()> {
        self.steps.send(Step::Datagram).unwrap();
        self.answer(input, |reply| socket.send_to(reply, peer));
        ControlFlow::Continue(())
    }

    fn pre_write(&mut self, _: &mut Loop<'_>) -> std::io::Result<()> {
        self.steps.send(Step::PreWrite).unwrap();
        self.committed.store(self.replies, Ordering::SeqCst);
        Ok(())
    }
}

struct Fixture {
    server: Running,
    committed: Arc<AtomicU64>,
    steps: Reports<Step>,
    held: Held,
}

impl Fixture {
    /// Runs a server on a Unix socket, a TCP port and a UDP port.
    fn new() -> Self {
        let server = bind_all([&*unix_address(), TCP, "udp://127.0.0.1:0"]);
        let (sender, steps) = reports();
        let (hold, held) = hold();
        let committed = Arc::new(AtomicU64::new(0));
        let ledger = Ledger { replies: 0, committed: Arc::clone(&committed), steps: sender, hold };
        Self { server: start(server, move || ledger), committed, steps, held }
    }

    fn unix(&self) -> Client {
        Client::connect(self.server.addrs()[0].addr())
    }

    fn tcp(&self) -> Client {
        Client::connect(self.server.addrs()[1].addr())
    }

    fn udp(&self) -> UdpSocket {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(self.server.addrs()[2].addr().as_inet().unwrap()).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        socket
    }

    /// Holds up the loop, so that everything until the release falls into one turn.
    fn hold(&self, control: &Client) {
        control.send(b"h");
        self.held.wait();
        assert_eq!(self.steps.next(), Step::Data);
    }

    /// Checks that a reply was committed before it could be received.
    #[track_caller]
    fn check_committed(&self, reply: &[u8]) {
        let committed = self.committed.load(Ordering::SeqCst);
        let number = u64::from_be_bytes(reply.try_into().expect("eight bytes"));
        assert!(number <= committed, "reply {number} was sent before it was committed");
    }

    #[track_caller]
    fn expect(&self, steps: &[Step]) {
        for (index, step) in steps.iter().enumerate() {
            assert_eq!(self.steps.next(), *step, "step {index} of {steps:?}");
        }
    }

    /// Checks that nothing came after what was expected: that a round trip is the next thing.
    #[track_caller]
    fn expect_no_more(&self, client: &Client) {
        client.send(b"?");
        self.check_committed(&client.receive(8));
        self.expect(&[Step::Data, Step::PreWrite]);
    }
}

#[test]
fn no_reply_leaves_before_it_is_committed() {
    let fixture = Fixture::new();
    let (unix, tcp, udp) = (fixture.unix(), fixture.tcp(), fixture.udp());
    for _ in 0..200 {
        for client in [&unix, &tcp] {
            client.send(b"?");
            fixture.check_committed(&client.receive(8));
        }
        udp.send(b"?").unwrap();
        let mut reply = [0; 8];
        assert_eq!(udp.recv(&mut reply).unwrap(), 8);
        fixture.check_committed(&reply);
    }
    for client in [&unix, &tcp] {
        client.send(b"l");
        fixture.check_committed(&client.receive(8));
        client.receive(LONG);
    }
    fixture.server.stop();
}

#[test]
fn one_round_has_one_pre_write() {
    let fixture = Fixture::new();
    let control = fixture.unix();
    let clients: Vec<Client> = (0..5).map(|_| fixture.unix()).collect();
    for client in &clients {
        // So that it has been accepted.
        fixture.expect_no_more(client);
    }
    fixture.hold(&control);
    for client in &clients {
        client.send(b"?");
    }
    fixture.held.release();
    for client in &clients {
        fixture.check_committed(&client.receive(8));
    }
    use Step::{Data, PreWrite};
    fixture.expect(&[Data, Data, Data, Data, Data, PreWrite]);
    fixture.expect_no_more(&clients[0]);
    fixture.server.stop();
}

#[test]
fn datagrams_belong_to_the_round() {
    if util::left_out_on_kqueue("events come in any order") {
        return;
    }
    let fixture = Fixture::new();
    let (control, client, udp) = (fixture.unix(), fixture.unix(), fixture.udp());
    fixture.hold(&control);
    client.send(b"?");
    for _ in 0..3 {
        udp.send(b"?").unwrap();
    }
    fixture.held.release();
    client.receive(8);
    for _ in 0..3 {
        let mut reply = [0; 8];
        assert_eq!(udp.recv(&mut reply).unwrap(), 8);
        fixture.check_committed(&reply);
    }
    use Step::{Data, Datagram, PreWrite};
    fixture.expect(&[Data, Datagram, Datagram, Datagram, PreWrite]);
    fixture.expect_no_more(&client);
    fixture.server.stop();
}

#[test]
fn a_wake_is_answered_in_a_round_of_its_own() {
    let fixture = Fixture::new();
    let client = fixture.unix();
    client.send(b"w");
    fixture.check_committed(&client.receive(8));
    fixture.expect(&[Step::Data, Step::Woken, Step::PreWrite]);
    fixture.expect_no_more(&client);
    fixture.server.stop();
}

#[test]
fn a_turn_without_output_has_no_pre_write() {
    let fixture = Fixture::new();
    let (client, udp) = (fixture.unix(), fixture.udp());
    for _ in 0..3 {
        client.send(b"q");
        fixture.expect(&[Step::Data]);
    }
    udp.send(b"q").unwrap();
    fixture.expect(&[Step::Datagram]);
    fixture.expect_no_more(&client);
    fixture.server.stop();
}

/// Peers come and go all the time; that is no reason to flush a log to the disk.
#[test]
fn a_connection_that_ends_without_output_causes_no_pre_write() {
    let fixture = Fixture::new();
    let client = fixture.unix();
    for end in [drop as fn(Client), Client::reset, |client| client.finish_sending()] {
        let client = fixture.tcp();
        client.send(b"q");
        fixture.expect(&[Step::Data]);
        end(client);
        fixture.expect(&[Step::Closed]);
    }
    let client_that_goes = fixture.unix();
    client_that_goes.send(b"q");
    fixture.expect(&[Step::Data]);
    drop(client_that_goes);
    fixture.expect(&[Step::Closed]);
    fixture.expect_no_more(&client);
    fixture.server.stop();
}

/// A loop that was held up comes to look at a write timeout when there is room for the output
/// again, and tries once more to send it: together with what the same turn has added.
#[test]
fn a_timeout_that_is_looked_at_late_sends_nothing_early() {
    const WRITE_TIMEOUT: Duration = Duration::from_millis(30);
    // A little more than a Unix socket takes at once.
    const OUTPUT: usize = 300_000;
    let (lengths, length) = reports();
    let (in_data, data_held) = hold();
    let (in_pre_write, pre_write_held) = hold();
    let limits = Limits::default().write_timeout(Some(WRITE_TIMEOUT)).high_watermark(2 * OUTPUT);
    let server = util::bind(&unix_address()).limits(limits);
    let server = start(server, move || {
        let answering = Rc::new(Cell::new(false));
        let is_answering = Rc::clone(&answering);
        Events::new()
            .data(move |conn, (), input| {
                match input[0] {
                    b'h' => in_data.wait(),
                    b'l' => {
                        conn.write(&[b'.'; OUTPUT]);
                        conn.handle().wake().unwrap();
                    }
                    _ => {
                        conn.write(b"answer");
                        answering.set(true);
                    }
                }
                Action::None
            })
            .woken(move |conn, ()| {
                lengths.send(conn.output_len()).unwrap();
                Action::None
            })
            .pre_write(move |_| {
                if is_answering.get() {
                    in_pre_write.wait();
                }
                Ok(())
            })
    });
    let (control, client) = (server.connect(), server.connect());
    client.send(b"l");
    let waiting = length.next();
    assert!(waiting > 0, "the socket took everything");
    control.send(b"h");
    data_held.wait();
    client.receive(OUTPUT - waiting);
    client.send(b"?");
    // Held up for longer than the timeout.
    thread::sleep(4 * WRITE_TIMEOUT);
    data_held.release();

    pre_write_held.wait();
    client.set_read_timeout(Duration::from_millis(50)).unwrap();
    let early = client.receive_until_silent();
    assert!(!early.ends_with(b"answer"), "the answer did not wait for pre_write");
    pre_write_held.release();
    client.set_read_timeout(DEADLINE).unwrap();
    assert!(client.receive(waiting + 6 - early.len()).ends_with(b"answer"));
    server.stop();
}
