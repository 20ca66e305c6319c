//! What a graceful shutdown owes to those who have asked in time.

use std::cell::Cell;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::Duration;

use evio::{Action, Conn, ConnId, Handler, Server, Udp};
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

/// More than a turn reads of one connection, many times over: the peer has sent all of it in time.
#[test]
fn a_long_upload_that_came_in_time_is_read() -> Result {
    const LEN: usize = 4 << 20;
    let options = Options { send_buffer: 8 << 20, recv_buffer: 8 << 20, ..Options::default() };
    let mut sim = Simulation::with_options(1, options)?;
    serve(&mut sim, LONG, Duration::ZERO)?;
    sim.client(move |net| async move {
        let mut conn = net.connect(ADDRESS).await?;
        net.sleep(IN_TIME - net.now()).await;
        conn.write_all(&vec![b'x'; LEN]).await?;
        conn.shutdown_write()?;
        let reply = conn.read_to_end().await?;
        assert!(reply.ends_with(LEN.to_string().as_bytes()), "{} of {LEN}", reply.escape_ascii());
        Ok(())
    });
    sim.run();
    Ok(())
}
