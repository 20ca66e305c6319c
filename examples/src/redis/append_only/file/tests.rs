use tempfile::{TempDir, tempdir, tempfile};

use super::*;

fn new_log() -> (TempDir, Arc<AppendOnly>) {
    let folder = tempdir().unwrap();
    let path = folder.path().join("file.aof");
    let log = AppendOnly::open(&path, &Server::default(), u64::MAX).unwrap();
    (folder, log)
}

/// Has the disk fail from now on, or not.
fn set_writable(log: &AppendOnly, is_writable: bool) {
    let locked = |file| Flock::lock(file, FlockArg::LockExclusiveNonblock).unwrap();
    let mut file = log.file.lock();
    // One lock at a time: it is given back before the file is opened again.
    drop(mem::replace(&mut file.file, locked(tempfile().unwrap())));
    let opened = File::options().read(true).write(is_writable).open(&log.path).unwrap();
    file.file = locked(opened);
}

#[test]
fn each_loop_is_told_of_a_failure_once_also_when_it_is_over() {
    const RECORD: &[u8] = b"*1\r\n$4\r\nPING\r\n";
    let (_folder, log) = new_log();
    let mut seen = [0; 3];
    set_writable(&log, false);
    log.append(RECORD);
    for loop_id in [0, 1] {
        assert!(log.sync(&mut seen[loop_id]).is_err());
        assert!(log.refuses());
        assert!(log.sync(&mut seen[loop_id]).is_ok(), "it can be read");
        log.retry();
    }
    assert_eq!(log.len(), 0);
    set_writable(&log, true);
    log.retry();
    assert!(!log.refuses());
    assert_eq!(fs::read(&log.path).unwrap(), RECORD);
    assert_eq!(log.len(), RECORD.len() as u64);
    for (seen, is_told) in seen.iter_mut().zip([true, true, false]) {
        assert_eq!(log.sync(seen).is_ok(), is_told);
        assert!(log.sync(seen).is_ok());
    }
    set_writable(&log, false);
    log.append(RECORD);
    assert!(seen.iter_mut().all(|seen| log.sync(seen).is_err()));
}

#[test]
fn a_file_is_not_locked_that_another_one_has_replaced() {
    let (folder, log) = new_log();
    let path = log.path.clone();
    drop(log);
    let opened = File::open(&path).unwrap();
    let other = folder.path().join("other");
    File::create(&other).unwrap();
    fs::rename(&other, &path).unwrap();
    assert!(lock_if_named(opened, &path).unwrap().is_none());
    let locked = lock(&path).unwrap();
    assert_eq!(locked.metadata().unwrap().ino(), fs::metadata(&path).unwrap().ino());
    let error = lock(&path).unwrap_err().to_string();
    assert_eq!(error, "another server has this file");
}
