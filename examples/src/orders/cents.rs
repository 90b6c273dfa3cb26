//! Money as whole cents: a sum of ten thousand floats is not the sum of ten thousand prices.

use std::fmt;
use std::iter::Sum;
use std::ops::AddAssign;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An amount of money in US cents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cents(u64);

impl Cents {
    /// The digits that may stand before the point. A file of [`INPUT_BYTES_MAX`](super::purchases::INPUT_BYTES_MAX) full of
    /// such amounts sums up to less than 2⁵³ cents, so sums need no overflow check.
    pub const WHOLE_DIGITS_MAX: usize = 7;

    /// Wraps the number of cents.
    pub const fn new(cents: u64) -> Self {
        Self(cents)
    }

    /// The number of cents.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl FromStr for Cents {
    type Err = InvalidCents;

    /// Reads dollars with exactly two decimals, such as `29.33`: digits only, no sign, no exponent.
    fn from_str(text: &str) -> Result<Self, InvalidCents> {
        let (whole, fraction) = text.split_once('.').ok_or(InvalidCents)?;
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let fits = (1..=Self::WHOLE_DIGITS_MAX).contains(&whole.len()) && fraction.len() == 2;
        if !(fits && digits(whole) && digits(fraction)) {
            return Err(InvalidCents);
        }
        let whole: u64 = whole.parse().map_err(|_| InvalidCents)?;
        let fraction: u64 = fraction.parse().map_err(|_| InvalidCents)?;
        Ok(Self(whole * 100 + fraction))
    }
}

impl fmt::Display for Cents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

impl AddAssign for Cents {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl Sum for Cents {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        Self(amounts.map(Self::get).sum())
    }
}

/// A text that is no amount of dollars with two decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidCents;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_are_read_exactly() {
        for (text, cents) in [("0.00", 0), ("29.33", 2933), ("6.79", 679), ("0.07", 7), ("9999999.99", 999_999_999)] {
            assert_eq!(text.parse(), Ok(Cents::new(cents)), "{text}");
            assert_eq!(Cents::new(cents).to_string(), text);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in
            ["", ".", "1", "1.", ".50", "1.5", "1.500", "-1.00", "+1.00", "1e3.00", "1,5.00", "٣.00", "99999999.00"]
        {
            assert_eq!(text.parse::<Cents>(), Err(InvalidCents), "{text}");
        }
    }
}
