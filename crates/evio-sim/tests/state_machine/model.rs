//! What is known of each connection, and what has to come of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use evio::{Conn, ConnId, Limits};
use evio_sys::sim::Kernel;

/// What is asked for has come to pass by then, whatever the faults.
pub(super) const SOON: Duration = Duration::from_millis(200);
/// How much later than its time a deadline may be looked at: three steps of the wheel and one that
/// is counted twice at the beginning, and a turn.
pub(super) const LATE: Duration = Duration::from_millis(4 * 16 + 20);

/// Who has written: the output of each arrives in order.
pub(super) const SOURCES: usize = 3;
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Callback,
    Handle,
    Reply,
}

#[derive(Debug)]
pub(super) struct Model {
    pub(super) client: SocketAddr,
    pub(super) limits: Limits,
    /// How many bytes each source has written.
    pub(super) written: [usize; SOURCES],
    /// When mail was sent, its source, and how many bytes that had written by then.
    mail: Vec<(Duration, Source, usize)>,
    /// Reasons that stop the input for sure, and until when.
    paused: BTreeMap<u8, Option<Duration>>,
    /// Mail that takes a reason back may still come.
    resumed_by_mail: BTreeMap<u8, Duration>,
    pub(super) reads_while_congested: bool,
    pub(super) is_congested: bool,
    /// Mail may have added output since.
    pub(super) has_mail: bool,
    pub(super) timer: Option<Duration>,
    pub(super) woken_since: Option<Duration>,
    /// The peer may be told by a reset.
    pub(super) may_reset: bool,
    pub(super) has_ended: bool,
    /// When it was asked to end, or its output was.
    end_asked: Option<Duration>,
}

/// All connections, and what the loop as a whole owes.
pub(super) struct World {
    pub(super) kernel: Kernel,
    pub(super) models: BTreeMap<ConnId, Model>,
    pub(super) by_client: BTreeMap<SocketAddr, ConnId>,
    /// Connections that were begun, and when.
    pub(super) begun: BTreeMap<ConnId, Duration>,
    pub(super) messages_sent: u64,
    pub(super) messages_got: u64,
    pub(super) message_since: Option<Duration>,
    /// Clients that have not come to their end.
    pub(super) clients: u32,
}

/// Returns a byte of what a source writes to a client.
pub(super) fn byte(client: SocketAddr, source: usize, at: usize) -> u8 {
    ((at * 31 + source * 7 + usize::from(client.port()) * 3) % 251) as u8
}

impl Model {
    pub(super) fn new(client: SocketAddr, limits: Limits) -> Self {
        Self {
            client,
            limits,
            written: [0; SOURCES],
            mail: Vec::new(),
            paused: BTreeMap::new(),
            resumed_by_mail: BTreeMap::new(),
            reads_while_congested: false,
            is_congested: false,
            has_mail: false,
            timer: None,
            woken_since: None,
            may_reset: false,
            has_ended: false,
            end_asked: None,
        }
    }

    /// Returns what a source writes next: who it is, how long it is, and the bytes.
    pub(super) fn next_frame(&mut self, source: Source, len: usize) -> Vec<u8> {
        let (number, len) = (source as usize, len.clamp(1, usize::from(u16::MAX)));
        let at = self.written[number];
        self.written[number] += len;
        let mut frame = vec![number as u8];
        frame.extend((len as u16).to_le_bytes());
        frame.extend((at..at + len).map(|at| byte(self.client, number, at)));
        frame
    }

    pub(super) fn note_mail(&mut self, now: Duration, source: Source) {
        self.mail.push((now, source, self.written[source as usize]));
        self.has_mail = true;
    }

    pub(super) fn note_pause(&mut self, now: Duration, reason: u8, until: Option<Duration>) {
        self.paused.remove(&reason);
        if self.resumed_by_mail.get(&reason).is_none_or(|&sent| sent + SOON <= now) {
            self.paused.insert(reason, until);
        }
    }

