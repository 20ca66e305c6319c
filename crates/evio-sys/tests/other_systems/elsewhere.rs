//! A test runs once more by itself, with the library preloaded. Also part of the tests of `evio`.
#![allow(dead_code, reason = "each test uses a part")]

use std::env;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// In the environment of a test that has the library: the system whose calls it has.
const ELSEWHERE: &str = "EVIO_TEST_ELSEWHERE";

/// In the environment of a test that has the library: the file with the backlogs of listen(2).
const RECORD: &str = "EVIO_TEST_RECORD";

/// A test that takes longer waits for something that does not come, and is killed.
const DEADLINE: Duration = Duration::from_secs(60);

/// Returns whether the test is to run: it has the library. If not, runs it in a process that has.
pub(crate) fn is_on(system: &str, test: &str) -> bool {
    if env::var_os(ELSEWHERE).is_some() {
        return true;
    }
    let is_static = cfg!(target_feature = "crt-static");
    if is_static || !fs::exists("/proc/self/maps").unwrap() {
        println!("left out: no library can be preloaded");
        return false;
    }
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let [library, record] = ["so", "record"].map(|kind| directory.join(format!("{test}.{kind}")));
    // Each crate whose tests these are has the others beside it.
    let source = Path::new(env!("CARGO_MANIFEST_DIR"));
    let source = source.join("../evio-sys/tests/other_systems/preload.c");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-o"]).args([&library, &source]).arg("-ldl");
    // Rust links with it.
    assert!(compiler.status().expect("there is a C compiler").success());
    fs::write(&record, "").unwrap();
    let mut program = Command::new(env::current_exe().unwrap());
    program.args([test, "--exact", "--nocapture"]);
    program.env("LD_PRELOAD", library).env(ELSEWHERE, system).env(RECORD, record);
    let mut program = program.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut stdout, mut stderr) = (program.stdout.take().unwrap(), program.stderr.take().unwrap());
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut said = Vec::new();
        // Both end with the program.
        stdout.read_to_end(&mut said).and_then(|_| stderr.read_to_end(&mut said)).unwrap();
        sender.send(said).unwrap();
    });
    let said = receiver.recv_timeout(DEADLINE).unwrap_or_else(|_| {
        program.kill().unwrap();
        receiver.recv().unwrap()
    });
    let status = program.wait().unwrap();
    let said = String::from_utf8_lossy(&said);
    let has_passed = status.success() && said.contains("1 passed");
    assert!(has_passed, "{status} on {system}: {said}");
    false
}

/// Returns the backlogs that listen(2) was called with.
pub(crate) fn backlogs() -> Vec<i32> {
    let record = PathBuf::from(env::var_os(RECORD).unwrap());
    let record = fs::read_to_string(record).unwrap();
    record.lines().map(|backlog| backlog.parse().unwrap()).collect()
}
