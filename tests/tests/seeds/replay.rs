//! Sends the steps of a folder, one after the other.

use tests::client::filled;
use tests::media::{PIXEL_BASE64, probe};
use tests::{Client, Gateway, Reply, eventually};

use crate::pattern::Told;
use crate::step::{Expected, Step};

/// Sends steps to a gateway.
///
/// # Panics
/// If a reply is not as it is written.
pub(crate) async fn replay(gateway: &Gateway, steps: &[Step]) {
    let names = [("key", gateway.key()), ("image", PIXEL_BASE64)];
    let names = names.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let client = gateway.client().without_key();
    let mut told = Told { names, clips: Vec::new() };
    for step in steps {
        told = send(&client, step, told).await;
    }
}

/// Repeats a step until its last reply comes; what has been told then.
async fn send(client: &Client, step: &Step, told: Told) -> Told {
    let (last, before) = step.replies.split_last().unwrap();
    let what = step.file.display();
    let told = eventually(&what.to_string(), async || {
        let reply = once(client, step, &told).await;
        let difference = match read(last, &reply, &told) {
            Ok(told) => return Some(told),
            Err(difference) => difference,
        };
        let is_before = before.iter().any(|expected| read(expected, &reply, &told).is_ok());
        assert!(is_before, "{what}: {difference}, in {reply:?}");
        None
    })
    .await;
    for clip in &told.clips {
        let media = client.get(clip).await;
        assert_eq!(probe(&media.body).codec, "h264", "{what}: {clip}");
    }
    Told { clips: Vec::new(), ..told }
}

async fn once(client: &Client, step: &Step, told: &Told) -> Reply {
    let mut request = client.request(step.method.clone(), &told.fill(&step.target));
    for (name, value) in &step.headers {
        request = request.header(name, told.fill(value));
    }
    client.call(filled(request, told.fill(&step.body))).await
}

/// What has been told after `reply`, or how it differs from what is written.
fn read(expected: &Expected, reply: &Reply, told: &Told) -> Result<Told, String> {
    if reply.status != expected.status {
        return Err(format!("{} found, written is {}", reply.status, expected.status));
    }
    if let Some((name, value)) = expected.headers.iter().find(|(name, value)| reply.header(name) != value) {
        return Err(format!("{name}: {:?} found, written is {value:?}", reply.header(name)));
    }
    let mut told = told.clone();
    told.read(&expected.body, &reply.json())?;
    Ok(told)
}
