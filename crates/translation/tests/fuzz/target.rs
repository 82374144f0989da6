//! What there is to try: one target for each endpoint of each dialect, and three for each provider.

use domain::{GenerationRequest, Scope, Timestamp};
use fastrand::Rng;
use translation::{Action, DIALECTS, Dialect, Endpoint, LostSubmission, PROVIDERS, PathParams, Provider};

use crate::check_call::check_call;
use crate::check_reply::{check_find, check_poll, check_submit};
use crate::corpus::{Corpus, Seed};
use crate::message::Message;
use crate::mutate::mutate;
use crate::paths::match_path;
use crate::texts;

/// Of so many cases, one begins with any message of any API; the others with one that was meant for the target.
const FOREIGN: u8 = 6;

/// A check of a message. It panics where the code under test is wrong, and says in a word what the message was read as.
type Check<'a> = Box<dyn Fn(&Message, &mut Rng) -> &'static str + Send + Sync + 'a>;

/// One decoder.
pub(crate) struct Target<'a> {
    pub(crate) name: String,
    /// Words of which one must come up, or else the cases show nothing; empty if all cases are alike.
    pub(crate) wanted: &'static [&'static str],
    /// What was meant for it, with the parameters of the path.
    seeds: Vec<(&'a Seed, PathParams)>,
    /// What else may come.
    others: &'a [Seed],
    /// The parameters that any path has.
    names: PathParams,
    check: Check<'a>,
}

impl<'a> Target<'a> {
    /// A target whose cases begin with `others`, or with `seeds` if there are any.
    pub(crate) fn of(
        name: impl Into<String>,
        others: &'a [Seed],
        check: impl Fn(&Message, &mut Rng) -> &'static str + Send + Sync + 'a,
    ) -> Self {
        let names = PathParams::default();
        Self { name: name.into(), wanted: &[], seeds: Vec::new(), others, names, check: Box::new(check) }
    }

    /// Case `index`, and the randomness that is left for its check.
    pub(crate) fn case(&self, corpus: &Corpus, seed: u64, index: u64) -> (Message, Rng) {
        let mut random = Rng::with_seed(seed_of(&self.name, seed, index));
        let other = &self.others[random.usize(..self.others.len())];
        let (begin, mut params) = match random.choice(&self.seeds) {
            Some((seed, params)) if random.u8(..FOREIGN) > 0 => (*seed, params.clone()),
            _ => (&self.others[random.usize(..self.others.len())], self.names.clone()),
        };
        let mut message = mutate(begin, other, corpus, &mut random);
        if let Some((_, value)) = random.choice(&mut params.0).filter(|_| random.u8(..4) == 0) {
            *value = texts::text(&mut random);
        }
        message.params = params;
        (message, random)
    }

    /// Runs the check.
    pub(crate) fn check(&self, message: &Message, random: &mut Rng) -> &'static str {
        (self.check)(message, random)
    }
}

/// All targets of the registry.
pub(crate) fn targets(corpus: &Corpus) -> Vec<Target<'_>> {
    let endpoints = DIALECTS
        .iter()
        .flat_map(|dialect| dialect.endpoints().iter().map(move |endpoint| (*dialect, endpoint)));
    let calls = endpoints.map(|(dialect, endpoint)| of_endpoint(dialect, endpoint, corpus));
    calls.chain(PROVIDERS.iter().flat_map(|provider| of_provider(*provider, corpus))).collect()
}

fn of_endpoint<'a>(
    dialect: &'static dyn Dialect,
    endpoint: &'static Endpoint,
    corpus: &'a Corpus,
) -> Target<'a> {
    let name = format!("{} {} {}", dialect.name(), endpoint.method, endpoint.path);
    let seeds = corpus.calls.iter().filter(|seed| seed.api == dialect.name()).filter_map(|seed| {
        let call = seed.call.as_ref().filter(|call| call.method == endpoint.method)?;
        Some((seed, match_path(endpoint.path, &call.path)?))
    });
    let names = endpoint.path.split('{').skip(1).filter_map(|rest| rest.split_once('}'));
    let seeds: Vec<_> = seeds.collect();
    // Without a fixture a case hardly ever gets past the first complaint.
    let creates = matches!(endpoint.action, Action::Create | Action::CreateAndWait) && !seeds.is_empty();
    Target {
        seeds,
        names: PathParams(
            names.map(|(name, _)| (name.trim_start_matches('*').to_owned(), "x".to_owned())).collect(),
        ),
        wanted: if creates { &["create"] } else { &[] },
        ..Target::of(name, &corpus.calls, move |message, random| {
            check_call(dialect, endpoint, message, corpus, random)
        })
    }
}

fn of_provider<'a>(provider: &'static dyn Provider, corpus: &'a Corpus) -> [Target<'a>; 3] {
    let seeds = || {
        let own = corpus.replies.iter().filter(|seed| seed.api == provider.name());
        own.map(|seed| (seed, PathParams::default())).collect()
    };
    let submit =
        Target::of(format!("{} submit", provider.name()), &corpus.replies, move |message, random| {
            check_submit(provider, message, corpus, random)
        });
    let poll = Target::of(format!("{} poll", provider.name()), &corpus.replies, move |message, random| {
        check_poll(provider, message, corpus, random)
    });
    let find = Target::of(format!("{} find", provider.name()), &corpus.replies, move |message, random| {
        check_find(provider, message, random)
    });
    [
        Target { seeds: seeds(), wanted: &["accepted", "finished"], ..submit },
        Target { seeds: seeds(), wanted: &["finished", "unclear"], ..poll },
        Target { seeds: seeds(), wanted: if finds(provider) { &["tasks", "absent"] } else { &[] }, ..find },
    ]
}

/// Whether it looks for lost submissions.
fn finds(provider: &dyn Provider) -> bool {
    let request = GenerationRequest::new(Scope::Videos, "veo3.1", "a cat");
    let intended_at = Timestamp::from_millis(0);
    let lost = LostSubmission { attempt_key: "x", upstream_model: "m", request: &request, intended_at };
    provider.encode_find(&lost).is_some()
}

/// FNV-1a, which stays the same from one compiler to the next.
fn seed_of(name: &str, seed: u64, index: u64) -> u64 {
    let bytes = name.bytes().chain(seed.to_le_bytes()).chain(index.to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
