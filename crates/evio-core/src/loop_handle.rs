//! A loop, as other threads see it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::conns::Conns;
use crate::group::Group;
use crate::mailbox::{Command, Manner, SendError, Task};

/// A loop and its group, for any thread and for any length of time.
///
/// # Examples
///
/// ```
/// use evio_core::{Config, EventLoop};
///
/// # fn main() -> std::io::Result<()> {
/// # struct Nothing;
/// # impl evio_core::Handler for Nothing {
/// #     type Context = ();
/// #     fn context(&mut self, _: &evio_core::Conn<'_>) {}
/// #     fn data(
/// #         &mut self,
/// #         _: &mut evio_core::Conn<'_>,
/// #         _: &mut (),
/// #         _: &[u8],
/// #     ) -> evio_core::Action {
/// #         evio_core::Action::None
/// #     }
/// # }
/// let event_loop = EventLoop::new(Config::default())?;
/// let handle = event_loop.handle();
/// let stopper = std::thread::spawn(move || handle.shutdown());
/// event_loop.run(Nothing)?;
/// # stopper.join().unwrap();
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct LoopHandle {
    group: Arc<Group>,
    loop_id: u16,
}

impl LoopHandle {
    pub(crate) fn new(group: Arc<Group>, loop_id: u16) -> Self {
        Self { group, loop_id }
    }

    /// Returns the index of the loop.
    #[must_use]
    pub fn loop_id(&self) -> usize {
        usize::from(self.loop_id)
    }

    /// Has `task` run on the loop's thread, between callbacks.
    ///
    /// # Errors
    ///
    /// See [`SendError`]; the task is dropped then.
    pub fn post(
        &self,
        task: impl FnOnce(&mut Conns<'_>) + Send + 'static,
    ) -> Result<(), SendError> {
        self.group.mailbox(self.loop_id()).send(Command::Task(Task(Box::new(task))))
    }

    /// Appends `bytes` to the output of every open connection of every loop of the group. They are
    /// shared, not copied.
    ///
    /// # Errors
    ///
    /// Says what one of the loops said that refused it; the others send it all the same.
    pub fn broadcast(&self, bytes: Arc<[u8]>) -> Result<(), SendError> {
        (0..self.group.loops())
            .map(|loop_id| self.group.mailbox(loop_id).send(Command::Broadcast(Arc::clone(&bytes))))
            .fold(Ok(()), Result::and)
    }

    /// Ends all loops of the group, as [`Action::Shutdown`](crate::Action::Shutdown) does; those
    /// that have not been started yet end as soon as they are. Calling it again, or later, does
    /// nothing.
    pub fn shutdown(&self) {
        self.group.shutdown(Manner::Prompt);
    }

    /// Ends all loops of the group when their connections have come to an end by themselves, or at
    /// the latest after `timeout`: nothing more is accepted, and
    /// [`Handler::stopping`](crate::Handler::stopping) is called for each connection.
    pub fn shutdown_gracefully(&self, timeout: Duration) {
        self.group.shutdown(Manner::Graceful(timeout));
    }
}

impl fmt::Debug for LoopHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoopHandle").field("loop_id", &self.loop_id).finish_non_exhaustive()
    }
}
