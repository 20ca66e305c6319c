//! Many simulations, one after the other.

use std::cell::RefCell;
use std::env;
use std::panic::{self, AssertUnwindSafe};
use std::thread;
use std::time::Instant;

use evio_sys::sim::{Counts, Kernel};

use crate::Result;
use crate::failure::{message_of, repeat_silently, with_sources};
use crate::simulation::{Outcome, Simulation};

/// How many lines of the trace are shown of a simulation that has failed.
const TRACE: usize = 40;

/// What [`for_each_seed`] has come to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Summary {
    /// How many simulations there were.
    pub seeds: u64,
    /// How often each fault was injected in all of them.
    pub faults: Counts,
    /// Connections that the handlers were told of.
    pub connections: u64,
    /// Turns of the loops.
    pub turns: u64,
}

impl Summary {
    fn add(&mut self, outcome: &Outcome) {
        self.faults += outcome.faults;
        self.seeds += 1;
        self.connections += outcome.connections;
        self.turns += outcome.turns;
    }
}

/// Runs `count` simulations, each with a seed of its own that was not used before, as `prepare`
/// prepares them. With `EVIO_SEED` in the environment there is one, with that seed. With
/// `EVIO_SEEDS` there are so many, and a line about them is printed.
///
/// # Panics
///
/// Panics when one of them does, or finds something wrong: with the seed in the message.
pub fn for_each_seed(count: u64, prepare: impl Fn(&mut Simulation) -> Result) -> Summary {
    if let Some(seed) = number_in("EVIO_SEED") {
        return for_seeds([seed], prepare);
    }
    let wanted = number_in("EVIO_SEEDS");
    let (first, count) = (evio_sys::random::seed(), wanted.unwrap_or(count));
    let start = Instant::now();
    let summary = for_seeds((0..count).map(|number| first.wrapping_add(number)), prepare);
    if wanted.is_some() {
        let Summary { seeds, faults, connections, turns } = &summary;
        let (test, time) = (thread::current(), start.elapsed().as_secs_f64());
        let test = test.name().unwrap_or("main");
        println!(
            "evio-sim: {test}: {seeds} seeds in {time:.3} s, {connections} connections, \
             {turns} turns, faults: {faults}"
        );
    }
    summary
}

/// Returns the number that a variable of the environment has.
fn number_in(variable: &str) -> Option<u64> {
    let value = env::var(variable).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}

/// Runs a simulation with each of these seeds, such as those that have failed before.
///
/// # Panics
///
/// Panics when one of them does, or finds something wrong: with the seed in the message.
pub fn for_seeds(
    seeds: impl IntoIterator<Item = u64>,
    prepare: impl Fn(&mut Simulation) -> Result,
) -> Summary {
    let mut summary = Summary::default();
    for seed in seeds {
        let simulate = || run_seed(seed, &prepare);
        match panic::catch_unwind(AssertUnwindSafe(simulate)) {
            Ok(outcome) => summary.add(&outcome),
            Err(panic) => {
                let (message, went_well) = (message_of(&*panic), summary.seeds);
                let trace = repeat(seed, message, &prepare);
                let more = format!(
                    "{trace}EVIO_SEED={seed} repeats it ({went_well} seeds went well before)"
                );
                // The panic itself was printed when it came.
                eprintln!("seed {seed} has failed. {more}");
                panic::resume_unwind(Box::new(format!("seed {seed}: {message}\n{more}")));
            }
        }
    }
    summary
}

/// Runs a simulation once more that has failed with a message, and returns what happened last.
fn repeat(seed: u64, message: &str, prepare: &impl Fn(&mut Simulation) -> Result) -> String {
    if env::var_os("EVIO_TRACE").is_some() {
        return String::new();
    }
    let kept: RefCell<Option<Kernel>> = RefCell::default();
    let simulate = || {
        let simulation = Simulation::new(seed).expect("a simulation needs a descriptor");
        simulation.kernel().keep_trace(TRACE);
        kept.replace(Some(simulation.kernel().clone()));
        run(simulation, prepare)
    };
    let again = repeat_silently(simulate).err();
    let again = again.as_ref().map_or("it went well", |panic| message_of(&**panic));
    if again != message {
        return format!(
            "It went otherwise the second time: something in it does not come from the seed. \
             {again}\n"
        );
    }
    let Some(kernel) = kept.take() else { return String::new() };
    let (lines, sockets) = (kernel.kept_trace().join("\n"), kernel.kept_sockets().join("\n      "));
    format!(
        "The last of what happened; EVIO_TRACE=1 prints all of it:\n{lines}\n\
         The sockets:\n      {sockets}\n"
    )
}

fn run_seed(seed: u64, prepare: &impl Fn(&mut Simulation) -> Result) -> Outcome {
    run(Simulation::new(seed).expect("a simulation needs a descriptor"), prepare)
}

fn run(mut simulation: Simulation, prepare: &impl Fn(&mut Simulation) -> Result) -> Outcome {
    if let Err(error) = prepare(&mut simulation) {
        panic!("it could not be prepared: {}", with_sources(&*error));
    }
    simulation.run()
}
