//! Patterns for names, as in `KEYS` and `PSUBSCRIBE`.

use memchr::memmem;

use super::call::Failure;

/// The longest pattern.
const MAX_LEN: usize = 64 * 1024;

/// The longest part between two `*` that is more than plain bytes. It may have to be compared at
/// every byte of a name, whereas plain bytes are found in one pass.
const MAX_PART_LEN: usize = 32;

/// A pattern: `*` and `?` stand for any bytes and for one, `[ab]`, `[a-c]` and `[^a]` for one of
/// some or of all others, and `\` takes the next byte as it is.
///
/// To match takes time in proportion to the length of the name, whatever the pattern is.
pub(super) struct Glob {
    /// What the name begins with.
    first: Vec<Element>,
    /// What follows in this order, with anything in between.
    middle: Vec<Part>,
    /// What the name ends with; without a `*`, the first part is all.
    last: Option<Vec<Element>>,
}

/// What stands for one byte.
enum Element {
    Byte(u8),
    Any,
    Class(Box<[bool; 256]>),
}

/// What is between two `*`.
enum Part {
    Bytes(Vec<u8>),
    Elements(Vec<Element>),
}

impl Glob {
    /// Parses a pattern.
    ///
    /// # Errors
    ///
    /// Fails when it is too long, or could take too long to match.
    pub(super) fn new(pattern: &[u8]) -> Result<Self, Failure> {
        if pattern.len() > MAX_LEN {
            return Err(Failure::text("ERR the pattern is longer than 65536 bytes"));
        }
        let mut parts = vec![Vec::new()];
        let mut rest = pattern;
        while !rest.is_empty() {
            let (element, len) = Element::parse(rest);
            match (element, parts.last_mut()) {
                (Some(element), Some(part)) => part.push(element),
                _ => parts.push(Vec::new()),
            }
            rest = &rest[len..];
        }
        let last = if parts.len() > 1 { parts.pop() } else { None };
        let mut parts = parts.into_iter();
        let first = parts.next().unwrap_or_default();
        let middle = parts.filter(|part| !part.is_empty()).map(Part::new);
        Ok(Self { first, middle: middle.collect::<Result<_, _>>()?, last })
    }

    /// Tells whether the pattern stands for `name`.
    pub(super) fn matches(&self, name: &[u8]) -> bool {
        let Some(mut rest) = strip(name, &self.first) else { return false };
        let Some(last) = &self.last else { return rest.is_empty() };
        // The first place of each part leaves the most for those behind it.
        for part in &self.middle {
            let Some(end) = part.find_end(rest) else { return false };
            rest = &rest[end..];
        }
        let start = rest.len().checked_sub(last.len());
        start.is_some_and(|start| strip(&rest[start..], last).is_some())
    }
}

impl Element {
    /// Parses what `pattern` begins with, which is nothing for a `*`, and returns its length.
    fn parse(pattern: &[u8]) -> (Option<Self>, usize) {
        match *pattern {
            [] | [b'*', ..] => (None, 1),
            [b'?', ..] => (Some(Self::Any), 1),
            [b'[', ref rest @ ..] => {
                let (class, len) = class(rest);
                (Some(Self::Class(class)), 1 + len)
            }
            [b'\\', escaped, ..] => (Some(Self::Byte(escaped)), 2),
            [plain, ..] => (Some(Self::Byte(plain)), 1),
        }
    }

    fn is(&self, byte: u8) -> bool {
        match self {
            Self::Byte(plain) => *plain == byte,
            Self::Any => true,
            Self::Class(class) => class[usize::from(byte)],
        }
    }
}

impl Part {
    fn new(elements: Vec<Element>) -> Result<Self, Failure> {
        let byte = |element: &Element| match element {
            Element::Byte(byte) => Some(*byte),
            _ => None,
        };
        if let Some(bytes) = elements.iter().map(byte).collect() {
            return Ok(Self::Bytes(bytes));
        }
        if elements.len() > MAX_PART_LEN {
            let message =
                "ERR more than 32 characters are between two * of the pattern, with a ? or [";
            return Err(Failure::text(message));
        }
        Ok(Self::Elements(elements))
    }

    /// Returns where the first place ends that this part stands for.
    fn find_end(&self, name: &[u8]) -> Option<usize> {
        match self {
            Self::Bytes(bytes) => memmem::find(name, bytes).map(|start| start + bytes.len()),
            Self::Elements(elements) => {
                let mut places = name.windows(elements.len());
                let start = places.position(|place| strip(place, elements).is_some())?;
                Some(start + elements.len())
            }
        }
    }
}

