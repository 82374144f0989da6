//! What a plan costs, beside a look into a bare map with the same keys, in turns in one run; what 10,000 models at 20
//! accounts cost; and how many instructions a plan takes, where valgrind is installed.
//!
//! `cargo bench -p routing`. Machines are shared and noisy: the ratios and instructions are what counts, and nothing is
//! asserted.
#![expect(clippy::print_stdout, reason = "a measurement prints its figures")]
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "a measurement is not pure")]

use std::collections::HashMap;
use std::hint::black_box;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::{
    AccountName, GenerationRequest, Money, Preference, PriceCondition, PriceList, PriceRule, Rate, Scope,
    Strategy,
};
use routing::{AccountHealth, Asked, Candidate, Condition, HealthSettings, Policy, Route, Router, Standing};

const MODELS: usize = 10_000;
const CALLS: u32 = 20_000;
const ROUNDS: usize = 15;
/// Plans that are made under valgrind, and twice as many: what they differ in is theirs alone.
const COUNTED: u64 = 2_000;

/// Routes of so many models, each by so many accounts.
struct House {
    router: Router,
    requests: Vec<GenerationRequest>,
    health: HashMap<AccountName, AccountHealth>,
    settings: HealthSettings,
}

impl House {
    fn new(models: usize, accounts: usize, strategy: Strategy) -> Self {
        let names: Vec<AccountName> =
            (0..accounts).map(|number| AccountName::new(format!("account-{number:02}"))).collect();
        let price = |number: usize| {
            let rate = Rate::PerCall(Money::from_billionths(1 + (number * 7 % 11) as i64));
            Arc::new(PriceList::new(vec![PriceRule { when: PriceCondition::default(), rate }]))
        };
        let prices: Vec<_> = (0..accounts).map(price).collect();
        let model = |number: usize| format!("model-{number:05}");
        let route = |number: usize| Route {
            model: model(number),
            policy: Policy { strategy, ..Policy::default() },
            candidates: names
                .iter()
                .zip(&prices)
                .map(|(name, prices)| Candidate {
                    prices: Some(prices.clone()),
                    ..Candidate::new(name.clone(), format!("upstream-{number:05}"))
                })
                .collect(),
        };
        let request = |number| GenerationRequest {
            preference: Preference::default(),
            ..GenerationRequest::new(Scope::Videos, model(number), "a cat")
        };
        Self {
            router: Router::new((0..models).map(route), 50),
            // Not in the order of the routes, as requests are not.
            requests: (0..models).map(|number| request(number * 7919 % models)).collect(),
            health: names.into_iter().map(|name| (name, AccountHealth::default())).collect(),
            settings: HealthSettings::default(),
        }
    }

    /// A plan as a gateway makes it: each account's health is looked up.
    fn plan(&self, number: usize) {
        let now = domain::Timestamp::from_millis(1);
        let condition = |candidate: &Candidate| match self.health.get(&candidate.account) {
            Some(health) => Condition {
                standing: health.standing(now, &self.settings),
                share: health.share(now, &self.settings),
                ..Condition::default()
            },
            None => Condition { standing: Standing::Drained, ..Condition::default() },
        };
        let asked = Asked {
            turn: number as u64,
            ..Asked::new(&self.requests[number % self.requests.len()], number as u64)
        };
        black_box(self.router.plan(black_box(&asked), &condition));
    }
}

/// Something to measure: called with a number.
struct Subject<'a> {
    name: String,
    call: Box<dyn Fn(usize) + 'a>,
    rounds: Vec<Duration>,
}

impl<'a> Subject<'a> {
    fn new(name: String, call: impl Fn(usize) + 'a) -> Self {
        Self { name, call: Box::new(call), rounds: Vec::new() }
    }

    fn round(&mut self) {
        let start = Instant::now();
        for number in 0..CALLS as usize {
            (self.call)(number);
        }
        self.rounds.push(start.elapsed());
    }

