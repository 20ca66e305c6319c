//! Passes on what its clients send to another server, and the answers back.
//!
//! Try it in front of `echo-server` with `nc 127.0.0.1 7000`.

use std::error::Error;
use std::ops::ControlFlow;
use std::os::unix::net::SocketAddr as UnixAddr;
use std::process::ExitCode;

use clap::Parser;
use evio::{
    Action, Address, CloseReason, Conn, ConnId, Endpoint, Handler, Host, Origin, Server,
    SocketAddr, Tag, UnixPath,
};
use evio_examples::cli::{self, ClientLimits, LoopCount};
use log::warn;

/// Passes on what its clients send to another server, and the answers back. Ctrl-C ends it.
#[derive(Parser)]
#[command(name = "tcp-proxy", version)]
struct Options {
    /// Address to listen on: HOST:PORT, where port 0 is any free one, or unix://PATH
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7000")]
    listen: Address,
    /// Address of the other server: HOST:PORT or unix://PATH
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:5000")]
    #[arg(value_parser = resolve)]
    upstream: SocketAddr,
    #[command(flatten)]
    loops: LoopCount,
    #[command(flatten)]
    clients: ClientLimits,
}

/// What may wait for one side, at most, beside one read of the other: no more than the kernel keeps
/// besides, and enough to go on with while the other side wakes up.
const HIGH_WATERMARK: usize = 64 << 10;
const LOW_WATERMARK: usize = 16 << 10;

/// The connections of a loop are pairs: a client, and the upstream connection made for it.
struct Proxy {
    upstream: SocketAddr,
}

impl Handler for Proxy {
    /// The other side of the pair.
    type Context = Option<ConnId>;

    fn context(&mut self, conn: &Conn<'_>) -> Option<ConnId> {
        client_of(conn)
    }

    fn opened(&mut self, conn: &mut Conn<'_>, other: &mut Option<ConnId>) -> Action {
        // This side's own output says nothing about its input, which is the other side's output.
        conn.read_while_congested(true);
        if other.is_some() {
            return Action::None;
        }
        let client = conn.id();
        match conn.event_loop().connect(self.upstream.clone(), client) {
            Ok(upstream) => {
                *other = Some(upstream);
                Action::None
            }
            Err(error) => {
                warn!("{client}: cannot connect to {}: {error}", self.upstream);
                Action::Close
            }
        }
    }

    fn data(&mut self, conn: &mut Conn<'_>, other: &mut Option<ConnId>, input: &[u8]) -> Action {
        let Some(mut other) = sibling(conn, *other) else { return Action::Close };
        // There is nothing to be done before output is sent, so it may leave at once. What an
        // upstream that is not connected yet is sent waits.
        other.write_now(input);
        if other.is_congested() {
            conn.pause_reading();
        }
        Action::None
    }

    fn drained(&mut self, conn: &mut Conn<'_>, other: &mut Option<ConnId>) -> Action {
        if let Some(mut other) = sibling(conn, *other) {
            other.resume_reading();
        }
        Action::None
    }

    fn peer_closed(&mut self, conn: &mut Conn<'_>, other: &mut Option<ConnId>) -> Action {
        let Some(mut other) = sibling(conn, *other) else { return Action::Close };
        // Only this direction has ended; the connection closes when the other one has, too.
        other.shutdown_write();
        Action::None
    }

    fn stopping(&mut self, _: &mut Conn<'_>, _: &mut Option<ConnId>) -> Action {
        // A pair has to end as one, which it does by itself.
        Action::None
    }

    fn closed(
        &mut self,
        conn: &mut Conn<'_>,
        other: Option<ConnId>,
        reason: CloseReason,
    ) -> ControlFlow<()> {
        if let Some(mut other) = sibling(conn, other) {
            let is_orderly = matches!(
                reason,
                CloseReason::PeerClosed | CloseReason::Closed | CloseReason::Shutdown
            );
            // What has been given its end is whole, even if nobody takes what comes back. But who
            // gets half an answer must not take it for a whole one.
            if is_orderly || !other.takes_output() {
                other.close();
            } else {
                other.abort();
            }
        }
        ControlFlow::Continue(())
    }

    fn connect_failed(&mut self, conn: &mut Conn<'_>, reason: CloseReason) -> ControlFlow<()> {
        // If the client has gone, it was that which gave up.
        let client = client_of(conn);
        if let Some(mut client) = sibling(conn, client) {
            warn!("{}: cannot connect to {}: {reason}", client.id(), self.upstream);
            client.close();
        }
        ControlFlow::Continue(())
    }
}

/// Returns the client that an upstream connection was made for.
fn client_of(conn: &Conn<'_>) -> Option<ConnId> {
    match conn.origin() {
        Origin::Connected(Tag::Conn(client)) => Some(client),
        _ => None,
    }
}

/// Returns the other side of a pair, unless it is ending.
fn sibling<'a>(conn: &'a mut Conn<'_>, other: Option<ConnId>) -> Option<Conn<'a>> {
    conn.sibling(other?)
}

/// Reads the address of a server, the first one if a name has several. That is done once: a loop
/// cannot wait for it.
fn resolve(text: &str) -> Result<SocketAddr, Box<dyn Error + Send + Sync>> {
    let address: Address = text.parse()?;
    if address.reuse_port() || address.mode().is_some() {
        return Err("options are for addresses to listen on; leave them out".into());
    }
    match address.endpoint() {
        Endpoint::Unix(UnixPath::Path(path)) => Ok(UnixAddr::from_pathname(path)?.into()),
        Endpoint::Inet { host: Host::Any, .. } => {
            Err("name the host of the server, such as 127.0.0.1:5000".into())
        }
        Endpoint::Inet { port: 0, .. } => Err("no server has port 0".into()),
        Endpoint::Inet { .. } if !address.scheme().is_datagram() => {
            Ok(address.resolve()?[0].into())
        }
        _ => Err("write HOST:PORT, for TCP, or unix://PATH".into()),
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    cli::run(|| run(&options))
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let limits =
        options.clients.limits().high_watermark(HIGH_WATERMARK).low_watermark(LOW_WATERMARK);
    let server = Server::bind([options.listen.clone()])?.limits(limits);
    cli::start(server, &options.clients)?
        .run_each(options.loops.get(), |_loop_id| Proxy { upstream: options.upstream.clone() })?;
    Ok(())
}
