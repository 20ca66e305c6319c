mod chance;
mod giving_up;
mod hosts;
mod listening;
mod udp;
mod unix;
mod window;

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

use crate::clock;
use crate::net::{AcceptError, ListenOptions, Listener, Reserve, Stream, UdpSocket};
use crate::sim::{Kernel, Options};
use crate::{Event, Events, Interest, Poller, Token, Waker};

fn address() -> SocketAddr {
    "10.0.0.1:80".parse().unwrap()
}

fn poll(poller: &Poller, timeout: Option<Duration>) -> io::Result<Vec<Event>> {
    let mut events = Events::with_capacity(8);
    poller.poll(&mut events, timeout)?;
    Ok(events.iter().collect())
}

/// Delivers what is under way, but for what waits a second or longer.
fn settle(kernel: &Kernel) {
    let end = kernel.now() + Duration::from_millis(900);
    kernel.advance_to(end);
}

fn pair(kernel: &Kernel) -> (Stream, Stream, Listener) {
    let listener = Listener::tcp(address(), &ListenOptions::default()).unwrap();
    let (client, _) = Stream::connect(&address().into()).unwrap();
    settle(kernel);
    let (server, _) = listener.accept().unwrap();
    (client, server, listener)
}

#[test]
fn room_is_an_event_when_a_third_of_the_buffer_is_free() {
    let options = Options { send_buffer: 3_000, recv_buffer: 1_000, ..Options::default() };
    let kernel = Kernel::new(1, options).unwrap();
    let _entered = kernel.enter();
    let (client, server, _listener) = pair(&kernel);
    let poller = Poller::new().unwrap();
    poller.register(&client, Token(1), Interest::WRITABLE.edge()).unwrap();
    assert_eq!(poll(&poller, Some(Duration::ZERO)).unwrap().len(), 1);

    assert_eq!(client.send(&[7; 5_000]).unwrap(), 3_000);
    settle(&kernel);
    assert_eq!(client.output_len().unwrap(), 2_000, "the peer has taken what it has room for");
    assert!(client.has_room().unwrap(), "a third is free");
    assert_eq!(poll(&poller, Some(Duration::ZERO)).unwrap().len(), 1);

    assert_eq!(client.send(&[7; 5_000]).unwrap(), 1_000);
    let again = client.send(&[7; 1]).unwrap_err();
    assert_eq!(again.kind(), io::ErrorKind::WouldBlock);
    for (read, has_room) in [(900, false), (100, true)] {
        assert_eq!(server.recv(&mut vec![0; read]).unwrap(), read);
        settle(&kernel);
        assert_eq!(client.has_room().unwrap(), has_room, "after {read}");
        let events = poll(&poller, Some(Duration::ZERO)).unwrap();
        assert_eq!(events.len(), usize::from(has_room), "after {read}");
    }
}

#[test]
fn a_full_queue_lets_the_client_try_again() {
    let kernel = Kernel::new(1, Options::default()).unwrap();
    let _entered = kernel.enter();
    let options = ListenOptions::default().backlog(1);
    let listener = Listener::tcp(address(), &options).unwrap();
    let clients = [(); 3].map(|()| Stream::connect(&address().into()).unwrap().0);
    settle(&kernel);
    let connected = || clients.each_ref().map(|client| client.finish_connect().unwrap());
    assert_eq!(connected(), [true, true, false], "one more than the backlog waits");
    listener.accept().unwrap();
    kernel.advance_to(Duration::from_secs(2));
    settle(&kernel);
    assert!(connected()[2]);
}

#[test]
fn a_client_gives_up_when_nobody_answers() {
    let kernel = Kernel::new(1, Options::default()).unwrap();
    let _entered = kernel.enter();
    kernel.set_cut_off(address().ip(), true);
    let (client, _) = Stream::connect(&address().into()).unwrap();
    let poller = Poller::new().unwrap();
    poller.register(&client, Token(1), Interest::WRITABLE).unwrap();
    let start = clock::now();
    let events = poll(&poller, None).unwrap();
    assert!(events[0].is_hangup_or_error());
    assert_eq!(clock::now() - start, Duration::from_secs(127));
    assert_eq!(client.finish_connect().unwrap_err().kind(), io::ErrorKind::TimedOut);
}

