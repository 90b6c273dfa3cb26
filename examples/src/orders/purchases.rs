//! The file of purchases, read and judged as a whole before anything starts.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::purchase::{LineFault, Purchase};
use super::totals::{Summary, Totals};

/// The largest file that is read, in bytes: some 2,000,000 lines, far more than the sample's 228,327 bytes, and little
/// enough to hold in memory.
pub const INPUT_BYTES_MAX: u64 = 64 << 20;

/// The faulty lines that a message names; the rest are counted.
const FAULTS_NAMED_MAX: usize = 10;

/// Every line of the file, in its order.
#[derive(Debug)]
pub struct Purchases(Vec<Purchase>);

impl Purchases {
    /// Reads the whole file; a single malformed line refuses it.
    pub fn read(path: &Path) -> Result<Self, InputError> {
        let fail = |fault| InputError { path: path.into(), fault };
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(|error| fail(InputFault::Unreadable(error)))?;
        // One byte more than allowed, so that a file of exactly that size passes and a device without an end does not.
        file.take(INPUT_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| fail(InputFault::Unreadable(error)))?;
        if bytes.len() as u64 > INPUT_BYTES_MAX {
            return Err(fail(InputFault::TooLarge));
        }
        Self::parse(&bytes).map_err(fail)
    }

    /// Reads the file's bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, InputFault> {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Err(InputFault::Empty);
        }
        let mut purchases = Vec::new();
        let mut faults = Vec::new();
        // The end of the last line is no line of its own.
        let lines = bytes.strip_suffix(b"\n").unwrap_or(bytes).split(|byte| *byte == b'\n');
        for (number, line) in (1..).zip(lines) {
            match str::from_utf8(line).map_err(|_| LineFault::Encoding).and_then(str::parse) {
                Ok(purchase) => purchases.push(purchase),
                Err(fault) => faults.push((number, fault)),
            }
        }
        if faults.is_empty() { Ok(Self(purchases)) } else { Err(InputFault::Lines(faults)) }
    }

    /// The purchases with their order ids: an order's id is its line's number, from 1.
    pub fn numbered(&self) -> impl Iterator<Item = (u64, &Purchase)> {
        (1..).zip(&self.0)
    }

    /// What each customer bought.
    pub fn by_customer(&self) -> BTreeMap<u32, Totals> {
        let mut customers = BTreeMap::<u32, Totals>::new();
        for purchase in &self.0 {
            customers.entry(purchase.customer).or_default().add(purchase);
        }
        customers
    }

    /// What all of them bought.
    pub fn summary(&self) -> Summary {
        let customers = self.by_customer();
        let mut totals = Totals::default();
        customers.values().for_each(|bought| totals += *bought);
        Summary { customers: customers.len() as u64, totals }
    }
}

/// Why a file cannot be used; nothing was started.
#[derive(Debug)]
pub struct InputError {
    path: PathBuf,
    fault: InputFault,
}

/// What is wrong with a file.
#[derive(Debug)]
pub enum InputFault {
    /// It is not there, or may not be read.
    Unreadable(io::Error),
    /// It holds no purchase.
    Empty,
    /// It is larger than [`INPUT_BYTES_MAX`].
    TooLarge,
    /// These lines are no purchases.
    Lines(Vec<(usize, LineFault)>),
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.fault {
            InputFault::Unreadable(error) => write!(f, "{path}: cannot be read: {error}"),
            InputFault::Empty => write!(f, "{path}: the file is empty, expected one purchase per line"),
            InputFault::TooLarge => write!(f, "{path}: the file is larger than {} MiB", INPUT_BYTES_MAX >> 20),
            InputFault::Lines(faults) => {
                for (index, (line, fault)) in faults.iter().take(FAULTS_NAMED_MAX).enumerate() {
                    let separator = if index == 0 { "" } else { "\n" };
                    write!(f, "{separator}{path}:{line}: {fault}")?;
                }
                match faults.len().saturating_sub(FAULTS_NAMED_MAX) {
                    0 => Ok(()),
                    more => write!(f, "\n{path}: and {more} more malformed lines"),
                }
            }
        }
    }
}

impl Error for InputError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.fault {
            InputFault::Unreadable(error) => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/cdnow_sample.txt");

    #[test]
    fn the_sample_is_read_whole() {
        let purchases = Purchases::read(Path::new(SAMPLE)).unwrap();
        let lines = std::fs::read_to_string(SAMPLE).unwrap().lines().count();
        assert_eq!(purchases.summary().totals.orders, lines as u64);
        assert_eq!(purchases.numbered().last().unwrap().0, lines as u64);
    }

    #[test]
    fn totals_are_those_of_the_lines() {
        let purchases = Purchases::parse(b"1 7 19970101 2 0.10\n1 7 19970102 0 0.20\n2 8 19970103 1 5.00").unwrap();
        let totals = Totals { orders: 3, cds: 3, paid: "5.30".parse().unwrap() };
        assert_eq!(purchases.summary(), Summary { customers: 2, totals });
        assert_eq!(purchases.by_customer()[&7].orders, 2);
    }

    #[test]
    fn every_malformed_line_is_named() {
        let file = b"1 1 19970101 2 1.00\r\nnonsense\r\n\r\n1 1 19970101 2 \xff\r\n";
        let Err(InputFault::Lines(faults)) = Purchases::parse(file) else { panic!("must be refused") };
        assert_eq!(faults.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 3, 4]);
        assert_eq!(faults[2].1, LineFault::Encoding);
        let message = InputError { path: "in.txt".into(), fault: InputFault::Lines(faults) }.to_string();
        assert!(message.starts_with("in.txt:2: expected 5 columns"), "{message}");
    }

    #[test]
    fn an_empty_file_is_refused() {
        for empty in ["", "\n", " \r\n\r\n"] {
            assert!(matches!(Purchases::parse(empty.as_bytes()), Err(InputFault::Empty)), "{empty:?}");
        }
    }

    #[test]
    fn a_flood_of_faults_is_cut_short() {
        let Err(fault) = Purchases::parse("x\n".repeat(500).as_bytes()) else { panic!("must be refused") };
        let message = InputError { path: "in.txt".into(), fault }.to_string();
        assert_eq!(message.lines().count(), 11);
        assert!(message.ends_with("and 490 more malformed lines"), "{message}");
    }
}
