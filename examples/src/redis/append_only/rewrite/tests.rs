use tempfile::tempdir;

use super::*;
use crate::redis::Client;
use crate::redis::change_log::ChangeLog;
use crate::redis::tests::run;

const PUSH: &[u8] = b"*3\r\n$5\r\nRPUSH\r\n$1\r\nl\r\n$1\r\nx\r\n";

#[test]
fn what_is_appended_meanwhile_is_copied() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("file.aof");
    let log = AppendOnly::open(&path, &Server::default(), 0).unwrap();
    let append = |bytes: &[u8]| {
        log.append(bytes);
        log.sync(&mut 0).unwrap();
    };
    append(&PUSH.repeat(10));
    let (old, len) = log.synced_part().unwrap();
    let new = lock(&log.new_path()).unwrap();
    fill(&new, &old, len).unwrap();
    let short = new.metadata().unwrap().len();
    // More than is copied while the loops wait.
    append(&PUSH.repeat(20_000));
    let lens = log.replace(&old, len, new, &log.new_path()).unwrap();
    let more = 20_000 * PUSH.len() as u64;
    assert_eq!(lens, (len + more, short + more));
    append(PUSH);
    assert_eq!(log.len(), short + more + PUSH.len() as u64);
    drop(log);
    let server = Server::default();
    AppendOnly::open(&path, &server, 0).unwrap();
    assert_eq!(run(&server, &mut Client::default(), "LLEN l").0, ":20011\r\n");
}

#[test]
fn a_file_that_somebody_has_cut_off_is_not_written_anew() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("file.aof");
    let log = AppendOnly::open(&path, &Server::default(), 0).unwrap();
    log.append(&PUSH.repeat(2));
    log.sync(&mut 0).unwrap();
    for len in [PUSH.len() as u64, 5] {
        File::options().write(true).open(&path).unwrap().set_len(len).unwrap();
        let error = log.write_anew().unwrap_err().to_string();
        assert_eq!(error, "somebody has cut it off");
        assert_eq!(fs::metadata(&path).unwrap().len(), len);
        assert!(!log.new_path().exists());
    }
}

/// Otherwise none could begin again.
#[test]
fn a_rewrite_that_panics_has_failed() {
    let folder = tempdir().unwrap();
    let log = AppendOnly::open(&folder.path().join("file.aof"), &Server::default(), 0).unwrap();
    log.rewriting.lock().is_running = true;
    let running = Running { log: Arc::clone(&log), new_len: None };
    thread::spawn(move || {
        let _running = running;
        panic!("for the test");
    })
    .join()
    .unwrap_err();
    let State { is_running, has_failed, .. } = *log.rewriting.lock();
    assert!(has_failed && !is_running);
}

#[test]
fn a_file_is_due_when_it_is_long_enough_and_has_doubled() {
    let idle = |base_len| State { base_len, ..State::default() };
    assert!(!idle(0).is_due(0, 0), "an empty file would be written anew for ever");
    assert!(idle(0).is_due(100, 0));
    assert!(!idle(100).is_due(199, 0) && idle(100).is_due(200, 0));
    assert!(!idle(100).is_due(200, 201) && idle(100).is_due(201, 201));
    assert!(!State { is_running: true, ..idle(100) }.is_due(200, 0));
}
