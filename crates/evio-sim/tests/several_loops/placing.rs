//! Connections get to their loops, whatever is held up or runs out.

use std::cell::Cell;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::Duration;

use evio::{Action, CloseReason, Conn, Handler};
use evio_sim::{Blocker, Faults, Result, Simulation, Stalls, for_each_seed};

use crate::common::{
    ADDRESS, Counts, POLICIES, Policy, SEEDS, change_faults, draw_loops, server, talk,
};

/// Sends back what comes.
struct Echo {
    loop_id: usize,
    counts: Counts,
}

impl Handler for Echo {
    type Context = ();

    fn context(&mut self, _: &Conn<'_>) {}

    fn data(&mut self, conn: &mut Conn<'_>, (): &mut (), input: &[u8]) -> Action {
        conn.write(input);
        Action::None
    }

    fn closed(&mut self, _: &mut Conn<'_>, (): (), _: CloseReason) -> ControlFlow<()> {
        self.counts.note_end(self.loop_id);
        ControlFlow::Continue(())
    }
}

fn prepare(sim: &mut Simulation, policy: Policy) -> Result {
    let counts = Counts::default();
    let server = server(sim, policy, &counts)?;
    let loops = draw_loops(sim);
    sim.serve_each(server, loops, |loop_id| Echo { loop_id, counts: counts.clone() })?;
    for _ in 0..1 + sim.kernel().random_below(10) {
        sim.client(move |net| talk(net, 2_000));
    }
    Ok(())
}

#[test]
fn every_message_comes_back_from_every_loop() {
    for policy in POLICIES {
        let summary = for_each_seed(SEEDS, |sim| prepare(sim, policy));
        assert!(summary.connections >= summary.seeds, "{policy:?}");
    }
}

#[test]
fn the_same_seed_goes_the_same_way_on_several_loops() {
    let run = |seed, policy| {
        let mut sim = Simulation::new(seed).unwrap();
        prepare(&mut sim, policy).unwrap();
        sim.run()
    };
    for policy in POLICIES {
        let outcomes: Vec<_> = (0..30).map(|seed| (run(seed, policy), run(seed, policy))).collect();
        for (first, second) in &outcomes {
            assert_eq!(first, second);
        }
        assert!(outcomes.windows(2).all(|pair| pair[0].0.trace_hash != pair[1].0.trace_hash));
    }
}

/// Answers with the number of its loop, and blocks the loop first when it is told to, or when it
/// opens a certain connection.
struct Blocking {
    loop_id: usize,
    counts: Counts,
    blocker: Blocker,
    /// How many connections are opened until one blocks its loop; zero after that.
    opens_left: Rc<Cell<usize>>,
    /// The loop that is blocked.
    blocked: Rc<Cell<Option<usize>>>,
}

const BLOCKED: Duration = Duration::from_secs(10);
const CLIENTS: usize = 20;

impl Blocking {
    fn block(&self) {
        self.blocked.set(Some(self.loop_id));
        self.blocker.block(BLOCKED);
    }
}

impl Handler for Blocking {
    type Context = ();

