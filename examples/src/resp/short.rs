//! What is easy to find in a command: its short lines, and a front that has arrived.

use super::command::Span;

const CRLF: &[u8; 2] = b"\r\n";
const CR: u32 = b'\r' as u32;
const LF: u32 = b'\n' as u32;

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
    let Some((b'*', count, mut position)) = short_line(input, 0) else { return Front::Nothing };
    for found in 0..count {
        let part = Front::Part { missing: count - found, position };
        let Some((b'$', len, start)) = short_line(input, position) else { return part };
        let end = start + len;
        let Some(CRLF) = chunk(input, end) else { return part };
        spans.push(Span::new(start, end));
        position = end + CRLF.len();
    }
    Front::Whole(position)
}

/// Reads a length line of one or two digits: its marker, its length, and where it ends.
// A word at a time: there are a dozen bytes of these lines in the shortest command with a key.
#[inline(always)]
pub(super) fn short_line(input: &[u8], start: usize) -> Option<(u8, usize, usize)> {
    let line = u32::from_le_bytes(*chunk(input, start)?);
    let digit = |at: u32| Some((line >> (8 * at)) as u8 ^ b'0').filter(|&digit| digit < 10);
    let (marker, first) = (line as u8, usize::from(digit(1)?));
    if line >> 16 == CR | LF << 8 {
        return Some((marker, first, start + 4));
    }
    let second = usize::from(digit(2)?);
    if first == 0 || line >> 24 != CR || input.get(start + 4) != Some(&b'\n') {
        return None;
    }
    Some((marker, 10 * first + second, start + 5))
}

/// Returns the `N` bytes at `start`, if there are so many.
#[inline(always)]
fn chunk<const N: usize>(input: &[u8], start: usize) -> Option<&[u8; N]> {
    input.get(start..)?.first_chunk()
}

#[cfg(test)]
mod tests {
    use super::*;

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
