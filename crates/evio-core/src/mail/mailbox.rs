//! A loop's mailbox.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, unbounded};
use evio_sys::{Poller, Waker};

use crate::mail::inbox::{Bounds, Inbox};
use crate::mail::send_error::{SendError, Unsent};
use crate::types::event_target::EventTarget;

/// Messages that a queue keeps the memory for; a burst of more gives it back.
const KEPT: usize = 4096;

/// The receiving end, the loop's own.
///
/// Commands are what programs ask for; there is a bound on them. Controls are what the server and
/// its loops ask of each other; they have a queue of their own without one, for each of them is
/// paid for by a connection or happens once.
#[derive(Debug)]
pub(crate) struct Mailbox<M, O> {
    sender: Arc<MailboxSender<M, O>>,
    incoming: Receiver<O>,
    /// Controls that do not wait for commands.
    urgent: Receiver<O>,
    /// Commands that have been taken and not been carried out.
    commands: VecDeque<M>,
    controls: VecDeque<O>,
    /// There may be mail for which no sender will wake the loop.
    ///
    /// Invariant: true when something was taken and has not been carried out.
    must_look: bool,
}

/// The sending end, shared by everyone else. It owns the waker, so that a wake after the loop's end
/// reaches a descriptor that is still its own.
#[derive(Debug)]
pub(crate) struct MailboxSender<M, O> {
    inbox: Inbox<M>,
    controls: Sender<O>,
    urgent: Sender<O>,
    waker: Waker,
    bounds: Bounds,
}

/// Who may send when many messages wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    AsForAll,
    /// Those whose number is bounded by something else; their bytes are by the mailbox.
    Reserved,
}

/// One piece of mail.
#[derive(Debug)]
pub(crate) enum Envelope<M, O> {
    Command(M),
    Control(O),
}

impl<M, O> Mailbox<M, O> {
    pub(crate) fn new(poller: &Poller, bounds: Bounds) -> io::Result<Self> {
        let (controls, incoming) = unbounded();
        let (urgent_sender, urgent) = unbounded();
        let waker = Waker::new(poller, EventTarget::Waker.token())?;
        let inbox = Inbox::new();
        let sender = MailboxSender { inbox, controls, urgent: urgent_sender, waker, bounds };
        let (commands, controls) = (VecDeque::new(), VecDeque::new());
        let sender = Arc::new(sender);
        Ok(Self { sender, incoming, urgent, commands, controls, must_look: true })
    }

    pub(crate) fn sender(&self) -> &Arc<MailboxSender<M, O>> {
        &self.sender
    }

    /// To be called when the waker was reported.
    pub(crate) fn woken(&mut self) {
        self.sender.waker.acknowledge();
        self.must_look = true;
        self.collect();
    }

    /// Returns whether there may be something to take, which in most turns there is not.
    #[inline]
    pub(crate) fn may_have_mail(&self) -> bool {
        self.must_look
    }

    /// Returns whether there is mail. If not, the next sender wakes the loop; so this is to be
    /// called before it sleeps.
    ///
    /// A loop that found nothing the last time need not look: the sender of something wakes it.
    #[inline]
    pub(crate) fn collect_or_arm_wake(&mut self) -> bool {
        if self.must_look {
            self.collect();
        }
        self.must_look
    }

    /// Takes what comes next of that which was collected. A control comes after every command that
    /// was sent before it, so that what a program sends before it ends the server is still sent.
    pub(crate) fn take(&mut self) -> Option<Envelope<M, O>> {
        let command = self.commands.pop_front().map(Envelope::Command);
        command.or_else(|| self.controls.pop_front().map(Envelope::Control))
    }

    /// Takes an urgent control, which overtakes everything else.
    pub(crate) fn take_urgent(&mut self) -> Option<O> {
        self.urgent.try_recv().ok()
    }

    fn has_collected(&self) -> bool {
        !self.commands.is_empty() || !self.controls.is_empty()
    }

    /// Takes everything that was sent, once nothing is there from the last time: controls before
    /// the commands, to carry them out after them.
    pub(crate) fn collect(&mut self) {
        if self.has_collected() {
            return;
        }
        self.controls.shrink_to(KEPT);
        self.controls.extend(self.incoming.try_iter());
        self.commands.shrink_to(KEPT);
        let has_controls = !self.controls.is_empty() || !self.urgent.is_empty();
        self.sender.inbox.take_all(&mut self.commands, has_controls);
        // A control may have come meanwhile, and its sender have found a wake pending.
        let has_more = !self.incoming.is_empty() || !self.urgent.is_empty();
        self.must_look = self.has_collected() || has_more;
    }

