//! What the queue promises.

use proptest::prelude::*;

use super::*;

const MAX: usize = 1_000_000;

fn account(name: &str) -> AccountName {
    AccountName::new(name)
}

fn task(owner: &str, number: usize) -> TaskId {
    TaskId::new(format!("{owner}.{number}"))
}

fn places(names: &[&str]) -> Vec<Place> {
    names.iter().map(|name| Place { account: account(name), closed_until: None }).collect()
}

/// Lets the task of that number and age wait at these accounts.
fn join(queue: &mut Queue, (owner, number): (&str, usize), at: &[&str], now: Instant) -> Duration {
    let since = Timestamp::from_millis(i64::try_from(number).unwrap());
    queue.join(&task(owner, number), (&OwnerId::new(owner), since), &places(at), now)
}

/// Whom the next slot of the account goes to.
fn next(queue: &mut Queue, name: &str, now: Instant) -> Option<String> {
    let next = queue.offer(&account(name), now)?;
    assert!(queue.grant(&account(name), &next, now));
    Some(next.to_string())
}

fn all(queue: &mut Queue, name: &str, now: Instant) -> Vec<String> {
    std::iter::from_fn(|| next(queue, name, now)).collect()
}

#[test]
fn owners_take_turns_and_each_ones_oldest_goes_first() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    for number in [3, 1, 2] {
        join(&mut queue, ("heavy", number), &["a"], now);
    }
    join(&mut queue, ("light", 9), &["a"], now);
    assert_eq!(all(&mut queue, "a", now), ["heavy.1", "light.9", "heavy.2", "heavy.3"]);
}

#[test]
fn who_looks_again_keeps_the_place_and_who_looks_is_offered_nothing() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    join(&mut queue, ("first", 1), &["a"], now);
    join(&mut queue, ("second", 2), &["a"], now);
    assert_eq!(queue.begin(&task("first", 1)), Turn::Open);
    assert_eq!(queue.offer(&account("a"), now), Some(task("second", 2)));
    queue.withdraw((&account("a"), &task("second", 2)), now, Duration::ZERO);
    join(&mut queue, ("first", 1), &["a"], now);
    assert_eq!(all(&mut queue, "a", now), ["first.1", "second.2"]);
}

#[test]
fn a_task_waits_for_several_accounts_and_is_served_once() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    join(&mut queue, ("o", 1), &["a", "b"], now);
    assert!(queue.is_waited_for(&account("b"), &task("o", 2)));
    assert!(!queue.is_waited_for(&account("b"), &task("o", 1)), "nobody waits for oneself");
    assert_eq!(next(&mut queue, "b", now).unwrap(), "o.1");
    assert_eq!(next(&mut queue, "a", now), None);
    assert_eq!(queue.begin(&task("o", 1)), Turn::Granted(account("b")));
    assert_eq!(queue.begin(&task("o", 1)), Turn::Open, "the slot is taken up");
    join(&mut queue, ("o", 1), &["a", "b"], now);
    join(&mut queue, ("o", 1), &["b"], now);
    assert!(!queue.is_waited_for(&account("a"), &task("o", 2)), "it does not want that place any more");
}

#[test]
fn a_slot_that_is_not_come_for_is_given_back_and_its_task_waits_until_it_is() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    join(&mut queue, ("o", 1), &["a"], now);
    next(&mut queue, "a", now).unwrap();
    assert!(queue.is_granted(&task("o", 1)));
    assert_eq!(queue.lapsed(now + GRANT_FOR / 2), []);
    assert_eq!(queue.lapsed(now + GRANT_FOR), [task("o", 1)]);
    assert_eq!(queue.begin(&task("o", 1)), Turn::Busy);
    queue.leave(&task("o", 1));
    assert_eq!(queue.begin(&task("o", 1)), Turn::Open);
}

