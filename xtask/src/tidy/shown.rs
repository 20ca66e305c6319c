//! Public items and the examples that show them.
//!
//! The lint `unreachable_pub` sees to it that what says `pub` is public, so the text of a file is
//! enough to know what a reader finds in the documentation.

use std::collections::HashMap;

use super::Violation;
use super::source::{Source, is_word};

/// The crates with a documentation for others.
const CRATES: [&str; 3] = ["crates/evio/src/", "crates/evio-core/src/", "crates/evio-sys/src/"];
/// A kernel for tests, behind a feature; the page of the module has its example.
const SIMULATION: &str = "crates/evio-sys/src/sim/";
const ADVICE: &str = "is public and no example shows it: call it in the example of its type, or \
                      give it one of its own";

/// A public item with its documentation.
struct Item<'a> {
    source: &'a Source,
    line: usize,
    /// What the item is introduced by: `fn`, `struct`, `const` and so on.
    keyword: &'a str,
    name: &'a str,
    /// The type or the trait that it belongs to.
    owner: Option<Owner<'a>>,
    /// The lines of its examples.
    examples: String,
    /// The items that its documentation says to look at for an example.
    references: Vec<String>,
}

#[derive(Clone, Copy)]
enum Owner<'a> {
    Type(&'a str),
    Trait(&'a str),
}

impl<'a> Owner<'a> {
    fn name(self) -> &'a str {
        match self {
            Self::Type(name) | Self::Trait(name) => name,
        }
    }
}

/// Checks that every public item has an example: one of its own, or, if it belongs to a type or a
/// trait, one there that uses it.
pub(super) fn check(sources: &[Source]) -> Vec<Violation> {
    CRATES.iter().flat_map(|folder| check_crate(sources, folder)).collect()
}

fn check_crate(sources: &[Source], folder: &str) -> Vec<Violation> {
    let is_shown = |path: &str| path.starts_with(folder) && !path.starts_with(SIMULATION);
    let sources: Vec<&Source> = sources.iter().filter(|source| is_shown(&source.path)).collect();
    let items: Vec<Item<'_>> = sources.iter().flat_map(|source| items(source)).collect();
    let mut by_type: HashMap<&str, String> = HashMap::new();
    for item in &items {
        let name = item.owner.map_or(item.name, Owner::name);
        by_type.entry(name).or_default().push_str(&item.examples);
    }
    let is_in =
        |item: &Item<'_>, name: &str| by_type.get(name).is_some_and(|text| item.is_in(text));
    let by_module: HashMap<&str, String> =
        sources.iter().map(|source| (&*source.path, examples(module_docs(source)))).collect();
    let is_missing = |item: &&Item<'_>| {
        let owner = item.owner.map(Owner::name);
        let is_owner = |other: &&Item<'_>| other.owner.is_none() && Some(other.name) == owner;
        let of_owner = items.iter().filter(is_owner).flat_map(|owner| &owner.references);
        item.examples.is_empty()
            && !owner.is_some_and(|name| is_in(item, name))
            && !item.references.iter().chain(of_owner).any(|name| is_in(item, name))
            && !modules(&item.source.path, folder)
                .any(|path| by_module.get(&*path).is_some_and(|text| item.is_in(text)))
    };
    items.iter().filter(is_missing).map(Item::violation).collect()
}

impl Item<'_> {
    /// Tells whether an example uses the item.
    fn is_in(&self, example: &str) -> bool {
        example.match_indices(self.name).any(|(at, name)| {
            let (before, after) = (&example[..at], &example[at + name.len()..]);
            let is_whole = !before.ends_with(is_word) && !after.starts_with(is_word);
            is_whole && self.is_used(before, after)
        })
    }

    /// Tells whether what stands around the name makes it a use of this item.
    fn is_used(&self, before: &str, after: &str) -> bool {
        let is_call = before.ends_with('.') && after.starts_with(['(', ':']);
        let is_path = |owner| {
            let scope = before.strip_suffix("::");
            scope.is_some_and(|scope| scope.ends_with(owner) || scope.ends_with('>'))
        };
        match (self.keyword, self.owner) {
            ("type", Some(_)) => before.ends_with("type "),
            (_, Some(Owner::Trait(owner))) => before.ends_with("fn ") || is_call || is_path(owner),
            (_, Some(Owner::Type(owner))) => is_call || is_path(owner),
            (_, None) => true,
        }
    }

    fn violation(&self) -> Violation {
        let owner = self.owner.map_or(String::new(), |owner| format!("{}::", owner.name()));
        let advice = format!("`{owner}{}` {ADVICE}", self.name);
        Violation { path: self.source.path.clone(), line: self.line, advice }
    }
}

