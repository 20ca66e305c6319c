//! The callback for watched descriptors.

use std::ops::ControlFlow;

use evio_core::Watched;

use super::Events;

impl<'a, C, M> Events<'a, C, M> {
    /// Sets [`Handler::ready`](crate::Handler::ready).
    ///
    /// # Examples
    ///
    /// What is written to a pipe goes to all connections:
    ///
    /// ```no_run
    /// use std::io::Read;
    /// use std::ops::ControlFlow;
    /// use std::os::unix::net::UnixStream;
    /// use evio::{Events, Interest, Server, Tag};
    ///
    /// let (input, output) = UnixStream::pair()?;
    /// let mut input = Some(input);
    /// let events = Events::new()
    ///     .serving(move |event_loop, _| {
    ///         let input = input.take().expect("serving is called once");
    ///         match event_loop.watch(input, Interest::READABLE, Tag::default()) {
    ///             Ok(_) => ControlFlow::Continue(()),
    ///             Err(_) => ControlFlow::Break(()),
    ///         }
    ///     })
    ///     .ready(|watched| {
    ///         let mut news = [0; 4096];
    ///         match watched.read(&mut news) {
    ///             Ok(0) | Err(_) => drop(watched.unwatch()),
    ///             Ok(len) => watched.event_loop().for_each_conn(|mut conn| {
    ///                 conn.write(&news[..len]);
    ///             }),
    ///         }
    ///         ControlFlow::Continue(())
    ///     });
    /// Server::bind(["tcp://localhost:5000"])?.run(events)?;
    /// # drop(output);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn ready(mut self, callback: impl FnMut(&mut Watched<'_>) -> ControlFlow<()> + 'a) -> Self {
        self.ready = Some(Box::new(callback));
        self
    }

    pub(super) fn call_ready(&mut self, watched: &mut Watched<'_>) -> ControlFlow<()> {
        match &mut self.ready {
            Some(callback) => callback(watched),
            None => {
                // As the trait does.
                drop(watched.unwatch());
                ControlFlow::Continue(())
            }
        }
    }
}
