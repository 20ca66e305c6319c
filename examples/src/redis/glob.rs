//! Patterns for names, as in `KEYS` and `PSUBSCRIBE`.

use memchr::memmem;

use super::call::Failure;

/// The longest pattern. It takes a millisecond to parse, and more memory than its text.
const MAX_PATTERN_LEN: usize = 128 * 1024;

/// How many bytes are compared in the time that a unit of work takes.
pub(super) const STEPS_PER_WORK: usize = 16;

/// How many bytes are compared with one name: so many, and for each byte of the name so many more.
/// Only a pattern with a long row of `?` and `[ab]` behind a `*` can need more, on a name that it
/// nearly matches again and again. It does not match then, as one with 1,000 stars in redis does
/// not: to go on could take the product of both lengths.
const MIN_STEPS: usize = 4096;
const STEPS_PER_BYTE: usize = 16;

/// A pattern that is ready for use: `*` and `?` stand for any bytes and for one, `[ab]`, `[a-c]`
/// and `[^a]` for one of some or of all others, and `\\` takes the next byte as it is.
#[derive(Debug)]
pub(super) struct Pattern {
    /// What a name begins with.
    head: Segment,
    /// What follows, in this order, with anything between; the last one ends the name. None if
    /// there is no `*`.
    others: Vec<Segment>,
    /// The length of all segments.
    min_len: usize,
}

/// A part of a pattern without a `*`. It stands for as many bytes as it has elements.
#[derive(Debug)]
enum Segment {
    Literal(Box<[u8]>),
    Mixed(Box<[Element]>),
}

/// What stands for one byte.
#[derive(Debug)]
enum Element {
    Any,
    Byte(u8),
    /// A bit for each byte.
    Class(Box<[u64; 4]>),
}

/// Returns the work that so many steps are.
pub(super) fn work(steps: usize) -> usize {
    steps / STEPS_PER_WORK
}

impl Pattern {
    /// Parses a pattern that a client has sent, which must not be too long.
    pub(super) fn parse(pattern: &[u8]) -> Result<Self, Failure> {
        match pattern.len() {
            0..=MAX_PATTERN_LEN => Ok(Self::new(pattern)),
            _ => Err(Failure::text("ERR the pattern is too long")),
        }
    }

    /// Parses a pattern; each text is one.
    pub(super) fn new(pattern: &[u8]) -> Self {
        let mut segments = Vec::new();
        let (mut elements, mut rest) = (Vec::new(), pattern);
        while let Some((&byte, behind)) = rest.split_first() {
            rest = behind;
            elements.push(match byte {
                b'*' => {
                    segments.push(Segment::new(std::mem::take(&mut elements)));
                    continue;
                }
                b'?' => Element::Any,
                b'[' => {
                    let (class, len) = parse_class(rest);
                    rest = &rest[len..];
                    Element::Class(class)
                }
                b'\\' if !rest.is_empty() => {
                    let escaped = rest[0];
                    rest = &rest[1..];
                    Element::Byte(escaped)
                }
                plain => Element::Byte(plain),
            });
        }
        segments.push(Segment::new(elements));
        let min_len = segments.iter().map(Segment::len).sum();
        let head = segments.remove(0);
        Self { head, others: segments, min_len }
    }

    /// Tells whether `text` matches, and adds to `steps` how many bytes were compared.
    pub(super) fn matches(&self, text: &[u8], steps: &mut usize) -> bool {
        *steps += 1;
        if text.len() < self.min_len || !self.head.is_at_start(text, steps) {
            return false;
        }
        let mut rest = &text[self.head.len()..];
        let Some((tail, middle)) = self.others.split_last() else { return rest.is_empty() };
        let end = rest.len() - tail.len().min(rest.len());
        if !tail.is_at_start(&rest[end..], steps) {
            return false;
        }
        rest = &rest[..end];
        let most = *steps + MIN_STEPS + STEPS_PER_BYTE * text.len();
        middle.iter().all(|segment| match segment.find(rest, steps, most) {
            Some(at) => {
                rest = &rest[at + segment.len()..];
                true
            }
            None => false,
        })
    }
}

impl Segment {
    fn new(elements: Vec<Element>) -> Self {
        let byte =
            |element: &Element| if let Element::Byte(byte) = element { Some(*byte) } else { None };
        match elements.iter().map(byte).collect() {
            Some(bytes) => Self::Literal(bytes),
            None => Self::Mixed(elements.into()),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Literal(bytes) => bytes.len(),
            Self::Mixed(elements) => elements.len(),
        }
    }

    fn is_at_start(&self, text: &[u8], steps: &mut usize) -> bool {
        match self {
            Self::Literal(bytes) => {
                *steps += bytes.len();
                text.starts_with(bytes)
            }
            Self::Mixed(elements) => {
                let fits = |(element, byte): (&Element, &u8)| {
                    *steps += 1;
                    element.fits(*byte)
                };
                elements.len() <= text.len() && elements.iter().zip(text).all(fits)
            }
        }
    }

