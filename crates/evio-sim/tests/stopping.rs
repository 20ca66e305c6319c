//! What a graceful shutdown owes to those who have asked in time.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::Duration;

use evio::{
    Action, CloseReason, Conn, ConnId, ConnectOptions, DialError, DialFailure, Handler, Loop,
    Origin, Resolver, Server, Udp,
};
use evio_sim::{Blocker, Options, Result, Simulation};

const ADDRESS: &str = "10.0.0.1:80";
const LONG: Duration = Duration::from_secs(60);
/// When the shutdown is asked for, while the loop is held up from `HELD_UP` to `HELD_UP_UNTIL`.
const ASKED: Duration = Duration::from_millis(150);
const HELD_UP: Duration = Duration::from_millis(100);
const HELD_UP_UNTIL: Duration = Duration::from_millis(1_100);
/// When clients send what is in time: after the asking, before the loop comes to it.
const IN_TIME: Duration = Duration::from_millis(200);

/// Sends to every other connection the "hello" of one of them, and answers each end of output with
/// how much came before it.
struct Relay {
    blocker: Blocker,
    /// Every call takes so long.
    work: Duration,
    conns: Vec<ConnId>,
    calls: Rc<Cell<usize>>,
}

impl Handler for Relay {
    /// How much has come.
    type Context = usize;

    fn context(&mut self, conn: &Conn<'_>) -> usize {
        self.conns.push(conn.id());
        0
    }

    fn data(&mut self, conn: &mut Conn<'_>, received: &mut usize, input: &[u8]) -> Action {
        if input == b"hold" {
            self.blocker.block(HELD_UP_UNTIL - HELD_UP);
            return Action::None;
        }
        *received += input.len();
        self.calls.set(self.calls.get() + 1);
        if !self.work.is_zero() {
            self.blocker.block(self.work);
        }
        let (sender, is_message) = (conn.id(), input == b"hello");
        for &other in self.conns.iter().filter(|&&id| is_message && id != sender) {
            if let Some(mut other) = conn.event_loop().conn(other) {
                other.write(input);
            }
        }
        Action::None
    }

    fn peer_closed(&mut self, conn: &mut Conn<'_>, received: &mut usize) -> Action {
        conn.write(received.to_string().as_bytes());
        Action::Close
    }

    fn datagram(
        &mut self,
        socket: &mut Udp<'_>,
        peer: SocketAddr,
        input: &[u8],
    ) -> ControlFlow<()> {
        socket.send_to(input, peer);
        ControlFlow::Continue(())
    }
}

/// Serves a relay whose loop is held up when the shutdown is asked for, and counts its calls.
fn serve(sim: &mut Simulation, timeout: Duration, work: Duration) -> Result<Rc<Cell<usize>>> {
    let server = Server::bind([format!("tcp://{ADDRESS}"), "udp://10.0.0.1:81".to_owned()])?;
    let handle = server.handle();
    let calls = Rc::default();
    let (blocker, counted) = (sim.blocker(), Rc::clone(&calls));
    sim.serve(server, Relay { blocker, work, conns: Vec::new(), calls: counted })?;
    sim.at(ASKED, move |_| handle.shutdown_gracefully(timeout));
    sim.client(|net| async move {
        let mut conn = net.connect(ADDRESS).await?;
        net.sleep(HELD_UP - net.now()).await;
        conn.write_all(b"hold").await?;
        conn.read_to_end().await?;
        Ok(())
    });
    Ok(calls)
}

/// Nothing goes wrong, and a socket has room for all that is sent.
fn quiet() -> Result<Simulation> {
    quiet_with(Duration::ZERO)
}

/// Each call takes so long.
fn quiet_with(call_cost: Duration) -> Result<Simulation> {
    let options =
        Options { send_buffer: 1 << 20, recv_buffer: 1 << 20, call_cost, ..Options::default() };
    Ok(Simulation::with_options(1, options)?)
}

/// More of them than a turn has events, and more bytes than a turn reads of one; then the end of
/// their output.
#[test]
fn everything_that_came_in_time_is_read_with_its_end() -> Result {
    for (clients, len) in [(1, 200_000), (70, 30_000), (200, 100)] {
        let mut sim = quiet()?;
        serve(&mut sim, LONG, Duration::ZERO)?;
        for _ in 0..clients {
            sim.client(move |net| async move {
                let mut conn = net.connect(ADDRESS).await?;
                net.sleep(IN_TIME - net.now()).await;
                conn.write_all(&vec![b'x'; len]).await?;
                conn.shutdown_write()?;
                let reply = conn.read_to_end().await?;
                assert!(reply.ends_with(len.to_string().as_bytes()), "{clients} of {len} bytes");
                Ok(())
            });
        }
        sim.run();
    }
    Ok(())
}

