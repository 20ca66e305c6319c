//! The file, and what is to be written to it.

use std::error::Error;
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::mem;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use log::{error, warn};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use parking_lot::Mutex;

use super::replay::{ReplayError, Replayed, replay};
use super::rewrite::State;
use crate::redis::Server;
use crate::redis::change_log::{ChangeLog, LogStatus};

/// A file that records are appended to, and synced before any reply that follows from them leaves.
#[derive(Debug)]
pub struct AppendOnly {
    records: Mutex<Pending>,
    /// Locked while records are written and synced.
    file: Mutex<Synced>,
    /// How many bytes have been synced since the start, for a look without the lock.
    synced: AtomicU64,
    /// How many bytes of the file are on the disk, for a look without the lock.
    len: AtomicU64,
    /// How often it has begun to fail, and to go on: odd while it fails.
    health: AtomicU64,
    pub(super) path: PathBuf,
    pub(super) rewriting: Mutex<State>,
    /// How long the file must be to be written anew by itself.
    pub(super) min_rewrite_len: u64,
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
    /// Whether it is on the disk that this is the file which has the path.
    is_named: bool,
    /// The records that were being written when it failed, and then those of this time.
    writing: Vec<u8>,
}

impl AppendOnly {
    /// Opens the file at `path`, runs the commands in it on `server`, and returns the log that
    /// continues it. A file that is not there is made. Once it is `min_rewrite_len` bytes long, it
    /// is written anew whenever it has doubled.
    ///
    /// # Errors
    ///
    /// Fails when the system does not let it, and when the file holds what this server has not
    /// written.
    pub fn open(
        path: &Path,
        server: &Server,
        min_rewrite_len: u64,
    ) -> Result<Arc<Self>, Box<dyn Error>> {
        let name = |error: &dyn fmt::Display| format!("{}: {error}", path.display());
        let file = lock(path).map_err(|error| name(&error))?;
        let replayed = replay_all(server, &file).map_err(|error| name(&error))?;
        let Replayed { len, torn } = replayed;
        if torn > 0 {
            file.set_len(len)?;
            let path = path.display();
            warn!("{path}: removed {torn} bytes at its end, of a command that is not whole");
        }
        file.sync_all()?;
        // A link stays: the file that it leads to is the one that is written anew.
        let path = fs::canonicalize(path)?;
        let mut file = Synced { file, len, is_named: false, writing: Vec::new() };
        file.sync_name(&path)?;
        Ok(Arc::new(Self {
            records: Mutex::default(),
            file: Mutex::new(file),
            synced: AtomicU64::new(0),
            len: AtomicU64::new(len),
            health: AtomicU64::new(0),
            path,
            rewriting: Mutex::new(State { base_len: len, ..State::default() }),
            min_rewrite_len,
        }))
    }

    /// Returns how many bytes of the file are on the disk.
    pub(super) fn len(&self) -> u64 {
        self.len.load(Ordering::Acquire)
    }

    /// Returns the file, to be read, and how many bytes of it are on the disk: whole commands and
    /// transactions.
    pub(super) fn synced_part(&self) -> io::Result<(File, u64)> {
        let file = self.file.lock();
        Ok((file.file.try_clone()?, file.len))
    }

    /// Has the file that `prepare` returns, with its length, take the place of the one that is
    /// used, whose length `prepare` is given. Returns both lengths. The loops wait meanwhile.
    ///
    /// # Errors
    ///
    /// Fails when `prepare` does; then nothing is changed.
    pub(super) fn switch(
        &self,
        prepare: impl FnOnce(u64) -> io::Result<(Flock<File>, u64)>,
    ) -> io::Result<(u64, u64)> {
        let mut file = self.file.lock();
        let before = file.len;
        let (new, len) = prepare(before)?;
        // What a failure has left to be written is written to the new file.
        let writing = mem::take(&mut file.writing);
        *file = Synced { file: new, len, is_named: false, writing };
        self.len.store(len, Ordering::Release);
        // If that fails, the next record tries it again, and is not confirmed before.
        if let Err(error) = file.sync_name(&self.path) {
            warn!("{}: its new name is not on the disk yet: {error}", self.path.display());
        }
        Ok((before, len))
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
        // One look: with two, a failure between them could be taken for one that was told.
        let health = self.health.load(Ordering::Acquire);
        if mem::replace(seen, failures(health)) != failures(health) {
            return Err(io::Error::other("the append-only file was not written"));
        }
        if is_failing(health) {
            return Ok(());
        }
        let synced = self.sync_all();
        if let Err(error) = &synced {
            error!("the append-only file, nothing can be changed: {error}");
        }
        *seen = failures(self.health.load(Ordering::Acquire));
        synced
    }

