//! From a target to a name: RFC 9112, section 3.2, and RFC 3986, sections 2.1 and 3.3.

use super::site::{Site, content};

fn site() -> Site {
    let site = Site::new();
    site.write("a.txt", "a");
    site.write("a b.txt", "blank");
    site.write("50%.txt", "percent");
    site.write("\u{e4}.txt", "umlaut");
    site.write("a?b#c.txt", "reserved");
    site.write("%2e%2e", "encoded");
    site.write("dir/b.txt", "b");
    site.write(".well-known/security.txt", "known");
    site
}

#[test]
fn names_of_files() {
    let site = site();
    let cases = [
        ("/a.txt", "a"),
        ("/%61%2Etxt", "a"),
        ("/%61%2etxt", "a"),
        ("/a.txt?", "a"),
        ("/a.txt?b=/../%", "a"),
        ("/a%20b.txt", "blank"),
        ("/50%25.txt", "percent"),
        ("/%C3%A4.txt", "umlaut"),
        ("/\u{e4}.txt", "umlaut"),
        ("/a%3Fb%23c.txt", "reserved"),
        ("/dir/b.txt", "b"),
        // Decoded once: this is a name of six characters, and no way up.
        ("/%252e%252e", "encoded"),
        // Repeated slashes count as one.
        ("//a.txt", "a"),
        ("/dir///b.txt", "b"),
        // RFC 8615.
        ("/.well-known/security.txt", "known"),
        // The absolute form, which a server must accept: RFC 9112, section 3.2.2.
        ("http://example.org/a.txt", "a"),
        ("HTTP://example.org:80/dir/b.txt?q", "b"),
        ("https://example.org/a.txt", "a"),
    ];
    for (target, expected) in cases {
        let reply = site.get(target);
        assert_eq!(reply.status, 200, "{target}");
        assert_eq!(content(reply), expected.as_bytes(), "{target}");
    }
}

#[test]
fn targets_that_are_no_path() {
    let site = site();
    let cases: [&[u8]; 16] = [
        b"",
        b"*",
        b"a.txt",
        b"?a",
        b"ftp://example.org/a.txt",
        b"http:/a.txt",
        b"http:a.txt",
        b"example.org:80",
        b"/a.txt#b",
        b"/%",
        b"/%2",
        b"/%g1",
        b"/%1g",
        b"/%%61",
        b"/%u0061",
        b"/a.txt%",
    ];
    for target in cases {
        assert_eq!(site.get(target).status, 400, "{}", String::from_utf8_lossy(target));
    }
}

#[test]
fn names_that_nothing_has() {
    let site = site();
    let long = format!("/{}", "a".repeat(300));
    let deep = "/a".repeat(4000);
    for target in ["/b", "/a.txt/", "/a.txt/b", "/dir/a.txt", &long, &deep] {
        assert_eq!(site.get(target).status, 404, "{target}");
    }
}

#[test]
fn names_that_are_not_served() {
    let site = Site::new();
    for name in [".env", ".git/config", "a/.htpasswd", "a/.well-known/x", "a/...", "a\\b"] {
        site.write(name, "secret");
    }
    let targets =
        ["/.env", "/%2eenv", "/.git/config", "/.git/", "/a/.htpasswd", "/a/.well-known/x"];
    for target in targets.into_iter().chain(["/a/...", "/a\\b", "/a%5Cb", "/.", "/./"]) {
        assert_eq!(site.get(target).status, 404, "{target}");
    }
}

#[test]
fn methods() {
    // RFC 9110, section 15.5.6: the reply names those that are allowed.
    let site = site();
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "get", ""] {
        let reply = site.ask(method, "/a.txt", &[]);
        assert_eq!((reply.status, reply.field("Allow")), (405, Some("GET, HEAD")), "{method}");
    }
}

#[test]
fn head_has_the_fields_of_get_and_no_body() {
    // RFC 9110, section 9.3.2.
    let site = site();
    for (target, fields) in [
        ("/a.txt", &[][..]),
        ("/a%20b.txt", &[("Accept-Encoding", "gzip")][..]),
        ("/a.txt", &[("If-None-Match", "*")][..]),
        ("/a.txt", &[("If-Match", "\"a\"")][..]),
        ("/dir", &[][..]),
        ("/none", &[][..]),
    ] {
        let get = site.ask("GET", target, fields);
        let head = site.ask("HEAD", target, fields);
        assert_eq!(head.status, get.status, "{target}");
        assert_eq!(head.fields, get.fields, "{target}");
        assert_eq!(head.content_length, get.content_length, "{target}");
        assert_eq!(content(head), b"");
    }
}
