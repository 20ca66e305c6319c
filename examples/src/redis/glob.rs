//! Patterns for names, as in `KEYS` and `PSUBSCRIBE`.

/// Tells whether `text` matches a pattern: `*` and `?` stand for any bytes and for one, `[ab]`,
/// `[a-c]` and `[^a]` for one of some or of all others, and `\` takes the next byte as it is.
///
/// It takes time in proportion to the product of both lengths at worst: only the last `*` is ever
/// tried again.
pub(super) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut retry = None;
    while t < text.len() {
        match one(&pattern[p..], text[t]) {
            Step::Any => {
                retry = Some((p + 1, t));
                p += 1;
                continue;
            }
            Step::Match(len) => {
                p += len;
                t += 1;
                continue;
            }
            Step::Fail => {}
        }
        let Some((after_star, start)) = retry else { return false };
        retry = Some((after_star, start + 1));
        (p, t) = (after_star, start + 1);
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

/// How the start of a pattern fits a byte.
enum Step {
    /// It is a `*`.
    Any,
    /// So many bytes of the pattern stand for it.
    Match(usize),
    Fail,
}

fn one(pattern: &[u8], byte: u8) -> Step {
    let (fits, len) = match *pattern {
        [] => return Step::Fail,
        [b'*', ..] => return Step::Any,
        [b'?', ..] => (true, 1),
        [b'[', ref rest @ ..] => {
            let (fits, len) = class(rest, byte);
            (fits, 1 + len)
        }
        [b'\\', escaped, ..] => (escaped == byte, 2),
        [plain, ..] => (plain == byte, 1),
    };
    if fits { Step::Match(len) } else { Step::Fail }
}

/// Matches what is behind a `[`; a class without an end goes to the end of the pattern.
fn class(pattern: &[u8], byte: u8) -> (bool, usize) {
    let negated = pattern.first() == Some(&b'^');
    let mut at = usize::from(negated);
    let mut found = false;
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
        found |= (low..=high).contains(&byte);
        at += len;
    }
    (found != negated, at)
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

    #[test]
    fn many_stars_take_no_exponential_time() {
        let pattern = "a*".repeat(50) + "b";
        assert!(!matches(pattern.as_bytes(), "a".repeat(1000).as_bytes()));
    }
}
