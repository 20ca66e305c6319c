//! Conditional requests: RFC 9110, section 13, and the validators of section 8.8.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::site::{Site, content, field};
use crate::http::files::validators::EntityTag;

/// The example of RFC 9110, section 5.6.7.
const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

/// A site with one file of ten bytes, dated `DATE`, and its entity tag.
fn site() -> (Site, String) {
    let site = Site::new();
    site.write("a.txt", "0123456789");
    site.set_modified("a.txt", UNIX_EPOCH + Duration::from_millis(784_111_777_500));
    let etag = field(&site.get("/a.txt"), "ETag");
    (site, etag)
}

fn status(site: &Site, fields: &[(&str, &str)]) -> u16 {
    let get = site.ask("GET", "/a.txt", fields).status;
    let head = site.ask("HEAD", "/a.txt", fields).status;
    if !fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("Range")) {
        assert_eq!(get, head, "{fields:?}");
    }
    get
}

#[test]
fn the_date_and_the_tag_are_those_of_the_file() {
    let (site, etag) = site();
    let reply = site.get("/a.txt");
    assert_eq!(field(&reply, "Last-Modified"), DATE);
    assert!(etag.starts_with('"') && etag.ends_with('"') && etag.len() > 2, "{etag}");
    assert_eq!(field(&site.get("/a.txt"), "ETag"), etag, "it stays the same");
}

#[test]
fn another_file_of_the_same_length_and_date_has_another_tag() {
    let (site, etag) = site();
    site.write("b.txt", "9876543210");
    site.set_modified("b.txt", UNIX_EPOCH + Duration::from_millis(784_111_777_500));
    std::fs::rename(site.path("b.txt"), site.path("a.txt")).unwrap();
    assert_ne!(field(&site.get("/a.txt"), "ETag"), etag);
}

#[test]
fn if_none_match() {
    // Section 13.1.2; the comparison is weak.
    let (site, etag) = site();
    let weak = format!("W/{etag}");
    let list = format!("\"a,b\", W/\"c\" ,{etag}");
    for same in [&etag, &weak, &list, "*"] {
        assert_eq!(status(&site, &[("If-None-Match", same)]), 304, "{same}");
    }
    let unquoted = etag.trim_matches('"').to_owned();
    let joined = format!("\"a\"{etag}");
    for other in ["\"a\"", "W/\"a\"", "", "\"", "w/\"a\"", "* , \"a\"", &unquoted, &joined] {
        assert_eq!(status(&site, &[("If-None-Match", other)]), 200, "{other}");
    }
    // A list in two lines, section 5.3.
    assert_eq!(status(&site, &[("If-None-Match", "\"a\""), ("if-none-match", &etag)]), 304);
}

#[test]
fn not_modified_tells_a_cache_what_it_needs() {
    // Section 15.4.5.
    let (site, etag) = site();
    let reply = site.ask("GET", "/a.txt", &[("If-None-Match", &etag)]);
    assert_eq!(reply.status, 304);
    assert_eq!(reply.content_length, None);
    assert_eq!(field(&reply, "ETag"), etag);
    assert_eq!(field(&reply, "Vary"), "Accept-Encoding");
    assert_eq!(reply.fields.len(), 2);
    assert_eq!(content(reply), b"");
}

#[test]
fn if_modified_since() {
    // Section 13.1.3, with the three formats of section 5.6.7.
    let (site, _) = site();
    let formats = [DATE, "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"];
    for same in formats.into_iter().chain([AFTER]) {
        assert_eq!(status(&site, &[("If-Modified-Since", same)]), 304, "{same}");
    }
    let invalid =
        ["", "0", "yesterday", "Sun, 06 Nov 1994 08:49:37", "Sun, 99 Nov 1994 08:49:37 GMT"];
    for other in invalid.into_iter().chain([BEFORE]) {
        assert_eq!(status(&site, &[("If-Modified-Since", other)]), 200, "{other}");
    }
    let doubled = [("If-Modified-Since", DATE), ("If-Modified-Since", DATE)];
    assert_eq!(status(&site, &doubled), 200, "the field has one value or none");
}

#[test]
fn if_match() {
    // Section 13.1.1; the comparison is strong.
    let (site, etag) = site();
    let weak = format!("W/{etag}");
    let list = format!("\"a\", {etag}");
    for same in [&etag, &list, "*"] {
        assert_eq!(status(&site, &[("If-Match", same)]), 200, "{same}");
    }
    for other in [&weak, "\"a\"", ""] {
        assert_eq!(status(&site, &[("If-Match", other)]), 412, "{other}");
    }
}

#[test]
fn if_unmodified_since() {
    // Section 13.1.4.
    let (site, _) = site();
    for (date, expected) in [(DATE, 200), (AFTER, 200), (BEFORE, 412), ("yesterday", 200)] {
        assert_eq!(status(&site, &[("If-Unmodified-Since", date)]), expected, "{date}");
    }
}