    pub(super) fn note_resume(&mut self, now: Duration, reason: u8, is_by_mail: bool) {
        self.paused.remove(&reason);
        if is_by_mail {
            self.resumed_by_mail.insert(reason, now);
        }
    }

    /// Notes that nothing more is to be written, unless it was noted before.
    pub(super) fn note_end(&mut self, now: Duration) {
        self.end_asked.get_or_insert(now);
    }

    /// Returns how much of each source has to arrive: mail that was sent right before the end may
    /// come too late.
    pub(super) fn due(&self) -> [usize; SOURCES] {
        let mut due = [self.written[Source::Callback as usize], 0, 0];
        for &(at, source, written) in &self.mail {
            if self.end_asked.is_none_or(|end| at + SOON <= end) {
                due[source as usize] = written;
            }
        }
        due
    }

    /// Notes what output was added, and compares the congestion.
    pub(super) fn check_congestion(&mut self, conn: &Conn<'_>) {
        let is_above = conn.output_len() > self.limits.high_watermark;
        let is_congested = conn.is_congested();
        assert!(is_congested || !is_above, "above the watermark, and not congested");
        assert!(
            !is_congested || is_above || self.is_congested || self.has_mail,
            "congested below the watermark: {} of {}",
            conn.output_len(),
            self.limits.high_watermark
        );
        self.is_congested = is_congested;
    }

    /// Checks what holds when the output has come down, and notes that.
    pub(super) fn note_drained(&mut self, conn: &Conn<'_>, now: Duration) {
        assert!(self.is_congested || self.has_mail, "drained, and was not congested");
        self.is_congested = false;
        // Some may still be on its way.
        self.has_mail = self.mail.last().is_some_and(|&(sent, ..)| now < sent + SOON);
        let low = self.limits.low_watermark.min(self.limits.high_watermark);
        assert!(conn.output_len() <= low, "{} bytes are left", conn.output_len());
    }

    /// Checks what holds before any callback but `drained`.
    pub(super) fn check(&self, conn: &Conn<'_>, now: Duration) {
        assert!(!self.has_ended, "{:?} goes on after its end", conn.id());
        assert!(conn.is_congested() || !self.is_congested, "{:?} was not drained", conn.id());
        if let Some(since) = self.woken_since {
            assert!(now <= since + SOON, "{:?}: the wake of {since:?} is lost", conn.id());
        }
        if let Some(due) = self.timer {
            assert!(now <= due + LATE, "{:?}: the timer of {due:?} is lost", conn.id());
        }
    }

    /// Checks what holds before input is read.
    pub(super) fn check_reading(&self, conn: &Conn<'_>, now: Duration) {
        let stopped = self.paused.iter().find(|(_, end)| end.is_none_or(|end| now < end));
        assert!(stopped.is_none(), "{:?} is read while it is paused: {stopped:?}", conn.id());
        let is_held_up = conn.is_congested() && !self.reads_while_congested;
        assert!(!is_held_up, "{:?} is read while it is congested", conn.id());
    }
}

impl World {
    pub(super) fn new(kernel: Kernel) -> Self {
        Self {
            kernel,
            models: BTreeMap::new(),
            by_client: BTreeMap::new(),
            begun: BTreeMap::new(),
            messages_sent: 0,
            messages_got: 0,
            message_since: None,
            clients: 0,
        }
    }

    pub(super) fn draw(&self, bound: usize) -> usize {
        self.kernel.random_below(bound)
    }

    pub(super) fn now(&self) -> Duration {
        self.kernel.now()
    }

    pub(super) fn model(&mut self, id: ConnId) -> &mut Model {
        self.models.get_mut(&id).expect("a callback is of a connection that was opened")
    }

    /// Checks what the loop owes to nobody in particular.
    pub(super) fn check(&self) {
        let now = self.now();
        for (id, &since) in &self.begun {
            assert!(now <= since + SOON, "{id:?}, begun at {since:?}, has come to nothing");
        }
        if let Some(since) = self.message_since {
            assert!(now <= since + SOON, "the message of {since:?} is lost");
        }
    }
}
