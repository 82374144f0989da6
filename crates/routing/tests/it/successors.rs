//! A model that has no route of its own is served by the one of the model that replaces it.

use domain::{AccountName, GenerationRequest, ModelPatch, Scope};
use routing::{Asked, Candidate, Catalogue, Condition, Policy, Route, Router};

fn model(name: &str, replaced_by: Option<&str>) -> ModelPatch {
    let replaced_by = replaced_by.map(str::to_owned);
    ModelPatch { scope: Some(Scope::Videos), replaced_by, ..ModelPatch::new(name) }
}

fn route(model: &str) -> Route {
    let candidate = Candidate::new(AccountName::new("a"), format!("upstream-{model}"));
    Route { model: model.into(), policy: Policy::default(), candidates: vec![candidate] }
}

fn router(routes: impl IntoIterator<Item = Route>) -> Router {
    let models =
        [model("oldest", Some("old")), model("old", Some("new")), model("new", None), model("other", None)];
    let catalogue = Catalogue::builtin().with(models, []).expect("nothing contradicts");
    Router::new(routes, 50).with_replacements(&catalogue)
}

fn served_as(router: &Router, model: &str) -> Vec<String> {
    let request = GenerationRequest::new(Scope::Videos, model, "a cat");
    let plan = router.plan(&Asked::new(&request, 0), &|_| Condition::default());
    plan.candidates.iter().map(|planned| planned.candidate.upstream_model.clone()).collect()
}

#[test]
fn the_nearest_successor_with_a_route_serves_it() {
    let router = router([route("new")]);
    for model in ["oldest", "old", "new"] {
        assert_eq!(served_as(&router, model), ["upstream-new"], "{model}");
        assert_eq!(router.route_of(model), Some("new"));
    }
    assert!(!router.serves("other"));
    assert_eq!(router.route_of("other"), None);
}

#[test]
fn a_route_of_its_own_counts_before_that_of_a_successor() {
    let router = router([route("new"), route("old")]);
    assert_eq!(served_as(&router, "old"), ["upstream-old"]);
    assert_eq!(served_as(&router, "oldest"), ["upstream-old"]);
    let empty = Route { candidates: Vec::new(), ..route("old") };
    assert_eq!(served_as(&self::router([route("new"), empty]), "old"), ["upstream-new"]);
}

#[test]
fn the_built_in_models_that_are_gone_lead_to_models_that_are_not() {
    let catalogue = Catalogue::builtin();
    for model in catalogue.iter().filter(|model| model.replaced_by.is_some()) {
        assert!(model.deprecated, "{}", model.name);
        let last = catalogue.successors(model).last().expect("it exists");
        assert!(!last.deprecated, "{} leads to {}", model.name, last.name);
        assert_eq!(last.scope, model.scope);
        // Who was served before is served then.
        assert!(last.images.min <= model.images.min && last.images.max >= model.images.max, "{}", model.name);
    }
}
