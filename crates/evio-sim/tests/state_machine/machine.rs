//! A handler that does anything at any time.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::Duration;

use evio::{
    Action, CloseReason, Conn, ConnId, Handler, Loop, LoopTimer, MessageSender, Origin,
    PauseReason, Reply, Serving,
};

use super::model::{LATE, Model, Source, World};
use super::{ADDRESS, LIMITS};

/// Nobody listens here.
const REFUSED: &str = "10.0.0.1:9";
/// The tags of loop timers below this take back the pause for that reason.
const REASONS: usize = 4;

pub(super) struct Machine {
    world: Rc<RefCell<World>>,
    messages: Option<MessageSender<u64>>,
    /// Replies that are owed, and those they are owed to.
    replies: Vec<(ConnId, Reply)>,
}

impl Machine {
    pub(super) fn new(world: Rc<RefCell<World>>) -> Self {
        Self { world, messages: None, replies: Vec::new() }
    }

    fn draw(&self, bound: usize) -> usize {
        self.world.borrow().draw(bound)
    }

    fn draw_time(&self, longest_ms: usize) -> Duration {
        Duration::from_millis(self.draw(longest_ms) as u64)
    }

    /// Begins a callback of a connection.
    fn check(&self, conn: &Conn<'_>) {
        let world = self.world.borrow();
        world.check();
        if let Some(model) = world.models.get(&conn.id()) {
            model.check(conn, world.now());
        }
    }

    fn with_model<R>(&self, id: ConnId, with: impl FnOnce(&mut Model, Duration) -> R) -> R {
        let mut world = self.world.borrow_mut();
        let now = world.now();
        with(world.model(id), now)
    }

    /// Does a few things with a connection, and perhaps ends it.
    fn act(&mut self, conn: &mut Conn<'_>) -> Action {
        for _ in 0..self.draw(4) {
            let other = self.draw_other(conn.id());
            match other.and_then(|other| conn.sibling(other)) {
                Some(mut other) => self.act_once(&mut other),
                None => self.act_once(conn),
            }
        }
        if self.draw(60) > 0 {
            return Action::None;
        }
        self.note_end(conn);
        Action::Close
    }

    fn note_end(&self, conn: &Conn<'_>) {
        self.with_model(conn.id(), |model, now| model.note_end(now));
    }

    /// Draws another connection, in one of three cases.
    fn draw_other(&self, id: ConnId) -> Option<ConnId> {
        let world = self.world.borrow();
        let others: Vec<_> = world.models.iter().filter(|(_, model)| !model.has_ended).collect();
        let &(&other, _) = others.get(world.draw(3 * others.len()))?;
        (other != id).then_some(other)
    }

    fn act_once(&mut self, conn: &mut Conn<'_>) {
        if !self.world.borrow().models.contains_key(&conn.id()) {
            // It is still connecting.
            return;
        }
        match self.draw(24) {
            0..=7 => self.write(conn),
            8..=10 => self.pause(conn),
            11 => self.resume(conn),
            12 => self.set_timer(conn),
            13 => {
                conn.wake();
                self.with_model(conn.id(), |model, now| _ = model.woken_since.get_or_insert(now));
            }
            14 => self.send_by_handle(conn),
            15 => self.owe(conn),
            16 => self.set_limits(conn),
            17 => self.send_message(),
            18 => {
                let reads = self.draw(2) == 0;
                conn.read_while_congested(reads);
                self.with_model(conn.id(), |model, _| model.reads_while_congested = reads);
            }
            19 => self.begin_another(conn),
            20 if self.draw(4) == 0 => {
                self.note_end(conn);
                conn.shutdown_write();
            }
            21 if self.draw(8) == 0 => {
                self.note_end(conn);
                conn.close();
            }
            22 if self.draw(8) == 0 => {
                self.with_model(conn.id(), |model, _| model.may_reset = true);
                conn.abort();
            }
            _ => {}
        }
    }

    /// Writes in one of the ways, often exactly up to the watermark.
    fn write(&mut self, conn: &mut Conn<'_>) {
        if !conn.takes_output() {
            return conn.write(b"nobody gets this");
        }
        let room = conn.output_room();
        let len = match self.draw(5) {
            0 | 1 => self.draw(200),
            2 => self.draw(20_000),
            // Three bytes of each frame are not of its content.
            _ => (room + self.draw(3)).saturating_sub(5).min(30_000),
        };
        let frame = self.with_model(conn.id(), |model, _| model.next_frame(Source::Callback, len));
        match self.draw(4) {
            0 => conn.write(&frame),
            1 => conn.write_owned(frame),
            2 => conn.write_now(&frame),
            _ => conn.write_shared(frame.into()),
        }
        self.with_model(conn.id(), |model, _| model.check_congestion(conn));
    }

