//! Every deadline of `Limits`, and every timer: neither early nor late, in virtual time.

mod util;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use evio::{Action, CloseReason, Conn, Limits, PauseReason, Timeout};
use evio_sim::{Connection, Net, Result, for_each_seed};

use util::{ADDRESS, LATE, On, Probe, Shared, check_due, cut_nothing, draw_time, server};

const SEEDS: u64 = 200;

/// How long sends and receives may be put off by chance, and a graceful end takes.
const CHANCE: Duration = Duration::from_millis(100);

/// How long the network takes for what the buffers take, and the loop to look at the progress.
const PROGRESS: Duration = Duration::from_secs(10);

/// More than the buffers of both ends take, and segments that are cut.
const MUCH: usize = 1 << 20;

/// Runs simulations of one connection that ends by `timeout`, `due` after the time that `on` has
/// noted, or up to `slack` later. The limits follow from `due`.
fn ends_in_time(
    timeout: Timeout,
    limits: fn(Limits, Duration) -> Limits,
    slack: Duration,
    on: fn(&mut Conn<'_>, On<'_>, Duration) -> Option<Action>,
    client: impl AsyncFn(Rc<Net>, Connection, Duration) -> Result + Copy + 'static,
) {
    for_each_seed(SEEDS, |sim| {
        cut_nothing(sim);
        let due = draw_time(sim);
        let since: Shared<Duration> = Rc::default();
        let (kernel, noted) = (sim.kernel().clone(), Rc::clone(&since));
        let act = move |conn: &mut Conn<'_>, callback: On<'_>| {
            on(conn, callback, due).inspect(|_| noted.set(kernel.now())).unwrap_or(Action::None)
        };
        let kernel = sim.kernel().clone();
        let end = move |_: &mut Conn<'_>, reason: CloseReason| {
            assert!(matches!(reason, CloseReason::Timeout(of) if of == timeout), "{reason:?}");
            let waited = kernel.now() - since.get();
            check_due("the end", waited, due, slack);
        };
        sim.serve(server(limits(Limits::default(), due))?, Probe::new(act, end))?;
        sim.client(move |net| async move {
            let conn = connect_later(&net).await?;
            client(net, conn, due).await
        });
        Ok(())
    });
}

/// Connects when the first step of the wheel is over, which may be one more than it is.
async fn connect_later(net: &Net) -> std::io::Result<Connection> {
    net.sleep(Duration::from_millis(50)).await;
    net.connect(ADDRESS).await
}

/// Waits for the end of a connection, however it comes.
async fn wait_for_end(conn: &mut Connection) -> Result {
    // Some ends are resets.
    let _ = conn.read_to_end().await;
    Ok(())
}

#[test]
fn idle() {
    ends_in_time(
        Timeout::Idle,
        |limits, due| limits.idle_timeout(Some(due)),
        CHANCE,
        |_, _, _| Some(Action::None),
        async |net, mut conn, due| {
            for _ in 0..net.random_below(4) {
                net.sleep(due.mul_f64(0.5)).await;
                conn.write_all(b"something").await?;
            }
            wait_for_end(&mut conn).await
        },
    );
}

#[test]
fn read() {
    ends_in_time(
        Timeout::Read,
        |limits, _| limits,
        CHANCE,
        |conn, callback, due| {
            // `opened` is followed by a look at all deadlines, `data` is not. What comes meanwhile
            // moves it no further.
            let is_begin = match due.as_millis() % 2 {
                0 => callback == On::Opened,
                _ => matches!(callback, On::Data([b'!', ..])),
            };
            is_begin.then(|| {
                conn.set_read_timeout(Some(due));
                Action::None
            })
        },
        async |net, mut conn, due| {
            conn.write_all(b"!").await?;
            for _ in 0..net.random_below(4) {
                net.sleep(due / 10).await;
                conn.write_all(b"something").await?;
            }
            wait_for_end(&mut conn).await
        },
    );
}

