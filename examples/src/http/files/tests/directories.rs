//! Directories: the form with a slash, `index.html`, and the list.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::time::{Duration, SystemTime};

use super::site::{Site, content, field};
use crate::http::files::listing::MAX_KEPT;
use crate::http::files::{Config, Files};

fn listing_site() -> Site {
    Site::with(Config { list_directories: true, ..Config::default() })
}

fn text(site: &Site, target: &str) -> String {
    text_at(site, SystemTime::now() + Duration::from_secs(10), target)
}

fn text_at(site: &Site, now: SystemTime, target: &str) -> String {
    let reply = site.ask_at(now, "GET", target, &[]);
    assert_eq!(reply.status, 200, "{target}");
    assert_eq!(field(&reply, "Content-Type"), "text/html; charset=utf-8");
    String::from_utf8(content(reply)).unwrap()
}

#[test]
fn what_is_no_directory_cannot_be_served() {
    let site = Site::new();
    site.write("a.txt", "a");
    for name in ["a.txt", "none"] {
        let error = Files::open(site.path(name), Config::default()).unwrap_err().to_string();
        assert!(error.starts_with("cannot serve ") && error.contains(name), "{error}");
    }
}

#[test]
fn a_directory_is_asked_for_with_a_slash() {
    let site = Site::new();
    for name in ["dir/sub", "a:b", "a b", "evil.com", "javascript:alert(1)"] {
        fs::create_dir_all(site.path(name)).unwrap();
    }
    let cases = [
        ("/dir", "./dir/"),
        ("/dir/sub", "./sub/"),
        ("/dir?a=b&c", "./dir/?a=b&c"),
        ("/dir?", "./dir/?"),
        ("/%64ir", "./dir/"),
        ("/a%20b", "./a%20b/"),
        // Not a scheme.
        ("/a:b", "./a%3Ab/"),
        ("/javascript:alert(1)", "./javascript%3Aalert%281%29/"),
        // Not a host: RFC 3986, section 4.2, calls `//evil.com/` a network-path reference.
        ("//evil.com", "./evil.com/"),
        ("///evil.com", "./evil.com/"),
        ("//evil.com?//evil.com", "./evil.com/?//evil.com"),
        ("http://evil.com/dir", "./dir/"),
        // Not a second field line, nor a fragment.
        ("/dir?a\r\nb: c#d \u{e4}", "./dir/?a%0D%0Ab:%20c%23d%20%C3%A4"),
    ];
    for (target, expected) in cases {
        let reply = site.get(target);
        assert_eq!((reply.status, field(&reply, "Location").as_str()), (301, expected), "{target}");
    }
}

#[test]
fn a_redirect_does_not_leave_the_host() {
    // The `url` crate resolves references as browsers do.
    let site = Site::new();
    for name in ["evil.com", "a:b", "@evil.com"] {
        fs::create_dir_all(site.path(name)).unwrap();
    }
    for target in ["//evil.com", "///evil.com", "/evil.com", "/a:b", "/@evil.com", "/%40evil.com"] {
        let base = url::Url::parse(&format!("http://good.example{target}")).unwrap();
        let resolved = base.join(&field(&site.get(target), "Location")).unwrap();
        assert_eq!(resolved.host_str(), Some("good.example"), "{target}: {resolved}");
        assert!(resolved.path().ends_with('/'));
    }
}

#[test]
fn index_html_stands_for_its_directory() {
    let site = listing_site();
    site.write("index.html", "<p>top");
    site.write("dir/index.html", "<p>dir");
    site.write("dir/index.html.gz", "gzipped");
    for (target, expected) in
        [("/", "<p>top"), ("//", "<p>top"), ("/?a", "<p>top"), ("/dir/", "<p>dir")]
    {
        assert_eq!(text(&site, target), expected, "{target}");
    }
    assert_eq!(text(&site, "http://example.org"), "<p>top");
    let reply = site.ask("GET", "/dir/", &[("Accept-Encoding", "gzip"), ("Range", "bytes=0-1")]);
    assert_eq!((reply.status, field(&reply, "Content-Encoding").as_str()), (206, "gzip"));
    assert_eq!(content(reply), b"gz");
}

#[test]
fn without_an_index_there_is_nothing_unless_asked_for() {
    let site = Site::new();
    site.write("dir/a.txt", "a");
    assert_eq!(site.get("/").status, 404);
    assert_eq!(site.get("/dir/").status, 404);
}

