//! The scripts of the clients, which run when something happens that they wait for.

use std::collections::VecDeque;
use std::future::Future;
use std::mem;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use evio_sys::sim::Kernel;

use crate::Result;
use crate::failure::with_sources;
use crate::net::Net;

type Script = Pin<Box<dyn Future<Output = Result>>>;

/// The scripts that are to run, by number. It is shared with wakers, which have to be `Send`.
type Queue = Arc<Mutex<VecDeque<usize>>>;

#[derive(Default)]
pub(crate) struct Tasks {
    tasks: Vec<Task>,
    ready: Queue,
}

struct Task {
    /// `None` when it has ended.
    script: Option<Script>,
    net: Rc<Net>,
    wake: Arc<TaskWake>,
}

struct TaskWake {
    number: usize,
    ready: Queue,
    is_queued: AtomicBool,
}

impl Wake for TaskWake {
    fn wake(self: Arc<Self>) {
        if !self.is_queued.swap(true, Ordering::Relaxed) {
            lock(&self.ready).push_back(self.number);
        }
    }
}

fn lock(queue: &Queue) -> std::sync::MutexGuard<'_, VecDeque<usize>> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tells whose script it was that has panicked.
struct Telling<'a> {
    kernel: &'a Kernel,
    number: usize,
    host: Ipv4Addr,
}

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.kernel.tell(|| format!("client {}, {}, has failed", self.number, self.host));
        }
    }
}

impl Tasks {
    pub(crate) fn add(&mut self, net: Rc<Net>, script: Script) {
        let ready = Arc::clone(&self.ready);
        let is_queued = AtomicBool::new(false);
        let wake = Arc::new(TaskWake { number: self.tasks.len(), ready, is_queued });
        Arc::clone(&wake).wake();
        self.tasks.push(Task { script: Some(script), net, wake });
    }

    /// Runs the scripts that something has happened to, in an order that is drawn. Returns whether
    /// there were any.
    ///
    /// # Panics
    ///
    /// Panics when a script fails, and none of its calls did in this way because its connection was
    /// cut by chance.
    pub(crate) fn run_ready(&mut self, kernel: &Kernel) -> bool {
        let mut ready = mem::take(&mut *lock(&self.ready));
        if ready.is_empty() {
            return false;
        }
        kernel.act_as_peer(true);
        while !ready.is_empty() {
            let drawn = kernel.random_below(ready.len());
            if let Some(number) = ready.swap_remove_back(drawn) {
                self.run(number, kernel);
            }
        }
        kernel.act_as_peer(false);
        true
    }

    /// Returns how many there have been.
    pub(crate) fn count(&self) -> usize {
        self.tasks.len()
    }

    pub(crate) fn has_ready(&self) -> bool {
        !lock(&self.ready).is_empty()
    }

    fn run(&mut self, number: usize, kernel: &Kernel) {
        let task = &mut self.tasks[number];
        task.wake.is_queued.store(false, Ordering::Relaxed);
        let Some(script) = &mut task.script else { return };
        let host = task.net.host();
        kernel.set_peer_host(host);
        let waker = Waker::from(Arc::clone(&task.wake));
        let _telling = Telling { kernel, number, host };
        let Poll::Ready(result) = script.as_mut().poll(&mut Context::from_waker(&waker)) else {
            return;
        };
        task.script = None;
        if let Err(error) = result {
            let is_excused = task.net.excuses(&*error);
            let error = with_sources(&*error);
            assert!(is_excused, "client {number}, {host}, has failed: {error}");
        }
    }

    /// Returns how many have not come to their end.
    pub(crate) fn count_unfinished(&self) -> usize {
        self.tasks.iter().filter(|task| task.script.is_some()).count()
    }

    /// Returns the numbers and the hosts of those that have not come to their end.
    pub(crate) fn unfinished_hosts(&self) -> impl Iterator<Item = (usize, Ipv4Addr)> {
        let tasks = self.tasks.iter().enumerate();
        let unfinished = tasks.filter(|(_, task)| task.script.is_some());
        unfinished.map(|(number, task)| (number, task.net.host()))
    }

    /// Returns the number of a client that has not come to its end.
    pub(crate) fn unfinished(&self) -> Option<usize> {
        self.tasks.iter().position(|task| task.script.is_some())
    }
}
