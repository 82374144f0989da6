//! What a Service of Kubernetes does: connections go in turn to those replicas whose readiness was last seen to be good.
//! Whoever is no longer ready gets no new ones; those that it has are its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::StatusCode;
use tokio::net::{TcpListener, TcpStream};

use crate::Client;
use crate::client::filled;

/// Between two looks at a replica.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Who does not answer within that is not ready.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// A running balancer.
pub struct Balancer {
    address: SocketAddr,
    replicas: Arc<Mutex<Vec<Replica>>>,
}

struct Replica {
    address: SocketAddr,
    /// Where its operators reach it.
    operator: Client,
    /// How often it was started before.
    life: usize,
    is_ready: bool,
}

impl Balancer {
    /// One with nobody behind it, until the story ends.
    ///
    /// # Panics
    /// If there is no port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("a bound port");
        let replicas = Arc::new(Mutex::new(Vec::new()));
        let behind = Arc::clone(&replicas);
        let turn = AtomicUsize::new(0);
        tokio::spawn(async move {
            while let Ok((client, _peer)) = listener.accept().await {
                let turn = turn.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(pass_on(client, Arc::clone(&behind), turn));
            }
        });
        Self { address, replicas }
    }

    /// Where clients reach the replicas.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Puts a gateway behind it that is reached there; it gets connections when it is ready. Once more when it was started
    /// again, with another address for operators.
    ///
    /// # Panics
    /// If the URL is not that of a gateway of stories.
    pub fn add(&self, url: &str, operator: &Client) {
        let address: SocketAddr = url.trim_start_matches("http://").parse().expect("an address");
        let mut replicas = lock(&self.replicas);
        let known = replicas.iter_mut().find(|replica| replica.address == address);
        let life = match known {
            Some(replica) => {
                *replica = Replica {
                    operator: operator.clone(),
                    life: replica.life + 1,
                    is_ready: false,
                    ..*replica
                };
                replica.life
            }
            None => {
                replicas.push(Replica { address, operator: operator.clone(), life: 0, is_ready: false });
                0
            }
        };
        drop(replicas);
        tokio::spawn(look(Arc::clone(&self.replicas), address, life));
    }

    /// How many get connections now.
    pub fn ready(&self) -> usize {
        lock(&self.replicas).iter().filter(|replica| replica.is_ready).count()
    }
}

fn lock(replicas: &Mutex<Vec<Replica>>) -> std::sync::MutexGuard<'_, Vec<Replica>> {
    replicas.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Looks at a replica again and again, for as long as it has that life.
async fn look(replicas: Arc<Mutex<Vec<Replica>>>, address: SocketAddr, life: usize) {
    let is_it = |replica: &&mut Replica| replica.address == address && replica.life == life;
    loop {
        let operator = lock(&replicas).iter_mut().find(is_it).map(|replica| replica.operator.clone());
        let Some(operator) = operator else { return };
        let request = filled(operator.request(http::Method::GET, "/readyz"), "");
        let answer = tokio::time::timeout(ANSWER_WITHIN, operator.try_call(request)).await;
        let is_ready = answer.is_ok_and(|reply| reply.is_ok_and(|reply| reply.status == StatusCode::OK));
        if let Some(replica) = lock(&replicas).iter_mut().find(is_it) {
            replica.is_ready = is_ready;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Passes bytes on until one side ends. A connection that cannot be made is made to the next one.
async fn pass_on(mut client: TcpStream, replicas: Arc<Mutex<Vec<Replica>>>, turn: usize) {
    let ready: Vec<SocketAddr> =
        lock(&replicas).iter().filter(|replica| replica.is_ready).map(|replica| replica.address).collect();
    for number in 0..ready.len() {
        let address = ready[(turn + number) % ready.len()];
        if let Ok(mut replica) = TcpStream::connect(address).await {
            let _one_side_was_cut = tokio::io::copy_bidirectional(&mut client, &mut replica).await;
            return;
        }
    }
}
