//! What a decision costs: of a local limiter beside a look into a bare map with the same keys, in time and in instructions;
//! of a shared one beside a bare PING to the same server over the same kind of connection. In turns in one run.
//!
//! `cargo bench -p limits`. Machines are shared and noisy: the ratios are what counts, and nothing is asserted. Instructions
//! are counted by callgrind, if there is a valgrind; for the shared limiter there must be a redis-server.
#![expect(clippy::print_stdout, reason = "a measurement prints its figures")]

#[path = "../tests/it/server.rs"]
#[expect(dead_code, reason = "the tests do more with it")]
mod server;

use std::collections::HashMap;
use std::hint::black_box;
use std::process::Command;
use std::time::{Duration, Instant};

use domain::{AccountName, OwnerId, TaskId};
use limits::{Clock, Holding, LimitKey, Limiter as _, LocalLimiter, Rate, SharedLimiter};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};

const KEYS: usize = 1_000;
const CALLS: u32 = 200_000;
const ROUNDS: usize = 15;
/// Asks for one subject, by its place, to be called so often, and for nothing to be measured.
const ONLY: &str = "--only";
const COUNTED_CALLS: u64 = 2_000;
const SHARED_CALLS: u32 = 500;

/// Something to measure: called with a number, for one of the keys.
struct Subject<'a> {
    name: &'static str,
    call: Box<dyn Fn(usize) + 'a>,
    rounds: Vec<Duration>,
}

impl<'a> Subject<'a> {
    fn new(name: &'static str, call: impl Fn(usize) + 'a) -> Self {
        Self { name, call: Box::new(call), rounds: Vec::new() }
    }

    fn run(&self, calls: usize) {
        for number in 0..calls {
            (self.call)(number % KEYS);
        }
    }

    fn round(&mut self) {
        let start = Instant::now();
        self.run(CALLS as usize);
        self.rounds.push(start.elapsed());
    }

    fn nanoseconds(&mut self) -> f64 {
        median(&mut self.rounds).as_secs_f64() * 1e9 / f64::from(CALLS)
    }
}

/// What the subjects work on.
struct World {
    map: HashMap<LimitKey, u64>,
    one: Vec<[(LimitKey, Rate); 1]>,
    four: Vec<[(LimitKey, Rate); 4]>,
    spent: Vec<[(LimitKey, Rate); 1]>,
    tasks: Vec<TaskId>,
    limiters: [LocalLimiter; 4],
    stopped: LocalLimiter,
}

impl World {
    fn new() -> Self {
        // So fast that it is never used up, and so slow that it always is.
        let (wide, narrow) = (Rate::with_burst(u32::MAX, u32::MAX), Rate::with_burst(1, 1));
        let of_each = |rate| (0..KEYS).map(move |number| [(client(number), rate)]).collect();
        let limiter = || LocalLimiter::new(10 * KEYS);
        Self {
            map: (0..KEYS).map(|number| (client(number), 0)).collect(),
            one: of_each(wide),
            four: (0..KEYS).map(|number| four(number, wide)).collect(),
            spent: of_each(narrow),
            tasks: (0..KEYS).map(|number| TaskId::new(format!("task-{number:08}"))).collect(),
            limiters: [limiter(), limiter(), limiter(), limiter()],
            stopped: LocalLimiter::with_clock(10 * KEYS, Clock::new(|| Duration::ZERO)),
        }
    }

    fn subjects(&self) -> Vec<Subject<'_>> {
        let [first, second, third, fourth] = &self.limiters;
        vec![
            Subject::new("a look into a HashMap", |number| {
                black_box(self.map.get(&self.one[number][0].0));
            }),
            Subject::new("the clock alone", |_| {
                black_box(Instant::now());
            }),
            Subject::new("a check of one limit", |number| {
                black_box(first.check_now(&self.one[number]));
            }),
            Subject::new("the same with a clock that stands still", |number| {
                black_box(self.stopped.check_now(&self.one[number]));
            }),
            Subject::new("a refusal by one limit", |number| {
                black_box(second.check_now(&self.spent[number]));
            }),
            Subject::new("a check of four limits", |number| {
                black_box(third.check_now(&self.four[number]));
            }),
            Subject::new("a slot taken and given back", |number| {
                let (task, key) = (&self.tasks[number], &self.one[number][0].0);
                black_box(fourth.acquire_now(task, &[(key.clone(), 1_000)], LEASE));
                fourth.release_now(&Holding { task: task.clone(), keys: vec![key.clone()] });
            }),
        ]
    }
}

