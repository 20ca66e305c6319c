//! No request gets at what lies outside the directory.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::mpsc;
use std::time::Duration;

use super::site::{Site, content};
use crate::http::files::{Body, Config};

const SECRET: &[u8] = b"secret";

/// A site that has secrets beside its root.
fn site() -> Site {
    let site = Site::with(Config { list_directories: true, ..Config::default() });
    fs::write(site.base().join("secret.txt"), SECRET).unwrap();
    fs::create_dir(site.base().join("root2")).unwrap();
    fs::write(site.base().join("root2/secret.txt"), SECRET).unwrap();
    site.write("a.txt", "a");
    site.write("dir/b.txt", "b");
    site
}

/// Ways to write the parent directory, for one layer or another of some server.
const UPS: [&str; 26] = [
    "..",
    "%2e%2e",
    "%2E%2E",
    ".%2e",
    "%2e.",
    "%252e%252e",
    "..%00",
    "%00..",
    "..%20",
    "...",
    "..;",
    "..;a=b",
    "%c0%ae%c0%ae",
    "%e0%80%ae%e0%80%ae",
    "%uff0e%uff0e",
    "\u{ff0e}\u{ff0e}",
    "..%0d",
    "..%0a",
    "..\t",
    "%2e%2e%2e%2e",
    "..%3f",
    "..?",
    "..#",
    "*..",
    "~..",
    "..:",
];

/// Ways to write the slash.
const SEPARATORS: [&str; 18] = [
    "/",
    "//",
    "/./",
    "/%2e/",
    "%2f",
    "%2F",
    "%252f",
    "\\",
    "%5c",
    "%5C",
    "%255c",
    "/\\",
    "%c0%af",
    "%e0%80%af",
    "%c1%9c",
    "\u{2215}",
    "%00/",
    ":",
];

/// Targets that put the secret's own path somewhere.
fn absolute_targets(site: &Site) -> Vec<String> {
    let absolute = site.base().join("secret.txt").display().to_string();
    let encoded = absolute.replace('/', "%2f");
    vec![
        absolute.clone(),
        format!("/{absolute}"),
        format!("//{absolute}"),
        format!("/{encoded}"),
        format!("file://{absolute}"),
        format!("http://a/..{absolute}"),
        format!("/a.txt%00{absolute}"),
        format!("/a.txt\0{absolute}"),
        format!("/{}etc/passwd", "../".repeat(40)),
        format!("/{}etc/passwd", "%2e%2e/".repeat(40)),
        format!("/{}etc%2fpasswd", "..%2f".repeat(40)),
        format!("/dir/{}etc/passwd", "..//".repeat(40)),
    ]
}

/// More targets, none of which names a file beneath the directory.
const TARGETS: [&str; 26] = [
    "/etc/passwd",
    "//etc/passwd",
    "/%2fetc/passwd",
    "/%2Fetc%2Fpasswd",
    "/dir/%2fetc%2fpasswd",
    "/proc/self/root/etc/passwd",
    "/dev/fd/0",
    "/c:/windows/win.ini",
    "/\\\\host\\share",
    "/%5c%5chost%5cshare",
    "/..",
    "/../",
    "/dir/..",
    "/dir/../..",
    "/dir/b.txt/../../../secret.txt",
    "/../root2/secret.txt",
    "/../root/../secret.txt",
    "/2/secret.txt",
    "2/secret.txt",
    "../secret.txt",
    "secret.txt",
    "/secret.txt",
    "http://a/../secret.txt",
    "http://a/%2e%2e/secret.txt",
    "http://../secret.txt",
    "http:///../secret.txt",
];

#[test]
fn targets_that_try_to_climb() {
    let site = site();
    let mut targets = absolute_targets(&site);
    targets.extend(TARGETS.map(str::to_owned));
    for up in UPS {
        for separator in SEPARATORS {
            targets.push(format!("/{up}{separator}secret.txt"));
            targets.push(format!("/dir{separator}{up}{separator}{up}{separator}secret.txt"));
        }
    }
    assert!(targets.len() > 900);
    for target in targets {
        for end in ["", "/"] {
            let target = format!("{target}{end}");
            let reply = site.get(&target);
            assert!(matches!(reply.status, 400 | 404), "{} for {target:?}", reply.status);
            assert!(matches!(reply.body, Body::None), "{target:?}");
        }
    }
}

