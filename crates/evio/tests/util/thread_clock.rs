//! How long a thread has been running, as the system counts it.

use std::env::consts;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::thread;
use std::time::Duration;

/// The processor time of one thread; only Linux tells that of another one, and elsewhere there is
/// nothing to be measured.
pub(crate) struct ThreadClock(Option<File>);

impl ThreadClock {
    pub(crate) fn of_this_thread() -> Self {
        let open = || File::open("/proc/thread-self/schedstat").expect("the system counts");
        Self((consts::OS == "linux").then(open))
    }

    fn now(&self) -> Duration {
        let Some(file) = &self.0 else { return Duration::ZERO };
        let mut buffer = [0; 64];
        let len = file.read_at(&mut buffer, 0).expect("the thread is running");
        let text = std::str::from_utf8(&buffer[..len]).expect("the file has text");
        let nanoseconds = text.split(' ').next().and_then(|word| word.parse().ok());
        Duration::from_nanos(nanoseconds.expect("the first word is a number"))
    }

    /// Watches the thread for a while, and returns how much of it the thread was running. One that
    /// spins is running all the time, or as much as others leave to it.
    pub(crate) fn busy_during(&self, time: Duration) -> Duration {
        let before = self.now();
        // The window that is measured.
        thread::sleep(time);
        self.now() - before
    }
}
