//! Input that is lost, late, or read though nobody wants it.

use super::Bug;

const RECEIVING: &str = "crates/evio-core/src/table/receiving.rs";
const CONNS: &str = "crates/evio-core/src/table/conns.rs";
const ENTRY: &str = "crates/evio-core/src/table/entry.rs";

pub(super) const BUGS: &[Bug] = &[
    Bug {
        name: "input that was left alone is not reported again",
        file: CONNS,
        text: "self.change(key, |entry, _| entry.poll_interest = None);",
        replacement: "self.list(key);",
    },
    Bug {
        name: "a short read is taken for all before an end",
        file: RECEIVING,
        text: "if must_read_on || len == buffer.len() {",
        replacement: "if len == buffer.len() {",
    },
    Bug {
        name: "a read that has filled the buffer is taken for all",
        file: RECEIVING,
        text: "if must_read_on || len == buffer.len() {",
        replacement: "if must_read_on || len > buffer.len() {",
    },
    Bug {
        name: "the backlog forgets a connection that it has read from",
        file: RECEIVING,
        text: "            entry.in_backlog = true;\n            self.backlog.push(key);",
        replacement: "            self.backlog.push(key);",
    },
    Bug {
        name: "an empty socket is taken for the end of the input",
        file: RECEIVING,
        text: "Err(error) if error.kind() == io::ErrorKind::WouldBlock => Receipt::Nothing,",
        replacement: "Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.change(key, |entry, _| entry.input = InputState::ENDED);
                Receipt::End
            }",
    },
    Bug {
        name: "the handler is not told of the peer's end",
        file: "crates/evio-core/src/turn/receive.rs",
        text: "                    handler.peer_closed(conn, context)\n",
        replacement: "                    let _ = (handler, conn, context);
                    crate::types::action::Action::None\n",
    },
    Bug {
        name: "a pause does not stop the input",
        file: ENTRY,
        text: "return self.input == InputState::WANTED && !is_held_up;",
        replacement: "return self.input != InputState::ENDED && !is_held_up;",
    },
    Bug {
        name: "too much output does not stop the input",
        file: ENTRY,
        text: "return self.input == InputState::WANTED && !is_held_up;",
        replacement: "let _ = is_held_up;\n            return self.input == InputState::WANTED;",
    },
    Bug {
        name: "input is not polled for when it is resumed",
        file: CONNS,
        text: "        self.change(key, |entry, _| {
            entry.input.set_paused(reason, paused);
            entry.forget_resume(reason);
        });",
        replacement: "        if let Some(entry) = self.get_mut(key) {
            entry.input.set_paused(reason, paused);
            entry.forget_resume(reason);
        }",
    },
    Bug {
        name: "one reason that is taken back ends all pauses",
        file: "crates/evio-core/src/table/input_state.rs",
        text: "false => self.0 &= !reason.bit(),",
        replacement: "false => self.0 = 0,",
    },
    Bug {
        name: "input of a closing connection is discarded without a limit",
        file: RECEIVING,
        text: "if extras.discarded > limits.max_discarded {",
        replacement: "if extras.discarded > limits.max_discarded && len == 0 {",
    },
];
