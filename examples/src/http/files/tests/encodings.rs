//! Precompressed files: RFC 9110, sections 8.4, 12.5.3 and 12.5.5.

use std::time::{Duration, SystemTime};

use super::site::{Site, content, field};
use crate::http::files::Config;
use crate::http::files::encoding::{Coding, preferences};

#[test]
fn preferences_of_clients() {
    let (br, gzip, identity) = (Coding::Brotli, Coding::Gzip, Coding::Identity);
    let cases: [(&str, &[Coding]); 28] = [
        // The examples of section 12.5.3.
        ("compress, gzip", &[gzip, identity]),
        ("", &[identity]),
        ("*", &[br, gzip, identity]),
        ("compress;q=0.5, gzip;q=1.0", &[gzip, identity]),
        ("gzip;q=1.0, identity; q=0.5, *;q=0", &[gzip, identity]),
        // As browsers and curl send it.
        ("gzip, deflate, br, zstd", &[br, gzip, identity]),
        ("deflate, gzip, br", &[br, gzip, identity]),
        // Weights decide, and the order of the table among equals.
        ("br;q=0.5, gzip", &[gzip, br, identity]),
        ("identity, gzip;q=0.5", &[identity, gzip]),
        ("gzip;q=0.001", &[gzip, identity]),
        ("*;q=0.001", &[br, gzip, identity]),
        ("identity;q=0.5, gzip;q=0.5", &[gzip, identity]),
        // Zero means "not acceptable", section 12.4.2.
        ("gzip;q=0", &[identity]),
        ("br;q=0.000, gzip;q=0.0", &[identity]),
        ("identity;q=0", &[]),
        ("*;q=0", &[]),
        ("*;q=0, identity;q=0.1", &[identity]),
        ("gzip, *;q=0", &[gzip]),
        ("*, identity;q=0", &[br, gzip]),
        ("*;q=0.5, gzip;q=0", &[br, identity]),
        // Names are case-insensitive, and gzip has two: section 8.4.1.
        ("GZip;Q=0.5", &[gzip, identity]),
        ("x-gzip", &[gzip, identity]),
        // Malformed members are passed over, the others count.
        ("gzip;q=2, br;q=1.001", &[identity]),
        ("gzip;q=, br;q=.5, br ; q=0.8", &[br, identity]),
        ("gzip;level=9", &[identity]),
        ("gzip;q=0.1234, br;q=-1", &[identity]),
        (",, gzip ,", &[gzip, identity]),
        // Of two the first counts.
        ("gzip;q=0, gzip", &[identity]),
    ];
    for (value, expected) in cases {
        assert_eq!(preferences(&[value.as_bytes()]), expected, "{value}");
    }
    assert_eq!(preferences(&[]), [identity], "no field at all");
    assert_eq!(preferences(&[b"br;q=0.5", b"gzip"]), [gzip, br, identity], "two lines, one list");
}

/// A site with one file in three forms.
fn site() -> Site {
    let site = Site::new();
    site.write("a.css", "plain");
    site.write("a.css.gz", "gzipped");
    site.write("a.css.br", "brotli");
    site
}

#[test]
fn the_form_that_the_client_likes_best_is_sent() {
    let site = site();
    let mut tags = Vec::new();
    for (accept, coding, bytes) in
        [("br, gzip", Some("br"), "brotli"), ("gzip", Some("gzip"), "gzipped"), ("", None, "plain")]
    {
        let reply = site.ask("GET", "/a.css", &[("Accept-Encoding", accept)]);
        assert_eq!(reply.status, 200);
        assert_eq!(reply.field("Content-Encoding"), coding);
        assert_eq!(field(&reply, "Content-Type"), "text/css; charset=utf-8");
        assert_eq!(field(&reply, "Vary"), "Accept-Encoding");
        tags.push(field(&reply, "ETag"));
        assert_eq!(content(reply), bytes.as_bytes());
    }
    // Section 8.8.3.3: another coding, another tag.
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), 3);
}

