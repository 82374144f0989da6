//! Tasks from their request to their last attempt, as the life of a task allows it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Duration;

use domain::{
    AccountName, Attempt, GenerationRequest, Money, NewAttempt, OwnerId, PriceCondition, PriceList,
    PriceRule, Quote, QuotedPrice, Rate, Scope, Strategy, Task, TaskEvent, TaskId, TaskState, Timestamp,
};
use routing::{Asked, Begun, Candidate, Condition, Plan, Planned, Policy, Route, Router, Standing};

use crate::accounts::{ACCOUNTS, Accounts, Answer, EJECTED_PERCENT_MAX};

const MODEL: &str = "model";
pub(crate) const WEIGHTS: [u32; ACCOUNTS] = [4, 3, 2, 2, 2];
pub(crate) const PRICES: [i64; ACCOUNTS] = [5, 3, 1, 2, 4];
/// Seconds to a result; of the last nothing is known.
pub(crate) const TIMES: [Option<u64>; ACCOUNTS] = [Some(50), Some(30), Some(90), Some(60), None];
/// What all attempts of a task may cost.
const PRICE_MAX: Money = Money::from_billionths(6);
const ATTEMPTS_MAX: u32 = 3;
/// From one request to the next.
const PACE_MS: i64 = 50;

/// Clear requests: those for which no account was recovering, and which did not probe one. By the accounts that worked,
/// as bits, how many went to each account first.
pub(crate) type FirstChoices = [[u64; ACCOUNTS]; 1 << ACCOUNTS];

/// What an account makes of a submission in that second, for a number from 0 to 99 that chance drew.
pub(crate) type Weather = fn(usize, i64, u64) -> Answer;

/// How often things happened that the simulation is about.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) taken: u64,
    pub(crate) unknown: u64,
    pub(crate) abandoned: u64,
    pub(crate) failed_over: u64,
}

pub(crate) struct Simulation {
    pub(crate) accounts: Accounts,
    pub(crate) first_choices: FirstChoices,
    pub(crate) counts: Counts,
    router: Router,
    weather: Weather,
    number: u64,
    dice: u64,
    /// Submissions under way, by the moment of their answer.
    under_way: BinaryHeap<Reverse<(i64, usize)>>,
    /// Their tasks, and the places that are free.
    tasks: Vec<Sent>,
    free: Vec<usize>,
}

/// A task whose newest attempt is under way.
struct Sent {
    task: Task,
    account: usize,
    begun: Option<Begun>,
    answer: Answer,
}

impl Simulation {
    pub(crate) fn new(strategy: Strategy, weather: Weather) -> Self {
        let price = |price| {
            let rate = Rate::PerCall(Money::from_billionths(price));
            Some(Arc::new(PriceList::new(vec![PriceRule { when: PriceCondition::default(), rate }])))
        };
        let candidate = |account: usize| Candidate {
            weight: WEIGHTS[account],
            prices: price(PRICES[account]),
            ..Candidate::new(AccountName::new(account.to_string()), "m")
        };
        let policy = Policy { strategy, price_max: Some(PRICE_MAX), ..Policy::default() };
        let candidates = (0..ACCOUNTS).map(candidate).collect();
        let route = Route { model: MODEL.into(), policy, candidates };
        Self {
            accounts: Accounts::default(),
            first_choices: [[0; ACCOUNTS]; 1 << ACCOUNTS],
            counts: Counts::default(),
            router: Router::new([route], EJECTED_PERCENT_MAX),
            weather,
            number: 0,
            dice: 1,
            under_way: BinaryHeap::new(),
            tasks: Vec::new(),
            free: Vec::new(),
        }
    }

    /// Makes so many requests, and sees them through.
    pub(crate) fn run(&mut self, requests: u64) {
        for number in 0..requests {
            self.number = number;
            self.settle(number as i64 * PACE_MS);
            let slot = self.new_task();
            self.try_once(slot);
        }
        self.settle(i64::MAX);
    }

    /// Lets come all answers until then.
    fn settle(&mut self, until: i64) {
        while let Some(Reverse((at, slot))) = self.under_way.peek().copied().filter(|next| next.0.0 <= until)
        {
            self.under_way.pop();
            self.accounts.now = at;
            self.answered(slot);
        }
        self.accounts.now = until;
    }

    fn new_task(&mut self) -> usize {
        let id = TaskId::new(format!("0198a5f2-7c31-7000-8000-{:012x}", self.number));
        let slot = self.free.pop().unwrap_or_else(|| {
            self.tasks.push(Sent { task: task(), account: 0, begun: None, answer: Answer::Taken });
            self.tasks.len() - 1
        });
        let task = &mut self.tasks[slot].task;
        (task.id, task.state) = (id, TaskState::Queued);
        task.attempts.clear();
        slot
    }

