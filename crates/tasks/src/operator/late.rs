//! Results that came after the end of their tasks, as the operator sees them.

use domain::{Failure, Money};
use schemars::JsonSchema;
use serde::Serialize;
use store::LateResult;

use super::Operator;
use super::page::{self, Listed, Page, PageQuery};
use super::schema::Amount;
use crate::shared::store_failure;

/// How far into the list one may go.
const LATE_MAX: usize = 10_000;

/// A result that came after the end of its task: it has been paid for, and is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LateView {
    /// The task.
    pub task: String,
    /// Whose it is.
    pub owner: String,
    /// Its public model.
    pub model: String,
    /// Who did the work.
    pub account: String,
    /// What was spent on it.
    #[schemars(with = "Amount")]
    pub amount: Money,
    /// When it was noticed, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// Where its files are.
    pub files: Vec<String>,
}

impl Listed for LateView {
    const PLURAL: &'static str = "late";
}

impl Operator {
    /// What came late, latest first.
    pub async fn late_results(&self, query: &PageQuery) -> Result<Page<LateView>, Failure> {
        let max = page::size(query.max)?;
        let all = self.shared.store.late_results(LATE_MAX).await.map_err(|error| store_failure(&error))?;
        let skipped = match query.after.as_deref() {
            None => 0,
            Some(after) => {
                let found = all.iter().position(|late| late.task.as_str() == after);
                found.ok_or_else(|| Failure::invalid("after", "after: what an answer called next"))? + 1
            }
        };
        let rest: Vec<LateResult> = all.into_iter().skip(skipped).collect();
        let base_url = &self.shared.settings.base_url;
        Ok(Page::of_more(rest, max, |last| last.task.to_string()).map(|late| LateView::of(&late, base_url)))
    }
}

impl LateView {
    fn of(late: &LateResult, base_url: &str) -> Self {
        Self {
            task: late.task.to_string(),
            owner: late.owner.to_string(),
            model: late.model.clone(),
            account: late.account.to_string(),
            amount: late.amount,
            at_ms: late.at.as_millis(),
            files: late.outputs.iter().map(|output| output.url(base_url)).collect(),
        }
    }
}
