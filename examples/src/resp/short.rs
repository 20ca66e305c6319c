//! What is easy to find in a command: its short lines, and a front that has arrived.

use super::command::Span;

/// CR LF, as a little-endian number.
const CRLF: u32 = u16::from_le_bytes(*b"\r\n") as u32;

/// How far a command was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Front {
    /// All of it; so many bytes.
    Whole(usize),
    /// So many arguments are missing, and the next one begins or should begin at this byte.
    Part { missing: usize, position: usize },
    /// Nothing of it.
    Nothing,
}

/// Finds the arguments of the command at the start of `input`, up to one that has not arrived, is
/// longer than 99 bytes, or is wrong. Finds nothing if it has more than 99, or is not an array.
// Inlined, because this is what every argument of nearly every request goes through.
#[inline(always)]
pub(super) fn find_front(input: &[u8], spans: &mut Vec<Span>) -> Front {
    let Some((count, mut position)) = short_line(b'*', input, 0) else { return Front::Nothing };
    let mut missing = count;
    while missing > 0 {
        let part = Front::Part { missing: missing as usize, position: position as usize };
        let Some((len, start)) = short_line(b'$', input, position) else { return part };
        let end = start + len;
        if chunk(input, end).map(|&end| u16::from_le_bytes(end)) != Some(CRLF as u16) {
            return part;
        }
        spans.push(Span::new(start as usize, end as usize));
        position = end + 2;
        missing -= 1;
    }
    Front::Whole(position as usize)
}

/// Reads the length line of one or two digits at `start`: its length, and where it ends.
// Four bytes at a time: most bytes of most commands are those of such lines.
#[inline(always)]
pub(super) fn short_line(marker: u8, input: &[u8], start: u32) -> Option<(u32, u32)> {
    let line = u32::from_le_bytes(*chunk(input, start)?);
    let digit = |at: u32| {
        let digit = (line >> (8 * at)) as u8 ^ b'0';
        (digit < 10).then_some(u32::from(digit))
    };
    let first = digit(1)?;
    if line & 0xffff_00ff == CRLF << 16 | u32::from(marker) {
        return Some((first, start + 4));
    }
    let [_, _, end @ ..]: &[u8; 4] = chunk(input, start + 1)?;
    let second = digit(2).filter(|_| line as u8 == marker && first > 0 && end == b"\r\n")?;
    Some((10 * first + second, start + 5))
}

/// Returns the `N` bytes at `start`, if there are so many.
// With 32 bits the compiler knows that the addition does not overflow: one comparison is left.
#[inline(always)]
fn chunk<const N: usize>(input: &[u8], start: u32) -> Option<&[u8; N]> {
    let start = start as usize;
    input.get(start..start + N)?.first_chunk()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `short_line` with the marker `$`, by the book.
    fn spelled_out(input: &[u8]) -> Option<(u32, u32)> {
        let end = input.windows(2).position(|pair| pair == b"\r\n")?;
        let digits = input[..end].strip_prefix(b"$")?;
        let len: u32 = std::str::from_utf8(digits).ok()?.parse().ok()?;
        let is_short = len < 100 && len.to_string().as_bytes() == digits;
        is_short.then_some((len, end as u32 + 2))
    }

    #[test]
    fn a_line_is_read_as_it_is_spelled_out() {
        for line in ["$7\r\n*1", "$12\r\n", "*99\r\n", "$100\r\n", "$\r\n\r\n", "$3\r\n"] {
            let mut bytes = line.as_bytes().to_vec();
            for (first, second) in (0..bytes.len()).flat_map(|n| (0..n).map(move |m| (m, n))) {
                let [old_first, old_second] = [first, second].map(|at| bytes[at]);
                for values in 0..=u16::MAX {
                    [bytes[first], bytes[second]] = values.to_le_bytes();
                    assert_eq!(short_line(b'$', &bytes, 0), spelled_out(&bytes), "{bytes:?}");
                }
                (bytes[first], bytes[second]) = (old_first, old_second);
            }
            for end in 0..bytes.len() {
                assert_eq!(short_line(b'$', &bytes[..end], 0), spelled_out(&bytes[..end]));
            }
        }
    }

    fn found(input: &str) -> (Front, Vec<&str>) {
        let mut spans = Vec::new();
        let front = find_front(input.as_bytes(), &mut spans);
        (front, spans.iter().map(|span| &input[span.range()]).collect())
    }

    #[test]
    fn what_has_arrived_is_found() {
        let long = "v".repeat(99);
        let cases: [&[&str]; 4] = [&["PING"], &["GET", ""], &["SET", "k", &long], &["a\r\n"; 99]];
        for case in cases {
            let mut input = format!("*{}\r\n", case.len());
            let mut fronts = vec![(0, Front::Nothing)];
            for (index, argument) in case.iter().enumerate() {
                let part = Front::Part { missing: case.len() - index, position: input.len() };
                fronts.push((input.len(), part));
                input += &format!("${}\r\n{argument}\r\n", argument.len());
            }
            fronts.push((input.len(), Front::Whole(input.len())));
            for end in 0..=input.len() {
                let at = fronts.iter().rposition(|(start, _)| *start <= end).unwrap();
                let arguments = case[..at.saturating_sub(1)].to_vec();
                assert_eq!(found(&input[..end]), (fronts[at].1, arguments), "{end} of {input:?}");
            }
        }
    }

    #[test]
    fn what_is_long_or_wrong_is_left() {
        let part = |missing, position| Front::Part { missing, position };
        let hundred = format!("*1\r\n$100\r\n{}\r\n", "v".repeat(100));
        let cases = [
            ("PING\r\n", Front::Nothing),
            ("*-1\r\n", Front::Nothing),
            ("*01\r\n", Front::Nothing),
            ("*100\r\n", Front::Nothing),
            ("*1\n$1\na\n", Front::Nothing),
            ("*0\r\n", Front::Whole(4)),
            ("*1\r\nfoo\r\n", part(1, 4)),
            ("*1\r\n$1\r\na\n\r", part(1, 4)),
            ("*1\r\n$1\ra\r\n\r\n", part(1, 4)),
            ("*1\r\n$01\r\na\r\n", part(1, 4)),
            ("*2\r\n$1\r\na\r\n:1\r\n", part(1, 11)),
            (&hundred, part(1, 4)),
        ];
        for (case, expected) in cases {
            assert_eq!(found(case).0, expected, "{case:?}");
        }
    }
}