#[test]
fn a_task_that_leaves_while_a_slot_is_taken_for_it_does_not_get_it() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    join(&mut queue, ("o", 1), &["a"], now);
    let offered = queue.offer(&account("a"), now).unwrap();
    assert_eq!(queue.begin(&offered), Turn::Busy);
    queue.leave(&offered);
    assert!(!queue.grant(&account("a"), &offered, now));
    assert!(!queue.is_waited_for(&account("a"), &task("o", 2)));
}

#[test]
fn a_full_account_rests_until_a_slot_is_free() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    let (a, later) = (account("a"), now + Duration::from_millis(1));
    join(&mut queue, ("o", 1), &["a"], now);
    let offered = queue.offer(&a, now).unwrap();
    queue.withdraw((&a, &offered), now, Duration::from_secs(1));
    assert!(queue.to_look_at(later).is_empty());
    assert_eq!(queue.next_look(), Some(now + Duration::from_secs(1)));
    queue.look(&a, later);
    assert_eq!(queue.to_look_at(later), std::slice::from_ref(&a));
    let offered = queue.offer(&a, later).unwrap();
    queue.look(&a, later + Duration::from_millis(1));
    queue.withdraw((&a, &offered), later, Duration::from_secs(1));
    assert!(queue.next_look().unwrap() < later + Duration::from_secs(1), "what came free meanwhile counts");
}

#[test]
fn a_closed_account_is_not_looked_at_and_then_tried_by_one_after_another_until_it_takes_one() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    let (a, until) = (account("a"), now + Duration::from_secs(30));
    for number in 0..4 {
        join(&mut queue, ("o", number), &["a"], now);
    }
    queue.close(&a, until);
    queue.look(&a, now);
    assert!(queue.to_look_at(now).is_empty());
    assert_eq!(all(&mut queue, "a", until), ["o.0"], "one may try");
    queue.look(&a, until);
    assert_eq!(all(&mut queue, "a", until), [""; 0], "whatever comes free");
    assert_eq!(all(&mut queue, "a", until + AJAR_SPACING), ["o.1"]);
    queue.open(&a, until);
    assert_eq!(all(&mut queue, "a", until), ["o.2", "o.3"]);
}

#[test]
fn a_closed_account_is_ajar_once_somebody_finds_it_open() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    join(&mut queue, ("o", 1), &["a"], now);
    queue.close(&account("a"), now + Duration::from_secs(30));
    join(&mut queue, ("o", 2), &["a"], now);
    assert_eq!(all(&mut queue, "a", now), ["o.1"]);
}

#[test]
fn new_tasks_are_refused_only_when_many_wait_and_are_told_the_pace() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    for number in 0..3 {
        assert_eq!(queue.admit(&task("o", number), 2, now), Ok(()), "nobody waits yet");
    }
    for number in 0..3 {
        join(&mut queue, ("o", number), &["a"], now);
    }
    assert_eq!(queue.admit(&task("o", 3), 2, now), Err(RETRY_AFTER_MAX), "the pace is not known");
    next(&mut queue, "a", now).unwrap();
    next(&mut queue, "a", now + Duration::from_secs(4)).unwrap();
    queue.leave(&task("o", 0));
    let refused = queue.admit(&task("o", 3), 2, now + Duration::from_secs(8));
    assert_eq!(refused, Err(Duration::from_secs(4)), "two in eight seconds");
    queue.leave(&task("o", 1));
    assert_eq!(queue.admit(&task("o", 3), 2, now + Duration::from_secs(8)), Ok(()));
    assert!(queue.admit(&task("o", 4), 2, now).is_err(), "who has just been admitted counts");
}

#[test]
fn ten_thousand_that_wait_look_again_at_a_bounded_rate_and_in_their_order() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    let looks: Vec<Duration> =
        (0..10_000).map(|number| join(&mut queue, ("o", number), &["a"], now)).collect();
    assert_eq!(looks[0], LOOK_AFTER);
    assert!(looks.windows(2).all(|pair| pair[1] == pair[0] + LOOK_SPACING));
    let later = now + Duration::from_secs(600);
    assert_eq!(join(&mut queue, ("o", 0), &["a"], later), LOOK_AFTER, "old looks are forgotten");
}

