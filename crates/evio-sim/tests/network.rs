//! What the network does: segments that get lost, and hosts that nobody reaches for a while.

use std::time::Duration;

use evio::{Action, Conn, Handler, Limits, Server};
use evio_sim::{Faults, Options, Result, Simulation, for_each_seed};
use evio_sys::sim::Interface;

const ADDRESS: &str = "10.0.0.1:7";
const SEEDS: u64 = 300;

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Sends each byte ten times.
struct Tenfold;

impl Handler for Tenfold {
    type Context = ();

    fn context(&mut self, _: &Conn<'_>) {}

    fn data(&mut self, conn: &mut Conn<'_>, _: &mut (), input: &[u8]) -> Action {
        conn.write(&tenfold(input));
        Action::None
    }
}

fn tenfold(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().flat_map(|&byte| [byte; 10]).collect()
}

fn server() -> Result<Server> {
    Ok(Server::bind([format!("tcp://{ADDRESS}")])?)
}

#[test]
fn what_is_lost_comes_late_and_in_order() {
    let lossy = Faults { loss: 0.2, segment: 0.2, ..Faults::default() };
    let summary = for_each_seed(SEEDS, |sim| {
        sim.set_faults(lossy);
        // Some are lost several times in a row.
        let limits = Limits::default().close_timeout(secs(300));
        sim.serve(server()?.limits(limits), Tenfold)?;
        for _ in 0..3 {
            sim.client(|net| async move {
                let mut conn = net.connect(ADDRESS).await?;
                let message = net.random_bytes(1 + net.random_below(3_000));
                conn.write_all(&message).await?;
                conn.shutdown_write()?;
                assert!(conn.read_to_end().await? == tenfold(&message));
                Ok(())
            });
        }
        Ok(())
    });
    assert!(summary.faults.losses > summary.seeds, "{:?}", summary.faults);
}

#[test]
fn a_host_that_was_cut_off_for_a_while_loses_nothing() {
    for_each_seed(SEEDS, |sim| {
        sim.set_faults(Faults::default());
        sim.serve(server()?, Tenfold)?;
        sim.client(|net| async move {
            let mut conn = net.connect(ADDRESS).await?;
            for _ in 0..3 {
                let message = net.random_bytes(1 + net.random_below(3_000));
                conn.write_all(&message).await?;
                net.cut_off(true);
                let away = Duration::from_millis(net.random_below(3_000) as u64);
                net.sleep(away).await;
                net.cut_off(false);
                assert!(conn.read_exact(message.len() * 10).await? == tenfold(&message));
            }
            Ok(())
        });
        Ok(())
    });
}

/// Sends a byte each second.
struct Heartbeat;

impl Handler for Heartbeat {
    type Context = ();

    fn context(&mut self, _: &Conn<'_>) {}

    fn data(&mut self, _: &mut Conn<'_>, _: &mut (), _: &[u8]) -> Action {
        Action::None
    }

    fn opened(&mut self, conn: &mut Conn<'_>, _: &mut ()) -> Action {
        conn.set_timer(Some(secs(1)));
        Action::None
    }

    fn timer(&mut self, conn: &mut Conn<'_>, _: &mut ()) -> Action {
        conn.write(b".");
        conn.set_timer(Some(secs(1)));
        Action::None
    }
}

#[test]
fn a_peer_that_has_vanished_is_given_up_in_time() {
    for_each_seed(SEEDS, |sim| {
        sim.set_faults(Faults::default());
        let write_timeout = secs(5 + sim.kernel().random_below(60) as u64);
        let limits = Limits::default().write_timeout(Some(write_timeout));
        // What the socket has taken, Linux alone gives up so soon; others take their own time.
        let interface = Options::drawn_from(sim.seed()).interface;
        let longest = if interface == Interface::Epoll { write_timeout } else { secs(925) };
        sim.serve(server()?.limits(limits), Heartbeat)?;
        sim.client(move |net| async move {
            let mut conn = net.connect(ADDRESS).await?;
            conn.read_exact(3).await?;
            net.cut_off(true);
            net.sleep(write_timeout - secs(2)).await;
            assert_eq!(net.connections(), 1, "a peer is given up early");
            net.sleep(longest - write_timeout + secs(6)).await;
            assert_eq!(net.connections(), 0, "a connection is left to a peer that has vanished");
            // Who comes back finds nobody there any more.
            net.cut_off(false);
            let sent = conn.write_all(b"hello").await;
            assert!(sent.is_err() || conn.read_to_end().await.is_err());
            Ok(())
        });
        Ok(())
    });
}

#[test]
fn a_reset_that_is_lost_leaves_the_other_end_alone() {
    for_each_seed(SEEDS, |sim| {
        sim.set_faults(Faults::default());
        let idle = secs(60);
        sim.serve(server()?.limits(Limits::default().idle_timeout(Some(idle))), Tenfold)?;
        sim.client(move |net| async move {
            let mut conn = net.connect(ADDRESS).await?;
            conn.write_all(b"hello").await?;
            conn.read_exact(50).await?;
            net.cut_off(true);
            conn.reset();
            net.sleep(secs(1)).await;
            net.cut_off(false);
            net.sleep(secs(30)).await;
            assert_eq!(net.connections(), 1, "nobody has told the server");
            net.sleep(idle).await;
            assert_eq!(net.connections(), 0, "nothing was heard of the client for too long");
            Ok(())
        });
        Ok(())
    });
}

#[test]
fn who_does_not_get_through_is_told() {
    let mut sim = Simulation::with_options(1, Options::default()).unwrap();
    sim.serve(server().unwrap(), Tenfold).unwrap();
    sim.client(|net| async move {
        net.cut_off(true);
        let quick = net.within(secs(5), net.connect(ADDRESS)).await;
        assert_eq!(quick.unwrap_err().kind(), std::io::ErrorKind::TimedOut);
        assert_eq!(net.now(), secs(5));
        let slow = net.connect(ADDRESS).await;
        assert_eq!(slow.unwrap_err().kind(), std::io::ErrorKind::TimedOut);
        assert_eq!(net.now(), secs(5 + 127));
        net.cut_off(false);
        net.connect(ADDRESS).await?;
        Ok(())
    });
    sim.run();
}
