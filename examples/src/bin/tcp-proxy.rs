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
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use clap::Parser;
use evio::{
    Action, CloseReason, Conn, ConnHandle, Handler, Keepalive, ListenOptions, Loop, Origin, Server,
    Serving,
};
use evio_examples::cli;
use evio_examples::proxy::handover::{Listeners, Service};
use evio_examples::proxy::header;
use evio_examples::proxy::options::Options;
use evio_examples::proxy::pair::Purpose;
use evio_examples::proxy::pairs::{Pairs, Side};
use evio_examples::proxy::report::report;
use evio_examples::proxy::resolve::{keep_resolving, resolve_all};
use evio_examples::proxy::shared::Shared;
use evio_examples::proxy::upstreams::Upstreams;
use log::{info, warn};

/// What may wait for one side, at most, beside one read of the other: no more than the kernel keeps
/// besides, and enough to go on with while the other side wakes up.
const HIGH_WATERMARK: usize = 64 << 10;
const LOW_WATERMARK: usize = 16 << 10;

/// How long a process that takes over may be on its way to accepting.
const HANDOVER_TIMEOUT: Duration = Duration::from_secs(10);

/// How often a proxy that drains looks whether it is done.
const DRAIN_STEP: Duration = Duration::from_millis(50);

/// Descriptors beside those of pairs and checks: standard streams, listeners, loops, and a margin.
const OTHER_DESCRIPTORS: u64 = 64;

/// Checks of one upstream: one that is made, and those before it, whose end an upstream may leave
/// unanswered for as long as `Limits::close_timeout`.
const CHECK_DESCRIPTORS: u64 = 4;

/// How the proxy begins and ends, which loop 0 sees to.
struct Life {
    /// Who is served at each address.
    services: Vec<Service>,
    /// Kept to be handed over, until the proxy drains.
    listeners: Mutex<Option<Listeners>>,
    /// Has something to read after SIGTERM; loop 0 adopts it.
    signals: Mutex<Option<UnixStream>>,
    /// The connection that this becomes: to wake it is to drain the proxy.
    drainer: OnceLock<ConnHandle>,
}

/// The handler of one loop. Most of its connections are in pairs: a client, and the upstream
/// connection made for it.
struct Proxy {
    shared: Arc<Shared>,
    life: Arc<Life>,
    pairs: Pairs,
    /// When a proxy that drains cuts off what is left.
    drain_deadline: Option<Instant>,
}

/// What a connection is for.
#[derive(Clone, Copy)]
enum Role {
    /// A side of the pair in this place.
    Pair(usize, Side),
    /// To check the upstream with this index.
    Check(u16),
    Stats,
    Handover,
    Signals,
}

impl Handler for Proxy {
    type Context = Role;

    fn context(&mut self, conn: &Conn<'_>) -> Role {
        let service = |index: u16| self.life.services.get(usize::from(index)).copied();
        match (conn.address_index().and_then(service), Purpose::of(conn.origin())) {
            (Some(Service::Stats), _) => Role::Stats,
            (Some(Service::Handover), _) => Role::Handover,
            (_, Some(Purpose::Pair(place))) => Role::Pair(place as usize, Side::Upstream),
            (_, Some(Purpose::Check(index))) => Role::Check(index),
            (_, Some(Purpose::Signals)) => Role::Signals,
            _ => Role::Pair(self.pairs.add(conn.id()), Side::Client),
        }
    }

    fn opened(&mut self, conn: &mut Conn<'_>, role: &mut Role) -> Action {
        match *role {
            Role::Pair(place, Side::Client) => self.pairs.begin(conn, place),
            Role::Pair(place, Side::Upstream) => self.pairs.join(conn, place),
            Role::Check(index) => self.check_succeeded(conn, index),
            Role::Stats => {
                let open = self.shared.open.load(Relaxed);
                conn.write_owned(report(&self.shared.upstreams, &self.shared.clients, open).into());
                Action::Close
            }
            Role::Handover => self.hand_over(conn),
            Role::Signals => {
                // The only one, for loop 0 has adopted it.
                let _ = self.life.drainer.set(conn.handle());
                Action::None
            }
        }
    }

