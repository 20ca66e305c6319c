//! Work for a loop, from other threads.

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;

use crate::api::event_loop_access::Loop;
use crate::api::group::Sender;
use crate::api::message::Command;
use crate::api::row::Row;
use crate::mail::send_error::Unsent;

/// Tasks of one type, which share their memory.
pub(crate) struct Tasks(Box<dyn TaskRow>);

impl Tasks {
    /// Sends a task to a loop.
    pub(crate) fn send<F>(mailbox: &Sender, task: F) -> Result<(), Unsent<F>>
    where
        F: FnOnce(&mut Loop<'_>) + Send + 'static,
    {
        Self::send_with(mailbox, 0, task)
    }

    /// Sends a task that holds so many bytes beside its own.
    pub(crate) fn send_with<F>(mailbox: &Sender, bytes: usize, task: F) -> Result<(), Unsent<F>>
    where
        F: FnOnce(&mut Loop<'_>) + Send + 'static,
    {
        Row::send(mailbox, bytes, task, Self::push, |row| Command::Tasks(Self(row)))
    }

    /// Puts a task at the end of the queue, if it can together with the one there.
    fn push<F>(commands: &mut VecDeque<Command>, task: F)
    where
        F: FnOnce(&mut Loop<'_>) + Send + 'static,
    {
        if let Some(Command::Tasks(Self(row))) = commands.back_mut() {
            let row = row.as_any().downcast_mut::<Row<F>>();
            if let Some(row) = row.filter(|row| row.has_room()) {
                return row.push(task);
            }
        }
        commands.push_back(Command::Tasks(Self(Box::new(Row::new(task)))));
    }

    pub(crate) fn count(&self) -> usize {
        self.0.count()
    }

    pub(crate) fn run(self, event_loop: &mut Loop<'_>) {
        self.0.run(event_loop);
    }
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tasks")
    }
}

trait TaskRow: Send {
    fn count(&self) -> usize;

    fn run(self: Box<Self>, event_loop: &mut Loop<'_>);

    fn as_any(&mut self) -> &mut dyn Any;
}

impl<F: FnOnce(&mut Loop<'_>) + Send + 'static> TaskRow for Row<F> {
    fn count(&self) -> usize {
        self.len()
    }

    fn run(self: Box<Self>, event_loop: &mut Loop<'_>) {
        self.into_values().for_each(|task| task(event_loop));
    }

    fn as_any(&mut self) -> &mut dyn Any {
        self
    }
}

#[cfg(test)]
mod tests {
    use std::hint;

    use super::*;
    use crate::api::row::{MAX_SHARED_LEN, ROW_BYTES, ROW_LEN};

    fn counts(commands: &VecDeque<Command>) -> Vec<usize> {
        let count = |message: &Command| match message {
            Command::Tasks(tasks) => tasks.count(),
            _ => 0,
        };
        commands.iter().map(count).collect()
    }

    /// Leaves `count` tasks of one type that hold `held`.
    fn push_tasks<T: Copy + Send + 'static>(
        commands: &mut VecDeque<Command>,
        count: usize,
        held: T,
    ) {
        for _ in 0..count {
            Tasks::push(commands, move |_| {
                hint::black_box(held);
            });
        }
    }

    #[test]
    fn small_tasks_of_one_type_share_commands_up_to_a_limit() {
        let mut commands = VecDeque::new();
        push_tasks(&mut commands, 2 * ROW_LEN + 1, 1);
        assert_eq!(counts(&commands), [ROW_LEN, ROW_LEN, 1]);
    }

    #[test]
    fn large_tasks_share_as_much_memory() {
        let mut commands = VecDeque::new();
        push_tasks(&mut commands, 9, [0u8; MAX_SHARED_LEN]);
        assert_eq!(counts(&commands), [ROW_BYTES / MAX_SHARED_LEN, 1]);
    }

    #[test]
    fn what_comes_between_tasks_stays_between_them() {
        let mut commands = VecDeque::new();
        for number in 0..2 {
            push_tasks(&mut commands, 3, 'a');
            push_tasks(&mut commands, 1, "another type");
            commands.push_back(Command::StopListening(number));
        }
        assert_eq!(counts(&commands), [3, 1, 0, 3, 1, 0]);
    }
}
