//! Sends messages back to who sent them, or to everyone, and datagrams back, on one loop of evio.

use std::error::Error;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use evio::{Action, Conn, Handler, InputStream, Loops, Server, Udp};
use evio_benchmarks::hub::{MESSAGE, TO_EVERYONE};
use evio_benchmarks::server::Args;
use evio_examples::cli;

/// How long clients have to take what is left when a signal ends the server.
const GRACE: Duration = Duration::from_secs(5);

struct Hub;

impl Handler for Hub {
    type Context = InputStream;

    fn context(&mut self, _: &Conn<'_>) -> InputStream {
        InputStream::new()
    }

    fn opened(&mut self, conn: &mut Conn<'_>, _: &mut InputStream) -> Action {
        // The listener is made by std, which does not set it.
        match conn.set_nodelay(true) {
            Ok(()) => Action::None,
            Err(_) => Action::Close,
        }
    }

    fn data(&mut self, conn: &mut Conn<'_>, stream: &mut InputStream, input: &[u8]) -> Action {
        let Ok(mut input) = stream.begin(input) else { return Action::Close };
        let whole = input.len() - input.len() % MESSAGE;
        for message in input[..whole].chunks(MESSAGE) {
            if message[0] == TO_EVERYONE {
                // Refused only when the loop has no room for messages, which are lost then.
                let _ = conn.loop_handle().broadcast(Arc::<[u8]>::from(message));
            } else {
                conn.write(message);
            }
        }
        input.consume(whole);
        Action::None
    }

    fn datagram(
        &mut self,
        socket: &mut Udp<'_>,
        peer: SocketAddr,
        input: &[u8],
    ) -> ControlFlow<()> {
        socket.send_to_now(input, peer);
        ControlFlow::Continue(())
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    cli::run(|| run(args))
}

fn run(args: Args) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(args.address())?;
    let socket = UdpSocket::bind(listener.local_addr()?)?;
    let server = Server::from_socket(listener.try_into()?)?.with_socket(socket.try_into()?)?;
    for address in server.local_addrs() {
        eprintln!("listening on {address}");
    }
    server.shutdown_on_signals(GRACE)?.run_each(Loops::Exactly(1), |_loop_id| Hub)?;
    Ok(())
}
