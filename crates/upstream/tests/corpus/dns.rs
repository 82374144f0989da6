//! A name server that says what a row wants to hear, and can change its mind between two questions.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};

const A: u16 = 1;
const CNAME: u16 = 5;
const AAAA: u16 = 28;
const HEADER_BYTES: usize = 12;

/// What is said about a name at one time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reply {
    /// What the question leads to first, each the name of the next.
    pub(crate) aliases: Vec<String>,
    /// The addresses at the end; of those, the ones of the kind that was asked for.
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) ttl: u32,
    pub(crate) end: End,
}

/// How an answer ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum End {
    #[default]
    Good,
    /// The server has failed.
    Failed,
    /// There is no such name.
    Unknown,
    /// Nothing is said at all.
    Silent,
    /// The answer is to another question.
    Confused,
    /// It breaks off in the middle.
    Torn,
}

/// The server; names that no row speaks of lead to one public address.
pub(crate) struct Dns {
    scripts: Mutex<HashMap<String, Vec<Reply>>>,
    /// How often each name was asked about, for each kind.
    asked: Mutex<HashMap<(String, u16), usize>>,
    public: Reply,
    pub(crate) address: SocketAddr,
}

impl Dns {
    pub(crate) fn start(public: IpAddr) -> Arc<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let dns = Arc::new(Self {
            scripts: Mutex::default(),
            asked: Mutex::default(),
            public: Reply { addresses: vec![public], ..Reply::default() },
            address: socket.local_addr().unwrap(),
        });
        let serving = Arc::clone(&dns);
        std::thread::spawn(move || {
            let mut question = [0; 1500];
            loop {
                let (bytes, from) = socket.recv_from(&mut question).unwrap();
                if let Some(answer) = serving.answer(&question[..bytes]) {
                    socket.send_to(&answer, from).unwrap();
                }
            }
        });
        dns
    }

    /// What is said of `name` from now on: at the first question of each kind the first reply, and so on; the last one
    /// stays.
    pub(crate) fn script(&self, name: &str, replies: Vec<Reply>) {
        self.scripts.lock().unwrap().insert(name.to_owned(), replies);
    }

    /// Counts the questions for `name` anew.
    pub(crate) fn forget(&self, name: &str) {
        self.asked.lock().unwrap().retain(|(asked, _kind), _times| asked != name);
    }

    fn answer(&self, query: &[u8]) -> Option<Vec<u8>> {
        let (name, kind, end) = question(query)?;
        let times = {
            let mut asked = self.asked.lock().unwrap();
            let times = asked.entry((name.clone(), kind)).or_default();
            *times += 1;
            *times - 1
        };
        let scripts = self.scripts.lock().unwrap();
        let script = scripts.get(&name);
        let reply = script.and_then(|replies| replies.get(times).or(replies.last())).unwrap_or(&self.public);
        write(query, end, (kind, reply))
    }
}

/// Name and kind that are asked for, and where the question ends.
fn question(query: &[u8]) -> Option<(String, u16, usize)> {
    let mut labels = Vec::new();
    let mut at = HEADER_BYTES;
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(query.get(at..at + length)?).to_ascii_lowercase());
        at += length;
    }
    let kind = u16::from_be_bytes([*query.get(at)?, *query.get(at + 1)?]);
    Some((labels.join("."), kind, at + 4))
}

fn write(query: &[u8], question_end: usize, (kind, reply): (u16, &Reply)) -> Option<Vec<u8>> {
    let code: u8 = match reply.end {
        End::Silent => return None,
        End::Failed => 2,
        End::Unknown => 3,
        End::Good | End::Confused | End::Torn => 0,
    };
    let mut records = Vec::new();
    let mut count: u16 = 0;
    // The name of the question stands at a known place.
    let mut owner = vec![0xc0, HEADER_BYTES as u8];
    for alias in &reply.aliases {
        record(&mut records, (&owner, CNAME, reply.ttl), &encode(alias));
        owner = encode(alias);
        count += 1;
    }
    for address in &reply.addresses {
        match address {
            IpAddr::V4(v4) if kind == A => record(&mut records, (&owner, A, reply.ttl), &v4.octets()),
            IpAddr::V6(v6) if kind == AAAA => record(&mut records, (&owner, AAAA, reply.ttl), &v6.octets()),
            _ => continue,
        }
        count += 1;
    }
    let mut answer = query[..2].to_vec();
    if reply.end == End::Confused {
        answer[0] ^= 0xff;
    }
    answer.extend([0x81, 0x80 | code, 0, 1]);
    answer.extend(count.to_be_bytes());
    answer.extend([0, 0, 0, 0]);
    answer.extend(&query[HEADER_BYTES..question_end]);
    answer.extend(records);
    if reply.end == End::Torn {
        answer.truncate(answer.len() - 3);
    }
    Some(answer)
}

fn record(records: &mut Vec<u8>, (owner, kind, ttl): (&[u8], u16, u32), data: &[u8]) {
    records.extend(owner);
    records.extend(kind.to_be_bytes());
    records.extend([0, 1]);
    records.extend(ttl.to_be_bytes());
    records.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
    records.extend(data);
}

fn encode(name: &str) -> Vec<u8> {
    let labels = name.split('.').flat_map(|label| {
        let length = u8::try_from(label.len()).unwrap();
        std::iter::once(length).chain(label.bytes())
    });
    labels.chain([0]).collect()
}
