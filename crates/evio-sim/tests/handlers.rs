//! Handlers that use more of the loop than an echo does.

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::time::Duration;

use evio::{Action, CloseReason, Conn, ConnId, Handler, Limits, Origin, Server};
use evio_sim::{Result, for_each_seed};

const ADDRESS: &str = "10.0.0.1:80";
const UPSTREAM: &str = "10.0.0.2:81";
const SEEDS: u64 = 500;

fn server() -> Result<Server> {
    Ok(Server::bind([format!("tcp://{ADDRESS}")])?)
}

/// The bytes of the reply to a request for so many.
fn reply(len: usize) -> Vec<u8> {
    (0..len).map(|index| (index * 31 % 251) as u8).collect()
}

/// Answers a line with as many bytes as it says, and closes after a line that says `0`.
#[derive(Default)]
struct Replies;

impl Handler for Replies {
    type Context = Vec<u8>;

    fn context(&mut self, _: &Conn<'_>) -> Vec<u8> {
        Vec::new()
    }

    fn data(&mut self, conn: &mut Conn<'_>, line: &mut Vec<u8>, input: &[u8]) -> Action {
        for &byte in input {
            if byte != b'\n' {
                line.push(byte);
                continue;
            }
            let len = String::from_utf8_lossy(&std::mem::take(line)).parse().unwrap_or(0);
            if len == 0 {
                conn.write(b"bye");
                return Action::Close;
            }
            conn.write_owned(reply(len));
        }
        Action::None
    }
}

#[test]
fn large_replies_arrive_whole_and_so_does_the_last() {
    for_each_seed(SEEDS, |sim| {
        let limits = Limits::default().high_watermark(4_000).low_watermark(1_000);
        sim.serve(server()?.limits(limits), Replies)?;
        for _ in 0..5 {
            sim.client(|net| async move {
                let mut conn = net.connect(ADDRESS).await?;
                let lens: Vec<_> = (0..5).map(|_| 1 + net.random_below(30_000)).collect();
                for len in &lens {
                    conn.write_all(format!("{len}\n").as_bytes()).await?;
                }
                conn.write_all(b"0\n").await?;
                for len in lens {
                    if net.random_below(3) == 0 {
                        net.sleep(Duration::from_millis(net.random_below(50) as u64)).await;
                    }
                    assert_eq!(conn.read_exact(len).await?, reply(len));
                }
                assert_eq!(conn.read_to_end().await?, b"bye");
                Ok(())
            });
        }
        Ok(())
    });
}

#[test]
fn a_silent_client_is_closed_when_its_time_is_up() {
    for_each_seed(SEEDS, |sim| {
        let idle = Duration::from_secs(10 + sim.kernel().random_below(100) as u64);
        let limits = Limits::default().idle_timeout(Some(idle));
        sim.serve(server()?.limits(limits), Replies)?;
        sim.client(move |net| async move {
            let mut conn = net.connect(ADDRESS).await?;
            for _ in 0..3 {
                net.sleep(idle - Duration::from_secs(1)).await;
                conn.write_all(b"9\n").await?;
                assert_eq!(conn.read_exact(9).await?, reply(9));
            }
            let since = net.now();
            assert_eq!(conn.read_to_end().await?, b"");
            let waited = net.now() - since;
            let second = Duration::from_secs(1);
            assert!(waited > idle - second && waited < idle + second, "{waited:?} of {idle:?}");
            Ok(())
        });
        Ok(())
    });
}

#[test]
fn clients_are_served_or_told_when_descriptors_run_out() {
    let summary = for_each_seed(SEEDS, |sim| {
        sim.set_descriptors(9);
        sim.set_longest(Duration::from_secs(600));
        sim.serve(server()?, Replies)?;
        for _ in 0..20 {
            sim.client(|net| async move {
                loop {
                    let mut conn = net.connect(ADDRESS).await?;
                    // Who is turned away finds the end, or a reset because of its request.
                    if conn.write_all(b"9\n").await.is_ok() && conn.read_exact(9).await.is_ok() {
                        net.sleep(Duration::from_millis(300)).await;
                        return Ok(());
                    }
                    net.sleep(Duration::from_millis(500)).await;
                }
            });
        }
        Ok(())
    });
    assert!(summary.seeds < SEEDS || summary.faults.no_descriptors > 0);
}

/// Passes on what clients of the first address say to the second one, which sends it back: three
/// connections of one loop for each client.
struct Proxy;

