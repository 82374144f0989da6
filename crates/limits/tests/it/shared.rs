//! The shared back end passes the suite, by the clock of a real server.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use limits::conformance::Harness;
use limits::{Limiter, OnOutage, SettingsError, SharedLimiter};

use crate::server::{Server, local};

/// Moves everything that is stored back by some milliseconds: to the scripts that is as if the clock had moved on.
const PASS: &str = r"
    local passed = tonumber(ARGV[1])
    for _, key in ipairs(redis.call('KEYS', '*')) do
        local left = redis.call('PTTL', key)
        if left <= passed then
            redis.call('DEL', key)
        elseif redis.call('TYPE', key).ok == 'string' then
            local moment = tonumber(redis.call('GET', key)) - passed * 1000
            redis.call('SET', key, string.format('%.0f', moment), 'PX', left - passed)
        else
            for _, member in ipairs(redis.call('ZRANGE', key, 0, -1)) do
                redis.call('ZINCRBY', key, -passed, member)
            end
            redis.call('PEXPIRE', key, left - passed)
        end
    end";

struct Shared {
    server: Server,
    limiter: Arc<SharedLimiter>,
    start: Instant,
    passed: Mutex<Duration>,
}

#[async_trait]
impl Harness for Shared {
    async fn open() -> Self {
        let server = Server::start();
        let limiter = Arc::new(server.limiter(1).await);
        Self { server, limiter, start: Instant::now(), passed: Mutex::default() }
    }

    fn limiter(&self) -> Arc<dyn Limiter> {
        Arc::<SharedLimiter>::clone(&self.limiter)
    }

    async fn pass(&self, time: Duration) {
        // Rounded up, because stored times are moved by whole milliseconds.
        let millis = u64::try_from(time.as_micros().div_ceil(1_000)).expect("a short time");
        *self.passed.lock().expect("one at a time") += Duration::from_millis(millis);
        redis::Script::new(PASS)
            .arg(millis)
            .invoke::<()>(&mut self.server.connection())
            .expect("the stored times move");
    }

    fn now(&self) -> Duration {
        self.start.elapsed() + *self.passed.lock().expect("one at a time")
    }
}

limits::stamp_conformance!(Shared);

#[tokio::test]
async fn settings_that_cannot_work_are_refused() {
    let server = Server::start();
    for key_prefix in ["", "a{b", "}"] {
        let settings =
            limits::SharedSettings { key_prefix: key_prefix.into(), ..server.settings(OnOutage::Deny) };
        assert!(matches!(SharedLimiter::start(settings).await, Err(SettingsError::KeyPrefix(_))));
    }
    let settings = limits::SharedSettings { url: "http://x".into(), ..server.settings(local(1)) };
    assert!(matches!(SharedLimiter::start(settings).await, Err(SettingsError::Url(_))));
}
