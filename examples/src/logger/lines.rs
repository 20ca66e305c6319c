//! Lines that a thread of their own writes.

use std::fmt::Arguments;
use std::io::{self, BufWriter, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::thread;
use std::time::{Duration, Instant};

/// The most lines that wait to be written.
const MAX_WAITING: usize = 1024;

/// The longest line in bytes; part of it may be what a peer has sent.
const MAX_LINE: usize = 4096;

/// How often the log says how many lines were left out.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// How long the end of the program waits for a reader that has stalled.
const LAST_LINES: Duration = Duration::from_millis(250);

/// How often it looks for room in the queue meanwhile.
const ROOM_INTERVAL: Duration = Duration::from_millis(1);

/// Where lines are written, by a thread that nobody waits for.
///
/// A line that finds 1,024 others waiting is left out, and the number of these is written later.
#[derive(Clone, Debug)]
pub struct Lines {
    waiting: SyncSender<Item>,
    left_out: Arc<AtomicU64>,
}

/// Waits for the last lines when it is dropped, for a quarter of a second at most.
#[derive(Debug)]
pub struct LinesGuard {
    waiting: SyncSender<Item>,
    patience: Duration,
}

#[derive(Debug)]
enum Item {
    Line(String),
    /// A line was left out: wakes the writer, for it to report that.
    LeftOut,
    /// Is answered when all lines before it have been written.
    Flush(SyncSender<()>),
}

impl Lines {
    /// Starts a thread of this name, which writes the lines to `output`.
    ///
    /// # Errors
    ///
    /// Fails when the system refuses a thread.
    pub fn new(name: &str, output: impl Write + Send + 'static) -> io::Result<(Self, LinesGuard)> {
        let (waiting, items) = mpsc::sync_channel(MAX_WAITING);
        let left_out = Arc::new(AtomicU64::new(0));
        let writer = Writer {
            output: BufWriter::new(output),
            left_out: Arc::clone(&left_out),
            last_report: Instant::now(),
        };
        let thread = thread::Builder::new().name(name.to_owned());
        thread.spawn(move || writer.run(&items))?;
        let guard = LinesGuard { waiting: waiting.clone(), patience: LAST_LINES };
        Ok((Self { waiting, left_out }, guard))
    }

    /// Hands over a line. Control characters in it are escaped: a peer could forge other lines by
    /// them, or speak to the terminal.
    pub fn write(&self, line: Arguments<'_>) {
        if self.waiting.try_send(Item::Line(printable(&line.to_string()))).is_err() {
            self.leave_out();
        }
    }

    /// Counts a line that is not written.
    pub(super) fn leave_out(&self) {
        if self.left_out.fetch_add(1, Ordering::Relaxed) == 0 {
            // With no room for it, the writer has lines to write and is awake.
            let _ = self.waiting.try_send(Item::LeftOut);
        }
    }
}

impl Drop for LinesGuard {
    fn drop(&mut self) {
        let deadline = Instant::now() + self.patience;
        let left = || deadline.saturating_duration_since(Instant::now());
        let (done, is_done) = mpsc::sync_channel(1);
        let mut flush = Item::Flush(done);
        // A full queue has room soon if the reader is there, but nothing tells when.
        while let Err(TrySendError::Full(item)) = self.waiting.try_send(flush) {
            if left().is_zero() {
                return;
            }
            thread::sleep(ROOM_INTERVAL);
            flush = item;
        }
        let _ = is_done.recv_timeout(left());
    }
}

struct Writer<W: Write> {
    output: BufWriter<W>,
    left_out: Arc<AtomicU64>,
    last_report: Instant,
}

impl<W: Write> Writer<W> {
    fn run(mut self, items: &Receiver<Item>) {
        while let Some(item) = self.next(items) {
            self.take(item);
        }
    }

    /// Waits for the next item; a thread with nothing to write and nothing to report stays asleep.
    fn next(&mut self, items: &Receiver<Item>) -> Option<Item> {
        if let Ok(item) = items.try_recv() {
            return Some(item);
        }
        self.flush();
        while self.left_out.load(Ordering::Relaxed) > 0 {
            if let Ok(item) = items.recv_timeout(REPORT_EVERY) {
                return Some(item);
            }
            self.report();
            self.flush();
        }
        items.recv().ok()
    }

    fn take(&mut self, item: Item) {
        match item {
            Item::Line(line) => {
                self.write(format_args!("{line}"));
                if self.left_out.load(Ordering::Relaxed) > 0
                    && self.last_report.elapsed() >= REPORT_EVERY
                {
                    self.report();
                }
            }
            Item::LeftOut => {}
            Item::Flush(done) => {
                self.report();
                self.flush();
                let _ = done.try_send(());
            }
        }
    }

    fn report(&mut self) {
        let left_out = self.left_out.swap(0, Ordering::Relaxed);
        if left_out > 0 {
            self.write(format_args!("{left_out} lines were left out"));
            self.last_report = Instant::now();
        }
    }

    /// Fails when the reader has gone or the disk is full, which the log has no way to say.
    fn write(&mut self, line: Arguments<'_>) {
        let _ = writeln!(self.output, "{line}");
    }

    fn flush(&mut self) {
        let _ = self.output.flush();
    }
}

fn printable(text: &str) -> String {
    let mut end = text.len().min(MAX_LINE);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut line = String::with_capacity(end);
    for character in text[..end].chars() {
        match character.is_control() {
            true => line.extend(character.escape_default()),
            false => line.push(character),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixStream;
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn lines_are_written_in_order_and_without_control_characters() {
        let (mut reader, output) = UnixStream::pair().expect("a pair of sockets");
        let (lines, guard) = Lines::new("test", output).expect("a thread");
        lines.write(format_args!("one\x1b[2J\nforged"));
        lines.write(format_args!("{}", "é".repeat(MAX_LINE)));
        drop((guard, lines));
        let mut written = String::new();
        reader.read_to_string(&mut written).expect("text");
        let second = "é".repeat(MAX_LINE / 2);
        assert_eq!(written, format!("one\\u{{1b}}[2J\\nforged\n{second}\n"));
    }

    /// Returns how often a line was written, and how many were left out.
    fn count(written: &str, line: &str) -> (usize, usize) {
        let (mut whole, mut left_out) = (0, 0);
        for text in written.lines() {
            match text.strip_suffix(" lines were left out") {
                Some(count) => left_out += count.parse::<usize>().expect("a number"),
                None => whole += usize::from(text == line),
            }
        }
        (whole, left_out)
    }

    #[test]
    fn a_reader_that_stalls_holds_up_nobody_and_learns_what_was_left_out() {
        let (mut reader, output) = UnixStream::pair().expect("a pair of sockets");
        let (lines, guard) = Lines::new("test", output).expect("a thread");
        let line = "x".repeat(1000);
        // More than the queue and the socket hold together.
        for _ in 0..10_000 {
            lines.write(format_args!("{line}"));
        }
        drop((guard, lines));
        let mut written = String::new();
        reader.read_to_string(&mut written).expect("text");
        let (whole, left_out) = count(&written, &line);
        assert!(left_out > 0);
        assert_eq!(whole + left_out, 10_000);
    }

    #[test]
    fn the_last_lines_of_a_full_queue_are_waited_for() {
        /// Writes nothing before it is let, and then takes its time.
        struct Slow(mpsc::Receiver<()>, Arc<Mutex<Vec<u8>>>);
        impl Write for Slow {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                let _ = self.0.recv();
                // Acts out a slow disk.
                thread::sleep(Duration::from_millis(1));
                self.1.lock().expect("no panic").write(bytes)
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (go_on, may_go_on) = mpsc::channel();
        let written = Arc::default();
        let (lines, mut guard) =
            Lines::new("test", Slow(may_go_on, Arc::clone(&written))).expect("a thread");
        guard.patience = Duration::from_secs(20);
        let line = "x".repeat(1000);
        for _ in 0..2 * MAX_WAITING {
            lines.write(format_args!("{line}"));
        }
        drop(go_on);
        drop(guard);
        let written = written.lock().expect("no panic");
        let (whole, left_out) = count(std::str::from_utf8(&written).expect("text"), &line);
        assert!(left_out > 0);
        assert_eq!(whole + left_out, 2 * MAX_WAITING);
    }

    #[test]
    fn a_reader_that_has_gone_ends_nothing() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (lines, guard) = Lines::new("test", Gone).expect("a thread");
        for _ in 0..100 {
            lines.write(format_args!("a line"));
        }
        let (done, is_done) = mpsc::sync_channel(1);
        guard.waiting.send(Item::Flush(done)).expect("the thread is there");
        assert!(is_done.recv().is_ok());
    }
}
