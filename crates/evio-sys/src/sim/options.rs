//! What a simulated kernel is like, and what goes wrong in it.

use std::fmt;
use std::ops::AddAssign;
use std::time::Duration;

use super::random::Random;

/// As which interface of a system pollers behave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Interface {
    /// That of Linux: one event for a socket, edges.
    #[default]
    Epoll,
    /// That of FreeBSD and its relatives: reading and writing are reported by themselves, in any
    /// order, as long as they are possible. There is no `TCP_USER_TIMEOUT`.
    Kqueue,
}

/// How a [`Kernel`](super::Kernel) is made.
#[derive(Clone, Debug)]
pub struct Options {
    /// As which interface pollers behave.
    pub interface: Interface,
    /// The size of each socket's send buffer.
    pub send_buffer: usize,
    /// The size of each socket's receive buffer.
    pub recv_buffer: usize,
    /// The longest time that a segment takes; each connection draws its own.
    pub latency: Duration,
    /// The longest time that it takes to look a name up; each look-up draws its own.
    pub look_up: Duration,
    /// The time that each call of the program under test takes, so that it can be late.
    pub call_cost: Duration,
    /// How many descriptors the program under test may have.
    pub descriptors: usize,
    /// What goes wrong by chance.
    pub faults: Faults,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            interface: Interface::Epoll,
            send_buffer: 64 * 1024,
            recv_buffer: 64 * 1024,
            latency: Duration::from_micros(200),
            look_up: Duration::from_millis(10),
            call_cost: Duration::ZERO,
            descriptors: usize::MAX,
            faults: Faults::default(),
        }
    }
}

impl Options {
    /// Draws options from a seed: send buffers of 512 bytes to 64 KiB and receive buffers of up to
    /// 256 KiB, of which a loop does not read all at once, a latency of up to 5 ms, look-ups of up
    /// to 2 s, calls that take up to 50 us, pollers as with epoll in three seeds of four, and
    /// each of the faults of [`Faults::all`] in one seed of two, so that some are met without the
    /// others.
    #[must_use]
    pub fn drawn_from(seed: u64) -> Self {
        // Another sequence than that of the kernel itself.
        let mut random = Random::new(!seed);
        let mut buffer = |sizes| 512 << random.below(sizes);
        let (send_buffer, recv_buffer) = (buffer(8), buffer(10));
        let latency = Duration::from_micros(random.below(5_001) as u64);
        let call_cost = Duration::from_nanos(random.below(50_001) as u64);
        let mut drawn = |most: f64| match random.below(2) {
            0 => 0.0,
            _ => most * (1 + random.below(8)) as f64 / 8.0,
        };
        let Faults { segment, short_send, would_block, reset, reorder, loss, call_error, .. } =
            Faults::all();
        let Faults { duplicate, delay, refuse, look_up, .. } = Faults::all();
        let faults = Faults {
            segment: drawn(segment),
            short_send: drawn(short_send),
            would_block: drawn(would_block),
            reset: drawn(reset),
            reorder: drawn(reorder),
            loss: drawn(loss),
            call_error: drawn(call_error),
            duplicate: drawn(duplicate),
            delay: drawn(delay),
            refuse: drawn(refuse),
            look_up: drawn(look_up),
        };
        let interface = if random.below(4) == 0 { Interface::Kqueue } else { Interface::Epoll };
        let look_up = Duration::from_millis(random.below(2_001) as u64);
        Self {
            interface,
            send_buffer,
            recv_buffer,
            latency,
            look_up,
            call_cost,
            descriptors: usize::MAX,
            faults,
        }
    }
}

