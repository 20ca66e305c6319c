//! Notes from other threads: how many a second from one and from several, and how long a single
//! one takes to a loop that sleeps. evio beside a channel into a task of tokio, in turns.
//!
//! All consumers live on one core and all senders on another one. Only the consumer whose turn it
//! is has anything to do; the others sleep.

mod board;
mod lanes;

use std::error::Error;
use std::hint;
use std::thread;
use std::time::{Duration, Instant};

use clap::{Parser, value_parser};
use evio_benchmarks::stats::Spread;
use hdrhistogram::Histogram;
use lanes::Lane;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use serde::Serialize;

/// Measures notes from another thread to a loop of evio and to a task of tokio
#[derive(Debug, Parser)]
struct Args {
    /// Turns of each way that are counted
    #[arg(long, default_value_t = 30, value_parser = value_parser!(u32).range(1..))]
    turns: u32,
    /// Length of a turn in milliseconds
    #[arg(long, default_value_t = 60)]
    turn: u64,
    /// Say how far the run is, and the figures, in lines of JSON
    #[arg(long)]
    json: bool,
}

/// Rounds before the first one that counts.
const WARM_UP: u32 = 2;

/// Threads that send at once, where there are several. They share a core, so what they show is not
/// how they fight for a cache line, but what it costs when one is stopped in the middle of sending.
const SENDERS: usize = 4;

/// How long the sender waits between two single notes. The consumer takes a few microseconds to
/// go back to sleep.
const PAUSE: Duration = Duration::from_micros(40);

/// Notes that are sent before the sender looks at the clock again.
const BURST: u32 = 64;

/// Latencies above this count as this, which no figure here comes near.
const LONGEST_LATENCY: Duration = Duration::from_secs(10);

/// Digits of a latency that are kept.
const LATENCY_DIGITS: u8 = 3;

/// The figures of one way to send notes.
#[derive(Debug, Serialize)]
struct Figures {
    name: &'static str,
    /// Absent, as the next, where a note cannot be taken together with others.
    one_sender: Option<Rate>,
    several_senders: Option<Rate>,
    /// Nanoseconds from sending a note to its arrival in a consumer that slept.
    latency: Latency,
}

#[derive(Debug, Serialize)]
struct Rate {
    notes_per_second: Spread,
    /// As a multiple of the first way's in the same round.
    ratio: Spread,
}

#[derive(Debug, Serialize)]
struct Latency {
    /// The median of a round as a multiple of the first way's in the same round.
    ratio: Spread,
    p50: u64,
    p99: u64,
    p999: u64,
}

/// A line of the output, like those of the load generator.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Progress { done: u32, total: u32 },
    Report(Vec<Figures>),
}

fn print(line: &Line) -> Result<(), Box<dyn Error>> {
    println!("{}", serde_json::to_string(line)?);
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let cores = usable_cores()?;
    let (Some(&first), Some(&last)) = (cores.first(), cores.last()) else {
        return Err("no core to run on".into());
    };
    pin_to(first)?;
    let lanes = lanes::start()?;
    pin_to(last)?;
    let figures = measure(&lanes, args.turns, Duration::from_millis(args.turn), |line| {
        if args.json { print(line) } else { Ok(()) }
    })?;
    if args.json {
        print(&Line::Report(figures))?;
    } else {
        print!("{}", render(&figures));
    }
    Ok(())
}

/// Returns the cores that this thread may use.
fn usable_cores() -> nix::Result<Vec<usize>> {
    let set = sched_getaffinity(Pid::from_raw(0))?;
    Ok((0..CpuSet::count()).filter(|&core| set.is_set(core).unwrap_or(false)).collect())
}

/// Keeps this thread, and those it starts, on one core.
fn pin_to(core: usize) -> nix::Result<()> {
    let mut only = CpuSet::new();
    only.set(core)?;
    sched_setaffinity(Pid::from_raw(0), &only)
}

/// What was measured of one way, by rounds.
#[derive(Debug)]
struct Rounds {
    one_sender: Vec<f64>,
    several_senders: Vec<f64>,
    median_latencies: Vec<f64>,
    latencies: Histogram<u64>,
}

impl Rounds {
    fn new() -> Result<Self, Box<dyn Error>> {
        let longest = LONGEST_LATENCY.as_nanos() as u64;
        Ok(Self {
            one_sender: Vec::new(),
            several_senders: Vec::new(),
            median_latencies: Vec::new(),
            latencies: Histogram::new_with_max(longest, LATENCY_DIGITS)?,
        })
    }

    /// Measures a lane once.
    fn add(&mut self, lane: &Lane, turn: Duration) -> Result<(), Box<dyn Error>> {
        if lane.merges {
            self.one_sender.push(flood(lane, turn, 1));
            self.several_senders.push(flood(lane, turn, SENDERS));
        }
        let mut latencies = Histogram::new_from(&self.latencies);
        send_singly(lane, turn, &mut latencies);
        self.median_latencies.push(latencies.value_at_quantile(0.5) as f64);
        Ok(self.latencies.add(latencies)?)
    }

