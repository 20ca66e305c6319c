//! The same calls on the real kernel and on the simulated one: the results and the events have to
//! be the same. It is the types of `evio-sys` that are compared, for the thread chooses the kernel.

mod calls;

use std::fmt::Write;
use std::io;
use std::time::Duration;

use evio_sys::net::{AcceptError, ListenOptions, Listener, Stream};
use evio_sys::sim::{Interface, Kernel, Options};
use evio_sys::{Events, Interest, Poller, Token, random};

use calls::{Call, End, draw_calls};

const SEEDS: u64 = 200;
const CALLS: usize = 80;
/// All calls together take less than the 40 ms that an acknowledgement may wait.
const PAUSES: [Duration; 3] =
    [Duration::ZERO, Duration::from_micros(20), Duration::from_micros(150)];

/// A listener and the two ends of a connection, on the kernel of this thread.
struct World {
    poller: Poller,
    events: Events,
    address: std::net::SocketAddr,
    listener: Option<Listener>,
    client: Option<Stream>,
    server: Option<Stream>,
    /// Whose events are not compared any more: those of an end that has sent its FIN and is told of
    /// changes only. Linux delays the acknowledgement of a FIN as it estimates the traffic, which
    /// is not simulated, and its arrival is a change.
    has_shut: [bool; 2],
    is_level: [bool; 2],
    is_registered: [bool; 2],
}

impl World {
    fn new() -> io::Result<Self> {
        let address = "127.0.0.1:0".parse().expect("an address");
        let listener = Listener::tcp(address, &ListenOptions::default())?;
        let poller = Poller::new()?;
        poller.register(&listener, Token(0), Interest::READABLE)?;
        let address = listener.local_addr()?.as_inet().expect("a TCP address");
        let (listener, events) = (Some(listener), Events::with_capacity(16));
        Ok(Self {
            poller,
            events,
            address,
            listener,
            client: None,
            server: None,
            has_shut: [false; 2],
            is_level: [false; 2],
            is_registered: [false; 2],
        })
    }

    fn end(&self, end: End) -> Option<&Stream> {
        match end {
            End::Client => self.client.as_ref(),
            End::Server => self.server.as_ref(),
        }
    }

    fn note(&mut self, call: Call) {
        match call {
            Call::ShutdownWrite(end) | Call::ShutdownBoth(end) => {
                self.has_shut[end as usize] = true;
            }
            Call::Close(end) => {
                self.has_shut[end as usize] = false;
                self.is_registered[end as usize] = false;
            }
            Call::Deregister(end) => self.is_registered[end as usize] = false,
            Call::Register(end, interest) | Call::Reregister(end, interest) => {
                let is_level = !interest.is_edge() && !interest.is_one_shot();
                self.is_level[end as usize] = is_level && interest != Interest::HANGUP;
                self.is_registered[end as usize] = true;
            }
            _ => {}
        }
    }

    /// Makes a call, and returns what it has come to; `None` if there is nothing to make it of.
    fn call(&mut self, call: Call) -> Option<String> {
        match call {
            Call::Connect if self.client.is_some() => None,
            Call::Connect => match Stream::connect(&self.address.into()) {
                Ok((stream, is_connected)) => {
                    self.client = Some(stream);
                    Some(format!("{is_connected}"))
                }
                Err(error) => Some(shown(Err::<(), _>(error))),
            },
            Call::Accept => self.accept(),
            Call::CloseListener => self.listener.take().map(|_| String::new()),
            Call::Close(End::Client) => self.client.take().map(|_| String::new()),
            Call::Close(End::Server) => self.server.take().map(|_| String::new()),
            Call::Poll => Some(self.poll()),
            Call::FinishConnect => Some(shown(self.client.as_ref()?.finish_connect())),
            Call::Send(end, len) => Some(shown(self.end(end)?.send(&bytes(len)))),
            Call::Recv(end, len) => {
                let mut buffer = vec![0; len];
                let result = self.end(end)?.recv(&mut buffer);
                Some(shown(result.map(|len| (len, sum(&buffer[..len])))))
            }
            Call::ShutdownWrite(end) => Some(shown(self.end(end)?.shutdown_write())),
            Call::ShutdownBoth(end) => Some(shown(self.end(end)?.shutdown_both())),
            // There it takes effect when the socket is closed.
            Call::Reset(_) if is_kqueue() => None,
            Call::Reset(end) => Some(shown(self.end(end)?.reset())),
            Call::HasInput(end) => Some(shown(self.end(end)?.has_input())),
            Call::InputLen(end) => Some(shown(self.end(end)?.input_len())),
            Call::HasRoom(end) => Some(shown(self.end(end)?.has_room())),
            Call::TakeError(end) => {
                let error = self.end(end)?.take_error();
                Some(shown(error.map(|error| error.and_then(|error| error.raw_os_error()))))
            }
            Call::PeerAddr(end) => Some(shown(self.end(end)?.peer_addr().map(|_| ()))),
            // What is registered after a failure is not said, and differs with kqueue.
            Call::Register(end, _) if is_kqueue() && self.is_registered[end as usize] => None,
            Call::Reregister(end, _) if is_kqueue() && !self.is_registered[end as usize] => None,
            Call::Register(end, interest) => {
                Some(shown(self.poller.register(self.end(end)?, token(end), interest)))
            }
            Call::Reregister(end, interest) => {
                Some(shown(self.poller.reregister(self.end(end)?, token(end), interest)))
            }
            Call::Deregister(end) => Some(shown(self.poller.deregister(self.end(end)?))),
        }
    }

