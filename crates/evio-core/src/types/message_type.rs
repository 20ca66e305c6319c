//! The type of the messages of a group.

use std::any::{TypeId, type_name};
use std::error;
use std::fmt;
use std::sync::OnceLock;

/// The type of the messages that the handlers of a group take: that of the first who says so.
#[derive(Debug, Default)]
pub(crate) struct MessageType(OnceLock<(TypeId, &'static str)>);

impl MessageType {
    pub(crate) fn expect<M: 'static>(&self) -> Result<(), WrongMessageType> {
        let wanted = (TypeId::of::<M>(), type_name::<M>());
        let known = self.0.get_or_init(|| wanted);
        if known.0 == wanted.0 {
            return Ok(());
        }
        Err(WrongMessageType { wanted: wanted.1, known: known.1 })
    }
}

/// The handlers of a group take messages of another type.
///
/// # Examples
///
/// ```
/// # use evio_core as evio;
/// use evio::{LoopHandle, MessageSender, WrongMessageType};
///
/// /// Returns a sender for each loop of a server, whose handlers must take strings.
/// fn senders(handle: &LoopHandle) -> Result<Vec<MessageSender<String>>, WrongMessageType> {
///     let loops = (0..handle.loops()).filter_map(|loop_id| handle.of_loop(loop_id));
///     loops.map(|event_loop| event_loop.message_sender()).collect()
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongMessageType {
    wanted: &'static str,
    known: &'static str,
}

impl fmt::Display for WrongMessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { wanted, known } = self;
        write!(f, "this group's messages are of type {known}, not {wanted}")
    }
}

impl error::Error for WrongMessageType {}