    fn context(&mut self, _: &Conn<'_>) {}

    fn opened(&mut self, _: &mut Conn<'_>, (): &mut ()) -> Action {
        let left = self.opens_left.get();
        self.opens_left.set(left.saturating_sub(1));
        if left == 1 {
            self.block();
        }
        Action::None
    }

    fn data(&mut self, conn: &mut Conn<'_>, (): &mut (), input: &[u8]) -> Action {
        if input.starts_with(b"!") {
            self.block();
        }
        conn.write(format!("{}\n", self.loop_id).as_bytes());
        Action::Close
    }

    fn closed(&mut self, _: &mut Conn<'_>, (): (), _: CloseReason) -> ControlFlow<()> {
        self.counts.note_end(self.loop_id);
        ControlFlow::Continue(())
    }
}

#[test]
fn a_blocked_loop_keeps_only_its_own_connections_waiting() {
    for policy in POLICIES {
        for_each_seed(SEEDS, |sim| {
            // A loop that is late finds clients that wait together with the request that blocks it.
            let longest = Duration::from_millis(10);
            sim.set_stalls(Stalls { late: 0.3, blocked: 0.0, longest });
            let (blocker, counts) = (sim.blocker(), Counts::default());
            let server = server(sim, policy, &counts)?;
            // What is lost comes late, whatever the loops do; and a loop that is late asks a socket
            // once before it cuts it off.
            change_faults(sim, |drawn| Faults {
                loss: 0.0,
                call_error: 0.0,
                would_block: 0.0,
                reorder: 1.0,
                ..drawn
            });
            let blocked = Rc::default();
            let draw = |bound| sim.kernel().random_below(bound);
            let is_by_request = draw(2) == 0;
            let opens_left = Rc::new(Cell::new(if is_by_request { 0 } else { 1 + draw(CLIENTS) }));
            let at = Duration::from_millis(200 + draw(20) as u64);
            let loops = draw_loops(sim);
            sim.serve_each(server, loops, |loop_id| {
                let (blocker, counts) = (blocker.clone(), counts.clone());
                let (opens_left, blocked) = (Rc::clone(&opens_left), Rc::clone(&blocked));
                Blocking { loop_id, counts, blocker, opens_left, blocked }
            })?;
            for client in 0..CLIENTS {
                let blocked = Rc::clone(&blocked);
                sim.client(move |net| async move {
                    let is_last = is_by_request && (1..3).contains(&client);
                    net.sleep(match is_last {
                        // It waits to be accepted when the request comes that blocks a loop, and
                        // nobody connects after it.
                        true => {
                            at.saturating_sub(Duration::from_millis(net.random_below(8) as u64))
                        }
                        false => Duration::from_millis(net.random_below(190) as u64),
                    })
                    .await;
                    let since = net.now();
                    let mut conn = net.connect(ADDRESS).await?;
                    if is_by_request && client == 0 {
                        net.sleep(at.saturating_sub(net.now())).await;
                        conn.write_all(b"!").await?;
                    } else {
                        conn.write_all(b"?").await?;
                    }
                    let loop_id: usize = conn.read_line().await?.trim().parse()?;
                    let took = net.now() - since;
                    let may_wait = blocked.get() == Some(loop_id);
                    assert!(may_wait || took < BLOCKED / 20, "loop {loop_id} took {took:?}");
                    Ok(())
                });
            }
            Ok(())
        });
    }
}

/// Asks until it is served: who is turned away finds the end, or a reset because of its request.
async fn ask_again_and_again(net: Rc<evio_sim::Net>) -> Result {
    loop {
        let mut conn = net.connect(ADDRESS).await?;
        if conn.write_all(b"9").await.is_ok() && conn.read_exact(1).await.is_ok() {
            net.sleep(Duration::from_millis(300)).await;
            return Ok(());
        }
        net.sleep(Duration::from_millis(500)).await;
    }
}

#[test]
fn clients_of_several_loops_are_served_when_descriptors_run_out() {
    for policy in POLICIES {
        let summary = for_each_seed(SEEDS, |sim| {
            let loops = draw_loops(sim);
            // A poller and a waker for each, their listeners, a reserve, and a few connections.
            let listeners = if let Policy::ReusePort = policy { loops } else { 1 };
            sim.set_descriptors(2 * loops + listeners + 1 + 3);
            let counts = Counts::default();
            let server = server(sim, policy, &counts)?;
            sim.serve_each(server, loops, |loop_id| Echo { loop_id, counts: counts.clone() })?;
            sim.set_longest(Duration::from_secs(600));
            (0..15).for_each(|_| sim.client(ask_again_and_again));
            Ok(())
        });
        assert!(summary.faults.no_descriptors > 0, "{policy:?}");
    }
}

#[test]
fn no_more_connections_than_there_may_be_are_open_on_all_loops_and_all_are_served() {
    const MOST: usize = 3;
    for policy in POLICIES {
        for_each_seed(SEEDS, |sim| {
            let loops = draw_loops(sim);
            let counts = Counts::default();
            let server = server(sim, policy, &counts)?.max_connections(MOST);
            // A client that is cut learns of it later than the server.
            change_faults(sim, |drawn| Faults { reset: 0.0, call_error: 0.0, ..drawn });
            sim.serve_each(server, loops, |loop_id| Echo { loop_id, counts: counts.clone() })?;
            let served = Rc::new(Cell::new(0));
            for _ in 0..10 {
                let served = Rc::clone(&served);
                sim.client(move |net| async move {
                    let mut conn = net.connect(ADDRESS).await?;
                    conn.write_all(b"?").await?;
                    conn.read_exact(1).await?;
                    served.set(served.get() + 1);
                    assert!(served.get() <= MOST, "{} are served", served.get());
                    net.sleep(Duration::from_millis(net.random_below(100) as u64)).await;
                    served.set(served.get() - 1);
                    Ok(())
                });
            }
            Ok(())
        });
    }
}
