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

    /// Nobody waits any more; who did.
    pub(crate) fn leave_all(&mut self) -> Vec<TaskId> {
        let all: Vec<TaskId> = self.waiters.keys().cloned().collect();
        all.iter().for_each(|task| self.leave(task));
        all
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
mod tests;
