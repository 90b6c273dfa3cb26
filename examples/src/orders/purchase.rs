//! One purchase: a line of the file.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::cents::Cents;

/// What one line of the file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purchase {
    /// The customer's id in the sample.
    pub customer: u32,
    /// The day of the purchase.
    pub date: Date,
    /// The number of CDs bought.
    pub cds: u32,
    /// What was paid for them together.
    pub paid: Cents,
}

impl Purchase {
    /// The most CDs on one line, so that sums over a whole file need no overflow check. The sample's largest is 40.
    pub const CDS_MAX: u32 = 1_000_000;
}

impl FromStr for Purchase {
    type Err = LineFault;

    /// Reads five columns: full id, sample id, date, CDs, dollars.
    fn from_str(line: &str) -> Result<Self, LineFault> {
        let columns: Vec<&str> = line.split_ascii_whitespace().collect();
        let [full_id, customer, date, cds, dollars] = *columns.as_slice() else {
            return Err(LineFault::Columns(columns.len()));
        };
        // The full id is not used, yet a line in which it is no number has slipped somewhere.
        number(full_id).ok_or_else(|| LineFault::CustomerId(full_id.into()))?;
        Ok(Self {
            customer: number(customer).ok_or_else(|| LineFault::CustomerId(customer.into()))?,
            date: date.parse().map_err(|InvalidDate| LineFault::Date(date.into()))?,
            cds: number(cds).filter(|cds| *cds <= Self::CDS_MAX).ok_or_else(|| LineFault::Cds(cds.into()))?,
            paid: dollars.parse().map_err(|_| LineFault::Dollars(dollars.into()))?,
        })
    }
}

/// Digits only: `u32::from_str` would take a sign too.
fn number(text: &str) -> Option<u32> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// A day of the Gregorian calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

impl FromStr for Date {
    type Err = InvalidDate;

    /// Reads `YYYYMMDD`.
    fn from_str(text: &str) -> Result<Self, InvalidDate> {
        if text.len() != 8 {
            return Err(InvalidDate);
        }
        let digits = number(text).ok_or(InvalidDate)?;
        let (year, month, day) = (digits / 10_000, digits / 100 % 100, digits % 100);
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let days = match month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return Err(InvalidDate),
        };
        if !(1..=days).contains(&day) {
            return Err(InvalidDate);
        }
        let fit = |number: u32| u8::try_from(number).map_err(|_| InvalidDate);
        Ok(Self { year: u16::try_from(year).map_err(|_| InvalidDate)?, month: fit(month)?, day: fit(day)? })
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

/// A text that is no day written `YYYYMMDD`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidDate;

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineFault {
    /// It has that many columns.
    Columns(usize),
    /// A customer id is no whole number.
    CustomerId(String),
    /// The date is none.
    Date(String),
    /// The number of CDs is no whole number, or absurd.
    Cds(String),
    /// The dollar value is no amount.
    Dollars(String),
    /// The line is not UTF-8.
    Encoding,
}

impl fmt::Display for LineFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Columns(found) => {
                write!(f, "expected 5 columns (customer id, sample id, date, CDs, dollars), found {found}")
            }
            Self::CustomerId(text) => write!(f, "`{}` is no customer id: write a whole number", Shown(text)),
            Self::Date(text) => write!(f, "`{}` is no date: write YYYYMMDD", Shown(text)),
            Self::Cds(text) => {
                write!(f, "`{}` is no number of CDs: write a whole number up to {}", Shown(text), Purchase::CDS_MAX)
            }
            Self::Dollars(text) => {
                write!(f, "`{}` is no dollar value: write digits and two decimals, such as 29.33", Shown(text))
            }
            Self::Encoding => f.write_str("the line is not UTF-8 text"),
        }
    }
}

/// A piece of a stranger's file, fit for a terminal: short and without control characters.
struct Shown<'a>(&'a str);

/// The characters of a faulty word that a message repeats: enough to find it, too few to fill a screen.
const SHOWN_CHARS_MAX: usize = 24;

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars().take(SHOWN_CHARS_MAX) {
            write!(f, "{}", character.escape_debug())?;
        }
        if self.0.chars().nth(SHOWN_CHARS_MAX).is_some() { f.write_str("…") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_sample_is_read() {
        let purchase: Purchase = " 00004 0001 19970101  2   29.33\r".parse().unwrap();
        assert_eq!(purchase.customer, 1);
        assert_eq!(purchase.date.to_string(), "1997-01-01");
        assert_eq!((purchase.cds, purchase.paid), (2, Cents::new(2933)));
    }

    #[test]
    fn a_malformed_line_says_what_is_wrong() {
        let fault = |line: &str| line.parse::<Purchase>().unwrap_err();
        assert_eq!(fault(""), LineFault::Columns(0));
        assert_eq!(fault("1 1 19970101 2"), LineFault::Columns(4));
        assert_eq!(fault("1 1 19970101 2 1.00 x"), LineFault::Columns(6));
        assert_eq!(fault("a 1 19970101 2 1.00"), LineFault::CustomerId("a".into()));
        assert_eq!(fault("1 +1 19970101 2 1.00"), LineFault::CustomerId("+1".into()));
        assert_eq!(fault("1 99999999999 19970101 2 1.00"), LineFault::CustomerId("99999999999".into()));
        assert_eq!(fault("1 1 19970101 -2 1.00"), LineFault::Cds("-2".into()));
        assert_eq!(fault("1 1 19970101 1000001 1.00"), LineFault::Cds("1000001".into()));
        assert_eq!(fault("1 1 19970101 2 1.0"), LineFault::Dollars("1.0".into()));
        for date in ["19970230", "19971301", "19970100", "1997-1-1", "199701011", "00000000"] {
            assert_eq!(fault(&format!("1 1 {date} 2 1.00")), LineFault::Date(date.into()));
        }
        assert!("20000229".parse::<Date>().is_ok() && "19000229".parse::<Date>().is_err());
    }

    #[test]
    fn a_message_repeats_little_of_the_file() {
        let message = LineFault::Date(format!("\u{1b}[2J{}", "x".repeat(500))).to_string();
        assert!(message.len() < 120 && !message.contains('\u{1b}'), "{message}");
    }
}
