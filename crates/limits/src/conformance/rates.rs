//! Requests a minute.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::Harness;
use super::samples::{account, client, is_allowed, model, passed, provider};
use crate::{LimitKey, Limiter, Rate, RateVerdict, Standing};

/// One request every ten seconds, three at once.
fn slow() -> Rate {
    Rate::with_burst(6, 3)
}

async fn refusal(limiter: &dyn Limiter, rates: &[(LimitKey, Rate)]) -> (Standing, Duration) {
    match limiter.check(rates).await {
        RateVerdict::Refused { by, retry_after } => (by, retry_after),
        other => panic!("not refused: {other:?}"),
    }
}

async fn allowance(limiter: &dyn Limiter, rates: &[(LimitKey, Rate)]) -> Standing {
    match limiter.check(rates).await {
        RateVerdict::Allowed(Some(standing)) => standing,
        other => panic!("not allowed: {other:?}"),
    }
}

/// And after a while as many more as it refilled, but never more than a burst.
pub async fn a_burst_passes_at_once_and_no_more(harness: &dyn Harness) {
    let (limiter, rates) = (harness.limiter(), [(client("a"), slow())]);
    assert_eq!(passed(&*limiter, &rates, 5).await, 3);
    harness.pass(Duration::from_secs(20)).await;
    assert_eq!(passed(&*limiter, &rates, 5).await, 2);
    harness.pass(Duration::from_secs(600)).await;
    assert_eq!(passed(&*limiter, &rates, 5).await, 3);
}

/// The wait is what the answer says, and asking in between does not make it longer.
pub async fn a_refused_request_passes_after_its_wait_and_not_before(harness: &dyn Harness) {
    let (limiter, rates) = (harness.limiter(), [(client("a"), slow())]);
    assert_eq!(passed(&*limiter, &rates, 3).await, 3);
    let (_, wait) = refusal(&*limiter, &rates).await;
    assert!(wait > Duration::ZERO && wait <= Duration::from_secs(10), "{wait:?}");
    harness.pass(wait.saturating_sub(Duration::from_secs(5))).await;
    let (_, rest) = refusal(&*limiter, &rates).await;
    assert!(rest <= Duration::from_secs(5), "{rest:?}");
    harness.pass(rest).await;
    assert_eq!(passed(&*limiter, &rates, 2).await, 1);
}

/// A client reads from it what is left.
pub async fn the_status_counts_down(harness: &dyn Harness) {
    let (limiter, rates) = (harness.limiter(), [(client("a"), slow())]);
    for remaining in [2, 1, 0] {
        let status = allowance(&*limiter, &rates).await.status;
        assert_eq!((status.limit, status.remaining), (6, remaining));
        let reset_after = Duration::from_secs(10) * (3 - remaining);
        assert!(status.reset_after <= reset_after && status.reset_after > reset_after / 2);
    }
    assert_eq!(refusal(&*limiter, &rates).await.0.status.remaining, 0);
}

/// Whatever is in their names.
pub async fn limits_are_counted_apart(harness: &dyn Harness) {
    let limiter = harness.limiter();
    let keys = [
        client("a"),
        client("b"),
        model("a", "b:c"),
        model("a:b", "c"),
        model("1:a", "b"),
        account("a"),
        provider("a"),
        client("a}{b"),
        client("ä\n"),
    ];
    for key in keys {
        assert_eq!(passed(&*limiter, &[(key.clone(), slow())], 5).await, 3, "{key:?}");
    }
}

/// A refusal by the last leaves the others as they were, also when they stand in another order.
pub async fn all_limits_count_a_request_or_none_does(harness: &dyn Harness) {
    let limiter = harness.limiter();
    let (wide, narrow) = ((client("a"), slow()), (account("x"), Rate::with_burst(1, 1)));
    for both in [[wide.clone(), narrow.clone()], [narrow, wide.clone()]] {
        assert!(passed(&*limiter, &both, 50).await <= 1);
    }
    assert_eq!(passed(&*limiter, &[wide], 5).await, 2, "one of three was counted");
}

/// Which is the wait after which asking again makes sense.
pub async fn the_limit_that_lets_one_wait_longest_is_told(harness: &dyn Harness) {
    let limiter = harness.limiter();
    let rates = [
        (client("a"), Rate::with_burst(6, 1)),
        (account("x"), Rate::with_burst(1, 1)),
        (provider("p"), Rate::with_burst(3, 1)),
    ];
    for alone in &rates {
        assert_eq!(passed(&*limiter, std::slice::from_ref(alone), 1).await, 1);
    }
    let (by, wait) = refusal(&*limiter, &rates).await;
    assert_eq!((by.index, by.status.limit), (1, 1));
    assert!(wait > Duration::from_secs(20), "{wait:?}");
}

