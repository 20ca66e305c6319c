//! Passes on what its clients send to one of several other servers, and the answers back.
//!
//! Try it in front of `echo-server` with `nc 127.0.0.1 7000`, with `--stats /tmp/stats` and
//! `nc -U /tmp/stats` beside it. With `--handover /tmp/handover`, the same command once more starts
//! a proxy that takes over from the first.
//!
//! What becomes of a pair of connections is in the module `proxy::pairs`; here is what the other
//! connections of a loop are for, and how the proxy begins and ends.

use std::error::Error;
use std::io;
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use clap::Parser;
use evio::{Action, CloseReason, Conn, Handler, Limits, Loop, Serving};
use evio_examples::cli::{self, Descriptors};
use evio_examples::proxy::checks::Checks;
use evio_examples::proxy::handover::Listeners;
use evio_examples::proxy::life::Life;
use evio_examples::proxy::options::Options;
use evio_examples::proxy::pair::Purpose;
use evio_examples::proxy::pairs::{Pairs, Side};
use evio_examples::proxy::resolve::{keep_resolving, resolve_all};
use evio_examples::proxy::shared::Shared;
use evio_examples::proxy::upstreams::Upstreams;
use log::warn;

/// What may wait for one side, at most, beside one read of the other: no more than the kernel keeps
/// besides, and enough to go on with while the other side wakes up.
const HIGH_WATERMARK: usize = 64 << 10;
const LOW_WATERMARK: usize = 16 << 10;

/// How long connections that have been closed may still take output when the proxy ends: nearly
/// always there are none, for it waits for them before.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_millis(500);

/// Checks of one upstream: one that is made, and those before it that have not ended yet.
const CHECK_DESCRIPTORS: u64 = 4;

/// The handler of one loop. Most of its connections are in pairs: a client, and the upstream
/// connection made for it.
struct Proxy {
    pairs: Pairs,
    /// How the proxy begins and ends: loop 0 has it.
    life: Option<Life>,
    /// The checks of the upstreams, which loop 0 has too.
    checks: Option<Checks>,
    /// Why the proxy did not begin.
    failure: Arc<OnceLock<io::Error>>,
}

/// What a connection is for.
#[derive(Clone, Copy)]
enum Role {
    /// A side of the pair in this place.
    Pair(usize, Side),
    /// To check the upstream with this index.
    Check(u16),
    /// To tell of signals.
    Signals,
    /// To tell when it is time for checks.
    Checks,
}

impl Handler for Proxy {
    type Context = Role;

    fn context(&mut self, conn: &Conn<'_>) -> Role {
        match Purpose::of(conn.origin()) {
            None => Role::Pair(self.pairs.add(conn.id()), Side::Client),
            Some(Purpose::Pair(place)) => Role::Pair(place as usize, Side::Upstream),
            Some(Purpose::Check(index)) => Role::Check(index),
            Some(Purpose::Signals) => Role::Signals,
            Some(Purpose::Checks) => Role::Checks,
        }
    }

    fn opened(&mut self, conn: &mut Conn<'_>, role: &mut Role) -> Action {
        match (*role, &mut self.checks) {
            (Role::Pair(place, Side::Client), _) => return self.pairs.begin(conn, place),
            (Role::Pair(place, Side::Upstream), _) => return self.pairs.join(conn, place),
            (Role::Check(index), Some(checks)) => return checks.succeeded(conn, index),
            (Role::Checks, Some(checks)) => checks.opened(conn),
            _ => {}
        }
        Action::None
    }

    fn data(&mut self, conn: &mut Conn<'_>, role: &mut Role, input: &[u8]) -> Action {
        match (*role, &mut self.life) {
            (Role::Pair(place, side), _) => self.pairs.pass_on(conn, place, side, input),
            (Role::Signals, Some(life)) => life.heard(conn, input),
            _ => Action::None,
        }
    }

    fn drained(&mut self, conn: &mut Conn<'_>, role: &mut Role) -> Action {
        if let Role::Pair(place, side) = *role {
            self.pairs.drained(conn, place, side);
        }
        Action::None
    }

    fn peer_closed(&mut self, conn: &mut Conn<'_>, role: &mut Role) -> Action {
        match *role {
            Role::Pair(place, side) => self.pairs.peer_closed(conn, place, side),
            _ => Action::Close,
        }
    }

