//! What can be wrong with a twin.

use clap::ValueEnum;

/// The bug that is planted into a twin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Bug {
    /// There is none: what shows that a check finds the bugs, and not the twin, at fault.
    None,
    /// Output of a wake replaces output that is waiting.
    LostOutput,
    /// Not all that a write did not take is written later.
    ShortWrites,
    /// A connection that is not read from, because its output is waiting, keeps its read interest.
    Spin,
    /// A peer that does not read is read from all the same.
    UnlimitedOutput,
    /// The queue is emptied before the wake flag is cleared.
    DrainFirst,
    /// What is meant for a connection reaches whichever has its place in the table now.
    NoGeneration,
    /// A failed read and the hang-up in the same event both end the connection.
    DoubleClosed,
    /// The socket of a connection that has ended stays open.
    DescriptorLeak,
    /// An accept that fails for want of descriptors ends the server.
    ExitOnEmfile,
    /// The time of the next tick is counted from the end of the last one.
    SleepTick,
    /// A message that is not whole is looked through from its beginning with each piece.
    QuadraticParse,
}

impl Bug {
    /// Returns the name that the command line of `twin` knows it by.
    #[must_use]
    pub fn name(self) -> String {
        let value = self.to_possible_value().expect("no bug is hidden from the command line");
        value.get_name().to_owned()
    }
}
