use super::*;
use crate::api::row::{ROW_BYTES, ROW_LEN};
use crate::{Config, EventLoop, SendError};

/// Leaves the messages as a sender does, and returns how many each command has.
fn lens<M: Clone + Send + 'static>(count: usize, message: M) -> Vec<usize> {
    let mut commands = VecDeque::new();
    for _ in 0..count {
        Messages::push(&mut commands, message.clone());
    }
    let len = |command: &Command| match command {
        Command::Messages(messages) => messages.len(),
        _ => 0,
    };
    commands.iter().map(len).collect()
}

#[test]
fn small_messages_share_commands_up_to_a_limit() {
    assert_eq!(lens(2 * ROW_LEN + 1, 7u8), [ROW_LEN, ROW_LEN, 1]);
    assert_eq!(lens(9, [0u8; 128]), [ROW_BYTES / 128, 1]);
}

#[test]
fn what_is_taken_out_is_what_was_put_in() {
    let mut commands = VecDeque::new();
    for number in 0..100 {
        Messages::push(&mut commands, number);
        if number % 10 == 9 {
            commands.push_back(Command::StopListening(0));
        }
    }
    let mut numbers: Vec<i32> = Vec::new();
    for command in commands {
        if let Command::Messages(messages) = command {
            numbers.extend(messages.into_values::<i32>());
        }
    }
    assert_eq!(numbers, Vec::from_iter(0..100));
}

/// Small ones and large ones.
#[test]
fn what_finds_no_room_comes_back() {
    fn check<M: Send + PartialEq + 'static>(message: impl Fn(u8) -> M) {
        let config = Config { mailbox_capacity: 3, ..Config::default() };
        let event_loop = EventLoop::new(config).unwrap();
        let sender = event_loop.handle().message_sender().unwrap();
        for number in 0..3 {
            assert!(sender.send(message(number)).is_ok());
        }
        let unsent = sender.send(message(3)).unwrap_err();
        assert_eq!(unsent.error(), SendError::Full);
        assert!(unsent.into_inner() == message(3));
        drop(event_loop);
        let unsent = sender.send(message(4)).unwrap_err();
        assert_eq!(unsent.error(), SendError::Stopped);
    }
    check(|number| number);
    check(|number| [number; 200]);
}

#[test]
fn the_bytes_that_wait_are_bounded() {
    let config = Config { mailbox_bytes: 100, ..Config::default() };
    let event_loop = EventLoop::new(config).unwrap();
    let sender = event_loop.handle().message_sender::<u32>().unwrap();
    assert!(sender.send_with(1, 92).is_ok());
    assert_eq!(sender.send_with(2, 1).unwrap_err().into_inner(), 2, "5 bytes where 4 are left");
    assert!(sender.send(3).is_ok());
}

#[test]
fn a_group_has_messages_of_one_type() {
    let event_loop = EventLoop::new(Config::default()).unwrap();
    let handle = event_loop.handle();
    assert!(handle.message_sender::<u32>().is_ok());
    let error = handle.message_sender::<&str>().unwrap_err();
    assert_eq!(error.to_string(), "this group's messages are of type u32, not &str");
    assert!(handle.message_sender::<u32>().is_ok());
}
