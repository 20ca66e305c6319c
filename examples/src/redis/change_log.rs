//! Handing changes to a log.

use std::fmt;
use std::io::{self, Write};

use super::call::Call;

/// Where the commands that have changed something go, in an order in which they can be run again.
pub trait ChangeLog: fmt::Debug + Send + Sync {
    /// Appends commands as clients send them. Those that belong together come in one call.
    ///
    /// The locks of the keys that were changed are held meanwhile; so it must be quick.
    fn append(&self, commands: &[u8]);

    /// Tells whether nothing may be changed at present, because it could not be logged.
    fn refuses(&self) -> bool {
        false
    }

    /// Begins to write the log anew, without what has no effect any more. Returns whether that was
    /// not going on yet.
    fn rewrite(&self) -> bool {
        false
    }

    /// Returns how the log stands.
    fn status(&self) -> LogStatus {
        LogStatus::default()
    }
}

/// What `INFO` tells of a log.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogStatus {
    /// How many bytes long it is.
    pub len: u64,
    /// How long it was at the start, or after it was written anew.
    pub base_len: u64,
    /// Whether it is being written anew.
    pub is_rewriting: bool,
    /// Whether that has failed the last time.
    pub has_failed_to_rewrite: bool,
}

/// What a batch has to log, if there is a log.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// What is logged instead of the command that has just been run.
    instead: Vec<u8>,
    /// How many commands that is. Where `instead` is empty all the same, nothing is logged: an
    /// `EXEC` has logged what it has run.
    instead_count: usize,
    /// The commands of the transaction that is being run.
    transaction: Option<Vec<u8>>,
}

impl Changes {
    pub(super) fn is_in_transaction(&self) -> bool {
        self.transaction.is_some()
    }
}

/// The most arguments, and about the most bytes, of one of several commands that are logged instead
/// of one, or that make one value.
pub(super) const MAX_ARGUMENTS: usize = 1_024;
pub(super) const MAX_BYTES: usize = 1024 * 1024;

/// Tells whether one of these commands may have so many arguments, with so many bytes behind the
/// key. Each repeats the key; so behind one that is long there may be as many bytes, and what all
/// commands take is at most twice what is in them.
pub(super) fn is_short(key: &[u8], arguments: usize, bytes: usize) -> bool {
    bytes <= key.len() || (arguments <= MAX_ARGUMENTS && bytes <= MAX_BYTES)
}

const MULTI: &[u8] = b"*1\r\n$5\r\nMULTI\r\n";
const EXEC: &[u8] = b"*1\r\n$4\r\nEXEC\r\n";

/// Puts commands into a transaction, so that a log which ends among them has none of them.
fn as_transaction(commands: &[u8]) -> Vec<u8> {
    [MULTI, commands, EXEC].concat()
}

impl Call<'_, '_> {
    /// Has other words logged for this command: one whose effect depends on chance or the time. It
    /// can be called several times, for several commands, which are logged as one transaction.
    pub(super) fn log_instead(&mut self, arguments: &[&[u8]]) {
        if self.store.store().log().is_some() {
            let changes = &mut self.errands.changes;
            changes.instead_count += 1;
            write(&mut changes.instead, arguments.len(), arguments.iter().copied());
        }
    }

    /// As [`log_instead`](Self::log_instead), for any number of `items` of a key, in as many
    /// commands as it takes for each to be short.
    pub(super) fn log_each_instead(&mut self, name: &[u8], key: &[u8], items: &[impl AsRef<[u8]>]) {
        let mut rest = items;
        while !rest.is_empty() {
            let (mut arguments, mut bytes) = (2, 0);
            let fits = |item: &&_| {
                arguments += 1;
                bytes += AsRef::<[u8]>::as_ref(*item).len();
                is_short(key, arguments, bytes)
            };
            let count = rest.iter().take_while(fits).count();
            let (piece, others) = rest.split_at(count.max(1));
            let items = piece.iter().map(AsRef::as_ref);
            self.log_instead(&[name, key].into_iter().chain(items).collect::<Vec<_>>());
            rest = others;
        }
    }

    /// Logs this command, if it has changed anything since there were `before` changes.
    ///
    /// One that has looked for a key which it had not named would be refused when the log is read.
    #[inline]
    pub(super) fn log(&mut self, before: u64) {
        if self.store.changes() != before && !self.store.has_strayed() {
            if let Some(log) = self.store.store().log() {
                self.log_to(log);
            }
        } else if self.errands.changes.instead_count > 0 {
            let changes = &mut self.errands.changes;
            changes.instead_count = 0;
            changes.instead.clear();
        }
    }

    #[cold]
    fn log_to(&mut self, log: &dyn ChangeLog) {
        let changes = &mut self.errands.changes;
        let mut bytes = std::mem::take(&mut changes.instead);
        let instead_count = std::mem::take(&mut changes.instead_count);
        if instead_count == 0 {
            write(&mut bytes, self.command.len(), self.command.iter_from(0));
        }
        if bytes.is_empty() {
            // An `EXEC` has logged what it has run.
            return;
        }
        match &mut changes.transaction {
            Some(transaction) => transaction.extend_from_slice(&bytes),
            None if instead_count > 1 => log.append(&as_transaction(&bytes)),
            None => log.append(&bytes),
        }
    }