    fn nanoseconds(&mut self) -> f64 {
        self.rounds.sort_unstable();
        self.rounds[ROUNDS / 2].as_secs_f64() * 1e9 / f64::from(CALLS)
    }
}

/// The sizes of routes that are measured.
const SIZES: [usize; 2] = [2, 20];

fn name(strategy: Strategy, accounts: usize) -> String {
    format!("a plan of {accounts:2} candidates, {}", strategy.as_str())
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, mode, strategy, accounts, plans, ..] = arguments.as_slice()
        && mode == "--plans"
    {
        let strategy = Strategy::parse(strategy).expect("from below");
        let house = House::new(1, accounts.parse().expect("from below"), strategy);
        (0..plans.parse().expect("from below")).for_each(|number| house.plan(number));
        return;
    }
    let before = resident_bytes();
    let start = Instant::now();
    let large = House::new(MODELS, 20, Strategy::Weighted);
    let built = start.elapsed();
    let bytes = resident_bytes().saturating_sub(before);
    println!(
        "{MODELS} models at 20 accounts: built in {:.1} ms, {:.1} MiB, {} bytes for each of {} candidates\n",
        built.as_secs_f64() * 1e3,
        bytes as f64 / f64::from(1 << 20),
        bytes / (MODELS * 20),
        MODELS * 20
    );
    measure(&large);
    count_instructions();
}

fn measure(large: &House) {
    let map: HashMap<String, usize> =
        large.requests.iter().enumerate().map(|(number, request)| (request.model.clone(), number)).collect();
    let houses: Vec<(String, House)> = SIZES
        .into_iter()
        .flat_map(|accounts| {
            Strategy::ALL.map(|strategy| (name(strategy, accounts), House::new(1, accounts, strategy)))
        })
        .collect();
    let mut subjects = vec![Subject::new("a look into a HashMap of 10,000 models".to_owned(), |number| {
        black_box(map.get(&large.requests[number % MODELS].model));
    })];
    for (name, house) in &houses {
        subjects.push(Subject::new(name.clone(), |number| house.plan(number)));
    }
    subjects.push(Subject::new("a plan of 20, weighted, one of 10,000 models".to_owned(), |number| {
        large.plan(number)
    }));
    for _round in 0..ROUNDS {
        subjects.iter_mut().for_each(Subject::round);
    }
    println!("{ROUNDS} rounds of {CALLS} calls in turns; medians\n");
    let lookup = subjects[0].nanoseconds();
    for subject in &mut subjects {
        let nanoseconds = subject.nanoseconds();
        println!("{:48} {nanoseconds:8.1} ns  {:6.1} x", subject.name, nanoseconds / lookup);
    }
}

fn count_instructions() {
    println!("\ninstructions by valgrind\n");
    for (accounts, strategy) in
        SIZES.into_iter().flat_map(|size| Strategy::ALL.map(|strategy| (size, strategy)))
    {
        let counted = |plans| instructions(strategy, accounts, plans);
        match counted(COUNTED).zip(counted(2 * COUNTED)) {
            Some((once, twice)) => println!("{:48} {:8}", name(strategy, accounts), (twice - once) / COUNTED),
            None => return println!("valgrind is not installed, or does not say: not counted"),
        }
    }
}

/// The instructions of a whole process of this program that makes so many plans.
fn instructions(strategy: Strategy, accounts: usize, plans: u64) -> Option<u64> {
    let program = std::env::current_exe().ok()?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args(["--plans", strategy.as_str(), &accounts.to_string(), &plans.to_string()])
        .output()
        .ok()?;
    let said = String::from_utf8(output.stderr).ok()?;
    let collected = said.lines().find_map(|line| line.split_once("Collected : "))?.1;
    collected.trim().parse().ok()
}

/// What this process has in memory; 0 where that cannot be told.
fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok());
    pages.unwrap_or_default() * 4096
}
