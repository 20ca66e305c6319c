//! Writing the file anew, with no more in it than what makes the keys that there are.
//!
//! A thread reads the file into a keyspace of its own and writes that to a second file, while the
//! first one goes on to be appended to. What was appended meanwhile is copied, and the second file
//! takes the place of the first. So the loops are never held up, but by the last bit of copying;
//! and the memory of the keys is needed twice for a while.

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, Read, Write};
use std::mem;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use log::{error, info};
use nix::fcntl::Flock;

use super::dump::dump;
use super::file::{AppendOnly, lock};
use super::replay::replay;
use crate::redis::{Options, Server};

/// How much is written before it is synced: so that the syncs of the loops have little to wait for.
const SYNC_STEP: usize = 8 * 1024 * 1024;

/// How much may be left to be copied while the loops wait.
const LAST_COPY: u64 = 256 * 1024;

/// How often more than that is copied before. Each time, less is left unless the loops append more
/// than the disk can copy; then they wait.
const MAX_COPIES: usize = 20;

/// How the rewriting of a file stands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct State {
    pub(super) is_running: bool,
    /// Whether the last one has failed.
    pub(super) has_failed: bool,
    /// How long the file was when it was read at the start, or after the last one.
    pub(super) base_len: u64,
}

impl State {
    /// Tells whether a file of this length is to be written anew. One that is empty, or was, has to
    /// get something first, also where there is no least length.
    fn is_due(&self, len: u64, min_len: u64) -> bool {
        !self.is_running && len >= min_len && len / 2 >= self.base_len.max(1)
    }
}

impl AppendOnly {
    /// Begins to write the file anew, on a thread. Returns whether that was not going on yet.
    pub fn rewrite(self: &Arc<Self>) -> bool {
        if mem::replace(&mut self.rewriting.lock().is_running, true) {
            return false;
        }
        let running = Running { log: Arc::clone(self), new_len: None };
        let started = thread::Builder::new().name("rewrite".into()).spawn(move || running.run());
        if let Err(error) = started {
            error!("{}: cannot be written anew: {error}", self.path.display());
        }
        true
    }

    /// Begins to write the file anew if it is twice as long as after the last time, and as long as
    /// was asked for; to be called now and then.
    pub fn rewrite_if_grown(self: &Arc<Self>) {
        let state = *self.rewriting.lock();
        if state.is_due(self.len(), self.min_rewrite_len) {
            self.rewrite();
        }
    }

    /// Writes the file anew. Returns how long it was and is.
    fn write_anew(&self) -> Result<(u64, u64), Box<dyn Error>> {
        let (old, len) = self.synced_part()?;
        let path = self.new_path();
        let new = lock(&path)?;
        // What a server has left that was killed is of no use.
        new.set_len(0)?;
        let written = fill(&new, &old, len).and_then(|()| Ok(self.replace(&old, len, new, &path)?));
        if written.is_err() {
            let _ = fs::remove_file(&path);
        }
        written
    }

    /// The name of the file that is to take the place of this one.
    fn new_path(&self) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(".rewrite");
        name.into()
    }

    /// Copies what was appended to `old` behind its first `from` bytes to `new`, and puts that in
    /// its place. Returns how long both are.
    fn replace(
        &self,
        old: &File,
        mut from: u64,
        new: Flock<File>,
        path: &Path,
    ) -> io::Result<(u64, u64)> {
        let mut out = BufWriter::new(Syncing { file: &new, unsynced: 0 });
        for _ in 0..MAX_COPIES {
            let end = self.len();
            if end - from <= LAST_COPY {
                break;
            }
            io::copy(&mut Part { file: old, at: from, end }, &mut out)?;
            from = end;
        }
        out.flush()?;
        drop(out);
        new.sync_data()?;
        self.switch(|end| {
            io::copy(&mut Part { file: old, at: from, end }, &mut &*new)?;
            new.sync_data()?;
            let len = new.metadata()?.len();
            fs::rename(path, &self.path)?;
            Ok((new, len))
        })
    }
}

/// Writes commands to `new` that make what the first `len` bytes of `old` make.
fn fill(new: &File, old: &File, len: u64) -> Result<(), Box<dyn Error>> {
    new.set_permissions(old.metadata()?.permissions())?;
    let server = Server::new(Options::default());
    let replayed = replay(&server, Part { file: old, at: 0, end: len })?;
    if replayed.len != len {
        return Err(format!("its first {len} bytes end within a command").into());
    }
    let mut out = BufWriter::new(Syncing { file: new, unsynced: 0 });
    dump(&server, &mut out)?;
    out.flush()?;
    Ok(())
}

/// A rewrite that is going on, until this is dropped.
struct Running {
    log: Arc<AppendOnly>,
    /// How long the file is that was written, if it was.
    new_len: Option<u64>,
}

impl Running {
    fn run(mut self) {
        let written = self.log.write_anew();
        let path = self.log.path.display();
        match written {
            Ok((before, after)) => {
                info!("{path}: {before} bytes were written anew, and are {after}");
                self.new_len = Some(after);
            }
            Err(error) => error!("{path}: not written anew, and used as it is: {error}"),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let has_failed = self.new_len.is_none();
        // After a failure, another try is worth it when the file has doubled.
        let base_len = self.new_len.unwrap_or_else(|| self.log.len());
        *self.log.rewriting.lock() = State { is_running: false, has_failed, base_len };
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
        if count < len.min(1) {
            return Err(io::Error::new(ErrorKind::UnexpectedEof, "somebody has cut it off"));
        }
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

#[cfg(test)]
mod tests;
