//! Sends back whatever it receives, over TCP, UDP and Unix sockets.
//!
//! Try it with `nc 127.0.0.1 5000`.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::process::ExitCode;

use clap::Parser;
use evio::{Action, CloseReason, Conn, Handler, Loop, Udp};
use evio_examples::cli::{self, ClientLimits, Listen};
use log::{error, info};

/// Sends back whatever it receives. Ctrl-C ends it.
#[derive(Parser)]
#[command(name = "echo-server", version)]
struct Options {
    /// Port to listen on; 0 takes any free one
    #[arg(long, default_value_t = 5000)]
    port: u16,
    /// Listen for UDP datagrams instead of TCP connections
    #[arg(long)]
    udp: bool,
    /// Take the sockets that systemd has bound (LISTEN_FDS) instead of binding any
    #[arg(long, conflicts_with_all = ["port", "udp", "host", "unix_socket", "reuseport"])]
    systemd: bool,
    /// Log what happens
    #[arg(long)]
    trace: bool,
    #[command(flatten)]
    listen: Listen,
    #[command(flatten)]
    clients: ClientLimits,
}

/// The longest input that is sent back at the end of the turn, with that of all other connections.
/// Then the processor goes from receiving to sending once a turn, which is worth a hundredth of an
/// echo of up to 1 KiB. `Conn::write` copies the input for that: from about 2 KiB on the copy costs
/// as much, at 4 KiB two to five hundredths more.
const AT_END_OF_TURN: usize = 2 << 10;

struct Echo {
    trace: bool,
}

impl Handler for Echo {
    type Context = ();

    fn context(&mut self, _: &Conn<'_>) {}

    fn opened(&mut self, conn: &mut Conn<'_>, _: &mut ()) -> Action {
        if self.trace {
            let peer = conn.peer_addr().map_or_else(|error| error.to_string(), |a| a.to_string());
            info!("{}: opened by {peer}", conn.id());
        }
        Action::None
    }

    fn data(&mut self, conn: &mut Conn<'_>, _: &mut (), input: &[u8]) -> Action {
        if self.trace {
            info!("{}: {} bytes", conn.id(), input.len());
        }
        if input.len() <= AT_END_OF_TURN {
            conn.write(input);
        } else {
            conn.write_now(input);
        }
        Action::None
    }

    fn closed(&mut self, conn: &mut Conn<'_>, _: (), reason: CloseReason) -> ControlFlow<()> {
        if self.trace {
            info!("{}: {reason}", conn.id());
        }
        ControlFlow::Continue(())
    }

    fn listener_failed(
        &mut self,
        _: &mut Loop<'_>,
        address_index: u16,
        error: &io::Error,
    ) -> ControlFlow<()> {
        // Not a matter of tracing: from now on some clients are not served.
        error!("address {address_index}: not listening any more: {error}");
        ControlFlow::Continue(())
    }

    fn datagram(
        &mut self,
        socket: &mut Udp<'_>,
        peer: SocketAddr,
        input: &[u8],
    ) -> ControlFlow<()> {
        if self.trace {
            info!("{peer}: a datagram of {} bytes", input.len());
        }
        socket.send_to_now(input, peer);
        ControlFlow::Continue(())
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    cli::run(|| run(&options))
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let scheme = if options.udp { "udp" } else { "tcp" };
    let server = match options.systemd {
        true => options.listen.inherit()?,
        false => options.listen.bind(scheme, options.port)?,
    };
    let server = cli::start(server.limits(options.clients.limits()), &options.clients)?;
    server.run_each(options.listen.loops(), |_loop_id| Echo { trace: options.trace })?;
    Ok(())
}
