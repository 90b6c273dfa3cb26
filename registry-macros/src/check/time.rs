//! Times: whole numbers with a unit.

use std::time::Duration;

use syn::Lit;

/// The longest time: 365 days.
const TIME_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

const UNITS: &[(&str, u64)] = &[("ms", 1), ("s", 1000), ("min", 60_000), ("h", 3_600_000)];

const NEGATIVE: &str = "a time is not negative: write `1ms` or more";

/// The time that the literal means, or why it means none.
pub(super) fn time(literal: &Lit) -> Result<Duration, String> {
    let (digits, unit) = match literal {
        Lit::Int(number) if has_radix(&number.token().to_string()) => {
            return Err("a time is written in decimal digits: `30s`".into());
        }
        Lit::Int(number) if number.base10_digits().starts_with('-') => return Err(NEGATIVE.into()),
        Lit::Float(number) if number.base10_digits().starts_with('-') => return Err(NEGATIVE.into()),
        Lit::Int(number) => (number.base10_digits().to_owned(), number.suffix().to_owned()),
        Lit::Float(number) => return Err(fraction(number.base10_digits(), number.suffix())),
        _ => return Err("expected a time: `250ms`, `30s`, `5min` or `2h`".into()),
    };
    let Some((_, unit_ms)) = UNITS.iter().find(|(name, _)| *name == unit) else {
        return Err(no_unit(&digits, &unit));
    };
    let span = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(*unit_ms)).map(Duration::from_millis);
    match span {
        Some(Duration::ZERO) => Err(format!("a time of zero leaves none: write `1{unit}` or more")),
        Some(span) if span <= TIME_MAX => Ok(span),
        _ => Err("a time is at most 365 days: write `8760h` or less".into()),
    }
}

fn has_radix(literal: &str) -> bool {
    ["0x", "0o", "0b"].iter().any(|prefix| literal.starts_with(prefix))
}

fn no_unit(digits: &str, unit: &str) -> String {
    let units = "the units are `ms`, `s`, `min`, `h`";
    match unit {
        "" => format!("a time needs a unit: write `{digits}s` or `{digits}ms`\n{units}"),
        "m" => format!("the unit `m` could mean two things: write `{digits}min` or `{digits}ms`"),
        "d" | "day" | "days" => match digits.parse::<u64>().ok().and_then(|days| days.checked_mul(24)) {
            Some(hours) if hours <= TIME_MAX.as_secs() / 3600 => {
                format!("unknown unit of time `{unit}`: write `{hours}h`\n{units}")
            }
            Some(_) => format!("unknown unit of time `{unit}`, and a time is at most 365 days: write `8760h` or less"),
            None => format!("unknown unit of time `{unit}`\n{units}"),
        },
        "sec" | "secs" | "second" | "seconds" => format!("unknown unit of time `{unit}`: write `{digits}s`"),
        "mins" | "minute" | "minutes" => format!("unknown unit of time `{unit}`: write `{digits}min`"),
        "hr" | "hrs" | "hour" | "hours" => format!("unknown unit of time `{unit}`: write `{digits}h`"),
        _ => format!("unknown unit of time `{unit}`: {units}"),
    }
}

/// A number with a fraction; where a smaller unit makes it whole, the message says so.
fn fraction(digits: &str, unit: &str) -> String {
    let whole = UNITS.iter().find(|(name, _)| *name == unit).and_then(|(_, unit_ms)| {
        let (front, back) = digits.split_once('.')?;
        let scale = 10_u64.checked_pow(u32::try_from(back.len()).ok()?)?;
        let number = format!("{front}{back}").parse::<u64>().ok()?;
        let ms = number.checked_mul(*unit_ms)?;
        (ms % scale == 0 && ms > 0).then(|| ms / scale)
    });
    match whole {
        Some(ms) => format!("a time is a whole number: write `{ms}ms`"),
        None => "a time is a whole number with a unit: write `1500ms`, `30s`, `5min` or `2h`".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(literal: &str, expected: Result<u64, &str>) {
        let found = time(&syn::parse_str(literal).unwrap());
        match expected {
            Ok(ms) => assert_eq!(found, Ok(Duration::from_millis(ms)), "{literal}"),
            Err(part) => assert!(found.as_ref().unwrap_err().contains(part), "{literal}: {found:?}"),
        }
    }

    #[test]
    fn times_are_whole_numbers_with_a_unit() {
        check("250ms", Ok(250));
        check("1_000ms", Ok(1000));
        check("30s", Ok(30_000));
        check("5min", Ok(300_000));
        check("2h", Ok(7_200_000));
        check("8760h", Ok(31_536_000_000));
        check("8761h", Err("at most 365 days"));
        check("99999999999999999999999s", Err("at most 365 days"));
        check("30", Err("write `30s` or `30ms`"));
        check("0s", Err("zero"));
        check("5m", Err("`5min` or `5ms`"));
        check("5d", Err("write `120h`"));
        check("400d", Err("at most 365 days"));
        check("5sec", Err("write `5s`"));
        check("5hours", Err("write `5h`"));
        check("500us", Err("the units are"));
        check("1.5s", Err("write `1500ms`"));
        check("0.25min", Err("write `15000ms`"));
        check("1.0001s", Err("whole number"));
        check("1e3s", Err("whole number"));
        check("-5s", Err("not negative"));
        check("-0.5s", Err("not negative"));
        check("0x10s", Err("decimal"));
        check("\"5s\"", Err("expected a time"));
    }
}