/// How probable each fault is, from 0.0 to 1.0. The default is that nothing goes wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Faults {
    /// A segment is cut short, and the rest follows by itself.
    pub segment: f64,
    /// A send takes less than there is room for; the socket is writable again a little later.
    pub short_send: f64,
    /// A send or a receive says `WouldBlock`; the socket is ready again a little later.
    pub would_block: f64,
    /// Both ends of a connection are reset: in the place of a segment, or, ten times as
    /// probable, some time within five seconds after it has come about.
    pub reset: f64,
    /// An event is reported before others that came first.
    pub reorder: f64,
    /// A segment is lost, and sent again after 200 ms, twice as long and so on. A datagram is lost.
    pub loss: f64,
    /// A call of the program under test fails with an error that the system may give: of accept(2),
    /// connect(2), epoll_ctl(2), setsockopt(2), recv(2) and send(2). Of the last two, a connection
    /// breaks.
    pub call_error: f64,
    /// A datagram comes twice.
    pub duplicate: f64,
    /// A datagram is held up for up to 20 ms, and others of the same socket overtake it.
    pub delay: f64,
    /// A socket of the program under test is told that nobody was there to take a datagram
    /// (`ECONNREFUSED`). Linux tells that of sockets that are connected alone.
    pub refuse: f64,
    /// A look-up of a name fails.
    pub look_up: f64,
}

impl Faults {
    /// Every fault, often enough to meet all of them in a few connections.
    #[must_use]
    pub const fn all() -> Self {
        Self {
            segment: 0.3,
            short_send: 0.1,
            would_block: 0.1,
            reset: 0.005,
            reorder: 0.3,
            loss: 0.02,
            call_error: 0.003,
            duplicate: 0.1,
            delay: 0.2,
            refuse: 0.5,
            look_up: 0.2,
        }
    }
}

/// How often each fault was injected, and what else is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// See [`Faults::segment`].
    pub segments: u64,
    /// See [`Faults::short_send`].
    pub short_sends: u64,
    /// See [`Faults::would_block`].
    pub would_blocks: u64,
    /// See [`Faults::reset`].
    pub resets: u64,
    /// See [`Faults::reorder`].
    pub reorders: u64,
    /// Segments and datagrams that were lost, because of [`Faults::loss`] or of a host that was cut
    /// off.
    pub losses: u64,
    /// See [`Faults::call_error`].
    pub call_errors: u64,
    /// Sockets that a loop of the program under test closed more than a second after a call of them
    /// had failed, or a reset was reported.
    pub late_closes: u64,
    /// See [`Faults::duplicate`].
    pub duplicates: u64,
    /// See [`Faults::delay`].
    pub delays: u64,
    /// See [`Faults::refuse`].
    pub refusals: u64,
    /// See [`Faults::look_up`].
    pub failed_look_ups: u64,
    /// Datagrams that nobody took, or that a receive buffer had no room for.
    pub drops: u64,
    /// Calls that found no descriptor left (`EMFILE`).
    pub no_descriptors: u64,
    /// Sends of the program under test to a socket in a loop that has no room and that has not
    /// taken all of the send before: a program that waits for its poller makes hardly any.
    pub vain_sends: u64,
}

impl Counts {
    /// Returns all counts with their names. A new field does not compile without its place here.
    fn named(&mut self) -> [(&'static str, &mut u64); 15] {
        macro_rules! named {
            ($($field:ident),*) => {{
                let Self { $($field),* } = self;
                [$((stringify!($field), $field)),*]
            }};
        }
        named! {
            segments, short_sends, would_blocks, resets, reorders, losses, call_errors, late_closes,
            duplicates, delays, refusals, failed_look_ups, drops, no_descriptors, vain_sends
        }
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, mut more: Self) {
        for ((_, sum), (_, more)) in self.named().into_iter().zip(more.named()) {
            *sum += *more;
        }
    }
}

/// All counts with their names, as `segments 3, resets 0`.
impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut counts = *self;
        let all = counts.named().map(|(name, count)| format!("{name} {count}"));
        f.write_str(&all.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_receive_buffers_hold_more_than_a_loop_reads_at_once() {
        let drawn = (0..1_000).map(|seed| Options::drawn_from(seed).recv_buffer);
        let large = drawn.clone().filter(|&buffer| buffer > 64 * 1024).count();
        assert!((100..300).contains(&large), "{large} of 1,000");
        assert!(drawn.clone().filter(|&buffer| buffer <= 4 * 1024).count() >= 300);
        assert_eq!(drawn.clone().max(), Some(256 * 1024));
        assert_eq!(drawn.min(), Some(512));
    }
}
