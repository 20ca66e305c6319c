//! Messages for the handler of a loop.

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::api::group::Group;
use crate::api::message::Command;
use crate::api::row::Row;
use crate::mail::send_error::Unsent;
use crate::types::message_type::WrongMessageType;

/// Sends messages to the handler of a loop, from any thread and from other loops.
///
/// [`Handler::message`](crate::Handler::message) gets them on the loop's thread, those of one
/// thread in the order in which they were sent. What may wait is bounded, by `mailbox_capacity` and
/// `mailbox_bytes` of the `Server` of the `evio` crate, or of [`Config`](crate::Config) where this
/// crate is used alone; what finds no room comes back.
///
/// [`LoopHandle::message_sender`](crate::LoopHandle::message_sender) makes one.
///
/// # Examples
///
/// ```
/// use std::ops::ControlFlow;
/// # use evio_core as evio;
/// use evio::{Action, Conn, Handler, Loop, MessageSender};
///
/// /// Tells the handlers of all loops what is new.
/// struct News {
///     loops: Vec<MessageSender<String>>,
/// }
///
/// impl Handler<String> for News {
///     type Context = ();
///
///     fn context(&mut self, _: &Conn<'_>) {}
///
///     fn data(&mut self, _: &mut Conn<'_>, _: &mut (), input: &[u8]) -> Action {
///         let news = String::from_utf8_lossy(input);
///         for event_loop in &self.loops {
///             if let Err(unsent) = event_loop.send(news.to_string()) {
///                 eprintln!("{}: {}", unsent.error(), unsent.into_inner());
///             }
///         }
///         Action::None
///     }
///
///     fn message(&mut self, event_loop: &mut Loop<'_>, news: String) -> ControlFlow<()> {
///         event_loop.for_each_conn(|mut conn| conn.write(news.as_bytes()));
///         ControlFlow::Continue(())
///     }
/// }
/// ```
///
/// A message can be a question. It brings along where the answer goes to:
///
/// ```
/// use std::ops::ControlFlow;
/// use std::sync::mpsc;
/// # use evio_core as evio;
/// use evio::{Action, CloseReason, Conn, Handler, Loop, MessageSender};
///
/// /// What other threads ask the handler of a loop.
/// enum Question {
///     /// How many clients are there?
///     Clients(mpsc::Sender<usize>),
/// }
///
/// #[derive(Default)]
/// struct Counter {
///     clients: usize,
/// }
///
/// impl Handler<Question> for Counter {
///     type Context = ();
///
///     fn context(&mut self, _: &Conn<'_>) {
///         self.clients += 1;
///     }
///
///     fn data(&mut self, _: &mut Conn<'_>, _: &mut (), _: &[u8]) -> Action {
///         Action::None
///     }
///
///     fn closed(&mut self, _: &mut Conn<'_>, _: (), _: CloseReason) -> ControlFlow<()> {
///         self.clients -= 1;
///         ControlFlow::Continue(())
///     }
///
///     fn message(&mut self, _: &mut Loop<'_>, question: Question) -> ControlFlow<()> {
///         match question {
///             // It fails when nobody waits for the answer any more.
///             Question::Clients(answer) => drop(answer.send(self.clients)),
///         }
///         ControlFlow::Continue(())
///     }
/// }
///
/// /// Asks from any thread but that of the loop, which would wait for itself. There is no answer
/// /// when the server has ended.
/// fn count_clients(handler: &MessageSender<Question>) -> Option<usize> {
///     let (answer, answers) = mpsc::channel();
///     handler.send(Question::Clients(answer)).ok()?;
///     answers.recv().ok()
/// }
/// ```
///
/// A message can be a task as well, which reaches the handler and its loop:
///
/// ```
/// use std::ops::ControlFlow;
/// # use evio_core as evio;
/// use evio::{Action, Conn, Handler, Loop};
///
/// struct Counter {
///     requests: u64,
/// }
///
/// type Task = Box<dyn FnOnce(&mut Counter, &mut Loop<'_>) + Send>;
///
/// impl Handler<Task> for Counter {
///     type Context = ();
///
///     fn context(&mut self, _: &Conn<'_>) {}
///
///     fn data(&mut self, _: &mut Conn<'_>, _: &mut (), _: &[u8]) -> Action {
///         self.requests += 1;
///         Action::None
///     }
///
///     fn message(&mut self, event_loop: &mut Loop<'_>, task: Task) -> ControlFlow<()> {
///         task(self, event_loop);
///         ControlFlow::Continue(())
///     }
/// }
/// ```
pub struct MessageSender<M> {
    group: Arc<Group>,
    loop_id: u16,
    message: PhantomData<fn(M)>,
}