#[test]
fn the_order_of_the_conditions() {
    // Section 13.2.2, step by step.
    let (site, etag) = site();
    let (same, other) = (etag.as_str(), "\"a\"");
    let range = ("Range", "bytes=0-0");
    let cases: [(&[(&str, &str)], u16); 11] = [
        // 1 goes before 2, 3 and 5.
        (&[("If-Match", same), ("If-Unmodified-Since", BEFORE)], 200),
        (&[("If-Match", other), ("If-Unmodified-Since", DATE)], 412),
        (&[("If-Match", other), ("If-None-Match", same)], 412),
        (&[("If-Match", same), ("If-None-Match", same)], 304),
        (&[("If-Match", other), range], 412),
        // 2 goes before 3 and 4.
        (&[("If-Unmodified-Since", BEFORE), ("If-None-Match", same)], 412),
        (&[("If-Unmodified-Since", DATE), ("If-Modified-Since", DATE)], 304),
        // 3 makes 4 void.
        (&[("If-None-Match", other), ("If-Modified-Since", DATE)], 200),
        (&[("If-None-Match", same), ("If-Modified-Since", BEFORE)], 304),
        // 5 comes last.
        (&[("If-None-Match", same), range], 304),
        (&[("If-None-Match", other), range], 206),
    ];
    for (fields, expected) in cases {
        assert_eq!(status(&site, fields), expected, "{fields:?}");
    }
}

#[test]
fn if_range() {
    // Section 13.1.5: both kinds of validators must be strong and the same.
    let (site, etag) = site();
    let weak = format!("W/{etag}");
    let two = format!("{etag}, {etag}");
    let get =
        |if_range: &str, range: &str| status(&site, &[("If-Range", if_range), ("Range", range)]);
    for same in [&etag, DATE] {
        assert_eq!(get(same, "bytes=0-0"), 206, "{same}");
        assert_eq!(get(same, "bytes=99-"), 416, "{same}");
    }
    for other in [&weak, "\"a\"", BEFORE, AFTER, "", "*", &two] {
        assert_eq!(get(other, "bytes=0-0"), 200, "{other}");
        // Not even an unsatisfiable range counts then.
        assert_eq!(get(other, "bytes=99-"), 200, "{other}");
    }
    assert_eq!(status(&site, &[("If-Range", "\"a\"")]), 200, "without a range it says nothing");
}

#[test]
fn a_file_that_was_just_changed_has_a_weak_tag() {
    // Section 8.8.1: the next change may come within the same tick of the file system's clock.
    let site = Site::new();
    site.write("a.txt", "0123456789");
    let now = SystemTime::now();
    let fresh = field(&site.ask_at(now, "GET", "/a.txt", &[]), "ETag");
    let settled = field(&site.get("/a.txt"), "ETag");
    assert!(fresh.starts_with("W/") && settled.starts_with('"'), "{fresh} {settled}");
    // What was seen then may not be what the file is now.
    assert_eq!(site.ask_at(now, "GET", "/a.txt", &[("If-None-Match", &fresh)]).status, 304);
    assert_eq!(site.ask("GET", "/a.txt", &[("If-None-Match", &fresh)]).status, 200);
    let fields = [("Range", "bytes=0-0"), ("If-Range", settled.as_str())];
    assert_eq!(site.ask_at(now, "GET", "/a.txt", &fields).status, 200);
    assert_eq!(site.ask("GET", "/a.txt", &fields).status, 206);
    let date = field(&site.ask_at(now, "GET", "/a.txt", &[]), "Last-Modified");
    let fields = [("Range", "bytes=0-0"), ("If-Range", date.as_str())];
    assert_eq!(site.ask_at(now, "GET", "/a.txt", &fields).status, 200);
}

#[test]
fn dates_that_no_reply_can_have() {
    // Section 8.8.2.1: not later than the reply is dated.
    let (site, _) = site();
    let now = UNIX_EPOCH + Duration::from_secs(784_111_776);
    assert_eq!(field(&site.ask_at(now, "GET", "/a.txt", &[]), "Last-Modified"), BEFORE);
    // A file from before 1970, which HTTP dates could say, but no program expects.
    site.set_modified("a.txt", UNIX_EPOCH - Duration::from_secs(1));
    let epoch = "Thu, 01 Jan 1970 00:00:00 GMT";
    assert_eq!(field(&site.get("/a.txt"), "Last-Modified"), epoch);
}

#[test]
fn conditions_mean_nothing_where_there_is_no_file() {
    // Section 13.2.1: "if the response without those preconditions would be other than 2xx".
    let site = Site::new();
    for name in ["If-Match", "If-None-Match"] {
        assert_eq!(site.ask("GET", "/none", &[(name, "*")]).status, 404);
    }
}

#[test]
fn entity_tags() {
    // The grammar and the examples of section 8.8.3.
    let tag = |text: &'static str| {
        EntityTag::parse(text.as_bytes()).map(|(tag, rest)| (tag.is_weak, tag.opaque, rest))
    };
    assert_eq!(tag("\"xyzzy\""), Some((false, &b"\"xyzzy\""[..], &b""[..])));
    assert_eq!(tag("W/\"xyzzy\""), Some((true, &b"\"xyzzy\""[..], &b""[..])));
    assert_eq!(tag("\"\", \"b\""), Some((false, &b"\"\""[..], &b", \"b\""[..])));
    assert_eq!(tag("\"\u{e4}\\\"").map(|(_, opaque, _)| opaque.len()), Some(5));
    for invalid in ["", "W/", "xyzzy", "\"", "\"a", "\"a b\"", "\"a\x7f\"", "w/\"a\"", "W/ \"a\""] {
        assert_eq!(tag(invalid), None, "{invalid}");
    }
}
