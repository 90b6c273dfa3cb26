//! What came of it, for people.

use std::fmt;
use std::time::Duration;

use super::accident::Accident;
use super::load::{Counted, Placed};
use super::slots::Slots;
use super::tally::Counts;
use super::totals::Summary;

/// The customers with differing totals that are named; the rest are counted.
const DIFFERING_NAMED_MAX: usize = 10;

/// Everything there is to say after a run.
#[derive(Debug)]
pub struct Report {
    /// The node that was killed, if one was.
    pub accident: Option<Accident>,
    /// What the file says.
    pub file: Summary,
    /// What the placing showed.
    pub placed: Placed,
    /// What was counted back.
    pub counted: Counted,
    /// What each node ran.
    pub tallies: Vec<Counts>,
    /// Who owns the slots of the orders.
    pub order_slots: Slots,
    /// Who owns the slots of the customers.
    pub customer_slots: Slots,
    /// The time from the first call to the last answer.
    pub elapsed: Duration,
}

impl Report {
    /// Whether everything counted through the cluster is as in the file.
    pub fn agrees(&self) -> bool {
        self.counted.by_orders == self.file
            && self.counted.by_customers == self.file
            && self.counted.differing.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.totals(f)?;
        self.calls(f)?;
        self.nodes(f)?;
        self.accident(f)?;
        let verdict = if self.agrees() { "every total agrees with the file" } else { "TOTALS DIFFER FROM THE FILE" };
        writeln!(f, "{verdict}")
    }
}

impl Report {
    fn totals(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<18} {:>14} {:>18} {:>18}", "totals", "in the file", "from the orders", "from the customers")?;
        let columns = [&self.file, &self.counted.by_orders, &self.counted.by_customers];
        let mut row = |name: &str, show: &dyn Fn(&Summary) -> String| {
            let [file, orders, customers] = columns.map(show);
            writeln!(f, "{name:<18} {file:>14} {orders:>18} {customers:>18}")
        };
        row("orders", &|summary| grouped(summary.totals.orders))?;
        row("customers", &|summary| grouped(summary.customers))?;
        row("CDs", &|summary| grouped(summary.totals.cds))?;
        row("dollars", &|summary| {
            let cents = summary.totals.paid.get();
            format!("{}.{:02}", grouped(cents / 100), cents % 100)
        })?;
        if !self.counted.differing.is_empty() {
            let named: Vec<_> = self.counted.differing.iter().take(DIFFERING_NAMED_MAX).map(u32::to_string).collect();
            let count = grouped(self.counted.differing.len() as u64);
            writeln!(f, "customers whose totals differ: {count}, among them {}", named.join(", "))?;
        }
        writeln!(f)
    }

    fn calls(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<18} {:>10} {:>10} {:>12} {:>12} {:>12}",
            "calls", "made", "retries", "per second", "p50", "p99"
        )?;
        for reading in self.placed.readings.iter().chain(&self.counted.readings) {
            writeln!(
                f,
                "{:<18} {:>10} {:>10} {:>12} {:>12} {:>12}",
                reading.command,
                grouped(reading.calls),
                grouped(reading.retries),
                grouped(per_second(reading.calls, reading.span)),
                millis(reading.p50),
                millis(reading.p99),
            )?;
        }
        writeln!(f, "(every orders.place calls customers.record from inside, and its latency includes that call)\n")
    }

    fn accident(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(Accident { node, placed_before, away }) = &self.accident else { return Ok(()) };
        let longest = self.placed.readings.iter().map(|reading| reading.longest).max().unwrap_or_default();
        let sum = |of: fn(&Counts) -> u64| self.tallies.iter().map(of).sum::<u64>();
        let (resent, receipts) = (sum(|counts| counts.resent), sum(|counts| counts.receipts));
        writeln!(
            f,
            "{node} was killed (SIGKILL) after {} orders and was away for {:.2} s; what its first process ran is not counted above",
            grouped(*placed_before),
            away.as_secs_f64(),
        )?;
        writeln!(f, "the longest pause that a caller saw: {:.2} s", longest.as_secs_f64())?;
        writeln!(
            f,
            "calls sent again: {} ran at a later attempt, {} were answered by the receipt of an earlier one\n",
            grouped(resent),
            grouped(receipts),
        )
    }

    fn nodes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<18} {:>10} {:>8} {:>8} {:>8} {:>8} {:>8} {:>13} {:>15}",
            "nodes", "commands", "quotes", "places", "records", "reads", "local", "order slots", "customer slots"
        )?;
        let mut sum = Counts { node: "together".into(), ..Counts::default() };
        for counts in &self.tallies {
            sum.quotes += counts.quotes;
            sum.places += counts.places;
            sum.records += counts.records;
            sum.reads += counts.reads;
            sum.local += counts.local;
        }
        let slots = |slots: &Slots, counts: &Counts| grouped(slots.of(&counts.node) as u64);
        for counts in &self.tallies {
            row(f, counts, &slots(&self.order_slots, counts), &slots(&self.customer_slots, counts))?;
        }
        let owned = |slots: &Slots| grouped(slots.by_owner.values().sum::<usize>() as u64);
        row(f, &sum, &owned(&self.order_slots), &owned(&self.customer_slots))?;
        let commands = sum.commands();
        writeln!(
            f,
            "{} commands in {:.2} s: {} per second; {} of them were local, called by the node that ran them\n",
            grouped(commands),
            self.elapsed.as_secs_f64(),
            grouped(per_second(commands, self.elapsed)),
            grouped(sum.local),
        )
    }
}

fn row(f: &mut fmt::Formatter<'_>, counts: &Counts, order_slots: &str, customer_slots: &str) -> fmt::Result {
    writeln!(
        f,
        "{:<18} {:>10} {:>8} {:>8} {:>8} {:>8} {:>8} {:>13} {:>15}",
        counts.node,
        grouped(counts.commands()),
        grouped(counts.quotes),
        grouped(counts.places),
        grouped(counts.records),
        grouped(counts.reads),
        grouped(counts.local),
        order_slots,
        customer_slots,
    )
}

fn per_second(count: u64, span: Duration) -> u64 {
    let micros = span.as_micros().max(1);
    u64::try_from(u128::from(count) * 1_000_000 / micros).unwrap_or(u64::MAX)
}

fn millis(span: Duration) -> String {
    format!("{:.2} ms", span.as_secs_f64() * 1000.0)
}

/// Digits in groups of three: `6,919`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::orders::totals::Totals;

    fn report(file: Summary, counted: Summary) -> Report {
        Report {
            accident: None,
            file,
            placed: Placed { readings: Vec::new() },
            counted: Counted { by_orders: counted, by_customers: file, differing: Vec::new(), readings: Vec::new() },
            tallies: vec![Counts { node: "node-1".into(), places: 3, local: 1, ..Counts::default() }],
            order_slots: Slots::default(),
            customer_slots: Slots::default(),
            elapsed: Duration::from_secs(2),
        }
    }

    #[test]
    fn a_total_that_differs_is_seen() {
        let file = Summary { customers: 1, totals: Totals { orders: 2, cds: 3, paid: "4.00".parse().unwrap() } };
        let mut counted = file;
        assert!(report(file, counted).agrees());
        counted.totals.orders = 1;
        assert!(!report(file, counted).agrees());
        assert!(report(file, counted).to_string().ends_with("TOTALS DIFFER FROM THE FILE\n"));
    }

    #[test]
    fn figures_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (6919, "6,919"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
        assert_eq!(per_second(6919, Duration::from_millis(500)), 13_838);
    }
}
