//! From the read buffer to `Handler::data`, and from a UDP socket to `Handler::datagram`.

use crate::api::event_loop_access::Loop;
use crate::api::handler::Handler;
use crate::api::udp::Udp;
use crate::datagram::datagrams::Reception;
use crate::table::receiving::Receipt;
use crate::turn::runner::{ReadRequest, Runner};
use crate::types::action::CloseReason;
use crate::types::cold_path::cold_path;

impl<M: 'static, H: Handler<M>> Runner<M, H> {
    /// Reads once, up to `share` bytes, and tells the handler.
    #[inline(always)]
    pub(super) fn receive(&mut self, request: ReadRequest, share: usize) {
        let ReadRequest { key, must_read_on } = request;
        match self.state.table.receive(key, must_read_on, &mut self.buffer[..share]) {
            Receipt::Data(len) => self.call_with_input(
                key,
                len,
                CloseReason::Closed,
                |handler, conn, context, input| handler.data(conn, context, input),
            ),
            Receipt::Nothing => cold_path(),
            Receipt::End => {
                cold_path();
                self.call_for(key, CloseReason::PeerClosed, |handler, conn, context| {
                    handler.peer_closed(conn, context)
                });
            }
        }
    }

    pub(super) fn receive_datagrams(&mut self, slot: u32) {
        for attempt in 0..self.state.datagrams.share() {
            let state = &mut self.state;
            let (buffer, poller) = (&mut self.buffer[..], &state.poller);
            match state.datagrams.receive(slot, attempt == 0, buffer, poller) {
                Reception::Datagram(received) => {
                    let peer = received.peer;
                    let conversation = received.local.map(|local| (peer, local));
                    let mut socket = Udp::new(state, slot, conversation);
                    let input = &self.buffer[..received.len];
                    let flow = self.handler.datagram(&mut socket, peer, input);
                    self.apply_flow(flow);
                }
                Reception::Again => {}
                Reception::Done => return,
                Reception::Failed(address_index, error) => {
                    return self.listener_failed(address_index, &error);
                }
            }
        }
    }

    pub(super) fn listener_failed(&mut self, address_index: u16, error: &std::io::Error) {
        let event_loop = &mut Loop::new(&mut self.state);
        let flow = self.handler.listener_failed(event_loop, address_index, error);
        self.apply_flow(flow);
    }
}

#[cfg(test)]
mod tests;