    /// Begins to gather the changes of a transaction.
    pub(super) fn begin_transaction_log(&mut self) {
        self.errands.changes.transaction = Some(Vec::new());
    }

    /// Logs the changes of a transaction as one.
    pub(super) fn end_transaction_log(&mut self) {
        let commands = self.errands.changes.transaction.take().unwrap_or_default();
        self.errands.changes.instead_count = 1;
        if let Some(log) = self.store.store().log().filter(|_| !commands.is_empty()) {
            log.append(&as_transaction(&commands));
        }
    }
}

/// Writes a command as a client sends it.
pub(super) fn write<'a>(
    bytes: &mut Vec<u8>,
    len: usize,
    arguments: impl Iterator<Item = &'a [u8]>,
) {
    write_to(bytes, len, arguments).expect("a vector takes everything");
}

/// As [`write`], to anything that can be written to.
pub(super) fn write_to<'a>(
    out: &mut impl Write,
    len: usize,
    arguments: impl Iterator<Item = &'a [u8]>,
) -> io::Result<()> {
    write!(out, "*{len}\r\n")?;
    for argument in arguments {
        write!(out, "${}\r\n", argument.len())?;
        out.write_all(argument)?;
        out.write_all(b"\r\n")?;
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::*;
    use crate::redis::tests::run;
    use crate::redis::value::Set;
    use crate::redis::{Client, Server};

    #[derive(Debug, Default)]
    pub(in crate::redis) struct Kept(pub(in crate::redis) Mutex<Vec<String>>);

    impl ChangeLog for Arc<Kept> {
        fn append(&self, commands: &[u8]) {
            self.0.lock().push(String::from_utf8(commands.to_vec()).unwrap().replace("\r\n", " "));
        }
    }

    #[test]
    fn what_changes_something_is_logged_in_order() {
        let kept = Arc::<Kept>::default();
        let server = Server::default().with_log(Box::new(Arc::clone(&kept)));
        let mut client = Client::default();
        let requests = [
            "SET k v", "GET k", "DEL none", "SADD s a", "SADD s a", "MULTI", "INCR n", "GET n",
            "DEL k", "EXEC", "MULTI", "GET n", "EXEC", "FLUSHALL",
        ];
        for request in requests {
            let _ = run(&server, &mut client, request);
        }
        let expected = [
            "*3 $3 SET $1 k $1 v ",
            "*3 $4 SADD $1 s $1 a ",
            "*1 $5 MULTI *2 $4 INCR $1 n *2 $3 DEL $1 k *1 $4 EXEC ",
            "*1 $8 FLUSHALL ",
        ];
        assert_eq!(*kept.0.lock(), expected);
    }

    /// Returns what `request` has logged, on a set `s` of these members.
    fn logged(members: &[String], request: &str) -> Vec<String> {
        let kept = Arc::<Kept>::default();
        let server = Server::default().with_log(Box::new(Arc::clone(&kept)));
        let mut client = Client::default();
        for member in members {
            server
                .store
                .view()
                .change_or_new(b"s", |set: &mut Set| (true, set.insert(member.as_bytes())))
                .unwrap();
        }
        for request in request.split("; ") {
            let _ = run(&server, &mut client, request);
        }
        std::mem::take(&mut kept.0.lock())
    }

    /// Counts the arguments of each command.
    fn lengths(commands: &str) -> Vec<usize> {
        let counts = commands.split(' ').filter_map(|word| word.strip_prefix('*'));
        counts.map(|count| count.parse().unwrap()).collect()
    }

    #[test]
    fn what_is_logged_as_several_commands_is_one_transaction() {
        let members: Vec<String> = (0..3000).map(|number| number.to_string()).collect();
        let all = logged(&members, "SPOP s 3000");
        assert_eq!(all.len(), 1);
        assert_eq!(lengths(&all[0]), [1, 1024, 1024, 3006 - 2048, 1]);
        let one = logged(&members, "SPOP s 1000");
        assert_eq!(lengths(&one[0]), [1002]);
        let within = logged(&members, "MULTI; SPOP s 2000; SPOP s; EXEC");
        assert_eq!(lengths(&within[0]), [1, 1024, 2004 - 1024, 3, 1]);
    }

    #[test]
    fn long_members_are_logged_in_commands_of_a_megabyte() {
        let members: Vec<String> =
            (0..5).map(|number| number.to_string().repeat(400_000)).collect();
        let all = logged(&members, "SPOP s 5");
        assert_eq!(lengths(&all[0]), [1, 4, 4, 3, 1]);
        let long = ["a", "b"].map(|letter| letter.repeat(1_500_000));
        assert_eq!(lengths(&logged(&long, "SPOP s 2")[0]), [1, 3, 3, 1]);
    }

    #[test]
    fn a_long_key_is_not_repeated_for_few_members() {
        let members: Vec<String> = (0..20_000).map(|number| format!("{number:010}")).collect();
        let key = "k".repeat(50_000);
        let commands = logged(&members, &format!("RENAME s {key}; SPOP {key} 20000"));
        let sent = 20_000 * 10 + key.len();
        assert!(commands[1].len() < 4 * sent, "{} bytes of {sent}", commands[1].len());
        assert_eq!(lengths(&commands[1]).len(), 6);
    }
}
