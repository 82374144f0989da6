//! Money, exactly: never a binary fraction.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Billionths of the unit.
const SCALE: i64 = 1_000_000_000;
/// Decimal places that an amount can have.
const PLACES: usize = 9;

/// An amount in the gateway's currency: a decimal with up to nine places, below 9.2 thousand million either way.
///
/// Written as decimal text, `"0.4"`; its arithmetic is checked and exact.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(i64);

/// Text that is not an amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not an amount: a decimal number with at most {PLACES} places, such as 0.40")]
pub struct NotMoney(pub String);

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// Of billionths.
    pub const fn from_billionths(billionths: i64) -> Self {
        Self(billionths)
    }

    /// In billionths.
    pub const fn billionths(self) -> i64 {
        self.0
    }

    /// Of decimal text such as `12`, `0.40` or `-0.000000001`.
    pub fn parse(text: &str) -> Result<Self, NotMoney> {
        Self::try_parse(text).ok_or_else(|| NotMoney(text.to_owned()))
    }

    fn try_parse(text: &str) -> Option<Self> {
        let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !all_digits(whole) || !all_digits(fraction) || fraction.len() > PLACES {
            return None;
        }
        let places = u32::try_from(PLACES - fraction.len()).ok()?;
        let fraction = fraction.parse::<i64>().ok()?.checked_mul(10_i64.pow(places))?;
        let billionths = whole.parse::<i64>().ok()?.checked_mul(SCALE)?.checked_add(fraction)?;
        Some(Self(sign * billionths))
    }

    /// The sum; `None` beyond the bounds.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The difference; `None` beyond the bounds.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// The product with `numerator / denominator`, rounded up to a billionth; `None` beyond the bounds or by zero.
    pub fn checked_scale(self, numerator: u64, denominator: u64) -> Option<Self> {
        let denominator = i128::from(denominator);
        let product = i128::from(self.0).checked_mul(i128::from(numerator))?;
        let rest = product.checked_rem(denominator)?;
        let scaled = product.checked_div(denominator)? + i128::from(rest > 0);
        i64::try_from(scaled).ok().map(Self)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let billionths = self.0.unsigned_abs();
        let scale = SCALE.unsigned_abs();
        let fraction = format!("{:09}", billionths % scale);
        let fraction = fraction.trim_end_matches('0');
        let point = if fraction.is_empty() { "" } else { "." };
        write!(f, "{sign}{}{point}{fraction}", billionths / scale)
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(text: &str) -> Money {
        Money::parse(text).unwrap()
    }

    #[test]
    fn decimal_text_is_kept_exactly() {
        for (text, billionths, shown) in [
            ("0", 0, "0"),
            ("0.40", 400_000_000, "0.4"),
            ("12", 12_000_000_000, "12"),
            ("0.000000001", 1, "0.000000001"),
            ("-1.5", -1_500_000_000, "-1.5"),
            ("9223372036.854775807", i64::MAX, "9223372036.854775807"),
        ] {
            assert_eq!((money(text).billionths(), money(text).to_string()), (billionths, shown.to_owned()));
            let json = serde_json::to_string(&money(text)).unwrap();
            assert_eq!(serde_json::from_str::<Money>(&json).unwrap(), money(text));
        }
        for text in
            ["", ".", "1.", ".5", "1e3", "+1", "--1", " 1", "0.0000000001", "9223372036.854775808", "1,5"]
        {
            assert_eq!(Money::parse(text), Err(NotMoney(text.to_owned())));
        }
    }

    #[test]
    fn a_tenth_ten_times_is_one() {
        let sum = (0..10).try_fold(Money::ZERO, |sum, _| sum.checked_add(money("0.1")));
        assert_eq!(sum, Some(money("1")));
        assert_eq!(money("0.1").checked_scale(10, 1), Some(money("1")));
        assert_eq!(money("1").checked_sub(money("0.9")), Some(money("0.1")));
    }

    #[test]
    fn what_does_not_come_out_even_is_rounded_up_and_too_much_is_none() {
        assert_eq!(money("1").checked_scale(1, 3), Some(money("0.333333334")));
        assert_eq!(money("0.04").checked_scale(2_073_600, 1_000_000), Some(money("0.082944")));
        assert_eq!(money("1").checked_scale(1, 0), None);
        assert_eq!(money("9223372036").checked_scale(2, 1), None);
        assert_eq!(Money::from_billionths(i64::MAX).checked_add(Money::from_billionths(1)), None);
    }
}
