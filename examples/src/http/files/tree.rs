//! Opening what lies beneath the directory, and nothing else.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use nix::fcntl::OFlag;

/// What stands at a path.
#[derive(Debug)]
pub(super) enum Found {
    File(OpenFile),
    Directory,
}

/// A regular file, open for reading, and what fstat(2) said about it.
#[derive(Debug)]
pub(super) struct OpenFile {
    pub(super) file: File,
    pub(super) len: u64,
    pub(super) inode: u64,
    /// When the content was last changed; programs can set it to anything.
    pub(super) modified: SystemTime,
    /// When the content or the inode was last changed; the kernel alone sets it.
    pub(super) changed: SystemTime,
}

impl OpenFile {
    /// Tells whether the content of this file was changed before that of `other`.
    ///
    /// Whole seconds count: many archive formats keep no more of them.
    pub(super) fn is_older_than(&self, other: &Self) -> bool {
        whole_seconds(self.modified) < whole_seconds(other.modified)
    }
}

/// Opens the file at `path`, or says that a directory stands there.
///
/// # Errors
///
/// Those of `stat` and `open`; `NotFound` for what is neither.
pub(super) fn open(dir: &Dir, path: &Path) -> io::Result<Found> {
    if path.as_os_str().is_empty() {
        return Ok(Found::Directory);
    }
    // The type comes first: opening a FIFO wakes its writer, and some devices act on it.
    let kind = dir.metadata(path)?.file_type();
    if kind.is_dir() {
        return Ok(Found::Directory);
    }
    if !kind.is_file() {
        return Err(io::ErrorKind::NotFound.into());
    }
    // If a FIFO has taken the place of the file since, open(2) waits for no writer.
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(OFlag::O_NONBLOCK.bits());
    let file = dir.open_with(path, &options)?.into_std();
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::ErrorKind::NotFound.into());
    }
    let changed = (metadata.ctime(), metadata.ctime_nsec());
    Ok(Found::File(OpenFile {
        len: metadata.len(),
        inode: metadata.ino(),
        modified: metadata.modified()?,
        changed: since_epoch(changed.0, changed.1),
        file,
    }))
}

/// Returns the status that tells a client of an error.
pub(super) fn status(error: &io::Error) -> u16 {
    use nix::errno::Errno;
    let Some(number) = error.raw_os_error() else {
        // Not from the system: the path leads outside, or to what is no regular file.
        return match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => 404,
            _ => 500,
        };
    };
    match Errno::from_raw(number) {
        Errno::ENOENT | Errno::ENOTDIR | Errno::ENAMETOOLONG | Errno::ELOOP => 404,
        // A link that leads outside, as openat2(2) says it.
        Errno::EXDEV => 404,
        Errno::EACCES | Errno::EPERM => 403,
        Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM => 503,
        _ => 500,
    }
}

/// Returns the whole seconds of `time` since 1970; none before that.
pub(super) fn whole_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |age| age.as_secs())
}

fn since_epoch(seconds: i64, nanoseconds: i64) -> SystemTime {
    let seconds = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    let nanoseconds = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(0));
    UNIX_EPOCH.checked_add(seconds + nanoseconds).unwrap_or(UNIX_EPOCH)
}
