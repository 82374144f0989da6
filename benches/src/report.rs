//! What is printed: medians over rounds that took turns.

use std::time::Duration;

use crate::load::Round;

/// The rounds of one subject doing one thing.
#[derive(Debug, Default)]
pub struct Series {
    rounds: Vec<(Round, Duration)>,
}

impl Series {
    /// Adds a round and the CPU time that the subject used in it.
    pub fn push(&mut self, round: Round, cpu: Duration) {
        self.rounds.push((round, cpu));
    }

    /// CPU time for one request, in microseconds; the median of the rounds.
    pub fn cpu_us(&self) -> f64 {
        median(self.rounds.iter().map(|(round, cpu)| cpu.as_secs_f64() * 1e6 / round.answered.max(1) as f64))
    }

    /// Answers a second; the median of the rounds.
    pub fn per_second(&self) -> f64 {
        median(self.rounds.iter().map(|(round, _)| round.per_second()))
    }

    /// A latency in microseconds; the median of the rounds.
    pub fn latency_us(&self, quantile: f64) -> f64 {
        median(self.rounds.iter().map(|(round, _)| round.latency(quantile).as_secs_f64() * 1e6))
    }

    /// One line of a table; the ratio is of CPU time to that of `yardstick`.
    pub fn row(&self, name: &str, yardstick: &Self) -> String {
        format!(
            "| {name} | {:.1} | {:.2} | {:.0} | {:.0} | {:.0} |",
            self.cpu_us(),
            self.cpu_us() / yardstick.cpu_us(),
            self.per_second(),
            self.latency_us(0.5),
            self.latency_us(0.99),
        )
    }
}

/// The head of the table.
pub const HEAD: &str =
    "| subject | CPU us/request | x echo | answers/s | p50 us | p99 us |\n|---|---|---|---|---|---|";

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
