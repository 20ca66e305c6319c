//! Decimal integers, as strictly as redis reads them.

/// Parses a decimal integer that fills `text`.
///
/// There is one way to write each number: no plus sign, no leading zero, no blank, no `-0`.
///
/// # Examples
///
/// ```
/// use evio_examples::resp::parse_integer;
///
/// assert_eq!(parse_integer(b"-12"), Some(-12));
/// assert_eq!(parse_integer(b"012"), None);
/// ```
pub fn parse_integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    match digits {
        [b'0'] if !negative => return Some(0),
        [b'1'..=b'9', ..] => {}
        _ => return None,
    }
    digits.iter().try_fold(0i64, |value, byte| {
        let digit = i64::from(byte.wrapping_sub(b'0'));
        if digit > 9 {
            return None;
        }
        let shifted = value.checked_mul(10)?;
        // Counting away from zero on either side is what lets the smallest number parse.
        if negative { shifted.checked_sub(digit) } else { shifted.checked_add(digit) }
    })
}

#[cfg(test)]
mod tests {
    use super::parse_integer;

    #[test]
    fn reads_what_redis_reads() {
        for number in [0, 1, -1, 9, 10, 1234567890, i64::MAX, i64::MIN] {
            assert_eq!(parse_integer(number.to_string().as_bytes()), Some(number));
        }
    }

    #[test]
    fn refuses_every_other_spelling() {
        let refused: [&[u8]; 16] = [
            b"",
            b"-",
            b"+",
            b"+1",
            b"-0",
            b"00",
            b"01",
            b"-01",
            b" 1",
            b"1 ",
            b"1\0",
            b"0x10",
            b"1.0",
            b"abc",
            b"9223372036854775808",
            b"-9223372036854775809",
        ];
        for text in refused {
            assert_eq!(parse_integer(text), None, "{}", text.escape_ascii());
        }
    }
}
