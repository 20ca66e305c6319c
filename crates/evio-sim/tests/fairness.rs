//! Turns are bounded by what they do, and nobody waits for others without end.

mod util;

use std::cell::RefCell;
use std::io;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::Duration;

use evio::{Action, Conn, Handler, Limits, Loop};
use evio_sim::{Net, Options, Result, Simulation};

use util::{ADDRESS, server};

const SECOND: Duration = Duration::from_secs(1);

/// Callbacks that a turn makes at most: one for each event, and for each of the backlog.
const CALLBACKS: usize = 2 * 64;
/// Bytes that it reads at most: of a full batch of events 16 KiB each, of the backlog 64 KiB of
/// eight connections and little of others.
const BYTES: usize = 64 * (16 << 10) + 8 * (64 << 10) + 64 * (64 << 10);

/// What the turn under way has done.
#[derive(Default)]
struct Turn {
    callbacks: usize,
    bytes: usize,
    /// The most callbacks of a turn so far.
    most: usize,
}

/// Sends short answers back, and counts what each turn does.
struct Counting(Rc<RefCell<Turn>>);

impl Handler for Counting {
    type Context = ();

    fn context(&mut self, _: &Conn<'_>) {}

    fn data(&mut self, conn: &mut Conn<'_>, _: &mut (), input: &[u8]) -> Action {
        let turn = &mut *self.0.borrow_mut();
        turn.callbacks += 1;
        turn.bytes += input.len();
        turn.most = turn.most.max(turn.callbacks);
        assert!(turn.callbacks <= CALLBACKS, "a turn goes on and on");
        assert!(turn.bytes <= BYTES, "a turn reads on and on");
        conn.write(&input[..1]);
        Action::None
    }

    /// Every turn with a callback ends here.
    fn pre_write(&mut self, _: &mut Loop<'_>) -> io::Result<()> {
        let turn = &mut *self.0.borrow_mut();
        (turn.callbacks, turn.bytes) = (0, 0);
        Ok(())
    }
}

async fn flood(net: Rc<Net>, len: usize) -> Result {
    let mut conn = net.connect(ADDRESS).await?;
    let piece = vec![1; 32 << 10];
    for _ in 0..len / piece.len() {
        conn.exchange(&piece, Duration::ZERO).await?;
    }
    Ok(())
}

/// Who sends a request now and then is answered in time beside any number of floods.
#[test]
fn floods_neither_make_turns_long_nor_starve_others() {
    // Calls take time, or there would never be a crowd.
    let call_cost = Duration::from_micros(20);
    let options = Options { call_cost, recv_buffer: 256 << 10, ..Options::default() };
    let mut sim = Simulation::with_options(3, options).unwrap();
    let turn = Rc::<RefCell<Turn>>::default();
    sim.serve(server(Limits::default()).unwrap(), Counting(Rc::clone(&turn))).unwrap();
    for _ in 0..200 {
        sim.client(|net| flood(net, 256 << 10));
    }
    for _ in 0..10 {
        sim.client(|net| async move {
            let mut conn = net.connect(ADDRESS).await?;
            for _ in 0..10 {
                let asked = net.now();
                conn.write_all(b"?").await?;
                conn.read_exact(1).await?;
                let waited = net.now() - asked;
                assert!(waited < SECOND / 20, "a reply has taken {waited:?}");
                net.sleep(Duration::from_millis(2)).await;
            }
            Ok(())
        });
    }
    sim.run();
    assert!(turn.borrow().most > 32, "no turn had much to do: {}", turn.borrow().most);
}

/// Ticks every ten milliseconds, and takes a while for the first request.
struct Ticking {
    kernel: evio_sys::sim::Kernel,
    ticks: Rc<RefCell<Vec<Duration>>>,
    block: Duration,
}

const PERIOD: Duration = Duration::from_millis(10);

impl Handler for Ticking {
    type Context = ();