    /// Submits the task to the first that takes it; if nobody does, it is not seen any further.
    fn try_once(&mut self, slot: usize) {
        let task = &self.tasks[slot].task;
        let asked = Asked::task(task, self.number);
        let plan = self.router.plan(&asked, &|candidate| self.condition(candidate));
        if task.attempts.is_empty() {
            self.count_first_choice(&plan);
        }
        let begin = |planned: &Planned| {
            let account = number_of(&planned.candidate.account);
            Some((account, self.accounts.begin(account, &planned.reason)?))
        };
        let Some((account, begun)) = plan.candidates.iter().find_map(begin) else {
            return self.finish(slot);
        };
        let now = self.accounts.now;
        let chance = self.roll(100);
        let answer = (self.weather)(account, now / 1000, chance);
        let latency = if answer == Answer::Unanswered { 2000 } else { 50 + self.roll(400) as i64 };
        let sent = &mut self.tasks[slot];
        let intended = sent.task.apply(TaskEvent::SubmitIntended { plan: attempt(account) }, at(now));
        intended.expect("only what waits is submitted");
        (sent.account, sent.begun, sent.answer) = (account, Some(begun), answer);
        self.under_way.push(Reverse((now.saturating_add(latency), slot)));
    }

    fn answered(&mut self, slot: usize) {
        let (now, is_heard, gives_up) = (at(self.accounts.now), self.roll(2000) > 0, self.roll(4) == 0);
        let Sent { task, account, begun, answer } = &mut self.tasks[slot];
        // Now and then whoever waits for the answer dies, and nobody ever hears it.
        if let Some(begun) = begun.take().filter(|_| is_heard) {
            self.accounts.heard(*account, begun, *answer);
        }
        let reason = String::new();
        let event = match answer {
            Answer::Taken => TaskEvent::Accepted { handle: String::new() },
            Answer::Unreachable => TaskEvent::SubmitNotSent { reason },
            Answer::Unanswered => TaskEvent::SubmitUnknown { reason },
            Answer::Refused(_) | Answer::Busy => TaskEvent::SubmitRejected { reason },
        };
        task.apply(event, now).expect("it is under way");
        self.counts.taken += u64::from(*answer == Answer::Taken);
        if *answer == Answer::Unanswered {
            self.counts.unknown += 1;
            let again = task.clone().apply(TaskEvent::SubmitIntended { plan: attempt(0) }, now);
            assert!(again.is_err(), "nothing follows an unknown outcome");
        }
        if *answer == Answer::Unanswered && gives_up {
            self.counts.abandoned += 1;
            let abandoned = task.apply(TaskEvent::AttemptAbandoned { reason: String::new() }, now);
            abandoned.expect("the operator may give it up");
        }
        let attempts = u32::try_from(task.attempts.len()).expect("few");
        assert!(attempts <= ATTEMPTS_MAX);
        if task.state == TaskState::Queued && attempts < ATTEMPTS_MAX {
            self.counts.failed_over += 1;
            self.try_once(slot);
        } else {
            self.finish(slot);
        }
    }

    /// Holds that the task cost no more than it may, and forgets it.
    fn finish(&mut self, slot: usize) {
        let account = |attempt: &Attempt| number_of(&attempt.plan.account);
        let paid = self.tasks[slot].task.attempts.iter().filter(|attempt| attempt.outcome.may_be_paid());
        let cost: i64 = paid.map(|attempt| PRICES[account(attempt)]).sum();
        assert!(cost <= PRICE_MAX.billionths(), "{cost}");
        self.free.push(slot);
    }

    fn condition(&self, candidate: &Candidate) -> Condition {
        let account = number_of(&candidate.account);
        let time_to_result = TIMES[account].map(Duration::from_secs);
        Condition { time_to_result, ..self.accounts.condition(account) }
    }

    fn count_first_choice(&mut self, plan: &Plan) {
        let mut whole = 0;
        for planned in &plan.candidates {
            let account = number_of(&planned.candidate.account);
            let Condition { standing, share, .. } = self.accounts.condition(account);
            if share < 1.0 {
                return;
            }
            whole |= usize::from(standing == Standing::Ready) << account;
        }
        let first = plan.candidates.first().map(|planned| number_of(&planned.candidate.account));
        if let Some(first) = first.filter(|first| whole & 1 << first != 0) {
            self.first_choices[whole][first] += 1;
        }
    }

    /// A number below `sides`.
    fn roll(&mut self, sides: u64) -> u64 {
        // Knuth's linear congruential generator for 64 bits; the upper bits are the good ones.
        self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.dice >> 33) % sides
    }
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn number_of(account: &AccountName) -> usize {
    usize::from(account.as_str().as_bytes()[0] - b'0')
}

fn attempt(account: usize) -> NewAttempt {
    NewAttempt {
        account: AccountName::new(account.to_string()),
        provider: String::new(),
        upstream_model: "m".into(),
        account_version: String::new(),
    }
}

fn task() -> Task {
    let prices = (0..ACCOUNTS).map(|account| QuotedPrice {
        account: AccountName::new(account.to_string()),
        upstream_model: "m".into(),
        price: Money::from_billionths(PRICES[account]),
    });
    Task {
        id: TaskId::new(""),
        owner: OwnerId::new("o"),
        dialect: "v2".into(),
        request: GenerationRequest::new(Scope::Videos, MODEL, "a cat"),
        state: TaskState::Queued,
        attempts: Vec::new(),
        created_at: at(0),
        deadline_at: at(i64::MAX),
        quote: Quote::new(prices.collect()),
        version: 0,
    }
}
