use super::*;

/// Reads files, each a name and a text, and returns every import as `from -> to:line`.
fn arrows(files: &[(&str, &str)]) -> Vec<String> {
    let sources: Vec<_> =
        files.iter().map(|(name, text)| Source::new(&format!("src/{name}"), text)).collect();
    let imports = Imports::read(&sources, "src/");
    let arrows = imports.files.iter().flat_map(|file| {
        file.imports.iter().map(|import| {
            format!("{} -> {}:{}", file.name, imports.files[import.file].name, import.line)
        })
    });
    arrows.collect()
}

/// Files that a text may import from.
const AROUND: [(&str, &str); 6] = [
    ("lib.rs", "mod a;\nmod b;\npub use a::x::X;\npub use other::Y;\n"),
    ("a/mod.rs", "mod x;\nmod y;\npub(crate) use x::{X as Renamed, f};\npub(crate) struct A;\n"),
    ("a/x.rs", "pub(crate) struct X;\n"),
    ("a/y.rs", ""),
    ("b.rs", "mod z;\n"),
    ("b/z.rs", ""),
];

#[test]
fn imports_are_resolved_to_files() {
    // The text of a file in `a`, and the files that it imports, with the line of each.
    let cases = [
        ("use crate::a::x::X;", "a/x.rs:1"),
        ("use crate::{a::{x::X, y}, b::z};", "a/x.rs:1 a/y.rs:1 b/z.rs:1"),
        ("use crate::{\n    b::{\n        z::Z,\n    },\n    a::x::X,\n};", "b/z.rs:3 a/x.rs:5"),
        ("use super::x::X;\nuse super::A;", "a/x.rs:1 a/mod.rs:2"),
        ("use super::super::b::{self, f};\nfn g() { b::z::g() }", "b.rs:1 b/z.rs:2"),
        ("use super::y::*;", "a/y.rs:1"),
        ("use super::super::b;\nfn f() { b::z::g() }", "b.rs:1 b/z.rs:2"),
        ("use crate::b as c;\nfn f() { c::z::g() }", "b.rs:1 b/z.rs:2"),
        ("\nfn f(a: &crate::b::z::Z) -> Vec<super::x::X> {}", "b/z.rs:2 a/x.rs:2"),
        ("fn f() { crate::b\n    ::z::g::<super::y::Y>() }", "b/z.rs:1 a/y.rs:2"),
        ("use crate::X;", "a/x.rs:1"),
        ("use crate::{Y, NOWHERE};", "lib.rs:1"),
        ("use crate::a::{Renamed, f};", "a/x.rs:1"),
        ("use super::Renamed;\nuse super::y::Y;", "a/x.rs:1 a/y.rs:2"),
        ("use crate::b::f;\nuse crate::b::g;", "b.rs:1"),
        ("pub(in crate::b) struct A;\npub(crate) fn f() {}", ""),
        ("use std::mem;\nuse other::X;\nfn f() { mem::drop(self::g()) }", ""),
        ("use a::a;\nfn f() { a::g() }", ""),
        ("fn f<'a>() -> impl Fn() + use<'a> { crate::b::g }", "b.rs:1"),
        ("// crate::b\nconst A: &str = \"crate::b::z\";", ""),
        ("#[cfg(test)]\nmod tests {\n    use crate::b::z;\n}", ""),
    ];
    for (text, imported) in cases {
        let arrows = arrows(&[&AROUND[..], &[("a/new.rs", text)]].concat());
        let found: Vec<_> =
            arrows.iter().filter_map(|arrow| arrow.strip_prefix("a/new.rs -> ")).collect();
        assert_eq!(found.join(" "), imported, "{text}");
    }
}

#[test]
fn a_module_imports_its_submodules_by_their_bare_names() {
    let cases = [("mod.rs", "mod x;\nuse x::X;"), ("mod.rs", "mod x;\nfn f(x: x::X) {}")];
    for (name, text) in cases {
        let files = [(&*format!("a/{name}"), text), ("a/x.rs", "use super::A;\nuse self::f;")];
        assert_eq!(arrows(&files), ["a/mod.rs -> a/x.rs:2", "a/x.rs -> a/mod.rs:1"]);
    }
}

#[test]
fn what_tests_import_is_left_out() {
    let files = [
        ("lib.rs", ""),
        ("a.rs", ""),
        ("a/tests.rs", "use crate::b::B;"),
        ("b.rs", "use crate::a::A;"),
    ];
    assert_eq!(arrows(&files), ["b.rs -> a.rs:1"]);
}
