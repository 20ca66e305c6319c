//! How often a thread has gone to sleep, as the system counts it.

use std::env::consts;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::thread;
use std::time::Duration;

/// Counts how often one thread is woken; only Linux tells that of another one, and elsewhere there
/// is nothing to be counted.
pub(crate) struct ThreadWakes(Option<File>);

impl ThreadWakes {
    pub(crate) fn of_this_thread() -> Self {
        let open = || File::open("/proc/thread-self/status").expect("the system counts");
        Self((consts::OS == "linux").then(open))
    }

    fn now(&self) -> u64 {
        let Some(file) = &self.0 else { return 0 };
        let mut buffer = [0; 8 << 10];
        let len = file.read_at(&mut buffer, 0).expect("the thread is running");
        let text = std::str::from_utf8(&buffer[..len]).expect("the file has text");
        let line = text.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        line.and_then(|count| count.trim().parse().ok()).expect("the system counts switches")
    }

    /// Watches the thread for a while, and returns how often it went to sleep: once for each time
    /// that something woke it.
    pub(crate) fn during(&self, time: Duration) -> u64 {
        let before = self.now();
        // The window that is watched.
        thread::sleep(time);
        self.now() - before
    }
}
