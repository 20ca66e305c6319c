//! What the tests of `tcp-proxy` have in common.
#![allow(dead_code, unreachable_pub, reason = "each test uses its part")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use nix::libc;
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Socket, Type};

pub use crate::util::accept;
use crate::util::{DEADLINE, Server};

pub const TCP_PROXY: &str = env!("CARGO_BIN_EXE_tcp-proxy");
pub const ECHO_SERVER: &str = env!("CARGO_BIN_EXE_echo-server");

/// Starts a proxy of these upstreams.
pub fn proxy_of(upstreams: &[String], flags: &[&str]) -> Server {
    let mut all = vec!["--listen", "127.0.0.1:0"];
    all.extend(upstreams.iter().flat_map(|upstream| ["--upstream", upstream]));
    all.extend(flags);
    Server::start(TCP_PROXY, &all, 1)
}

/// An upstream that the test plays itself.
pub fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

pub fn address_of(listener: &TcpListener) -> String {
    listener.local_addr().unwrap().to_string()
}

/// An address that refuses: its socket is bound, so that nobody else gets the port, and does not
/// listen until [`open`]. It is closed on exec, or a proxy would hold the port, too.
pub fn deserted() -> (TcpListener, String) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    socket.bind(&any.into()).unwrap();
    let socket = TcpListener::from(socket);
    let address = address_of(&socket);
    (socket, address)
}

/// Has a socket listen that was [`deserted`].
pub fn open(socket: TcpListener) -> TcpListener {
    let socket = Socket::from(socket);
    socket.listen(128).unwrap();
    socket.into()
}

pub fn reset(stream: TcpStream) {
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    setsockopt(&stream, sockopt::Linger, &linger).unwrap();
}

/// Starts a thread that greets each client with `name`, and then sends everything back.
pub fn greeter(name: char) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = address_of(&listener);
    greet_on(listener, name);
    address
}

pub fn greet_on(listener: TcpListener, name: char) {
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                let _ = stream.write_all(&[name as u8]);
                let mut reader = stream.try_clone().unwrap();
                let _ = io::copy(&mut reader, &mut stream);
            });
        }
    });
}

/// Connects, and returns the connection with the name of who is at its other end.
pub fn greeted(proxy: &Server) -> (TcpStream, char) {
    let mut client = proxy.connect();
    let mut name = [0];
    client.read_exact(&mut name).unwrap();
    (client, char::from(name[0]))
}

pub fn read_to_end(mut stream: &TcpStream) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).map(|_| bytes)
}

/// Bytes that are not the same a little further on.
pub fn message(len: usize) -> Vec<u8> {
    (0..len).map(|index| ((index % 251) ^ (index >> 16)) as u8).collect()
}

/// More than the sockets of all sides hold together.
pub const DOWNLOAD: usize = 30 << 20;

/// A download that has begun: its client, and the thread that sends it.
pub fn download(
    proxy: &Server,
    listener: &TcpListener,
) -> (TcpStream, thread::JoinHandle<io::Result<()>>) {
    let client = proxy.connect();
    (&client).write_all(b"GET").unwrap();
    let mut upstream = accept(listener);
    upstream.read_exact(&mut [0; 3]).unwrap();
    let sender = thread::spawn(move || {
        upstream.write_all(&message(DOWNLOAD))?;
        upstream.shutdown(Shutdown::Write)
    });
    (&client).read_exact(&mut [0; 1000]).unwrap();
    (client, sender)
}

/// A client whose kernel takes little at a time. That is set before it connects, so that TCP never
/// grows the proxy's buffer for it: how far it does would differ from one client to the next.
pub fn small_client(proxy: &Server) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&SocketAddr::from(([127, 0, 0, 1], proxy.port())).into()).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket.into()
}

/// Clients that have ended their input and take nothing, each with an answer that is whole: the end
/// of it waits in the proxy, on its way there or in the kernel.
pub fn unread_answers(proxy: &Server, listener: &TcpListener, path: &str) -> Vec<TcpStream> {
    let connect = || {
        let client = small_client(proxy);
        let upstream = accept(listener);
        upstream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
        (client, upstream)
    };
    // So much is taken for a client that takes nothing, at least: it is not always the same.
    let received = |stats: &str| number(stats, &address_of(listener), "received") as usize;
    let mut before = 0;
    let taken = [(); 3].map(|()| {
        let (client, mut upstream) = connect();
        while upstream.write(&[b'x'; 8192]).is_ok() {}
        let all = received(&stats(path));
        drop((client, upstream));
        all - std::mem::replace(&mut before, all)
    });
    let least = taken.into_iter().min().unwrap();
    let lens = [50_000, 60_000, 75_000, 90_000].map(|less| least - less);
    let clients = lens.map(|len| {
        let (client, mut upstream) = connect();
        client.shutdown(Shutdown::Write).unwrap();
        upstream.write_all(&vec![b'x'; len]).unwrap();
        client
    });
    wait_for_stats(path, |stats| received(stats) == before + lens.iter().sum::<usize>());
    clients.into()
}

/// Waits for the proxy to log a line that says this.
pub fn line_with(proxy: &Server, words: &str) -> String {
    loop {
        let line = proxy.next_line();
        if line.contains(words) {
            return line;
        }
    }
}

pub fn stats(path: &str) -> String {
    let mut text = String::new();
    let mut socket = UnixStream::connect(path).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket.read_to_string(&mut text).unwrap();
    text
}

/// Returns the number behind a word in the line that contains `line`.
pub fn number(stats: &str, line: &str, word: &str) -> u64 {
    let line = stats.lines().find(|one| one.contains(line)).unwrap();
    let mut words = line.split(' ').skip_while(|one| *one != word);
    words.nth(1).unwrap_or_else(|| panic!("no {word} in {line}")).parse().unwrap()
}

/// Asks for the counters until they are as they should become.
pub fn wait_for_stats(path: &str, is_so: impl Fn(&str) -> bool) -> String {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let stats = stats(path);
        if is_so(&stats) {
            return stats;
        }
        assert!(Instant::now() < deadline, "{stats}");
        thread::yield_now();
    }
}
