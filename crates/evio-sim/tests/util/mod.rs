//! What several of these tests have in common.

#![allow(dead_code, reason = "not every test uses all of it")]

use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::Duration;

use evio::{Action, CloseReason, Conn, Handler, Limits, Server};
use evio_sim::{Connection, Faults, Net, Options, Result, Simulation};

pub(crate) const ADDRESS: &str = "10.0.0.1:80";

/// How much later than its time a deadline may be looked at: three steps of the wheel, and a turn.
pub(crate) const LATE: Duration = Duration::from_millis(3 * 16 + 5);

pub(crate) fn server(limits: Limits) -> Result<Server> {
    Ok(Server::bind([format!("tcp://{ADDRESS}")])?.limits(limits))
}

/// Leaves out the faults that end connections or hold segments up for long, for tests of how they
/// end by themselves, and when.
pub(crate) fn cut_nothing(sim: &mut Simulation) {
    let drawn = Options::drawn_from(sim.seed()).faults;
    sim.set_faults(Faults { reset: 0.0, call_error: 0.0, loss: 0.0, ..drawn });
}

/// Sends messages of up to `longest` bytes, reads each back, and ends in one of three ways.
pub(crate) async fn echo_messages(net: &Net, mut conn: Connection, longest: usize) -> Result {
    for _ in 0..1 + net.random_below(10) {
        let message = net.random_bytes(1 + net.random_below(longest));
        conn.write_all(&message).await?;
        assert_eq!(conn.read_exact(message.len()).await?, message);
        if net.random_below(4) == 0 {
            net.sleep(Duration::from_millis(net.random_below(100) as u64)).await;
        }
    }
    match net.random_below(3) {
        0 => {}
        1 => conn.reset(),
        _ => {
            let last = net.random_bytes(net.random_below(longest));
            conn.write_all(&last).await?;
            conn.shutdown_write()?;
            assert_eq!(conn.read_to_end().await?, last);
        }
    }
    Ok(())
}

/// Draws a time of 20 ms to 20 minutes, each order of magnitude as often as the others.
pub(crate) fn draw_time(sim: &Simulation) -> Duration {
    let draw = |bound| sim.kernel().random_below(bound) as u64;
    let shortest = 20 << draw(16);
    Duration::from_millis(shortest + draw(shortest as usize))
}

/// Checks that a deadline came neither early nor late, but for the `slack` of the test.
pub(crate) fn check_due(what: &str, waited: Duration, due: Duration, slack: Duration) {
    assert!(waited >= due, "{what} came after {waited:?}, which is early: {due:?} were due");
    let latest = due + LATE + slack;
    assert!(waited <= latest, "{what} came after {waited:?}, which is late: {due:?} were due");
}

/// A callback of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On<'a> {
    Opened,
    Data(&'a [u8]),
    Timer,
    Drained,
    Woken,
    PeerClosed,
}

/// A handler of two closures: what to do in each callback, and what to make of the end.
pub(crate) struct Probe<F, G> {
    pub(crate) on: F,
    pub(crate) end: G,
}

impl<F, G> Probe<F, G>
where
    F: FnMut(&mut Conn<'_>, On<'_>) -> Action,
    G: FnMut(&mut Conn<'_>, CloseReason),
{
    pub(crate) fn new(on: F, end: G) -> Self {
        Self { on, end }
    }
}

impl<F, G> Handler for Probe<F, G>
where
    F: FnMut(&mut Conn<'_>, On<'_>) -> Action,
    G: FnMut(&mut Conn<'_>, CloseReason),
{
    type Context = ();

    fn context(&mut self, _: &Conn<'_>) {}

    fn opened(&mut self, conn: &mut Conn<'_>, _: &mut ()) -> Action {
        (self.on)(conn, On::Opened)
    }

    fn data(&mut self, conn: &mut Conn<'_>, _: &mut (), input: &[u8]) -> Action {
        (self.on)(conn, On::Data(input))
    }

    fn timer(&mut self, conn: &mut Conn<'_>, _: &mut ()) -> Action {
        (self.on)(conn, On::Timer)
    }

    fn drained(&mut self, conn: &mut Conn<'_>, _: &mut ()) -> Action {
        (self.on)(conn, On::Drained)
    }

    fn woken(&mut self, conn: &mut Conn<'_>, _: &mut ()) -> Action {
        (self.on)(conn, On::Woken)
    }

    fn peer_closed(&mut self, conn: &mut Conn<'_>, _: &mut ()) -> Action {
        (self.on)(conn, On::PeerClosed)
    }

    fn closed(&mut self, conn: &mut Conn<'_>, (): (), reason: CloseReason) -> ControlFlow<()> {
        (self.end)(conn, reason);
        ControlFlow::Continue(())
    }

    fn connect_failed(&mut self, conn: &mut Conn<'_>, reason: CloseReason) -> ControlFlow<()> {
        (self.end)(conn, reason);
        ControlFlow::Continue(())
    }
}

/// A cell that a handler and the test both have.
pub(crate) type Shared<T> = Rc<std::cell::Cell<T>>;
