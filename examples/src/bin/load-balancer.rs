//! A load balancer for TCP, as small as it can be: `tcp-proxy` is the one to use.
//! Try it with `nc 127.0.0.1 5004`, with one or two `echo-server`s behind it.

use std::error::Error;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use evio::{
    Action, CloseReason, Conn, ConnId, ConnMap, ConnectOptions, DialError, Handler, Limits, Loop,
    Origin, PauseReason,
};
use evio_examples::cli::{self, ClientLimits, Descriptors, Listen};
use log::warn;

/// Passes each connection on to one of several servers, in turn. Ctrl-C ends it.
///
/// A server that cannot be reached is passed over.
#[derive(Parser)]
#[command(name = "load-balancer", version)]
struct Options {
    /// Port to listen on; 0 takes any free one
    #[arg(long, default_value_t = 5004)]
    port: u16,
    /// A server, such as 127.0.0.1:5000; may be given several times
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:5000")]
    upstream: Vec<SocketAddr>,
    /// How long it may take to reach one of them
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = cli::parse_time)]
    connect_timeout: Duration,
    #[command(flatten)]
    listen: Listen,
    #[command(flatten)]
    clients: ClientLimits,
}

/// Why a side is not read from: there is no other side yet, or it takes no more for now.
const ALONE: PauseReason = PauseReason::new(0);
const TOO_MUCH: PauseReason = PauseReason::new(1);

struct Balancer {
    upstreams: Vec<SocketAddr>,
    limits: Limits,
    /// The other side of each connection that has one.
    others: ConnMap<ConnId>,
}

impl Balancer {
    /// Returns the other side, unless it is ending.
    fn other<'a>(&self, conn: &'a mut Conn<'_>) -> Option<Conn<'a>> {
        conn.sibling(*self.others.get(conn.id())?)
    }

    /// Begins to connect to the server whose turn it is, or else to the next.
    fn connect(&mut self, client: &mut Conn<'_>) {
        let options = ConnectOptions::default().tag(client.id()).limits(self.limits);
        if let Err(error) = client.event_loop().dial(self.upstreams.iter().copied(), &options) {
            warn!("cannot connect: {error}");
            client.close();
        }
        self.upstreams.rotate_left(1);
    }
}

impl Handler for Balancer {
    type Context = ();

    fn context(&mut self, _: &Conn<'_>) {}

    fn opened(&mut self, conn: &mut Conn<'_>, _: &mut ()) -> Action {
        // What waits for this side says nothing of what it sends, which is for the other one.
        conn.read_while_congested(true);
        let (Origin::Connected(tag) | Origin::Adopted(tag)) = conn.origin() else {
            conn.pause_reading_for(ALONE);
            self.connect(conn);
            return Action::None;
        };
        let (upstream, client) = (conn.id(), tag.conn);
        let Some(mut client) = client.and_then(|client| conn.sibling(client)) else {
            // It has not waited.
            return Action::Close;
        };
        client.resume_reading_for(ALONE);
        self.others.insert(&client, upstream);
        let client = client.id();
        self.others.insert(conn, client);
        Action::None
    }

    fn data(&mut self, conn: &mut Conn<'_>, _: &mut (), input: &[u8]) -> Action {
        // One that is ending takes this side along.
        let Some(mut other) = self.other(conn) else { return Action::None };
        other.write_now(input);
        if other.is_congested() {
            conn.pause_reading_for(TOO_MUCH);
        }
        Action::None
    }

    fn drained(&mut self, conn: &mut Conn<'_>, _: &mut ()) -> Action {
        if let Some(mut other) = self.other(conn) {
            other.resume_reading_for(TOO_MUCH);
        }
        Action::None
    }

    /// Only this direction has ended: the peer may still want its answer.
    fn peer_closed(&mut self, conn: &mut Conn<'_>, _: &mut ()) -> Action {
        if let Some(mut other) = self.other(conn) {
            other.shutdown_write();
        }
        Action::None
    }

    /// Each pair comes to its own end: nobody must take half an answer for a whole one.
    fn stopping(&mut self, _: &mut Conn<'_>, _: &mut ()) -> Action {
        Action::None
    }

    fn closed(&mut self, conn: &mut Conn<'_>, _: (), reason: CloseReason) -> ControlFlow<()> {
        if let Some(mut other) = self.others.remove(conn.id()).and_then(|id| conn.sibling(id)) {
            match reason {
                CloseReason::PeerClosed | CloseReason::Closed => other.close(),
                // Half an answer is none.
                _ => other.abort(),
            }
        }
        ControlFlow::Continue(())
    }

    fn dial_failed(&mut self, event_loop: &mut Loop<'_>, error: DialError) -> ControlFlow<()> {
        warn!("{error}");
        if let Some(mut client) = error.tag().conn.and_then(|client| event_loop.conn(client)) {
            client.close();
        }
        ControlFlow::Continue(())
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    cli::run(|| run(&options))
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let Options { port, listen, clients, .. } = options;
    let limits = clients.limits();
    let server = listen.bind("tcp", *port)?.limits(limits);
    let descriptors = Descriptors { per_client: 2, ..Descriptors::default() };
    cli::start_with(server, clients, descriptors)?.run_each(listen.loops(), |_| Balancer {
        upstreams: options.upstream.clone(),
        limits: limits.connect_timeout(options.connect_timeout),
        others: ConnMap::new(),
    })?;
    Ok(())
}