    fn data(&mut self, conn: &mut Conn<'_>, role: &mut Role, input: &[u8]) -> Action {
        match *role {
            Role::Pair(place, side) => self.pairs.pass_on(conn, place, side, input),
            Role::Check(_) | Role::Stats => Action::None,
            Role::Signals => self.drain(conn),
            Role::Handover => {
                info!("another process has taken over");
                let _ = self.life.drainer.get().map(ConnHandle::wake);
                Action::Close
            }
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

    fn woken(&mut self, conn: &mut Conn<'_>, role: &mut Role) -> Action {
        match role {
            Role::Signals => self.drain(conn),
            _ => Action::None,
        }
    }

    fn timer(&mut self, conn: &mut Conn<'_>, role: &mut Role) -> Action {
        match *role {
            Role::Pair(place, Side::Client) => self.pairs.look(conn, place),
            Role::Signals => return self.drain_step(conn),
            _ => {}
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
        match Purpose::of(conn.origin()) {
            Some(Purpose::Pair(place)) => self.pairs.try_next(conn, place as usize, &reason),
            Some(Purpose::Check(index)) => self.check_failed(index, &reason),
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
        if let Some(listeners) = &mut *lock(&self.life.listeners) {
            listeners.say_ready();
        }
        let signals = lock(&self.life.signals).take();
        match signals.map(|signals| event_loop.adopt(signals, Purpose::Signals.tag())) {
            Some(Ok(_)) => ControlFlow::Continue(()),
            _ => ControlFlow::Break(()),
        }
    }

    /// Checks the upstreams, all of them at once, if there is one to be chosen.
    fn tick(&mut self, event_loop: &mut Loop<'_>) -> ControlFlow<(), Duration> {
        let Some(interval) = self.shared.options.check_interval.0 else {
            return ControlFlow::Continue(Duration::MAX);
        };
        let listed = || self.shared.upstreams.all().filter(|(_, upstream)| upstream.is_listed());
        let is_choice = listed().nth(1).is_some();
        for (index, upstream) in listed().filter(|_| is_choice) {
            if !upstream.begin_check() {
                continue;
            }
            let address = upstream.address().clone();
            if let Err(error) = event_loop.connect(address, Purpose::Check(index).tag()) {
                self.check_failed(index, &CloseReason::Error(error));
            }
        }
        ControlFlow::Continue(interval)
    }
}

impl Proxy {
    fn check_succeeded(&self, conn: &mut Conn<'_>, index: u16) -> Action {
        self.shared.upstreams.get(index).end_check();
        self.shared.succeeded(index);
        if let Some(version) = self.shared.options.send_proxy {
            let mut header = Vec::new();
            header::write_local(version, &mut header);
            conn.write_owned(header);
        }
        Action::Close
    }

    fn check_failed(&self, index: u16, reason: &CloseReason) {
        self.shared.upstreams.get(index).end_check();
        self.shared.failed(index, reason);
    }

    /// Sends the listeners to a process that takes over.
    fn hand_over(&self, conn: &mut Conn<'_>) -> Action {
        conn.set_read_timeout(Some(HANDOVER_TIMEOUT));
        let listeners = lock(&self.life.listeners);
        match listeners.as_ref().map(|listeners| listeners.send(conn.as_fd())) {
            Some(Ok(())) => Action::None,
            Some(Err(error)) => {
                warn!("the listeners cannot be handed over: {error}");
                Action::Close
            }
            None => Action::Close,
        }
    }

    /// Stops accepting, and lets the pairs come to their end. The server's own graceful shutdown
    /// would give up the connections to upstreams that are being made.
    fn drain(&mut self, conn: &mut Conn<'_>) -> Action {
        if self.drain_deadline.is_none() {
            info!("draining {} connections", self.shared.open.load(Relaxed));
            self.drain_deadline = Some(conn.now() + self.shared.options.clients.drain_timeout);
            *lock(&self.life.listeners) = None;
            for index in 0..self.life.services.len() {
                conn.loop_handle().stop_listening(index as u16);
            }
            conn.set_timer(Some(DRAIN_STEP));
        }
        Action::None
    }

    fn drain_step(&mut self, conn: &mut Conn<'_>) -> Action {
        let open = self.shared.open.load(Relaxed);
        if open == 0 {
            return Action::Shutdown;
        }
        if self.drain_deadline.is_some_and(|deadline| conn.now() >= deadline) {
            warn!("{open} connections are cut off");
            let here = conn.loop_handle();
            for event_loop in (0..here.loops()).filter_map(|loop_id| here.of_loop(loop_id)) {
                // Refused only when the loop has no room: the next step asks again.
                let _ = event_loop.post(|event_loop| event_loop.for_each_conn(cut_off));
            }
        }
        conn.set_timer(Some(DRAIN_STEP));
        Action::None
    }
}

/// Resets a connection, unless it is that of the signals: what was passed on is not whole.
fn cut_off(mut conn: Conn<'_>) {
    if !matches!(conn.origin(), Origin::Adopted(_)) {
        conn.abort();
    }
}

/// Locks what is used at the beginning and at the end only, where nothing panics.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn main() -> ExitCode {
    let options = Options::parse();
    cli::run(|| run(options))
}

fn run(options: Options) -> Result<(), Box<dyn Error>> {
    let loops = options.loops.get();
    let upstreams = Arc::new(Upstreams::new(options.balance, loops.count()));
    resolve_all(&options.upstream, &upstreams)?;
    keep_resolving(&options.upstream, Arc::clone(&upstreams), options.resolve_interval.0)?;
    let (server, life) = listen(&options)?;
    // A pair has an end of its own when it is idle, and its two sides have it together.
    let limits = options.clients.limits().idle_timeout(None);
    // A client that has ended its output pauses as others do: it still takes its answer.
    let close_timeout = options.clients.write_timeout.0.unwrap_or(Duration::MAX);
    let limits = limits.close_timeout(close_timeout.max(limits.close_timeout));
    let limits = limits.high_watermark(HIGH_WATERMARK).low_watermark(LOW_WATERMARK);
    let server = server.limits(limits.connect_timeout(options.connect_timeout));
    let server = limit_pairs(cli::prepare(server, &options.clients), &options, &upstreams);
    let life = Arc::new(life);
    let shared = Arc::new(Shared::new(options, upstreams, loops.count()));
    server.run_each(loops, |loop_id| Proxy {
        shared: Arc::clone(&shared),
        life: Arc::clone(&life),
        pairs: Pairs::new(Arc::clone(&shared), loop_id),
        drain_deadline: None,
    })?;
    Ok(())
}

/// Limits the clients to as many as there are descriptors for: each takes two. A client that had to
/// be turned away for want of one would be better off waiting.
fn limit_pairs(server: Server, options: &Options, upstreams: &Upstreams) -> Server {
    let Ok((limit, _)) = rlimit::Resource::NOFILE.get() else { return server };
    let others = OTHER_DESCRIPTORS + CHECK_DESCRIPTORS * upstreams.all().count() as u64;
    let room = limit.saturating_sub(others).max(2) / 2;
    if (options.clients.max_connections as u64) <= room {
        return server;
    }
    info!("{limit} descriptors are enough for {room} clients: more of them wait");
    server.max_connections(room as usize)
}

/// Binds the addresses. Listeners that can be handed over are made apart, since a server does not
/// give out its own.
fn listen(options: &Options) -> Result<(Server, Life), Box<dyn Error>> {
    let (keepalive, stats) = (options.keepalive.0, options.stats.as_deref());
    let mut life = Life {
        services: vec![Service::Clients, Service::Stats],
        listeners: Mutex::default(),
        signals: Mutex::new(Some(cli::first_signal()?)),
        drainer: OnceLock::new(),
    };
    if let Some(path) = &options.handover {
        let listeners = Listeners::take_or_bind(&options.listen, keepalive, stats, path)?;
        let server;
        (server, life.services) = listeners.server()?;
        life.listeners = Mutex::new(Some(listeners));
        return Ok((server, life));
    }
    let keepalive = keepalive.map(|idle| Keepalive { idle, ..Keepalive::default() });
    let stats = stats.map(|path| format!("unix://{}", path.display()).parse()).transpose()?;
    let addresses = [Some(options.listen.clone()), stats].into_iter().flatten();
    let server = Server::bind_with(&ListenOptions::default().keepalive(keepalive), addresses)?;
    Ok((server, life))
}
