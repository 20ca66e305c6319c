//! What the example servers have in common: command line, log, signals and limits.

mod bytes;
mod clients;
mod descriptors;
mod listen;
mod timeout;

use std::error::Error;
use std::iter;
use std::process::ExitCode;

use evio::Server;
use log::{error, info};

use crate::logger;

pub use bytes::bytes;
pub use clients::ClientLimits;
pub use descriptors::Descriptors;
pub use listen::{Balance, Listen, LoopCount};
pub use timeout::{Timeout, parse_time};

/// Runs a program with its log, and ends it the usual way: silently, or with the error in the log.
pub fn run(program: impl FnOnce() -> Result<(), Box<dyn Error>>) -> ExitCode {
    let _logger = match logger::install() {
        Ok(logger) => logger,
        Err(error) => {
            eprintln!("error: no thread for the log: {error}");
            return ExitCode::FAILURE;
        }
    };
    match program() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!("{}", with_sources(&*error));
            ExitCode::FAILURE
        }
    }
}

/// Says what failed, and behind it why: an error leaves that to its source.
fn with_sources(error: &dyn Error) -> String {
    let chain = iter::successors(Some(error), |&error| error.source());
    chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Makes a bound server ready to run, as [`prepare`] does, and has Ctrl-C and SIGTERM end it: for a
/// server that needs a descriptor for each client.
///
/// The first signal drains the server: the handler's `stopping` is called for each connection, and
/// what is open after the drain timeout is cut off. The second one ends the program at once.
///
/// # Errors
///
/// Fails when the system refuses a signal handler.
pub fn start(server: Server, clients: &ClientLimits) -> Result<Server, Box<dyn Error>> {
    start_with(server, clients, Descriptors::default())
}

/// As [`start`], for a server that needs more descriptors.
///
/// # Errors
///
/// Fails when the system refuses a signal handler.
pub fn start_with(
    server: Server,
    clients: &ClientLimits,
    descriptors: Descriptors,
) -> Result<Server, Box<dyn Error>> {
    // Whoever reads that the server listens may end it from then on.
    let server = server.shutdown_on_signals(clients.drain_timeout)?;
    Ok(prepare(server, clients, descriptors))
}

/// Logs the addresses of a bound server, raises the descriptor limit, and limits the number of
/// clients: for a server that handles signals itself.
///
/// If a client takes several descriptors, there are no more clients than there are descriptors for;
/// the others wait.
#[must_use]
pub fn prepare(server: Server, clients: &ClientLimits, descriptors: Descriptors) -> Server {
    for address in server.local_addrs() {
        info!("listening on {address}");
    }
    descriptors::limit_clients(server, clients.max_connections, descriptors)
}