const LEASE: Duration = Duration::from_secs(600);

fn client(number: usize) -> LimitKey {
    LimitKey::Client(OwnerId::new(format!("client-{number:08}")))
}

fn four(number: usize, rate: Rate) -> [(LimitKey, Rate); 4] {
    [
        (client(number), rate),
        (LimitKey::ClientModel(OwnerId::new(format!("client-{number:08}")), "veo".to_owned()), rate),
        (LimitKey::Account(AccountName::new(format!("account-{}", number % 20))), rate),
        (LimitKey::Provider("provider".to_owned()), rate),
    ]
}

fn main() {
    let world = World::new();
    let mut subjects = world.subjects();
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, only, place, calls] = &arguments[..]
        && only == ONLY
    {
        let place: usize = place.parse().expect("a place");
        return subjects[place].run(calls.parse().expect("a number of calls"));
    }
    for _round in 0..ROUNDS {
        subjects.iter_mut().for_each(Subject::round);
    }
    let lookup = subjects[0].nanoseconds();
    println!("{KEYS} keys, {ROUNDS} rounds of {CALLS} calls in turns; medians\n");
    for (place, subject) in subjects.iter_mut().enumerate() {
        let nanoseconds = subject.nanoseconds();
        let instructions =
            instructions(place).map_or(String::new(), |count| format!("{count:8} instructions"));
        println!("{:40} {nanoseconds:7.1} ns  {:5.1} x {instructions}", subject.name, nanoseconds / lookup);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(shared());
}

/// How many instructions one call takes: the difference between runs of different lengths, so that starting is not counted.
fn instructions(place: usize) -> Option<u64> {
    let run = |calls: u64| {
        let mut valgrind = Command::new("valgrind");
        valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
        valgrind.arg(std::env::current_exe().ok()?);
        let output = valgrind.args([ONLY, &place.to_string(), &calls.to_string()]).output().ok()?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let count = text.lines().find_map(|line| line.split_once("Collected : "))?.1.trim().parse::<u64>();
        count.ok()
    };
    Some((run(2 * COUNTED_CALLS)? - run(COUNTED_CALLS)?) / COUNTED_CALLS)
}

/// What is asked of a server, one after the other.
async fn shared() {
    let server = server::Server::start();
    let limiter = server.limiter(1).await;
    let client = server.client();
    let config = ConnectionManagerConfig::new();
    let mut bare = ConnectionManager::new_with_config(client, config).await.expect("a connection");
    let names =
        ["a bare PING", "a check of one limit", "a check of four limits", "a slot taken and given back"];
    let mut rounds: [Vec<Duration>; 4] = Default::default();
    for _round in 0..ROUNDS {
        for (what, times) in rounds.iter_mut().enumerate() {
            let start = Instant::now();
            for number in 0..SHARED_CALLS as usize {
                ask(what, number, (&mut bare, &limiter)).await;
            }
            times.push(start.elapsed() / SHARED_CALLS);
        }
    }
    let ping = median(&mut rounds[0]).as_secs_f64();
    println!("\nshared, {ROUNDS} rounds of {SHARED_CALLS} calls in turns, one at a time; medians\n");
    for (name, times) in names.iter().zip(&mut rounds) {
        let seconds = median(times).as_secs_f64();
        println!("{name:40} {:7.1} us  {:5.2} x", seconds * 1e6, seconds / ping);
    }
}

async fn ask(what: usize, number: usize, (bare, limiter): (&mut ConnectionManager, &SharedLimiter)) {
    let wide = Rate::with_burst(u32::MAX, u32::MAX);
    match what {
        0 => redis::cmd("PING").query_async::<()>(bare).await.expect("a PONG"),
        1 => {
            black_box(limiter.check(&[(client(number), wide)]).await);
        }
        2 => {
            black_box(limiter.check(&four(number, wide)).await);
        }
        _ => {
            let (task, key) = (TaskId::new(number.to_string()), client(number));
            black_box(limiter.acquire(&task, &[(key.clone(), 1_000)], LEASE).await);
            limiter.release(&Holding { task, keys: vec![key] }).await;
        }
    }
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
