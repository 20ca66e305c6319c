//! Connections to names, which take their time to be looked up, and sometimes cannot be.

use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::time::Duration;

use evio::{
    Action, CloseReason, Conn, ConnId, ConnectOptions, DialError, Handler, Loop, Origin, Resolver,
    Server,
};
use evio_sim::{Faults, Options, Result, Simulation, for_each_seed};

const ADDRESS: &str = "10.0.0.1:80";
const UPSTREAM: &str = "db.internal:81";
const SEEDS: u64 = 300;

/// Dials the upstream for each client of its first address, and says `n` where that has failed.
/// The second address is that of the upstream, which greets.
struct Greeter {
    resolver: Resolver,
}

impl Greeter {
    fn new() -> Result<Self> {
        Ok(Self { resolver: Resolver::new()? })
    }

    fn tell(event_loop: &mut Loop<'_>, client: Option<ConnId>, bytes: &[u8]) {
        if let Some(mut client) = client.and_then(|client| event_loop.conn(client)) {
            client.write(bytes);
            client.close();
        }
    }
}

impl Handler for Greeter {
    type Context = ();

    fn context(&mut self, _: &Conn<'_>) {}

    fn opened(&mut self, conn: &mut Conn<'_>, (): &mut ()) -> Action {
        match conn.address_index() {
            Some(0) => {
                let options = ConnectOptions::default().tag(conn.id());
                let dialed = self.resolver.dial(&mut conn.event_loop(), UPSTREAM, &options);
                dialed.expect("a loop that runs dials");
                Action::None
            }
            Some(_) => {
                conn.write(b"y");
                Action::Close
            }
            None => Action::None,
        }
    }

    fn data(&mut self, conn: &mut Conn<'_>, (): &mut (), input: &[u8]) -> Action {
        if let Origin::Connected(tag) = conn.origin() {
            Self::tell(&mut conn.event_loop(), tag.conn, input);
        }
        Action::None
    }

    fn closed(&mut self, conn: &mut Conn<'_>, (): (), _: CloseReason) -> ControlFlow<()> {
        if let Origin::Connected(tag) = conn.origin() {
            Self::tell(&mut conn.event_loop(), tag.conn, b"");
        }
        ControlFlow::Continue(())
    }

    fn dial_failed(&mut self, event_loop: &mut Loop<'_>, error: DialError) -> ControlFlow<()> {
        Self::tell(event_loop, error.tag().conn, b"n");
        ControlFlow::Continue(())
    }
}

fn serve(sim: &mut Simulation) -> Result {
    sim.host("DB.internal", ["10.0.0.9", "10.0.0.2"]);
    sim.host("front.internal", ["10.0.0.1"]);
    let server = Server::bind(["tcp://front.internal:80", "tcp://10.0.0.2:81"])?;
    Ok(sim.serve(server, Greeter::new()?)?)
}

#[test]
fn a_name_leads_to_the_address_that_answers() {
    let summary = for_each_seed(SEEDS, |sim| {
        serve(sim)?;
        for _ in 0..3 {
            sim.client(|net| async move {
                loop {
                    let mut conn = net.connect(ADDRESS).await?;
                    match conn.read_to_end().await?.as_slice() {
                        b"y" => return Ok(()),
                        // What could not be looked up, or was cut.
                        b"n" | b"" => net.sleep(Duration::from_secs(1)).await,
                        other => return Err(format!("{other:?}").into()),
                    }
                }
            });
        }
        Ok(())
    });
    assert!(summary.seeds < SEEDS || summary.faults.failed_look_ups > 0);
}

#[test]
fn looking_a_name_up_takes_virtual_time() {
    let look_up = Duration::from_secs(3_600);
    let options = Options { look_up, ..Options::default() };
    let mut sim = Simulation::with_options(7, options).unwrap();
    serve(&mut sim).unwrap();
    sim.client(|net| async move {
        let mut conn = net.connect(ADDRESS).await?;
        let begun = net.now();
        // The dial has a timeout, which is shorter than what this seed has drawn.
        assert_eq!(conn.read_to_end().await?, b"n");
        let waited = net.now() - begun;
        assert!(waited > Duration::from_secs(1) && waited < Duration::from_secs(60), "{waited:?}");
        Ok(())
    });
    sim.run();
}

#[test]
fn a_name_that_is_not_known_or_cannot_be_looked_up_fails_the_dial() {
    for look_up in [0.0, 1.0] {
        let mut sim = Simulation::with_options(1, Options::default()).unwrap();
        sim.set_faults(Faults { look_up, ..Faults::default() });
        serve(&mut sim).unwrap();
        if look_up == 0.0 {
            sim.host("db.internal", []);
        }
        sim.client(|net| async move {
            let mut conn = net.connect(ADDRESS).await?;
            assert_eq!(conn.read_to_end().await?, b"n");
            Ok(())
        });
        assert_eq!(sim.run().faults.failed_look_ups, look_up as u64);
    }
    let _sim = Simulation::new(1).unwrap();
    let error = Server::bind(["tcp://nobody.internal:80"]).unwrap_err();
    let evio::Error::Bind { source, .. } = error else { panic!("{error}") };
    assert_eq!(source.kind(), ErrorKind::Other);
}
