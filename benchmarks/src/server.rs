//! What the baseline servers have in common: their options, and the line that says where they are.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use clap::Parser;

/// Size of every baseline's read buffer: evio's own, so that none wins by reading more at once.
pub const READ_BUFFER: usize = 64 * 1024;

/// Options that every baseline server takes.
#[derive(Debug, Clone, Copy, Parser)]
#[command(about = "A server to compare evio with")]
pub struct Args {
    /// Port on 127.0.0.1; 0 asks for a free one
    #[arg(long, default_value_t = 0)]
    pub port: u16,
}

impl Args {
    /// Returns the address to listen on.
    #[must_use]
    pub fn address(self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }
}

/// Says on stderr where the server listens for connections.
///
/// # Errors
///
/// Passes on the error of a listener that does not know its own address.
pub fn announce(address: io::Result<SocketAddr>) -> io::Result<()> {
    eprintln!("listening on tcp://{}", address?);
    Ok(())
}

/// Says on stderr where the server waits for datagrams.
///
/// # Errors
///
/// Passes on the error of a socket that does not know its own address.
pub fn announce_udp(address: io::Result<SocketAddr>) -> io::Result<()> {
    eprintln!("listening on udp://{}", address?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_option() {
        for (arguments, port) in [(&["echo"][..], 0), (&["echo", "--port", "5000"], 5000)] {
            let args = Args::try_parse_from(arguments).unwrap();
            assert_eq!(args.address(), SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        }
        for bad in ["65536", "-1", "http", ""] {
            assert!(Args::try_parse_from(["echo", "--port", bad]).is_err(), "{bad:?}");
        }
    }
}
