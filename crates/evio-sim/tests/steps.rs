//! What a simulation does and checks beside its clients.

use std::cell::{Cell, RefCell};
use std::io;
use std::ops::ControlFlow;
use std::panic;
use std::rc::Rc;
use std::time::Duration;

use evio::{Action, Conn, Events, Handler, Limits, Loop, PanicPolicy, Server};
use evio_sim::{Faults, Options, Simulation, World, for_each_seed};

const ADDRESS: &str = "10.0.0.1:7";

/// Counts what it was given, and answers every second line only.
struct Deaf {
    lines: Rc<Cell<usize>>,
}

impl Handler for Deaf {
    type Context = ();

    fn context(&mut self, _: &Conn<'_>) {}

    fn data(&mut self, conn: &mut Conn<'_>, _: &mut (), input: &[u8]) -> Action {
        for _ in input.iter().filter(|&&byte| byte == b'\n') {
            self.lines.set(self.lines.get() + 1);
            if self.lines.get() % 2 == 0 {
                conn.write(b"ok\n");
            }
        }
        Action::None
    }
}

fn prepare(sim: &mut Simulation) -> evio_sim::Result<Rc<Cell<usize>>> {
    // One that is cut off does not wait.
    sim.set_faults(Faults::default());
    let lines = Rc::new(Cell::new(0));
    let handler = Deaf { lines: Rc::clone(&lines) };
    sim.serve(Server::bind([format!("tcp://{ADDRESS}")])?, handler)?;
    sim.client(|net| async move {
        let mut conn = net.connect(ADDRESS).await?;
        conn.write_all(b"one\n").await?;
        conn.read_line().await?;
        Ok(())
    });
    Ok(lines)
}

fn message_of(run: impl FnOnce()) -> String {
    let panic = panic::catch_unwind(panic::AssertUnwindSafe(run)).expect_err("it fails");
    *panic.downcast::<String>().expect("a panic with a text")
}

#[test]
fn clients_that_wait_for_ever_are_told_of_with_what_happened() {
    let message = message_of(|| {
        for_each_seed(1, |sim| {
            prepare(sim)?;
            sim.all_clients_end_within(Duration::from_secs(90));
            Ok(())
        });
    });
    assert!(message.contains("clients have not come to their ends within 90s"), "{message}");
    for part in ["turn 1\n", "  opened ", ": 4 bytes\n", "program recv #", "arrives data #"] {
        assert!(message.contains(part), "no {part:?} in {message}");
    }
}

#[test]
fn what_fails_while_a_callback_blocks_is_found_whatever_the_loop_makes_of_panics() {
    let message = message_of(|| {
        for_each_seed(1, |sim| {
            sim.set_faults(Faults::default());
            let blocker = sim.blocker();
            let blocks = Events::new().data(move |_, _, _| {
                blocker.block(Duration::from_secs(1));
                Action::None
            });
            let server = Server::bind([format!("tcp://{ADDRESS}")])?;
            sim.serve(server.panic_policy(PanicPolicy::CloseConnection), blocks)?;
            sim.client(|net| async move {
                let mut conn = net.connect(ADDRESS).await?;
                conn.write_all(b"block\n").await?;
                conn.read_to_end().await.ok();
                Ok(())
            });
            sim.at(Duration::from_millis(500), |_| panic!("a step has failed"));
            Ok(())
        });
    });
    assert!(message.contains("a step has failed"), "{message}");
}

#[test]
fn steps_come_at_their_times_and_in_order() {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let mut sim = Simulation::new(1).unwrap();
    for (number, secs) in [30, 10, 20, 10].into_iter().enumerate() {
        let seen = Rc::clone(&seen);
        let step = move |world: &World<'_>| seen.borrow_mut().push((number, world.now().as_secs()));
        sim.at(Duration::from_secs(secs), step);
    }
    sim.run();
    assert_eq!(*seen.borrow(), [(1, 10), (3, 10), (2, 20), (0, 30)]);
}

#[test]
fn a_check_sees_the_state_after_every_turn() {
    let message = message_of(|| {
        for_each_seed(1, |sim| {
            let lines = prepare(sim)?;
            sim.after_each_turn(move |_| assert_eq!(lines.get(), 0, "a line was counted"));
            Ok(())
        });
    });
    assert!(message.contains("a line was counted"), "{message}");
}

#[test]
fn a_step_beyond_the_longest_time_is_taken() {
    for longest in [None, Some(Duration::from_secs(60))] {
        let mut sim = Simulation::with_options(1, Options::default()).unwrap();
        if let Some(longest) = longest {
            sim.set_longest(longest);
        }
        let taken = Rc::new(Cell::new(false));
        let noted = Rc::clone(&taken);
        let step = Duration::from_secs(8 * 24 * 3600);
        sim.at(step, move |_| noted.set(true));
        assert_eq!((sim.run().time, taken.get()), (step, true));
    }
}

/// Ticks every so often, and does nothing else.
struct Ticks(Duration);

impl Handler for Ticks {
    type Context = ();