    /// Writes what is left, such as keys that have expired and what could not be written before;
    /// to be called now and then.
    pub fn retry(&self) {
        let health = self.health.load(Ordering::Acquire);
        match self.sync_all() {
            Ok(()) if is_failing(health) => {
                // Another loop may have found out before, and may have failed again since.
                let (before, after) = (Ordering::AcqRel, Ordering::Relaxed);
                if self.health.compare_exchange(health, health + 1, before, after).is_ok() {
                    warn!("the append-only file can be written again");
                }
            }
            Err(error) if !is_failing(health) => warn!("the append-only file: {error}"),
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
        let synced = file.write(pending, &self.path);
        match &synced {
            Ok(written) => {
                self.len.store(file.len, Ordering::Release);
                self.synced.fetch_add(*written, Ordering::AcqRel);
            }
            // Each loop is told once, and not again by each try.
            Err(_) => drop(self.health.fetch_or(1, Ordering::AcqRel)),
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
        is_failing(self.health.load(Ordering::Acquire))
    }

    fn rewrite(&self) -> bool {
        AppendOnly::rewrite(self)
    }

    fn status(&self) -> LogStatus {
        let State { is_running, has_failed, base_len } = *self.rewriting.lock();
        LogStatus {
            len: self.len(),
            base_len,
            is_rewriting: is_running,
            has_failed_to_rewrite: has_failed,
        }
    }
}

/// Tells whether it fails at present.
fn is_failing(health: u64) -> bool {
    health % 2 == 1
}

/// Returns how often it has begun to fail.
fn failures(health: u64) -> u64 {
    health.div_ceil(2)
}

/// Opens the file at `path` and locks it, so that no other server writes to it.
pub(super) fn lock(path: &Path) -> io::Result<Flock<File>> {
    loop {
        let file =
            File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        if let Some(file) = lock_if_named(file, path)? {
            return Ok(file);
        }
    }
}

/// Locks a file, unless it does not have the path any more: a server that had it may have put
/// another one in its place, and ended, since it was opened.
fn lock_if_named(file: File, path: &Path) -> io::Result<Option<Flock<File>>> {
    let file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(file) => file,
        Err((_, Errno::EWOULDBLOCK)) => {
            return Err(io::Error::other("another server has this file"));
        }
        Err((_, error)) => return Err(error.into()),
    };
    let (opened, named) = (file.metadata()?, fs::metadata(path)?);
    Ok(((opened.dev(), opened.ino()) == (named.dev(), named.ino())).then_some(file))
}

impl Synced {
    /// Writes `records`, and before them those that a failure has left, and syncs them. Returns how
    /// many bytes that were.
    fn write(&mut self, records: Vec<u8>, path: &Path) -> io::Result<u64> {
        if self.writing.is_empty() {
            self.writing = records;
        } else {
            // What the failure has left behind the part that was synced may be anything.
            self.writing.extend(records);
            self.file.set_len(self.len)?;
        }
        self.file.write_all_at(&self.writing, self.len)?;
        self.file.sync_data()?;
        self.sync_name(path)?;
        let written = self.writing.len() as u64;
        self.len += written;
        self.writing.clear();
        Ok(written)
    }

    /// Syncs the folder of the file, which has its name, if that is new.
    fn sync_name(&mut self, path: &Path) -> io::Result<()> {
        if !self.is_named {
            File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()?;
            self.is_named = true;
        }
        Ok(())
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

#[cfg(test)]
mod tests;