impl<M: Send + 'static> MessageSender<M> {
    pub(crate) fn new(group: Arc<Group>, loop_id: u16) -> Result<Self, WrongMessageType> {
        group.message_type.expect::<M>()?;
        Ok(Self { group, loop_id, message: PhantomData })
    }

    /// Returns the index of the loop.
    #[must_use]
    pub fn loop_id(&self) -> usize {
        usize::from(self.loop_id)
    }

    /// Sends a message, which takes as much of `mailbox_bytes` as the size of its type.
    ///
    /// # Errors
    ///
    /// The message, with what [`SendError`](crate::SendError) says of it.
    pub fn send(&self, message: M) -> Result<(), Unsent<M>> {
        self.send_with(message, 0)
    }

    /// Sends a message that takes `bytes` more of `mailbox_bytes` than the size of its type, such
    /// as the length of a `Vec` that it holds.
    ///
    /// # Errors
    ///
    /// The message, with what [`SendError`](crate::SendError) says of it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use evio_core as evio;
    /// use evio::MessageSender;
    ///
    /// /// Passes on an upload, or says which loop has no room for it.
    /// fn pass_on(handler: &MessageSender<Vec<u8>>, upload: Vec<u8>) {
    ///     let len = upload.len();
    ///     if let Err(unsent) = handler.send_with(upload, len) {
    ///         eprintln!("loop {}: {}", handler.loop_id(), unsent.error());
    ///     }
    /// }
    /// ```
    pub fn send_with(&self, message: M, bytes: usize) -> Result<(), Unsent<M>> {
        let mailbox = self.group.mailbox(self.loop_id);
        Row::send(mailbox, bytes, message, Messages::push, |row| {
            Command::Messages(Messages { row, len: 1 })
        })
    }
}

impl<M> Clone for MessageSender<M> {
    fn clone(&self) -> Self {
        let Self { group, loop_id, message } = self;
        Self { group: Arc::clone(group), loop_id: *loop_id, message: *message }
    }
}

impl<M> fmt::Debug for MessageSender<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageSender").field("loop_id", &self.loop_id).finish_non_exhaustive()
    }
}

/// Messages of the type that the handlers of a group take.
pub(crate) struct Messages {
    row: Box<dyn Any + Send>,
    len: usize,
}

impl Messages {
    /// Puts a message at the end of the queue, if it can together with those there.
    fn push<M: Send + 'static>(commands: &mut VecDeque<Command>, message: M) {
        if let Some(Command::Messages(Self { row, len })) = commands.back_mut() {
            if let Some(row) = row.downcast_mut::<Row<M>>().filter(|row| row.has_room()) {
                row.push(message);
                *len += 1;
                return;
            }
        }
        commands.push_back(Command::Messages(Self { row: Box::new(Row::new(message)), len: 1 }));
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Returns the messages, which are of the type that the group has let pass.
    pub(crate) fn into_values<M: 'static>(self) -> impl Iterator<Item = M> {
        let row = self.row.downcast::<Row<M>>();
        debug_assert!(row.is_ok(), "messages of another type than the handler's");
        row.ok().into_iter().flat_map(|row| row.into_values())
    }
}

impl fmt::Debug for Messages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Messages").field("len", &self.len).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
