//! In which callbacks a loop is held up by chance, and until when.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::Duration;

use evio::{
    Action, CloseReason, Conn, ConnId, Detached, Events, Handler, Loop, Server, Serving, Udp,
};
use evio_sim::{Options, Result, Simulation, Stalls};
use evio_sys::sim::Kernel;

const ADDRESS: &str = "10.0.0.1:80";
const UDP: &str = "10.0.0.1:81";
const NOBODY: &str = "10.0.0.7:9";

/// What the network and the loop take for the way to a callback.
const WAY: Duration = Duration::from_millis(20);

/// Notes before which callbacks the loop was held up.
struct Watching {
    kernel: Kernel,
    held_up: Rc<RefCell<BTreeSet<&'static str>>>,
    /// When something happened that a callback follows.
    since: Rc<Cell<Duration>>,
}

impl Watching {
    fn begin(&self) {
        self.since.set(self.kernel.now());
    }

    fn note(&self, callback: &'static str) {
        if self.kernel.now() > self.since.get() + WAY {
            self.held_up.borrow_mut().insert(callback);
        }
    }
}

impl Handler for Watching {
    type Context = ();

    fn serving(&mut self, _: &mut Loop<'_>, _: &Serving) -> ControlFlow<()> {
        self.note("serving");
        ControlFlow::Continue(())
    }

    fn context(&mut self, _: &Conn<'_>) {
        self.note("context");
    }

    fn data(&mut self, _: &mut Conn<'_>, _: &mut (), _: &[u8]) -> Action {
        self.begin();
        Action::Detach
    }

    fn detached(
        &mut self,
        event_loop: &mut Loop<'_>,
        _: ConnId,
        (): (),
        _: Detached,
    ) -> ControlFlow<()> {
        self.note("detached");
        self.begin();
        let nobody: SocketAddr = NOBODY.parse().expect("an address");
        event_loop.connect(nobody, 0).expect("there are descriptors");
        ControlFlow::Continue(())
    }

    fn connect_failed(&mut self, _: &mut Conn<'_>, _: CloseReason) -> ControlFlow<()> {
        self.note("connect_failed");
        ControlFlow::Continue(())
    }

    fn datagram(
        &mut self,
        socket: &mut Udp<'_>,
        peer: SocketAddr,
        input: &[u8],
    ) -> ControlFlow<()> {
        self.note("datagram");
        self.begin();
        socket.send_to(input, peer);
        ControlFlow::Continue(())
    }

    fn pre_write(&mut self, _: &mut Loop<'_>) -> io::Result<()> {
        self.note("pre_write");
        Ok(())
    }
}

#[test]
fn a_loop_is_held_up_in_every_callback() -> Result {
    let mut sim = Simulation::with_options(1, Options::default())?;
    sim.set_stalls(Stalls { late: 0.0, blocked: 1.0, longest: Duration::from_secs(1) });
    let (held_up, since) = (Rc::default(), Rc::default());
    let handler = Watching {
        kernel: sim.kernel().clone(),
        held_up: Rc::clone(&held_up),
        since: Rc::clone(&since),
    };
    sim.serve(Server::bind([format!("tcp://{ADDRESS}"), format!("udp://{UDP}")])?, handler)?;
    sim.client(|net| async move {
        net.sleep(Duration::from_secs(5)).await;
        since.set(net.now());
        let mut conn = net.connect(ADDRESS).await?;
        conn.write_all(b"x").await?;
        conn.read_to_end().await?;
        net.sleep(Duration::from_secs(5)).await;
        let mut socket = net.udp("10.0.0.9:0")?;
        since.set(net.now());
        socket.send_to(b"x", UDP)?;
        socket.recv_from().await?;
        Ok(())
    });
    sim.run();
    let all = ["connect_failed", "context", "datagram", "detached", "pre_write", "serving"];
    assert_eq!(*held_up.borrow(), BTreeSet::from(all));
    Ok(())
}

#[test]
fn the_end_of_the_faults_is_that_of_the_stalls() -> Result {
    let mut sim = Simulation::with_options(1, Options::default())?;
    sim.set_stalls(Stalls { late: 0.9, blocked: 0.9, longest: Duration::from_millis(200) });
    let echo = |_| {
        Events::new().data(|conn, _, input| {
            conn.write(input);
            Action::None
        })
    };
    sim.serve_each(Server::bind([format!("tcp://{ADDRESS}")])?, 2, echo)?;
    sim.at(Duration::from_secs(5), |world| world.stop_faults());
    sim.client(|net| async move {
        let mut conn = net.connect(ADDRESS).await?;
        for is_held_up in [true, false] {
            let since = net.now();
            for _ in 0..10 {
                conn.write_all(b"x\n").await?;
                conn.read_line().await?;
            }
            assert_eq!(net.now() - since > WAY, is_held_up, "ten echoes from {since:?}");
            net.sleep(Duration::from_secs(60)).await;
        }
        Ok(())
    });
    sim.run();
    Ok(())
}

#[test]
fn a_loop_that_is_late_each_time_makes_its_turns() {
    for longest in [Duration::ZERO, Duration::from_millis(10)] {
        let mut sim = Simulation::with_options(1, Options::default()).unwrap();
        sim.set_stalls(Stalls { late: 1.0, blocked: 1.0, longest });
        let server = Server::bind([format!("tcp://{ADDRESS}")]).unwrap();
        let echo = Events::new().data(|conn, _, input| {
            conn.write(input);
            Action::None
        });
        sim.serve(server, echo).unwrap();
        sim.client(|net| async move {
            let mut conn = net.connect(ADDRESS).await?;
            conn.write_all(b"x").await?;
            assert_eq!(conn.read_exact(1).await?, b"x");
            Ok(())
        });
        sim.run();
    }
}
