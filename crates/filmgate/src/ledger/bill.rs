//! The bill of a provider.

use std::collections::HashMap;
use std::io::Read;

use anyhow::{Context as _, bail};
use domain::Money;

/// What a provider wants, by its own ids of tasks.
#[derive(Debug, Default)]
pub(super) struct Bill {
    lines: HashMap<String, Line>,
    /// The ids in the order of the file.
    order: Vec<String>,
}

/// All that a bill says of one id.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// What it wants, in all.
    pub(super) billed: Money,
    /// How often it names the id.
    pub(super) times: u32,
    /// What the ledger has spent for it, as far as that was looked at.
    pub(super) booked: Money,
    /// The task that the ledger has it for.
    pub(super) task: Option<String>,
}

impl Bill {
    /// Reads CSV with a line of column names.
    pub(super) fn read(file: impl Read, id_column: &str, amount_column: &str) -> anyhow::Result<Self> {
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(file);
        let headers = reader.headers()?.clone();
        let column = |name: &str| {
            let known = || headers.iter().collect::<Vec<_>>().join(", ");
            headers
                .iter()
                .position(|header| header == name)
                .with_context(|| format!("the bill has no column \"{name}\"; its columns are {}", known()))
        };
        let (id, amount) = (column(id_column)?, column(amount_column)?);
        let mut bill = Self::default();
        for record in reader.into_records() {
            let record = record?;
            let line = record.position().map_or(0, csv::Position::line);
            let place = || format!("line {line} of the bill");
            bill.add(&record[id], &record[amount]).with_context(place)?;
        }
        Ok(bill)
    }

    fn add(&mut self, id: &str, amount: &str) -> anyhow::Result<()> {
        if id.is_empty() {
            bail!("it has no id");
        }
        let amount = Money::parse(amount)?;
        let line = self.lines.entry(id.to_owned()).or_default();
        if line.times == 0 {
            self.order.push(id.to_owned());
        }
        line.times += 1;
        line.billed = line.billed.checked_add(amount).context("its sum is beyond what an amount can be")?;
        Ok(())
    }

    /// What it says of an id.
    pub(super) fn line_mut(&mut self, id: &str) -> Option<&mut Line> {
        self.lines.get_mut(id)
    }

    /// All ids with what it says of them, in its own order.
    pub(super) fn lines(&self) -> impl Iterator<Item = (&str, &Line)> {
        self.order.iter().filter_map(|id| Some((id.as_str(), self.lines.get(id)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> anyhow::Result<Bill> {
        Bill::read(text.as_bytes(), "id", "amount")
    }

    #[test]
    fn a_bill_is_read_as_rfc_4180_has_it() {
        let text = "\u{feff}\"note\",amount,id\r\n\"a \"\"quoted\"\", note\",0.40,h1\r\n\"two\r\nlines\", 1 ,h2\r\n,0.6,h1\r\n";
        let bill = read(text).unwrap();
        let lines: Vec<_> =
            bill.lines().map(|(id, line)| (id, line.billed.to_string(), line.times)).collect();
        assert_eq!(lines, [("h1", "1".to_owned(), 2), ("h2", "1".to_owned(), 1)]);
    }

    #[test]
    fn what_is_wrong_with_a_bill_is_told_with_its_line() {
        for (text, said) in [
            ("id,price\nh,1\n", "the bill has no column \"amount\"; its columns are id, price"),
            ("id,amount\nh,1\nh,1 USD\n", "line 3 of the bill: \"1 USD\" is not an amount"),
            ("id,amount\n,1\n", "line 2 of the bill: it has no id"),
            ("id,amount\nh\n", "CSV error"),
            ("id,amount\nh,9223372036\nh,9223372036\n", "line 3 of the bill: its sum is beyond"),
        ] {
            let error = format!("{:#}", read(text).unwrap_err());
            assert!(error.starts_with(said), "{error}");
        }
    }
}