/// The one with the least left is what a client must look out for.
pub async fn the_tightest_limit_is_told(harness: &dyn Harness) {
    let limiter = harness.limiter();
    let rates = [(client("a"), Rate::with_burst(6, 6)), (account("x"), slow()), (provider("p"), slow())];
    let standing = allowance(&*limiter, &rates).await;
    assert_eq!((standing.index, standing.status.remaining), (1, 2), "the first of those with least");
}

/// There is nothing to tell of.
pub async fn without_limits_everything_passes(harness: &dyn Harness) {
    assert_eq!(harness.limiter().check(&[]).await, RateVerdict::Allowed(None));
}

/// It waits as if the new limit were used up, at worst.
pub async fn a_raised_limit_does_not_wait_for_the_old_one(harness: &dyn Harness) {
    let limiter = harness.limiter();
    assert_eq!(passed(&*limiter, &[(client("a"), Rate::with_burst(2, 2))], 2).await, 2);
    let raised = [(client("a"), Rate::with_burst(30, 1))];
    let (_, wait) = refusal(&*limiter, &raised).await;
    assert!(wait <= Duration::from_secs(2), "{wait:?}");
    harness.pass(wait).await;
    assert!(is_allowed(&limiter.check(&raised).await));
}

/// 60 seconds at 12,000 a minute on a limit of 10,000: no span has more than a burst and what the limit gives in it, and
/// in all not less passes.
pub async fn a_minute_above_the_limit_has_no_window_above_it(harness: &dyn Harness) {
    const STEP: Duration = Duration::from_millis(100);
    let (limiter, rate) = (harness.limiter(), Rate::per_minute(10_000));
    let per_second = f64::from(rate.limit()) / 60.0;
    let rates = [(client("a"), rate), (account("x"), rate)];
    let start = harness.now();
    let (mut number, mut least) = (0.0, f64::INFINITY);
    for _step in 0..600 {
        for _request in 0..20 {
            let before = harness.now();
            if is_allowed(&limiter.check(&rates).await) {
                // A span from this request on begins no earlier than `before`, and one up to it ends by `after`.
                least = f64::min(least, number - per_second * before.as_secs_f64());
                number += 1.0;
                let window = number - per_second * harness.now().as_secs_f64() - least;
                assert!(window <= f64::from(rate.burst()) + 0.01, "{window} above the limit in a window");
            }
        }
        harness.pass(STEP).await;
    }
    let minutes = (harness.now() - start).as_secs_f64() / 60.0;
    assert!(number >= f64::from(rate.limit()), "only {number} passed");
    assert!(
        number <= f64::from(rate.limit()) * minutes + f64::from(rate.burst()),
        "{number} in {minutes} minutes"
    );
}

/// Not one more, and not one less.
pub async fn parallel_requests_pass_exactly_the_burst(harness: &dyn Harness) {
    let rates = Arc::new([(client("a"), Rate::with_burst(1_000, 1_000))]);
    let start = harness.now();
    let mut requests = JoinSet::new();
    for _request in 0..3_000 {
        let (limiter, rates) = (harness.limiter(), Arc::clone(&rates));
        requests.spawn(async move { is_allowed(&limiter.check(&*rates).await) });
    }
    let passed = requests.join_all().await.into_iter().filter(|is_allowed| *is_allowed).count();
    let refilled = (harness.now() - start).as_millis() / 60;
    let most = 1_000 + usize::try_from(refilled).expect("a short test");
    assert!((1_000..=most).contains(&passed), "{passed} of 1,000 to {most}");
}

/// Where one of two limits is the narrower, the other has counted exactly what passed.
pub async fn parallel_requests_on_several_limits_leave_nothing_behind(harness: &dyn Harness) {
    let mut requests = JoinSet::new();
    let narrow = Rate::with_burst(20, 20);
    let wide = Rate::with_burst(60, 60);
    for request in 0..300 {
        let limiter = harness.limiter();
        let one = account(if request % 2 == 0 { "x" } else { "y" });
        requests
            .spawn(async move { is_allowed(&limiter.check(&[(client("a"), wide), (one, narrow)]).await) });
    }
    let passed_at_once = requests.join_all().await.into_iter().filter(|is_allowed| *is_allowed).count();
    assert!(passed_at_once >= 40, "{passed_at_once}");
    let left = passed(&*harness.limiter(), &[(client("a"), wide)], 60).await;
    let refilled = usize::try_from(harness.now().as_secs()).expect("a short test") + 1;
    assert!((60..=60 + refilled).contains(&(passed_at_once + left)), "{passed_at_once} + {left}");
}
