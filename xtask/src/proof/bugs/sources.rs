//! Work from elsewhere that is lost: mail, listeners, ticks, timers of the loop.

use super::Bug;

const ACCEPTOR: &str = "crates/evio-core/src/accept/acceptor.rs";
const INBOX: &str = "crates/evio-core/src/mail/inbox.rs";
const MAILBOX: &str = "crates/evio-core/src/mail/mailbox.rs";
const LIFECYCLE: &str = "crates/evio-core/src/turn/lifecycle.rs";
const RUNNER: &str = "crates/evio-core/src/turn/runner.rs";
const LOOP_TIMERS: &str = "crates/evio-core/src/timer/loop_timers.rs";

pub(super) const BUGS: &[Bug] = &[
    Bug {
        name: "a sender does not wake the loop",
        file: MAILBOX,
        text: "        if self.inbox.try_push(bounds, bytes, add)? {
            self.wake();
        }",
        replacement: "        self.inbox.try_push(bounds, bytes, add)?;",
    },
    Bug {
        name: "a wake stays pending",
        file: INBOX,
        text: "shared.wake_pending = has_other_mail || !messages.is_empty();",
        replacement: "shared.wake_pending |= has_other_mail || !messages.is_empty();",
    },
    Bug {
        name: "the loop does not look before it sleeps",
        file: MAILBOX,
        text: "        if self.must_look {
            self.collect();
        }",
        replacement: "        self.must_look = self.has_collected();",
    },
    Bug {
        name: "a connection is woken once at the most",
        file: "crates/evio-core/src/table/replies.rs",
        text: "entry.extras_mut().is_woken = false;",
        replacement: "let _ = entry;",
    },
    Bug {
        name: "a listener that has backed off stays away",
        file: ACCEPTOR,
        text: "        self.first_end.get_or_insert(end);
        placement",
        replacement: "        placement",
    },
    Bug {
        name: "a turn accepts behind its callbacks",
        file: RUNNER,
        text: "        if self.state.group.loops() > 1 {
            self.accept_first(events);
        }
        if self.state.table.len() >= PREFETCH_MIN_CONNS {
            self.prefetch(events);
        }
        self.dispatch_all(events);",
        replacement: "        if self.state.table.len() >= PREFETCH_MIN_CONNS {
            self.prefetch(events);
        }
        self.dispatch_all(events);
        if self.state.group.loops() > 1 {
            self.accept_first(events);
        }",
    },
    Bug {
        name: "a loop opens its own connections before it hands others over",
        file: LIFECYCLE,
        text: "accepted.sort_by_key(|&(target, _)| target == usize::from(self.state.loop_id));",
        replacement: "accepted.sort_by_key(|&(target, _)| {
            target != usize::from(self.state.loop_id)
        });",
    },
    Bug {
        name: "connections that end make no room for others",
        file: LIFECYCLE,
        text: "        self.state.group.placement.shortage.refill_reserve();
        self.state.group.wake_listeners(address_index);",
        replacement: "        self.state.group.placement.shortage.refill_reserve();
        let _ = address_index;",
    },
    Bug {
        name: "without a descriptor the listener spins",
        file: ACCEPTOR,
        text: "                    self.back_off(slot, placement, poller, now());
                }
                Verdict::BackOff",
        replacement: "                }
                Verdict::BackOff",
    },
    Bug {
        name: "without room for a connection the listener spins",
        file: ACCEPTOR,
        text: "        bound.back_off(Backoff::Full, poller);",
        replacement: "        let _ = Backoff::Full;",
    },
    Bug {
        name: "a tick waits for another deadline",
        file: RUNNER,
        text: "others.into_iter().fold(self.ticker.deadline(), |first, next| match (first, next) {",
        replacement: "others.into_iter().fold(None, \
             |first: Option<Instant>, next| match (first, next) {",
    },
    Bug {
        name: "a timer of the loop that is cancelled fires",
        file: LOOP_TIMERS,
        text: "let removed = self.queue.remove(&Place { deadline, number });",
        replacement: "let removed = self.queue.get(&Place { deadline, number }).copied();",
    },
    Bug {
        name: "an interval fires once",
        file: LOOP_TIMERS,
        text: "        if let Some(period) = timer.period {
            let deadline",
        replacement: "        if let Some(period) = timer.period.filter(|_| timer.is_own()) {
            let deadline",
    },
    Bug {
        name: "timers of the loop come a millisecond early",
        file: LOOP_TIMERS,
        text: "filter(|entry| entry.key().deadline <= now)?;",
        replacement: "filter(|entry| entry.key().deadline <= now + MIN_PERIOD)?;",
    },
    Bug {
        name: "replies that have come are still owed",
        file: "crates/evio-core/src/table/replies.rs",
        text: "extras.owed_replies = extras.owed_replies.saturating_sub(1);",
        replacement: "extras.owed_replies = extras.owed_replies.max(1);",
    },
];
