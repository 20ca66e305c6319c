//! Work for a loop, from other threads.

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;

use crate::api::event_loop_access::Loop;
use crate::api::group::Sender;
use crate::api::message::Command;
use crate::mail::send_error::SendError;

/// The largest task that shares a command, in bytes. A larger one is better moved to memory of its
/// own, which is done before the lock is taken.
const MAX_SHARED_LEN: usize = 128;

/// Bytes of tasks that share a command. It bounds what is moved when their memory grows, which is
/// under the lock, and how far a turn can go beyond its budget.
const ROW_BYTES: usize = 1024;

/// As many tasks share a command at the most, however small they are.
const ROW_TASKS: usize = 64;

/// Tasks of one type that were left one after the other, such as those of a thread that posts in a
/// loop. They share their memory: to allocate it in one thread and free it in another, for each
/// task of its own, is most of what a task costs.
pub(crate) struct Tasks(Box<dyn Row>);

impl Tasks {
    /// Sends a task to a loop.
    pub(crate) fn send<F>(mailbox: &Sender, task: F) -> Result<(), SendError>
    where
        F: FnOnce(&mut Loop<'_>) + Send + 'static,
    {
        Self::send_with(mailbox, 0, task)
    }

    /// Sends a task that holds so many bytes beside its own.
    pub(crate) fn send_with<F>(mailbox: &Sender, bytes: usize, task: F) -> Result<(), SendError>
    where
        F: FnOnce(&mut Loop<'_>) + Send + 'static,
    {
        let bytes = bytes.saturating_add(size_of::<F>());
        if size_of::<F>() > MAX_SHARED_LEN {
            return mailbox.try_push(Command::Tasks(Self::alone(task)), bytes);
        }
        mailbox.try_push_with(bytes, |commands| Self::push(commands, task))
    }

    /// Makes a command of one task.
    fn alone<F>(task: F) -> Self
    where
        F: FnOnce(&mut Loop<'_>) + Send + 'static,
    {
        Self(Box::new(RowOf { first: task, others: Vec::new() }))
    }

    /// Puts a task at the end of the queue, if it can together with the one there.
    fn push<F>(commands: &mut VecDeque<Command>, task: F)
    where
        F: FnOnce(&mut Loop<'_>) + Send + 'static,
    {
        let last = match commands.back_mut() {
            Some(Command::Tasks(Self(row))) => row.as_any().downcast_mut::<RowOf<F>>(),
            _ => None,
        };
        match last {
            Some(row) if row.has_room() => row.others.push(task),
            _ => commands.push_back(Command::Tasks(Self::alone(task))),
        }
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

trait Row: Send {
    fn count(&self) -> usize;

    fn run(self: Box<Self>, event_loop: &mut Loop<'_>);

    fn as_any(&mut self) -> &mut dyn Any;
}

struct RowOf<F> {
    /// Apart from the others, so that a task that is alone needs one allocation.
    first: F,
    others: Vec<F>,
}

impl<F: FnOnce(&mut Loop<'_>) + Send + 'static> RowOf<F> {
    fn has_room(&self) -> bool {
        let with_one_more = self.count() + 1;
        with_one_more <= ROW_TASKS && with_one_more * size_of::<F>() <= ROW_BYTES
    }
}

impl<F: FnOnce(&mut Loop<'_>) + Send + 'static> Row for RowOf<F> {
    fn count(&self) -> usize {
        1 + self.others.len()
    }

    fn run(self: Box<Self>, event_loop: &mut Loop<'_>) {
        let Self { first, others } = *self;
        first(event_loop);
        for task in others {
            task(event_loop);
        }
    }

    fn as_any(&mut self) -> &mut dyn Any {
        self
    }
}

#[cfg(test)]
mod tests {
    use std::hint;

    use super::*;

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
        push_tasks(&mut commands, 2 * ROW_TASKS + 1, 1);
        assert_eq!(counts(&commands), [ROW_TASKS, ROW_TASKS, 1]);
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