#[derive(Debug, Clone)]
enum Act {
    /// The owner's next task comes, for one account or for both.
    Come(usize, bool),
    /// The owner's oldest task looks again.
    Look(usize),
    /// The owner's newest task is cancelled.
    Cancel(usize),
    /// A slot of that account is free.
    Serve(&'static str),
}

fn act() -> impl Strategy<Value = Act> {
    let owner = 0..4usize;
    prop_oneof![
        3 => (owner.clone(), any::<bool>()).prop_map(|(owner, both)| Act::Come(owner, both)),
        1 => owner.clone().prop_map(Act::Look),
        1 => owner.prop_map(Act::Cancel),
        3 => prop_oneof![Just("a"), Just("b")].prop_map(Act::Serve),
    ]
}

proptest! {
    /// While somebody waits for an account, nobody else is served there twice; and nobody is served out of turn, twice, or
    /// after the end.
    #[test]
    fn nobody_is_served_twice_while_another_waits(acts in proptest::collection::vec(act(), 1..200)) {
        let (mut queue, now) = (Queue::default(), Instant::now());
        let names = ["p", "q", "r", "s"];
        let mut waiting: Vec<BTreeMap<usize, bool>> = vec![BTreeMap::new(); names.len()];
        // Of each account and owner who waits: whom it has seen served since it began to wait or was served.
        let mut seen: HashMap<(&str, usize), BTreeSet<usize>> = HashMap::new();
        for (number, act) in acts.into_iter().enumerate() {
            match act {
                Act::Come(owner, both) => {
                    queue.admit(&task(names[owner], number), MAX, now).unwrap();
                    let at: &[&str] = if both { &["a", "b"] } else { &["a"] };
                    join(&mut queue, (names[owner], number), at, now);
                    waiting[owner].insert(number, both);
                }
                Act::Look(owner) => {
                    let Some((&number, &both)) = waiting[owner].first_key_value() else { continue };
                    prop_assert_eq!(queue.begin(&task(names[owner], number)), Turn::Open);
                    let at: &[&str] = if both { &["a", "b"] } else { &["a"] };
                    join(&mut queue, (names[owner], number), at, now);
                }
                Act::Cancel(owner) => {
                    let Some((number, _)) = waiting[owner].pop_last() else { continue };
                    queue.leave(&task(names[owner], number));
                }
                Act::Serve(name) => {
                    let there = |both: bool| name == "a" || both;
                    let expected = waiting.iter().any(|tasks| tasks.values().any(|both| there(*both)));
                    let Some(served) = next(&mut queue, name, now) else {
                        prop_assert!(!expected, "somebody waits and nobody is served");
                        continue;
                    };
                    queue.open(&account(name), now);
                    let (owner, number) = served.split_once('.').unwrap();
                    let owner = names.iter().position(|name| *name == owner).unwrap();
                    let number: usize = number.parse().unwrap();
                    let oldest = waiting[owner].iter().find(|(_, both)| there(**both)).map(|(number, _)| *number);
                    prop_assert_eq!(Some(number), oldest, "the oldest of its owner goes first");
                    waiting[owner].remove(&number);
                    prop_assert_eq!(queue.begin(&task(names[owner], number)), Turn::Granted(account(name)));
                    for (other, tasks) in waiting.iter().enumerate() {
                        let waits = other != owner && tasks.values().any(|both| there(*both));
                        if waits {
                            let new = seen.entry((name, other)).or_default().insert(owner);
                            prop_assert!(new, "served twice while another waits");
                        }
                    }
                    seen.remove(&(name, owner));
                }
            }
            for (owner, tasks) in waiting.iter().enumerate() {
                for name in ["a", "b"] {
                    if !tasks.values().any(|both| name == "a" || *both) {
                        seen.remove(&(name, owner));
                    }
                }
            }
        }
        let left: usize = waiting.iter().map(BTreeMap::len).sum();
        prop_assert_eq!(queue.waiters.len(), left, "nothing is forgotten and nothing remembered for nothing");
    }
}
