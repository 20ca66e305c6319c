//! The closure for dials that have failed.

use std::ops::ControlFlow;

use evio_core::{DialError, Loop};

use crate::events::Events;

pub(super) type Callback<'a> = Box<dyn FnMut(&mut Loop<'_>, DialError) -> ControlFlow<()> + 'a>;

impl<'a, C, M> Events<'a, C, M> {
    /// Sets [`Handler::dial_failed`](crate::Handler::dial_failed).
    ///
    /// # Examples
    ///
    /// See [`Resolver`](crate::Resolver).
    #[must_use]
    pub fn dial_failed(
        mut self,
        callback: impl FnMut(&mut Loop<'_>, DialError) -> ControlFlow<()> + 'a,
    ) -> Self {
        self.dial_failed = Some(Box::new(callback));
        self
    }
}

pub(super) fn call(
    callback: &mut Option<Callback<'_>>,
    event_loop: &mut Loop<'_>,
    error: DialError,
) -> ControlFlow<()> {
    match callback {
        Some(callback) => callback(event_loop, error),
        None => ControlFlow::Continue(()),
    }
}