#[test]
fn nobody_listens() {
    let kernel = Kernel::new(1, Options::default()).unwrap();
    let _entered = kernel.enter();
    let (client, _) = Stream::connect(&address().into()).unwrap();
    settle(&kernel);
    assert_eq!(client.finish_connect().unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
}

#[test]
fn descriptors_run_out_and_a_reserve_turns_clients_away() {
    let kernel = Kernel::new(1, Options { descriptors: 2, ..Options::default() }).unwrap();
    let _entered = kernel.enter();
    let listener = Listener::tcp(address(), &ListenOptions::default()).unwrap();
    let mut reserve = Reserve::hold();
    assert!(matches!(listener.accept(), Err(AcceptError::Descriptors(_))), "nobody waits either");
    kernel.act_as_peer(true);
    let (client, _) = Stream::connect(&address().into()).unwrap();
    kernel.act_as_peer(false);
    settle(&kernel);
    assert!(reserve.turn_away(&listener) && reserve.is_held());
    settle(&kernel);
    assert_eq!(client.recv(&mut [0; 1]).unwrap(), 0);
    drop((listener, reserve));
    assert_eq!(kernel.open_descriptors(), 0);
}

#[test]
fn time_passes_in_waits_only() {
    let kernel = Kernel::new(1, Options::default()).unwrap();
    let _entered = kernel.enter();
    let poller = Poller::new().unwrap();
    let start = clock::now();
    assert_eq!(clock::now(), start);
    let hour = Duration::from_secs(3_600);
    assert!(poll(&poller, Some(hour)).unwrap().is_empty());
    assert_eq!(clock::now() - start, hour);
    assert!(poll(&poller, None).is_err(), "nobody is left who could end this wait");
    let waker = Waker::new(&poller, Token(9)).unwrap();
    waker.wake().unwrap();
    assert_eq!(poll(&poller, None).unwrap()[0].token(), Token(9));
    assert!(poll(&poller, Some(Duration::ZERO)).unwrap().is_empty(), "an edge is told once");
}

#[test]
fn other_threads_keep_the_systems_kernel() {
    let kernel = Kernel::new(1, Options::default()).unwrap();
    let entered = kernel.enter();
    let any = "127.0.0.1:0".parse().unwrap();
    let send = move || {
        let socket = UdpSocket::bind(any, &ListenOptions::default()).unwrap();
        socket.send_to(b"to myself", socket.local_addr().unwrap()).unwrap();
    };
    let calls = kernel.trace_hash();
    std::thread::spawn(send).join().unwrap();
    assert_eq!(kernel.trace_hash(), calls, "it has its own kernel");
    send();
    let calls_here = kernel.trace_hash();
    assert_ne!(calls_here, calls);
    drop(entered);
    send();
    assert_eq!(kernel.trace_hash(), calls_here);
}

#[test]
fn what_would_wait_on_a_blocking_socket_is_refused() {
    let kernel = Kernel::new(1, Options::default()).unwrap();
    let _entered = kernel.enter();
    let (mut client, mut server, _listener) = pair(&kernel);
    let kind = |result: io::Result<usize>| result.map_err(|error| error.kind());
    assert_eq!(kind(client.read(&mut [0; 8])), Err(io::ErrorKind::WouldBlock));
    client.set_nonblocking(false).unwrap();
    assert_eq!(kind(client.read(&mut [0; 8])), Err(io::ErrorKind::Unsupported));
    assert_eq!(kind(client.recv(&mut [0; 8])), Err(io::ErrorKind::WouldBlock), "it never waits");
    server.write_all(b"hello").unwrap();
    settle(&kernel);
    assert_eq!(kind(client.read(&mut [0; 8])), Ok(5));
    let refused = loop {
        if let Err(refused) = kind(client.write(&[7; 50_000])) {
            break refused;
        }
    };
    assert_eq!(refused, io::ErrorKind::Unsupported);
    client.take_over().unwrap();
    assert_eq!(kind(client.write(b"more")), Err(io::ErrorKind::WouldBlock));
}

/// Returns which of these pollers report something.
fn reporting(kernel: &Kernel, pollers: &[Poller]) -> Vec<usize> {
    (0..pollers.len()).filter(|&index| kernel.is_ready(&pollers[index])).collect()
}

#[test]
fn of_those_that_wait_exclusively_one_that_sleeps_is_woken() {
    let kernel = Kernel::new(1, Options::default()).unwrap();
    let _entered = kernel.enter();
    let listener = Listener::tcp(address(), &ListenOptions::default()).unwrap();
    let pollers = [(); 4].map(|()| Poller::new().unwrap());
    for poller in &pollers {
        poller.register(&listener, Token(1), Interest::READABLE.exclusive()).unwrap();
    }
    let connect = || {
        let (client, _) = Stream::connect(&address().into()).unwrap();
        settle(&kernel);
        client
    };
    kernel.fall_asleep(&pollers[1]);
    kernel.fall_asleep(&pollers[2]);
    let first = connect();
    assert_eq!(reporting(&kernel, &pollers), [0, 1], "the first one is awake and finds it, too");
    let second = connect();
    assert_eq!(reporting(&kernel, &pollers), [0, 1, 2], "the second one has been woken already");
    drop((listener.accept().unwrap(), listener.accept().unwrap()));
    assert_eq!(reporting(&kernel, &pollers), [0; 0]);
    drop((first, second));
}

#[test]
fn listeners_share_an_address_if_they_say_so() {
    let kernel = Kernel::new(1, Options::default()).unwrap();
    let _entered = kernel.enter();
    let sharing = ListenOptions::default().reuse_port(true);
    let listeners = [(); 2].map(|()| Listener::tcp(address(), &sharing).unwrap());
    let alone = Listener::tcp(address(), &ListenOptions::default()).unwrap_err();
    assert_eq!(alone.kind(), io::ErrorKind::AddrInUse);
    let clients: Vec<_> = (0..20).map(|_| Stream::connect(&address().into()).unwrap().0).collect();
    settle(&kernel);
    let accepted =
        listeners.each_ref().map(|listener| std::iter::from_fn(|| listener.accept().ok()).count());
    assert_eq!(accepted[0] + accepted[1], 20);
    assert!(accepted[0] > 0 && accepted[1] > 0, "{accepted:?}");
    drop(clients);
}
