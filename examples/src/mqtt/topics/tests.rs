use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// Says what the specification says of two lists of levels.
fn naive(filter: &[&str], topic: &[&str]) -> bool {
    match (filter, topic) {
        (["#"], _) | ([], []) => true,
        (["+", filter @ ..], [_, topic @ ..]) => naive(filter, topic),
        ([level, filter @ ..], [same, topic @ ..]) => level == same && naive(filter, topic),
        _ => false,
    }
}

fn naively_matches(filter: &str, topic: &str) -> bool {
    let (filter, topic): (Vec<_>, Vec<_>) =
        (filter.split('/').collect(), topic.split('/').collect());
    let is_hidden = topic[0].starts_with('$') && ["+", "#"].contains(&filter[0]);
    naive(&filter, &topic) && !is_hidden
}

/// The examples of 4.7.
#[test]
fn filters_match_as_the_specification_says() {
    for (filter, topic, expected) in [
        ("sport/tennis/player1/#", "sport/tennis/player1", true),
        ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true),
        ("sport/#", "sport", true),
        ("sport/#", "sports", false),
        ("#", "a/b", true),
        ("sport/tennis/+", "sport/tennis/player1", true),
        ("sport/tennis/+", "sport/tennis/player1/ranking", false),
        ("sport/+", "sport", false),
        ("sport/+", "sport/", true),
        ("+/+", "/finance", true),
        ("/+", "/finance", true),
        ("+", "/finance", false),
        ("+/tennis/#", "sport/tennis", true),
        ("#", "$SYS/monitor", false),
        ("+/monitor/Clients", "$SYS/monitor/Clients", false),
        ("$SYS/#", "$SYS/monitor", true),
        ("$SYS/monitor/+", "$SYS/monitor/Clients", true),
        ("a/#", "a/$b", true),
        ("ACCOUNTS", "Accounts", false),
    ] {
        assert_eq!(naively_matches(filter, topic), expected, "{filter} {topic}");
        let mut filters = Filters::default();
        filters.insert(filter, 1, Qos::AtMostOnce);
        let (found, _) = filters.find(topic);
        assert_eq!(!found.is_empty(), expected, "{filter} {topic} in the tree");
    }
}

#[test]
fn wildcards_are_whole_levels() {
    for filter in ["#", "+", "/", "a/+/b/#", "+/+", "/#", "a//b", "$SYS/#"] {
        assert!(is_filter(filter), "{filter}");
    }
    for filter in ["", "a#", "a/#/b", "#/", "sport+", "a/+b", "##", &"x".repeat(1025)] {
        assert!(!is_filter(filter), "{filter}");
    }
    assert!(
        is_filter(&["a"; MAX_LEVELS].join("/")) && !is_filter(&["a"; MAX_LEVELS + 1].join("/"))
    );
    // A topic may have more levels than a filter, and is found all the same.
    let (deep, mut filters) = ("/".repeat(1000), Filters::default());
    assert!(is_topic(&deep));
    filters.insert("#", 1, Qos::AtMostOnce);
    assert_eq!(filters.find(&deep).0, [(1, Qos::AtMostOnce)]);
}

#[test]
fn each_subscriber_is_found_once_with_its_best_qos() {
    let mut filters = Filters::default();
    filters.insert("a/b", 1, Qos::AtMostOnce);
    filters.insert("a/+", 1, Qos::AtLeastOnce);
    filters.insert("#", 1, Qos::AtMostOnce);
    filters.insert("#", 2, Qos::AtLeastOnce);
    filters.insert("#", 2, Qos::AtMostOnce);
    assert_eq!(filters.find("a/b").0, [(2, Qos::AtMostOnce), (1, Qos::AtLeastOnce)]);
}

fn path(levels: &'static [&'static str]) -> impl Strategy<Value = String> {
    proptest::collection::vec(proptest::sample::select(levels), 1..5)
        .prop_map(|levels| levels.join("/"))
}

proptest! {
    #[test]
    fn the_tree_finds_what_a_list_of_filters_would(
        steps in proptest::collection::vec(
            (path(&["a", "b", "+", "#", "", "$c"]), 0..4_u8, any::<bool>(), any::<bool>()),
            1..40,
        ),
        topics in proptest::collection::vec(path(&["a", "b", "", "$c", "d"]), 1..20),
    ) {
        let (mut filters, mut list) = (Filters::default(), BTreeMap::new());
        for (filter, subscriber, is_added, is_best) in steps {
            if !is_filter(&filter) {
                continue;
            }
            let qos = if is_best { Qos::AtLeastOnce } else { Qos::AtMostOnce };
            if is_added {
                filters.insert(&filter, subscriber, qos);
                list.insert((filter, subscriber), qos);
            } else {
                filters.remove(&filter, subscriber);
                list.remove(&(filter, subscriber));
            }
        }
        for topic in topics {
            let mut expected = BTreeMap::new();
            for ((filter, subscriber), qos) in &list {
                if naively_matches(filter, &topic) {
                    let best = expected.entry(*subscriber).or_insert(*qos);
                    *best = (*best).max(*qos);
                }
            }
            let (found, _) = filters.find(&topic);
            let count = found.len();
            let found: BTreeMap<_, _> = found.into_iter().collect();
            prop_assert_eq!((&found, count), (&expected, expected.len()), "{}", topic);
        }
        for (filter, subscriber) in list.keys() {
            filters.remove(filter, *subscriber);
        }
        prop_assert!(filters.is_empty());
    }
}
