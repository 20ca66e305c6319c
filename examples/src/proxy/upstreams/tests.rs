use super::*;
use crate::proxy::health::Thresholds;

const ONCE: Thresholds = Thresholds { fall: 1, rise: 1 };

fn address(port: u16) -> SocketAddr {
    std::net::SocketAddr::from(([127, 0, 0, 1], port)).into()
}

fn upstreams(balance: Balance, count: u16) -> Upstreams {
    let upstreams = Upstreams::new(balance, 1);
    for port in 1..=count {
        assert_eq!(upstreams.set(&format!("u{port}"), &[address(port)]), 0);
    }
    upstreams
}

fn choose(upstreams: &Upstreams, times: usize) -> Vec<usize> {
    let mut chosen = vec![0; upstreams.all().count()];
    for _ in 0..times {
        chosen[usize::from(upstreams.choose(&[]).unwrap())] += 1;
    }
    chosen
}

#[test]
fn each_upstream_has_its_turn_and_those_that_are_up_share_evenly() {
    let upstreams = upstreams(Balance::RoundRobin, 4);
    assert_eq!(choose(&upstreams, 400), [100, 100, 100, 100]);
    upstreams.get(1).health().failed(ONCE);
    assert_eq!(choose(&upstreams, 300), [100, 0, 100, 100]);
    upstreams.get(1).health().succeeded(ONCE);
    assert_eq!(choose(&upstreams, 400), [100, 100, 100, 100]);
}

#[test]
fn the_upstream_with_the_fewest_connections_comes_first() {
    let upstreams = upstreams(Balance::LeastConnections, 3);
    let mut open = Vec::new();
    for _ in 0..30 {
        let index = upstreams.choose(&[]).unwrap();
        upstreams.get(index).begin();
        open.push(index);
    }
    let counts = || upstreams.all().map(|(_, one)| one.open()).collect::<Vec<_>>();
    assert_eq!(counts(), [10, 10, 10]);
    for _ in 0..7 {
        upstreams.get(1).end();
    }
    for _ in 0..7 {
        let index = upstreams.choose(&[]).unwrap();
        assert_eq!(index, 1);
        upstreams.get(index).begin();
    }
    // Equals have their turn.
    let mut first: Vec<u16> = (0..3).filter_map(|_| upstreams.choose(&[])).collect();
    first.sort_unstable();
    assert_eq!(first, [0, 1, 2]);
}

#[test]
fn no_upstream_is_tried_twice_and_none_for_ever() {
    for balance in [Balance::RoundRobin, Balance::LeastConnections] {
        let upstreams = upstreams(balance, 3);
        upstreams.get(2).health().failed(ONCE);
        let mut tried = Vec::new();
        while let Some(index) = upstreams.choose(&tried) {
            assert!(!tried.contains(&index));
            tried.push(index);
        }
        assert_eq!(tried.len(), 3);
        // The one that is down comes last, and comes all the same.
        assert_eq!(tried[2], 2);
    }
    let many = upstreams(Balance::RoundRobin, 10);
    let mut tried = Vec::new();
    while let Some(index) = many.choose(&tried) {
        tried.push(index);
    }
    assert_eq!(tried.len(), MAX_ATTEMPTS);
    assert_eq!(Upstreams::new(Balance::RoundRobin, 1).choose(&[]), None);
}

#[test]
fn a_name_follows_its_addresses_and_an_index_stays() {
    let upstreams = Upstreams::new(Balance::RoundRobin, 2);
    assert_eq!(upstreams.set("name:1", &[address(1), address(2)]), 0);
    assert_eq!(upstreams.set("other:1", &[address(1)]), 0);
    assert_eq!(choose(&upstreams, 30), [10, 10, 10]);
    upstreams.get(0).begin();
    assert_eq!(upstreams.set("name:1", &[address(2), address(3)]), 0);
    assert_eq!(choose(&upstreams, 30), [0, 10, 10, 10]);
    assert_eq!(upstreams.get(0).open(), 1);
    assert_eq!(upstreams.set("name:1", &[address(1)]), 0);
    assert_eq!(choose(&upstreams, 20), [10, 0, 10, 0]);
    let all: Vec<SocketAddr> = (1..=300).map(address).collect();
    assert_eq!(upstreams.set("name:1", &all), 300 + 1 - MAX_UPSTREAMS);
    assert_eq!(upstreams.all().count(), MAX_UPSTREAMS);
}

/// A name that moves on and on: the places of addresses that have no connections are used again.
#[test]
fn a_name_may_stand_for_ever_new_addresses() {
    let upstreams = upstreams(Balance::RoundRobin, 1);
    let ports = (1000..).step_by(2).map(|port| [address(port), address(port + 1)]);
    for (time, pair) in ports.take(3 * MAX_UPSTREAMS).enumerate() {
        assert_eq!(upstreams.set("name:1", &pair), 0, "{time}");
        let listed = upstreams.all().filter(|(_, one)| one.name() == "name:1" && one.is_listed());
        let listed: Vec<SocketAddr> = listed.map(|(_, one)| one.address()).collect();
        assert!(pair.iter().all(|one| listed.iter().any(|other| is_same(one, other))), "{time}");
        assert_eq!(listed.len(), 2, "{time}");
    }
    assert_eq!(upstreams.all().count(), MAX_UPSTREAMS);
    assert!(is_same(&upstreams.get(0).address(), &address(1)), "it is listed all the time");
}

/// There is a place for the new address when the old one has no connections, and until then the
/// name keeps the old one.
#[test]
fn a_name_without_room_keeps_what_it_has() {
    let upstreams = upstreams(Balance::RoundRobin, MAX_UPSTREAMS as u16);
    let it = upstreams.get(7);
    it.health().failed(ONCE);
    it.counters(0).sent.add(1);
    it.begin();
    assert_eq!(upstreams.set("u8", &[address(501)]), 1);
    assert!(is_same(&it.address(), &address(8)) && it.is_listed());
    it.end();
    assert_eq!(upstreams.set("u8", &[address(501)]), 0);
    assert!(is_same(&it.address(), &address(501)) && it.is_listed());
    assert!(it.health().is_up() && it.counters(0).sent.get() == 0, "nothing is left of the old");
    // One that fits is enough for the old ones to go.
    it.begin();
    assert_eq!(upstreams.set("u8", &[address(501), address(502)]), 1);
    assert_eq!(upstreams.set("u9", &[]), 0);
    assert!(upstreams.get(8).is_listed());
    assert_eq!(choose(&upstreams, MAX_UPSTREAMS), [1; MAX_UPSTREAMS]);
}

/// One upstream that fails and one that does not: every other client is spared the failure.
#[test]
fn another_attempt_takes_nobodys_turn() {
    let upstreams = upstreams(Balance::RoundRobin, 2);
    let failing = (0..10).filter(|_| {
        let first = upstreams.choose(&[]).unwrap();
        first == 0 && upstreams.choose(&[first]) == Some(1)
    });
    assert_eq!(failing.count(), 5);
}
