//! What the loops send to each other and to all connections.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::mem;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use evio::{Action, Conn, Handler, Loop, LoopHandle, MessageSender, SendError, Server};
use evio_sim::{Faults, Result, for_each_seed};

use crate::common::{ADDRESS, SEEDS, change_faults, draw_loops};

/// The messages that were sent from one loop to another, and those that have come. Dropped with the
/// last loop, it compares them.
#[derive(Default)]
struct Ledger(RefCell<BTreeMap<(usize, usize), (u64, u64)>>);

impl Drop for Ledger {
    fn drop(&mut self) {
        for ((from, to), (sent, given)) in &*self.0.borrow() {
            if !thread::panicking() {
                assert_eq!(sent, given, "from loop {from} to loop {to}");
            }
        }
    }
}

/// Sends messages to all loops for each byte that comes, and passes each message on a few times.
struct Mail {
    loop_id: usize,
    senders: Vec<MessageSender<Message>>,
    ledger: Rc<Ledger>,
    refused: Rc<Cell<u64>>,
}

struct Message {
    from: usize,
    /// Counts from one for each pair of loops.
    number: u64,
    /// How often it is passed on.
    left: u8,
}

impl Mail {
    fn new(event_loop: &LoopHandle, ledger: &Rc<Ledger>, refused: &Rc<Cell<u64>>) -> Self {
        let sender = |to| event_loop.of_loop(to).and_then(|other| other.message_sender().ok());
        let senders = (0..event_loop.loops()).filter_map(sender).collect();
        let (ledger, refused) = (Rc::clone(ledger), Rc::clone(refused));
        Self { loop_id: event_loop.loop_id(), senders, ledger, refused }
    }

    fn send(&self, to: usize, left: u8) {
        let from = self.loop_id;
        let mut sums = self.ledger.0.borrow_mut();
        let (sent, _) = sums.entry((from, to)).or_default();
        match self.senders[to].send(Message { from, number: *sent + 1, left }) {
            Ok(()) => *sent += 1,
            // A loop that has ended, as all do at last.
            Err(unsent) if unsent.error() == SendError::Stopped => {}
            Err(_) => self.refused.set(self.refused.get() + 1),
        }
    }
}

impl Handler<Message> for Mail {
    type Context = ();

    fn context(&mut self, _: &Conn<'_>) {}

    fn data(&mut self, conn: &mut Conn<'_>, (): &mut (), input: &[u8]) -> Action {
        for _ in input {
            (0..self.senders.len()).for_each(|to| self.send(to, 2));
        }
        conn.write(input);
        Action::None
    }

    fn message(&mut self, _: &mut Loop<'_>, message: Message) -> ControlFlow<()> {
        let Message { from, number, left } = message;
        let mut sums = self.ledger.0.borrow_mut();
        let (_, given) = sums.entry((from, self.loop_id)).or_default();
        *given += 1;
        assert_eq!(number, *given, "from loop {from} to loop {}", self.loop_id);
        drop(sums);
        if left > 0 {
            self.send((self.loop_id + 1) % self.senders.len(), left - 1);
        }
        ControlFlow::Continue(())
    }
}

fn bind() -> Result<Server> {
    Ok(Server::bind([format!("tcp://{ADDRESS}")])?)
}

#[test]
fn messages_between_loops_come_in_order_and_once_or_are_refused() {
    let refused = Rc::default();
    for_each_seed(SEEDS, |sim| {
        let ledger = Rc::default();
        let loops = draw_loops(sim);
        let server = bind()?.mailbox_capacity(1 + sim.kernel().random_below(30));
        sim.serve_each_with(server, loops, |handle| Mail::new(&handle, &ledger, &refused))?;
        for _ in 0..5 {
            sim.client(|net| async move {
                let mut conn = net.connect(ADDRESS).await?;
                for _ in 0..5 {
                    let bytes = net.random_bytes(1 + net.random_below(20));
                    conn.write_all(&bytes).await?;
                    assert_eq!(conn.read_exact(bytes.len()).await?, bytes);
                }
                Ok(())
            });
        }
        Ok(())
    });
    assert!(refused.get() > 0, "no mailbox was ever full");
}

#[test]
fn what_was_accepted_is_given_even_if_the_server_ends() {
    let refused = Rc::default();
    for_each_seed(SEEDS, |sim| {
        let ledger = Rc::default();
        let server = bind()?;
        let (handle, loops) = (server.handle(), draw_loops(sim));
        sim.serve_each_with(server, loops, |handle| Mail::new(&handle, &ledger, &refused))?;
        for _ in 0..4 {
            sim.client(|net| async move {
                while let Ok(mut conn) = net.connect(ADDRESS).await {
                    while conn.write_all(b"ab").await.is_ok() && conn.read_exact(2).await.is_ok() {}
                }
                Ok(())
            });
        }
        sim.client(|net| async move {
            net.sleep(Duration::from_millis(net.random_below(50) as u64)).await;
            handle.shutdown();
            Ok(())
        });
        Ok(())
    });
}

/// Tells each line that comes to everybody.
struct Chat {
    event_loop: LoopHandle,
}

impl Handler for Chat {
    type Context = Vec<u8>;

    fn context(&mut self, _: &Conn<'_>) -> Vec<u8> {
        Vec::new()
    }

    fn opened(&mut self, conn: &mut Conn<'_>, _: &mut Vec<u8>) -> Action {
        conn.write(b"welcome\n");
        Action::None
    }

    fn data(&mut self, _: &mut Conn<'_>, line: &mut Vec<u8>, input: &[u8]) -> Action {
        for &byte in input {
            line.push(byte);
            if byte == b'\n' {
                self.event_loop.broadcast(mem::take(line)).expect("there is room");
            }
        }
        Action::None
    }
}

const MEMBERS: usize = 5;
const LINES: usize = 4;

#[test]
fn everybody_in_a_chat_over_several_loops_hears_everything_once_and_in_order() {
    for_each_seed(SEEDS, |sim| {
        // Who is cut hears nothing more.
        change_faults(sim, |drawn| Faults { reset: 0.0, call_error: 0.0, ..drawn });
        let loops = draw_loops(sim);
        sim.serve_each_with(bind()?, loops, |event_loop| Chat { event_loop })?;
        let (members, left) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        for member in 0..MEMBERS {
            let (members, left) = (Rc::clone(&members), Rc::clone(&left));
            sim.client(move |net| async move {
                let mut conn = net.connect(ADDRESS).await?;
                assert_eq!(conn.read_line().await?, "welcome\n");
                members.set(members.get() + 1);
                while members.get() < MEMBERS {
                    net.sleep(Duration::from_millis(10)).await;
                }
                for number in 0..LINES {
                    conn.write_all(format!("{member} {number}\n").as_bytes()).await?;
                }
                let mut next = [0; MEMBERS];
                for _ in 0..MEMBERS * LINES {
                    let line = conn.read_line().await?;
                    let (from, number) = line.trim().split_once(' ').expect("two numbers");
                    let next = &mut next[from.parse::<usize>()?];
                    assert_eq!(number.parse::<usize>()?, *next, "from {from}");
                    *next += 1;
                }
                left.set(left.get() + 1);
                Ok(())
            });
        }
        Ok(())
    });
}
