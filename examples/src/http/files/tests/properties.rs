//! Requests made of pieces: whatever is asked, the reply is one that the client can believe.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::site::{Site, content, field};
use crate::http::files::{Config, Reply};

const PLAIN: &[u8] = b"0123456789";
const GZIPPED: &[u8] = b"gzipped";

const TARGETS: [&str; 17] = [
    "/", "a.txt", "dir", "..", ".", "%2e", "%2F", "%", "%00", "\\", "?", "#", "http://a", "%61",
    ".gz", "link", "\u{e4}",
];

const NAMES: [&str; 8] = [
    "Range",
    "If-Range",
    "If-Match",
    "If-None-Match",
    "If-Modified-Since",
    "If-Unmodified-Since",
    "Accept-Encoding",
    "Unheard-Of",
];

const VALUES: [&str; 22] = [
    "bytes=",
    "0",
    "5",
    "-",
    ",",
    "99999999999999999999",
    "\"",
    "W/",
    "\"a\"",
    "*",
    "gzip",
    "br",
    "identity",
    ";q=",
    "0.5",
    "1",
    " ",
    "\t",
    "Sun, 06 Nov 1994 08:49:37 GMT",
    "Sun Nov  6 08:49:37 1994",
    "Fri, 31 Dec 9999 23:59:59 GMT",
    "\u{e4}",
];

/// Fields that mean something; noise alone seldom does.
const GOOD: [(&str, &str); 7] = [
    ("Range", "bytes=5-"),
    ("Range", "bytes=-5"),
    ("Range", "bytes=1-5"),
    ("Range", "bytes=99-, 0-0"),
    ("Accept-Encoding", "gzip"),
    ("Accept-Encoding", "*"),
    ("If-Match", "*"),
];

/// A header field: half of them good, half of them noise.
fn any_field() -> impl Strategy<Value = (&'static str, String)> {
    let good = select(&GOOD[..]).prop_map(|(name, value)| (name, value.to_owned()));
    let value = vec(select(&VALUES[..]), 0..5).prop_map(|pieces| pieces.concat());
    prop_oneof![good, (select(&NAMES[..]), value)]
}

fn site() -> Site {
    let site = Site::with(Config { list_directories: true, ..Config::default() });
    std::fs::write(site.base().join("secret.txt"), "secret").unwrap();
    site.write("a.txt", PLAIN);
    site.write("a.txt.gz", GZIPPED);
    site.write("dir/a.txt", PLAIN);
    std::os::unix::fs::symlink("../secret.txt", site.path("link")).unwrap();
    site
}

/// Checks a reply against the files, whatever the request was.
fn check(reply: Reply, is_head: bool) {
    let status = reply.status;
    assert!(
        matches!(status, 200 | 206 | 301 | 304 | 400 | 404 | 405 | 406 | 412 | 416),
        "{status}"
    );
    for (name, value) in &reply.fields {
        assert!(value.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{name}: {value}");
    }
    if !matches!(status, 200 | 206) {
        assert!(reply.content_length.is_none(), "{reply:?}");
        assert_eq!(content(reply), b"");
        return;
    }
    if is_head {
        assert!(status == 200 && reply.content_length.is_some(), "{reply:?}");
        assert_eq!(content(reply), b"");
        return;
    }
    let whole = match reply.field("Content-Encoding") {
        Some("gzip") => GZIPPED,
        other => {
            assert_eq!(other, None);
            PLAIN
        }
    };
    let range = reply.field("Content-Range").map(str::to_owned);
    let is_list = reply.field("ETag").is_none();
    let media_type = field(&reply, "Content-Type");
    let bytes = content(reply);
    if is_list {
        assert!(bytes.starts_with(b"<!DOCTYPE html>"));
    } else if media_type == "application/gzip" {
        assert!(GZIPPED.windows(bytes.len()).any(|window| window == bytes));
    } else if let Some(range) = range {
        let numbers: Vec<usize> = range
            .trim_start_matches("bytes ")
            .split(['-', '/'])
            .map(|number| number.parse().unwrap())
            .collect();
        assert_eq!(&whole[numbers[0]..=numbers[1]], bytes, "{range}");
        assert_eq!((status, numbers[2]), (206, whole.len()));
    } else {
        assert_eq!((status, &bytes[..]), (200, whole));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn any_request_gets_a_reply_that_is_true(
        requests in vec(
            (
                select(&["GET", "GET", "HEAD", "POST"][..]),
                prop_oneof![
                    Just("/a.txt".to_owned()),
                    vec(select(&TARGETS[..]), 0..5).prop_map(|pieces| pieces.concat()),
                ],
                vec(any_field(), 0..4),
            ),
            1..40,
        ),
    ) {
        let site = site();
        for (method, target, fields) in requests {
            let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, &value[..])).collect();
            check(site.ask(method, &target, &fields), method == "HEAD");
        }
    }
}
