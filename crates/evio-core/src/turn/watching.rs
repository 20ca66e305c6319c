//! From an event of a watched descriptor to `Handler::ready`.

use evio_sys::Event;

use crate::api::handler::Handler;
use crate::api::watched::Watched;
use crate::turn::runner::Runner;

impl<M: 'static, H: Handler<M>> Runner<M, H> {
    /// Tells the handler, once for each event: however much there is to read, that is its share of
    /// a turn. A callback before may have ended the watch.
    ///
    /// Apart from `dispatch_all`, which is for requests.
    #[inline(never)]
    pub(super) fn watch_ready(&mut self, slot: u32, event: Event) {
        if let Some(number) = self.state.watches.find(slot) {
            let flow = self.handler.ready(&mut Watched::new(&mut self.state, number, event));
            self.apply_flow(flow);
        }
    }
}