/// Returns the public items of a file, which is formatted by rustfmt.
fn items(source: &Source) -> Vec<Item<'_>> {
    let (mut items, mut docs, mut owner) = (Vec::new(), Vec::new(), None);
    let (mut is_attribute, mut is_setters) = (false, false);
    let lines = source.shipped_and_test_code().0.lines();
    for (line, (code, text)) in lines.zip(source.text.lines()).enumerate() {
        if let Some(doc) = text.trim_start().strip_prefix("///") {
            docs.push(doc);
            continue;
        }
        is_attribute |= code.trim_start().starts_with("#[");
        if is_attribute {
            is_attribute = !code.trim_end().ends_with(']');
            continue;
        }
        if code.starts_with('}') {
            owner = None;
        }
        let found = if is_setters { setter(code) } else { item(code, owner) };
        is_setters = code.trim() == "setters! {" || is_setters && code.trim() != "}";
        if let Some((keyword, name)) = found {
            let docs = docs.iter().copied();
            let (examples, references) = (examples(docs.clone()), references(docs));
            let line = line + 1;
            items.push(Item { source, line, keyword, name, owner, examples, references });
        }
        owner = owner_from(code).or(owner);
        docs.clear();
    }
    items
}

/// Returns the keyword and the name of the public item that a line begins, if it does.
fn item<'a>(code: &'a str, owner: Option<Owner<'_>>) -> Option<(&'a str, &'a str)> {
    let indent = code.len() - code.trim_start().len();
    let code = code.trim_start();
    let rest = match owner {
        None if indent == 0 => code.strip_prefix("pub ")?,
        Some(Owner::Type(_)) if indent == 4 => code.strip_prefix("pub ")?,
        Some(Owner::Trait(_)) if indent == 4 => code,
        _ => return None,
    };
    let rest = rest.strip_prefix("const fn ").map_or(rest, |_| &rest["const ".len()..]);
    let (keyword, rest) = rest.split_once(' ')?;
    let is_item =
        matches!(keyword, "fn" | "struct" | "enum" | "trait" | "type" | "const" | "static");
    is_item.then(|| (keyword, &rest[..rest.find(|c| !is_word(c)).unwrap_or(rest.len())]))
}

/// Returns the method that a line of `setters!` makes.
fn setter(code: &str) -> Option<(&str, &str)> {
    Some(("fn", code.trim_start().split_once(": ")?.0))
}

/// Returns whose items follow the line: those of a type or of a public trait. What a type does for
/// a trait is shown where the trait is.
fn owner_from(code: &str) -> Option<Owner<'_>> {
    let word = |text: &'_ str| text.find(|c| !is_word(c)).unwrap_or(text.len());
    if let Some(name) = code.strip_prefix("pub trait ") {
        return Some(Owner::Trait(&name[..word(name)]));
    }
    let header = after_generics(code.strip_prefix("impl")?).trim_start();
    let is_of_trait = header.contains(" for ");
    (!is_of_trait).then(|| Owner::Type(&header[..word(header)]))
}

fn after_generics(text: &str) -> &str {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '<' => depth += 1,
            '>' if !text[..at].ends_with('-') => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return text[at..].trim_start_matches('>');
        }
    }
    ""
}

/// Returns the files whose module an item of a file is in.
fn modules(path: &str, folder: &str) -> impl Iterator<Item = String> {
    let inside = path.strip_prefix(folder).and_then(|path| path.rsplit_once('/'));
    let parent = inside.map(|(module, _)| format!("{folder}{module}/mod.rs"));
    [path.to_owned(), format!("{folder}lib.rs")].into_iter().chain(parent)
}