    fn accept(&mut self) -> Option<String> {
        if self.server.is_some() {
            return None;
        }
        match self.listener.as_ref()?.accept() {
            Ok((stream, peer)) => {
                self.server = Some(stream);
                Some(format!("{}", peer.is_some()))
            }
            Err(AcceptError::Empty) => Some("empty".to_owned()),
            Err(error) => Some(format!("{error:?}")),
        }
    }

    /// The order of events is not specified.
    fn poll(&mut self) -> String {
        self.poller.poll(&mut self.events, Some(Duration::ZERO)).expect("the poller works");
        let is_compared = |event: &evio_sys::Event| match event.token().0 {
            0 => true,
            end => !self.has_shut[end as usize - 1] || self.is_level[end as usize - 1],
        };
        let compared = self.events.iter().filter(is_compared);
        let mut events: Vec<_> = compared.map(|event| format!("{event:?}")).collect();
        events.sort();
        events.join(", ")
    }
}

fn is_kqueue() -> bool {
    evio_sys::BACKEND == "kqueue"
}

fn token(end: End) -> Token {
    Token(1 + end as u64)
}

fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|index| (index * 31 % 251) as u8).collect()
}

fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(7, |sum: u64, &byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)))
}

/// Shows the number of an error, or its kind if it is not the system's.
fn shown<T: std::fmt::Debug>(result: io::Result<T>) -> String {
    match result {
        Ok(value) => format!("{value:?}"),
        Err(error) => match error.raw_os_error() {
            Some(number) => format!("error {number}"),
            None => format!("{:?}", error.kind()),
        },
    }
}

/// Makes the calls and returns a line for each, with `settle` behind each.
fn play(calls: &[Call], settle: impl Fn()) -> String {
    let mut world = World::new().expect("there are descriptors");
    let mut log = String::new();
    for &call in calls {
        if let Some(result) = world.call(call) {
            // A registration that failed is the one before.
            if !result.starts_with("error") {
                world.note(call);
            }
            writeln!(log, "{call:?}: {result}").expect("a string takes all");
        }
        settle();
    }
    log
}

fn play_simulated(calls: &[Call]) -> String {
    let interface = if is_kqueue() { Interface::Kqueue } else { Interface::Epoll };
    let options = Options { interface, latency: Duration::ZERO, ..Options::default() };
    let kernel = Kernel::new(0, options).expect("there are descriptors");
    let _entered = kernel.enter();
    play(calls, || {
        // What waits for a time does not come in the real one either, which takes less than that.
        kernel.advance_to(kernel.now() + Duration::from_nanos(1));
    })
}

/// What differs is played again, more slowly: under load, the loopback device may deliver late.
fn play_real(calls: &[Call], expected: &str) -> String {
    for pause in PAUSES {
        // It is the network's slowness that is waited out.
        let log = play(calls, || std::thread::sleep(pause));
        if log == expected {
            return log;
        }
    }
    play(calls, || {})
}

#[test]
fn both_kernels_say_the_same() {
    let given = std::env::var("EVIO_SEED").ok();
    let (first, count) = match given {
        Some(seed) => (seed.parse().expect("a number"), 1),
        None => (random::seed(), SEEDS),
    };
    for seed in (0..count).map(|number| first.wrapping_add(number)) {
        let random = Kernel::new(seed, Options::default()).expect("there are descriptors");
        let calls = draw_calls(&random, CALLS);
        let simulated = play_simulated(&calls);
        let real = play_real(&calls, &simulated);
        if real == simulated {
            continue;
        }
        let same = real.lines().zip(simulated.lines()).take_while(|(a, b)| a == b).count();
        let before: Vec<_> = real.lines().take(same).collect();
        panic!(
            "EVIO_SEED={seed}\n{}\nreal:      {:?}\nsimulated: {:?}",
            before.join("\n"),
            real.lines().nth(same),
            simulated.lines().nth(same)
        );
    }
}
