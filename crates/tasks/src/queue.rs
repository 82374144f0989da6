//! Who waits for room at an account, and whose turn it is. Pure: moments come in, and nothing is waited for here.
//!
//! A task waits in the line of every account that may serve it, and is served by the first that has room. In a line the
//! owners take turns, and of the tasks of one owner the oldest goes first: somebody with a thousand tasks delays somebody
//! with one by one. Whoever looks again without having had a turn keeps the place.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use domain::{AccountName, OwnerId, TaskId, Timestamp};
use tokio::time::Instant;

/// How long a task that waits is left alone if nobody grants it a slot: after a crash it comes back by itself.
const LOOK_AFTER: Duration = Duration::from_secs(15);
/// The shortest time between two tasks that come back without a grant: ten thousand that wait cost no more work a second
/// than a few.
const LOOK_SPACING: Duration = Duration::from_millis(10);
/// How long a slot is kept for a task that does not come for it.
const GRANT_FOR: Duration = Duration::from_secs(30);
/// How long an account is left alone when all who wait for it are looked at by somebody.
const IDLE_FOR: Duration = Duration::from_millis(500);
/// Between two slots of an account that did not take anything lately, until it has taken something.
const AJAR_SPACING: Duration = Duration::from_millis(250);
/// How long a new task counts that nobody has looked at; another process may have taken it.
const ARRIVING_FOR: Duration = Duration::from_secs(60);
/// The grants from which the pace of the queue is known.
const PACE_GRANTS: usize = 64;
/// How long a client waits at least and at most before it asks again whether there is room.
const RETRY_AFTER_MIN: Duration = Duration::from_secs(1);
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);

/// The tasks that wait.
#[derive(Default)]
pub(crate) struct Queue {
    waiters: HashMap<TaskId, Waiter>,
    lines: HashMap<AccountName, Line>,
    /// Accepted, and not looked at yet.
    arriving: HashMap<TaskId, Instant>,
    arriving_swept_at: Option<Instant>,
    /// The grants that were not taken up when they were last looked at, oldest first.
    grants: VecDeque<(Instant, TaskId)>,
    /// When the last slots were granted.
    granted_at: VecDeque<Instant>,
    /// When the last of those comes back that were told when to.
    last_look: Option<Instant>,
}

struct Waiter {
    owner: OwnerId,
    since: Timestamp,
    /// In whose lines it stands.
    places: Vec<AccountName>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    /// A step looks for an account for it.
    Looking,
    /// A slot is being taken for it.
    Offered,
    /// A slot is kept for it since then.
    Granted(Instant),
    /// A slot that it did not come for is being given back.
    Withdrawn,
}

/// Those who wait for one account.
struct Line {
    /// The owners in the order of their turns.
    turns: BTreeMap<u64, OwnerId>,
    owners: HashMap<OwnerId, Owner>,
    next_turn: u64,
    len: usize,
    /// When to look for room again.
    look_at: Instant,
    /// Until when the account takes nothing. From then on it is ajar: one after another may try, until it takes one.
    closed_until: Option<Instant>,
    /// Whether it had room when nobody could be offered it.
    is_idle: bool,
}

struct Owner {
    turn: u64,
    tasks: BTreeSet<(Timestamp, TaskId)>,
}

/// An account that a task wants to wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) account: AccountName,
    /// Until when it takes nothing, if it takes nothing now.
    pub(crate) closed_until: Option<Instant>,
}

/// What a task finds that wants to be submitted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Nothing is kept for it.
    Open,
    /// A slot of that account is its own, and counted as a submission.
    Granted(AccountName),
    /// Somebody takes or gives back a slot for it at this very moment.
    Busy,
}

impl Queue {
    /// Counts a new task, unless somebody waits and `max` tasks are there already: then how long until there may be room.
    pub(crate) fn admit(&mut self, task: &TaskId, max: usize, now: Instant) -> Result<(), Duration> {
        let is_waited = self.lines.values().any(|line| line.len > 0);
        if is_waited && self.waiters.len() + self.arriving.len() >= max {
            return Err(self.pace(now).clamp(RETRY_AFTER_MIN, RETRY_AFTER_MAX));
        }
        self.arriving.insert(task.clone(), now);
        Ok(())
    }

