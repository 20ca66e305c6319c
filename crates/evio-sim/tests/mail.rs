//! What other threads ask of a loop: all of it is carried out, in order, soon, and of the right
//! connection.

mod util;

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use evio::{Action, Conn, ConnHandle, Handler, Limits, Loop, LoopHandle, MessageSender, Serving};
use evio_sim::{Net, Result, for_each_seed};

use util::{ADDRESS, cut_nothing, server};

const SEEDS: u64 = 300;

/// How soon a message has to be carried out, faults or not.
const SOON: Duration = Duration::from_secs(1);

/// What those outside of the loop are given.
#[derive(Default)]
struct Outside {
    event_loop: Option<LoopHandle>,
    messages: Option<MessageSender<u64>>,
    /// In the order in which they were opened.
    conns: Vec<ConnHandle>,
    /// How often each was woken.
    woken: Vec<u64>,
    /// The last message.
    last: u64,
}

struct Mailed(Rc<RefCell<Outside>>);

impl Handler<u64> for Mailed {
    type Context = usize;

    fn context(&mut self, conn: &Conn<'_>) -> usize {
        let mut outside = self.0.borrow_mut();
        outside.conns.push(conn.handle());
        outside.woken.push(0);
        outside.conns.len() - 1
    }

    fn serving(&mut self, event_loop: &mut Loop<'_>, _: &Serving) -> ControlFlow<()> {
        let mut outside = self.0.borrow_mut();
        outside.messages = event_loop.handle().message_sender().ok();
        outside.event_loop = Some(event_loop.handle());
        ControlFlow::Continue(())
    }

    /// Sends the input back, by way of the mailbox.
    fn data(&mut self, conn: &mut Conn<'_>, _: &mut usize, input: &[u8]) -> Action {
        conn.handle().send(input).expect("there is room for it");
        Action::None
    }

    /// Wakes the connection as often as it was told to.
    fn woken(&mut self, conn: &mut Conn<'_>, number: &mut usize) -> Action {
        self.0.borrow_mut().woken[*number] += 1;
        if self.0.borrow().woken[*number] % 3 != 0 {
            conn.wake();
        }
        Action::None
    }

    fn message(&mut self, event_loop: &mut Loop<'_>, number: u64) -> ControlFlow<()> {
        let mut outside = self.0.borrow_mut();
        assert_eq!(number, outside.last + 1, "messages come in order, once each");
        outside.last = number;
        if number % 2 == 1 {
            // From within a turn, nobody wakes the loop.
            let sender: MessageSender<u64> = event_loop.handle().message_sender().expect("its own");
            sender.send(number + 1).expect("there is room for it");
        }
        ControlFlow::Continue(())
    }
}

fn handle_of(outside: &RefCell<Outside>, number: usize) -> ConnHandle {
    outside.borrow().conns[number].clone()
}

/// Each thing is asked of a loop that sleeps, and has come to pass soon after.
async fn ask(net: &Net, outside: &RefCell<Outside>) -> Result {
    let mut conn = net.connect(ADDRESS).await?;
    conn.write_all(b"hello").await?;
    assert_eq!(conn.read_exact(5).await?, b"hello");
    let number = outside.borrow().conns.len() - 1;
    let handle = handle_of(outside, number);
    for _ in 0..1 + net.random_below(5) {
        match net.random_below(4) {
            0 => {
                let bytes = net.random_bytes(1 + net.random_below(10_000));
                handle.send(bytes.clone())?;
                assert_eq!(conn.read_exact(bytes.len()).await?, bytes);
            }
            1 => {
                let before = outside.borrow().woken[number];
                handle.wake()?;
                net.sleep(SOON).await;
                assert_eq!(outside.borrow().woken[number], before + 3, "a wake was lost");
            }
            2 => {
                let last = outside.borrow().last;
                let sender = outside.borrow().messages.clone().ok_or("it serves")?;
                sender.send(last + 1)?;
                net.sleep(SOON).await;
                assert_eq!(outside.borrow().last, last + 2, "a message was lost");
            }
            _ => {
                let (done, id) = (Arc::new(AtomicU64::new(0)), handle.id());
                let event_loop = outside.borrow().event_loop.clone().ok_or("it serves")?;
                for task in 0..3 {
                    let done = Arc::clone(&done);
                    event_loop.post(move |event_loop| {
                        let order = done.fetch_add(1, Ordering::Relaxed);
                        assert_eq!(order, task, "tasks are carried out in order");
                        event_loop.conn(id).expect("it is open").write(&[task as u8]);
                    })?;
                }
                assert_eq!(conn.read_exact(3).await?, [0, 1, 2]);
            }
        }
        net.sleep(Duration::from_millis(net.random_below(20) as u64)).await;
    }
    handle.close()?;
    assert_eq!(conn.read_to_end().await?, b"");
    Ok(())
}

/// The places of connections that have gone are taken again; a handle of the one before does
/// nothing there.
async fn ask_those_that_have_gone(net: &Net, outside: &RefCell<Outside>) -> Result {
    for round in 0..3 {
        let mut conn = net.connect(ADDRESS).await?;
        conn.write_all(b"hello").await?;
        assert_eq!(conn.read_exact(5).await?, b"hello");
        for number in 0..round {
            let late = handle_of(outside, number);
            late.send(*b"for another")?;
            late.wake()?;
            late.pause_reading()?;
            match net.random_below(2) {
                0 => late.close()?,
                _ => late.abort()?,
            }
        }
        net.sleep(SOON).await;
        assert_eq!(outside.borrow().woken[round], 0, "another one was woken");
        conn.write_all(b"still there").await?;
        assert_eq!(conn.read_exact(11).await?, b"still there");
        drop(conn);
        net.sleep(SOON).await;
    }
    Ok(())
}

fn run(script: impl AsyncFn(&Net, &RefCell<Outside>) -> Result + Copy + 'static) {
    for_each_seed(SEEDS, |sim| {
        cut_nothing(sim);
        let outside = Rc::<RefCell<Outside>>::default();
        sim.serve(server(Limits::default())?, Mailed(Rc::clone(&outside)))?;
        sim.client(move |net| async move {
            let result = script(&net, &outside).await;
            // They own the waker.
            outside.take();
            result
        });
        Ok(())
    });
}

#[test]
fn what_is_asked_of_a_loop_is_carried_out_soon() {
    run(ask);
}

#[test]
fn a_handle_that_is_late_finds_nobody() {
    run(ask_those_that_have_gone);
}
