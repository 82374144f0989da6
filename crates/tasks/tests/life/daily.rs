//! The days of accounts, from the side of a task.

use std::time::Duration;

use domain::{AccountName, DraftInput, DraftMedia, Money};
use store::{DailyKey, DailyUse, Tasks};

use crate::good;
use crate::stage::{PATIENCE, Stage, account, client, draft};
use crate::upstream::{Answer, Upstream};

async fn used_today(stage: &Stage) -> DailyUse {
    let key = DailyKey::Account(AccountName::new("a"));
    stage.store.used_today(&[key]).await.unwrap()[0]
}

#[tokio::test]
async fn a_task_that_waits_for_its_input_has_no_part_in_the_day_of_an_account() {
    let files = Upstream::start(|_call, _seen| Answer::json(503, "{}")).await;
    let mut once = account("a", &files.url);
    once.provider = "gemini".into();
    once.daily.tasks = Some(1);
    let stage = Stage::with(vec![once], |settings| settings.input_hold = Duration::from_secs(600)).await;
    let _worker = stage.work();
    let media = DraftMedia::Url(format!("{}/frame.png", files.url));
    let input = DraftInput { role: None, field: "images[0]".into(), media };
    let waiting = domain::Draft { inputs: vec![input], ..draft() };
    stage.service.create(&client("owner"), "v2", waiting, None).await.unwrap();
    let free_again = async {
        while files.seen("GET /frame.png") == 0 || used_today(&stage).await.tasks > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, free_again).await.expect("nothing was submitted");
}

#[tokio::test]
async fn a_task_counts_in_the_day_of_the_account_that_did_it() {
    let up = good().await;
    let mut often = account("a", &up.url);
    often.daily.tasks = Some(10);
    let stage = Stage::new(vec![often]).await;
    let _worker = stage.work();
    let task = stage.accept().await;
    stage.ended(&task.id).await;
    assert_eq!(used_today(&stage).await, DailyUse { tasks: 1, spend: Money::ZERO });
}