    fn context(&mut self, _: &Conn<'_>) {}

    fn data(&mut self, _: &mut Conn<'_>, _: &mut (), _: &[u8]) -> Action {
        Action::None
    }

    fn tick(&mut self, _: &mut Loop<'_>) -> ControlFlow<(), Duration> {
        ControlFlow::Continue(self.0)
    }
}

/// Runs a client that waits for the end of its connection beside ticks.
fn wait_beside_ticks(tick: Duration, limits: Limits) -> evio_sim::Result<Duration> {
    let mut sim = Simulation::with_options(1, Options::default())?;
    let server = Server::bind([format!("tcp://{ADDRESS}")])?.limits(limits);
    sim.serve(server, Ticks(tick))?;
    sim.client(|net| async move {
        let mut conn = net.connect(ADDRESS).await?;
        conn.read_to_end().await?;
        Ok(())
    });
    Ok(sim.run().time)
}

#[test]
fn ticks_do_not_end_the_wait_for_a_deadline() {
    let timeout = Duration::from_secs(600);
    let limits = Limits::default().idle_timeout(Some(timeout));
    assert!(wait_beside_ticks(Duration::from_millis(10), limits).unwrap() >= timeout);
}

#[test]
fn clients_that_wait_beside_ticks_for_ever_are_told_of_with_how_long() {
    let tick = Duration::from_millis(100);
    let message = message_of(|| drop(wait_beside_ticks(tick, Limits::default())));
    assert!(message.contains("for 4999."), "{message}");
    for part in ["50000 deadlines of loops", "`Simulation::at`", "client 0, 10.1.0.0: "] {
        assert!(message.contains(part), "no {part:?} in {message}");
    }
}

#[test]
fn a_cut_excuses_no_error_but_its_own() {
    let run = |end: fn(io::Error) -> evio_sim::Result| {
        let mut sim = Simulation::with_options(1, Options::default()).unwrap();
        sim.set_faults(Faults { reset: 0.1, ..Faults::default() });
        let server = Server::bind([format!("tcp://{ADDRESS}")]).unwrap();
        sim.serve(server, Events::new().data(|_, _, _| Action::None)).unwrap();
        sim.client(move |net| async move {
            // All are cut some time, as one in ten segments is.
            let mut conn = net.connect(ADDRESS).await?;
            end(conn.read_to_end().await.expect_err("it is cut"))
        });
        sim.run()
    };
    assert_eq!(run(|cut| Err(cut.into())).faults.resets, 1);
    for end in [|_| Err("wrong".into()), |_| Err(io::Error::other("wrong").into())] {
        let message = message_of(|| assert_eq!(run(end).faults.resets, 1));
        assert!(message.contains("client 0, 10.1.0.0, has failed: wrong"), "{message}");
    }
}

#[test]
fn a_cut_excuses_no_other_connection() {
    let message = message_of(|| {
        let mut sim = Simulation::with_options(1, Options::default()).unwrap();
        sim.set_faults(Faults { reset: 0.1, ..Faults::default() });
        let aborts = Events::new().data(|conn, _, _| {
            conn.abort();
            Action::None
        });
        sim.serve(Server::bind([format!("tcp://{ADDRESS}")]).unwrap(), aborts).unwrap();
        sim.client(|net| async move {
            // All are cut some time, as one in ten segments is.
            let mut cut = net.connect(ADDRESS).await?;
            cut.read_to_end().await.expect_err("it is cut");
            net.sleep(Duration::from_secs(10)).await;
            let mut conn = net.connect(ADDRESS).await?;
            conn.write_all(b"x").await?;
            conn.read_to_end().await?;
            Ok(())
        });
        sim.at(Duration::from_secs(6), |world| world.stop_faults());
        sim.run();
    });
    assert!(message.contains("client 0, 10.1.0.0, has failed"), "{message}");
}
