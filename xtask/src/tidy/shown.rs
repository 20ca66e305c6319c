//! Public items and the examples that show them.
//!
//! The lint `unreachable_pub` sees to it that what says `pub` is public, so the text of a file is
//! enough to know what a reader finds in the documentation.

use std::collections::HashMap;

use super::Violation;
use super::source::{Source, is_word};

/// The crates with a documentation for others.
const CRATES: [&str; 3] = ["crates/evio/src/", "crates/evio-core/src/", "crates/evio-sys/src/"];
/// A kernel for tests, which `evio-sim` documents.
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
        let mut references = item.references.iter();
        item.examples.is_empty()
            && !item.owner.is_some_and(|owner| is_in(item, owner.name()))
            && !references.any(|name| is_in(item, name))
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

/// Returns the types, or functions of no type, in the links that stand for an example, such as ``See [`Conn::reply`].``
fn references<'a>(docs: impl Iterator<Item = &'a str>) -> Vec<String> {
    let section = docs.skip_while(|line| line.trim() != "# Examples");
    let links = section.flat_map(|line| line.split("[`").skip(1));
    let paths = links.filter_map(|link| link.split_once('`')).map(|(path, _)| path);
    let owner = |path: &'a str| {
        let mut parts = path.split("::");
        parts.clone().find(|part| part.starts_with(char::is_uppercase)).or(parts.next_back())
    };
    paths.filter_map(owner).map(str::to_owned).collect()
}
