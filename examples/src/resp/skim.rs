//! A look at a command that is sure to be read again.

/// Finds the first argument of the command at the start of `input`, if it has one, and how long the
/// command is on the wire.
///
/// This is for a guess at what is to come, in a fraction of the time that
/// [`Parser`](super::Parser) takes: a command of more than nine strings, or with one of more than
/// 99 bytes, is not worth it, and `None` like one that is not whole, not an array or wrong.
///
/// # Examples
///
/// ```
/// use evio_examples::resp::skim;
///
/// let input = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*1\r\n$4\r\nPI";
/// let (key, wire_len) = skim(input).expect("the command is whole");
/// assert_eq!((key, wire_len), (Some(&b"k"[..]), 20));
/// assert_eq!(skim(&input[wire_len..]), None);
/// ```
#[inline]
pub fn skim(input: &[u8]) -> Option<(Option<&[u8]>, usize)> {
    let [b'*', count @ b'1'..=b'9', b'\r', b'\n', ..] = *input else { return None };
    let mut position = 4;
    let mut first = None;
    for index in 0..count - b'0' {
        let (start, end) = match *input.get(position..)? {
            [b'$', a @ b'0'..=b'9', b'\r', ..] => (position + 4, usize::from(a - b'0')),
            [b'$', a @ b'1'..=b'9', b @ b'0'..=b'9', b'\r', ..] => {
                (position + 5, 10 * usize::from(a - b'0') + usize::from(b - b'0'))
            }
            _ => return None,
        };
        let end = start + end;
        let string = input.get(start..end)?;
        if index == 1 {
            first = Some(string);
        }
        position = end + 2;
    }
    (position <= input.len()).then_some((first, position))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::Parser;

    /// Whatever is found is what the parser finds.
    #[test]
    fn agrees_with_the_parser() {
        let long = "v".repeat(99);
        let cases = [
            "*1\r\n$4\r\nPING\r\n".to_owned(),
            "*2\r\n$3\r\nGET\r\n$0\r\n\r\n".to_owned(),
            format!("*3\r\n$3\r\nSET\r\n$12\r\nkey:00000001\r\n$99\r\n{long}\r\n"),
            format!("*9\r\n{}", "$1\r\na\r\n".repeat(9)),
        ];
        for case in cases {
            let mut parser = Parser::default();
            let command = parser.parse(case.as_bytes()).unwrap().unwrap();
            let expected = (command.get(1), command.wire_len());
            assert_eq!(skim(case.as_bytes()), Some(expected), "{case:?}");
            for end in 0..case.len() {
                assert_eq!(skim(&case.as_bytes()[..end]), None, "{end} bytes of {case:?}");
            }
        }
    }

    #[test]
    fn what_is_not_worth_it_is_left_out() {
        let hundred = format!("*1\r\n$100\r\n{}\r\n", "v".repeat(100));
        let ten = format!("*10\r\n{}", "$1\r\na\r\n".repeat(10));
        for case in ["", "PING\r\n", "*0\r\n", "*-1\r\n", "*1\r\nfoo\r\n", &hundred, &ten] {
            assert_eq!(skim(case.as_bytes()), None, "{case:?}");
        }
    }
}
