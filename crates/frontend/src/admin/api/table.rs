//! All that can be asked of the operator's API. A path is only reached by way of its line here, and each line has the scope
//! that it needs.

use domain::AdminScope as Scope;
use serde_json::Value;
use tasks::{
    DeliveryQuery, KeyWish, LedgerQuery, LimitQuery, NewToken, PageQuery, Question, Settle, TaskQuery,
    TotalsQuery, WorkQuery,
};

use super::document;
use super::route::{Asked, Nothing, Route, get, post};

/// The table.
pub(super) fn routes() -> Vec<Route> {
    [own(), tasks(), deliveries(), accounts(), keys(), ledger(), config()].into_iter().flatten().collect()
}

fn own() -> Vec<Route> {
    vec![
        get("/admin/self", Scope::Own, "who_am_i", "Who one is, and what one may do.")
            .by(|a: Asked| async move { Ok(a.grant.view()) }),
        post(
            "/admin/tokens",
            Scope::Own,
            "derive_token",
            "Derives a token that may do no more than one's own credential, and ends with it.",
        )
        .names("/name")
        .by(|a: Asked<Nothing, NewToken>| async move { Ok(a.operator.derive_token(&a.grant, &a.body)?) }),
        get("/admin/openapi.json", Scope::Own, "describe", "This description.")
            .by(|_: Asked| async move { Ok::<Value, _>(document()) }),
    ]
}

fn tasks() -> Vec<Route> {
    vec![
        get("/admin/tasks", Scope::TasksRead, "search_tasks", "Tasks that fit, newest first. One answer looks at a bounded number of tasks: where few fit it may have none and still say where to go on.")
            .by(|a: Asked<TaskQuery>| async move { Ok(a.operator.tasks(&a.query).await?) }),
        get("/admin/tasks/{id}", Scope::TasksRead, "read_task", "A task with its attempts, its message and its rows of the ledger. Never its prompt or its inputs.")
            .by(|a: Asked| async move { Ok(a.operator.task(a.params.one()).await?) }),
        post("/admin/tasks/{id}/cancel", Scope::TasksWrite, "cancel_task", "Asks for a live task to stop, as its owner might.")
            .by(|a: Asked| async move { Ok(a.operator.cancel(a.params.one()).await?) }),
        post("/admin/tasks/{id}/due", Scope::TasksWrite, "make_task_due", "Has somebody look at a live task at once, unless somebody does already.")
            .by(|a: Asked| async move { Ok(a.operator.make_due(a.params.one()).await?) }),
        post("/admin/tasks/{id}/release", Scope::TasksWrite, "release_task", "Forgets the crashes of a task, so that it leaves quarantine and goes on.")
            .by(|a: Asked| async move { Ok(a.operator.release(a.params.one()).await?) }),
        get("/admin/quarantine", Scope::TasksRead, "list_quarantined", "Tasks that are left alone because they crash whoever works on them, the worst first.")
            .by(|a: Asked<PageQuery>| async move { Ok(a.operator.quarantined(&a.query).await?) }),
        get("/admin/late", Scope::TasksRead, "list_late_results", "Results that came after the end of their tasks, latest first.")
            .by(|a: Asked<PageQuery>| async move { Ok(a.operator.late_results(&a.query).await?) }),
    ]
}

fn deliveries() -> Vec<Route> {
    vec![
        get("/admin/deliveries", Scope::DeliveriesRead, "list_deliveries", "Messages to clients' own servers, newest first; those that were given up, unless another state is asked for.")
            .by(|a: Asked<DeliveryQuery>| async move { Ok(a.operator.deliveries(&a.query).await?) }),
        get("/admin/deliveries/{id}", Scope::DeliveriesRead, "read_delivery", "A message without its body.")
            .by(|a: Asked| async move { Ok(a.operator.delivery(a.params.one()).await?) }),
        post("/admin/deliveries/replay", Scope::DeliveriesWrite, "replay_deliveries", "Sends all messages again that were given up.")
            .by(|a: Asked| async move { Ok(a.operator.replay(None).await?) }),
        post("/admin/deliveries/{id}/replay", Scope::DeliveriesWrite, "replay_delivery", "Sends a message again that was given up.")
            .by(|a: Asked| async move { Ok(a.operator.replay(Some(a.params.one())).await?) }),
    ]
}

fn accounts() -> Vec<Route> {
    vec![
        get("/admin/accounts", Scope::AccountsRead, "list_accounts", "Accounts and how they do, by name.")
            .by(|a: Asked<PageQuery>| async move { Ok(a.operator.accounts(&a.query).await?) }),
        get("/admin/accounts/{name}", Scope::AccountsRead, "read_account", "An account and how it does.")
            .by(|a: Asked| async move { Ok(a.operator.account(a.params.one()).await?) }),
        post("/admin/accounts/{name}/drain", Scope::AccountsWrite, "drain_account", "Gives the account no new work, in every gateway on the same store; what it works on goes on.")
            .by(|a: Asked| async move { Ok(a.operator.drain(a.params.one()).await?) }),
        post("/admin/accounts/{name}/resume", Scope::AccountsWrite, "resume_account", "Gives the account work again, whether it was drained, out, ejected or paused.")
            .by(|a: Asked| async move { Ok(a.operator.resume(a.params.one()).await?) }),
        post("/admin/accounts/{name}/reset", Scope::AccountsWrite, "reset_account", "Forgets what this gateway has heard of the account, so that it is tried again; a drained one stays drained.")
            .by(|a: Asked| async move { Ok(a.operator.reset(a.params.one()).await?) }),
        get("/admin/limits", Scope::LimitsRead, "list_limits", "What is used of what: slots, days and budgets of clients, accounts and providers.")
            .by(|a: Asked<LimitQuery>| async move { Ok(a.operator.limits(&a.query).await?) }),
    ]
}