    /// A step begins to look for an account for the task. Nothing is offered to it until it joins again or leaves.
    pub(crate) fn begin(&mut self, task: &TaskId) -> Turn {
        let Some(waiter) = self.waiters.get_mut(task) else { return Turn::Open };
        match waiter.state {
            State::Waiting | State::Looking => {
                waiter.state = State::Looking;
                Turn::Open
            }
            State::Offered | State::Withdrawn => Turn::Busy,
            State::Granted(_) => {
                let place = self.waiters.remove(task).and_then(|mut waiter| waiter.places.pop());
                place.map_or(Turn::Open, Turn::Granted)
            }
        }
    }

    /// Lets the task wait at these places; it keeps those that it has. How long until it should look by itself.
    pub(crate) fn join(
        &mut self,
        task: &TaskId,
        (owner, since): (&OwnerId, Timestamp),
        places: &[Place],
        now: Instant,
    ) -> Duration {
        self.arriving.remove(task);
        let waiter = self.waiters.entry(task.clone()).or_insert_with(|| Waiter {
            owner: owner.clone(),
            since,
            places: Vec::new(),
            state: State::Waiting,
        });
        waiter.state = State::Waiting;
        let wanted = places.iter().map(|place| place.account.clone()).collect();
        let before: Vec<AccountName> = std::mem::replace(&mut waiter.places, wanted);
        for account in before.iter().filter(|had| places.iter().all(|place| place.account != **had)) {
            self.lines.get_mut(account).expect("a place is in a line").remove(owner, since, task);
        }
        for place in places {
            let line = self.lines.entry(place.account.clone()).or_insert_with(|| Line::new(now));
            if line.len == 0 || std::mem::take(&mut line.is_idle) {
                line.look_at = now;
            }
            match place.closed_until {
                Some(until) => line.closed_until = Some(until),
                None => line.closed_until = line.closed_until.map(|until| until.min(now)),
            }
            line.add(owner, since, task);
        }
        let earliest = now + LOOK_AFTER;
        let look = self.last_look.map_or(earliest, |last| earliest.max(last + LOOK_SPACING));
        self.last_look = Some(look);
        look - now
    }

    /// The task does not wait any more, and nothing is kept for it.
    pub(crate) fn leave(&mut self, task: &TaskId) {
        self.arriving.remove(task);
        let Some(waiter) = self.waiters.remove(task) else { return };
        if !matches!(waiter.state, State::Granted(_) | State::Withdrawn) {
            self.remove_from_lines(task, &waiter);
        }
    }

    /// Whether a slot is kept for the task.
    pub(crate) fn is_granted(&self, task: &TaskId) -> bool {
        self.waiters.get(task).is_some_and(|waiter| matches!(waiter.state, State::Granted(_)))
    }

    /// Whether others than `task` wait for the account, so that it has to wait, too.
    pub(crate) fn is_waited_for(&self, account: &AccountName, task: &TaskId) -> bool {
        let Some(line) = self.lines.get(account) else { return false };
        let own = self.waiters.get(task).is_some_and(|waiter| {
            !matches!(waiter.state, State::Granted(_) | State::Withdrawn) && waiter.places.contains(account)
        });
        line.len > usize::from(own)
    }

    /// The accounts that somebody waits for and that may have room now.
    pub(crate) fn to_look_at(&self, now: Instant) -> Vec<AccountName> {
        let open = self.lines.iter().filter(|(_, line)| line.len > 0 && line.opens_at() <= now);
        open.map(|(account, _)| account.clone()).collect()
    }

