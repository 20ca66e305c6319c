//! The client's check of everything that it receives: whole frames, each in its place.

use std::sync::atomic::Ordering::SeqCst;

use super::client::Client;
use super::frame::{EVERYBODY, FIRST_BROADCASTER, FIRST_SENDER, Frame, LOOP, SENDERS};
use super::world::{LOOPS, World};

impl Client {
    /// Goes over to the frames of a connection that continues with the socket of this one.
    fn go_on(&self, frame: &Frame, number: u32) -> Result<(), String> {
        let mut frames = 0;
        let mut link = self.world.links.lock().get(frame.number as usize).cloned();
        // Those between them must have written nothing.
        while link.as_ref().is_some_and(|link| link.number != number) && frames == 0 {
            link = link.and_then(|link| link.continues.clone());
            frames = link.as_ref().map_or(0, |link| link.server.lock().frames);
        }
        if link.is_none_or(|link| link.number != number) {
            return Err(format!("{frame:?} is of another connection"));
        }
        let mut peer = self.link.peer.lock();
        if peer.taken.frames != frames {
            return Err(format!("{frame:?} after {} of {frames} frames", peer.taken.frames));
        }
        peer.taken = peer.taken_of(frame.number);
        peer.number = frame.number;
        Ok(())
    }

    /// Checks the next bytes.
    ///
    /// # Errors
    ///
    /// Says which frame is wrong.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<(), String> {
        let frames = self.reader.take(bytes)?;
        for frame in frames {
            check_turn(&self.world, &frame)?;
            let number = self.link.peer.lock().number;
            if frame.number != number && frame.number != EVERYBODY {
                self.go_on(&frame, number)?;
            }
            let mut peer = self.link.peer.lock();
            let number = peer.number;
            let taken = &mut peer.taken;
            let expected = match frame.writer {
                LOOP => &mut taken.frames,
                FIRST_SENDER..FIRST_BROADCASTER => {
                    &mut taken.sends[usize::from(frame.writer - FIRST_SENDER)]
                }
                _ => {
                    let is_continued = self.link.is_continued();
                    check_broadcast(&self.world, &frame, &mut taken.broadcasts, is_continued)?;
                    continue;
                }
            };
            if frame.number != number || frame.sequence != *expected {
                return Err(format!("{frame:?}, where frame {expected} of {number} was due"));
            }
            *expected += 1;
        }
        let mut peer = self.link.peer.lock();
        peer.taken.bytes += bytes.len() as u64;
        peer.taken.is_partial = !self.reader.is_between();
        Ok(())
    }
}

/// Checks that a frame has waited for `pre_write`.
fn check_turn(world: &World, frame: &Frame) -> Result<(), String> {
    let loop_id = usize::from(frame.written.loop_id);
    if loop_id >= LOOPS {
        return Ok(());
    }
    let pre_writes = world.loops[loop_id].pre_writes.load(SeqCst);
    if pre_writes <= frame.written.pre_writes {
        return Err(format!("{frame:?} came before pre_write"));
    }
    if world.loops[loop_id].withheld.lock().contains(&frame.written.pre_writes) {
        return Err(format!("{frame:?} came although pre_write withheld it"));
    }
    Ok(())
}

/// Checks that broadcasts come in order, once, and none is left out that was not refused.
fn check_broadcast(
    world: &World,
    frame: &Frame,
    last: &mut [Option<u32>; SENDERS],
    is_continued: bool,
) -> Result<(), String> {
    let sender = usize::from(frame.writer - FIRST_BROADCASTER);
    let Some(last) = last.get_mut(sender).filter(|_| frame.number == EVERYBODY) else {
        return Err(format!("nobody writes {frame:?}"));
    };
    let failed = world.failed_broadcasts.lock();
    let first = last.map_or(frame.sequence, |last| last + 1);
    let is_left_out = |number: &u32| !failed.contains(&(sender, *number));
    let missing = (first..frame.sequence).find(is_left_out);
    // While a socket was in no loop, it got none; and it gets one again from a loop that comes to
    // it later than the one that it has left.
    if (first > frame.sequence || missing.is_some()) && !is_continued {
        return Err(format!("{frame:?} after {last:?}"));
    }
    *last = (*last).max(Some(frame.sequence));
    Ok(())
}
