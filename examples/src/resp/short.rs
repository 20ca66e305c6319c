//! The commands that are easy to find: short, and there as a whole.

use super::command::Span;

/// Finds the arguments of the command at the start of `input`, and how long it is on the wire.
///
/// Nearly every command is an array of at most nine strings of at most 99 bytes each, and is
/// looked at once, when all of it has arrived. For any other, right or wrong, `None` is returned,
/// and nothing is added to `spans`.
// Inlined, because this is what every argument of every request goes through.
#[inline(always)]
pub(super) fn parse_short(input: &[u8], spans: &mut Vec<Span>) -> Option<usize> {
    let before = spans.len();
    let wire_len = find_arguments(input, spans);
    if wire_len.is_none() {
        spans.truncate(before);
    }
    wire_len
}

#[inline(always)]
fn find_arguments(input: &[u8], spans: &mut Vec<Span>) -> Option<usize> {
    let [b'*', count @ b'1'..=b'9', b'\r', b'\n', strings @ ..] = input else { return None };
    let mut rest = strings;
    for _ in 0..digit(*count) {
        let (len, string) = match rest {
            [b'$', a @ b'0'..=b'9', b'\r', b'\n', string @ ..] => (digit(*a), string),
            [b'$', a @ b'1'..=b'9', b @ b'0'..=b'9', b'\r', b'\n', string @ ..] => {
                (10 * digit(*a) + digit(*b), string)
            }
            _ => return None,
        };
        let Some([b'\r', b'\n', after @ ..]) = string.get(len..) else { return None };
        let start = input.len() - string.len();
        spans.push(Span::new(start, start + len));
        rest = after;
    }
    Some(input.len() - rest.len())
}

fn digit(byte: u8) -> usize {
    usize::from(byte - b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(input: &[u8]) -> Option<(Vec<&[u8]>, usize)> {
        let mut spans = vec![Span::new(0, 1)];
        let wire_len = parse_short(input, &mut spans);
        assert!(wire_len.is_some() || spans.len() == 1, "{}", input.escape_ascii());
        let arguments = spans[1..].iter().map(|span| &input[span.range()]).collect();
        wire_len.map(|wire_len| (arguments, wire_len))
    }

    #[test]
    fn a_short_command_is_found_once_it_is_whole() {
        let long = "v".repeat(99);
        let cases: [&[&str]; 4] = [&["PING"], &["GET", ""], &["SET", "k", &long], &["a\r\n"; 9]];
        for case in cases {
            let mut input = format!("*{}\r\n", case.len());
            for argument in case {
                input += &format!("${}\r\n{argument}\r\n", argument.len());
            }
            let expected = case.iter().map(|argument| argument.as_bytes()).collect();
            assert_eq!(arguments(input.as_bytes()), Some((expected, input.len())));
            for end in 0..input.len() {
                assert_eq!(arguments(&input.as_bytes()[..end]), None, "{end} bytes of {input:?}");
            }
        }
    }

    #[test]
    fn what_is_long_or_wrong_is_not_found() {
        let hundred = format!("*1\r\n$100\r\n{}\r\n", "v".repeat(100));
        let ten = format!("*10\r\n{}", "$1\r\na\r\n".repeat(10));
        let cases = [
            "PING\r\n",
            "*0\r\n",
            "*-1\r\n",
            "*1\n$1\na\n",
            "*1\r\nfoo\r\n",
            "*1\r\n$1\r\na\n\r",
            "*1\r\n$1\ra\r\n\r\n",
            "*1\r\n$01\r\na\r\n",
            "*2\r\n$1\r\na\r\n:1\r\n",
            &hundred,
            &ten,
        ];
        for case in cases {
            assert_eq!(arguments(case.as_bytes()), None, "{case:?}");
        }
    }
}
