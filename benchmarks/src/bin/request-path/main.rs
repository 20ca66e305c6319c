//! Answers a number of requests and ends: `request-path CASE REQUESTS`.
//!
//! It is run under an instruction counter, which is to count [`count_loop`] without [`hold`]: the
//! loop and its handler, not the client on the other thread. The loop takes the same turns in each
//! run, since whatever the client does in several steps it does while the loop is held.

mod handlers;

use std::hint::black_box;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use evio_core::{Config, EventLoop, Handler, LoopHandle};
use evio_examples::http::HttpServer;
use evio_sys::net::{ListenOptions, Listener};
use handlers::{Echo, Redis, Site};

/// Answers a number of requests, for an instruction counter
#[derive(Debug, Parser)]
struct Args {
    /// What is asked
    #[arg(value_enum)]
    case: Case,
    /// How many requests; what is left of a batch is not asked
    requests: usize,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Case {
    /// One connection, one message of 64 bytes at a time
    Echo,
    /// Fifty connections, a message of each in every turn
    EchoTurn,
    /// One connection, eight times SET and GET at a time
    Redis,
    /// One connection that asks sixteen times for a page at a time
    Http,
}

/// Connections of [`Case::EchoTurn`]: fewer than the events of one turn, so that all of them are
/// ready in the same one.
const CONNECTIONS: usize = 50;

/// Requests that are sent at once in the last two cases.
const PIPELINE: usize = 16;

/// How long an answer may take: an instruction counter slows the loop down fifty times.
const PATIENCE: Duration = Duration::from_secs(60);

fn main() -> io::Result<()> {
    let Args { case, requests } = Args::parse();
    let load = Load::of(case, requests);
    match case {
        Case::Echo | Case::EchoTurn => serve(Echo, load),
        Case::Redis => serve(Redis::default(), load),
        Case::Http => serve(HttpServer::new(Site::new()), load),
    }
}

/// What the client sends and how much comes back.
struct Load {
    connections: usize,
    /// How often it is sent on each connection.
    rounds: usize,
    /// What is sent at once.
    request: Vec<u8>,
    /// How long the answer to it is.
    answer: usize,
}

impl Load {
    fn of(case: Case, requests: usize) -> Self {
        let message = vec![b'm'; 64];
        match case {
            Case::Echo => Self { connections: 1, rounds: requests, answer: 64, request: message },
            Case::EchoTurn => {
                let rounds = requests / CONNECTIONS;
                Self { connections: CONNECTIONS, rounds, answer: 64, request: message }
            }
            Case::Redis => {
                let (request, answer) = handlers::redis_batch(PIPELINE);
                Self { connections: 1, rounds: requests / PIPELINE, request, answer }
            }
            Case::Http => {
                let (request, answer) = handlers::http_batch(PIPELINE);
                Self { connections: 1, rounds: requests / PIPELINE, request, answer }
            }
        }
    }
}

/// Runs the loop on this thread until the client on another one has had all its answers.
fn serve<H: Handler>(handler: H, load: Load) -> io::Result<()> {
    let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let listener = Listener::tcp(anywhere, &ListenOptions::default())?;
    let address = listener.local_addr()?.as_inet().expect("a TCP listener has an inet address");
    let mut event_loop = EventLoop::new(Config::default())?;
    event_loop.listen(0, listener)?;
    let handle = event_loop.handle();
    let client = thread::spawn(move || {
        let asked = ask(address, &load, &handle);
        handle.shutdown();
        asked
    });
    count_loop(event_loop, handler)?;
    client.join().expect("the client does not panic")
}

/// Runs the loop; a function of its own, so that a counter can be told to count it.
#[inline(never)]
fn count_loop<H: Handler>(event_loop: EventLoop, handler: H) -> io::Result<()> {
    // Not a tail call, which would have left this function.
    black_box(event_loop.run(handler))
}

/// Sends all requests of `load` and waits for their answers.
fn ask(address: SocketAddr, load: &Load, handle: &LoopHandle) -> io::Result<()> {
    let connect = || {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(stream)
    };
    let mut streams = while_held(handle, || {
        (0..load.connections).map(|_| connect()).collect::<io::Result<Vec<TcpStream>>>()
    })?;
    let mut answer = vec![0; load.answer];
    for _ in 0..load.rounds {
        if let [stream] = &mut *streams {
            stream.write_all(&load.request)?;
        } else {
            let send = |stream: &mut TcpStream| stream.write_all(&load.request);
            while_held(handle, || streams.iter_mut().try_for_each(send))?;
        }
        for stream in &mut streams {
            stream.read_exact(&mut answer)?;
        }
    }
    while_held(handle, || drop(streams));
    Ok(())
}

/// Does `work` while the loop stands still, so that it meets all of it in its next turn.
fn while_held<R>(handle: &LoopHandle, work: impl FnOnce() -> R) -> R {
    let (holding, held) = mpsc::channel();
    let (release, released) = mpsc::channel();
    let posted = handle.post(move |_| hold(holding, released));
    posted.expect("the loop runs, and nobody else posts to it");
    held.recv().expect("the task is not dropped");
    let result = work();
    drop(release);
    result
}

/// Waits on the loop's thread; a function of its own, so that a counter can leave it out, and with
/// it the ends of the channels: which side frees them differs from run to run.
#[inline(never)]
fn hold(holding: Sender<()>, released: Receiver<()>) {
    // Fails when the client has gone, who need not be told then.
    let _ = holding.send(());
    // Fails when there will be no more, which is the signal.
    let _ = released.recv();
    drop(black_box((holding, released)));
}