    /// Whose turn it is at the account. It is for the caller to [`Self::grant`] or [`Self::withdraw`] that.
    pub(crate) fn offer(&mut self, account: &AccountName, now: Instant) -> Option<TaskId> {
        let line = self.lines.get(account).filter(|line| line.opens_at() <= now)?;
        let is_waiting =
            |task: &TaskId| self.waiters.get(task).is_some_and(|waiter| waiter.state == State::Waiting);
        let mut in_turn = line.turns.values().filter_map(|owner| line.owners.get(owner));
        let task =
            in_turn.find_map(|owner| owner.tasks.iter().map(|(_, task)| task).find(|task| is_waiting(task)));
        let task = task.cloned();
        match &task {
            Some(task) => self.waiters.get_mut(task).expect("whose turn it is waits").state = State::Offered,
            None => {
                let line = self.lines.get_mut(account).expect("it was there above");
                line.is_idle = true;
                line.rest(now, IDLE_FOR);
            }
        }
        task
    }

    /// A slot was taken for the task: it waits nowhere any more, and its owner's next turn comes after those of all others.
    /// False if the task has left meanwhile.
    pub(crate) fn grant(&mut self, account: &AccountName, task: &TaskId, now: Instant) -> bool {
        let Some(mut waiter) = self.waiters.remove(task) else { return false };
        if let Some(line) = self.lines.get_mut(account) {
            line.take_turn(&waiter.owner);
            if line.closed_until.is_some() {
                line.look_at = now + AJAR_SPACING;
            }
        }
        self.remove_from_lines(task, &waiter);
        waiter.places = vec![account.clone()];
        waiter.state = State::Granted(now);
        self.waiters.insert(task.clone(), waiter);
        self.grants.push_back((now, task.clone()));
        self.granted_at.push_back(now);
        if self.granted_at.len() > PACE_GRANTS {
            self.granted_at.pop_front();
        }
        true
    }

    /// There was no slot for the task, which was offered one at `offered_at`. It keeps its place, and the account is looked
    /// at again after `after`, or sooner if it got room meanwhile.
    pub(crate) fn withdraw(
        &mut self,
        (account, task): (&AccountName, &TaskId),
        offered_at: Instant,
        after: Duration,
    ) {
        if let Some(waiter) = self.waiters.get_mut(task) {
            waiter.state = State::Waiting;
        }
        self.rest(account, offered_at, after);
    }

    /// Nobody looks at the account for `after`, unless it got room since `looked_at`.
    pub(crate) fn rest(&mut self, account: &AccountName, looked_at: Instant, after: Duration) {
        if let Some(line) = self.lines.get_mut(account) {
            line.rest(looked_at, after);
        }
    }

    /// The tasks that have not come for their slots. It is for the caller to give the slots back and let the tasks leave.
    pub(crate) fn lapsed(&mut self, now: Instant) -> Vec<TaskId> {
        if self.arriving_swept_at.is_none_or(|swept| now >= swept + ARRIVING_FOR) {
            self.arriving_swept_at = Some(now);
            self.arriving.retain(|_, since| now < *since + ARRIVING_FOR);
        }
        let mut lapsed = Vec::new();
        while self.grants.front().is_some_and(|(at, _)| now >= *at + GRANT_FOR) {
            let Some((at, task)) = self.grants.pop_front() else { break };
            if let Some(waiter) =
                self.waiters.get_mut(&task).filter(|waiter| waiter.state == State::Granted(at))
            {
                waiter.state = State::Withdrawn;
                lapsed.push(task);
            }
        }
        lapsed
    }

    /// The account may have room.
    pub(crate) fn look(&mut self, account: &AccountName, now: Instant) {
        if let Some(line) = self.lines.get_mut(account) {
            line.look(now);
        }
    }

    /// All accounts may have room.
    pub(crate) fn look_at_all(&mut self, now: Instant) {
        self.lines.values_mut().for_each(|line| line.look(now));
    }

    /// The account takes nothing until then.
    pub(crate) fn close(&mut self, account: &AccountName, until: Instant) {
        if let Some(line) = self.lines.get_mut(account) {
            line.closed_until = Some(until);
        }
    }

