//! Fields of the connection table that other folders could write past the methods that keep them
//! consistent.

use super::Violation;
use super::source::{Source, is_word};

/// A field that is visible outside its folder all the same.
#[derive(Debug)]
pub(super) struct OpenField {
    /// The type and the field, as in `Entry.stream`; the fields of a tuple have numbers.
    pub(super) field: &'static str,
    pub(super) reason: &'static str,
}

/// Checks that the structs below `folder`, which ends in a slash, have no field that the whole
/// crate sees but those in `open`, which `tables` holds.
pub(super) fn check(
    sources: &[Source],
    folder: &str,
    open: &[OpenField],
    tables: &str,
) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut seen = Vec::new();
    for source in sources {
        let Some(name) = source.path.strip_prefix(folder) else { continue };
        for (field, line) in wide_fields(source.shipped_and_test_code().0, name == "mod.rs") {
            if !open.iter().any(|open| open.field == field) {
                let advice = format!(
                    "`{field}` can be written from anywhere; make it private and give the type a \
                     method for it, or list it in {tables} with the reason"
                );
                violations.push(Violation { path: source.path.clone(), line, advice });
            }
            seen.push(field);
        }
    }
    for open in open.iter().filter(|open| !seen.iter().any(|field| field == open.field)) {
        let advice = format!(
            "`{}` is listed as open ({}) and is not any more; take it off the list",
            open.field, open.reason
        );
        violations.push(Violation { path: tables.to_owned(), line: 1, advice });
    }
    violations
}

/// Returns each field of a struct in `code` that is visible outside the folder, with its line.
///
/// `pub(super)` goes no further than the folder, except in the folder's own `mod.rs`.
fn wide_fields(code: &str, is_top: bool) -> Vec<(String, usize)> {
    let mut fields = Vec::new();
    for (at, _) in code.match_indices("struct ") {
        if code[..at].ends_with(is_word) {
            continue;
        }
        let item = &code[at + "struct ".len()..];
        let name = &item[..item.find(|c| !is_word(c)).unwrap_or(item.len())];
        let (mut depth, mut angles, mut number) = (0_usize, 0_usize, 0);
        for (offset, c) in item.char_indices() {
            match c {
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' => depth = depth.saturating_sub(1),
                '<' => angles += 1,
                '>' if !item[..offset].ends_with('-') => angles = angles.saturating_sub(1),
                ',' if (depth, angles) == (1, 0) => number += 1,
                'p' if !item[..offset].ends_with(is_word) => {
                    if let Some(field) = wide_field(&item[offset..], number, is_top) {
                        let line =
                            code[..at].matches('\n').count() + item[..offset].matches('\n').count();
                        fields.push((format!("{name}.{field}"), line + 1));
                    }
                }
                _ => {}
            }
            if depth == 0 && angles == 0 && matches!(c, ';' | '}') {
                break;
            }
        }
    }
    fields
}

/// Returns the name of the field that `code` begins with, when it is visible outside the folder.
fn wide_field(code: &str, number: usize, is_top: bool) -> Option<String> {
    let after = code.strip_prefix("pub").filter(|after| !after.starts_with(is_word))?;
    let after = after.trim_start();
    let (scope, after) = match after.strip_prefix('(').and_then(|scope| scope.split_once(')')) {
        Some((scope, after)) if !scope.contains(',') => (scope, after.trim_start()),
        _ => ("crate", after),
    };
    let is_narrow = scope == "self" || (scope == "super" && !is_top) || scope.contains("::table");
    let name = &after[..after.find(|c| !is_word(c)).unwrap_or(after.len())];
    let is_named = after[name.len()..].starts_with(':') && !after[name.len()..].starts_with("::");
    (!is_narrow).then(|| if is_named { name.to_owned() } else { number.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str, text: &str, open: &[OpenField]) -> Vec<String> {
        let sources = [Source::new(&format!("table/{name}"), text), Source::new("b.rs", text)];
        let found = check(&sources, "table/", open, "tables");
        let place = |found: &Violation| {
            let field = found.advice.split('`').nth(1).unwrap_or_default();
            format!("{}:{} {field}", found.path, found.line)
        };
        found.iter().map(place).collect()
    }

    #[test]
    fn a_field_that_the_crate_sees_is_found() {
        let cases = [
            ("pub(crate) struct A {\n    pub(crate) b: u8,\n    c: u8,\n}", "table/a.rs:2 A.b"),
            ("struct A { pub b: u8 }", "table/a.rs:1 A.b"),
            ("struct A(u8, HashMap<fn() -> u8, u8>, pub(crate) u8);", "table/a.rs:1 A.2"),
            ("struct A(pub crate::b::C);", "table/a.rs:1 A.0"),
            ("struct A<T: Fn() -> u8> {\n    pub(in crate::api) b: T,\n}", "table/a.rs:2 A.b"),
            ("struct A {\n    /// b\n    public: u8,\n    pub(super) b: u8,\n}", ""),
            ("struct A { pub(in crate::table) b: u8, pub(self) c: u8 }", ""),
            ("struct A;\nimpl A {\n    pub(crate) fn b() {}\n}", ""),
            ("struct A(u8);\npub(crate) const B: u8 = 1;", ""),
            ("enum A { B { c: u8 } }\npub(crate) fn f() {}", ""),
            ("#[cfg(test)]\nmod tests {\n    struct A { pub(crate) b: u8 }\n}", ""),
        ];
        for (text, place) in cases {
            assert_eq!(found("a.rs", text, &[]).join(" "), place, "{text}");
        }
        let text = "struct A { pub(super) b: u8 }";
        assert_eq!(found("mod.rs", text, &[]), ["table/mod.rs:1 A.b"]);
    }

    #[test]
    fn a_listed_field_may_be_open_and_must_exist() {
        let open = [OpenField { field: "A.b", reason: "" }];
        assert!(found("a.rs", "struct A { pub(crate) b: u8 }", &open).is_empty());
        let private = found("a.rs", "struct A { b: u8 }", &open);
        assert_eq!(private, ["tables:1 A.b"]);
    }
}