    /// Stops the input, and sees to it that it goes on.
    fn pause(&mut self, conn: &mut Conn<'_>) {
        let (id, number, time) = (conn.id(), self.draw(REASONS) as u8, self.draw_time(200));
        let reason = PauseReason::new(number);
        let now = self.world.borrow().now();
        let until = if self.draw(2) == 0 {
            conn.pause_reading_until(reason, conn.now() + time);
            // The turn may have begun earlier.
            Some(now.saturating_sub(LATE) + time)
        } else {
            conn.pause_reading_for(reason);
            let tag = (id, u64::from(number));
            conn.event_loop().set_timer(time, tag).expect("there are few timers");
            None
        };
        self.with_model(id, |model, now| model.note_pause(now, number, until));
    }

    fn resume(&mut self, conn: &mut Conn<'_>) {
        let (id, number) = (conn.id(), self.draw(REASONS) as u8);
        let reason = PauseReason::new(number);
        let is_by_mail = self.draw(2) == 0;
        if is_by_mail {
            conn.handle().resume_reading_for(reason).expect("there is room");
        } else {
            conn.resume_reading_for(reason);
        }
        self.with_model(id, |model, now| model.note_resume(now, number, is_by_mail));
    }

    fn set_timer(&mut self, conn: &mut Conn<'_>) {
        let delay = (self.draw(3) > 0).then(|| self.draw_time(300));
        conn.set_timer(delay);
        self.with_model(conn.id(), |model, now| model.timer = delay.map(|delay| now + delay));
    }

    fn send_by_handle(&mut self, conn: &mut Conn<'_>) {
        let len = self.draw(5_000);
        let frame = self.with_model(conn.id(), |model, now| {
            let frame = model.next_frame(Source::Handle, len);
            model.note_mail(now, Source::Handle);
            frame
        });
        conn.handle().send(frame).expect("there is room");
    }

    fn owe(&mut self, conn: &mut Conn<'_>) {
        let (id, time) = (conn.id(), self.draw_time(100));
        self.replies.push((id, conn.reply()));
        conn.event_loop().set_timer(time, (id, REASONS as u64)).expect("there are few timers");
    }

    /// Gives a reply that is owed, or drops it.
    fn reply(&mut self, to: ConnId) {
        let Some(place) = self.replies.iter().position(|&(id, _)| id == to) else { return };
        let (_, reply) = self.replies.swap_remove(place);
        if self.draw(4) > 0 {
            let len = self.draw(2_000);
            let frame = self.with_model(to, |model, now| {
                let frame = model.next_frame(Source::Reply, len);
                model.note_mail(now, Source::Reply);
                frame
            });
            reply.send(frame).expect("there is room for replies");
        }
    }

    fn set_limits(&mut self, conn: &mut Conn<'_>) {
        let limits = LIMITS[self.draw(LIMITS.len())]();
        conn.set_limits(limits);
        self.with_model(conn.id(), |model, _| {
            model.limits = limits;
            model.check_congestion(conn);
        });
    }

    fn send_message(&mut self) {
        let world = &mut *self.world.borrow_mut();
        world.messages_sent += 1;
        world.message_since.get_or_insert(world.kernel.now());
        let sender = self.messages.as_ref().expect("it serves");
        sender.send(world.messages_sent).expect("there is room");
    }

    fn begin_another(&mut self, conn: &mut Conn<'_>) {
        let peer = if self.draw(2) == 0 { ADDRESS } else { REFUSED };
        let peer: SocketAddr = peer.parse().expect("an address");
        if let Ok(id) = conn.event_loop().connect(peer, 0) {
            let world = &mut *self.world.borrow_mut();
            world.begun.insert(id, world.kernel.now());
        }
    }
}

impl Handler<u64> for Machine {
    type Context = ();

