//! One loop's hold on the others of its group.

use std::sync::Arc;

use crate::api::group::Group;
use crate::api::message::ShutdownMode;

/// Ends the group when one of its loops ends, be it by an error or a panic: a server with a dead
/// loop would go on giving it connections.
pub(super) struct EndGroup {
    pub(super) group: Arc<Group>,
    /// True until the loop has come to its end in good order.
    pub(super) armed: bool,
}

impl Drop for EndGroup {
    fn drop(&mut self) {
        if self.armed {
            self.group.shutdown(ShutdownMode::Immediate);
        }
    }
}
