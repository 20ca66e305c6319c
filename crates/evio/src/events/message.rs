//! The callback for messages, which gives the events their type.

use std::ops::ControlFlow;

use evio_core::Loop;

use super::Events;

impl<'a, C> Events<'a, C> {
    /// Sets [`Handler::message`](crate::Handler::message), for messages of the type that the
    /// callback takes.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::ops::ControlFlow;
    /// use evio::{Events, Server};
    ///
    /// let events = Events::new()
    ///     .serving(|event_loop, _| {
    ///         let sender = event_loop.handle().message_sender::<u32>().expect("a number");
    ///         std::thread::spawn(move || sender.send(7));
    ///         ControlFlow::Continue(())
    ///     })
    ///     .message(|_, number: u32| {
    ///         assert_eq!(number, 7);
    ///         ControlFlow::Break(())
    ///     });
    /// Server::bind(["tcp://127.0.0.1:0"])?.run(events)?;
    /// # Ok::<(), evio::Error>(())
    /// ```
    #[must_use]
    pub fn message<M>(
        self,
        callback: impl FnMut(&mut Loop<'_>, M) -> ControlFlow<()> + 'a,
    ) -> Events<'a, C, M> {
        Events {
            message: Some(Box::new(callback)),
            context: self.context,
            serving: self.serving,
            opened: self.opened,
            data: self.data,
            woken: self.woken,
            drained: self.drained,
            timer: self.timer,
            peer_closed: self.peer_closed,
            unanswered: self.unanswered,
            stopping: self.stopping,
            closed: self.closed,
            detached: self.detached,
            connect_failed: self.connect_failed,
            dial_failed: self.dial_failed,
            datagram: self.datagram,
            listener_failed: self.listener_failed,
            loop_timer: self.loop_timer,
            ready: self.ready,
            pre_write: self.pre_write,
            tick: self.tick,
        }
    }
}
