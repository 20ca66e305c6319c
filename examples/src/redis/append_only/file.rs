//! The file, and what is to be written to it.

use std::error::Error;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::mem;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use log::{error, warn};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use parking_lot::Mutex;

use super::replay::{ReplayError, Replayed, replay};
use crate::redis::Server;
use crate::redis::change_log::ChangeLog;

/// A file that records are appended to, and synced before any reply that follows from them leaves.
#[derive(Debug)]
pub struct AppendOnly {
    records: Mutex<Pending>,
    /// Locked while records are written and synced.
    file: Mutex<Synced>,
    /// How many bytes have been synced since the start, for a look without the lock.
    synced: AtomicU64,
    /// How often it has failed to write or to sync.
    failures: AtomicU64,
    /// Whether it has failed, and not succeeded since.
    has_failed: AtomicBool,
}

/// The records that are not written yet, in order.
#[derive(Debug, Default)]
struct Pending {
    bytes: Vec<u8>,
    /// How many bytes have been appended since the start, with these.
    appended: u64,
}

/// The file, and how far it is known to be on the disk.
#[derive(Debug)]
struct Synced {
    /// Locked with flock(2), so that no other server writes to it.
    file: Flock<File>,
    /// What is behind this was not synced, and is to be written again.
    len: u64,
    /// The records that were being written when it failed, and then those of this time.
    writing: Vec<u8>,
}

impl AppendOnly {
    /// Opens the file at `path`, runs the commands in it on `server`, and returns the log that
    /// continues it. A file that is not there is made.
    ///
    /// # Errors
    ///
    /// Fails when the system does not let it, and when the file holds what this server has not
    /// written.
    pub fn open(path: &Path, server: &Server) -> Result<Arc<Self>, Box<dyn Error>> {
        let name = |error: &dyn fmt::Display| format!("{}: {error}", path.display());
        let options = OpenOptions::new().read(true).write(true).create(true).clone();
        let file = options.open(path).map_err(|error| name(&error))?;
        let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock);
        let file = lock.map_err(|(_, error)| match error {
            Errno::EWOULDBLOCK => name(&"another server has this file"),
            error => name(&error),
        })?;
        let replayed = replay_all(server, &file).map_err(|error| name(&error))?;
        let Replayed { len, torn } = replayed;
        if torn > 0 {
            file.set_len(len)?;
            let path = path.display();
            warn!("{path}: removed {torn} bytes at its end, of a command that is not whole");
        }
        // The name of a new file is to be on the disk, too.
        file.sync_all()?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
        Ok(Arc::new(Self::new(file, len)))
    }

    fn new(file: Flock<File>, len: u64) -> Self {
        Self {
            records: Mutex::default(),
            file: Mutex::new(Synced { file, len, writing: Vec::new() }),
            synced: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            has_failed: AtomicBool::new(false),
        }
    }

    /// Returns once everything that was appended before is on the disk. `seen` is the caller's own
    /// count of failures.
    ///
    /// # Errors
    ///
    /// Fails when the disk does, and once for each caller after a failure: it may be about to
    /// confirm a change that was made just before that. While the disk fails, nothing is tried
    /// here, for there are no changes; see [`retry`](Self::retry).
    pub fn sync(&self, seen: &mut u64) -> io::Result<()> {
        let failures = self.failures.load(Ordering::Acquire);
        if mem::replace(seen, failures) != failures {
            return Err(io::Error::other("the append-only file was not written"));
        }
        if self.has_failed.load(Ordering::Acquire) {
            return Ok(());
        }
        let synced = self.sync_all();
        if let Err(error) = &synced {
            error!("the append-only file, nothing can be changed: {error}");
        }
        *seen = self.failures.load(Ordering::Acquire);
        synced
    }

    /// Writes what is left, such as keys that have expired and what could not be written before;
    /// to be called now and then.
    pub fn retry(&self) {
        let had_failed = self.has_failed.load(Ordering::Acquire);
        match self.sync_all() {
            Ok(()) if had_failed => {
                self.has_failed.store(false, Ordering::Release);
                warn!("the append-only file can be written again");
            }
            Err(error) if !had_failed => warn!("the append-only file: {error}"),
            _ => {}
        }
    }

    fn sync_all(&self) -> io::Result<()> {
        let appended = self.records.lock().appended;
        if self.synced.load(Ordering::Acquire) >= appended {
            return Ok(());
        }
        let mut file = self.file.lock();
        // The one that had the lock before has perhaps synced what this one waits for, too.
        if self.synced.load(Ordering::Acquire) >= appended {
            return Ok(());
        }
        let pending = mem::take(&mut self.records.lock().bytes);
        let synced = file.write(pending);
        match &synced {
            Ok(written) => drop(self.synced.fetch_add(*written, Ordering::AcqRel)),
            Err(_) => {
                // Each loop is told once, and not again by each try.
                if !self.has_failed.swap(true, Ordering::AcqRel) {
                    self.failures.fetch_add(1, Ordering::AcqRel);
                }
            }
        }
        synced.map(drop)
    }
}

impl ChangeLog for Arc<AppendOnly> {
    fn append(&self, commands: &[u8]) {
        let mut pending = self.records.lock();
        pending.bytes.extend_from_slice(commands);
        pending.appended += commands.len() as u64;
    }

    fn refuses(&self) -> bool {
        self.has_failed.load(Ordering::Acquire)
    }
}

impl Synced {
    /// Writes `records`, and before them those that a failure has left, and syncs them. Returns how
    /// many bytes that were.
    fn write(&mut self, records: Vec<u8>) -> io::Result<u64> {
        if self.writing.is_empty() {
            self.writing = records;
        } else {
            // What the failure has left behind the part that was synced may be anything.
            self.writing.extend(records);
            self.file.set_len(self.len)?;
        }
        self.file.seek(SeekFrom::Start(self.len))?;
        self.file.write_all(&self.writing)?;
        self.file.sync_data()?;
        let written = self.writing.len() as u64;
        self.len += written;
        self.writing.clear();
        Ok(written)
    }
}

/// Runs the commands of the file without a limit on memory: they were within it when they were
/// confirmed, and an estimate may differ by what was freed since.
fn replay_all(server: &Server, file: &File) -> Result<Replayed, ReplayError> {
    let max_memory = server.store.max_memory();
    server.store.set_max_memory(0);
    let replayed = replay(server, file);
    server.store.set_max_memory(max_memory);
    replayed
}