    /// Returns the figures beside those of the first way, unless there were no rounds.
    fn figures(&self, name: &'static str, first: &Self) -> Option<Figures> {
        Some(Figures {
            name,
            one_sender: Rate::of(&self.one_sender, &first.one_sender),
            several_senders: Rate::of(&self.several_senders, &first.several_senders),
            latency: Latency {
                ratio: ratio(&self.median_latencies, &first.median_latencies)?,
                p50: self.latencies.value_at_quantile(0.5),
                p99: self.latencies.value_at_quantile(0.99),
                p999: self.latencies.value_at_quantile(0.999),
            },
        })
    }
}

impl Rate {
    fn of(rounds: &[f64], first: &[f64]) -> Option<Self> {
        let notes_per_second = Spread::of(rounds.iter().copied())?;
        Some(Self { notes_per_second, ratio: ratio(rounds, first)? })
    }
}

fn ratio(figures: &[f64], first: &[f64]) -> Option<Spread> {
    Spread::of(figures.iter().zip(first).map(|(figure, first)| figure / first))
}

/// Gives every lane its turns, in another order each round.
fn measure(
    lanes: &[Lane],
    turns: u32,
    turn: Duration,
    mut progress: impl FnMut(&Line) -> Result<(), Box<dyn Error>>,
) -> Result<Vec<Figures>, Box<dyn Error>> {
    let mut rounds: Vec<_> = lanes.iter().map(|_| Rounds::new()).collect::<Result<_, _>>()?;
    for round in 0..WARM_UP + turns {
        if round == WARM_UP {
            rounds.fill_with(|| Rounds::new().expect("there was one before"));
        }
        for place in 0..lanes.len() {
            let index = (place + round as usize) % lanes.len();
            rounds[index].add(&lanes[index], turn)?;
        }
        progress(&Line::Progress { done: round + 1, total: WARM_UP + turns })?;
    }
    let figures = lanes.iter().zip(&rounds).map(|(lane, own)| own.figures(lane.name, &rounds[0]));
    Ok(figures.collect::<Option<_>>().ok_or("no turns were counted")?)
}

/// Sends as many notes as are taken, waits until all have arrived, and returns notes per second.
fn flood(lane: &Lane, turn: Duration, senders: usize) -> f64 {
    let before = lane.board.arrived();
    let start = Instant::now();
    let sent: u64 = thread::scope(|scope| {
        let sender = |_| scope.spawn(|| send_for(lane, turn));
        let senders: Vec<_> = (0..senders).map(sender).collect();
        senders.into_iter().map(|sender| sender.join().expect("a sender does not panic")).sum()
    });
    while lane.board.arrived() < before + sent {
        // On a machine with one core the consumer needs it.
        thread::yield_now();
    }
    sent as f64 / start.elapsed().as_secs_f64()
}

/// Sends as many notes as are taken, and returns how many that were.
fn send_for(lane: &Lane, turn: Duration) -> u64 {
    let start = Instant::now();
    let mut sent = 0;
    while start.elapsed() < turn {
        for _ in 0..BURST {
            if lane.send(0) {
                sent += 1;
            } else {
                // Too many are waiting. The consumer has a core of its own.
                hint::spin_loop();
            }
        }
    }
    sent
}

/// Sends one note after the other, each to a consumer that sleeps.
fn send_singly(lane: &Lane, turn: Duration, latency: &mut Histogram<u64>) {
    let start = Instant::now();
    while start.elapsed() < turn {
        let pause = Instant::now();
        while pause.elapsed() < PAUSE {
            hint::spin_loop();
        }
        let before = lane.board.arrived();
        lane.send(lane.board.now());
        while lane.board.arrived() == before {
            hint::spin_loop();
        }
        latency.saturating_record(lane.board.last_latency());
    }
}

fn render(figures: &[Figures]) -> String {
    let several = format!("{SENDERS} senders");
    let mut text = format!(
        "{:<16}{:>12}{:>8}{several:>12}{:>8}{:>12}{:>8}{:>12}{:>12}\n",
        "", "notes/s", "ratio", "ratio", "p50", "ratio", "p99", "p999"
    );
    let rate = |rate: &Option<Rate>| match rate {
        Some(Rate { notes_per_second, ratio }) => {
            format!("{:>12.0}{:>8.2}", notes_per_second.median, ratio.median)
        }
        None => " ".repeat(20),
    };
    for Figures { name, one_sender, several_senders, latency } in figures {
        let micros = |nanos: u64| format!("{:.2} µs", nanos as f64 / 1000.0);
        text += &format!(
            "{name:<16}{}{}{:>12}{:>8.3}{:>12}{:>12}\n",
            rate(one_sender),
            rate(several_senders),
            micros(latency.p50),
            latency.ratio.median,
            micros(latency.p99),
            micros(latency.p999),
        );
    }
    text
}
