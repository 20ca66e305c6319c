#[cfg(not(loom))]
mod one_by_one {
    use super::super::*;

    fn woken(limits: &ConnectionLimits, address_index: u16) -> Vec<usize> {
        let mut woken = Vec::new();
        limits.take_waiting(address_index, |loop_id| woken.push(loop_id));
        woken
    }

    #[test]
    fn no_more_are_admitted_than_may_be() {
        let limits = ConnectionLimits::new(2, &[], 3);
        assert!(limits.admit(0) && limits.admit(1));
        assert!(!limits.admit(0));
        assert!(!limits.wait(2, 0));
        limits.withdraw(1);
        assert_eq!(woken(&limits, 1), [2], "only the loop that waits");
        assert_eq!(woken(&limits, 0), [], "once");
        assert!(limits.wait(0, 0), "one has ended since");
        assert!(limits.admit(0));
        assert!(limits.withdraw(0), "nobody else could have had it");
        assert!(!limits.withdraw(0) && limits.admit(0));
        assert!(limits.admit(0) && !limits.admit(0));
    }

    #[test]
    fn an_address_with_a_number_of_its_own_takes_no_room_from_the_others() {
        let limits = ConnectionLimits::new(1, &[None, Some(2)], 1);
        assert!(limits.admit(0) && !limits.admit(0) && !limits.admit(2));
        assert!(limits.admit(1) && limits.admit(1) && !limits.admit(1));
        assert!(!limits.wait(0, 1));
        limits.withdraw(0);
        assert!(!limits.wait(0, 1) && limits.wait(0, 2));
        limits.withdraw(1);
        assert!(limits.wait(0, 1));
    }

    #[test]
    fn the_end_of_a_connection_wakes_nobody_in_vain() {
        let limits = ConnectionLimits::new(1, &[None, Some(1)], 3);
        assert!(limits.admit(0) && limits.admit(1));
        limits.wait(0, 0);
        limits.wait(1, 1);
        assert_eq!(woken(&limits, 0), [0]);
        limits.wait_for_descriptor(2);
        assert_eq!(woken(&limits, 0), [2], "any end gives a descriptor back");
        limits.wait(0, 0);
        limits.wait_for_descriptor(2);
        let mut all = Vec::new();
        limits.take_short(|loop_id| all.push(loop_id));
        assert_eq!(all, [2]);
        limits.take_all_waiting(|loop_id| all.push(loop_id));
        assert_eq!(all, [2, 1, 0]);
        assert!(woken(&limits, 0).is_empty() && woken(&limits, 1).is_empty());
    }
}

/// `RUSTFLAGS="--cfg loom" cargo test -p evio-core --lib connection_limits` goes through every
/// interleaving of loops in which connections begin and end.
#[cfg(loom)]
mod interleavings {
    use loom::sync::Arc;
    use loom::sync::atomic::{AtomicUsize, Ordering};
    use loom::thread;

    use super::super::*;

    /// A loop that finds no room while the last connection ends on another one.
    fn check(notes_that_it_waits_first: bool) {
        loom::model(move || {
            let (limits, woken) =
                (Arc::new(ConnectionLimits::new(1, &[], 2)), Arc::new(AtomicUsize::new(0)));
            assert!(limits.admit(0));
            let ending = {
                let (limits, woken) = (Arc::clone(&limits), Arc::clone(&woken));
                thread::spawn(move || {
                    limits.withdraw(0);
                    limits.take_waiting(0, |_| drop(woken.fetch_add(1, Ordering::SeqCst)));
                })
            };
            let mut has_room = limits.admit(0);
            if !has_room {
                let is_there = limits.wait(1, 0);
                has_room = notes_that_it_waits_first && is_there;
            }
            ending.join().unwrap();
            let is_woken = woken.load(Ordering::SeqCst) > 0;
            assert!(has_room || is_woken, "the listener waits for ever");
        });
    }

    #[test]
    fn a_listener_that_waits_for_room_is_woken_or_finds_some() {
        check(true);
    }

    /// The model can tell a loop that looks again, once it has said that it waits.
    #[test]
    #[should_panic(expected = "waits for ever")]
    fn waiting_without_another_look_is_for_ever() {
        check(false);
    }

    #[test]
    fn two_loops_do_not_admit_more_than_may_be() {
        loom::model(|| {
            let limits = Arc::new(ConnectionLimits::new(1, &[None, Some(1)], 2));
            let other = Arc::clone(&limits);
            let other = thread::spawn(move || [other.admit(0), other.admit(1)]);
            let ours = [limits.admit(0), limits.admit(1)];
            let theirs = other.join().unwrap();
            for index in 0..2 {
                assert!(ours[index] ^ theirs[index], "one of them is admitted");
                assert!(limits.withdraw(index as u16), "it was the last room");
            }
        });
    }
}