impl Proxy {
    /// Closes the connection that this one belongs to.
    fn close_other(conn: &mut Conn<'_>, other: Option<ConnId>) -> ControlFlow<()> {
        if let Some(mut other) = other.and_then(|other| conn.sibling(other)) {
            other.close();
        }
        ControlFlow::Continue(())
    }

    fn client(conn: &Conn<'_>) -> Option<ConnId> {
        match conn.origin() {
            Origin::Connected(tag) => tag.conn,
            Origin::Accepted { .. } | Origin::Adopted(_) => None,
        }
    }
}

impl Handler for Proxy {
    type Context = Option<ConnId>;

    fn context(&mut self, conn: &Conn<'_>) -> Option<ConnId> {
        Self::client(conn)
    }

    fn opened(&mut self, conn: &mut Conn<'_>, other: &mut Option<ConnId>) -> Action {
        if conn.address_index() == Some(0) {
            let upstream: SocketAddr = UPSTREAM.parse().expect("an address");
            let client = conn.id();
            match conn.event_loop().connect(upstream, client) {
                Ok(upstream) => *other = Some(upstream),
                Err(_) => return Action::Close,
            }
        }
        Action::None
    }

    fn data(&mut self, conn: &mut Conn<'_>, other: &mut Option<ConnId>, input: &[u8]) -> Action {
        if conn.address_index() == Some(1) {
            conn.write(input);
            return Action::None;
        }
        match other.and_then(|other| conn.sibling(other)) {
            Some(mut other) => {
                other.write(input);
                Action::None
            }
            None => Action::Close,
        }
    }

    fn closed(
        &mut self,
        conn: &mut Conn<'_>,
        other: Option<ConnId>,
        _: CloseReason,
    ) -> ControlFlow<()> {
        Self::close_other(conn, other)
    }

    fn connect_failed(&mut self, conn: &mut Conn<'_>, _: CloseReason) -> ControlFlow<()> {
        let client = Self::client(conn);
        Self::close_other(conn, client)
    }
}

#[test]
fn a_proxy_passes_everything_on() {
    let summary = for_each_seed(SEEDS, |sim| {
        let addresses = [ADDRESS, UPSTREAM].map(|address| format!("tcp://{address}"));
        sim.serve(Server::bind(addresses)?, Proxy)?;
        for _ in 0..4 {
            sim.client(|net| async move {
                let mut conn = net.connect(ADDRESS).await?;
                for _ in 0..5 {
                    let message = net.random_bytes(1 + net.random_below(3_000));
                    conn.write_all(&message).await?;
                    match conn.read_exact(message.len()).await {
                        Ok(echoed) => assert_eq!(echoed, message),
                        // The other connections of this one are not the client's own.
                        Err(_) if net.any_was_cut() => return Ok(()),
                        Err(error) => return Err(error.into()),
                    }
                }
                Ok(())
            });
        }
        Ok(())
    });
    assert!(summary.connections > 3 * SEEDS.min(summary.seeds));
}

#[test]
fn a_proxy_whose_upstream_refuses_tells_its_clients() {
    for_each_seed(SEEDS, |sim| {
        sim.serve(server()?, Proxy)?;
        for _ in 0..5 {
            sim.client(|net| async move {
                let mut conn = net.connect(ADDRESS).await?;
                assert_eq!(conn.read_to_end().await?, b"");
                Ok(())
            });
        }
        Ok(())
    });
}

/// Sends back what comes, and takes a rest after each piece.
struct Resting;

impl Handler for Resting {
    type Context = ();

    fn context(&mut self, _: &Conn<'_>) {}

    fn data(&mut self, conn: &mut Conn<'_>, _: &mut (), input: &[u8]) -> Action {
        conn.write(input);
        conn.pause_reading();
        conn.set_timer(Some(Duration::from_millis(input.len() as u64 % 7)));
        Action::None
    }

    fn timer(&mut self, conn: &mut Conn<'_>, _: &mut ()) -> Action {
        conn.resume_reading();
        Action::None
    }
}

#[test]
fn what_comes_while_reading_is_paused_is_read_afterwards() {
    for_each_seed(SEEDS, |sim| {
        sim.serve(server()?, Resting)?;
        for _ in 0..3 {
            sim.client(|net| async move {
                let mut conn = net.connect(ADDRESS).await?;
                let mut all = Vec::new();
                for _ in 0..10 {
                    let message = net.random_bytes(1 + net.random_below(100));
                    conn.write_all(&message).await?;
                    all.extend(message);
                    net.sleep(Duration::from_millis(net.random_below(5) as u64)).await;
                }
                conn.shutdown_write()?;
                assert_eq!(conn.read_to_end().await?, all);
                Ok(())
            });
        }
        Ok(())
    });
}
