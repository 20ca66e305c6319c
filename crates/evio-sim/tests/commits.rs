//! Nothing leaves before the `pre_write` of its turn, and nothing at all when that fails.

mod util;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::Duration;

use evio::{Action, CloseReason, Conn, ConnId, Handler, Limits, Loop};
use evio_sim::for_each_seed;
use evio_sys::sim::{Direction, Kernel};

use util::{ADDRESS, server};

const SEEDS: u64 = 300;

#[derive(Default)]
struct Ledger {
    /// What each connection has written since the last commit.
    open: BTreeMap<ConnId, usize>,
    /// What it has written before.
    committed: BTreeMap<ConnId, usize>,
    /// What each is sent.
    outputs: BTreeMap<ConnId, Direction>,
}

/// Commits the replies of a turn together; one commit of ten fails.
struct Committing {
    kernel: Kernel,
    ledger: Rc<RefCell<Ledger>>,
}

impl Committing {
    fn reply(&self, conn: &mut Conn<'_>) {
        let len = 1 + self.kernel.random_below(3_000);
        if conn.takes_output() {
            conn.write_owned(vec![7; len]);
            *self.ledger.borrow_mut().open.entry(conn.id()).or_default() += len;
        }
    }

    /// Checks that the kernel has nothing that was not committed.
    fn check(&self) {
        let ledger = self.ledger.borrow();
        for (id, &output) in &ledger.outputs {
            let sent = self.kernel.sent(output);
            let committed = ledger.committed.get(id).copied().unwrap_or(0);
            assert!(sent <= committed, "{sent} bytes have left, {committed} may have");
        }
    }
}

impl Handler for Committing {
    type Context = ();

    fn context(&mut self, conn: &Conn<'_>) {
        let input = self.kernel.input_of(conn).expect("a simulated connection");
        let output = Direction::ToClient(input.connection());
        self.ledger.borrow_mut().outputs.insert(conn.id(), output);
    }

    fn data(&mut self, conn: &mut Conn<'_>, _: &mut (), _: &[u8]) -> Action {
        self.check();
        self.reply(conn);
        if self.kernel.random_below(3) == 0 {
            conn.set_timer(Some(Duration::from_millis(self.kernel.random_below(50) as u64)));
        }
        match self.kernel.random_below(20) {
            0 => Action::Close,
            _ => Action::None,
        }
    }

    fn timer(&mut self, conn: &mut Conn<'_>, _: &mut ()) -> Action {
        self.check();
        self.reply(conn);
        Action::None
    }

    fn pre_write(&mut self, _: &mut Loop<'_>) -> io::Result<()> {
        self.check();
        let ledger = &mut *self.ledger.borrow_mut();
        let written = std::mem::take(&mut ledger.open);
        if self.kernel.random_below(10) == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        for (id, len) in written {
            *ledger.committed.entry(id).or_default() += len;
        }
        Ok(())
    }

    fn closed(&mut self, conn: &mut Conn<'_>, (): (), reason: CloseReason) -> ControlFlow<()> {
        self.check();
        let ledger = self.ledger.borrow();
        let uncommitted = ledger.open.get(&conn.id());
        let is_lost = matches!(reason, CloseReason::Withheld | CloseReason::Error(_));
        assert!(is_lost || uncommitted.is_none(), "{reason:?} with {uncommitted:?} uncommitted");
        ControlFlow::Continue(())
    }
}

#[test]
fn what_leaves_is_committed() {
    for_each_seed(SEEDS, |sim| {
        let ledger = Rc::<RefCell<Ledger>>::default();
        let handler = Committing { kernel: sim.kernel().clone(), ledger };
        let limits = Limits::default().high_watermark(5_000).low_watermark(1_000);
        sim.serve(server(limits)?, handler)?;
        for _ in 0..6 {
            sim.client(|net| async move {
                for _ in 0..1 + net.random_below(10) {
                    // Some commits fail, which ends the connections of their turn.
                    let Ok(mut conn) = net.connect(ADDRESS).await else { continue };
                    for _ in 0..1 + net.random_below(10) {
                        if conn.write_all(b"x").await.is_err() {
                            break;
                        }
                        if net.random_below(2) == 0 && conn.read_exact(1).await.is_err() {
                            break;
                        }
                    }
                }
                Ok(())
            });
        }
        Ok(())
    });
}
