//! Faults that were found from outside, as short scripts: timeouts, limits and endings.

mod util;

use std::cell::RefCell;
use std::io;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::Duration;

use evio::{Action, CloseReason, Conn, Handler, Limits, Loop, Timeout};
use evio_sim::{Options, Result, Simulation};
use evio_sys::sim::Kernel;

use util::{ADDRESS, LATE, On, Probe, Shared, server};

const SECOND: Duration = Duration::from_secs(1);

/// The first look at what the kernel holds comes after 50 to 100 ms.
const LOOK: Duration = Duration::from_millis(100);

/// Makes a simulation in which nothing goes wrong by chance.
fn quiet() -> Simulation {
    Simulation::with_options(1, Options::default()).expect("a simulation needs a descriptor")
}

/// Acts out a callback that takes long.
fn block(kernel: &Kernel, time: Duration) {
    kernel.advance_to(kernel.now() + time);
}

/// When connections have ended, and why.
type Ends = Rc<RefCell<Vec<(Duration, String)>>>;

/// Returns a handler that notes the ends of connections.
fn probe<F>(sim: &Simulation, on: F) -> (impl Handler<Context = ()> + use<F>, Ends)
where
    F: FnMut(&mut Conn<'_>, On<'_>) -> Action + 'static,
{
    let ends = Ends::default();
    let (kernel, noted) = (sim.kernel().clone(), Rc::clone(&ends));
    let end = move |_: &mut Conn<'_>, reason: CloseReason| {
        noted.borrow_mut().push((kernel.now(), format!("{reason:?}")));
    };
    (Probe::new(on, end), ends)
}

#[test]
fn a_send_that_fails_at_a_deadline_ends_the_connection_at_once() {
    let mut sim = quiet();
    let kernel = sim.kernel().clone();
    let limits = Limits::default().write_timeout(Some(SECOND / 2));
    let (handler, ends) = probe(&sim, move |conn, callback| {
        match callback {
            On::Opened => conn.write(&[0; 4 << 20]),
            // The peer resets the connection meanwhile, and the deadline passes.
            On::Data(_) => block(&kernel, SECOND),
            _ => {}
        }
        Action::None
    });
    sim.serve(server(limits).unwrap(), handler).unwrap();
    sim.client(|net| async move {
        let mut conn = net.connect(ADDRESS).await?;
        net.sleep(SECOND / 10).await;
        conn.write_all(b"x").await?;
        conn.reset();
        net.sleep(2 * SECOND).await;
        assert_eq!(ends.borrow().len(), 1, "{ends:?}");
        Ok(())
    });
    sim.run();
}

#[test]
fn a_loop_that_was_late_reads_before_it_cuts_off() {
    const LEN: usize = 100_000;
    // A message finds room in the kernel, and some arrive while the loop is held up.
    let (send_buffer, recv_buffer, latency) = (2 * LEN, 2 * LEN, SECOND / 10);
    let options = Options { send_buffer, recv_buffer, latency, ..Options::default() };
    let mut sim = Simulation::with_options(1, options).unwrap();
    let kernel = sim.kernel().clone();
    let mut got = std::collections::BTreeMap::new();
    let (handler, ends) = probe(&sim, move |conn, callback| {
        match callback {
            On::Opened => conn.set_read_timeout(Some(SECOND)),
            On::Data(b"block") => {
                conn.set_read_timeout(None);
                block(&kernel, 2 * SECOND);
            }
            On::Data(input) => {
                let got: &mut usize = got.entry(conn.id()).or_default();
                *got += input.len();
                if *got == LEN {
                    conn.set_read_timeout(None);
                    conn.write(b"whole");
                }
            }
            On::PeerClosed => return Action::Close,
            _ => {}
        }
        Action::None
    });
    sim.serve(server(Limits::default()).unwrap(), handler).unwrap();
    for number in 0..50 {
        sim.client(move |net| async move {
            let mut conn = net.connect(ADDRESS).await?;
            net.sleep(SECOND / 2 - net.now()).await;
            if number == 0 {
                // The others have sent by then, and their deadlines pass meanwhile.
                net.sleep(SECOND / 100).await;
                conn.write_all(b"block").await?;
                return Ok(());
            }
            conn.write_all(&[1; LEN]).await?;
            assert_eq!(conn.read_exact(5).await?, b"whole");
            Ok(())
        });
    }
    sim.run();
    assert!(ends.borrow().iter().all(|(_, reason)| reason == "PeerClosed"), "{ends:?}");
}

