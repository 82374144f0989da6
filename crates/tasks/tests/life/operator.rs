//! What the operator sees and says over the network.

use std::collections::BTreeSet;

use domain::{Account, Call, Credential, Draft, Preference, Timestamp};
use routing::{Candidate, Catalogue, Policy, Route, Router};
use tasks::{AccountView, Deployment, Operator, Outcome, Question, Setup, explain};
use translation::fixture::write_call;
use translation::{PROVIDERS, Provider};

use crate::stage::{PATIENCE, Stage, account, client, draft};
use crate::upstream::Answer;
use crate::{always, good};

const CANARY: &str = "canary-4f1d7c";

fn operator(stage: &Stage) -> Operator {
    Operator::new(stage.shared.clone(), Deployment::default())
}

/// What [`draft`] asks for, with that route.
fn question(route: Option<&str>) -> Question {
    Question { model: draft().model, route: route.map(str::to_owned), ..Question::default() }
}

async fn seen(operator: &Operator, name: &str) -> AccountView {
    operator.account(name).await.unwrap()
}

/// The account as soon as it is so.
async fn until(operator: &Operator, name: &str, is_so: impl Fn(&AccountView) -> bool) -> AccountView {
    let look = async {
        loop {
            let account = seen(operator, name).await;
            if is_so(&account) {
                return account;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, look).await.expect("the account gets there")
}

#[tokio::test]
async fn a_drained_account_gets_no_work_until_it_is_resumed() {
    let up = good().await;
    let stage = Stage::new(vec![account("a", &up.url)]).await;
    let operator = operator(&stage);
    let drained = operator.drain("a").await.unwrap();
    assert_eq!((drained.standing, drained.slots_in_use, drained.slots), ("drained", 0, 1_000));
    let _worker = stage.work();
    let task = stage.accept().await;
    until(&operator, "a", |account| account.waiting == 1).await;
    let explained = operator.explain(&question(None)).await.unwrap();
    assert_eq!((explained.outcome, explained.rejected[0].code), (Outcome::Waits, "drained"));
    assert_eq!(up.calls(), 0);

    assert_eq!(operator.resume("a").await.unwrap().standing, "ready");
    assert_eq!(stage.ended(&task.id).await.state.name(), "succeeded");
    let after = seen(&operator, "a").await;
    assert_eq!((after.waiting, after.slots_in_use), (0, 0));
    assert!(after.time_to_result_ms.contains_key("veo3.1"), "{after:?}");
    let unknown = operator.drain("nobody").await.unwrap_err();
    assert_eq!(unknown.kind, domain::FailureKind::NotFound);
}

#[tokio::test]
async fn an_account_that_is_out_says_why_and_a_resume_ends_that() {
    let refusing = always(|| Answer::json(402, r#"{"error":{"message":"no money"}}"#)).await;
    let stage = Stage::new(vec![account("a", &refusing.url)]).await;
    let operator = operator(&stage);
    let _worker = stage.work();
    stage.accept().await;
    let out = until(&operator, "a", |account| account.standing == "out").await;
    assert_eq!(out.reason, Some("money"));
    assert!(out.until_ms.is_some());
    let explained = operator.explain(&question(None)).await.unwrap();
    assert_eq!((explained.rejected[0].code, explained.rejected[0].until_ms), ("out", out.until_ms));
    let resumed = operator.resume("a").await.unwrap();
    assert_eq!((resumed.standing, resumed.reason), ("ready", None));
}

#[tokio::test]
async fn an_account_that_has_had_its_day_is_known_to_have_no_room() {
    let up = good().await;
    let mut once = account("a", &up.url);
    once.daily.tasks = Some(1);
    let stage = Stage::new(vec![once]).await;
    let operator = operator(&stage);
    assert!(!seen(&operator, "a").await.is_day_full);
    let _worker = stage.work();
    assert_eq!(operator.explain(&question(None)).await.unwrap().outcome, Outcome::Tried);
    let first = stage.accept().await;
    stage.ended(&first.id).await;
    assert!(seen(&operator, "a").await.is_day_full);
    let explained = operator.explain(&question(None)).await.unwrap();
    assert_eq!((explained.outcome, explained.rejected[0].code), (Outcome::Waits, "full"));
}

#[tokio::test]
async fn every_attempt_of_a_task_is_shown_and_its_prompt_is_not() {
    let refusing = always(|| Answer::json(401, r#"{"error":{"message":"bad key"}}"#)).await;
    let up = good().await;
    let stage = Stage::new(vec![account("refusing", &refusing.url), account("a", &up.url)]).await;
    let wish = "a portrait of somebody we know";
    let preference = Preference::parse("priority, account=a|refusing").unwrap();
    let asked = Draft { prompt: wish.into(), preference, ..draft() };
    let made = stage.service.create(&client("owner"), "v2", asked, None).await.unwrap().task;
    let _worker = stage.work();
    stage.ended(&made.id).await;
    let task = operator(&stage).task(made.id.as_str()).await.unwrap().task;
    assert_eq!((task.state, task.preference.as_str()), ("succeeded", "priority, account=a|refusing"));
    assert_eq!(
        (task.owner.as_str(), task.dialect.as_str(), task.spent.as_deref()),
        ("owner", "v2", Some("0"))
    );
    let outcomes: Vec<(u32, &str, &str)> =
        task.attempts.iter().map(|one| (one.number, one.account.as_str(), one.outcome)).collect();
    assert_eq!(outcomes, [(1, "refusing", "rejected"), (2, "a", "accepted")]);
    assert!(task.attempts[0].reason.as_ref().unwrap().contains("bad key"), "{task:?}");
    assert_eq!(task.attempts[1].handle.as_deref(), Some("up-1"));
    let versions: BTreeSet<&str> = task.attempts.iter().map(|one| one.account_version.as_str()).collect();
    assert_eq!(versions.len(), 2, "each has the version of its account: {task:?}");
    assert!(!format!("{task:?}").contains(wish), "{task:?}");
    assert!(
        up.was_sent(wish) && !up.was_sent("a|refusing"),
        "what the client wants of accounts is ours alone"
    );
}

#[tokio::test]
async fn the_account_that_is_explained_first_is_the_one_that_is_asked() {
    for (route, turns) in [("priority", ["a", "a", "a"]), ("round_robin", ["a", "b", "a"])] {
        let (one, other) = (good().await, good().await);
        let stage = Stage::new(vec![account("a", &one.url), account("b", &other.url)]).await;
        let operator = operator(&stage);
        let _worker = stage.work();
        for expected in turns {
            let explained = operator.explain(&question(Some(route))).await.unwrap();
            let first = explained.candidates[0].way.account.to_string();
            assert_eq!(first, expected, "{route}");
            let preference = Preference::parse(route).unwrap();
            let asked = Draft { preference, ..draft() };
            let made = stage.service.create(&client("owner"), "v2", asked, None).await.unwrap().task;
            let ended = stage.ended(&made.id).await;
            assert_eq!(ended.attempts[0].plan.account.as_str(), first, "{route}");
        }
    }
}

/// An account that has the canary in each of its secrets.
fn secretive(provider: &dyn Provider) -> Account {
    Account {
        provider: provider.name().into(),
        credential: Credential::new(CANARY),
        callback_secret: Some(Credential::new(CANARY)),
        ..account(provider.name(), &format!("https://user:{CANARY}@upstream.example/{CANARY}"))
    }
}

#[test]
fn no_secret_of_an_account_is_explained_whichever_provider_it_belongs_to() {
    let catalogue = Catalogue::builtin();
    let served = |model: &str, provider: &'static dyn Provider| {
        let upstream_model = provider.upstream_model(model)?;
        Some(Candidate::new(domain::AccountName::new(provider.name()), upstream_model))
    };
    let routes = catalogue.iter().map(|model| Route {
        model: model.name.clone(),
        policy: Policy::default(),
        candidates: PROVIDERS.iter().filter_map(|provider| served(&model.name, *provider)).collect(),
    });
    let accounts = PROVIDERS.iter().map(|provider| secretive(*provider));
    let setup = Setup::new(catalogue.clone(), Router::new(routes, 50), accounts);
    let mut asked = BTreeSet::new();
    for model in catalogue.iter().filter(|model| setup.router.serves(&model.name)) {
        let images = (0..model.images.min).map(|number| format!("https://client.example/{number}.png"));
        let (scope, images) = (model.scope, images.collect());
        let question = Question { scope, model: Some(model.name.clone()), images, ..Question::default() };
        let Ok(explanation) = explain(&setup, "http://gateway.example", &question) else { continue };
        let text = format!("{explanation:?}");
        assert!(!text.contains(CANARY), "{}: {text}", model.name);
        asked.extend(explanation.candidates.into_iter().map(|candidate| candidate.way.provider));
    }
    let all: BTreeSet<String> = PROVIDERS.iter().map(|provider| provider.name().to_owned()).collect();
    assert_eq!(asked, all, "each provider would be sent something");

    let now = Timestamp::from_millis(0);
    let shows = |provider: &&&dyn Provider| {
        write_call(&provider.authorize(Call::get("/"), &Credential::new(CANARY), now)).contains(CANARY)
    };
    let showing = PROVIDERS.iter().filter(shows).count();
    assert!(showing > PROVIDERS.len() / 2, "what is authorized would show it: {showing}");
}
