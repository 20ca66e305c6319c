//! The state that all threads of a round share.

use std::collections::{HashMap, HashSet};
use std::net;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU32, AtomicU64, AtomicUsize};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use evio::{BoundAddress, ConnHandle, ConnId, LoopHandle, SocketAddr, Stream};
use parking_lot::Mutex;

use super::census::Census;
use super::dice::Dice;
use super::frame::{SENDERS, Written};
use super::link::{Kind, Link};
use super::model::Server;
use super::plan::Plan;
use super::pulse::Pulse;
use super::trace::Trace;

/// How many loops a server has.
pub(crate) const LOOPS: usize = 2;

/// How far a round is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Everybody does whatever the dice say.
    Running,
    /// Nothing new is begun; peers go or stay.
    Winding,
    /// Everybody reads, and everything must arrive.
    Settling,
    /// The server has ended.
    Over,
}

/// A round: one server from its beginning to its end, and all who have to do with it.
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) plan: Plan,
    pub(crate) started: Instant,
    operations: i64,
    left: AtomicI64,
    phase: AtomicU8,
    /// 0: not asked for; 1: gracefully; 2: at once.
    shutdown: AtomicU8,
    /// Callbacks that the plan says shall end the server now.
    pub(crate) ends_now: AtomicBool,
    pub(crate) links: Mutex<Vec<Arc<Link>>>,
    /// Those of clients, by the address that the server sees.
    pub(crate) names: Mutex<HashMap<String, Arc<Link>>>,
    pub(crate) targets: Mutex<Vec<(SocketAddr, Arc<Link>)>>,
    pub(crate) adoptables: Mutex<Vec<(Stream, Arc<Link>)>>,
    pub(crate) handles: Mutex<Vec<Known>>,
    pub(crate) listeners: Mutex<Vec<Listening>>,
    pub(crate) loops: [LoopSide; LOOPS],
    pub(crate) broadcasts: [AtomicU32; SENDERS],
    pub(crate) failed_broadcasts: Mutex<HashSet<(usize, u32)>>,
    broadcast_bytes: AtomicU64,
    /// Contexts that are alive.
    pub(crate) contexts: AtomicUsize,
    pub(crate) tasks: TaskCounts,
    /// The counts that the function that places connections was given last.
    pub(crate) placed: Mutex<Vec<usize>>,
    /// Where datagrams can be sent to.
    pub(crate) udp_peer: Mutex<Option<net::SocketAddr>>,
    pub(crate) threads: Mutex<Vec<JoinHandle<()>>>,
    /// Callers that are not done.
    pub(crate) callers: AtomicUsize,
    /// A handle for the first loop, once the server runs.
    pub(crate) first_loop: Mutex<Option<LoopHandle>>,
    /// Peers that are not done.
    pub(crate) peers: AtomicUsize,
    faults: Mutex<Vec<String>>,
    pub(crate) pulse: Pulse,
    pub(crate) census: Census,
    pub(crate) trace: Trace,
    pub(crate) directory: PathBuf,
}

/// A connection that was opened once, with its handle.
#[derive(Clone)]
pub(crate) struct Known {
    pub(crate) handle: ConnHandle,
    pub(crate) event_loop: LoopHandle,
    pub(crate) link: Arc<Link>,
}

/// An address that the server listens on, or did.
#[derive(Clone, Debug)]
pub(crate) struct Listening {
    pub(crate) bound: BoundAddress,
    pub(crate) is_stopped: bool,
}

impl Listening {
    pub(crate) fn index(&self) -> usize {
        usize::from(self.bound.index())
    }
}

#[derive(Default)]
pub(crate) struct LoopSide {
    /// Counts the ends of `pre_write`.
    pub(crate) pre_writes: AtomicU32,
    /// Those of them that withheld the turn.
    pub(crate) withheld: Mutex<HashSet<u32>>,
    /// Connections that are open or connecting.
    pub(crate) live: Mutex<Vec<(ConnId, Arc<Link>)>>,
    /// Those that came in by a listener.
    pub(crate) accepted: AtomicUsize,
}

#[derive(Debug, Default)]
pub(crate) struct TaskCounts {
    pub(crate) posted: AtomicUsize,
    pub(crate) run: AtomicUsize,
    pub(crate) dropped: AtomicUsize,
    /// Those that `post` said no to; they are dropped, too.
    pub(crate) refused: AtomicUsize,
}

impl World {
    pub(crate) fn new(seed: u64, operations: i64, directory: PathBuf) -> Self {
        Self {
            seed,
            plan: Plan::new(seed),
            started: Instant::now(),
            operations,
            left: AtomicI64::new(operations),
            phase: AtomicU8::new(Phase::Running as u8),
            shutdown: AtomicU8::new(0),
            ends_now: AtomicBool::new(false),
            links: Mutex::default(),
            names: Mutex::default(),
            targets: Mutex::default(),
            adoptables: Mutex::default(),
            handles: Mutex::default(),
            listeners: Mutex::default(),
            loops: Default::default(),
            broadcasts: Default::default(),
            failed_broadcasts: Mutex::default(),
            broadcast_bytes: AtomicU64::new(0),
            contexts: AtomicUsize::new(0),
            tasks: TaskCounts::default(),
            placed: Mutex::default(),
            udp_peer: Mutex::default(),
            threads: Mutex::default(),
            callers: AtomicUsize::new(0),
            first_loop: Mutex::default(),
            peers: AtomicUsize::new(0),
            faults: Mutex::default(),
            pulse: Pulse::default(),
            census: Census::default(),
            trace: Trace::default(),
            directory,
        }
    }