/// The sender comes last, and what it sends reaches those who would be told first.
#[test]
fn connections_are_told_when_all_are_read() -> Result {
    let mut sim = quiet()?;
    serve(&mut sim, LONG, Duration::ZERO)?;
    for number in 0..3 {
        sim.client(move |net| async move {
            net.sleep(Duration::from_millis(number)).await;
            let mut conn = net.connect(ADDRESS).await?;
            net.sleep(IN_TIME - net.now()).await;
            if number == 2 {
                conn.write_all(b"hello").await?;
            }
            let heard = conn.read_to_end().await?;
            assert_eq!(heard, if number == 2 { &b""[..] } else { b"hello" });
            Ok(())
        });
    }
    sim.run();
    Ok(())
}

#[test]
fn datagrams_that_came_in_time_are_answered() -> Result {
    let mut sim = quiet()?;
    serve(&mut sim, LONG, Duration::ZERO)?;
    sim.client(|net| async move {
        let mut socket = net.udp("10.0.0.9:0")?;
        net.sleep(IN_TIME).await;
        for number in 0..100 {
            socket.send_to(&[number], "10.0.0.1:81")?;
        }
        for _ in 0..100 {
            net.within(LONG, socket.recv_from()).await?;
        }
        Ok(())
    });
    sim.run();
    Ok(())
}

/// The loop comes to the shutdown when its time is up: nobody is served any more.
#[test]
fn the_time_of_the_shutdown_is_kept() -> Result {
    let mut sim = quiet()?;
    let calls = serve(&mut sim, Duration::from_millis(200), Duration::from_millis(10))?;
    for _ in 0..300 {
        sim.client(|net| async move {
            let mut conn = net.connect(ADDRESS).await?;
            net.sleep(IN_TIME - net.now()).await;
            conn.write_all(b"x").await?;
            // It may be reset: what it has sent was not read.
            let _ = conn.read_to_end().await;
            assert!(net.now() < HELD_UP_UNTIL + Duration::from_secs(1), "{:?}", net.now());
            Ok(())
        });
    }
    sim.run();
    // At most the events of the turn in which the loop was held up.
    assert!(calls.get() <= 64, "{} calls", calls.get());
    Ok(())
}

/// Those who never stop sending do not keep the others from the end.
#[test]
fn a_peer_that_goes_on_sending_does_not_hold_up_the_end() -> Result {
    let mut sim = quiet_with(Duration::from_millis(1))?;
    serve(&mut sim, 2 * LONG, Duration::ZERO)?;
    for _ in 0..3 {
        sim.client(|net| async move {
            let mut conn = net.connect(ADDRESS).await?;
            net.sleep(IN_TIME - net.now()).await;
            while conn.write_all(&vec![b'x'; 1 << 20]).await.is_ok() {}
            assert!(net.now() < LONG, "{:?}", net.now());
            Ok(())
        });
    }
    sim.run();
    Ok(())
}

const UPSTREAM: &str = "upstream.internal:90";
/// Nothing that is dialled comes about in the time of a test.
const NEVER: Duration = Duration::from_secs(3_600);
/// The longest way of a segment, and to look a name up.
const WAY: Duration = Duration::from_millis(40);

/// Passes on what a client asks to another server, which it connects to for that, and waits for the
/// answer also when the server ends.
struct Front {
    resolver: Resolver,
    log: Log,
}

/// What came of clients and of dials, in order.
type Log = Rc<RefCell<Vec<&'static str>>>;

impl Front {
    fn dial(&self, event_loop: &mut Loop<'_>, client: ConnId) -> io::Result<()> {
        let options = ConnectOptions::default().tag(client);
        self.resolver.dial(event_loop, UPSTREAM, &options).map(drop)
    }

    fn log(&self, what: &'static str) {
        self.log.borrow_mut().push(what);
    }
}

impl Handler for Front {
    type Context = ();

    fn context(&mut self, _: &Conn<'_>) {}

    fn opened(&mut self, conn: &mut Conn<'_>, _: &mut ()) -> Action {
        if let Origin::Connected(_) = conn.origin() {
            conn.write(b"question");
        }
        Action::None
    }

    fn data(&mut self, conn: &mut Conn<'_>, _: &mut (), input: &[u8]) -> Action {
        if let Origin::Connected(tag) = conn.origin() {
            if let Some(mut client) = tag.conn.and_then(|client| conn.sibling(client)) {
                client.write(input);
                client.close();
            }
            return Action::Close;
        }
        let client = conn.id();
        if let Err(error) = self.dial(&mut conn.event_loop(), client) {
            conn.write(error.to_string().as_bytes());
            return Action::Close;
        }
        Action::None
    }

    fn stopping(&mut self, conn: &mut Conn<'_>, _: &mut ()) -> Action {
        self.log(match conn.origin() {
            Origin::Connected(_) => "upstream told",
            _ => "client told",
        });
        Action::None
    }

    fn closed(&mut self, conn: &mut Conn<'_>, _: (), reason: CloseReason) -> ControlFlow<()> {
        if let Origin::Accepted { .. } = conn.origin() {
            let is_shutdown = matches!(reason, CloseReason::Shutdown);
            self.log(if is_shutdown { "client cut off" } else { "client closed" });
        }
        ControlFlow::Continue(())
    }

    fn dial_failed(&mut self, event_loop: &mut Loop<'_>, error: DialError) -> ControlFlow<()> {
        let is_shutdown = matches!(error.failure(), DialFailure::Shutdown);
        self.log(if is_shutdown { "dial given up" } else { "dial failed" });
        // What is begun now must not keep the loop from its end.
        let client = error.tag().conn.expect("the tag of each dial");
        assert!(self.dial(event_loop, client).is_err());
        ControlFlow::Continue(())
    }
}

/// What the front connects to.
struct Upstream;

impl Handler for Upstream {
    type Context = ();