#[test]
fn two_codings_of_one_inode_have_two_tags() {
    let site = Site::new();
    site.write("a.css", "plain");
    std::fs::hard_link(site.path("a.css"), site.path("a.css.gz")).unwrap();
    let gzip = site.ask("GET", "/a.css", &[("Accept-Encoding", "gzip")]);
    assert_eq!(field(&gzip, "Content-Encoding"), "gzip");
    assert_ne!(field(&gzip, "ETag"), field(&site.get("/a.css"), "ETag"));
}

#[test]
fn ranges_and_conditions_are_about_the_form_that_is_sent() {
    let site = site();
    let gzip = ("Accept-Encoding", "gzip");
    let plain = field(&site.get("/a.css"), "ETag");
    let etag = field(&site.ask("GET", "/a.css", &[gzip]), "ETag");
    let part = site.ask("GET", "/a.css", &[gzip, ("Range", "bytes=-2"), ("If-Range", &etag)]);
    assert_eq!(field(&part, "Content-Range"), "bytes 5-6/7");
    assert_eq!(content(part), b"ed");
    let mixed = [gzip, ("Range", "bytes=-2"), ("If-Range", &plain)];
    assert_eq!(site.ask("GET", "/a.css", &mixed).status, 200);
    assert_eq!(site.ask("GET", "/a.css", &[gzip, ("If-None-Match", &etag)]).status, 304);
    assert_eq!(site.ask("GET", "/a.css", &[gzip, ("If-None-Match", &plain)]).status, 200);
}

#[test]
fn a_form_that_is_not_there_is_passed_over() {
    let site = Site::new();
    site.write("a.css", "plain");
    std::fs::create_dir(site.path("a.css.br")).unwrap();
    let reply = site.ask("GET", "/a.css", &[("Accept-Encoding", "br, gzip")]);
    assert_eq!(reply.field("Content-Encoding"), None);
    assert_eq!(field(&reply, "Vary"), "Accept-Encoding");
    assert_eq!(content(reply), b"plain");
    // Section 15.5.7: nothing is there that the client would take.
    let reply = site.ask("GET", "/a.css", &[("Accept-Encoding", "gzip, identity;q=0")]);
    assert_eq!((reply.status, field(&reply, "Vary").as_str()), (406, "Accept-Encoding"));
}

#[test]
fn a_form_that_is_older_than_the_file_is_passed_over() {
    let site = site();
    let hour_ago = SystemTime::now() - Duration::from_secs(3600);
    site.set_modified("a.css.gz", hour_ago);
    let gzip = ("Accept-Encoding", "gzip");
    assert_eq!(content(site.ask("GET", "/a.css", &[gzip])), b"plain");
    site.set_modified("a.css", hour_ago);
    assert_eq!(content(site.ask("GET", "/a.css", &[gzip])), b"gzipped");
}

#[test]
fn a_form_without_its_file_is_a_file_of_its_own() {
    let site = Site::new();
    site.write("a.tar.gz", "gzipped");
    let gzip = ("Accept-Encoding", "gzip");
    assert_eq!(site.ask("GET", "/a.tar", &[gzip]).status, 404);
    let reply = site.ask("GET", "/a.tar.gz", &[gzip]);
    assert_eq!(reply.field("Content-Encoding"), None);
    assert_eq!(field(&reply, "Content-Type"), "application/gzip");
}

#[test]
fn it_can_be_turned_off() {
    let site = Site::with(Config { precompressed: false, ..Config::default() });
    site.write("a.css", "plain");
    site.write("a.css.gz", "gzipped");
    let reply = site.ask("GET", "/a.css", &[("Accept-Encoding", "gzip, identity;q=0")]);
    assert_eq!((reply.status, reply.field("Vary")), (200, None));
    assert_eq!(content(reply), b"plain");
}

/// A cache that has one of them must not take it for the reply to a client with another coding.
#[test]
fn refusals_depend_on_the_client_too() {
    let site = Site::new();
    site.write("a", "0123456789");
    for (name, value, status) in [("If-Match", "\"x\"", 412), ("Range", "bytes=10-", 416)] {
        let reply = site.ask("GET", "/a", &[(name, value)]);
        assert_eq!((reply.status, reply.field("Vary")), (status, Some("Accept-Encoding")));
    }
}
