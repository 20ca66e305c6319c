//! How many clients a server takes, and for how long.

use std::time::Duration;

use clap::Args;
use evio::Limits;

use super::timeout::{Timeout, parse_time};

/// Clients at most, unless the user says otherwise.
pub(super) const DEFAULT_CONNECTIONS: usize = 10_000;

/// Limits for the clients of a server.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Clients")]
pub struct ClientLimits {
    /// Most connections at once; others wait until one of them ends
    #[arg(long, value_name = "N", default_value_t = DEFAULT_CONNECTIONS)]
    #[arg(value_parser = at_least_one)]
    pub max_connections: usize,
    /// Close a connection that is silent in both directions for so long: 90s, 5m, or off
    #[arg(long, value_name = "TIME", default_value = "10m")]
    pub idle_timeout: Timeout,
    /// Cut off a client that takes nothing of what it is sent for so long
    #[arg(long, value_name = "TIME", default_value = "1m")]
    pub write_timeout: Timeout,
    /// How long connections may go on after Ctrl-C or SIGTERM; a second one ends the program
    #[arg(long, value_name = "TIME", default_value = "30s")]
    #[arg(value_parser = parse_time)]
    pub drain_timeout: Duration,
}

impl ClientLimits {
    /// Returns the default limits with these timeouts.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits::default().idle_timeout(self.idle_timeout.0).write_timeout(self.write_timeout.0)
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("a server with no connections serves nobody".into()),
        Ok(count) => Ok(count),
        Err(error) => Err(format!("{error}")),
    }
}
