//! Writing the file anew, with no more in it than what makes the keys that there are.
//!
//! A thread reads the file into a keyspace of its own and writes that to a second file, while the
//! first one goes on to be appended to. What was appended meanwhile is copied, and the second file
//! takes the place of the first. So the loops are never held up, but by the last bit of copying;
//! and the memory of the keys is needed twice for a while.

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use log::{error, info};
use nix::fcntl::{Flock, FlockArg};

use super::dump::dump;
use super::file::AppendOnly;
use super::replay::replay;
use crate::redis::Server;

/// How much is written before it is synced: so that the syncs of the loops have little to wait for.
const SYNC_STEP: usize = 8 * 1024 * 1024;

/// How much may be left to be copied while the loops wait.
const LAST_COPY: u64 = 256 * 1024;

/// How the rewriting of a file stands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct State {
    pub(super) is_running: bool,
    /// Whether the last one has failed.
    pub(super) has_failed: bool,
    /// How long the file was when it was read at the start, or after the last one.
    pub(super) base_len: u64,
}

impl AppendOnly {
    /// Begins to write the file anew, on a thread. Returns whether that was not going on yet.
    pub fn rewrite(self: &Arc<Self>) -> bool {
        if std::mem::replace(&mut self.rewriting.lock().is_running, true) {
            return false;
        }
        let log = Arc::clone(self);
        let running = Running(Arc::clone(self));
        let started = thread::Builder::new().name("rewrite".into()).spawn(move || {
            let running = running;
            running.end(log.write_anew());
        });
        if let Err(error) = started {
            error!("{}: cannot be written anew: {error}", self.path.display());
        }
        true
    }

    /// Begins to write the file anew if it is twice as long as after the last time, and as long as
    /// was asked for; to be called now and then.
    pub fn rewrite_if_grown(self: &Arc<Self>) {
        let len = self.len();
        let State { is_running, base_len, .. } = *self.rewriting.lock();
        if !is_running && len >= self.min_rewrite_len && len / 2 >= base_len {
            self.rewrite();
        }
    }

    /// Writes the file anew. Returns how long it was and is.
    fn write_anew(&self) -> Result<(u64, u64), Box<dyn Error>> {
        let (old, len) = self.synced_part()?;
        let path = self.new_path();
        // A file that a server has left which was killed is of no use.
        let new = File::options().read(true).write(true).create(true).truncate(true).open(&path)?;
        let written = self.fill(&old, len, &new).and_then(|base_len| {
            let new = Flock::lock(new, FlockArg::LockExclusiveNonblock).map_err(|(_, e)| e)?;
            Ok(self.replace(&old, len, new, base_len, &path)?)
        });
        if written.is_err() {
            let _ = fs::remove_file(&path);
        }
        written
    }

    /// Writes what the first `len` bytes of `old` make to `new`, and returns how long that is.
    fn fill(&self, old: &File, len: u64, new: &File) -> Result<u64, Box<dyn Error>> {
        new.set_permissions(old.metadata()?.permissions())?;
        let server = Server::new(crate::redis::Options::default());
        replay(&server, Part { file: old, at: 0, end: len })?;
        let mut out = BufWriter::new(Syncing { file: new, unsynced: 0 });
        dump(&server, &mut out)?;
        out.flush()?;
        new.sync_data()?;
        Ok(new.metadata()?.len())
    }

    /// The name of the file that is to take the place of this one.
    fn new_path(&self) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(".rewrite");
        name.into()
    }

    /// Copies what was appended to `old` behind its first `from` bytes, and puts `new` in its
    /// place.
    fn replace(
        &self,
        old: &File,
        mut from: u64,
        new: Flock<File>,
        base_len: u64,
        path: &std::path::Path,
    ) -> io::Result<(u64, u64)> {
        let mut out = BufWriter::new(Syncing { file: &new, unsynced: 0 });
        let mut end = self.len();
        while end - from > LAST_COPY {
            io::copy(&mut Part { file: old, at: from, end }, &mut out)?;
            (from, end) = (end, self.len());
        }
        out.flush()?;
        drop(out);
        new.sync_data()?;
        self.switch(|old_len| {
            io::copy(&mut Part { file: old, at: from, end: old_len }, &mut &*new)?;
            new.sync_data()?;
            let len = new.metadata()?.len();
            fs::rename(path, &self.path)?;
            self.rewriting.lock().base_len = base_len;
            Ok((new, len))
        })
    }
}

/// Says that a rewrite is running, until it is dropped.
struct Running(Arc<AppendOnly>);

impl Running {
    fn end(self, result: Result<(u64, u64), Box<dyn Error>>) {
        let path = self.0.path.display();
        match result {
            Ok((before, after)) => {
                self.0.rewriting.lock().has_failed = false;
                info!("{path}: {before} bytes were written anew, and are {after}");
            }
            Err(error) => {
                let mut state = self.0.rewriting.lock();
                // Another try is worth it when the file has grown much, or when it is asked for.
                state.base_len = self.0.len();
                state.has_failed = true;
                error!("{path}: not written anew, and used as it is: {error}");
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.rewriting.lock().is_running = false;
    }
}

/// Reads a part of a file, wherever others read and write in it.
struct Part<'f> {
    file: &'f File,
    at: u64,
    end: u64,
}

impl Read for Part<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = buffer.len().min(usize::try_from(self.end - self.at).unwrap_or(usize::MAX));
        let count = self.file.read_at(&mut buffer[..len], self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

/// Writes to a file, and syncs it step by step.
struct Syncing<'f> {
    file: &'f File,
    unsynced: usize,
}

impl Write for Syncing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.unsynced += written;
        if self.unsynced >= SYNC_STEP {
            self.file.sync_data()?;
            self.unsynced = 0;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
