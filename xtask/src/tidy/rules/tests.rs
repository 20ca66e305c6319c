use super::super::source::Source;
use super::*;

/// Applies one rule to a planted file and returns the lines it complains about.
fn lines(rule: fn(&Source) -> Vec<Violation>, path: &str, text: &str) -> Vec<usize> {
    let found = rule(&Source::new(path, text));
    assert!(found.iter().all(|found| found.path == path), "{found:?}");
    found.into_iter().map(|found| found.line).collect()
}

#[test]
fn a_platform_named_outside_the_seam_is_found() {
    let rule = platforms_are_named_in_one_folder;
    let cases = [
        ("#[cfg(target_os = \"linux\")]", vec![1]),
        ("\n#[cfg(any(unix, windows))]", vec![2]),
        ("#[cfg(any(\n    target_vendor = \"apple\",\n))]", vec![2]),
        ("if cfg!(unix) {}", vec![1]),
        ("#[cfg_attr(unix, path = \"a.rs\")]", vec![1]),
        ("#[cfg(test)]", vec![]),
        ("use std::os::unix::net::UnixStream; // cfg(unix)", vec![]),
    ];
    for (text, found) in cases {
        assert_eq!(lines(rule, "crates/evio-sys/src/poller.rs", text), found, "{text}");
        assert!(lines(rule, SEAM, text).is_empty(), "{text}");
    }
}

#[test]
fn unsafe_outside_its_files_is_found() {
    let rule = unsafe_stays_in_its_files;
    let text = "#![forbid(unsafe_code)]\n// unsafe\nlet a = unsafe { b() };\n\"unsafe\"";
    assert_eq!(lines(rule, "crates/evio-core/src/conn.rs", text), [3]);
    for file in UNSAFE_FILES {
        assert!(lines(rule, file, text).is_empty());
    }
}

#[test]
fn a_long_file_is_found() {
    assert!(lines(files_are_short, "a.rs", &"\n".repeat(MAX_FILE_LINES)).is_empty());
    assert_eq!(lines(files_are_short, "a.rs", &"\n".repeat(MAX_FILE_LINES + 1)), [401]);
}

#[test]
fn a_long_function_is_found() {
    let body = |lines| "    f(\"}\"); // }\n".repeat(lines);
    let longest = body(MAX_FUNCTION_LINES - 2);
    let too_long = body(MAX_FUNCTION_LINES - 1);
    let cases = [
        (format!("fn a() {{\n{longest}}}\n"), vec![]),
        (format!("fn a() {{\n{too_long}}}\n"), vec![1]),
        (format!("impl A {{\n    pub(crate) fn a() {{\n{too_long}    }}\n}}\n"), vec![2]),
        (format!("fn a(b: [u8; 2]) {{\n{too_long}}}\n"), vec![1]),
        (format!("trait A {{\n    fn a();\n}}\nmod b {{\n{too_long}}}\n"), vec![]),
        (format!("fn a() {{}}\nstruct A {{\n{too_long}}}\n"), vec![]),
        (format!("const A: fn (u8) = b;\n{too_long}"), vec![]),
    ];
    for (text, found) in cases {
        assert_eq!(lines(functions_fit_a_screen, "a.rs", &text), found, "{text}");
    }
}

#[test]
fn a_long_line_is_found_by_its_columns() {
    let widest = "é".repeat(MAX_COLUMNS);
    let text = format!("// a\n{widest}\n{widest}é\n    /// | {widest} |\n// {widest}\n");
    assert_eq!(lines(lines_fit_the_width, "a.rs", &text), [3, 5]);
}

#[test]
fn unfinished_work_is_found() {
    let text = "#[ignore = \"slow\"]\ntodo!();\nunimplemented!();\n// TODO: b\n/* FIXME */\n\
                \"TODO\"\n// TODOS\nlet todo = ignore;\n";
    assert_eq!(lines(nothing_is_left_unfinished, "a.rs", text), [1, 2, 3, 4, 5]);
}

#[test]
fn a_glob_export_is_found() {
    let text = "pub use a::*;\n    pub use a::{b, c};\nuse super::*;\n    pub use a::b::*;\n";
    assert_eq!(lines(exports_are_named, "a.rs", text), [1, 4]);
}

#[test]
fn the_loop_going_past_evio_sys_is_found() {
    let rule = the_loop_reaches_the_system_through_evio_sys;
    let cases = [
        ("let now = Instant::now();", vec![1]),
        ("let now = std::time::SystemTime::now();", vec![1]),
        ("use std::net::SocketAddr;\nuse std::net::TcpStream;", vec![2]),
        ("use std::net::{\n    SocketAddr, UdpSocket,\n};", vec![1]),
        ("use std::net::{IpAddr, SocketAddr};\nstruct TcpListener;", vec![]),
        ("fn a(b: std::os::unix::net::UnixStream) {}", vec![1]),
        ("use evio_sys::{Stream, UdpSocket};", vec![]),
        ("#[cfg(test)]\nmod tests {\n    use std::net::TcpStream;\n}", vec![]),
    ];
    for (text, found) in cases {
        assert_eq!(lines(rule, "crates/evio-core/src/event_loop.rs", text), found, "{text}");
        assert!(lines(rule, "crates/evio-core/tests/echo.rs", text).is_empty(), "{text}");
        assert!(lines(rule, "crates/evio-sys/src/net.rs", text).is_empty(), "{text}");
    }
}

#[test]
fn a_sleeping_test_is_found() {
    let text = "fn a() {\n    thread::sleep(b);\n}\n\
                #[cfg(test)]\nmod tests {\n    use std::thread::sleep;\n}\n";
    assert_eq!(lines(tests_do_not_sleep, "crates/evio/src/a.rs", text), [6]);
    assert_eq!(lines(tests_do_not_sleep, "crates/evio/tests/a.rs", text), [2, 6]);
    let explained = "// A slow reader.\nthread::sleep(b);\n";
    assert!(lines(tests_do_not_sleep, "crates/evio/tests/a.rs", explained).is_empty());
}

#[test]
fn a_sentence_that_hides_who_acts_is_found() {
    let rule = sentences_name_who_acts;
    let cases = [
        ("/// Has the poller look again.", vec![1]),
        ("    //! Takes note that a socket is gone.", vec![1]),
        ("a(); // What few connections have.", vec![1]),
        ("// Hastens.\n/* Whoever comes\n   by himself. */", vec![2, 3]),
        ("/// What the kernel has. It takes note.\n// Has", vec![]),
        ("let a = \"// Has whoever\";", vec![]),
    ];
    for (text, found) in cases {
        assert_eq!(lines(rule, "xtask/src/a.rs", text), found, "{text}");
        assert!(lines(rule, "elsewhere/xtask/a.rs", text).is_empty(), "{text}");
    }
}

#[test]
fn check_applies_every_rule() {
    let long = "x".repeat(MAX_COLUMNS + 1);
    let text = format!("unsafe {{ todo!() }} // Has b\n{long}\n");
    assert_eq!(check(&Source::new("xtask/src/a.rs", &text)).len(), 4);
}
