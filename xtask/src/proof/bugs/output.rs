//! Output that is lost, out of order, stuck, or without a limit.

use super::Bug;

const QUEUE: &str = "crates/evio-core/src/output/queue.rs";
const UNSENT: &str = "crates/evio-core/src/output/unsent.rs";
const SENDING: &str = "crates/evio-core/src/table/sending.rs";
const CONNS: &str = "crates/evio-core/src/table/conns.rs";
const FLUSH: &str = "crates/evio-core/src/turn/flush.rs";

pub(super) const BUGS: &[Bug] = &[
    Bug {
        name: "what a short send has taken is miscounted by one",
        file: UNSENT,
        text: "self.span = self.span.after(sent);",
        replacement: "self.span = self.span.after(sent.saturating_sub(1));",
    },
    Bug {
        name: "what was sent from a queue is miscounted by one",
        file: QUEUE,
        text: "        self.len -= count;
        self.sent += count;",
        replacement: "        let count = if count > 1 { count - 1 } else { count };
        self.len -= count;
        self.sent += count;",
    },
    Bug {
        name: "a chunk overtakes those before it",
        file: QUEUE,
        text: "self.chunks.push_back(chunk);",
        replacement: "self.chunks.insert(self.chunks.len() / 2, chunk);",
    },
    Bug {
        name: "what was written in the turn comes behind a chunk",
        file: UNSENT,
        text: "        let queue = self.queue(turn, pool);
        queue.is_new = true;
        queue.push(chunk);",
        replacement: "        let span = mem::take(&mut self.span);
        let queue = self.queue(turn, pool);
        queue.is_new = true;
        queue.push(chunk);
        queue.append(turn.get(span), &mut pool.chunks);",
    },
    Bug {
        name: "a budget that is used up is taken for a full socket",
        file: QUEUE,
        text: "self.is_blocked = count < offered;",
        replacement: "self.is_blocked = count < offered || total >= budget;",
    },
    Bug {
        name: "output that stopped at its budget is not listed",
        file: SENDING,
        text: "            self.list(key);
        }
        !is_blocked",
        replacement: "        }
        !is_blocked",
    },
    Bug {
        name: "a socket is tried again after a short send",
        file: UNSENT,
        text: "self.queue(turn, pool).is_blocked = true;",
        replacement: "self.queue(turn, pool).is_blocked = false;",
    },
    Bug {
        name: "a queue is tried again after a short send",
        file: QUEUE,
        text: "self.is_blocked = count < offered;",
        replacement: "self.is_blocked = false;",
    },
    Bug {
        name: "room is not noticed",
        file: "crates/evio-core/src/table/receiving.rs",
        text: "        entry.unsent.unblock();
        if !has_input",
        replacement: "        if !has_input",
    },
    Bug {
        name: "drained is not called",
        file: FLUSH,
        text: "self.call(key, |handler, conn, context| handler.drained(conn, context));",
        replacement: "",
    },
    Bug {
        name: "drained is called twice",
        file: FLUSH,
        text: "self.call(key, |handler, conn, context| handler.drained(conn, context));",
        replacement: "self.call(key, |handler, conn, context| handler.drained(conn, context));
            self.call(key, |handler, conn, context| handler.drained(conn, context)); // Again.",
    },
    Bug {
        name: "output is drained at the high watermark",
        file: CONNS,
        text: "was_congested && entry.output_len() <= limits.effective_low_watermark();",
        replacement: "was_congested && entry.output_len() <= limits.high_watermark;",
    },
    Bug {
        name: "output is congested one byte too late",
        file: SENDING,
        text: "if len > limits.high_watermark && !entry.is_congested() {",
        replacement: "if len > limits.high_watermark + 1 && !entry.is_congested() {",
    },
    Bug {
        name: "output has no limit",
        file: SENDING,
        text: "if len > limits.max_output {",
        replacement: "if len > limits.max_output && len == 0 {",
    },
    Bug {
        name: "pre_write is left out for output that has waited",
        file: FLUSH,
        text: "let is_due = state.outgoing.is_waiting() || state.datagrams.has_output();",
        replacement: "let is_due = state.datagrams.has_output();",
    },
    Bug {
        name: "a withheld turn is sent",
        file: FLUSH,
        text: "let mut round = if withheld {",
        replacement: "let mut round = if withheld && share == 0 {",
    },
];
