//! Deadlines that come early, late or never.

use super::Bug;

const DEADLINES: &str = "crates/evio-core/src/table/deadlines.rs";
const SENDING: &str = "crates/evio-core/src/table/sending.rs";
const TIMING: &str = "crates/evio-core/src/table/timing.rs";
const WHEEL: &str = "crates/evio-core/src/table/wheel.rs";

pub(super) const BUGS: &[Bug] = &[
    Bug {
        name: "deadlines come early",
        file: "crates/evio-core/src/table/wheel_time.rs",
        text: "let slack = 1 + Self::STAMP_ERROR.unsigned_abs();",
        replacement: "let slack = 0_u32;",
    },
    Bug {
        name: "the wheel looks one slot too late",
        file: WHEEL,
        text: "let start = ((self.current >> shift) + u64::from(ahead)) << shift;",
        replacement: "let start = ((self.current >> shift) + u64::from(ahead) + 1) << shift;",
    },
    Bug {
        name: "the wheel keeps the later of two looks",
        file: WHEEL,
        text: "if place.slot == FREE || due < place.due {",
        replacement: "if place.slot == FREE || due > place.due {",
    },
    Bug {
        name: "a connection that was looked at early is not looked at again",
        file: "crates/evio-core/src/turn/timers.rs",
        text: "        self.state.table.arm(key);
    }

    /// Ends a connection whose time is up",
        replacement: "    }

    /// Ends a connection whose time is up",
    },
    Bug {
        name: "no idle timeout",
        file: DEADLINES,
        text: "(idle, Expired::Idle),",
        replacement: "(None, Expired::Idle),",
    },
    Bug {
        name: "no write timeout",
        file: DEADLINES,
        text: "let stalled = since(self.stalled_since, limits.write_timeout, clock);",
        replacement: "let stalled = since(None, limits.write_timeout, clock);",
    },
    Bug {
        name: "no congestion timeout",
        file: DEADLINES,
        text: "let congested = since(self.congested_since, limits.congestion_timeout, clock);",
        replacement: "let congested = since(None, limits.congestion_timeout, clock);",
    },
    Bug {
        name: "no read timeout",
        file: DEADLINES,
        text: "(self.read_deadline.filter(|_| is_read), Expired::Read),",
        replacement: "(self.read_deadline.filter(|_| is_read && false), Expired::Read),",
    },
    Bug {
        name: "no reply timeout",
        file: DEADLINES,
        text: "(reply_deadline, Expired::Reply),",
        replacement: "(reply_deadline.and(None), Expired::Reply),",
    },
    Bug {
        name: "no close timeout",
        file: DEADLINES,
        text: "[(self.close_deadline, Expired::Close), (flushed, Expired::Flush)]",
        replacement: "[(None, Expired::Close), (flushed, Expired::Flush)]",
    },
    Bug {
        name: "no flush timeout",
        file: DEADLINES,
        text: "[(self.close_deadline, Expired::Close), (flushed, Expired::Flush)]",
        replacement: "[(self.close_deadline, Expired::Close), (flushed.and(None), Expired::Flush)]",
    },
    Bug {
        name: "no connect timeout",
        file: DEADLINES,
        text: "[(self.last_activity.after(limits.connect_timeout), Expired::Connect)]",
        replacement: "[(self.last_activity.after(limits.connect_timeout).and(None), \
             Expired::Connect)]",
    },
    Bug {
        name: "a peer that takes output is timed out all the same",
        file: SENDING,
        text: "            entry.deadlines.set_stalled(None);\n",
        replacement: "",
    },
    Bug {
        name: "the write timeout is not armed",
        file: SENDING,
        text: "            entry.deadlines.set_stalled(Some(clock.tick()));
            self.arm(key);",
        replacement: "            entry.deadlines.set_stalled(Some(clock.tick()));",
    },
    Bug {
        name: "input does not count as activity",
        file: "crates/evio-core/src/table/receiving.rs",
        text: "                entry.deadlines.note_activity(clock);
                let is_active",
        replacement: "                let is_active",
    },
    Bug {
        name: "a connection's timer that is cancelled fires",
        file: TIMING,
        text: "            entry.deadlines.timer = deadline;",
        replacement: "            entry.deadlines.timer = deadline.or(entry.deadlines.timer);",
    },
    Bug {
        name: "a loop that was late does not ask for input",
        file: "crates/evio-core/src/turn/timers.rs",
        text: "Expired::Idle | Expired::Read \
             if self.state.table.ask_for_input(key, expired) => return,",
        replacement: "",
    },
    Bug {
        name: "a pause with an end goes on",
        file: TIMING,
        text: "            self.set_paused(key, reason, false);\n",
        replacement: "            if let Some(entry) = self.get_mut(key) {
                entry.forget_resume(reason);
            }\n",
    },
    Bug {
        name: "the read timeout is not armed",
        file: TIMING,
        text: "            entry.set_overdue(None);
        }
        self.arm(key);",
        replacement: "            entry.set_overdue(None);
        }",
    },
    Bug {
        name: "new limits do not move deadlines",
        file: TIMING,
        text: "        self.apply_output_limits(key);
        self.arm(key);",
        replacement: "        self.apply_output_limits(key);",
    },
];
