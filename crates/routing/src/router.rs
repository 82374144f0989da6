//! All routes, and the plan that they give for a request.

use std::collections::HashMap;
use std::sync::Arc;

use crate::asked::Asked;
use crate::catalogue::Catalogue;
use crate::condition::Condition;
use crate::order::{self, Open};
use crate::plan::{Plan, Rejected};
use crate::route::{Candidate, Policy, Route};

/// All routes.
#[derive(Debug, Clone, Default)]
pub struct Router {
    /// By public model.
    routes: HashMap<String, Arc<Served>>,
    /// Of a hundred candidates for a request, at most so many are left out because they are ejected.
    ejected_percent_max: u8,
}

/// A route whose candidates plans can share.
#[derive(Debug)]
struct Served {
    model: String,
    policy: Policy,
    candidates: Vec<Arc<Candidate>>,
}

impl Router {
    /// A router of these routes; of two for one model the later counts. At most `ejected_percent_max` of a hundred of the
    /// candidates for a request are left out because they fail; the others are tried last.
    pub fn new(routes: impl IntoIterator<Item = Route>, ejected_percent_max: u8) -> Self {
        let served = |Route { model, policy, candidates }: Route| {
            let candidates = candidates.into_iter().map(Arc::new).collect();
            (model.clone(), Arc::new(Served { model, policy, candidates }))
        };
        Self { routes: routes.into_iter().map(served).collect(), ejected_percent_max }
    }

    /// The same, where the route of the model that replaces another serves that one, too, if it has none of its own.
    #[must_use]
    pub fn with_replacements(mut self, catalogue: &Catalogue) -> Self {
        for model in catalogue.iter().filter(|model| !self.serves(&model.name)).collect::<Vec<_>>() {
            let mut successors = catalogue.successors(model);
            if let Some(served) = successors.find_map(|model| self.of(&model.name).cloned()) {
                self.routes.insert(model.name.clone(), served);
            }
        }
        self
    }

    /// Whether anything serves `model`.
    pub fn serves(&self, model: &str) -> bool {
        self.of(model).is_some()
    }

    /// The model whose route serves `model`: itself, or the one that replaces it. `None` if nothing does.
    pub fn route_of(&self, model: &str) -> Option<&str> {
        self.of(model).map(|served| served.model.as_str())
    }

    /// All models that anything serves, each with its candidates.
    pub fn served(&self) -> impl Iterator<Item = (&str, impl Iterator<Item = &Candidate>)> {
        let served = self.routes.iter().filter(|(_, served)| !served.candidates.is_empty());
        served.map(|(model, served)| (model.as_str(), served.candidates.iter().map(AsRef::as_ref)))
    }

    /// Whom to try for what is asked, under these conditions. The accounts least tried so far come first, so the first round
    /// follows the strategy, and a second one begins only when every account has had its try.
    pub fn plan(&self, asked: &Asked<'_>, condition: &dyn Fn(&Candidate) -> Condition) -> Plan {
        let preference = &asked.request.preference;
        let Some(Served { policy, candidates, .. }) =
            self.routes.get(&asked.request.model).map(AsRef::as_ref)
        else {
            let strategy = preference.strategy.unwrap_or_default();
            let policy = Policy::default();
            return Plan { policy, strategy, candidates: Vec::new(), rejected: Vec::new() };
        };
        let strategy = preference.strategy.unwrap_or(policy.strategy);
        let left = asked.left(policy);
        let mut rejected = Vec::new();
        let mut open = Vec::with_capacity(candidates.len());
        for (place, candidate) in candidates.iter().enumerate() {
            match asked.admits(candidate, left) {
                Ok(price) => open.push(Open::new(place, candidate, price, condition(candidate))),
                Err(why) => rejected.push(Rejected { candidate: candidate.clone(), why }),
            }
        }
        order::spare(&mut open, self.ejected_percent_max);
        let candidates = order::order(asked, strategy, open, &mut rejected);
        Plan { policy: *policy, strategy, candidates, rejected }
    }

    fn of(&self, model: &str) -> Option<&Arc<Served>> {
        self.routes.get(model).filter(|served| !served.candidates.is_empty())
    }
}