    /// Spends one operation, if any are left.
    pub(crate) fn spend(&self) -> bool {
        self.phase() == Phase::Running && self.left.fetch_sub(1, SeqCst) > 0
    }

    /// Returns how many operations were done, in percent.
    pub(crate) fn spent(&self) -> usize {
        let done = self.operations - self.left.load(SeqCst);
        (done.max(0) * 100 / self.operations.max(1)) as usize
    }

    pub(crate) fn phase(&self) -> Phase {
        let phase = self.phase.load(SeqCst);
        [Phase::Running, Phase::Winding, Phase::Settling, Phase::Over][usize::from(phase)]
    }

    pub(crate) fn set_phase(&self, phase: Phase) {
        self.phase.store(phase as u8, SeqCst);
        self.note(format!("--- {phase:?}"));
        self.pulse.beat();
    }

    /// To be called before the server is told to end.
    pub(crate) fn shutting_down(&self, gracefully: bool) {
        self.shutdown.fetch_max(if gracefully { 1 } else { 2 }, SeqCst);
    }

    pub(crate) fn is_shutting_down(&self) -> bool {
        self.shutdown.load(SeqCst) > 0
    }

    /// Returns whether a graceful end was asked for; it may have been overtaken.
    pub(crate) fn is_stopping_gracefully(&self) -> bool {
        let gracefully = [1, 2].contains(&self.shutdown.load(SeqCst));
        gracefully && self.plan.ending.is_graceful()
    }

    pub(crate) fn broadcast_bytes(&self) -> u64 {
        self.broadcast_bytes.load(SeqCst)
    }

    pub(crate) fn add_broadcast_bytes(&self, len: usize) {
        self.broadcast_bytes.fetch_add(len as u64, SeqCst);
    }

    /// Makes a connection known, before anything is done about it.
    pub(crate) fn new_link(&self, kind: Kind, is_unix: bool) -> Arc<Link> {
        let mut links = self.links.lock();
        let number = links.len() as u32;
        let dice = Dice::new(self.seed, 2 * u64::from(number));
        let limits = self.plan.unix_limits.filter(|_| kind == Kind::Accepted(1));
        let server = Server::new(limits.unwrap_or(self.plan.limits), dice);
        let link = Arc::new(Link::new(number, kind, is_unix, server));
        links.push(Arc::clone(&link));
        link
    }

    /// Makes a connection known that goes on with the socket of one that was detached.
    pub(crate) fn continue_link(&self, link: &Arc<Link>) -> Arc<Link> {
        let mut links = self.links.lock();
        let number = links.len() as u32;
        let dice = Dice::new(self.seed, 2 * u64::from(number));
        let server = Server::new(self.plan.limits, dice);
        let link = Arc::new(Link::continuing(link, number, server));
        links.push(Arc::clone(&link));
        link
    }

    /// Returns the dice of a connection's peer.
    pub(crate) fn peer_dice(&self, link: &Link) -> Dice {
        Dice::new(self.seed, 2 * u64::from(link.number) + 1)
    }

    /// Returns when something is written, if it is now.
    pub(crate) fn written_on(&self, loop_id: usize) -> Written {
        let pre_writes = self.loops[loop_id].pre_writes.load(SeqCst);
        Written { loop_id: loop_id as u16, pre_writes }
    }

    /// Starts a thread that the round waits for at its end.
    pub(crate) fn spawn(self: &Arc<Self>, name: String, run: impl FnOnce() + Send + 'static) {
        let world = Arc::clone(self);
        let run = move || {
            if catch_unwind(AssertUnwindSafe(run)).is_err() {
                world.fault(None, "a thread of the test has panicked");
            }
        };
        let thread = thread::Builder::new().name(name).stack_size(512 << 10).spawn(run);
        self.threads.lock().push(thread.expect("the system has room for a thread"));
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    pub(crate) fn note(&self, text: String) {
        self.trace.note(self.elapsed(), text);
    }

    pub(crate) fn note_of(&self, link: &Link, text: String) {
        link.trace.note(self.elapsed(), text);
    }

    /// Records a fault; only the first one counts. The caller holds no lock of the connection.
    pub(crate) fn fault(&self, link: Option<&Link>, what: &str) {
        let mut faults = self.faults.lock();
        // The others may be what comes of the first.
        if faults.is_empty() {
            let link = link.map(Link::to_string).unwrap_or_default();
            let at = self.elapsed();
            faults.push(format!("{what} (at {at:?})\n{link}  the round:\n{}", self.trace));
        }
        drop(faults);
        self.pulse.beat();
    }

    pub(crate) fn check(&self, link: &Link, result: Result<(), String>) {
        if let Err(what) = result {
            self.fault(Some(link), &what);
        }
    }

    pub(crate) fn has_fault(&self) -> bool {
        !self.faults.lock().is_empty()
    }

    /// Returns all that is wrong, in words.
    pub(crate) fn faults(&self) -> String {
        self.faults.lock().join("\n")
    }
}