    fn context(&mut self, _: &Conn<'_>) {}

    fn data(&mut self, conn: &mut Conn<'_>, _: &mut (), input: &[u8]) -> Action {
        self.kernel.advance_to(self.kernel.now() + std::mem::take(&mut self.block));
        conn.write(input);
        Action::None
    }

    fn tick(&mut self, _: &mut Loop<'_>) -> ControlFlow<(), Duration> {
        self.ticks.borrow_mut().push(self.kernel.now());
        ControlFlow::Continue(PERIOD)
    }
}

#[test]
fn a_few_ticks_that_were_missed_are_made_up_for() {
    let mut sim = Simulation::with_options(1, Options::default()).unwrap();
    let ticks = Rc::<RefCell<Vec<Duration>>>::default();
    let handler =
        Ticking { kernel: sim.kernel().clone(), ticks: Rc::clone(&ticks), block: 12 * PERIOD };
    sim.serve(server(Limits::default()).unwrap(), handler).unwrap();
    sim.client(|net| async move {
        let mut conn = net.connect(ADDRESS).await?;
        conn.write_all(b"x").await?;
        conn.read_exact(1).await?;
        net.sleep(SECOND).await;
        let (expected, ticked) = (net.now().as_nanos() / PERIOD.as_nanos(), ticks.borrow().len());
        let difference = ticked.abs_diff(expected as usize);
        assert!(difference <= 2, "{ticked} ticks of {expected}");
        Ok(())
    });
    sim.run();
}

/// A timer has nothing to do with a listener that rests.
#[test]
fn clients_are_turned_away_though_the_loop_ticks() {
    let mut sim = Simulation::with_options(1, Options::default()).unwrap();
    let handler =
        Ticking { kernel: sim.kernel().clone(), ticks: Rc::default(), block: Duration::ZERO };
    sim.serve(server(Limits::default()).unwrap(), handler).unwrap();
    sim.set_descriptors(sim.kernel().open_descriptors());
    for _ in 0..20 {
        sim.client(|net| async move {
            // It may notice while it connects.
            if let Ok(mut conn) = net.connect(ADDRESS).await {
                let _ = conn.read_to_end().await;
            }
            assert!(net.now() < SECOND, "it has waited for {:?}", net.now());
            Ok(())
        });
    }
    sim.run();
}

/// Sends to all, and ends the server in the same callback.
struct LastWords;

impl Handler for LastWords {
    type Context = ();

    fn context(&mut self, _: &Conn<'_>) {}

    fn data(&mut self, conn: &mut Conn<'_>, _: &mut (), _: &[u8]) -> Action {
        conn.loop_handle().broadcast(*b"good night").expect("there is room");
        Action::Shutdown
    }
}

#[test]
fn what_was_broadcast_before_a_shutdown_is_sent() {
    let mut sim = Simulation::with_options(1, Options::default()).unwrap();
    sim.serve(server(Limits::default()).unwrap(), LastWords).unwrap();
    for number in 0..10 {
        sim.client(move |net| async move {
            let mut conn = net.connect(ADDRESS).await?;
            net.sleep(SECOND).await;
            if number == 0 {
                conn.write_all(b"end").await?;
            }
            assert_eq!(conn.read_to_end().await?, b"good night");
            Ok(())
        });
    }
    sim.run();
}

/// A full socket is tried when it has room, however much is sent meanwhile.
#[test]
fn many_sends_to_a_full_socket_try_it_once() {
    let mut sim = Simulation::with_options(1, Options::default()).unwrap();
    let handle = Rc::<RefCell<Option<evio::ConnHandle>>>::default();
    struct Publishing(Rc<RefCell<Option<evio::ConnHandle>>>);
    impl Handler for Publishing {
        type Context = ();

        fn context(&mut self, conn: &Conn<'_>) {
            *self.0.borrow_mut() = Some(conn.handle());
        }

        fn opened(&mut self, conn: &mut Conn<'_>, _: &mut ()) -> Action {
            conn.write(&[0; 1 << 20]);
            Action::None
        }

        fn data(&mut self, _: &mut Conn<'_>, _: &mut (), _: &[u8]) -> Action {
            Action::None
        }
    }
    sim.serve(server(Limits::default()).unwrap(), Publishing(Rc::clone(&handle))).unwrap();
    let kernel = sim.kernel().clone();
    sim.client(move |net| async move {
        let _conn = net.connect(ADDRESS).await?;
        net.sleep(SECOND).await;
        let sender = handle.take().ok_or("it is open")?;
        for _ in 0..1_000 {
            sender.send(*b"more")?;
            net.sleep(Duration::from_millis(1)).await;
        }
        let vain = kernel.counts().vain_sends;
        assert!(vain <= 1, "{vain} sends to a full socket");
        Ok(())
    });
    sim.run();
}
