//! The time that a graceful shutdown leaves, and connections that come while it goes on.

use std::ops::ControlFlow;
use std::time::Duration;

use evio::{Action, Conn, Handler, Loop, Server};
use evio_sim::{Blocker, Options, Result, Simulation};

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