#[test]
fn links_that_lead_outside() {
    let site = site();
    let base = site.base().to_owned();
    let links = [
        ("absolute", base.join("secret.txt")),
        ("relative", "../secret.txt".into()),
        ("through", "dir/../../secret.txt".into()),
        ("directory", base.clone()),
        ("above", "..".into()),
        ("sibling", "../root2".into()),
        ("in-and-out", "../root/../secret.txt".into()),
        ("system", "/etc".into()),
        ("top", "/".into()),
        ("magic", "/proc/self/root".into()),
        ("itself", base.join("root")),
        ("dir/deep", "../../secret.txt".into()),
        ("second", "relative".into()),
        ("loop", "loop".into()),
        ("index.html", "../secret.txt".into()),
    ];
    for (name, target) in &links {
        symlink(target, site.path(name)).unwrap();
    }
    symlink("../secret.txt", site.path("a.txt.gz")).unwrap();
    for (name, _) in &links {
        for tail in ["", "/", "/secret.txt", "/passwd", "/etc/passwd", "/root/a.txt"] {
            let target = format!("/{name}{tail}");
            let reply = site.get(&target);
            assert_eq!(reply.status, 404, "{target}");
            assert!(matches!(reply.body, Body::None), "{target}");
        }
    }
    // The list leaves them out, and shows in place of an index that leads outside.
    let page = String::from_utf8(content(site.get("/"))).unwrap();
    assert_eq!(page.matches("href=").count(), 2, "{page}");
    // A precompressed form that leads outside is as if it were not there.
    assert_eq!(content(site.ask("GET", "/a.txt", &[("Accept-Encoding", "gzip")])), b"a");
}

#[test]
fn links_that_stay_inside_are_followed() {
    let site = site();
    symlink("a.txt", site.path("link")).unwrap();
    symlink("../a.txt", site.path("dir/up")).unwrap();
    symlink("dir", site.path("dir-link")).unwrap();
    symlink("dir/../dir/./up", site.path("chain")).unwrap();
    for (target, expected) in [
        ("/link", "a"),
        ("/dir/up", "a"),
        ("/dir-link/b.txt", "b"),
        ("/dir-link/up", "a"),
        ("/chain", "a"),
    ] {
        assert_eq!(content(site.get(target)), expected.as_bytes(), "{target}");
    }
    assert_eq!(site.get("/dir-link").field("Location"), Some("./dir-link/"));
}

#[test]
fn a_link_that_changes_all_the_time() {
    // Between a check and an open, a name can come to mean something else.
    let site = site();
    let (stop, stopped) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        let site = &site;
        scope.spawn(move || {
            let name = site.path("swapped");
            let made = site.path(".made");
            while stopped.try_recv() == Err(mpsc::TryRecvError::Empty) {
                for target in ["dir/b.txt", "../secret.txt"] {
                    symlink(target, &made).unwrap();
                    fs::rename(&made, &name).unwrap();
                }
            }
        });
        let (mut found, mut rounds) = (0, 0);
        // The other thread may come late.
        while rounds < 5000 || found == 0 {
            rounds += 1;
            assert!(rounds < 1_000_000, "the good link is never seen");
            let reply = site.get("/swapped");
            match reply.status {
                200 => {
                    found += 1;
                    assert_eq!(content(reply), b"b");
                }
                status => assert_eq!(status, 404),
            }
        }
        drop(stop);
    });
}

#[test]
fn only_regular_files() {
    let site = site();
    nix::unistd::mkfifo(&site.path("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let _listener = std::os::unix::net::UnixListener::bind(site.path("socket")).unwrap();
    // Opening a FIFO without `O_NONBLOCK` waits for a writer for ever.
    let (done, is_done) = mpsc::channel();
    std::thread::spawn(move || {
        let statuses =
            ["/fifo", "/socket", "/fifo/", "/socket/"].map(|target| site.get(target).status);
        done.send(statuses).unwrap();
    });
    assert_eq!(is_done.recv_timeout(Duration::from_secs(20)), Ok([404; 4]));
}
