//! The scores of a sorted set.

use std::cmp::Ordering;

/// A number that is not NaN, and so has a place in every order.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Score(f64);

impl Score {
    pub(super) const ONE: Self = Self(1.0);

    /// Makes a score, unless the number is NaN.
    pub(super) fn new(number: f64) -> Option<Self> {
        // Adding zero turns the negative zero into the positive one; redis does so in small sets.
        (!number.is_nan()).then_some(Self(number + 0.0))
    }

    /// Parses a number that fills `text`, as strtod(3) does: decimal, hexadecimal or an infinity.
    ///
    /// As in redis, a number that is too large, or so small that nothing is left of it, is none.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let digits = match unsigned.as_bytes() {
            [b'0', b'x' | b'X', ..] => {
                let number = parse_hex(&unsigned[2..])?;
                return Self::new(if text.starts_with('-') { -number } else { number });
            }
            [b'i' | b'I', ..] => return text.parse().ok().and_then(Self::new),
            [b'n' | b'N', ..] => return None,
            digits => digits,
        };
        let number: f64 = text.parse().ok()?;
        let mantissa = digits.split(|byte| byte.eq_ignore_ascii_case(&b'e')).next()?;
        let is_zero = mantissa.iter().all(|byte| matches!(byte, b'0' | b'.'));
        (number.is_finite() && (number != 0.0 || is_zero)).then_some(number).and_then(Self::new)
    }

    /// Parses a bound of a range, which may be too large: it is infinite then.
    pub(super) fn parse_bound(text: &[u8]) -> Option<Self> {
        // strtod(3) takes no text at all for zero.
        if text.is_empty() {
            return Some(Self::default());
        }
        let decimal = || std::str::from_utf8(text).ok()?.parse().ok().and_then(Self::new);
        Self::parse(text).or_else(decimal)
    }

    /// Prints the number with all of its digits if it is an integer of 63 bits.
    pub(super) fn to_exact_string(self) -> String {
        const LIMIT: f64 = (1_u64 << 62) as f64;
        match self.0.fract() == 0.0 && self.0.abs() < LIMIT {
            true => itoa::Buffer::new().format(self.0 as i64).to_owned(),
            false => self.to_string(),
        }
    }

    pub(super) fn get(self) -> f64 {
        self.0
    }
}

/// Parses what follows the `0x` of a hexadecimal number: `1.8p3` is 12.
fn parse_hex(text: &str) -> Option<f64> {
    let (mantissa, exponent) = match text.split_once(['p', 'P']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    // More digits than these could not be kept apart.
    if whole.len() + fraction.len() == 0 || whole.len() + fraction.len() > 13 {
        return None;
    }
    let digits = i64::from_str_radix(&format!("{whole}{fraction}"), 16).ok()?;
    let number = digits as f64 * 2f64.powi(exponent.checked_sub(4 * fraction.len() as i32)?);
    (number.is_finite() && (number != 0.0 || digits == 0)).then_some(number)
}

impl Eq for Score {}

impl PartialOrd for Score {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Score {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.partial_cmp(&other.0).expect("a score is not NaN")
    }
}

impl std::fmt::Display for Score {
    /// Writes 17 digits, as `%.17g` of printf(3) does: any number, read again, is the same.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_infinite() {
            return f.write_str(if self.0 > 0.0 { "inf" } else { "-inf" });
        }
        if self.0.fract() == 0.0 && self.0.abs() < 1e17 {
            return f.write_str(itoa::Buffer::new().format(self.0 as i64));
        }
        let text = format!("{:.16e}", self.0);
        let (digits, exponent) = text.split_once('e').expect("it has an exponent");
        let exponent: i32 = exponent.parse().expect("it is a number");
        if (-4..17).contains(&exponent) {
            let text = format!("{:.*}", (16 - exponent) as usize, self.0);
            return f.write_str(without_zeros(&text));
        }
        let sign = if exponent < 0 { '-' } else { '+' };
        write!(f, "{}e{sign}{:02}", without_zeros(digits), exponent.abs())
    }
}

/// Cuts off the zeros behind the last digit of a fraction that is none.
pub(super) fn without_zeros(text: &str) -> &str {
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What redis 7.0.15 says, by `ZADD z TEXT m` and `ZSCORE z m`.
    const CASES: [(&str, &str); 59] = [
        ("0", "0"),
        ("-0", "0"),
        ("+1", "1"),
        ("1.", "1"),
        (".5", "0.5"),
        ("-.5", "-0.5"),
        (".", "error"),
        ("1e", "error"),
        ("1E+5", "100000"),
        ("0.1", "0.10000000000000001"),
        ("0.3", "0.29999999999999999"),
        ("3.14159", "3.1415899999999999"),
        ("1e400", "error"),
        ("-1e400", "error"),
        ("1e-400", "error"),
        ("0e-400", "0"),
        ("5e-324", "4.9406564584124654e-324"),
        ("2e-324", "error"),
        ("1e308", "1e+308"),
        ("1.7976931348623157e308", "1.7976931348623157e+308"),
        ("inf", "inf"),
        ("+inf", "inf"),
        ("-inf", "-inf"),
        ("Infinity", "inf"),
        ("-infinity", "-inf"),
        ("infin", "error"),
        ("nan", "error"),
        ("-nan", "error"),
        ("nan(1)", "error"),
        ("0x10", "16"),
        ("0x1.8p3", "12"),
        ("-0xA", "-10"),
        ("0x", "error"),
        ("0xg", "error"),
        ("0x1p2000", "error"),
        ("0x.8", "0.5"),
        ("0x1p", "error"),
        ("87738332196720128", "87738332196720128"),
        ("99999999999999999", "1e+17"),
        ("100000000000000000", "1e+17"),
        ("123456789012345678", "1.2345678901234568e+17"),
        ("1e16", "10000000000000000"),
        ("1e21", "1e+21"),
        ("0.0001", "0.0001"),
        ("0.00001", "1.0000000000000001e-05"),
        ("0.000123456", "0.00012345600000000001"),
        ("-1.5e-7", "-1.4999999999999999e-07"),
        ("4503599627370496.5", "4503599627370496"),
        ("9007199254740993", "9007199254740992"),
        ("1_0", "error"),
        ("1e1e1", "error"),
        ("--1", "error"),
        ("+-1", "error"),
        ("0.30000000000000004", "0.30000000000000004"),
        ("1e99", "9.9999999999999997e+98"),
        ("1e-100", "1e-100"),
        (" 1", "error"),
        ("1 ", "error"),
        ("", "error"),
    ];

    #[test]
    fn scores_read_and_print_as_in_redis() {
        for (text, expected) in CASES {
            let printed = Score::parse(text.as_bytes()).map(|score| score.to_string());
            assert_eq!(printed.as_deref().unwrap_or("error"), expected, "{text}");
        }
    }

    #[test]
    fn what_is_printed_reads_as_the_same_number() {
        let mut choices = crate::redis::tests::session::Choices::new();
        for _ in 0..20_000 {
            let bits = (choices.below(1 << 33) as u64) << 32 | choices.below(1 << 33) as u64;
            if let Some(score) = Score::new(f64::from_bits(bits)) {
                assert_eq!(Score::parse(score.to_string().as_bytes()), Some(score));
            }
        }
    }
}
