use std::time::Duration;

use evio_sys::Events;

use super::*;

fn mailbox(messages: usize) -> (Poller, Mailbox<u32, char>) {
    let poller = Poller::new().expect("a poller");
    let bounds = Bounds { messages, bytes: 1_000 };
    let mailbox = Mailbox::new(&poller, bounds).expect("a mailbox");
    (poller, mailbox)
}

fn taken(mailbox: &mut Mailbox<u32, char>) -> String {
    let text = |mail| match mail {
        Envelope::Command(number) => format!("{number}"),
        Envelope::Control(letter) => format!("{letter}"),
    };
    std::iter::from_fn(|| mailbox.take()).map(text).collect()
}

#[test]
fn a_control_comes_after_the_commands_that_were_sent_before_it() {
    let (_poller, mut mailbox) = mailbox(9);
    let sender = Arc::clone(mailbox.sender());
    sender.try_push(1, 0).unwrap();
    sender.control('a').unwrap();
    mailbox.collect();
    sender.try_push(2, 0).unwrap();
    sender.control('b').unwrap();
    assert_eq!(taken(&mut mailbox), "1a", "one collection at a time");
    assert!(mailbox.collect_or_arm_wake());
    assert_eq!(taken(&mut mailbox), "2b");
    assert!(!mailbox.collect_or_arm_wake());
}

#[test]
fn an_urgent_control_overtakes_what_was_collected() {
    let (_poller, mut mailbox) = mailbox(9);
    let sender = Arc::clone(mailbox.sender());
    sender.try_push(1, 0).unwrap();
    mailbox.collect();
    sender.urgent_control('u').unwrap();
    assert_eq!(mailbox.take_urgent(), Some('u'));
    assert_eq!(taken(&mut mailbox), "1");
    sender.urgent_control('v').unwrap();
    assert!(mailbox.collect_or_arm_wake(), "nobody will wake the loop for it");
    assert!(!mailbox.close());
    assert_eq!(mailbox.take_urgent(), Some('v'));
    sender.try_push(2, 0).expect("the loop goes on");
    assert!(!mailbox.close());
    assert_eq!(taken(&mut mailbox), "2");
    assert!(mailbox.close());
    assert_eq!([sender.control('a'), sender.urgent_control('w')], [Err('a'), Err('w')]);
}

#[test]
fn endings_have_as_much_room_again_and_no_more() {
    let (_poller, mut mailbox) = mailbox(2);
    let sender = Arc::clone(mailbox.sender());
    sender.try_push(1, 0).unwrap();
    sender.try_push(2, 0).unwrap();
    assert_eq!(sender.try_push(3, 0), Err(SendError::Full));
    assert_eq!([sender.push_reserved(4), sender.push_reserved(5)], [Ok(()), Ok(())]);
    assert_eq!(sender.push_reserved(6), Err(SendError::Full));
    sender.push_unbounded(7).unwrap();
    mailbox.collect();
    assert_eq!(taken(&mut mailbox), "12457");
}

/// Returns whether the loop would be woken now, and lets it wake.
fn wakes(poller: &Poller, mailbox: &mut Mailbox<u32, char>) -> bool {
    let mut events = Events::with_capacity(4);
    poller.poll(&mut events, Some(Duration::ZERO)).expect("a poll");
    let tokens: Vec<_> = events.iter().map(|event| event.token()).collect();
    assert!(tokens.iter().all(|&token| token == EventTarget::Waker.token()));
    if !tokens.is_empty() {
        mailbox.woken();
    }
    !tokens.is_empty()
}

#[test]
fn whatever_is_sent_first_wakes_a_loop_that_sleeps_and_nothing_one_that_runs() {
    let (poller, mut mailbox) = mailbox(9);
    let sender = Arc::clone(mailbox.sender());
    let send: [&dyn Fn(); 5] = [
        &|| sender.try_push(1, 0).unwrap(),
        &|| sender.push_reserved(2).unwrap(),
        &|| sender.push_unbounded(3).unwrap(),
        &|| sender.control('a').unwrap(),
        &|| sender.urgent_control('u').unwrap(),
    ];
    for send_first in send {
        assert!(!mailbox.collect_or_arm_wake() && !mailbox.may_have_mail());
        send_first();
        assert!(wakes(&poller, &mut mailbox) && mailbox.may_have_mail());
        for send_next in send {
            send_next();
            assert!(!wakes(&poller, &mut mailbox), "the loop has something to carry out");
        }
        while mailbox.collect_or_arm_wake() {
            taken(&mut mailbox);
            while mailbox.take_urgent().is_some() {}
        }
    }
}

#[test]
fn a_mailbox_that_is_dropped_takes_nothing_more() {
    let (_poller, mailbox) = mailbox(9);
    let sender = Arc::clone(mailbox.sender());
    drop(mailbox);
    assert_eq!(sender.try_push(1, 0), Err(SendError::Stopped));
    assert_eq!(sender.push_unbounded(2), Err(SendError::Stopped));
    assert_eq!([sender.control('a'), sender.urgent_control('u')], [Err('a'), Err('u')]);
}

#[test]
fn what_was_accepted_before_the_end_is_carried_out() {
    let (_poller, mut mailbox) = mailbox(9);
    let sender = Arc::clone(mailbox.sender());
    sender.try_push(1, 0).unwrap();
    mailbox.collect();
    sender.try_push(2, 0).unwrap();
    sender.control('a').unwrap();
    assert!(!mailbox.close());
    assert_eq!(sender.try_push(3, 0), Err(SendError::Stopped));
    assert_eq!(taken(&mut mailbox), "12a");
    assert!(mailbox.close());
    drop(mailbox);
    assert_eq!(sender.control('b'), Err('b'));
}

#[test]
fn memory_of_a_burst_goes_back() {
    let (_poller, mut mailbox) = mailbox(100_000);
    for number in 0..100_000 {
        mailbox.sender().try_push(number, 0).unwrap();
    }
    for _ in 0..3 {
        mailbox.collect();
        while mailbox.take().is_some() {}
        mailbox.sender().try_push(1, 0).unwrap();
    }
    mailbox.collect();
    assert!(mailbox.commands.capacity() <= 2 * KEPT, "{}", mailbox.commands.capacity());
}
