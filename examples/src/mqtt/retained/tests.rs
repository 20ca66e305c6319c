use super::*;

fn message(topic: &str, payload: &[u8], stamp: u64) -> Publication {
    let publish = Publish { topic, payload, qos: Qos::AtMostOnce, retain: true, packet_id: None };
    Publication::new(&publish, stamp)
}

fn stamps(retained: &Retained) -> Vec<u64> {
    retained.iter().map(|message| message.stamp).collect()
}

/// Two loops get three messages in all orders there are.
#[test]
fn the_newest_message_stays_whatever_the_order() {
    let messages = [message("a", b"old", 1), message("a", b"", 2), message("a", b"new", 3)];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let mut retained = Retained::default();
        order.iter().for_each(|at| retained.keep(&messages[*at]));
        assert_eq!(stamps(&retained), [3], "{order:?}");
    }
    for order in [[0, 1], [1, 0]] {
        let mut retained = Retained::default();
        order.iter().for_each(|at| retained.keep(&messages[*at]));
        assert!(stamps(&retained).is_empty(), "{order:?}");
    }
}

#[test]
fn there_is_an_end_to_count_and_bytes() {
    let mut retained = Retained::default();
    for number in 0..2 * MAX_RETAINED {
        retained.keep(&message(&format!("topic/{number}"), b"x", number as u64));
    }
    assert_eq!(retained.messages.len(), MAX_RETAINED);
    // There is room again for each that is taken back, if not at once.
    for number in 0..MAX_RETAINED {
        retained.keep(&message(&format!("topic/{number}"), b"", (3 * MAX_RETAINED) as u64));
    }
    assert_eq!((retained.iter().count(), retained.messages.len()), (0, MAX_REMOVED));
    let half = vec![0; MAX_RETAINED_BYTES / 2];
    let stamp = 4 * MAX_RETAINED as u64;
    retained.keep(&message("first", &half, stamp));
    retained.keep(&message("second", &half, stamp + 1));
    assert_eq!(stamps(&retained), [stamp], "there is no room for another half");
    retained.keep(&message("first", &[half.as_slice(), &half].concat(), stamp + 2));
    assert!(stamps(&retained).is_empty(), "nor for that, and what it takes the place of is old");
    retained.keep(&message("second", &half, stamp + 3));
    assert_eq!(stamps(&retained), [stamp + 3]);
}
