//! What connections begin that come about while a graceful shutdown goes on.

use std::cell::Cell;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::Duration;

use evio::{
    Action, CloseReason, Conn, ConnectOptions, Events, Handler, Loop, Origin, Server, Serving,
};
use evio_sim::{Blocker, Options, Result, Simulation, Stalls};

const ADDRESS: &str = "10.0.0.1:80";
const UPSTREAM: &str = "10.0.0.2:90";
const LONG: Duration = Duration::from_secs(60);
/// When the shutdown is asked for.
const ASKED: Duration = Duration::from_millis(150);
/// The longest way of a segment.
const WAY: Duration = Duration::from_millis(40);

/// Connects to another server for each client at once, and passes on what that says.
struct Balancer(Blocker);

impl Handler<u8> for Balancer {
    type Context = ();

    fn context(&mut self, _: &Conn<'_>) {}

    fn opened(&mut self, conn: &mut Conn<'_>, (): &mut ()) -> Action {
        if let Origin::Accepted { .. } = conn.origin() {
            let options = ConnectOptions::default().tag(conn.id());
            let upstream = UPSTREAM.parse().expect("an address");
            if let Err(error) = conn.event_loop().dial([upstream], &options) {
                conn.write(error.to_string().as_bytes());
                return Action::Close;
            }
        }
        Action::None
    }

    fn data(&mut self, conn: &mut Conn<'_>, (): &mut (), input: &[u8]) -> Action {
        if let Origin::Connected(tag) = conn.origin() {
            if let Some(mut client) = tag.conn.and_then(|client| conn.sibling(client)) {
                client.write(input);
            }
        }
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

/// One loop has more mail than two turns carry out, and hands over meanwhile what it accepts.
#[test]
fn a_connection_that_is_handed_over_late_may_connect_from_its_first_callback_on() -> Result {
    let mut sim = Simulation::with_options(1, Options::default())?;
    sim.set_stalls(Stalls::default());
    let server = Server::bind([format!("tcp://{ADDRESS}")])?.place_with(|_, _| 0);
    let handle = server.handle();
    let blocker = sim.blocker();
    sim.serve_each(server, 2, |_| Balancer(blocker.clone()))?;
    let greet = Events::new().opened(|conn, ()| {
        conn.write(b"hello");
        Action::None
    });
    sim.serve(Server::bind([format!("tcp://{UPSTREAM}")])?, greet)?;
    // The first one has left by then: what was connected to for it keeps the loop from the end.
    for begin in [Duration::ZERO, 2 * ASKED] {
        sim.client(move |net| async move {
            net.sleep(begin).await;
            let mut conn = net.connect(ADDRESS).await?;
            assert_eq!(conn.read_exact(5).await?, b"hello");
            Ok(())
        });
    }
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
    Ok(())
}

/// Keeps connections to another server, and makes a new one for each that ends.
struct Pool {
    blocker: Blocker,
    size: usize,
    /// How many were begun since the connections were told.
    begun_late: Rc<Cell<usize>>,
    is_told: bool,
}

impl Pool {
    fn connect(&mut self, event_loop: &mut Loop<'_>) {
        let upstream: SocketAddr = UPSTREAM.parse().expect("an address");
        let begun = event_loop.connect(upstream, 0);
        if self.is_told && begun.is_ok() {
            self.begun_late.set(self.begun_late.get() + 1);
        }
    }
}

impl Handler for Pool {
    type Context = ();

    fn context(&mut self, _: &Conn<'_>) {}

    fn serving(&mut self, event_loop: &mut Loop<'_>, _: &Serving) -> ControlFlow<()> {
        for _ in 0..self.size {
            self.connect(event_loop);
        }
        ControlFlow::Continue(())
    }

    fn opened(&mut self, _: &mut Conn<'_>, (): &mut ()) -> Action {
        self.blocker.block(Duration::from_micros(100));
        Action::None
    }

    fn data(&mut self, _: &mut Conn<'_>, (): &mut (), _: &[u8]) -> Action {
        Action::None
    }

    fn stopping(&mut self, _: &mut Conn<'_>, (): &mut ()) -> Action {
        self.is_told = true;
        Action::Close
    }

    fn closed(&mut self, conn: &mut Conn<'_>, (): (), _: CloseReason) -> ControlFlow<()> {
        self.connect(&mut conn.event_loop());
        ControlFlow::Continue(())
    }
}

/// Each is read from before it is told, while others end: that must not go on for the whole time.
#[test]
fn a_program_that_connects_again_whenever_it_is_closed_comes_to_its_end() -> Result {
    let options = Options { latency: WAY, ..Options::default() };
    let mut sim = Simulation::with_options(1, options)?;
    let server = Server::without_addresses();
    let handle = server.handle();
    let begun_late = Rc::new(Cell::new(0));
    let (blocker, late) = (sim.blocker(), Rc::clone(&begun_late));
    sim.serve(Server::bind([format!("tcp://{UPSTREAM}")])?, Events::new())?;
    sim.serve(server, Pool { blocker, size: 100, begun_late: late, is_told: false })?;
    // Some have come about by then, and others have not.
    sim.at(WAY, move |_| handle.shutdown_gracefully(LONG));
    sim.client(|net| async move {
        net.sleep(LONG / 2).await;
        assert_eq!(net.connections(), 0);
        Ok(())
    });
    sim.run();
    assert_eq!(begun_late.get(), 0);
    Ok(())
}
