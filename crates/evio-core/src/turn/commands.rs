//! Carries out what other threads ask for.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::accept::listener::BoundListener;
use crate::api::event_loop_access::Loop;
use crate::api::handler::Handler;
use crate::api::loop_state::LoopState;
use crate::api::message::{Command, ConnCommand, Control, Output};
use crate::api::messages::Messages;
use crate::datagram::bound_udp::BoundUdp;
use crate::mail::mailbox::Envelope;
use crate::turn::broadcast::Broadcast;
use crate::turn::runner::Runner;
use crate::types::action::CloseReason;
use crate::types::conn_id::ConnKey;

impl<M: 'static, H: Handler<M>> Runner<M, H> {
    /// Carries out what was collected, or as much as the budget allows: then the next turn goes on.
    #[inline]
    pub(super) fn read_mailbox(&mut self) {
        if self.mailbox.may_have_mail() || self.broadcast.is_some() {
            self.carry_out_mail();
        }
    }

    fn carry_out_mail(&mut self) {
        // A connection that was handed over does not wait for what others have sent, nor do they
        // wait for any number of connections.
        let for_others = self.mail_budget / 2;
        while self.mail_budget > for_others {
            let Some(control) = self.mailbox.take_urgent() else { break };
            self.mail_budget -= 1;
            self.follow(control);
        }
        while self.mail_budget > 0 {
            if self.broadcast.is_some() {
                self.mail_budget -= 1;
                self.broadcast_to_next();
                continue;
            }
            let Some(envelope) = self.mailbox.take() else { return };
            match envelope {
                Envelope::Command(command) => {
                    self.mail_budget = self.mail_budget.saturating_sub(command.cost());
                    self.carry_out(command);
                }
                Envelope::Control(control) => {
                    self.mail_budget -= 1;
                    self.follow(control);
                }
            }
        }
        if self.state.group.is_ending() && !self.shutdown.is_immediate() {
            self.begin_overdue_shutdown();
        }
    }

    /// Begins a shutdown that waits behind more mail than a turn carries out, when its time is up:
    /// so the loop ends in time however much there is. The rest is carried out after it.
    #[cold]
    fn begin_overdue_shutdown(&mut self) {
        let now = self.state.table.clock().now();
        for (mode, asked_at) in self.state.group.asked_shutdowns() {
            if now.saturating_duration_since(asked_at) >= self.shutdown.timeout_of(mode) {
                self.begin_shutdown(mode, asked_at);
            }
        }
    }

    fn carry_out(&mut self, command: Command) {
        match command {
            Command::Conn(key, command) => self.carry_out_on(key, command),
            Command::Broadcast(bytes) => {
                self.broadcast = Some(Broadcast::new(bytes, &self.state.table));
            }
            Command::Tasks(tasks) => tasks.run(&mut Loop::new(&mut self.state)),
            Command::Messages(messages) => self.deliver(messages),
            Command::Dial(number, addresses) => self.state.give_addresses(number, addresses),
            Command::Listen(bound) => self.listen(*bound),
            Command::Bind(bound) => self.bind(*bound),
            Command::StopListening(index) => {
                self.stop_accepting(Some(index), Duration::MAX);
                self.state.datagrams.stop(Some(index), &self.state.poller);
            }
        }
    }

    /// Gives the handler its messages.
    fn deliver(&mut self, messages: Messages) {
        for message in messages.into_values() {
            let flow = self.handler.message(&mut Loop::new(&mut self.state), message);
            self.apply_flow(flow);
        }
    }

    fn follow(&mut self, control: Control) {
        match control {
            Control::Adopt(accepted) => self.open(accepted),
            Control::AcceptAgain => {
                let now = self.state.table.clock().now();
                let limits = &self.state.group.placement.limits;
                self.acceptor.resume_all(limits, &self.state.poller, now);
            }
            Control::Shutdown(mode, asked_at) => self.begin_shutdown(mode, asked_at),
        }
    }

    fn carry_out_on(&mut self, key: ConnKey, command: ConnCommand) {
        match command {
            ConnCommand::Wake => {
                self.call(key, |handler, conn, context| handler.woken(conn, context));
            }
            ConnCommand::WakeHere => {
                self.state.table.end_wake(key);
                self.call(key, |handler, conn, context| handler.woken(conn, context));
            }
            ConnCommand::Send(output) => self.send(key, output),
            ConnCommand::Reply(output) => {
                self.send(key, output);
                self.note_reply(key);
            }
            ConnCommand::Unanswered => {
                self.call_unanswered(key);
                self.note_reply(key);
            }
            ConnCommand::Pause(reason) => self.state.table.set_paused(key, reason, true),
            ConnCommand::Resume(reason) => self.state.table.set_paused(key, reason, false),
            ConnCommand::Close => self.state.table.close(key, CloseReason::Closed),
            ConnCommand::Abort => self.state.table.end(key, CloseReason::Aborted, true),
        }
    }

    /// Notes that a reply has come, or never will. When input goes on that the number of replies
    /// had stopped, the handler goes on with what it has left of it.
    fn note_reply(&mut self, key: ConnKey) {
        if self.state.table.note_reply(key) {
            self.call(key, |handler, conn, context| handler.woken(conn, context));
        }
    }

    fn send(&mut self, key: ConnKey, output: Output) {
        let LoopState { table, outgoing, .. } = &mut self.state;
        if output.is_counted {
            table.remove_mail(key, output.bytes.len());
        }
        table.push(key, output.bytes.into(), outgoing);
    }

    /// Writes the broadcast that is under way to one connection.
    fn broadcast_to_next(&mut self) {
        let state = &mut self.state;
        let Some(broadcast) = &mut self.broadcast else { return };
        let Some(key) = broadcast.next(&state.table) else {
            self.broadcast = None;
            return;
        };
        if state.table.get(key).is_some_and(|entry| !entry.phase().is_connecting()) {
            let bytes = Arc::clone(&broadcast.bytes);
            state.table.push(key, bytes.into(), &mut state.outgoing);
        }
    }

    fn listen(&mut self, bound: BoundListener) {
        let address_index = bound.address_index();
        // A server that is ending takes no more sockets; they are closed.
        if !self.shutdown.has_begun() {
            let result = self.acceptor.add(bound, &self.state.group.placement, &self.state.poller);
            self.check_listening(address_index, result);
        }
    }

    fn bind(&mut self, bound: BoundUdp) {
        let address_index = bound.address_index();
        if !self.shutdown.has_begun() {
            let result = self.state.datagrams.add(bound, &self.state.poller);
            self.check_listening(address_index, result);
        }
    }

    fn check_listening(&mut self, address_index: u16, result: io::Result<()>) {
        if let Err(error) = result {
            self.listener_failed(address_index, &error);
        }
    }
}

#[cfg(test)]
mod tests;
