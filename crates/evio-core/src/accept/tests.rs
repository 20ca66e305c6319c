//! Listeners and their clients, for the tests of this folder.

use std::env;
use std::fs::File;
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use evio_sys::net::{ListenOptions, Listener, SocketAddr, UnixName};

/// The longest wait for something that the system does at once.
pub(super) const DEADLINE: Duration = Duration::from_secs(10);

/// Returns a listener that has each connection as soon as its client has connected.
pub(super) fn listener() -> Listener {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("evio-core-test-{}-{number}.sock", std::process::id());
    let path = env::temp_dir().join(name);
    Listener::unix(UnixName::Path(&path), &ListenOptions::default()).unwrap()
}

/// Connects to such a listener.
pub(super) fn connect(listener: &Listener) -> UnixStream {
    let SocketAddr::Unix(address) = listener.local_addr().unwrap() else {
        panic!("not a Unix listener")
    };
    let client = UnixStream::connect_addr(&address).unwrap();
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    client
}

/// Returns whether the server has closed the connection of a client that has sent nothing. If it
/// has not, nothing comes of it: the client does not wait.
pub(super) fn was_closed(client: &UnixStream) -> bool {
    client.set_nonblocking(true).unwrap();
    (&mut &*client).read(&mut [0]).is_ok_and(|len| len == 0)
}

/// Returns whether this process has few descriptors, as the rest of the test `name` needs them. If
/// not, the test is run once more in a process that has, and fails as it does there.
pub(super) fn has_few_descriptors(name: &str) -> bool {
    const ALONE: &str = "EVIO_TEST_ALONE";
    if env::var_os(ALONE).is_some() {
        return true;
    }
    let output = Command::new("sh")
        .args(["-c", "ulimit -n 64; exec \"$0\" \"$@\""])
        .arg(env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(ALONE, "1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{name} failed on its own:\n{stdout}{stderr}");
    assert!(stdout.contains("1 passed"), "there is no test {name}:\n{stdout}");
    false
}

/// Takes all descriptors that are left.
pub(super) fn take_descriptors() -> Vec<File> {
    std::iter::from_fn(|| File::open("/dev/null").ok()).collect()
}
