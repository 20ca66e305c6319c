//! The time that a graceful shutdown leaves, and connections that come while it goes on.

use std::cell::Cell;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::Duration;

use evio::{Action, Conn, Handler, Limits, Loop, Server};
use evio_sim::{Blocker, Options, Result, Simulation, Stalls};

const ADDRESS: &str = "10.0.0.1:80";
const LONG: Duration = Duration::from_secs(60);
/// When the shutdown is asked for.
const ASKED: Duration = Duration::from_millis(150);

/// Nothing goes wrong, and a socket has room for all that is sent.
fn quiet() -> Result<Simulation> {
    let options = Options { send_buffer: 1 << 20, recv_buffer: 1 << 20, ..Options::default() };
    Ok(Simulation::with_options(1, options)?)
}

/// Takes time for each message, and keeps its connections for as long as it may.
struct Slow(Blocker);

impl Handler<u8> for Slow {
    type Context = ();

    fn context(&mut self, _: &Conn<'_>) {}

    fn data(&mut self, _: &mut Conn<'_>, (): &mut (), _: &[u8]) -> Action {
        Action::None
    }

    fn message(&mut self, _: &mut Loop<'_>, _: u8) -> ControlFlow<()> {
        self.0.block(Duration::from_millis(1));
        ControlFlow::Continue(())
    }

    fn stopping(&mut self, _: &mut Conn<'_>, (): &mut ()) -> Action {
        Action::None
    }
}

/// The time of the second one is up while the loop carries out what was sent before it.
#[test]
fn a_shutdown_that_overtakes_a_graceful_one_is_in_time_behind_much_mail() -> Result {
    const AGAIN: Duration = Duration::from_secs(1);
    let mut sim = quiet()?;
    let server = Server::bind([format!("tcp://{ADDRESS}")])?;
    let server = server.shutdown_timeout(Duration::from_secs(2));
    let handle = server.handle();
    sim.serve(server, Slow(sim.blocker()))?;
    sim.client(|net| async move {
        let mut conn = net.connect(ADDRESS).await?;
        conn.read_to_end().await?;
        // A turn more, of a thousand messages.
        assert!(net.now() < Duration::from_secs(5), "{:?}", net.now());
        Ok(())
    });
    let again = handle.clone();
    sim.at(ASKED, move |_| handle.shutdown_gracefully(100 * LONG));
    sim.at(AGAIN, move |_| {
        let sender = again.event_loop(0).and_then(|one| one.message_sender::<u8>().ok());
        let sender = sender.expect("it runs");
        for _ in 0..20_000 {
            sender.send(0).expect("there is room");
        }
        again.shutdown();
    });
    sim.run();
    Ok(())
}

/// A handler that takes time, answers each byte, and says goodbye.
struct Busy {
    blocker: Blocker,
    work: Duration,
    /// When the first connection was told that the server ends.
    told_at: Rc<Cell<Option<Duration>>>,
    now: Rc<dyn Fn() -> Duration>,
}

impl Handler for Busy {
    type Context = ();

    fn context(&mut self, _: &Conn<'_>) {}

    fn data(&mut self, conn: &mut Conn<'_>, (): &mut (), input: &[u8]) -> Action {
        self.blocker.block(self.work);
        conn.write(input);
        Action::None
    }

    fn stopping(&mut self, _: &mut Conn<'_>, (): &mut ()) -> Action {
        if self.told_at.get().is_none() {
            self.told_at.set(Some((self.now)()));
        }
        Action::Close
    }
}

/// Clients that ask again as soon as they have an answer: they are told early enough for what they
/// do about it.
#[test]
fn a_busy_server_tells_its_connections_long_before_the_time_is_up() -> Result {
    const TIMEOUT: Duration = Duration::from_secs(10);
    let mut sim = quiet()?;
    let server = Server::bind([format!("tcp://{ADDRESS}")])?;
    let handle = server.handle();
    let told_at = Rc::new(Cell::new(None));
    let kernel = sim.kernel().clone();
    let now: Rc<dyn Fn() -> Duration> = Rc::new(move || kernel.now());
    let blocker = sim.blocker();
    let work = Duration::from_millis(1);
    sim.serve(server, Busy { blocker, work, told_at: Rc::clone(&told_at), now })?;
    for number in 0..2_000 {
        sim.client(move |net| async move {
            let mut conn = net.connect(ADDRESS).await?;
            if number < 200 {
                while conn.write_all(b"x").await.is_ok() {
                    if conn.read_exact(1).await.is_err() {
                        break;
                    }
                }
            } else {
                conn.read_to_end().await?;
            }
            Ok(())
        });
    }
    sim.at(ASKED, move |_| handle.shutdown_gracefully(TIMEOUT));
    sim.run();
    let took = told_at.get().expect("they are told") - ASKED;
    assert!(took <= TIMEOUT * 6 / 10, "told after {took:?} of {TIMEOUT:?}");
    Ok(())
}

/// Works on messages, counts what comes, and keeps the first connection for as long as it may.
struct Counting {
    blocker: Blocker,
    has_first: bool,
}

impl Handler<u8> for Counting {
    /// Whether it is the first one, and how much has come.
    type Context = (bool, usize);

    fn context(&mut self, _: &Conn<'_>) -> Self::Context {
        (!std::mem::replace(&mut self.has_first, true), 0)
    }

    fn data(&mut self, _: &mut Conn<'_>, context: &mut Self::Context, input: &[u8]) -> Action {
        context.1 += input.len();
        Action::None
    }

    fn peer_closed(&mut self, conn: &mut Conn<'_>, context: &mut Self::Context) -> Action {
        conn.write(context.1.to_string().as_bytes());
        Action::Close
    }

