//! The counters as text.

use std::fmt::Write;

use super::counters::{ClientCounters, Counter, UpstreamCounters};
use super::upstreams::Upstreams;

/// Returns a line per upstream, and one of the clients: names and numbers with spaces between them.
#[must_use]
pub fn report(upstreams: &Upstreams, clients: &[ClientCounters], open: usize) -> String {
    let mut text = String::new();
    for (_, upstream) in upstreams.all() {
        let sum = |of: fn(&UpstreamCounters) -> &Counter| -> u64 {
            upstream.all_counters().iter().map(|counters| of(counters).get()).sum()
        };
        let state = match (upstream.is_listed(), upstream.health().is_up()) {
            (false, _) => "unlisted",
            (true, true) => "up",
            (true, false) => "down",
        };
        let line = writeln!(
            text,
            "upstream {} address {} state {state} open {} connected {} failed {} sent {} \
             received {}",
            upstream.name(),
            upstream.address(),
            upstream.open(),
            sum(|counters| &counters.connected),
            sum(|counters| &counters.failed),
            sum(|counters| &counters.sent),
            sum(|counters| &counters.received),
        );
        line.expect("writing to a string never fails");
    }
    let sum = |of: fn(&ClientCounters) -> &Counter| -> u64 {
        clients.iter().map(|counters| of(counters).get()).sum()
    };
    let line = writeln!(
        text,
        "clients open {open} accepted {} gone {} refused {} unserved {} retries {} idle {}",
        sum(|counters| &counters.accepted),
        sum(|counters| &counters.gone),
        sum(|counters| &counters.refused),
        sum(|counters| &counters.unserved),
        sum(|counters| &counters.retries),
        sum(|counters| &counters.idle),
    );
    line.expect("writing to a string never fails");
    text
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::proxy::options::Options;
    use crate::proxy::upstreams::Balance;

    /// The help has a line for each name of a number, and one for the state.
    #[test]
    fn the_help_explains_every_word() {
        let upstreams = Upstreams::new(Balance::RoundRobin, 1);
        let address: std::net::SocketAddr = "127.0.0.1:5000".parse().unwrap();
        upstreams.set("name:1", &[address.into()]);
        let report = report(&upstreams, &[ClientCounters::default()], 0);
        let help = Options::command().render_long_help().to_string();
        let (_, help) = help.split_once("--stats <PATH>").unwrap();
        let (help, _) = help.split_once("--handover").unwrap();
        let mut lines = help.lines().map(str::trim_start);
        for line in report.lines() {
            let (of, line) = line.split_once(' ').unwrap();
            assert!(lines.any(|line| line.starts_with(of)), "{help} does not explain {of}");
            let line = line.trim_start_matches("name:1 ");
            for word in line.split(' ').step_by(2) {
                let is_it = |line: &str| line.starts_with(&format!("{word} "));
                assert!(lines.next().is_some_and(is_it), "{help} does not explain {word}");
            }
        }
    }

    #[test]
    fn the_loops_are_added_up() {
        let upstreams = Upstreams::new(Balance::RoundRobin, 2);
        let address: std::net::SocketAddr = "127.0.0.1:5000".parse().unwrap();
        upstreams.set("localhost:5000", &[address.into()]);
        upstreams.get(0).counters(0).sent.add(1);
        upstreams.get(0).counters(1).sent.add(2);
        let clients = [ClientCounters::default(), ClientCounters::default()];
        clients[1].accepted.add(7);
        assert_eq!(
            report(&upstreams, &clients, 5),
            "upstream localhost:5000 address 127.0.0.1:5000 state up open 0 connected 0 failed 0 \
             sent 3 received 0\nclients open 5 accepted 7 gone 0 refused 0 unserved 0 retries 0 \
             idle 0\n"
        );
    }
}