fn keys() -> Vec<Route> {
    vec![
        get(
            "/admin/keys",
            Scope::KeysRead,
            "list_keys",
            "Client keys, without the keys, and what is used of what they may use.",
        )
        .by(|a: Asked<PageQuery>| async move { Ok(a.operator.keys(&a.query).await?) }),
        get("/admin/keys/{id}", Scope::KeysRead, "read_key", "A client key, without the key.")
            .by(|a: Asked| async move { Ok(a.operator.key(a.params.one()).await?) }),
        post("/admin/keys", Scope::KeysWrite, "create_key", "Makes a client key; it is shown this once.")
            .names("/id")
            .by(|a: Asked<Nothing, KeyWish>| async move { Ok(a.operator.create_key(a.body).await?) }),
        post(
            "/admin/keys/{id}/revoke",
            Scope::KeysWrite,
            "revoke_key",
            "Ends a client key, at once and for good.",
        )
        .by(|a: Asked| async move { Ok(a.operator.revoke_key(a.params.one()).await?) }),
    ]
}

fn ledger() -> Vec<Route> {
    vec![
        get("/admin/ledger", Scope::LedgerRead, "list_ledger", "Rows of the ledger, oldest first.")
            .by(|a: Asked<LedgerQuery>| async move { Ok(a.operator.ledger(&a.query).await?) }),
        get("/admin/ledger/totals", Scope::LedgerRead, "sum_ledger", "Sums of the ledger by client key, account, model or day.")
            .by(|a: Asked<TotalsQuery>| async move { Ok(a.operator.ledger_totals(&a.query).await?) }),
        get("/admin/ledger/work", Scope::LedgerRead, "find_work", "What the ledger knows of a provider's own id of a task, as it stands on a bill.")
            .by(|a: Asked<WorkQuery>| async move { Ok(a.operator.work(&a.query).await?) }),
        get("/admin/ledger/held", Scope::LedgerRead, "list_held_money", "Money that is still set aside for tasks that have ended, oldest first: nobody knows whether their upstreams charge.")
            .by(|a: Asked<PageQuery>| async move { Ok(a.operator.held_money(&a.query).await?) }),
        post("/admin/ledger/held/{task}/settle", Scope::LedgerWrite, "settle_held_money", "Decides about what is set aside for a task that has ended.")
            .by(|a: Asked<Nothing, Settle>| async move { Ok(a.operator.settle(a.params.one(), a.body).await?) }),
    ]
}

fn config() -> Vec<Route> {
    vec![
        get("/admin/status", Scope::ConfigRead, "read_status", "The gateway at a glance: version, store, readiness, what waits and what lives.")
            .by(|a: Asked| async move { Ok(a.operator.status().await?) }),
        post("/admin/explain", Scope::ConfigRead, "explain", "What would become of a request now: who would be asked for what, and why the others would not be. Nothing is sent.")
            .by(|a: Asked<Nothing, Question>| async move { Ok(a.operator.explain(&a.body).await?) }),
        post("/admin/reload", Scope::ConfigWrite, "reload", "Reads the config again and applies what may change while the gateway runs; what cannot be used changes nothing.")
            .by(|a: Asked| async move { Ok(a.operator.reload().await?) }),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use http::Method;

    use super::*;

    #[test]
    fn every_line_has_a_name_of_its_own_and_a_scope_that_fits_its_method() {
        let routes = routes();
        let names: HashSet<&str> = routes.iter().map(|route| route.name).collect();
        let calls: HashSet<(&Method, &str)> =
            routes.iter().map(|route| (&route.method, route.path)).collect();
        assert_eq!((names.len(), calls.len()), (routes.len(), routes.len()));
        for route in &routes {
            assert!(
                route.path.starts_with(super::super::PREFIX) && route.about.ends_with('.'),
                "{}",
                route.path
            );
            let is_write = !route.scope.is_read() && route.scope != Scope::Own;
            assert!(
                !is_write || route.method == Method::POST,
                "{}: what changes something is no GET",
                route.path
            );
        }
        // The only thing that is asked by POST and changes nothing has a body.
        let asked: Vec<&str> = routes
            .iter()
            .filter(|route| route.method == Method::POST && !route.changes_something())
            .map(|route| route.name)
            .collect();
        assert_eq!(asked, ["explain"]);
    }

    #[test]
    fn every_scope_is_good_for_something() {
        let routes = routes();
        for scope in Scope::ALL {
            assert!(routes.iter().any(|route| route.scope == scope), "{}", scope.as_str());
        }
    }
}