    /// Returns the first place where `text` has the segment, unless that takes too many steps.
    fn find(&self, text: &[u8], steps: &mut usize, most: usize) -> Option<usize> {
        if let Self::Literal(bytes) = self {
            let found = memmem::find(text, bytes);
            *steps += bytes.len() + found.unwrap_or(text.len());
            return found;
        }
        let last = text.len().checked_sub(self.len())?;
        for at in 0..=last {
            if self.is_at_start(&text[at..], steps) {
                return Some(at);
            }
            if *steps > most {
                return None;
            }
        }
        None
    }
}

impl Element {
    fn fits(&self, byte: u8) -> bool {
        match self {
            Self::Any => true,
            Self::Byte(own) => *own == byte,
            Self::Class(bits) => bits[usize::from(byte / 64)] >> (byte % 64) & 1 == 1,
        }
    }
}

/// Parses what is behind a `[`, and returns its length, too; a class without an end goes to the end
/// of the pattern.
fn parse_class(pattern: &[u8]) -> (Box<[u64; 4]>, usize) {
    let negated = pattern.first() == Some(&b'^');
    let mut at = usize::from(negated);
    let mut bits = Box::new([0; 4]);
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
        for byte in low..=high {
            bits[usize::from(byte / 64)] |= 1 << (byte % 64);
        }
        at += len;
    }
    if negated {
        bits.iter_mut().for_each(|word| *word = !*word);
    }
    (bits, at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::tests::session::Choices;

    fn matches(pattern: &str, text: &str) -> bool {
        Pattern::new(pattern.as_bytes()).matches(text.as_bytes(), &mut 0)
    }

    /// What a pattern means, however long it takes to find out.
    fn plainly_matches(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern, text) {
            ([], _) => text.is_empty(),
            ([b'*', rest @ ..], _) => {
                (0..=text.len()).any(|skipped| plainly_matches(rest, &text[skipped..]))
            }
            ([b'?', rest @ ..], [_, others @ ..]) => plainly_matches(rest, others),
            ([b'[', b'a', b'b', b']', rest @ ..], [byte, others @ ..]) => {
                b"ab".contains(byte) && plainly_matches(rest, others)
            }
            ([b'[', b'^', b'a', b']', rest @ ..], [byte, others @ ..]) => {
                *byte != b'a' && plainly_matches(rest, others)
            }
            ([own, rest @ ..], [byte, others @ ..]) => own == byte && plainly_matches(rest, others),
            (_, []) => false,
        }
    }

    #[test]
    fn random_patterns_mean_what_they_plainly_mean() {
        let mut choices = Choices::new();
        for _ in 0..20_000 {
            let pieces = ["*", "?", "a", "b", "c", "[ab]", "[^a]", "*"];
            let pattern: String = (0..choices.below(7)).map(|_| pieces[choices.below(8)]).collect();
            let text: String =
                (0..choices.below(9)).map(|_| ["a", "b", "c"][choices.below(3)]).collect();
            let expected = plainly_matches(pattern.as_bytes(), text.as_bytes());
            assert_eq!(matches(&pattern, &text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn no_pattern_takes_the_product_of_both_lengths() {
        const LEN: usize = 1 << 20;
        let name = "a".repeat(LEN);
        let patterns = [
            format!("*{}b*", "a".repeat(LEN / 2)),
            format!("*{}b*", "?".repeat(LEN / 2)),
            format!("*{}b*", "a?".repeat(LEN / 4)),
            format!("*{}b", "a?*".repeat(LEN / 4)),
            format!("*[{}]b*", "b".repeat(LEN / 2)),
            format!("{}b", "*a".repeat(LEN / 4)),
            format!("*{}b", "?".repeat(LEN / 2)),
        ];
        for pattern in patterns {
            let mut steps = 0;
            let pattern = Pattern::new(pattern.as_bytes());
            assert!(!pattern.matches(name.as_bytes(), &mut steps));
            assert!(steps < 20 * LEN, "{steps} steps");
            let before = steps;
            assert!(!pattern.matches(b"short", &mut steps));
            assert!(steps - before < 100, "the length of the pattern does not matter");
        }
    }

    /// Patterns that somebody may use are never given up.
    #[test]
    fn a_short_name_gets_a_true_answer() {
        let name = format!("{}b", "a".repeat(63));
        for len in 1..64 {
            assert!(matches(&format!("*{}b*", "[ac]".repeat(len)), &name));
            assert!(!matches(&format!("*{}c*", "?".repeat(len)), &name));
        }
    }

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
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn many_stars_take_no_exponential_time() {
        let pattern = "a*".repeat(50) + "b";
        assert!(!matches(&pattern, &"a".repeat(1000)));
    }
}
