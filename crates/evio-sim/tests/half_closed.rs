//! Connections that end one direction after the other, by whichever side.

mod util;

use std::rc::Rc;
use std::time::Duration;

use evio::{Action, CloseReason, Conn, Limits};
use evio_sim::{Result, for_each_seed};

use util::{ADDRESS, On, Probe, Shared, cut_nothing, server};

const SEEDS: u64 = 200;

/// How soon a connection ends whose directions have.
const SOON: Duration = Duration::from_secs(1);

/// Returns a callback that checks how a connection ends, and what says that it has.
fn note_end() -> (impl FnMut(&mut Conn<'_>, CloseReason), Shared<bool>) {
    let ended = Shared::<bool>::default();
    let has_ended = Rc::clone(&ended);
    let end = move |_: &mut Conn<'_>, reason: CloseReason| {
        assert!(matches!(reason, CloseReason::PeerClosed), "{reason:?}");
        ended.set(true);
    };
    (end, has_ended)
}

/// The peer leaves its side open, so nothing is reported that could end the connection.
#[test]
fn a_connection_closes_whose_directions_the_handler_has_both_ended() {
    for_each_seed(SEEDS, |sim| {
        cut_nothing(sim);
        let kernel = sim.kernel().clone();
        let len = kernel.random_below(50_000);
        let act = move |conn: &mut Conn<'_>, callback: On<'_>| {
            match callback {
                On::Data(_) => conn.write(&vec![1; len]),
                On::Timer => {}
                _ => return Action::None,
            }
            let draw = kernel.random_below(4);
            if draw != 1 {
                conn.shutdown_read();
            }
            if draw != 2 {
                conn.shutdown_write();
            }
            conn.set_timer(Some(Duration::from_millis(10)));
            Action::None
        };
        let (end, has_ended) = note_end();
        sim.serve(server(Limits::default())?, Probe::new(act, end))?;
        sim.client(move |net| async move {
            let mut conn = net.connect(ADDRESS).await?;
            conn.write_all(b"x").await?;
            assert_eq!(conn.read_to_end().await?.len(), len);
            net.sleep(SOON).await;
            assert!(has_ended.get(), "both directions have ended, and the connection has not");
            Ok(())
        });
        Ok(())
    });
}

/// The handler stops the input now and then, and ends its own output at any time. What the poller
/// has reported meanwhile, it reports no second time.
#[test]
fn a_connection_closes_when_both_sides_have_ended_whatever_was_paused() {
    for_each_seed(SEEDS, |sim| {
        cut_nothing(sim);
        let kernel = sim.kernel().clone();
        let ends_with = kernel.random_below(4);
        let act = move |conn: &mut Conn<'_>, callback: On<'_>| {
            let is_end = match callback {
                On::Opened => ends_with == 0,
                On::Data(_) => {
                    if kernel.random_below(3) > 0 {
                        conn.pause_reading();
                        conn.wake();
                    }
                    ends_with == 1
                }
                On::Woken => {
                    conn.resume_reading();
                    ends_with == 2
                }
                On::PeerClosed => true,
                _ => false,
            };
            if is_end {
                conn.shutdown_write();
            }
            Action::None
        };
        let (end, has_ended) = note_end();
        sim.serve(server(Limits::default())?, Probe::new(act, end))?;
        sim.client(move |net| async move {
            let mut conn = net.connect(ADDRESS).await?;
            for _ in 0..1 + net.random_below(3) {
                net.sleep(Duration::from_millis(net.random_below(20) as u64)).await;
                conn.write_all(&net.random_bytes(1 + net.random_below(3_000))).await?;
            }
            conn.shutdown_write()?;
            assert_eq!(conn.read_to_end().await?, b"");
            net.sleep(SOON).await;
            assert!(has_ended.get(), "both sides have ended, and the connection has not");
            Ok(()) as Result
        });
        Ok(())
    });
}