    fn context(&mut self, conn: &Conn<'_>) {
        let world = &mut *self.world.borrow_mut();
        let address = match conn.origin() {
            Origin::Connected(_) => conn.local_addr(),
            _ => conn.peer_addr(),
        };
        let client = address.ok().and_then(|address| address.as_inet()).expect("a TCP address");
        world.models.insert(conn.id(), Model::new(client, LIMITS[0]()));
        if world.begun.remove(&conn.id()).is_none() {
            world.by_client.insert(client, conn.id());
        }
    }

    fn serving(&mut self, event_loop: &mut Loop<'_>, _: &Serving) -> ControlFlow<()> {
        self.messages = event_loop.handle().message_sender().ok();
        ControlFlow::Continue(())
    }

    fn opened(&mut self, conn: &mut Conn<'_>, (): &mut ()) -> Action {
        match conn.origin() {
            Origin::Connected(_) => Action::Close,
            _ => self.act(conn),
        }
    }

    fn data(&mut self, conn: &mut Conn<'_>, (): &mut (), _: &[u8]) -> Action {
        self.check(conn);
        self.with_model(conn.id(), |model, now| model.check_reading(conn, now));
        self.act(conn)
    }

    fn woken(&mut self, conn: &mut Conn<'_>, (): &mut ()) -> Action {
        self.check(conn);
        let since = self.with_model(conn.id(), |model, _| model.woken_since.take());
        assert!(since.is_some(), "nobody has woken it");
        self.act(conn)
    }

    fn drained(&mut self, conn: &mut Conn<'_>, (): &mut ()) -> Action {
        self.with_model(conn.id(), |model, now| model.note_drained(conn, now));
        self.check(conn);
        self.act(conn)
    }

    fn timer(&mut self, conn: &mut Conn<'_>, (): &mut ()) -> Action {
        self.check(conn);
        let (due, now) = self.with_model(conn.id(), |model, now| (model.timer.take(), now));
        let due = due.expect("the timer is set");
        assert!(now >= due, "the timer of {due:?} has come at {now:?}");
        self.act(conn)
    }

    fn peer_closed(&mut self, conn: &mut Conn<'_>, (): &mut ()) -> Action {
        self.check(conn);
        let _ = self.act(conn);
        self.note_end(conn);
        Action::Close
    }

    fn unanswered(&mut self, conn: &mut Conn<'_>, (): &mut ()) -> Action {
        self.act(conn)
    }

    fn closed(&mut self, conn: &mut Conn<'_>, (): (), reason: CloseReason) -> ControlFlow<()> {
        // A shutdown ends what is left when the clients have gone.
        let is_over = self.world.borrow().clients == 0;
        let is_expected = match reason {
            CloseReason::PeerClosed | CloseReason::Closed => true,
            CloseReason::Aborted => self.with_model(conn.id(), |model, _| model.may_reset),
            CloseReason::Error(ref error) => error.kind() != io::ErrorKind::Other,
            _ => is_over,
        };
        assert!(is_expected, "{:?}: {reason:?}", conn.id());
        self.with_model(conn.id(), |model, _| model.has_ended = true);
        ControlFlow::Continue(())
    }

    fn connect_failed(&mut self, conn: &mut Conn<'_>, _: CloseReason) -> ControlFlow<()> {
        let begun = self.world.borrow_mut().begun.remove(&conn.id());
        assert!(begun.is_some(), "{:?} was not begun", conn.id());
        ControlFlow::Continue(())
    }

    fn message(&mut self, event_loop: &mut Loop<'_>, number: u64) -> ControlFlow<()> {
        let world = &mut *self.world.borrow_mut();
        world.messages_got += 1;
        assert_eq!(number, world.messages_got, "messages come once each, in order");
        if world.messages_got == world.messages_sent {
            world.message_since = None;
        }
        let _ = event_loop;
        ControlFlow::Continue(())
    }

    fn loop_timer(&mut self, event_loop: &mut Loop<'_>, timer: LoopTimer) -> ControlFlow<()> {
        let tag = timer.tag();
        let id = tag.conn.expect("every timer is of a connection");
        if tag.number == REASONS as u64 {
            self.reply(id);
        } else if let Some(mut conn) = event_loop.conn(id) {
            let number = tag.number as u8;
            conn.resume_reading_for(PauseReason::new(number));
            self.with_model(id, |model, now| model.note_resume(now, number, false));
            let action = self.act(&mut conn);
            if action == Action::Close {
                conn.close();
            }
        }
        ControlFlow::Continue(())
    }
}
