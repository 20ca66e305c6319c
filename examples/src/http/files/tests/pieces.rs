//! Files that are read while they change, and files larger than memory.

use std::fs::File;
use std::io::{Error, ErrorKind};

use nix::errno::Errno;

use super::site::{Site, content};
use crate::http::files::tree::status;
use crate::http::files::{Body, FilePart, Reply};

fn part(reply: Reply) -> FilePart {
    match reply.body {
        Body::File(part) => part,
        other => panic!("no file: {other:?}"),
    }
}

#[test]
fn an_empty_file() {
    let site = Site::new();
    site.write("a.txt", "");
    assert_eq!(site.get("/a.txt").content_length, Some(0));
    let mut part = part(site.get("/a.txt"));
    assert_eq!((part.remaining(), part.read_piece(&mut [0; 4]).unwrap()), (0, 0));
}

#[test]
fn a_file_that_becomes_shorter_is_an_error() {
    let site = Site::new();
    site.write("a.txt", "0123456789");
    let mut part = part(site.get("/a.txt"));
    let mut buffer = [0; 4];
    assert_eq!(part.read_piece(&mut buffer).unwrap(), 4);
    File::options().write(true).open(site.path("a.txt")).unwrap().set_len(6).unwrap();
    assert_eq!(part.read_piece(&mut buffer).unwrap(), 2);
    assert_eq!(&buffer[..2], b"45");
    for _ in 0..2 {
        assert_eq!(part.read_piece(&mut buffer).unwrap_err().kind(), ErrorKind::UnexpectedEof);
        assert_eq!(part.remaining(), 4);
    }
}

#[test]
fn a_file_that_grows_is_sent_as_long_as_promised() {
    let site = Site::new();
    site.write("a.txt", "0123456789");
    let reply = site.get("/a.txt");
    site.write("a.txt", "0123456789abc");
    assert_eq!(content(reply), b"0123456789");
}

#[test]
fn a_file_that_is_replaced_is_sent_as_it_was() {
    let site = Site::new();
    site.write("a.txt", "before");
    let reply = site.get("/a.txt");
    site.write("b.txt", "after!");
    std::fs::rename(site.path("b.txt"), site.path("a.txt")).unwrap();
    assert_eq!(content(reply), b"before");
    assert_eq!(content(site.get("/a.txt")), b"after!");
}

#[test]
fn a_terabyte_has_a_last_byte() {
    // A file with a hole takes no room on the disk.
    const LEN: u64 = 1 << 40;
    let site = Site::new();
    site.write("a.bin", "");
    File::options().write(true).open(site.path("a.bin")).unwrap().set_len(LEN).unwrap();
    assert_eq!(site.get("/a.bin").content_length, Some(LEN));
    let reply = site.ask("GET", "/a.bin", &[("Range", "bytes=-2")]);
    assert_eq!(
        reply.field("Content-Range"),
        Some("bytes 1099511627774-1099511627775/1099511627776")
    );
    assert_eq!(content(reply), [0, 0]);
}

#[test]
fn statuses_of_errors() {
    let from_system = [
        (Errno::ENOENT, 404),
        (Errno::ENOTDIR, 404),
        (Errno::ENAMETOOLONG, 404),
        (Errno::ELOOP, 404),
        (Errno::EXDEV, 404),
        (Errno::EACCES, 403),
        (Errno::EPERM, 403),
        (Errno::EMFILE, 503),
        (Errno::ENFILE, 503),
        (Errno::EIO, 500),
    ];
    for (errno, expected) in from_system {
        assert_eq!(status(&Error::from_raw_os_error(errno as i32)), expected, "{errno}");
    }
    // cap-std says so where a path would lead outside.
    assert_eq!(status(&ErrorKind::PermissionDenied.into()), 404);
    assert_eq!(status(&ErrorKind::NotFound.into()), 404);
    assert_eq!(status(&ErrorKind::Other.into()), 500);
}
