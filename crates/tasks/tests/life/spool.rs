//! What an upstream said once and says to nobody again outlives a disk or a store that is away for a while. That the
//! upstream's id survives a crash of the process meanwhile is told in the stories with the real binary.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::{Account, Draft, Scope, TaskState};

use crate::stage::{IMAGE_MODEL, PATIENCE, Stage, account, client};
use crate::upstream::{Answer, Upstream};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and so on";
const SUBMIT: &str = "POST /v1/images/generations";

#[tokio::test]
async fn a_disk_that_is_full_for_a_while_costs_no_result_that_came_in_an_answer() {
    let body = format!(r#"{{"data":[{{"b64_json":"{}"}}]}}"#, STANDARD.encode(PNG));
    let up = Upstream::start(move |_call, _seen| Answer::json(200, &body)).await;
    let account = Account { provider: "openai".into(), ..account("a", &up.url) };
    let stage = Stage::with(vec![account], |settings| settings.collect_hold = PATIENCE).await;
    // As good as a full disk: no file can be made where files of media go.
    std::fs::write(stage.assets(), b"in the way").unwrap();
    let _worker = stage.work();
    let draft = Draft {
        scope: Some(Scope::Images),
        model: Some(IMAGE_MODEL.into()),
        prompt: "a cat".into(),
        ..Draft::default()
    };
    let task = stage.service.create(&client("owner"), "v2", draft, None).await.unwrap().task;
    let answered = async {
        while stage.counted("filmgate_result_copies_total", "failed") < 3.0 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, answered).await.expect("it is tried again");
    assert_eq!(stage.until(&task.id, |_| true).await.state.name(), "submitting", "nobody else has it");
    std::fs::remove_file(stage.assets()).unwrap();
    let ended = stage.ended(&task.id).await;
    assert!(matches!(&ended.state, TaskState::Succeeded { outputs, .. } if outputs.len() == 1), "{ended:?}");
    assert_eq!(up.seen(SUBMIT), 1);
}