    /// The account takes submissions.
    pub(crate) fn open(&mut self, account: &AccountName, now: Instant) {
        if let Some(line) = self.lines.get_mut(account).filter(|line| line.closed_until.is_some()) {
            line.closed_until = None;
            line.look_at = now;
        }
    }

    /// Anything may have changed at all accounts.
    pub(crate) fn open_all(&mut self, now: Instant) {
        for line in self.lines.values_mut() {
            line.closed_until = None;
            line.look_at = now;
        }
    }

    /// When there is something to look at next, if nothing happens until then.
    pub(crate) fn next_look(&self) -> Option<Instant> {
        self.lines.values().filter(|line| line.len > 0).map(Line::opens_at).min()
    }

    /// How many wait for each account that was ever waited for.
    pub(crate) fn lengths(&self) -> impl Iterator<Item = (&AccountName, usize)> {
        self.lines.iter().map(|(account, line)| (account, line.len))
    }

    /// The time in which one slot is granted, as it was lately.
    fn pace(&self, now: Instant) -> Duration {
        let grants = u32::try_from(self.granted_at.len()).unwrap_or(u32::MAX);
        let since = self.granted_at.front().map(|first| now - *first);
        since.and_then(|since| since.checked_div(grants)).unwrap_or(RETRY_AFTER_MAX)
    }

    fn remove_from_lines(&mut self, task: &TaskId, waiter: &Waiter) {
        for account in &waiter.places {
            let line = self.lines.get_mut(account).expect("a place is in a line");
            line.remove(&waiter.owner, waiter.since, task);
        }
    }
}

impl Line {
    fn new(now: Instant) -> Self {
        let (turns, owners) = (BTreeMap::new(), HashMap::new());
        Self { turns, owners, next_turn: 0, len: 0, look_at: now, closed_until: None, is_idle: false }
    }

    fn opens_at(&self) -> Instant {
        self.closed_until.map_or(self.look_at, |closed| closed.max(self.look_at))
    }

    fn look(&mut self, now: Instant) {
        if self.closed_until.is_none() {
            self.look_at = now;
        }
    }

    fn rest(&mut self, looked_at: Instant, after: Duration) {
        if self.look_at <= looked_at {
            self.look_at = looked_at + after;
        }
    }

    fn add(&mut self, owner: &OwnerId, since: Timestamp, task: &TaskId) {
        if !self.owners.contains_key(owner) {
            let turn = self.last_turn(owner);
            self.owners.insert(owner.clone(), Owner { turn, tasks: BTreeSet::new() });
        }
        let tasks = self.owners.get_mut(owner).map(|owner| &mut owner.tasks);
        if tasks.is_some_and(|tasks| tasks.insert((since, task.clone()))) {
            self.len += 1;
        }
    }

    fn remove(&mut self, owner: &OwnerId, since: Timestamp, task: &TaskId) {
        let Some(own) = self.owners.get_mut(owner) else { return };
        if own.tasks.remove(&(since, task.clone())) {
            self.len -= 1;
        }
        if own.tasks.is_empty() {
            self.turns.remove(&own.turn);
            self.owners.remove(owner);
        }
    }

    /// The owner has had its turn.
    fn take_turn(&mut self, owner: &OwnerId) {
        let Some(turn) = self.owners.get(owner).map(|own| own.turn) else { return };
        self.turns.remove(&turn);
        let turn = self.last_turn(owner);
        if let Some(own) = self.owners.get_mut(owner) {
            own.turn = turn;
        }
    }

    /// The turn after all others, which is that owner's from now on.
    fn last_turn(&mut self, owner: &OwnerId) -> u64 {
        let turn = self.next_turn;
        self.next_turn += 1;
        self.turns.insert(turn, owner.clone());
        turn
    }
}

#[cfg(test)]
mod tests {
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
        assert!(
            queue.next_look().unwrap() < later + Duration::from_secs(1),
            "what came free meanwhile counts"
        );
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
}
