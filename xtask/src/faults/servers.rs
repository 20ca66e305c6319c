//! The example servers, as they are started here.

use std::ffi::OsString;
use std::path::Path;

use super::protocol::Protocol;

/// A server under test: an ordinary release build of an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) name: &'static str,
    pub(super) program: &'static str,
    pub(super) protocol: Protocol,
    arguments: &'static [&'static str],
    /// How many threads have a loop.
    pub(super) loops: usize,
    /// Whether it passes on to another server.
    has_upstream: bool,
}

/// The servers. Each has one loop, on the thread that strace counts the calls of, but for the one
/// that hands connections from loop to loop.
pub(super) const SERVERS: [Server; 9] = [
    Server {
        name: "echo-server",
        program: "echo-server",
        protocol: Protocol::Echo,
        arguments: &["--port", "0"],
        loops: 1,
        has_upstream: false,
    },
    Server {
        name: "echo-loops",
        program: "echo-server",
        protocol: Protocol::Echo,
        arguments: &["--port", "0", "--loops", "2"],
        loops: 2,
        has_upstream: false,
    },
    Server {
        name: "redis-server",
        program: "redis-server",
        protocol: Protocol::Redis,
        arguments: &["--port", "0"],
        loops: 1,
        has_upstream: false,
    },
    Server {
        name: "http-server",
        program: "http-server",
        protocol: Protocol::Http,
        arguments: &["--port", "0"],
        loops: 1,
        has_upstream: false,
    },
    Server {
        name: "tcp-proxy",
        program: "tcp-proxy",
        protocol: Protocol::Echo,
        arguments: &["--listen", "127.0.0.1:0"],
        loops: 1,
        has_upstream: true,
    },
    Server {
        name: "chat-server",
        program: "chat-server",
        protocol: Protocol::Chat,
        // Guests that do not read keep all that the others say.
        arguments: &["--port", "0", "--max-backlog", "64mb"],
        loops: 1,
        has_upstream: false,
    },
    Server {
        name: "mqtt-broker",
        program: "mqtt-broker",
        protocol: Protocol::Mqtt,
        arguments: &["--port", "0"],
        loops: 1,
        has_upstream: false,
    },
    Server {
        name: "mini-redis",
        program: "mini-redis",
        protocol: Protocol::Redis,
        arguments: &["--port", "0"],
        loops: 1,
        has_upstream: false,
    },
    Server {
        name: "load-balancer",
        program: "load-balancer",
        protocol: Protocol::Echo,
        arguments: &["--port", "0"],
        loops: 1,
        has_upstream: true,
    },
];

impl Server {
    /// Returns the program and its arguments; a proxy passes on to `upstream`.
    pub(super) fn command_line(self, programs: &Path, upstream: &str) -> Vec<OsString> {
        let mut line = vec![programs.join(self.program).into_os_string()];
        line.extend(self.arguments.iter().map(OsString::from));
        if self.has_upstream {
            line.extend(["--upstream", upstream].map(OsString::from));
        }
        line
    }
}
