//! The suites that vary one thing about the echo: the network, the life of a connection, its
//! silent neighbours, the schedule, the number of loops.

use super::args::Suite;
use super::case::{Case, Core, Entry, Load, OPEN, SMALL};
use super::results::SuiteResults;
use super::run::Run;

/// Connections that are busy unless the options say otherwise.
const BUSY: u32 = 50;

/// Silent connections beside the busy ones. With the generator's own they stay below 20,000, a
/// limit of open files that is common.
const IDLE: u32 = 15_000;

/// Loops beside one.
const LOOPS: u16 = 2;

/// What evio promises about its CPU time per request.
const AIM: &str = "aim: a ratio of at most 1.1";

/// Milliseconds of a turn on a schedule: a thousand requests and more, which is long beside any
/// queue at half of the load, and short enough that most turns are free of the milliseconds in
/// which a machine now and then stands still, of which one is 1 % of a turn five times as long.
const OPEN_TURN: u32 = 20;

/// Turns in which each server answers all it can, which tell the rate of the schedule.
const OPEN_WARM_UP: u32 = 20;

/// Datagrams instead of connections, as fast as they are answered.
pub(super) fn udp(run: &mut Run) -> crate::Result<SuiteResults> {
    let entries = run.entries(&Suite::Udp.peers(&run.args))?;
    let clients = run.args.connections.map_or(vec![8, 64], |clients| vec![clients]);
    let case = |connections| {
        let load = Load { connections, seconds: run.args.duration(), ..SMALL };
        let title = format!("{connections} clients, datagrams of 64 B");
        Case { title, ..Case::new(entries.clone(), load) }
    };
    let cases: Vec<Case> = clients.into_iter().map(case).collect();
    run.measure("udp", &cases)
}

/// A connection for each request: connect, one request, close.
pub(super) fn connect(run: &mut Run) -> crate::Result<SuiteResults> {
    let entries = run.entries(&Suite::Connect.peers(&run.args))?;
    let connections = run.args.connections.unwrap_or(BUSY);
    let load = Load { pace: "churn", connections, seconds: run.args.duration(), ..SMALL };
    let title = format!("a connection per request, {connections} at a time, 64 B");
    run.measure("connect", &[Case { title, ..Case::new(entries, load) }])
}

/// Each server beside itself, once with thousands of silent connections.
pub(super) fn idle(run: &mut Run) -> crate::Result<SuiteResults> {
    let entries = run.entries(&Suite::Idle.peers(&run.args))?;
    let connections = run.args.connections.unwrap_or(BUSY);
    let load = Load { connections, idle: IDLE, seconds: run.args.duration(), ..SMALL };
    let case = |entry: Entry| {
        let name = entry.name.clone();
        let silent = entry.clone().with(&format!("{IDLE} idle"), &[]);
        let case = Case::new(vec![entry, silent], load);
        let title =
            format!("{name}: {connections} busy connections, and {IDLE} idle beside them; {AIM}");
        Case { key: format!("{name}-i{IDLE}"), title, ..case }
    };
    let cases: Vec<Case> = entries.into_iter().map(case).collect();
    run.measure("idle", &cases)
}

/// Requests on a schedule, for all servers at half of what the floor can answer.
pub(super) fn latency(run: &mut Run) -> crate::Result<SuiteResults> {
    let entries = run.entries(&Suite::Latency.peers(&run.args))?;
    let connections = run.args.connections.unwrap_or(BUSY);
    let load = Load {
        pace: OPEN,
        connections,
        turn: OPEN_TURN,
        warm_up: OPEN_WARM_UP,
        seconds: run.args.duration(),
        ..SMALL
    };
    let title =
        format!("{connections} connections, 64 B, on a schedule at half of the floor's most");
    run.measure("latency", &[Case { title, ..Case::new(entries, load) }])
}

/// One loop beside several, each server beside itself. On one core, all of them have the same room,
/// as in the other suites. On every core, the generator's included, they run side by side, and
/// disturb the generator and each other.
pub(super) fn scale(run: &mut Run) -> crate::Result<SuiteResults> {
    let loops = run.args.loops.unwrap_or(LOOPS);
    let pair = |entry: Entry| {
        let several = entry.clone().with(&plural(loops), &["--loops", &loops.to_string()]);
        [entry.with(&plural(1), &["--loops", "1"]), several]
    };
    let servers = run.entries(&Suite::Scale.peers(&run.args))?;
    let entries: Vec<Entry> = servers.into_iter().flat_map(pair).collect();
    // Half of the time for each of the two places.
    let load = Load { seconds: run.args.duration() / 2.0, group: Some(2), ..SMALL };
    let case = |(connections, (core, key, place))| {
        let entries = entries.iter().map(|entry| Entry { core, ..entry.clone() });
        let case = Case::new(entries.collect(), Load { connections, ..load });
        let title = format!("{}, {place}; ratio to {} of the same; {AIM}", case.title, plural(1));
        Case { key: format!("{key}-{}", case.key), title, ..case }
    };
    // With few connections, a loop finds fewer requests per wait than one loop alone would.
    let few_and_many = run.args.connections.map_or(vec![BUSY, 1000], |count| vec![count]);
    let places = [(Core::Own, "core", "on one core"), (Core::Any, "cores", "on any core")];
    let cases = few_and_many.into_iter().flat_map(|count| places.map(|place| (count, place)));
    let cases: Vec<Case> = cases.map(case).collect();
    run.measure("scale", &cases)
}

/// Counts loops.
fn plural(loops: u16) -> String {
    format!("{loops} loop{}", if loops == 1 { "" } else { "s" })
}
