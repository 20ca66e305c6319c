//! How the proxy begins and ends, which loop 0 sees to.
//!
//! Stats and handovers have a thread each, which may wait for its peer: no client waits for that,
//! and they have no share in `--max-connections`.

use std::io::{self, ErrorKind, Write};
use std::ops::ControlFlow;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use evio::{Action, Conn, Loop, LoopHandle, Origin};
use log::{info, warn};
use rustix::event::{PollFd, PollFlags, poll};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::low_level::pipe;

use super::handover::{Listeners, Old};
use super::listening::Service;
use super::pair::Purpose;
use super::report::report;
use super::shared::Shared;

/// How often a proxy that drains looks whether it is done.
const DRAIN_STEP: Duration = Duration::from_millis(50);

/// How long somebody who reads the counters may take for what its socket has no room for.
const STATS_TIMEOUT: Duration = Duration::from_secs(1);

/// How long to wait when the process is out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What the loop is told when another process has taken over; after a signal, it is another byte.
const HANDED_OVER: u8 = b'h';

/// What the status of a process that a signal has ended begins at, as in a shell.
const SIGNALLED: u8 = 128;

/// How the proxy begins and ends.
#[derive(Debug)]
pub struct Life {
    shared: Arc<Shared>,
    listeners: Arc<Listeners>,
    /// The process that this one takes over from.
    old: Option<Old>,
    signals: Signals,
    /// The threads end when it is closed.
    threads: Option<UnixStream>,
    drain: Option<Drain>,
}

/// Signals that ask the proxy to end. `Server::shutdown_on_signals` ends a program at its second
/// signal, and begins with the server's own shutdown: this one resets its pairs before it ends, and
/// drains without a signal when it has handed over.
#[derive(Debug)]
struct Signals {
    /// Has a byte to read after each; a loop adopts it.
    receiver: Option<UnixStream>,
    sender: UnixStream,
    count: usize,
    /// The number of the last one.
    last: Arc<AtomicUsize>,
    /// The next one ends the program at once.
    is_last: Arc<AtomicBool>,
}

#[derive(Debug)]
struct Drain {
    /// When to cut off what is left; none if that is too far away to be told.
    deadline: Option<Instant>,
    is_cut_off: bool,
    /// Loops that still accept what waits at their listeners.
    accepting: Arc<AtomicUsize>,
}

impl Signals {
    fn new() -> io::Result<Self> {
        let (receiver, sender) = UnixStream::pair()?;
        let (last, is_last) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        for signal in [SIGINT, SIGTERM] {
            let status = i32::from(SIGNALLED) + signal;
            flag::register_conditional_shutdown(signal, status, Arc::clone(&is_last))?;
            flag::register_usize(signal, Arc::clone(&last), signal as usize)?;
            pipe::register(signal, sender.try_clone()?)?;
        }
        Ok(Self { receiver: Some(receiver), sender, count: 0, last, is_last })
    }
}

impl Life {
    /// Makes it, and handles SIGINT and SIGTERM from now on.
    ///
    /// # Errors
    ///
    /// Fails when the system refuses a signal handler.
    pub fn new(shared: Arc<Shared>, listeners: Listeners, old: Option<Old>) -> io::Result<Self> {
        let (signals, listeners) = (Signals::new()?, Arc::new(listeners));
        Ok(Self { shared, listeners, old, signals, threads: None, drain: None })
    }

    /// Has the process that this one takes over from drain, and begins to answer.
    ///
    /// # Errors
    ///
    /// Fails when that process goes on, and when the system refuses a thread.
    pub fn begin(&mut self, event_loop: &mut Loop<'_>) -> io::Result<()> {
        if let Some(mut old) = self.old.take() {
            let goes_on = |error| io::Error::other(format!("the old process goes on: {error}"));
            old.say_ready().map_err(goes_on)?;
        }
        let (stop, stopped) = UnixStream::pair()?;
        self.threads = Some(stop);
        if let Some(listener) = self.listeners.of(Service::Stats)? {
            let shared = Arc::clone(&self.shared);
            answer("stats", listener, stopped.try_clone()?, move |peer| tell(&shared, &peer))?;
        }
        if let Some(listener) = self.listeners.of(Service::Handover)? {
            let listeners = Arc::clone(&self.listeners);
            let told = self.signals.sender.try_clone()?;
            let answers = move |peer: UnixStream| hand_over(&listeners, &peer, &told);
            answer("handover", listener, stopped, answers)?;
        }
        if let Some(signals) = self.signals.receiver.take() {
            event_loop.adopt(signals, Purpose::Signals.tag())?;
        }
        Ok(())
    }

    /// Drains after the first signal or when another process has taken over, and resets all
    /// connections and ends after the second signal; the third does not wait for that.
    pub fn heard(&mut self, conn: &mut Conn<'_>, input: &[u8]) -> Action {
        self.signals.count += input.iter().filter(|byte| **byte != HANDED_OVER).count();
        if self.drain.is_none() {
            self.drain(conn);
        }
        if self.signals.count > 1 {
            self.signals.is_last.store(true, Relaxed);
            let status = SIGNALLED + self.signals.last.load(Relaxed) as u8;
            self.shared.exit_status.store(status, Relaxed);
            self.cut_off(conn);
        }
        Action::None
    }