    fn message(&mut self, _: &mut Loop<'_>, _: u8) -> ControlFlow<()> {
        self.blocker.block(Duration::from_millis(1));
        ControlFlow::Continue(())
    }

    fn stopping(&mut self, conn: &mut Conn<'_>, context: &mut Self::Context) -> Action {
        conn.write(b"bye");
        if context.0 { Action::None } else { Action::Close }
    }
}

/// One loop has more mail than two turns carry out, and hands over meanwhile what it accepts.
#[test]
fn a_connection_for_a_loop_that_has_told_its_own_is_read_before_it_is_told() -> Result {
    const LEN: usize = 200_000;
    let mut sim = quiet()?;
    sim.set_stalls(Stalls::default());
    let server = Server::bind([format!("tcp://{ADDRESS}")])?.place_with(|_, _| 0);
    let handle = server.handle();
    let blocker = sim.blocker();
    sim.serve_each(server, 2, |_| Counting { blocker: blocker.clone(), has_first: false })?;
    let first_end = Rc::new(Cell::new(Duration::ZERO));
    let ended = Rc::clone(&first_end);
    sim.client(|net| async move {
        let mut conn = net.connect(ADDRESS).await?;
        assert_eq!(conn.read_exact(3).await?, b"bye");
        net.sleep(Duration::from_secs(5) - net.now()).await;
        conn.shutdown_write()?;
        assert_eq!(conn.read_to_end().await?, b"0", "it is told once");
        ended.set(net.now());
        Ok(())
    });
    sim.client(|net| async move {
        net.sleep(2 * ASKED).await;
        let mut conn = net.connect(ADDRESS).await?;
        conn.write_all(&[b'x'; LEN]).await?;
        conn.shutdown_write()?;
        assert_eq!(conn.read_to_end().await?, LEN.to_string().as_bytes());
        Ok(())
    });
    let busy = handle.clone();
    sim.at(ASKED / 2, move |_| {
        let sender = busy.event_loop(1).and_then(|one| one.message_sender::<u8>().ok());
        let sender = sender.expect("it runs");
        for _ in 0..3_000 {
            sender.send(0).expect("there is room");
        }
    });
    sim.at(ASKED, move |_| handle.shutdown_gracefully(LONG));
    sim.run();
    assert!(first_end.get() < LONG);
    Ok(())
}

/// Takes time for each message, and for each connection that comes after the first.
struct Opening(Blocker, bool);

impl Handler<u8> for Opening {
    type Context = ();

    fn context(&mut self, _: &Conn<'_>) {}

    fn opened(&mut self, _: &mut Conn<'_>, (): &mut ()) -> Action {
        if std::mem::replace(&mut self.1, true) {
            self.0.block(Duration::from_millis(10));
        }
        Action::None
    }

    fn data(&mut self, _: &mut Conn<'_>, (): &mut (), _: &[u8]) -> Action {
        self.0.block(Duration::from_secs(1));
        Action::None
    }

    fn message(&mut self, _: &mut Loop<'_>, _: u8) -> ControlFlow<()> {
        self.0.block(Duration::from_millis(1));
        ControlFlow::Continue(())
    }
}

/// More of them than can be opened in time come while the loop is held up.
#[test]
fn connections_that_wait_to_be_accepted_do_not_take_more_than_the_time() -> Result {
    const TIMEOUT: Duration = Duration::from_secs(2);
    let mut sim = quiet()?;
    let server = Server::bind([format!("tcp://{ADDRESS}")])?;
    let handle = server.handle();
    sim.serve(server, Opening(sim.blocker(), false))?;
    sim.client(|net| async move {
        let mut conn = net.connect(ADDRESS).await?;
        conn.write_all(b"hold").await?;
        conn.read_to_end().await?;
        assert!(net.now() < ASKED + TIMEOUT, "{:?}", net.now());
        Ok(())
    });
    for _ in 0..1_000 {
        sim.client(|net| async move {
            net.sleep(2 * ASKED).await;
            let mut conn = net.connect(ADDRESS).await?;
            conn.read_to_end().await?;
            Ok(())
        });
    }
    sim.at(ASKED, move |_| handle.shutdown_gracefully(TIMEOUT));
    sim.run();
    Ok(())
}

/// The loop comes to the shutdown long after its turn began.
#[test]
fn what_the_turn_took_before_a_shutdown_is_no_time_to_accept() -> Result {
    const TIMEOUT: Duration = Duration::from_millis(1_200);
    let mut sim = quiet()?;
    // A deadline: the time of a turn is that of its beginning.
    let limits = Limits::default().idle_timeout(Some(LONG));
    let server = Server::bind([format!("tcp://{ADDRESS}")])?.limits(limits);
    let handle = server.handle();
    sim.serve(server, Opening(sim.blocker(), false))?;
    sim.client(|net| async move {
        let mut conn = net.connect(ADDRESS).await?;
        conn.read_to_end().await?;
        assert!(net.now() < ASKED + TIMEOUT, "{:?}", net.now());
        Ok(())
    });
    for _ in 0..1_000 {
        sim.client(|net| async move {
            net.sleep(2 * ASKED).await;
            let mut conn = net.connect(ADDRESS).await?;
            conn.read_to_end().await?;
            Ok(())
        });
    }
    sim.at(ASKED, move |_| {
        let sender = handle.event_loop(0).and_then(|one| one.message_sender::<u8>().ok());
        let sender = sender.expect("it runs");
        for _ in 0..1_000 {
            sender.send(0).expect("there is room");
        }
        handle.shutdown_gracefully(TIMEOUT);
    });
    sim.run();
    Ok(())
}
