//! The numbers of `INCRBYFLOAT`.

use std::fmt;

use num_bigint::{BigInt, BigUint, Sign};

use super::score::without_zeros;

/// How many bits a number has: those of C's `long double` on x86-64, which redis adds with.
const BITS: u64 = 64;

/// The digits behind the point that are printed.
const DECIMALS: u32 = 17;

/// The exponents of ten beyond which a `long double` is infinite, or nothing.
const MAX_EXPONENT: i32 = 4932;

/// The longest text that is a number, as in redis.
const MAX_TEXT_LEN: usize = 5 * 1024;

/// A binary number with 64 bits, so that `0.1` and `0.2` make `0.3`.
#[derive(Debug, Clone)]
pub(super) enum LongDouble {
    Finite { mantissa: BigInt, exponent: i64 },
    Infinite,
}

impl LongDouble {
    /// Parses a decimal number or an infinity that fills `text`.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        if text.len() >= MAX_TEXT_LEN {
            return None;
        }
        let text = std::str::from_utf8(text).ok()?;
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        if ["inf", "infinity"].iter().any(|name| unsigned.eq_ignore_ascii_case(name)) {
            return Some(Self::Infinite);
        }
        let (digits, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((digits, exponent)) => (digits, exponent.parse::<i32>().ok()?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let digits = format!("{whole}{fraction}");
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let digits = BigUint::parse_bytes(digits.as_bytes(), 10)?;
        let exponent = exponent.checked_sub(fraction.len() as i32)?;
        if exponent.abs() > MAX_EXPONENT && digits != BigUint::ZERO {
            return None;
        }
        let sign = if text.starts_with('-') { Sign::Minus } else { Sign::Plus };
        let ten = BigUint::from(10_u8).pow(exponent.unsigned_abs().min(MAX_EXPONENT as u32));
        if exponent >= 0 {
            return Some(Self::rounded(sign, digits * ten, 0, false));
        }
        // As many bits more than are kept as the divisor has, and one that tells of a half.
        let shift = ten.bits() + BITS + 2;
        let digits = digits << shift;
        let quotient = &digits / &ten;
        let is_inexact = &quotient * &ten != digits;
        Some(Self::rounded(sign, quotient, -(shift as i64), is_inexact))
    }

    /// Rounds to the nearest number, and to the even one of two. `is_above` tells that a little is
    /// missing from `magnitude`.
    fn rounded(sign: Sign, magnitude: BigUint, exponent: i64, is_above: bool) -> Self {
        let dropped = magnitude.bits().saturating_sub(BITS);
        let kept = round(magnitude, dropped, is_above);
        Self::Finite {
            mantissa: BigInt::from_biguint(sign, kept),
            exponent: exponent + dropped as i64,
        }
    }

    /// Adds `other`; `None` if that is infinite or no number.
    pub(super) fn plus(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (
                Self::Finite { mantissa: one, exponent: at },
                Self::Finite { mantissa: two, exponent: to },
            ) => {
                let lowest = *at.min(to);
                let sum = (one << (at - lowest)) + (two << (to - lowest));
                let (sign, magnitude) = sum.into_parts();
                Some(Self::rounded(sign, magnitude, lowest, false))
            }
            _ => None,
        }
    }
}

/// Shifts `bits` out, to the nearest number, and to the even one of two.
fn round(number: BigUint, bits: u64, is_above: bool) -> BigUint {
    if bits == 0 {
        return number;
    }
    let kept = &number >> bits;
    let rest = number - (&kept << bits);
    let half = BigUint::from(1_u8) << (bits - 1);
    let rounds_up = rest > half || (rest == half && (is_above || kept.bit(0)));
    if rounds_up { kept + 1_u8 } else { kept }
}

impl fmt::Display for LongDouble {
    /// Writes up to 17 digits behind the point, as redis does.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Finite { mantissa, exponent } = self else { return f.write_str("inf") };
        let scaled = mantissa.magnitude() * BigUint::from(10_u8).pow(DECIMALS);
        let scaled = match *exponent {
            0.. => scaled << *exponent,
            _ => round(scaled, exponent.unsigned_abs(), false),
        };
        let digits = format!("{scaled:0>18}");
        let (whole, fraction) = digits.split_at(digits.len() - DECIMALS as usize);
        let text = format!("{whole}.{fraction}");
        let sign = if mantissa.sign() == Sign::Minus && scaled != BigUint::ZERO { "-" } else { "" };
        write!(f, "{sign}{}", without_zeros(&text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What redis 7.0.15 makes of `INCRBYFLOAT`.
    const CASES: [(&str, &str, &str); 40] = [
        ("0.1", "0.2", "0.3"),
        ("3", "1.1", "4.1"),
        ("1234.56", "0.01", "1234.57000000000000006"),
        ("17179869184", "17179869184", "34359738368"),
        ("5.0e3", "2.0e2", "5200"),
        ("10.50", "0.1", "10.6"),
        ("1e-17", "1", "1.00000000000000001"),
        ("1", "-1", "0"),
        ("-0.5", "0.25", "-0.25"),
        ("1e30", "1", "1000000000000000000024696061952"),
        ("0", "1e5000", "error"),
        ("1", "inf", "error"),
        ("1", "nan", "error"),
        ("1", "x", "error"),
        ("1", "1e", "error"),
        ("1", ".", "error"),
        ("0", "99999999999999999999.5", "100000000000000000000"),
        ("0", "-1e-18", "0"),
        ("0", "5e-18", "0"),
        ("0.3", "3.0000000000000005", "3.3000000000000005"),
        ("123456789.987654321", "0.000000001", "123456789.98765432199434144"),
        ("+1", "1", "2"),
        ("1.", " 1", "error"),
        ("18446744073709551615", "2", "18446744073709551616"),
        ("0", "1e-5000", "error"),
        ("0", "0e-5000", "0"),
        ("-404.9", "-2179419893.11e-7", "-622.84198931099999996"),
        ("-30.564e-7", "9548738649.1141153371300629929e-7", "954.87386185501153374"),
        ("763.153540110946965195e5", "-553.9353e5", "20921824.01109469652146799"),
        ("74.3465608723044488519e5", "764623112.577", "772057768.66423044487601146"),
        ("73.6550669089e5", "-79817.120e-7", "7365506.68290828799990777"),
        ("34.1092923427116722e5", "-93929.396627367485e-7", "3410929.2248782275571557"),
        ("-625.8088", "2273272210329.53404922e-7", "226701.41223295340491006"),
        ("-21.618614454626422e5", "9231152.758487694e-7", "-2161860.52234736635136869"),
        ("-55337186821.20256261", "237.1619076e-7", "-55337186821.20253889635205269"),
        ("36953.2e-7", "-6727384337.90504", "-6727384337.90134468022733927"),
        ("-112.6875071241", "9239612543.5957", "9239612430.90819287672638893"),
        ("6164.83153e5", "-5859037352.1889e-7", "616482567.09626478108111769"),
        ("-64939188.368871838", "-525123132314.541415", "-525188071502.91028684377670288"),
        ("388428749.90448", "-12297887378.556624390e5", "-1229788349426912.534423828125"),
    ];

    #[test]
    fn sums_are_those_of_redis() {
        for (one, two, expected) in CASES {
            let [one, two] = [one, two].map(|text| LongDouble::parse(text.as_bytes()));
            let sum = one.zip(two).and_then(|(one, two)| one.plus(&two));
            let sum = sum.map_or("error".to_owned(), |sum| sum.to_string());
            assert_eq!(sum, expected);
        }
    }
}