/// Returns what is behind the bytes that these elements stand for, if `name` begins with them.
fn strip<'n>(name: &'n [u8], elements: &[Element]) -> Option<&'n [u8]> {
    let (start, rest) = name.split_at_checked(elements.len())?;
    let fits = elements.iter().zip(start).all(|(element, byte)| element.is(*byte));
    fits.then_some(rest)
}

/// Parses what is behind a `[`, and returns its length; a class without an end goes to the end of
/// the pattern.
fn class(pattern: &[u8]) -> (Box<[bool; 256]>, usize) {
    let negated = pattern.first() == Some(&b'^');
    let mut at = usize::from(negated);
    let mut class = Box::new([negated; 256]);
    loop {
        let (low, high, len) = match pattern[at..] {
            [] => break,
            [b']', ..] => {
                at += 1;
                break;
            }
            [b'\\', escaped, ..] => (escaped, escaped, 2),
            [low, b'-', high, ..] => (low.min(high), low.max(high), 3),
            [plain, ..] => (plain, plain, 1),
        };
        class[usize::from(low)..=usize::from(high)].fill(!negated);
        at += len;
    }
    (class, at)
}

/// Tells whether a pattern that was accepted before stands for `name`.
pub(super) fn matches(pattern: &[u8], name: &[u8]) -> bool {
    Glob::new(pattern).is_ok_and(|glob| glob.matches(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_redis() {
        let cases = [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("**", "abc", true),
            ("a*", "abc", true),
            ("*c", "abc", true),
            ("*b", "abc", false),
            ("a*b*c", "aXbYbZc", true),
            ("h?llo", "hello", true),
            ("h?llo", "hllo", false),
            ("h[ae]llo", "hallo", true),
            ("h[ae]llo", "hillo", false),
            ("h[^e]llo", "hallo", true),
            ("h[^e]llo", "hello", false),
            ("h[a-c]llo", "hbllo", true),
            ("h[c-a]llo", "hbllo", true),
            ("h[a-c]llo", "hdllo", false),
            (r"a\*b", "a*b", true),
            (r"a\*b", "axb", false),
            (r"[\]]", "]", true),
            ("[a", "a", true),
            ("a]", "a]", true),
            ("\\", "\\", true),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
        }
    }

    /// Names that a search from the start of each byte would take minutes for.
    #[test]
    fn no_pattern_takes_more_than_one_look_at_a_name() {
        let name = "a".repeat(4_000_000);
        let long = "a".repeat(MAX_LEN - 3) + "b";
        for pattern in
            [format!("*{long}*"), format!("*{}b*", "?".repeat(31)), "a*".repeat(50) + "b"]
        {
            assert!(!matches(pattern.as_bytes(), name.as_bytes()), "{pattern:.20}");
        }
    }

    #[test]
    fn patterns_that_could_take_long_are_refused() {
        let (too_long, at_once) = ("a".repeat(MAX_LEN + 1), "?".repeat(MAX_PART_LEN + 1));
        for pattern in [&too_long, &format!("*{at_once}*")] {
            assert!(Glob::new(pattern.as_bytes()).is_err());
        }
        // At the ends there is but one place for it.
        let name = "a".repeat(MAX_PART_LEN + 2);
        for pattern in [format!("{at_once}*"), format!("*{at_once}"), format!("{at_once}?")] {
            assert!(matches(pattern.as_bytes(), name.as_bytes()), "{pattern}");
        }
    }

    /// Patterns and names of few letters, against an algorithm that tries everything.
    #[test]
    fn random_patterns_match_as_by_trying_everything() {
        fn tried(pattern: &[u8], name: &[u8]) -> bool {
            match Element::parse(pattern) {
                _ if pattern.is_empty() => name.is_empty(),
                (None, len) => (0..=name.len()).any(|at| tried(&pattern[len..], &name[at..])),
                (Some(element), len) => {
                    name.first().is_some_and(|byte| element.is(*byte))
                        && tried(&pattern[len..], &name[1..])
                }
            }
        }
        let pattern =
            proptest::collection::vec(proptest::sample::select(b"ab*?[]^-\\".to_vec()), 0..9);
        let name = proptest::collection::vec(proptest::sample::select(b"ab]".to_vec()), 0..8);
        proptest::proptest!(|(pattern in pattern, name in name)| {
            proptest::prop_assert_eq!(matches(&pattern, &name), tried(&pattern, &name));
        });
    }
}
