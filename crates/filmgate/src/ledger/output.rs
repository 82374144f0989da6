//! Rows for machines, written one after the other.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;

use super::options::RowFormat;

/// Where rows go.
pub(super) enum Rows {
    Csv(Box<csv::Writer<Box<dyn Write + Send>>>),
    Json { to: Box<dyn Write + Send>, is_first: bool },
}

impl Rows {
    /// To a file, or else to the terminal. `columns` are the names of a row's fields: a table without rows has them too.
    pub(super) fn open(format: RowFormat, path: Option<&Path>, columns: &[&str]) -> anyhow::Result<Self> {
        let mut to: Box<dyn Write + Send> = match path {
            Some(path) => {
                let file = File::create(path).with_context(|| format!("making {}", path.display()))?;
                Box::new(BufWriter::new(file))
            }
            None => Box::new(BufWriter::new(std::io::stdout())),
        };
        Ok(match format {
            RowFormat::Csv => {
                let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(to);
                writer.write_record(columns)?;
                Self::Csv(Box::new(writer))
            }
            RowFormat::Json => {
                to.write_all(b"[")?;
                Self::Json { to, is_first: true }
            }
        })
    }

    pub(super) fn write(&mut self, row: &impl Serialize) -> anyhow::Result<()> {
        match self {
            Self::Csv(writer) => writer.serialize(row)?,
            Self::Json { to, is_first } => {
                to.write_all(if *is_first { b"\n" } else { b",\n" })?;
                *is_first = false;
                serde_json::to_writer(to, row)?;
            }
        }
        Ok(())
    }

    /// Writes what is still in memory.
    pub(super) fn close(self) -> anyhow::Result<()> {
        match self {
            Self::Csv(mut writer) => writer.flush()?,
            Self::Json { mut to, .. } => {
                to.write_all(b"\n]\n")?;
                to.flush()?;
            }
        }
        Ok(())
    }
}
