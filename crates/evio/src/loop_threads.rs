//! How the threads of the loops are scheduled.

use std::io;

use evio_sys::thread;

/// What a server asks the system for its loops' threads.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LoopThreads {
    /// Each stays on one processor.
    pub(crate) pins: bool,
    /// None takes its processor from another thread when it is woken.
    pub(crate) are_batch: bool,
}

impl LoopThreads {
    /// Prepares the calling thread, which is about to run a loop.
    pub(crate) fn prepare(self, loop_id: usize) -> io::Result<()> {
        if self.pins {
            thread::pin(loop_id)?;
        }
        if self.are_batch {
            // Without it the loops are slower, and a sandbox may refuse it.
            let _ = thread::batch();
        }
        Ok(())
    }
}
