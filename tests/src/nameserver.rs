//! A name server for which every name leads to 127.0.0.1: how an attacker's domain points inside.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::UdpSocket;

/// Bytes of a question's head; then comes the name, as labels.
const HEAD_BYTES: usize = 12;
/// Type and class behind the name.
const TAIL_BYTES: usize = 4;
/// The type of a question for an IPv4 address.
const A: [u8; 2] = [0, 1];
/// The answer's owner (the name at the 12th byte), type, class, seconds that it may be kept, length, address.
const ANSWER: [u8; 16] = [0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, 1];
/// What an answer's head says: a response, recursion available, no error.
const FLAGS: [u8; 2] = [0x81, 0x80];

/// Starts one that answers until the story ends; where it is asked.
///
/// # Panics
/// If there is no port.
pub async fn start() -> SocketAddr {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let address = socket.local_addr().expect("a bound port");
    tokio::spawn(async move {
        let mut buffer = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            if let Some(answer) = answer(&buffer[..length]) {
                let _nobody_waits = socket.send_to(&answer, from).await;
            }
        }
    });
    address
}

/// The answer to a message with one question; it repeats the question, and leaves extensions out.
fn answer(asked: &[u8]) -> Option<Vec<u8>> {
    let name = asked.get(HEAD_BYTES..)?.iter().position(|byte| *byte == 0)?;
    let end = HEAD_BYTES + name + 1 + TAIL_BYTES;
    let question = asked.get(HEAD_BYTES..end)?;
    let is_a = question[name + 1..name + 3] == A;
    let mut answer = Vec::with_capacity(end + ANSWER.len());
    answer.extend_from_slice(&asked[..2]);
    answer.extend_from_slice(&FLAGS);
    answer.extend_from_slice(&[0, 1, 0, u8::from(is_a), 0, 0, 0, 0]);
    answer.extend_from_slice(question);
    if is_a {
        answer.extend_from_slice(&ANSWER);
    }
    Some(answer)
}