#[test]
fn the_list_has_what_is_served() {
    let site = listing_site();
    for name in ["b.txt", "a b.txt", "dir/x", ".hidden", "back\\slash", "100%.txt", "\u{e4}"] {
        site.write(name, "");
    }
    // Names that are no directory and no file, or lead outside.
    let socket = UnixListener::bind(site.path("socket")).unwrap();
    nix::unistd::mkfifo(&site.path("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    symlink("/etc/passwd", site.path("outside")).unwrap();
    symlink("gone", site.path("dangling")).unwrap();
    symlink("b.txt", site.path("link")).unwrap();
    symlink("../b.txt", site.path("dir/up")).unwrap();
    let links = |target| {
        let page = text(&site, target);
        page.split("href=\"")
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(links("/"), ["100%25.txt", "a%20b.txt", "b.txt", "dir/", "link", "%C3%A4"]);
    assert_eq!(links("/dir/"), ["../", "up", "x"]);
    for link in links("/") {
        assert_eq!(site.get(format!("/{link}")).status, 200, "{link}");
    }
    drop(socket);
}

#[test]
fn names_are_no_markup() {
    let site = listing_site();
    let name = "<script>alert('1')&amp;\".html";
    site.write(&format!("dir/{name}"), "it is there");
    let page = text(&site, "/dir/");
    let shown = "&lt;script&gt;alert(&#39;1&#39;)&amp;amp;&quot;.html</a>";
    assert!(page.contains(shown), "{page}");
    assert!(!page.contains("<script"), "{page}");
    let link = "%3Cscript%3Ealert%28%271%27%29%26amp%3B%22.html";
    assert!(page.contains(&format!("href=\"{link}\"")), "{page}");
    assert_eq!(content(site.get(format!("/dir/{link}"))), b"it is there");
    // The name of the directory stands in the title.
    fs::create_dir(site.path("<b>")).unwrap();
    assert!(text(&site, "/%3Cb%3E/").contains("<title>/&lt;b&gt;/</title>"));
}

#[test]
fn names_that_are_no_text_and_names_like_uris() {
    let site = listing_site();
    let raw = std::ffi::OsStr::from_bytes(b"\xff\n.txt");
    // Some file systems of macOS refuse such a name.
    let has_raw = fs::write(site.path("").join(raw), "raw").is_ok();
    assert!(has_raw || std::env::consts::OS != "linux");
    site.write("javascript:alert(1)", "uri");
    let page = text(&site, "/");
    assert!(page.contains("href=\"javascript%3Aalert%281%29\""), "{page}");
    if has_raw {
        assert!(page.contains("href=\"%FF%0A.txt\""), "{page}");
        assert_eq!(content(site.get("/%FF%0A.txt")), b"raw");
    }
}

#[test]
fn a_long_list_ends_somewhere() {
    let site = listing_site();
    let hidden =
        |half: &str| (0..1000).map(|number| format!(".{half}{number}")).collect::<Vec<_>>();
    let shown = (0..2000).map(|number| number.to_string());
    for name in hidden("a").into_iter().chain(shown).chain(hidden("b")) {
        site.write(&name, "");
    }
    // In the order that the directory has them, the last one is to be hidden.
    let last = || fs::read_dir(site.path("")).unwrap().last().unwrap().unwrap();
    for number in 3000.. {
        if last().file_name().as_bytes().starts_with(b".") {
            break;
        }
        fs::remove_file(last().path()).unwrap();
        site.write(&number.to_string(), "");
    }
    let page = text(&site, "/");
    assert_eq!(page.matches("href=").count(), 2000);
    assert!(!page.contains("There are more"));
    site.write("2000", "");
    let page = text_at(&site, SystemTime::now() + Duration::from_secs(20), "/");
    assert_eq!(page.matches("href=").count(), 2000);
    assert!(page.contains("There are more"));
}

/// To make it takes long, so that one who asks for it again and again gets the same.
#[test]
fn a_list_is_kept_for_a_second() {
    let site = listing_site();
    site.write("dir/one", "");
    let now = SystemTime::now();
    let first = text_at(&site, now, "/dir/");
    site.write("dir/two", "");
    let soon = now + Duration::from_millis(900);
    assert_eq!(text_at(&site, soon, "/dir/"), first);
    assert_eq!(site.ask_at(soon, "HEAD", "/dir/", &[]).content_length, Some(first.len() as u64));
    // Others in between make no difference.
    assert!(text_at(&site, soon, "/").contains("dir/"));
    assert_eq!(text_at(&site, soon, "/dir/"), first);
    let late = soon + Duration::from_secs(1);
    assert!(text_at(&site, late, "/dir/").contains("two"));
    site.write("dir/three", "");
    assert!(text_at(&site, late + Duration::from_secs(1), "/dir/").contains("three"));
    // The clock was set back.
    site.write("dir/four", "");
    assert!(text_at(&site, now, "/dir/").contains("four"));
}

/// Entries that are not served are work as others are, and on no page.
#[test]
fn what_was_looked_at_for_a_list_is_counted() {
    let site = listing_site();
    for name in ["a", "b"] {
        fs::create_dir(site.path(name)).unwrap();
        for number in 0..100 {
            symlink("gone", site.path(&format!("{name}/{number}"))).unwrap();
        }
    }
    let now = SystemTime::now();
    let entries = |target: &str| site.ask_at(now, "GET", target, &[]).entries;
    for (target, expected) in [("/a/", 100), ("/b/", 100), ("/a/", 0), ("/b/", 0), ("/", 2)] {
        assert_eq!(entries(target), expected, "{target}");
    }
}

/// Not every list that was asked for in a second is kept: there can be many, and long ones.
#[test]
fn the_lists_that_are_kept_are_bounded() {
    let site = listing_site();
    let now = SystemTime::now();
    for number in 0..=MAX_KEPT {
        fs::create_dir(site.path(&number.to_string())).unwrap();
        site.write(&format!("{number}/file"), "");
    }
    let entries = |number: usize| site.ask_at(now, "HEAD", format!("/{number}/"), &[]).entries;
    assert!((0..=MAX_KEPT).all(|number| entries(number) == 1));
    assert_eq!((entries(0), entries(MAX_KEPT)), (1, 0), "the oldest one makes room");
}