/// Takes some of the output often, and never all.
async fn take_slowly(net: &Net, conn: &mut Connection, due: Duration) -> Result {
    for _ in 0..60 {
        net.sleep(due / 10).await;
        if conn.read_exact(MUCH / 100).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// Writes more than all buffers hold when the connection opens.
fn write_much(conn: &mut Conn<'_>, callback: On<'_>, _: Duration) -> Option<Action> {
    (callback == On::Opened).then(|| {
        conn.write(&vec![1; MUCH]);
        Action::None
    })
}

#[test]
fn write() {
    ends_in_time(
        Timeout::Write,
        |limits, due| limits.write_timeout(Some(due)),
        PROGRESS,
        write_much,
        async |net, _conn, due| {
            net.sleep(due + 2 * PROGRESS).await;
            Ok(())
        },
    );
}

#[test]
fn a_peer_that_takes_output_now_and_then_is_not_cut_off() {
    for_each_seed(SEEDS, |sim| {
        cut_nothing(sim);
        let timeout = Duration::from_millis(1_000 + sim.kernel().random_below(10_000) as u64);
        let limits = Limits::default().write_timeout(Some(timeout)).idle_timeout(Some(timeout));
        let act = |conn: &mut Conn<'_>, callback: On<'_>| {
            write_much(conn, callback, Duration::ZERO).unwrap_or(Action::None)
        };
        sim.serve(server(limits)?, Probe::new(act, |_, _| ()))?;
        sim.client(move |net| async move {
            let mut conn = connect_later(&net).await?;
            for _ in 0..12 {
                net.sleep(timeout / 3).await;
                conn.read_exact(MUCH / 100).await?;
            }
            conn.read_exact(MUCH - 12 * (MUCH / 100)).await?;
            Ok(())
        });
        Ok(())
    });
}

#[test]
fn congestion() {
    ends_in_time(
        Timeout::Congestion,
        |limits, due| {
            let limits = limits.high_watermark(1_000).low_watermark(500);
            limits.congestion_timeout(Some(due))
        },
        Duration::ZERO,
        write_much,
        async |net, mut conn, due| take_slowly(&net, &mut conn, due).await,
    );
}

fn write_much_and_close(conn: &mut Conn<'_>, callback: On<'_>, _: Duration) -> Option<Action> {
    (callback == On::Opened).then(|| {
        conn.write(&vec![1; MUCH]);
        Action::Close
    })
}

#[test]
fn close() {
    ends_in_time(
        Timeout::Close,
        |limits, due| limits.close_timeout(due).flush_timeout(2 * due),
        PROGRESS,
        write_much_and_close,
        async |net, _conn, due| {
            net.sleep(due + 2 * PROGRESS).await;
            Ok(())
        },
    );
}

#[test]
fn flush() {
    ends_in_time(
        Timeout::Close,
        |limits, due| limits.flush_timeout(due).close_timeout(due),
        Duration::ZERO,
        write_much_and_close,
        async |net, mut conn, due| take_slowly(&net, &mut conn, due).await,
    );
}

#[test]
fn reply() {
    for_each_seed(SEEDS, |sim| {
        cut_nothing(sim);
        let due = draw_time(sim);
        let (kernel, since) = (sim.kernel().clone(), Shared::<Duration>::default());
        let (noted, mut replies) = (Rc::clone(&since), Vec::new());
        let act = move |conn: &mut Conn<'_>, callback: On<'_>| match callback {
            On::Data(_) => {
                replies.push(conn.reply());
                Action::None
            }
            On::PeerClosed => {
                noted.set(kernel.now());
                Action::Close
            }
            _ => Action::None,
        };
        let kernel = sim.kernel().clone();
        let end = move |_: &mut Conn<'_>, reason: CloseReason| {
            assert!(matches!(reason, CloseReason::Timeout(Timeout::Reply)), "{reason:?}");
            check_due("the end", kernel.now() - since.get(), due, Duration::ZERO);
        };
        sim.serve(server(Limits::default().reply_timeout(due))?, Probe::new(act, end))?;
        sim.client(move |net| async move {
            let mut conn = connect_later(&net).await?;
            conn.write_all(b"a request").await?;
            conn.shutdown_write()?;
            wait_for_end(&mut conn).await
        });
        Ok(())
    });
}

#[test]
fn connect() {
    for_each_seed(SEEDS, |sim| {
        cut_nothing(sim);
        let due = Duration::from_millis(20 + sim.kernel().random_below(120_000) as u64);
        let far = "10.9.9.9:1";
        let ip = far.parse::<std::net::SocketAddr>()?.ip();
        sim.kernel().set_cut_off(ip, true);
        let since: Shared<Duration> = Rc::default();
        let (kernel, noted) = (sim.kernel().clone(), Rc::clone(&since));
        let act = move |conn: &mut Conn<'_>, callback: On<'_>| {
            if callback == On::Opened {
                let far: std::net::SocketAddr = far.parse().expect("an address");
                conn.event_loop().connect(far, 0).expect("there are descriptors");
                noted.set(kernel.now());
            }
            Action::None
        };
        let kernel = sim.kernel().clone();
        let has_failed: Shared<bool> = Rc::default();
        let failed = Rc::clone(&has_failed);
        let end = move |_: &mut Conn<'_>, reason: CloseReason| {
            if matches!(reason, CloseReason::Timeout(Timeout::Connect)) {
                check_due("giving up", kernel.now() - since.get(), due, Duration::ZERO);
                failed.set(true);
            }
        };
        sim.serve(server(Limits::default().connect_timeout(due))?, Probe::new(act, end))?;
        sim.client(move |net| async move {
            let _conn = connect_later(&net).await?;
            net.sleep(due + Duration::from_secs(1)).await;
            assert!(has_failed.get(), "it goes on trying after {due:?}");
            Ok(())
        });
        Ok(())
    });
}

