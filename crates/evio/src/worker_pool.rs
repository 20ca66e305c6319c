//! Threads for work that would hold up a loop.

use std::error;
use std::fmt;
use std::io;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};
use evio_core::{Conn, Reply, SendError};

/// Threads for work that blocks or takes long, such as a query, a file or a password to be hashed:
/// in a callback, it would hold up every connection of the loop.
///
/// There are as many threads as were asked for, and as much work may wait for one of them; more is
/// refused, so that a server which is asked for too much says so instead of answering late.
/// Cloning a pool gives another handle for the same threads: the handlers of all loops share one.
/// When the last handle has been dropped, the threads finish what waits, and end.
///
/// # Examples
///
/// ```
/// use evio::{Action, Conn, Handler, WorkerPool};
///
/// /// Answers with the number of words in a file.
/// struct WordCount {
///     pool: WorkerPool,
/// }
///
/// impl Handler for WordCount {
///     type Context = ();
///
///     fn context(&mut self, _: &Conn<'_>) {}
///
///     fn data(&mut self, conn: &mut Conn<'_>, _: &mut (), input: &[u8]) -> Action {
///         let path = String::from_utf8_lossy(input).trim().to_owned();
///         let count = move || match std::fs::read_to_string(path) {
///             Ok(text) => format!("{}\n", text.split_whitespace().count()),
///             Err(error) => format!("{error}\n"),
///         };
///         if self.pool.answer(conn, count).is_err() {
///             conn.write(b"try again later\n");
///         }
///         Action::None
///     }
/// }
/// ```
#[derive(Clone)]
pub struct WorkerPool {
    jobs: Sender<Job>,
    waiting: Arc<Waiting>,
}

type Job = Box<dyn FnOnce() + Send>;

/// How much work waits. It is counted beside the queue: a [`Place`] is taken before there is work.
struct Waiting {
    len: AtomicUsize,
    max: usize,
}

/// As much work as may wait for the threads of a [`WorkerPool`].
///
/// # Examples
///
/// ```
/// use evio::{Conn, PoolFull, WorkerPool};
///
/// /// Refuses a login at once when too many others wait to be checked.
/// fn log_in(pool: &WorkerPool, conn: &mut Conn<'_>, is_right: fn(&[u8]) -> bool, input: &[u8]) {
///     let password = input.to_vec();
///     let check = move || if is_right(&password) { "welcome\n" } else { "wrong\n" };
///     if let Err(PoolFull) = pool.answer(conn, check) {
///         conn.write(b"busy, try again later\n");
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolFull;