    fn context(&mut self, _: &Conn<'_>) {}

    fn data(&mut self, conn: &mut Conn<'_>, _: &mut (), _: &[u8]) -> Action {
        conn.write(b"answer");
        Action::None
    }
}

/// Serves a front that has `timeout` to end from `ASKED` on, and what it connects to, whose name
/// takes up to `look_up` to be found.
fn serve_front(seed: u64, timeout: Duration, look_up: Duration) -> Result<(Simulation, Log)> {
    let options = Options { latency: WAY, look_up, ..Options::default() };
    let mut sim = Simulation::with_options(seed, options)?;
    sim.host("upstream.internal", ["10.0.0.2"]);
    let log = Log::default();
    let server = Server::bind([format!("tcp://{ADDRESS}")])?;
    let handle = server.handle();
    sim.serve(server, Front { resolver: Resolver::new()?, log: Rc::clone(&log) })?;
    sim.serve(Server::bind(["tcp://10.0.0.2:90"])?, Upstream)?;
    sim.at(ASKED, move |_| handle.shutdown_gracefully(timeout));
    Ok((sim, log))
}

/// The server ends while it looks the other one up, connects to it, or waits for it.
#[test]
fn what_was_asked_in_time_is_answered_by_another_server() -> Result {
    let mut told = BTreeSet::new();
    for seed in 0..40 {
        let (mut sim, log) = serve_front(seed, LONG, WAY)?;
        sim.client(|net| async move {
            let mut conn = net.connect(ADDRESS).await?;
            net.sleep(ASKED - WAY - net.now()).await;
            conn.write_all(b"question").await?;
            assert_eq!(conn.read_to_end().await?, b"answer");
            Ok(())
        });
        sim.run();
        let log = log.borrow();
        assert!(log.iter().all(|what| !what.starts_with("dial")), "{log:?}");
        told.extend(log.iter().copied().filter(|what| what.ends_with("told")));
    }
    assert_eq!(told.len(), 2, "{told:?}");
    Ok(())
}

#[test]
fn nobody_waits_for_a_dial_whose_client_has_gone() -> Result {
    let (mut sim, log) = serve_front(1, LONG, NEVER)?;
    sim.client(|net| async move {
        let mut conn = net.connect(ADDRESS).await?;
        conn.write_all(b"question").await?;
        net.sleep(2 * ASKED - net.now()).await;
        conn.reset();
        Ok(())
    });
    let seen = Rc::clone(&log);
    sim.at(3 * ASKED, move |_| {
        assert_eq!(*seen.borrow(), ["client told", "client closed", "dial given up"]);
    });
    sim.run();
    Ok(())
}

#[test]
fn a_dial_is_given_up_with_its_client_when_the_time_is_up() -> Result {
    let (mut sim, log) = serve_front(1, 2 * ASKED, NEVER)?;
    sim.client(|net| async move {
        let mut conn = net.connect(ADDRESS).await?;
        conn.write_all(b"question").await?;
        // Closed or reset.
        let _ = conn.read_to_end().await;
        assert!(net.now() < 4 * ASKED, "{:?}", net.now());
        Ok(())
    });
    sim.run();
    assert_eq!(*log.borrow(), ["client told", "dial given up", "client cut off"]);
    Ok(())
}

#[test]
fn nothing_new_is_begun_when_the_connections_are_told() -> Result {
    let (mut sim, log) = serve_front(1, LONG, WAY)?;
    sim.client(|net| async move {
        let mut conn = net.connect(ADDRESS).await?;
        net.sleep(3 * ASKED - net.now()).await;
        conn.write_all(b"question").await?;
        assert_eq!(conn.read_to_end().await?, b"the server is shutting down");
        Ok(())
    });
    sim.run();
    assert_eq!(*log.borrow(), ["client told", "client closed"]);
    Ok(())
}
