//! A server that owes replies.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::ops::ControlFlow;

use evio::{Action, CloseReason, Events, Limits, Reply};

use super::{Reports, Running, TCP, bind, reports, start};

/// Keeps what it is given until the test has asked for it.
pub(crate) fn keep(limits: Limits) -> (Running, Reports<Reply>, Reports<CloseReason>) {
    let (replies, owed) = reports();
    let (reasons, ended) = reports();
    let server = start(bind(TCP).limits(limits), move || {
        Events::new()
            .data(move |conn, _, _| {
                replies.send(conn.reply()).unwrap();
                Action::None
            })
            .unanswered(|conn, _| {
                conn.write(b"no answer");
                Action::Close
            })
            .closed(move |_, _, reason| {
                reasons.send(reason).unwrap();
                ControlFlow::Continue(())
            })
    });
    (server, owed, ended)
}
