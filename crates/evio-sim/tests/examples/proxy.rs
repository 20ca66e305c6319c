//! The pairs of the TCP proxy, without its signals, its checks and its resolver, which have threads
//! and sockets of the system.

use std::io;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use evio::{Action, CloseReason, Conn, Handler, Limits, Server};
use evio_examples::proxy::options::Options;
use evio_examples::proxy::pair::Purpose;
use evio_examples::proxy::pairs::{Pairs, Side};
use evio_examples::proxy::resolve::resolve_all;
use evio_examples::proxy::shared::Shared;
use evio_examples::proxy::upstreams::Upstreams;
use evio_sim::{Net, Result, Simulation, for_each_seed};

use crate::{ADDRESS, measure_times, rest_for, send_in_pieces};

const UPSTREAM: &str = "10.0.0.2:81";
/// Where nobody listens.
const GONE: &str = "10.0.0.3:82";

/// The proxy, and behind it, on the same loop, a server that sends back what it gets.
struct Proxy(Pairs);

/// The place of a pair, and the side; none for the server.
type Role = Option<(usize, Side)>;

impl Handler for Proxy {
    type Context = Role;

    fn context(&mut self, conn: &Conn<'_>) -> Role {
        match (Purpose::of(conn.origin()), conn.address_index()) {
            (Some(Purpose::Pair(place)), _) => Some((place as usize, Side::Upstream)),
            (_, Some(0)) => Some((self.0.add(conn.id()), Side::Client)),
            _ => None,
        }
    }

    fn opened(&mut self, conn: &mut Conn<'_>, role: &mut Role) -> Action {
        match *role {
            Some((place, Side::Client)) => self.0.begin(conn, place),
            Some((place, Side::Upstream)) => self.0.join(conn, place),
            None => Action::None,
        }
    }

    fn data(&mut self, conn: &mut Conn<'_>, role: &mut Role, input: &[u8]) -> Action {
        if let Some((place, side)) = *role {
            return self.0.pass_on(conn, place, side, input);
        }
        conn.write(input);
        Action::None
    }

    fn drained(&mut self, conn: &mut Conn<'_>, role: &mut Role) -> Action {
        if let Some((place, side)) = *role {
            self.0.drained(conn, place, side);
        }
        Action::None
    }

    fn peer_closed(&mut self, conn: &mut Conn<'_>, role: &mut Role) -> Action {
        match *role {
            Some((place, side)) => self.0.peer_closed(conn, place, side),
            None => Action::Close,
        }
    }

    fn timer(&mut self, conn: &mut Conn<'_>, role: &mut Role) -> Action {
        if let Some((place, Side::Client)) = *role {
            self.0.look(conn, place);
        }
        Action::None
    }

    fn closed(&mut self, conn: &mut Conn<'_>, role: Role, reason: CloseReason) -> ControlFlow<()> {
        if let Some((place, side)) = role {
            self.0.closed(conn, place, side, &reason);
        }
        ControlFlow::Continue(())
    }

    fn connect_failed(&mut self, conn: &mut Conn<'_>, reason: CloseReason) -> ControlFlow<()> {
        if let Some(Purpose::Pair(place)) = Purpose::of(conn.origin()) {
            self.0.try_next(conn, place as usize, &reason);
        }
        ControlFlow::Continue(())
    }
}

fn serve(sim: &mut Simulation, options: &[&str]) -> Result {
    let options = Options::try_parse_from([&["tcp-proxy"], options].concat())?;
    let upstreams = Arc::new(Upstreams::new(options.balance, 1));
    resolve_all(&options.upstream, &upstreams).map_err(|error| error.to_string())?;
    let limits = Limits::default().high_watermark(4_000).low_watermark(1_000);
    let limits = limits.connect_timeout(options.connect_timeout);
    let addresses = [ADDRESS, UPSTREAM].map(|address| format!("tcp://{address}"));
    let shared = Arc::new(Shared::new(options, upstreams, 1));
    sim.serve(Server::bind(addresses)?.limits(limits), Proxy(Pairs::new(shared, 0)))?;
    Ok(())
}

/// Sends messages and reads each back; the last one comes with the end of the output.
async fn talk(net: Rc<Net>) -> Result {
    match talk_on(&net).await {
        // A connection behind the proxy, which is not the client's own, may have been cut.
        Err(_) if net.any_was_cut() => Ok(()),
        result => result,
    }
}

async fn talk_on(net: &Net) -> Result {
    let conn = &mut net.connect(ADDRESS).await?;
    let mut message = Vec::new();
    for _ in 0..net.random_below(6) {
        message = net.random_bytes(1 + net.random_below(20_000));
        send_in_pieces(net, conn, &message).await?;
        rest_for(net, Duration::from_millis(100)).await;
        assert!(conn.read_exact(message.len()).await? == message);
    }
    if net.random_below(2) == 0 {
        send_in_pieces(net, conn, &message).await?;
        conn.shutdown_write()?;
        let rest = conn.read_to_end().await?;
        assert!(rest == message || net.any_was_cut(), "{} of {}", rest.len(), message.len());
    }
    Ok(())
}

#[test]
fn everything_is_passed_on_whatever_goes_wrong() {
    for_each_seed(300, |sim| {
        // One of two upstreams refuses: then the other one is asked.
        serve(sim, &["--upstream", GONE, "--upstream", UPSTREAM])?;
        for _ in 0..1 + sim.kernel().random_below(5) {
            sim.client(talk);
        }
        Ok(())
    });
}

#[test]
fn an_idle_pair_ends_when_its_time_is_up() {
    let timeout = Duration::from_secs(60);
    for_each_seed(200, |sim| {
        measure_times(sim);
        serve(sim, &["--upstream", UPSTREAM, "--idle-timeout", "60s"])?;
        sim.client(move |net| async move {
            match wait_idle(&net, timeout).await {
                Err(_) if net.any_was_cut() => Ok(()),
                result => result,
            }
        });
        Ok(())
    });
}

/// Sends messages with rests between them, and then none until the pair ends.
async fn wait_idle(net: &Net, timeout: Duration) -> Result {
    let mut conn = net.connect(ADDRESS).await?;
    let mut begun = net.now();
    for _ in 0..1 + net.random_below(4) {
        begun = net.now();
        conn.write_all(b"message").await?;
        assert_eq!(conn.read_exact(7).await?, b"message");
        rest_for(net, timeout - Duration::from_secs(1)).await;
    }
    // Both sides are told that this is no end of the other one.
    let ended = conn.read_to_end().await.map_err(|error| error.kind());
    if !net.any_was_cut() {
        assert_eq!(ended, Err(io::ErrorKind::ConnectionReset));
        let waited = net.now() - begun;
        assert!(waited >= timeout && waited < timeout * 3 / 2, "{waited:?}");
    }
    Ok(())
}
