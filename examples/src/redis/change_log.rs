//! Handing changes to a log.

use std::fmt;

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
}

/// What a batch has to log, if there is a log.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// What is logged instead of the command that has just been run.
    instead: Vec<u8>,
    has_instead: bool,
    /// The commands of the transaction that is being run.
    transaction: Option<Vec<u8>>,
}

impl Changes {
    pub(super) fn is_in_transaction(&self) -> bool {
        self.transaction.is_some()
    }
}

impl Call<'_, '_> {
    /// Has other words logged for this command: one whose effect depends on chance or the time. It
    /// can be called several times, for several commands.
    pub(super) fn log_instead(&mut self, arguments: &[&[u8]]) {
        if self.store.store().log().is_some() {
            let changes = &mut self.errands.changes;
            changes.has_instead = true;
            write(&mut changes.instead, arguments.len(), arguments.iter().copied());
        }
    }

    /// Logs this command, if it has changed anything since there were `before` changes.
    #[inline]
    pub(super) fn log(&mut self, before: u64) {
        if self.store.changes() != before {
            if let Some(log) = self.store.store().log() {
                self.log_to(log);
            }
        } else if self.errands.changes.has_instead {
            self.errands.changes.has_instead = false;
            self.errands.changes.instead.clear();
        }
    }

    #[cold]
    fn log_to(&mut self, log: &dyn ChangeLog) {
        let changes = &mut self.errands.changes;
        let mut bytes = std::mem::take(&mut changes.instead);
        if !std::mem::take(&mut changes.has_instead) {
            write(&mut bytes, self.command.len(), self.command.iter_from(0));
        }
        if bytes.is_empty() {
            // An `EXEC` has logged what it has run.
            return;
        }
        match &mut changes.transaction {
            Some(transaction) => transaction.extend_from_slice(&bytes),
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
        self.errands.changes.has_instead = true;
        if let Some(log) = self.store.store().log().filter(|_| !commands.is_empty()) {
            let (begin, end) = (b"*1\r\n$5\r\nMULTI\r\n".as_slice(), b"*1\r\n$4\r\nEXEC\r\n");
            log.append(&[begin, &commands, end].concat());
        }
    }
}

/// Writes a command as a client sends it.
pub(super) fn write<'a>(
    bytes: &mut Vec<u8>,
    len: usize,
    arguments: impl Iterator<Item = &'a [u8]>,
) {
    bytes.extend_from_slice(format!("*{len}\r\n").as_bytes());
    for argument in arguments {
        bytes.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
        bytes.extend_from_slice(argument);
        bytes.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::*;
    use crate::redis::tests::run;
    use crate::redis::{Client, Server};

    #[derive(Debug, Default)]
    struct Kept(Mutex<Vec<String>>);

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
}
