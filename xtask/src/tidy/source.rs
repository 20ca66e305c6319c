//! A Rust file as the rules see it: code and comments kept apart, without a full parser.

/// A file, with two views of its text that have the same lines and columns as the original.
#[derive(Debug)]
pub(super) struct Source {
    /// Relative to the workspace, with `/` between the parts.
    pub(super) path: String,
    pub(super) text: String,
    /// The text with comments and the contents of strings and characters blanked out.
    pub(super) code: String,
    /// The text with everything but the comments blanked out.
    pub(super) comments: String,
}

/// What a stretch of the text is.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Code,
    Comment,
    Literal,
}

impl Source {
    pub(super) fn new(path: &str, text: &str) -> Self {
        let (mut code, mut comments) = (String::new(), String::new());
        let mut rest = text;
        while !rest.is_empty() {
            let (kind, length) = next_stretch(rest);
            let (stretch, after) = rest.split_at(length);
            let blank = || stretch.chars().map(|c| if c == '\n' { c } else { ' ' });
            match kind {
                Kind::Code => code.push_str(stretch),
                Kind::Comment | Kind::Literal => code.extend(blank()),
            }
            match kind {
                Kind::Comment => comments.push_str(stretch),
                Kind::Code | Kind::Literal => comments.extend(blank()),
            }
            rest = after;
        }
        Self { path: path.to_owned(), text: text.to_owned(), code, comments }
    }

    /// Splits the code into what ships and what only tests run.
    ///
    /// Test modules stand at the end of a file, so everything from the first one on is a test's.
    /// One may be for the model checker alone: `#[cfg(all(test, loom))]`.
    pub(super) fn shipped_and_test_code(&self) -> (&str, &str) {
        let stem = self.path.trim_end_matches(".rs");
        let start = if stem.split('/').any(|part| part == "tests") {
            0
        } else {
            self.test_module().unwrap_or(self.code.len())
        };
        self.code.split_at(start)
    }

    /// Returns where the condition above the first test module begins.
    fn test_module(&self) -> Option<usize> {
        self.code.match_indices("\nmod tests {").find_map(|(end, _)| {
            let start = self.code[..end].rfind('\n').map_or(0, |before| before + 1);
            let condition = &self.code[start..end];
            (condition.starts_with("#[cfg(") && condition.contains("test")).then_some(start)
        })
    }
}

/// Returns the kind and the length in bytes of what `rest`, which is not empty, begins with.
fn next_stretch(rest: &str) -> (Kind, usize) {
    let word = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
    if rest.starts_with("//") {
        (Kind::Comment, rest.find('\n').unwrap_or(rest.len()))
    } else if rest.starts_with("/*") {
        (Kind::Comment, block_comment(rest))
    } else if rest.starts_with('"') {
        (Kind::Literal, quoted(rest, '"'))
    } else if rest.starts_with('\'') {
        character(rest).map_or((Kind::Code, 1), |length| (Kind::Literal, length))
    } else if matches!(&rest[..word], "r" | "br" | "cr") {
        raw_string(rest, word).map_or((Kind::Code, word), |length| (Kind::Literal, length))
    } else if word > 0 {
        (Kind::Code, word)
    } else {
        (Kind::Code, rest.chars().next().map_or(1, char::len_utf8))
    }
}

/// Tells whether `c` can be part of an identifier, a keyword or a number.
pub(super) fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

/// Returns the length of a block comment. They nest.
fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while let Some(step) = rest[at..].find(['/', '*']) {
        at += step;
        match rest[at..].get(..2) {
            Some("/*") => (depth, at) = (depth + 1, at + 2),
            Some("*/") => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

/// Returns the length of a literal that begins with `quote` and ends with the next one that no
/// backslash escapes.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        if c == quote && !escaped {
            return at + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    rest.len()
}

/// Returns the length of a character literal, or nothing for a lifetime.
fn character(rest: &str) -> Option<usize> {
    let mut chars = rest.chars().skip(1);
    let is_literal = chars.next() == Some('\\') || chars.next() == Some('\'');
    is_literal.then(|| quoted(rest, '\''))
}

/// Returns the length of a raw string whose prefix has `prefix` bytes, or nothing for a word or a
/// raw identifier.
fn raw_string(rest: &str, prefix: usize) -> Option<usize> {
    let after = &rest[prefix..];
    let hashes = after.len() - after.trim_start_matches('#').len();
    let body = after[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = body.find(&end).map_or(body.len(), |at| at + end.len());
    Some(prefix + hashes + 1 + length)
}

#[cfg(test)]
mod tests {
    use super::Source;

    #[test]
    fn code_and_comments_are_told_apart() {
        // Text, then its code and its comments with the blanks left out.
        let cases = [
            ("a // b\nc", "ac", "//b"),
            ("a /* b /* c */ d */ e", "ae", "/*b/*c*/d*/"),
            ("a /*/ b */ c", "ac", "/*/b*/"),
            ("a /**/ b * c", "ab*c", "/**/"),
            (r#"a("b // \" c") d"#, "a()d", ""),
            (r##"a(r#"b " c"#) d"##, "a()d", ""),
            (r#"a(br"\") d"#, "a()d", ""),
            ("r#type b", "r#typeb", ""),
            (r#"a('"') b('\'') c"#, "a()b()c", ""),
            ("a<'b>(c: &'d str)", "a<'b>(c:&'dstr)", ""),
            ("a(\"é\") // ü", "a()", "//ü"),
            ("a \"b", "a", ""),
            ("a /* b", "a", "/*b"),
        ];
        for (text, code, comments) in cases {
            let source = Source::new("a.rs", text);
            assert_eq!(source.code.replace([' ', '\n'], ""), code, "code of {text}");
            assert_eq!(source.comments.replace([' ', '\n'], ""), comments, "comments of {text}");
            assert_eq!(source.code.chars().count(), text.chars().count(), "columns of {text}");
            assert_eq!(source.code.lines().count(), text.lines().count(), "lines of {text}");
        }
    }

    #[test]
    fn test_code_is_told_from_what_ships() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n}\n";
        let cases = [("src/a.rs", "fn a() {}\n"), ("tests/a.rs", ""), ("src/a/tests.rs", "")];
        for (path, shipped) in cases {
            assert_eq!(Source::new(path, text).shipped_and_test_code().0, shipped, "{path}");
            let loom = text.replace("(test)", "(all(test, loom))");
            assert_eq!(Source::new(path, &loom).shipped_and_test_code().0, shipped, "{path}");
        }
    }
}