impl WorkerPool {
    /// Starts `threads` threads, at least one, for which up to `max_waiting` pieces of work may
    /// wait, at least one. The threads are named `evio-worker-0` and so on.
    ///
    /// # Errors
    ///
    /// Fails when the system has no more threads.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use evio::WorkerPool;
    ///
    /// let pool = WorkerPool::new(2, 100)?;
    /// let (found, results) = mpsc::channel();
    /// for number in 1..=10_u64 {
    ///     let found = found.clone();
    ///     pool.run(move || found.send(number * number).expect("somebody waits"))?;
    /// }
    /// drop(found);
    /// assert_eq!(results.iter().sum::<u64>(), 385);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(threads: usize, max_waiting: usize) -> io::Result<Self> {
        let (jobs, queue) = crossbeam_channel::unbounded();
        let waiting = Arc::new(Waiting { len: AtomicUsize::new(0), max: max_waiting.max(1) });
        for number in 0..threads.max(1) {
            let (queue, waiting) = (queue.clone(), Arc::clone(&waiting));
            let name = format!("evio-worker-{number}");
            thread::Builder::new().name(name).spawn(move || work(&queue, &waiting))?;
        }
        Ok(Self { jobs, waiting })
    }

    /// Runs `work` on one of the threads.
    ///
    /// What it has found goes back to a loop by a [`MessageSender`](crate::MessageSender), a
    /// [`ConnHandle`](crate::ConnHandle) or [`LoopHandle::post`](crate::LoopHandle::post); for the
    /// answer to a peer, [`answer`](Self::answer) does that. Work that panics harms nobody else.
    ///
    /// # Errors
    ///
    /// Fails when as much work waits as may; `work` is dropped then.
    ///
    /// # Examples
    ///
    /// ```
    /// use evio::{MessageSender, PoolFull, WorkerPool};
    ///
    /// /// Reads the new configuration, and sends it to the `message` callback of the handler.
    /// fn reload(pool: &WorkerPool, handler: MessageSender<String>) -> Result<(), PoolFull> {
    ///     pool.run(move || match std::fs::read_to_string("server.conf") {
    ///         // It comes back when the server has ended meanwhile: then nobody needs it.
    ///         Ok(text) => drop(handler.send(text)),
    ///         Err(error) => eprintln!("the configuration stays as it is: {error}"),
    ///     })
    /// }
    /// ```
    pub fn run(&self, work: impl FnOnce() + Send + 'static) -> Result<(), PoolFull> {
        self.reserve()?.run(work);
        Ok(())
    }

    /// Runs `work` on one of the threads, and sends what it returns to the peer of `conn`, as a
    /// [`Reply`]: a peer that has ended its output is kept for it, and when the connection has gone
    /// meanwhile, the answer is dropped. If `work` panics,
    /// [`Handler::unanswered`](crate::Handler::unanswered) is called.
    ///
    /// Answers are sent as they are ready, whatever the order of the questions.
    ///
    /// # Errors
    ///
    /// Fails when as much work waits as may; no reply is owed then.
    ///
    /// # Examples
    ///
    /// See [`WorkerPool`].
    pub fn answer<B>(
        &self,
        conn: &mut Conn<'_>,
        work: impl FnOnce() -> B + Send + 'static,
    ) -> Result<(), PoolFull>
    where
        B: Into<Vec<u8>>,
    {
        let place = self.reserve()?;
        let reply = conn.reply();
        place.run(move || give(reply, work().into()));
        Ok(())
    }

    /// Takes a place in the queue, before the work is made.
    pub(crate) fn reserve(&self) -> Result<Place<'_>, PoolFull> {
        let Waiting { len, max } = &*self.waiting;
        let one_more = |len| (len < *max).then_some(len + 1);
        match len.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more) {
            Ok(_) => Ok(Place(self)),
            Err(_) => Err(PoolFull),
        }
    }
}

/// A place in the queue of a pool.
#[must_use = "the place is taken until something runs"]
pub(crate) struct Place<'a>(&'a WorkerPool);

impl Place<'_> {
    pub(crate) fn run(self, work: impl FnOnce() + Send + 'static) {
        // The threads go on for as long as there is a sender.
        let _ = self.0.jobs.send(Box::new(work));
    }
}

/// Does the work that comes, until nobody can send more.
fn work(queue: &Receiver<Job>, waiting: &Waiting) {
    for job in queue {
        waiting.len.fetch_sub(1, Ordering::Relaxed);
        // The hook has printed the panic, and what the job held has been dropped.
        let Err(panic) = catch_unwind(AssertUnwindSafe(job)) else { continue };
        // What a panic holds may panic when it is dropped.
        if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
            mem::forget(another);
        }
    }
}

/// Gives a reply; while too many bytes wait for the loop, this thread waits as well, and work piles
/// up until it is refused.
fn give(mut reply: Reply, mut bytes: Vec<u8>) {
    const LONGEST: Duration = Duration::from_millis(20);
    let mut pause = Duration::from_millis(1);
    while let Err(unsent) = reply.send(bytes) {
        if unsent.error() == SendError::Stopped {
            return;
        }
        thread::sleep(pause);
        pause = (2 * pause).min(LONGEST);
        (reply, bytes) = unsent.into_inner();
    }
}

impl fmt::Debug for WorkerPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerPool")
            .field("waiting", &self.waiting.len.load(Ordering::Relaxed))
            .field("max_waiting", &self.waiting.max)
            .finish()
    }
}

impl fmt::Display for PoolFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("too much work waits for the threads of the pool")
    }
}

impl error::Error for PoolFull {}