/// A send at the deadline would fill what little is left of the buffer, and look like progress.
#[test]
fn a_peer_that_never_reads_is_cut_off_in_time() {
    for is_closing in [false, true] {
        let mut sim = quiet();
        let limits = Limits::default().write_timeout(Some(SECOND)).close_timeout(SECOND);
        let (handler, ends) = probe(&sim, move |conn, callback| {
            if callback != On::Opened {
                return Action::None;
            }
            conn.write(&[0; 4 << 20]);
            if is_closing { Action::Close } else { Action::None }
        });
        sim.serve(server(limits).unwrap(), handler).unwrap();
        sim.client(|net| async move {
            let _conn = net.connect(ADDRESS).await?;
            net.sleep(3 * SECOND).await;
            Ok(())
        });
        sim.run();
        let (end, reason) = ends.borrow()[0].clone();
        assert!(end >= SECOND && end <= SECOND + LATE + LOOK, "{end:?}: {reason}");
        assert!(reason.starts_with("Timeout"), "{reason}");
    }
}

#[test]
fn closing_takes_no_limit_away() {
    let mut sim = quiet();
    let limits = Limits::default().congestion_timeout(Some(SECOND)).close_timeout(2 * SECOND);
    let (handler, ends) = probe(&sim, |conn, callback| match callback {
        On::Opened => {
            conn.write(&[0; 40 << 20]);
            Action::Close
        }
        _ => Action::None,
    });
    sim.serve(server(limits).unwrap(), handler).unwrap();
    sim.client(|net| async move {
        let mut conn = net.connect(ADDRESS).await?;
        while conn.read_exact(200_000).await.is_ok() {
            net.sleep(7 * SECOND / 10).await;
        }
        Ok(())
    });
    sim.run();
    let (end, reason) = ends.borrow()[0].clone();
    assert!(end <= SECOND + LATE + LOOK, "{end:?}");
    assert_eq!(reason, format!("{:?}", CloseReason::Timeout(Timeout::Congestion)));
}

#[test]
fn new_limits_count_as_if_they_had_been_so() {
    for max_output in [64 << 20, 1 << 20] {
        let mut sim = quiet();
        let drained = Shared::<bool>::default();
        let is_drained = Rc::clone(&drained);
        let (handler, ends) = probe(&sim, move |conn, callback| {
            match callback {
                On::Opened => conn.write(&[0; 2 << 20]),
                On::Data(_) | On::Timer => {
                    let limits = Limits::default().high_watermark(16 << 20);
                    conn.set_limits(limits.low_watermark(8 << 20).max_output(max_output));
                }
                On::Drained => drained.set(true),
                _ => {}
            }
            if callback == On::Opened {
                conn.set_timer(Some(SECOND));
            }
            Action::None
        });
        sim.serve(server(Limits::default()).unwrap(), handler).unwrap();
        sim.client(move |net| async move {
            let _conn = net.connect(ADDRESS).await?;
            net.sleep(SECOND + LOOK).await;
            if max_output > 2 << 20 {
                assert!(is_drained.get() && ends.borrow().is_empty());
            } else {
                assert_eq!(ends.borrow()[0].1, "OutputLimit");
            }
            Ok(())
        });
        sim.run();
    }
}

#[test]
fn a_peer_that_sends_to_a_paused_connection_is_not_idle() {
    let mut sim = quiet();
    let limits = Limits::default().idle_timeout(Some(SECOND));
    let (handler, ends) = probe(&sim, |conn, callback| {
        if callback == On::Opened {
            conn.pause_reading();
        }
        Action::None
    });
    sim.serve(server(limits).unwrap(), handler).unwrap();
    sim.client(|net| async move {
        let mut conn = net.connect(ADDRESS).await?;
        for _ in 0..50 {
            conn.write_all(b"x").await?;
            net.sleep(SECOND / 10).await;
        }
        assert!(ends.borrow().is_empty(), "{ends:?}");
        Ok(())
    });
    sim.run();
}

/// Replies when it cannot keep them.
struct Withholding;

impl Handler for Withholding {
    type Context = ();

    fn context(&mut self, _: &Conn<'_>) {}

    fn data(&mut self, conn: &mut Conn<'_>, _: &mut (), _: &[u8]) -> Action {
        conn.write(b"it is kept");
        Action::Close
    }

    fn pre_write(&mut self, _: &mut Loop<'_>) -> io::Result<()> {
        Err(io::ErrorKind::StorageFull.into())
    }

    fn closed(&mut self, _: &mut Conn<'_>, (): (), reason: CloseReason) -> ControlFlow<()> {
        assert!(matches!(reason, CloseReason::Withheld), "{reason:?}");
        ControlFlow::Continue(())
    }
}

#[test]
fn the_last_reply_of_a_turn_that_is_withheld_does_not_leave() {
    let mut sim = quiet();
    sim.serve(server(Limits::default()).unwrap(), Withholding).unwrap();
    sim.client(|net| async move {
        let mut conn = net.connect(ADDRESS).await?;
        conn.write_all(b"keep it").await?;
        let end = conn.read().await;
        assert!(end.is_err(), "{end:?}");
        Ok(()) as Result
    });
    sim.run();
}
