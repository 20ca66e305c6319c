//! A graceful shutdown of a server that connects to another one for what its clients ask.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::Duration;

use evio::{
    Action, CloseReason, Conn, ConnId, ConnectOptions, DialError, DialFailure, Handler, Loop,
    Origin, Resolver, Server,
};
use evio_sim::{Options, Result, Simulation};

const ADDRESS: &str = "10.0.0.1:80";
const LONG: Duration = Duration::from_secs(60);
/// When the shutdown is asked for.
const ASKED: Duration = Duration::from_millis(150);
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

/// A client that is kept asks on, and is answered until the time is up.
#[test]
fn a_client_that_is_kept_has_others_asked_as_before() -> Result {
    let (mut sim, log) = serve_front(1, LONG, WAY)?;
    sim.client(|net| async move {
        let mut conn = net.connect(ADDRESS).await?;
        net.sleep(3 * ASKED - net.now()).await;
        conn.write_all(b"question").await?;
        assert_eq!(conn.read_to_end().await?, b"answer");
        Ok(())
    });
    sim.run();
    assert_eq!(*log.borrow(), ["client told", "upstream told", "client closed"]);
    Ok(())
}
