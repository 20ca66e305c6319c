use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::os::unix::net as unix;
use std::path::Path;

use super::*;
use crate::net::{SocketAddr, UnixName};

const PATH: &str = "/run/x.sock";

fn listen(backlog: u16) -> io::Result<Listener> {
    let options = ListenOptions::default().backlog(backlog);
    Listener::unix(UnixName::Path(Path::new(PATH)), &options)
}

fn connect() -> io::Result<Stream> {
    let address = unix::SocketAddr::from_pathname(PATH)?;
    Stream::connect(&address.into()).map(|(stream, is_connected)| {
        assert!(is_connected, "there is nothing to wait for");
        stream
    })
}

fn kind<T>(result: io::Result<T>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind())
}

#[test]
fn a_path_is_free_in_use_or_left_behind() {
    let kernel = Kernel::new(1, Options::default()).unwrap();
    let _entered = kernel.enter();
    assert_eq!(kind(connect()), Some(ErrorKind::NotFound));
    let listener = listen(8).unwrap();
    assert_eq!(kind(listen(8)), Some(ErrorKind::AddrInUse));
    assert_eq!(listener.local_addr().unwrap().to_string(), PATH);
    drop(OwnedFd::from(listener));
    assert_eq!(kind(connect()), Some(ErrorKind::ConnectionRefused), "nobody answers");
    let listener = listen(8).unwrap();
    let client = connect().unwrap();
    assert_eq!(client.peer_addr().unwrap().to_string(), PATH);
    assert_eq!(client.local_addr().unwrap().to_string(), "(unnamed)");
    drop(listener);
    assert_eq!(kind(connect()), Some(ErrorKind::NotFound), "it was removed");
    assert_eq!(kind(client.recv(&mut [0])), Some(ErrorKind::ConnectionReset), "never accepted");
}

#[test]
fn a_full_queue_refuses_clients_for_now() {
    let kernel = Kernel::new(1, Options::default()).unwrap();
    let _entered = kernel.enter();
    let listener = listen(1).unwrap();
    let clients = [connect(), connect()].map(Result::unwrap);
    assert_eq!(kind(connect()), Some(ErrorKind::WouldBlock));
    let (server, peer) = listener.accept().unwrap();
    assert!(peer.is_none() && server.is_unix());
    connect().unwrap();
    drop(clients);
    assert_eq!(kernel.now(), Duration::ZERO, "nothing has taken time");
}

#[test]
fn what_was_sent_is_read_before_a_reset_and_the_end() {
    let kernel = Kernel::new(1, Options::default()).unwrap();
    let _entered = kernel.enter();
    let listener = listen(8).unwrap();
    let client = connect().unwrap();
    let (server, _) = listener.accept().unwrap();
    assert_eq!(server.send(b"hello").unwrap(), 5);
    assert_eq!(client.send(b"unread").unwrap(), 6);
    assert!(kernel.input_of(&client) != kernel.input_of(&server));
    let of = kernel.input_of(&client).unwrap();
    drop(server);
    let mut buffer = [0; 8];
    assert_eq!(client.recv(&mut buffer).unwrap(), 5);
    kernel.check_bytes(of, 0, &buffer[..5]).unwrap();
    assert!(kernel.check_bytes(of, 0, b"hullo").is_err());
    assert_eq!(kind(client.recv(&mut buffer)), Some(ErrorKind::ConnectionReset));
    assert_eq!(client.recv(&mut buffer).unwrap(), 0);
    assert_eq!(kind(client.send(b"more")), Some(ErrorKind::BrokenPipe));
}

#[test]
fn room_is_an_event_when_three_quarters_of_the_buffer_are_free() {
    let options = Options { send_buffer: 8_000, ..Options::default() };
    let kernel = Kernel::new(1, options).unwrap();
    let _entered = kernel.enter();
    let listener = listen(8).unwrap();
    let client = connect().unwrap();
    let (server, _) = listener.accept().unwrap();
    let poller = Poller::new().unwrap();
    poller.register(&client, Token(1), Interest::WRITABLE.edge()).unwrap();
    let is_told = || !poll(&poller, Some(Duration::ZERO)).unwrap().is_empty();
    assert!(is_told());
    let mut sent = 0;
    let error = loop {
        match client.send(&[7; 500]) {
            Ok(len) => sent += len,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    assert!(client.output_len().unwrap() >= 8_000 && !client.has_room().unwrap() && !is_told());
    let mut read = 0;
    while !client.has_room().unwrap() {
        assert!(!is_told(), "after {read}");
        read += server.recv(&mut [0; 100]).unwrap();
    }
    assert!(is_told() && client.output_len().unwrap() <= 2_000);
    assert!(read < sent, "{read} of {sent}");
}

#[test]
fn addresses_without_a_path_are_not_simulated() {
    let kernel = Kernel::new(1, Options::default()).unwrap();
    let _entered = kernel.enter();
    let name = UnixName::Abstract(b"name");
    let listener = Listener::unix(name, &ListenOptions::default());
    assert_eq!(kind(listener), Some(ErrorKind::Unsupported));
    let unnamed: SocketAddr = unix::SocketAddr::from_pathname("").unwrap().into();
    assert_eq!(kind(Stream::connect(&unnamed)), Some(ErrorKind::Unsupported));
    let long = "x".repeat(200);
    let listener = Listener::unix(UnixName::Path(Path::new(&long)), &ListenOptions::default());
    assert_eq!(kind(listener), Some(ErrorKind::InvalidInput));
}
