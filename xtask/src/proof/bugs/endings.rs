//! Connections that end too early, too late, twice or not at all.

use super::Bug;

const LIFECYCLE: &str = "crates/evio-core/src/turn/lifecycle.rs";
const TRANSITIONS: &str = "crates/evio-core/src/table/entry/transitions.rs";
const CONNS: &str = "crates/evio-core/src/table/conns.rs";

pub(super) const BUGS: &[Bug] = &[
    Bug {
        name: "closing drops the output",
        file: "crates/evio-core/src/turn/calls.rs",
        text: "Action::Close => self.state.table.close(key, reason),",
        replacement: "Action::Close => self.state.table.end(key, reason, false),",
    },
    Bug {
        name: "closing does not wait for the peer",
        file: TRANSITIONS,
        text: "let lingers = !self.input_ended() && self.send_fin().is_ok();",
        replacement: "let lingers = false;",
    },
    Bug {
        name: "a connection gets two endings",
        file: LIFECYCLE,
        text: "Some(context) => handler.closed(&mut conn, context, reason),",
        replacement: "Some(context) => {
                let _ = handler.connect_failed(&mut conn, CloseReason::Closed);
                handler.closed(&mut conn, context, reason)
            }",
    },
    Bug {
        name: "callbacks go on after an end was asked for",
        file: "crates/evio-core/src/turn/calls.rs",
        text: "entry.phase().is_active() && !entry.ends_after_replies()",
        replacement: "!entry.phase().is_connecting() && !entry.ends_after_replies()",
    },
    Bug {
        name: "our own end is not sent",
        file: TRANSITIONS,
        text: "            self.stream.shutdown_write()?;\n",
        replacement: "",
    },
    Bug {
        name: "our own end is sent before the output",
        file: CONNS,
        text: "        if entry.output_len() == 0 {
            if entry.advance(listed) {",
        replacement: "        if entry.output_len() == 0 || entry.fin == Fin::Wanted {
            if entry.advance(listed) {",
    },
    Bug {
        name: "a half-closed connection stays when both have ended",
        file: TRANSITIONS,
        text: "Ok(()) if self.input_ended() => self.end(CloseReason::PeerClosed, false, listed),",
        replacement: "",
    },
    Bug {
        name: "a failed send does not end the connection",
        file: "crates/evio-core/src/table/sending.rs",
        text: "            Err(error) => {
                self.end(key, CloseReason::Error(error), false);
                0
            }
        }
    }

    /// Notes what",
        replacement: "            Err(_) => 0,
        }
    }

    /// Notes what",
    },
    Bug {
        name: "a connection that is broken while paused is not noticed",
        file: "crates/evio-core/src/table/receiving.rs",
        text: "            self.look_for_failure(key);\n",
        replacement: "",
    },
    Bug {
        name: "outbound connections keep their descriptor",
        file: LIFECYCLE,
        text: "            drop(entry);\n",
        replacement: "            if address_index.is_some() {
                drop(entry);
            } else {
                mem::forget(entry);
            }\n",
    },
    Bug {
        name: "a place is found by a handle of the connection before",
        file: CONNS,
        text: "self.entries.get(key.index).filter(|entry| entry.generation == key.generation)",
        replacement: "self.entries.get(key.index).filter(|entry| {
                entry.generation >= key.generation
            })",
    },
    Bug {
        name: "the place of an index is changed by a handle of the connection before",
        file: CONNS,
        text: "        let entry = self.entries.get_mut(key.index)?;
        if entry.generation != key.generation {
            return None;
        }
        let listed",
        replacement: "        let entry = self.entries.get_mut(key.index)?;
        let listed",
    },
];