    /// Refuses everything from now on, unless an urgent control waits: what that brings needs the
    /// mailbox. Returns whether everything that was sent has been carried out: what was accepted
    /// is.
    pub(crate) fn close(&mut self) -> bool {
        self.sender.inbox.close(&mut self.commands, || self.urgent.is_empty());
        self.controls.extend(self.incoming.try_iter());
        self.must_look = self.has_collected() || !self.urgent.is_empty();
        !self.must_look
    }
}

impl<M, O> Drop for Mailbox<M, O> {
    fn drop(&mut self) {
        self.sender.inbox.close(&mut self.commands, || true);
    }
}

impl<M, O> MailboxSender<M, O> {
    /// Sends a command that holds so many `bytes`, within the bounds.
    pub(crate) fn try_push(&self, command: M, bytes: usize) -> Result<(), SendError> {
        self.try_push_with(bytes, |commands| commands.push_back(command))
    }

    /// As [`try_push`](Self::try_push), with a function that puts the command into the queue.
    pub(crate) fn try_push_with(
        &self,
        bytes: usize,
        add: impl FnOnce(&mut VecDeque<M>),
    ) -> Result<(), SendError> {
        self.push_within(self.bounds, bytes, add)
    }

    /// As [`try_push_with`](Self::try_push_with), for what `add` makes of a value, which comes back
    /// if there is no room for it.
    pub(crate) fn try_push_value<T>(
        &self,
        room: Room,
        bytes: usize,
        value: T,
        add: impl FnOnce(&mut VecDeque<M>, T),
    ) -> Result<(), Unsent<T>> {
        let messages = match room {
            Room::AsForAll => self.bounds.messages,
            Room::Reserved => usize::MAX,
        };
        let bounds = Bounds { messages, ..self.bounds };
        let mut value = Some(value);
        let result = self.push_within(bounds, bytes, |commands| {
            if let Some(value) = value.take() {
                add(commands, value);
            }
        });
        match (result, value) {
            (Err(error), Some(value)) => Err(Unsent::new(value, error)),
            // What is in the queue is on its way.
            _ => Ok(()),
        }
    }

    /// Sends a command that makes room, such as an ending: when the mailbox is full, there is as
    /// much room again for these.
    pub(crate) fn push_reserved(&self, command: M) -> Result<(), SendError> {
        let messages = self.bounds.messages.saturating_mul(2).max(2);
        let bounds = Bounds { messages, bytes: usize::MAX };
        self.push_within(bounds, 0, |commands| commands.push_back(command))
    }

    /// Sends a command however many wait: only for those that there can be few of.
    pub(crate) fn push_unbounded(&self, command: M) -> Result<(), SendError> {
        let bounds = Bounds { messages: usize::MAX, bytes: usize::MAX };
        self.push_within(bounds, 0, |commands| commands.push_back(command))
    }

    fn push_within(
        &self,
        bounds: Bounds,
        bytes: usize,
        add: impl FnOnce(&mut VecDeque<M>),
    ) -> Result<(), SendError> {
        if self.inbox.try_push(bounds, bytes, add)? {
            self.wake();
        }
        Ok(())
    }

    /// Sends a control. A loop that has ended gives it back.
    pub(crate) fn control(&self, control: O) -> Result<(), O> {
        self.send_control(&self.controls, control)
    }

    /// Sends a control that does not wait for the commands before it.
    pub(crate) fn urgent_control(&self, control: O) -> Result<(), O> {
        self.send_control(&self.urgent, control)
    }

    fn send_control(&self, queue: &Sender<O>, control: O) -> Result<(), O> {
        let mut control = Some(control);
        let has_to_wake = self.inbox.notify(|| {
            // Received for as long as the inbox is not closed.
            control = control.take().and_then(|one| Some(queue.send(one).err()?.into_inner()));
        });
        if has_to_wake == Ok(true) {
            self.wake();
        }
        control.map_or(Ok(()), Err)
    }

    /// The mail is there by now. If the system refuses the wake, it is carried out with the next.
    fn wake(&self) {
        if self.waker.wake().is_err() {
            self.inbox.clear_wake_pending();
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
