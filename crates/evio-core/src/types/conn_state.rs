//! What other threads are told of a connection.

use std::sync::Arc;
#[cfg(not(all(test, loom)))]
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

#[cfg(all(test, loom))]
use loom::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

/// How a connection stands, as [`ConnHandle::state`](crate::ConnHandle::state) tells it.
///
/// # Examples
///
/// See [`ConnHandle`](crate::ConnHandle).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConnState {
    /// What is sent to it goes out.
    Open,
    /// More output waits for the peer than the high watermark of its
    /// [`Limits`](crate::Limits::high_watermark) allows, in the connection or on the way to it.
    Congested,
    /// It takes no output any more: it has ended, is ending, or has ended its output.
    Ended,
}

/// How a connection stands, shared with its handles.
#[derive(Debug)]
pub(crate) struct ConnStatus {
    /// A [`ConnState`], written by the loop alone.
    state: AtomicU8,
    high_watermark: AtomicUsize,
    /// Bytes that handles have sent and that the loop has not carried out.
    in_mail: AtomicUsize,
}

const OPEN: u8 = 0;
const CONGESTED: u8 = 1;
const ENDED: u8 = 2;

impl ConnStatus {
    pub(crate) fn state(&self) -> ConnState {
        match self.state.load(Ordering::Relaxed) {
            ENDED => ConnState::Ended,
            OPEN if !self.has_too_much_mail() => ConnState::Open,
            _ => ConnState::Congested,
        }
    }

    fn has_too_much_mail(&self) -> bool {
        self.in_mail.load(Ordering::Relaxed) > self.high_watermark.load(Ordering::Relaxed)
    }

    /// Notes bytes that are about to be sent.
    pub(crate) fn add_mail(&self, bytes: usize) {
        self.in_mail.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Notes bytes that were carried out, or not sent.
    pub(crate) fn remove_mail(&self, bytes: usize) {
        let before = self.in_mail.fetch_sub(bytes, Ordering::Relaxed);
        debug_assert!(before >= bytes, "bytes are counted before they are sent");
    }
}

/// The loop's end of a [`ConnStatus`]: when it is dropped, the connection has ended.
#[derive(Debug)]
pub(crate) struct StatusWriter(Arc<ConnStatus>);

impl StatusWriter {
    pub(crate) fn new(state: ConnState, high_watermark: usize) -> Self {
        let writer = Self(Arc::new(ConnStatus {
            state: AtomicU8::new(OPEN),
            high_watermark: AtomicUsize::new(high_watermark),
            in_mail: AtomicUsize::new(0),
        }));
        writer.set(state);
        writer
    }

    pub(crate) fn status(&self) -> &Arc<ConnStatus> {
        &self.0
    }

    pub(crate) fn set(&self, state: ConnState) {
        let state = match state {
            ConnState::Open => OPEN,
            ConnState::Congested => CONGESTED,
            ConnState::Ended => ENDED,
        };
        self.0.state.store(state, Ordering::Relaxed);
    }

    pub(crate) fn set_high_watermark(&self, bytes: usize) {
        self.0.high_watermark.store(bytes, Ordering::Relaxed);
    }
}

impl Drop for StatusWriter {
    fn drop(&mut self) {
        self.set(ConnState::Ended);
    }
}

/// `RUSTFLAGS="--cfg loom" cargo test -p evio-core --lib conn_state` goes through every
/// interleaving of those who send to a connection and its loop.
#[cfg(all(test, loom))]
mod tests {
    use loom::sync::Mutex;
    use loom::thread;

    use super::*;

    /// What a sender does whose message finds room, or not.
    fn send(status: &ConnStatus, mailbox: &Mutex<Vec<usize>>, has_room: bool) {
        status.add_mail(3);
        if has_room {
            mailbox.lock().unwrap().push(3);
        } else {
            status.remove_mail(3);
        }
    }

    #[test]
    fn what_was_carried_out_is_no_mail_and_an_end_is_told() {
        for has_room in [true, false] {
            loom::model(move || {
                let writer = StatusWriter::new(ConnState::Open, 5);
                let mailbox = Arc::new(Mutex::new(Vec::new()));
                let senders = [true, has_room].map(|has_room| {
                    let (status, mailbox) = (Arc::clone(writer.status()), Arc::clone(&mailbox));
                    thread::spawn(move || send(&status, &mailbox, has_room))
                });
                let status = Arc::clone(writer.status());
                let carry_out = || {
                    let mail = std::mem::take(&mut *mailbox.lock().unwrap());
                    mail.into_iter().for_each(|bytes| status.remove_mail(bytes));
                };
                carry_out();
                senders.map(|sender| sender.join().unwrap());
                carry_out();
                assert_eq!(status.state(), ConnState::Open, "nothing is on the way");
                drop(writer);
                assert_eq!(status.state(), ConnState::Ended);
            });
        }
    }
}