    fn timer(&mut self, conn: &mut Conn<'_>, role: &mut Role) -> Action {
        match (*role, &mut self.life, &mut self.checks) {
            (Role::Pair(place, Side::Client), ..) => self.pairs.look(conn, place),
            (Role::Signals, Some(life), _) => return life.step(conn),
            (Role::Checks, _, Some(checks)) => checks.look(conn),
            _ => {}
        }
        Action::None
    }

    /// An upstream has gone down.
    fn woken(&mut self, conn: &mut Conn<'_>, role: &mut Role) -> Action {
        if let (Role::Checks, Some(checks)) = (*role, &mut self.checks) {
            checks.look(conn);
        }
        Action::None
    }

    fn closed(&mut self, conn: &mut Conn<'_>, role: Role, reason: CloseReason) -> ControlFlow<()> {
        if let Role::Pair(place, side) = role {
            self.pairs.closed(conn, place, side, &reason);
        }
        ControlFlow::Continue(())
    }

    fn connect_failed(&mut self, conn: &mut Conn<'_>, reason: CloseReason) -> ControlFlow<()> {
        match (Purpose::of(conn.origin()), &mut self.checks) {
            (Some(Purpose::Pair(place)), _) => self.pairs.try_next(conn, place as usize, &reason),
            (Some(Purpose::Check(index)), Some(checks)) => checks.failed(conn, index, &reason),
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn listener_failed(
        &mut self,
        _: &mut Loop<'_>,
        address_index: u16,
        error: &io::Error,
    ) -> ControlFlow<()> {
        warn!("address {address_index} is not listened on any more: {error}");
        ControlFlow::Continue(())
    }

    fn serving(&mut self, event_loop: &mut Loop<'_>, _: &Serving) -> ControlFlow<()> {
        match self.begin(event_loop) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                let _ = self.failure.set(error);
                ControlFlow::Break(())
            }
        }
    }
}

impl Proxy {
    fn begin(&mut self, event_loop: &mut Loop<'_>) -> io::Result<()> {
        self.life.as_mut().map_or(Ok(()), |life| life.begin(event_loop))?;
        self.checks.as_mut().map_or(Ok(()), |checks| checks.begin(event_loop))
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    let mut status = 0;
    let code = cli::run(|| {
        status = run(options)?;
        Ok(())
    });
    if status == 0 { code } else { status.into() }
}

/// Runs the proxy, and returns its exit status.
fn run(options: Options) -> Result<u8, Box<dyn Error>> {
    let loop_count = options.loops;
    let loops = loop_count.get();
    let upstreams = Arc::new(Upstreams::new(options.balance, loops.count()));
    resolve_all(&options.upstream, &upstreams)?;
    keep_resolving(&options.upstream, Arc::clone(&upstreams), options.resolve_interval.0)?;
    let (listeners, old) = Listeners::take_or_bind(&options)?;
    let server = listeners.server()?.shutdown_timeout(SHUTDOWN_TIMEOUT).limits(limits(&options));
    let shared = Arc::new(Shared::new(options, upstreams, loops.count()));
    let life = Mutex::new(Some(Life::new(Arc::clone(&shared), listeners, old)?));
    // Who reads that it listens may send it a signal.
    let checks = CHECK_DESCRIPTORS * shared.upstreams.all().count() as u64;
    let descriptors = Descriptors { per_client: 2, loops: loops.count(), others: checks };
    let server = cli::prepare(server, &shared.options.clients, descriptors);
    let server = loop_count.prepare(server);
    let failure = Arc::new(OnceLock::new());
    server.run_each(loops, |loop_id| Proxy {
        pairs: Pairs::new(Arc::clone(&shared), loop_id),
        life: if loop_id == 0 {
            life.lock().unwrap_or_else(PoisonError::into_inner).take()
        } else {
            None
        },
        checks: if loop_id == 0 { Checks::new(&shared) } else { None },
        failure: Arc::clone(&failure),
    })?;
    Arc::into_inner(failure)
        .and_then(OnceLock::into_inner)
        .map_or(Ok(shared.exit_status.load(Relaxed)), |error| Err(error.into()))
}

fn limits(options: &Options) -> Limits {
    // A pair has an end of its own when it is idle, and its two sides have it together.
    let limits = options.clients.limits().idle_timeout(None);
    // A client that has ended its output pauses as others do: it still takes its answer.
    let close_timeout = options.clients.write_timeout.0.unwrap_or(Duration::MAX);
    let limits = limits.close_timeout(close_timeout.max(limits.close_timeout));
    let limits = limits.high_watermark(HIGH_WATERMARK).low_watermark(LOW_WATERMARK);
    limits.connect_timeout(options.connect_timeout)
}