    /// Stops accepting, and lets the pairs come to their end.
    fn drain(&mut self, conn: &mut Conn<'_>) {
        info!("connections to drain: {}", self.shared.open.load(Relaxed));
        let deadline = conn.now().checked_add(self.shared.options.clients.drain_timeout);
        self.threads = None;
        for index in 0..self.listeners.clients() {
            conn.loop_handle().stop_listening(index as u16);
        }
        let accepting = Arc::new(AtomicUsize::new(0));
        for event_loop in all_loops(conn) {
            let left = Arc::clone(&accepting);
            left.fetch_add(1, Relaxed);
            // Behind what closes the listeners. A loop without room for it is not waited for.
            let note_end = move |_: &mut Loop<'_>| {
                left.fetch_sub(1, Relaxed);
            };
            if event_loop.post(note_end).is_err() {
                accepting.fetch_sub(1, Relaxed);
            }
        }
        self.drain = Some(Drain { deadline, is_cut_off: false, accepting });
        self.listeners.close();
        conn.set_timer(Some(DRAIN_STEP));
    }

    /// Looks, as long as the proxy drains, whether that is over.
    pub fn step(&mut self, conn: &mut Conn<'_>) -> Action {
        let Some(drain) = &self.drain else { return Action::None };
        let is_idle = drain.accepting.load(Relaxed) == 0 && self.shared.open.load(Relaxed) == 0;
        let is_over = drain.is_cut_off || is_idle;
        // A process that takes over is told that it may go on, unless the user cannot wait.
        if is_over && (self.signals.count > 1 || !self.listeners.is_handing_over()) {
            // The other ends of these are the proxy's own: the server would wait for them in vain.
            abort_all(&mut conn.event_loop(), is_own);
            return Action::Shutdown;
        }
        if drain.deadline.is_some_and(|deadline| conn.now() >= deadline) {
            self.cut_off(conn);
        }
        conn.set_timer(Some(DRAIN_STEP));
        Action::None
    }

    /// Resets all connections: what was passed on is not whole. The next step ends the proxy, with
    /// those that have been closed and have output left.
    fn cut_off(&mut self, conn: &Conn<'_>) {
        let Some(drain) = self.drain.as_mut().filter(|drain| !drain.is_cut_off) else { return };
        drain.is_cut_off = true;
        warn!("connections cut off: {}", self.shared.open.load(Relaxed));
        for event_loop in all_loops(conn) {
            // Refused only when the loop has no room; then the shutdown ends them.
            let _ = event_loop.post(|event_loop| abort_all(event_loop, |conn| !is_own(conn)));
        }
    }
}

fn all_loops(conn: &Conn<'_>) -> impl Iterator<Item = LoopHandle> + use<> {
    let here = conn.loop_handle();
    (0..here.loops()).filter_map(move |loop_id| here.of_loop(loop_id))
}

/// Resets the connections of a loop that this is true of.
fn abort_all(event_loop: &mut Loop<'_>, is_it: impl Fn(&Conn<'_>) -> bool) {
    event_loop.for_each_conn(|mut conn| {
        if is_it(&conn) {
            conn.abort();
        }
    });
}

/// Returns whether a connection is the proxy's own, for signals or checks.
fn is_own(conn: &Conn<'_>) -> bool {
    matches!(conn.origin(), Origin::Adopted(_))
}

/// Sends the counters to who has asked for them.
fn tell(shared: &Shared, mut peer: &UnixStream) -> ControlFlow<()> {
    let text = report(&shared.upstreams, &shared.clients, shared.open.load(Relaxed));
    // Who does not read it does without.
    let _ =
        peer.set_write_timeout(Some(STATS_TIMEOUT)).and_then(|()| peer.write_all(text.as_bytes()));
    ControlFlow::Continue(())
}

/// Hands over to one process at a time; others wait for their turn.
fn hand_over(listeners: &Listeners, peer: &UnixStream, mut told: &UnixStream) -> ControlFlow<()> {
    match listeners.hand_over(peer).and_then(|()| told.write_all(&[HANDED_OVER])) {
        Ok(()) => {
            info!("another process has taken over");
            ControlFlow::Break(())
        }
        Err(error) => {
            warn!("another process has not taken over: {error}");
            ControlFlow::Continue(())
        }
    }
}

/// Answers whoever connects, on a thread of its own, until `answer` breaks or `stop` is closed.
fn answer(
    name: &str,
    listener: UnixListener,
    stop: UnixStream,
    mut answer: impl FnMut(UnixStream) -> ControlFlow<()> + Send + 'static,
) -> io::Result<()> {
    // Another process with the same listener may be faster.
    listener.set_nonblocking(true)?;
    let run = move || {
        while is_wanted(&listener, &stop) {
            let outcome = listener.accept().and_then(|(peer, _)| {
                peer.set_nonblocking(false)?;
                Ok(answer(peer))
            });
            match outcome {
                Ok(ControlFlow::Break(())) => break,
                Ok(ControlFlow::Continue(())) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => thread::sleep(ACCEPT_PAUSE),
            }
        }
    };
    thread::Builder::new().name(name.to_owned()).spawn(run)?;
    Ok(())
}

/// Waits until somebody connects; returns false when `stop` is closed.
fn is_wanted(listener: &UnixListener, stop: &UnixStream) -> bool {
    let mut asked = [PollFd::new(listener, PollFlags::IN), PollFd::new(stop, PollFlags::IN)];
    // After a signal, accept(2) tells that nobody is there.
    let _ = poll(&mut asked, None);
    asked[1].revents().is_empty()
}
