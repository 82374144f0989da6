//! For tests: what statements read beside 200,000 tasks that have ended.

use tokio_postgres::NoTls;

use super::{PostgresSettings, accept, claims, migrations, tasks};
use crate::postgres_server::{Listen, PostgresServer};

const ENDED: u32 = 200_000;
/// Pages of 8 KiB that a statement may touch; the table of tasks alone has thousands.
const PAGES_MAX: u64 = 200;

const FILL: &str = "INSERT INTO owners VALUES ('ann', 20, 0);
    INSERT INTO tasks (id, owner, dialect, scope, model, state, created_at, deadline_at, ended_at, version, due_at,
                       lease_epoch, state_data, request)
    SELECT 'task-' || n, 'ann', 'v2', 'videos', 'm', CASE WHEN n % 10000 = 0 THEN 'queued' ELSE 'succeeded' END, n, n,
           CASE WHEN n % 10000 = 0 THEN NULL ELSE n END, 0, CASE WHEN n % 10000 = 0 THEN n END, 0, '{}', repeat('x', 300)
    FROM generate_series(1, 200000) AS n;
    INSERT INTO attempts SELECT 'task-' || n, 1, 'main', '', 'v2', 'm', n, '{}', n % 10000 = 0, 'h' || n
    FROM generate_series(1, 200000) AS n;
    ANALYZE";

#[tokio::test]
async fn ended_tasks_cost_live_ones_nothing() {
    let server = PostgresServer::start(Listen::Socket, &[]);
    let settings = PostgresSettings::new(domain::Credential::new(server.url()));
    migrations::run(&settings).await.unwrap();
    let (client, connection) = tokio_postgres::connect(&server.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    assert!(FILL.contains(&ENDED.to_string()));
    client.batch_execute(FILL).await.unwrap();
    let statements = [
        (claims::DUE, "16, ARRAY['']"),
        (claims::TAKE, "ARRAY['task-10000', 'task-20000'], 'me', 1000"),
        (claims::NEXT_DUE, "ARRAY['']"),
        (claims::CRASHING, "3, 10"),
        (tasks::LIVE_TASKS, ""),
        (tasks::LIVE_HOLDINGS, ""),
        (tasks::LOAD, "'task-77'"),
        (accept::READ_IDS, "ARRAY['a', 'b', 'task-5']"),
        (accept::LOCK_OWNERS, "ARRAY['ann', 'bob']"),
        (super::wishes::NEWEST, "'ann', NULL, NULL, NULL, 20"),
    ];
    for mode in ["force_custom_plan", "force_generic_plan"] {
        for (sql, values) in statements {
            let sql = settings.clock.fill(sql);
            let work =
                format!("BEGIN; SET LOCAL plan_cache_mode = {mode}; DEALLOCATE ALL; PREPARE it AS {sql}");
            client.batch_execute(&work).await.unwrap();
            let execute = if values.is_empty() { "it".to_owned() } else { format!("it ({values})") };
            let explain = format!("EXPLAIN (ANALYZE, BUFFERS) EXECUTE {execute}");
            let plan: Vec<String> =
                client.query(&explain, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
            let (pages, plan) = (pages(&plan), plan.join("\n"));
            assert!(
                !plan.contains("Seq Scan on tasks") && !plan.contains("Seq Scan on attempts"),
                "{sql}\n{plan}"
            );
            assert!(pages <= PAGES_MAX, "{pages} pages, {mode}: {sql}\n{plan}");
            client.batch_execute("ROLLBACK").await.unwrap();
        }
    }
}

/// All that the statement has touched: the first line on buffers is that of the whole.
fn pages(plan: &[String]) -> u64 {
    let line = plan.iter().find(|line| line.contains("Buffers:")).unwrap();
    let counts = line.split_whitespace().filter_map(|word| {
        word.strip_prefix("hit=").or(word.strip_prefix("read=")).and_then(|count| count.parse::<u64>().ok())
    });
    counts.sum()
}
