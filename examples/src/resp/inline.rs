//! Splitting an inline request into words.

use super::command::Span;
use super::error::ProtocolError;

/// Splits a line without quotes at its blanks.
pub(super) fn split(line: &[u8], spans: &mut Vec<Span>) {
    let mut at = 0;
    while let Some(start) = skip_blanks(line, at) {
        let len = line[start..].iter().position(|&byte| ends_word(byte));
        at = len.map_or(line.len(), |len| start + len);
        spans.push(Span::new(start, at));
    }
}

/// Splits a line at its blanks and appends the words, without their quotes, to `words`.
pub(super) fn unquote(
    line: &[u8],
    words: &mut Vec<u8>,
    spans: &mut Vec<Span>,
) -> Result<(), ProtocolError> {
    let mut at = 0;
    while let Some(start) = skip_blanks(line, at) {
        let word = words.len();
        at = unquote_word(line, start, words).ok_or(ProtocolError::UnbalancedQuotes)?;
        spans.push(Span::new(word, words.len()));
    }
    Ok(())
}

/// Appends the word at `at` to `words` and returns where it ends, or `None` if a quote is open.
fn unquote_word(line: &[u8], mut at: usize, words: &mut Vec<u8>) -> Option<usize> {
    while let Some(&byte) = line.get(at).filter(|&&byte| !ends_word(byte)) {
        at += 1;
        match byte {
            b'"' => return unquote_double(line, at, words),
            b'\'' => return unquote_single(line, at, words),
            plain => words.push(plain),
        }
    }
    Some(at)
}

fn unquote_double(line: &[u8], mut at: usize, words: &mut Vec<u8>) -> Option<usize> {
    loop {
        let (byte, len) = match line.get(at..)? {
            [b'"', rest @ ..] => return ends_quoted(rest).then_some(at + 1),
            [b'\\', b'x', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                ((hex_value(*high) << 4) | hex_value(*low), 4)
            }
            [b'\\', escaped, ..] => (unescape(*escaped), 2),
            [plain, ..] => (*plain, 1),
            [] => return None,
        };
        words.push(byte);
        at += len;
    }
}

fn unquote_single(line: &[u8], mut at: usize, words: &mut Vec<u8>) -> Option<usize> {
    loop {
        let (byte, len) = match line.get(at..)? {
            [b'\'', rest @ ..] => return ends_quoted(rest).then_some(at + 1),
            [b'\\', b'\'', ..] => (b'\'', 2),
            [plain, ..] => (*plain, 1),
            [] => return None,
        };
        words.push(byte);
        at += len;
    }
}

fn hex_value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        digit => digit.to_ascii_lowercase() - b'a' + 10,
    }
}

fn unescape(escaped: u8) -> u8 {
    match escaped {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 0x08,
        b'a' => 0x07,
        other => other,
    }
}

/// Tells whether what follows a closing quote lets the word end there.
fn ends_quoted(rest: &[u8]) -> bool {
    rest.first().is_none_or(|&byte| is_blank(byte))
}

fn skip_blanks(line: &[u8], at: usize) -> Option<usize> {
    line[at..].iter().position(|&byte| !is_blank(byte)).map(|skipped| at + skipped)
}

/// Tells whether `byte` may stand between words: the white space of C.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// Tells whether `byte` ends a word. As in redis, vertical tab and form feed do not.
fn ends_word(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Splits `line` both ways that apply to it.
    fn words(line: &[u8]) -> Result<Vec<Vec<u8>>, ProtocolError> {
        let (mut bytes, mut spans) = (Vec::new(), Vec::new());
        unquote(line, &mut bytes, &mut spans)?;
        let unquoted = spans.iter().map(|span| bytes[span.range()].to_vec()).collect();
        if !line.contains(&b'"') && !line.contains(&b'\'') {
            let mut spans = Vec::new();
            split(line, &mut spans);
            let split: Vec<_> = spans.iter().map(|span| line[span.range()].to_vec()).collect();
            assert_eq!(split, unquoted, "{}", line.escape_ascii());
        }
        Ok(unquoted)
    }

    #[test]
    fn words_are_what_stands_between_blanks() {
        let cases: [(&[u8], &[&[u8]]); 14] = [
            (b"", &[]),
            (b" \t\r\x0b\x0c ", &[]),
            (b"PING", &[b"PING"]),
            (b"  PING  ", &[b"PING"]),
            (b"SET\tk\rv", &[b"SET", b"k", b"v"]),
            (b"a\x0bb\x0cc", &[b"a\x0bb\x0cc"]),
            (b"a\0b \xff", &[b"a\0b", b"\xff"]),
            (b"ECHO \"\" ''", &[b"ECHO", b"", b""]),
            (br#""PI\x4eG""#, &[b"PING"]),
            (br#""\n\r\t\b\a\\\"\q\xZZ\x4""#, &[b"\n\r\t\x08\x07\\\"qxZZx4"]),
            (br"'a\'b\n' c", &[br"a'b\n", b"c"]),
            (b"ab\"c d\"", &[b"abc d"]),
            (b"'a'\x0b'b'", &[b"a", b"b"]),
            (br"back\slash", &[br"back\slash"]),
        ];
        for (line, expected) in cases {
            let found = words(line).unwrap_or_else(|e| panic!("{}: {e}", line.escape_ascii()));
            assert_eq!(found, expected, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn quotes_must_close_before_a_blank() {
        let cases: [&[u8]; 9] = [
            b"\"abc",
            b"'a",
            b"\"a\"b",
            b"'a'b",
            b"'a''b'",
            b"set \"\"\"k\"\"\" v",
            b"\"a\\",
            b"'a\\'",
            b"a\"",
        ];
        for line in cases {
            assert_eq!(
                words(line),
                Err(ProtocolError::UnbalancedQuotes),
                "{}",
                line.escape_ascii()
            );
        }
    }
}
