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
    /// Another thread asks how many clients there are. The message is where the answer goes to:
    ///
    /// ```
    /// use std::net::TcpStream;
    /// use std::ops::ControlFlow;
    /// use std::sync::mpsc;
    /// use std::thread;
    /// use evio::{Action, Events, Server};
    ///
    /// let server = Server::bind(["tcp://127.0.0.1:0"])?;
    /// let address = server.local_addrs()[0].addr().as_inet().expect("a TCP address");
    /// let (found, result) = mpsc::channel();
    /// let events = Events::new()
    ///     .opened(|conn, _| {
    ///         let (found, server) = (found.clone(), conn.loop_handle());
    ///         let handler = server.message_sender::<mpsc::Sender<usize>>().expect("its type");
    ///         thread::spawn(move || {
    ///             let (answer, answers) = mpsc::channel();
    ///             handler.send(answer).expect("there is room");
    ///             found.send(answers.recv()).expect("the test waits");
    ///             server.shutdown();
    ///         });
    ///         Action::None
    ///     })
    ///     .message(|event_loop, answer: mpsc::Sender<usize>| {
    ///         let mut clients = 0;
    ///         event_loop.for_each_conn(|_| clients += 1);
    ///         // It fails when nobody waits for the answer any more.
    ///         let _ = answer.send(clients);
    ///         ControlFlow::Continue(())
    ///     });
    /// let client = TcpStream::connect(address).expect("the server listens");
    /// server.run(events)?;
    /// assert_eq!(result.recv(), Ok(Ok(1)));
    /// # drop(client);
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
