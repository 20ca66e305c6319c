//! Socket files: made carefully, removed only when they are ours.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process;
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::libc;
use nix::sys::socket::{AddressFamily, SockType, UnixAddr, bind, connect};
use nix::sys::stat::{Mode, fchmod};

use crate::backend::{abstract_address, abstract_name, open_socket};

/// Removes the socket file of a listener when that ends, unless it is someone else's by then, or
/// this is another process than the one that made it: a child that was forked has the listener too,
/// and its end is not that of the others.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
    /// The process that made the file, until that leaves it to somebody else.
    maker: Option<u32>,
}

impl SocketFile {
    /// Leaves the file where it is.
    pub(super) fn leave(mut self) {
        self.maker = None;
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.maker != Some(process::id()) {
            return;
        }
        if identity(&self.path).is_ok_and(|identity| identity == self.identity) {
            // Nothing can be done about a failure here, and a stale file is replaced next time.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Device and inode, which together name a file whatever happens to its path.
fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

/// How often, a millisecond apart, a locked directory is tried: another server is done sooner, and
/// a program that locks it for something else is not waited for.
const TURN_ATTEMPTS: usize = 100;

/// Locks the directory of `path`, so that no other server replaces a stale socket there meanwhile:
/// of two that have found the same one, the second would remove the socket of the first. Returns
/// `None` where the directory cannot be locked: then that can happen to two servers that begin in
/// the same instant.
pub(super) fn take_turn(path: &Path) -> Option<Flock<File>> {
    // Nothing but a directory is opened: a pipe waits for a writer, for ever.
    let mut options = File::options();
    options.read(true).custom_flags(libc::O_DIRECTORY);
    let mut directory = options.open(directory_of(path)).ok()?;
    for _ in 0..TURN_ATTEMPTS {
        match Flock::lock(directory, FlockArg::LockExclusiveNonblock) {
            Ok(turn) => return Some(turn),
            Err((unlocked, Errno::EWOULDBLOCK)) => directory = unlocked,
            Err(_) => return None,
        }
        thread::sleep(Duration::from_millis(1));
    }
    None
}

fn directory_of(path: &Path) -> &Path {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    directory.unwrap_or(Path::new("."))
}

/// Binds `socket` to `path`, replacing a socket file that nobody answers on.
pub(super) fn bind_path(
    socket: &OwnedFd,
    path: &Path,
    mode: Option<u32>,
) -> io::Result<SocketFile> {
    let address = unix_address(path)?;
    if let Some(mode) = mode {
        // On Linux the file is made with the permissions of the socket, so that there is no moment
        // in which it has others; elsewhere this does nothing or is refused.
        let _ = fchmod(socket, Mode::from_bits_truncate(mode as libc::mode_t));
    }
    match bind(socket.as_raw_fd(), &address) {
        Err(Errno::EADDRINUSE) => {
            remove_stale(path, &address)?;
            bind(socket.as_raw_fd(), &address)?;
        }
        Err(Errno::ENOENT) => return Err(no_directory(path)),
        result => result?,
    }
    // Absolute, so that a later change of the working directory does not matter.
    let path = std::path::absolute(path)?;
    let identity = identity(&path)?;
    let file = SocketFile { path, identity, maker: Some(process::id()) };
    if let Some(mode) = mode {
        // The umask took some away.
        fs::set_permissions(&file.path, fs::Permissions::from_mode(mode))?;
    }
    Ok(file)
}

pub(super) fn unix_address(path: &Path) -> io::Result<UnixAddr> {
    UnixAddr::new(path).map_err(|error| match error {
        Errno::ENAMETOOLONG => io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("path is longer than the {} bytes that a unix socket can have", max_path()),
        ),
        error => error.into(),
    })
}

/// Returns the address to connect to, which must have a name.
pub(super) fn unix_address_of(address: &SocketAddr) -> io::Result<UnixAddr> {
    match (address.as_pathname(), abstract_name(address)) {
        (Some(path), _) => unix_address(path),
        (None, Some(name)) => abstract_address(name),
        (None, None) => {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "a unix socket without a name"))
        }
    }
}

/// The size of `sun_path` less its closing NUL, found by asking, since it differs by system.
fn max_path() -> usize {
    (1..=128).rev().find(|&len| UnixAddr::new("x".repeat(len).as_str()).is_ok()).unwrap_or(0)
}

fn remove_stale(path: &Path, address: &UnixAddr) -> io::Result<()> {
    if !fs::symlink_metadata(path)?.file_type().is_socket() {
        return Err(in_use("path exists and is not a socket; it was left alone"));
    }
    let before = identity(path)?;
    // A socket of datagrams asks first, since it does not bother a server: one that listens for
    // streams is of another type (EPROTOTYPE). A stream would be one more connection for it, and is
    // refused by the BSDs if too many wait to be accepted. It asks too, for gVisor refuses a
    // datagram whatever the other type is.
    for kind in [SockType::Datagram, SockType::Stream] {
        let probe = open_socket(AddressFamily::Unix, kind)?;
        match connect(probe.as_raw_fd(), address) {
            Err(Errno::ECONNREFUSED) => {}
            // Somebody else has removed it.
            Err(Errno::ENOENT) => return Ok(()),
            Err(Errno::EACCES) => {
                return Err(in_use("no permission to see whether anybody answers on this socket"));
            }
            _ => return Err(in_use("another server answers on this socket")),
        }
    }
    if identity(path)? != before {
        return Err(in_use("another server has just begun to listen on this socket"));
    }
    fs::remove_file(path)
}

fn no_directory(path: &Path) -> io::Error {
    let directory = directory_of(path).display();
    let message = format!("the directory {directory} does not exist; make it first");
    io::Error::new(io::ErrorKind::NotFound, message)
}

fn in_use(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::AddrInUse, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A forked child has another number, and drops the same listener.
    #[test]
    fn only_the_process_that_made_a_file_removes_it() {
        let path = std::env::temp_dir().join(format!("evio-sys-maker-{}", process::id()));
        let socket = open_socket(AddressFamily::Unix, SockType::Stream).unwrap();
        let file = bind_path(&socket, &path, None).unwrap();
        let (identity, maker) = (file.identity, file.maker);
        let in_child =
            SocketFile { path: path.clone(), identity, maker: maker.map(|maker| maker + 1) };
        drop(in_child);
        assert!(path.exists(), "a child removed the file");
        drop(file);
        assert!(!path.exists());
    }
}