/// The peer leaves its side open after all was sent.
#[test]
fn lingering() {
    for_each_seed(SEEDS, |sim| {
        cut_nothing(sim);
        let due = draw_time(sim);
        let (kernel, since) = (sim.kernel().clone(), Rc::new(Cell::new(Duration::ZERO)));
        let noted = Rc::clone(&since);
        let act = move |conn: &mut Conn<'_>, callback: On<'_>| {
            if callback != On::Opened {
                return Action::None;
            }
            noted.set(kernel.now());
            conn.write(b"bye");
            Action::Close
        };
        let kernel = sim.kernel().clone();
        let end = move |_: &mut Conn<'_>, reason: CloseReason| {
            assert!(matches!(reason, CloseReason::Closed), "{reason:?}");
            check_due("the end", kernel.now() - since.get(), due, CHANCE);
        };
        sim.serve(
            server(Limits::default().close_timeout(due).flush_timeout(2 * due))?,
            Probe::new(act, end),
        )?;
        sim.client(move |net| async move {
            let mut conn = connect_later(&net).await?;
            assert_eq!(conn.read_to_end().await?, b"bye");
            net.sleep(due + Duration::from_secs(1)).await;
            Ok(())
        });
        Ok(())
    });
}

/// Timers are set, moved and cancelled.
#[test]
fn timers_of_connections() {
    for_each_seed(SEEDS, |sim| {
        let times: Vec<_> = (0..6).map(|_| draw_time(sim)).collect();
        let (kernel, total) = (sim.kernel().clone(), times.iter().sum::<Duration>());
        let mut due: Option<Duration> = None;
        let mut next = times.into_iter();
        let act = move |conn: &mut Conn<'_>, callback: On<'_>| {
            let now = kernel.now();
            if callback == On::Timer {
                let at = due.take().expect("the timer was cancelled or has run down before");
                check_due("the timer", now, at, Duration::ZERO);
            } else if let Some(at) = due {
                assert!(now <= at + LATE, "the timer of {at:?} has not run down by {now:?}");
            }
            let delay = next.next().filter(|_| kernel.random_below(3) > 0);
            conn.set_timer(delay);
            due = delay.map(|delay| now + delay);
            Action::None
        };
        sim.serve(server(Limits::default())?, Probe::new(act, |_, _| ()))?;
        sim.client(move |net| async move {
            let mut conn = connect_later(&net).await?;
            for _ in 0..3 {
                // A cut of the connection ends its timers.
                let _ = conn.write_all(b"x").await;
                net.sleep(total / 2).await;
            }
            Ok(())
        });
        Ok(())
    });
}

#[test]
fn ends_of_pauses() {
    for_each_seed(SEEDS, |sim| {
        cut_nothing(sim);
        let (kernel, time) = (sim.kernel().clone(), draw_time(sim));
        let mut end: Option<Duration> = None;
        let act = move |conn: &mut Conn<'_>, callback: On<'_>| {
            if !matches!(callback, On::Data(_)) {
                return Action::None;
            }
            match end.take() {
                Some(end) => {
                    check_due("input", kernel.now(), end, CHANCE);
                    conn.write(b"!");
                }
                None => {
                    conn.pause_reading_until(PauseReason::new(3), conn.now() + time);
                    end = Some(kernel.now() + time);
                }
            }
            Action::None
        };
        sim.serve(server(Limits::default())?, Probe::new(act, |_, _| ()))?;
        sim.client(move |net| async move {
            let mut conn = connect_later(&net).await?;
            for _ in 0..3 {
                conn.write_all(b"pause").await?;
                net.sleep(time / 2).await;
                conn.write_all(b"what waits").await?;
                assert_eq!(conn.read_exact(1).await?, b"!");
            }
            Ok(())
        });
        Ok(())
    });
}
