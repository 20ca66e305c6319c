//! What other threads have asked for, carried out.

use std::io;
use std::sync::Arc;

use crate::acceptor::BoundListener;
use crate::action::CloseReason;
use crate::conn_id::ConnKey;
use crate::entry::Entry;
use crate::handler::Handler;
use crate::loop_access::Loop;
use crate::loop_state::{LoopState, Shutdown};
use crate::mailbox::{ConnCommand, Mail, Message, Order};
use crate::turn::Running;
use crate::udp::BoundUdp;

/// Messages of other threads carried out in a turn; more would keep the connections waiting.
const MAILBOX_BUDGET: usize = 1024;

impl<H: Handler> Running<H> {
    /// Carries out what was collected, or as much as the budget allows: then the next turn goes on.
    #[inline]
    pub(crate) fn read_mailbox(&mut self) {
        if self.state.mailbox.may_have_mail() {
            self.carry_out_mail();
        }
    }

    fn carry_out_mail(&mut self) {
        let mut budget = MAILBOX_BUDGET;
        while budget > 0 {
            let Some(mail) = self.state.mailbox.take() else { return };
            budget = budget.saturating_sub(mail.count());
            match mail {
                Mail::Message(message) => self.carry_out(message),
                Mail::Order(order) => self.follow_order(order),
            }
        }
    }

    fn carry_out(&mut self, message: Message) {
        match message {
            Message::Conn(key, command) => self.carry_out_on(key, command),
            Message::Broadcast(bytes) => self.broadcast(&bytes),
            Message::Tasks(tasks) => tasks.run(&mut Loop::new(&mut self.state)),
            Message::Listen(bound) => self.listen(*bound),
            Message::Bind(bound) => self.bind(*bound),
            Message::StopListening(index) => self.state.stop_listening(Some(index)),
        }
    }

    fn follow_order(&mut self, order: Order) {
        match order {
            Order::Adopt(accepted) => self.open(accepted),
            Order::AcceptAgain => {
                self.state.mailbox.sender().accepting_again();
                self.state.resume_listeners();
            }
            Order::Shutdown(manner) => self.state.request_shutdown(manner),
        }
    }

    fn carry_out_on(&mut self, key: ConnKey, command: ConnCommand) {
        match command {
            ConnCommand::Wake => {
                self.call(key, |handler, conn, context| handler.woken(conn, context));
            }
            ConnCommand::Send(bytes) => self.state.write_chunk(key, bytes),
            ConnCommand::SendShared(bytes) => self.state.write_chunk(key, bytes),
            ConnCommand::Pause => self.state.set_paused(key, true),
            ConnCommand::Resume => self.state.set_paused(key, false),
            ConnCommand::Close => self.state.close(key, CloseReason::Closed),
            ConnCommand::Abort => self.state.end(key, CloseReason::Aborted, true),
        }
    }

    fn broadcast(&mut self, bytes: &Arc<[u8]>) {
        for key in self.state.conns.keys() {
            if self.state.conns.get(key).is_none_or(Entry::is_connecting) {
                continue;
            }
            self.state.write_chunk(key, Arc::clone(bytes));
        }
    }

    fn listen(&mut self, bound: BoundListener) {
        let address_index = bound.address_index;
        let result = self.unless_ending(|state| state.add_listener(bound));
        self.check_listening(address_index, result);
    }

    fn bind(&mut self, bound: BoundUdp) {
        let address_index = bound.address_index;
        let result = self.unless_ending(|state| state.add_socket(bound));
        self.check_listening(address_index, result);
    }

    /// A server that is ending takes no more sockets; they are closed.
    fn unless_ending(
        &mut self,
        add: impl FnOnce(&mut LoopState) -> io::Result<()>,
    ) -> io::Result<()> {
        if self.state.shutdown == Shutdown::No { add(&mut self.state) } else { Ok(()) }
    }

    fn check_listening(&mut self, address_index: u16, result: io::Result<()>) {
        if let Err(error) = result {
            self.listener_failed(usize::from(address_index), &error);
        }
    }
}
