//! Bugs of the end of a server.

use super::Bug;

const ENDING: &str = "crates/evio-core/src/turn/ending.rs";
const SHUTDOWN: &str = "crates/evio-core/src/turn/shutdown.rs";

pub(super) const BUGS: &[Bug] = &[
    Bug {
        name: "a graceful shutdown tells before it has read",
        file: SHUTDOWN,
        text: "let is_last = (all && reads.has_polled) || reads.turns_left == 0 \
             || now >= reads.until;",
        replacement: "let is_last = all || now >= reads.since;",
    },
    Bug {
        name: "a graceful shutdown reads for its whole time",
        file: SHUTDOWN,
        text: "until: now + deadline.saturating_duration_since(now) / 2,",
        replacement: "until: deadline,",
    },
    Bug {
        name: "a connection that comes late is not told",
        file: SHUTDOWN,
        text: "            late.push(key);",
        replacement: "            let _ = (late, key);",
    },
    Bug {
        name: "a graceful shutdown leaves those who wait to be accepted",
        file: ENDING,
        text: "self.stop_accepting(None, left / 2);",
        replacement: "let _ = left;",
    },
    Bug {
        name: "dials fail when a graceful shutdown begins",
        file: ENDING,
        text: "ShutdownMode::Graceful(_) => {}",
        replacement: "ShutdownMode::Graceful(_) => self.fail_dials(),",
    },
    Bug {
        name: "dials are waited for when no client is left",
        file: ENDING,
        text: "if self.state.refuses_new {",
        replacement: "if !self.state.refuses_new {",
    },
    Bug {
        name: "a connection that comes late may not connect",
        file: ENDING,
        text: "        self.state.refuses_new = false;
        self.read_late(key);",
        replacement: "        self.read_late(key);",
    },
    Bug {
        name: "a shutdown that overtakes another waits behind mail",
        file: "crates/evio-core/src/turn/commands.rs",
        text: "&& !self.shutdown.is_immediate() {",
        replacement: "&& !self.shutdown.has_begun() {",
    },
    Bug {
        name: "those who wait are accepted though the time is up",
        file: "crates/evio-core/src/turn/lifecycle.rs",
        text: "if clock::now().saturating_duration_since(start) < time {",
        replacement: "if clock::now().saturating_duration_since(start) < time || !time.is_zero() {",
    },
];