fn module_docs(source: &Source) -> impl Iterator<Item = &str> {
    source.text.lines().filter_map(|line| line.strip_prefix("//!"))
}

/// Returns the lines of the examples in a documentation, those of diagrams and tables left out.
fn examples<'a>(docs: impl Iterator<Item = &'a str>) -> String {
    let (mut text, mut is_inside, mut is_example) = (String::new(), false, false);
    for line in docs {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            is_inside = !is_inside;
            is_example = is_inside && language != "text";
        } else if is_example {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

/// Returns the types in the links that stand for an example, such as ``See [`Conn::reply`].``, and
/// the functions that belong to none.
fn references<'a>(docs: impl Iterator<Item = &'a str>) -> Vec<String> {
    let section = docs.skip_while(|line| line.trim() != "# Examples");
    let links = section.flat_map(|line| line.split("[`").skip(1));
    let paths = links.filter_map(|link| link.split_once('`')).map(|(path, _)| path);
    let owner = |path: &'a str| {
        path.split("::").find(|part| part.starts_with(char::is_uppercase)).unwrap_or(path)
    };
    paths.map(owner).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(text: &str) -> Vec<String> {
        let sources = [Source::new("crates/evio-core/src/a.rs", text)];
        let advice = check(&sources).into_iter().map(|found| found.advice);
        advice.map(|advice| advice.split('`').nth(1).unwrap_or_default().to_owned()).collect()
    }

    #[test]
    fn items_without_an_example_are_found() {
        let example = |text: &str| format!("/// ```\n/// {text}\n/// ```\n");
        let a = format!("{}#[derive(\n    Debug\n)]\npub struct A<T>(T);\n", example("A.b(1)"));
        let handler = format!("{}pub trait B {{\n    fn b(&self);\n", example("fn b(&self) {}"));
        let see = "    /// # Examples\n    ///\n    /// See [`A::b`](crate::A::b).\n";
        let cases = [
            ("pub fn a() {}\n".to_owned(), vec!["a"]),
            (format!("{}#[must_use]\npub fn a() {{}}\n", example("a();")), vec![]),
            ("/// ```text\n/// a -> b\n/// ```\npub const fn a() {}\n".to_owned(), vec!["a"]),
            ("//! ```\n//! a();\n//! ```\n\npub fn a() {}\n".to_owned(), vec![]),
            (format!("{a}impl<T: Fn() -> u8> A<T> {{\n    pub fn b() {{}}\n}}\n"), vec![]),
            (format!("{a}impl<T> A<T> {{\n    pub fn c() {{}}\n}}\n"), vec!["A::c"]),
            (format!("{a}impl<T> A<T> {{\n    pub const A: u8 = 1;\n}}\n"), vec!["A::A"]),
            (
                format!("{a}impl<T> A<T> {{\n    fn c() {{}}\n    pub(crate) fn d() {{}}\n}}\n"),
                vec![],
            ),
            (format!("{a}impl<T> B for A<T> {{\n    fn c() {{}}\n}}\n"), vec![]),
            (format!("{a}impl C {{\n{see}    pub fn b() {{}}\n}}\n"), vec![]),
            (format!("{a}impl C {{\n{see}    pub fn c() {{}}\n}}\n"), vec!["C::c"]),
            (
                format!("{a}impl<T> A<T> {{\n    setters! {{\n        c: u8,\n    }}\n}}\n"),
                vec!["A::c"],
            ),
            (format!("{handler}}}\n"), vec![]),
            (format!("{handler}    fn c(&self);\n}}\n"), vec!["B::c"]),
            (format!("{}pub enum A {{}}\n", example("match a.a {}")), vec![]),
            (
                format!("{}pub struct A;\nimpl A {{\n    pub fn b() {{}}\n}}\n", example("a.b;")),
                vec!["A::b"],
            ),
            ("#[cfg(test)]\nmod tests {\npub fn a() {}\n}\n".to_owned(), vec![]),
        ];
        for (text, names) in cases {
            assert_eq!(missing(&text), names, "{text}");
        }
    }
}
