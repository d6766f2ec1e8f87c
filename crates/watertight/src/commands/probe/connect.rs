//! One attempt on one target, and all targets at once.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpStream, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::timeout;
use watertight_cluster::verify::wire::{GREETING, How, Outcome, Sample, Target};

use crate::args::Pace;
use crate::exit::Exit;

use super::{print_line, sctp};

/// A datagram is sent again after this time.
const AGAIN: Duration = Duration::from_millis(300);
/// The longest greeting.
const MOST: usize = 512;

pub(super) async fn run(targets: &[Target], pace: Pace) -> anyhow::Result<Exit> {
    let clock = Instant::now();
    let mut running = JoinSet::new();
    for target in targets {
        running.spawn(attempt(*target, pace.timeout, clock));
    }
    while let Some(done) = running.join_next().await {
        print_line(&serde_json::to_string(&done?)?)?;
    }
    Ok(Exit::Clean)
}

/// What was seen, and by whom or why.
struct Seen {
    outcome: Outcome,
    by: Option<String>,
    detail: Option<String>,
}

impl Seen {
    fn new(outcome: Outcome) -> Self {
        Self {
            outcome,
            by: None,
            detail: None,
        }
    }

    fn by(by: Option<String>) -> Self {
        Self {
            by,
            ..Self::new(Outcome::Open)
        }
    }

    fn why(outcome: Outcome, detail: impl ToString) -> Self {
        Self {
            detail: Some(detail.to_string()),
            ..Self::new(outcome)
        }
    }
}

/// Tries a target once.
pub(super) async fn attempt(target: Target, limit: Duration, clock: Instant) -> Sample {
    let began = Instant::now();
    let seen = match has_route(&target.address).await {
        Err(error) => Seen::why(Outcome::Error, format!("no way there: {error}")),
        Ok(()) => match target.how {
            How::Tcp | How::Connect => tcp(target, limit).await,
            How::Sctp => stream(sctp::connect(target.address), limit, true).await,
            How::Udp => udp(&target.address, limit).await,
            How::Dns => dns(&target.address, limit).await,
        },
    };
    Sample {
        target: target.to_string(),
        at: milliseconds(began.duration_since(clock)),
        took: milliseconds(began.elapsed()),
        outcome: seen.outcome,
        by: seen.by,
        detail: seen.detail,
    }
}

/// To a tenth.
fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 10_000.0).round() / 10.0
}

/// Any address of the same family.
fn any_of(address: &SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    }
}

/// Whether the own kernel knows a way; no packet is sent. Afterwards, an error is somebody else's.
async fn has_route(address: &SocketAddr) -> io::Result<()> {
    let socket = UdpSocket::bind(any_of(address)).await?;
    socket.connect(address).await
}

async fn tcp(target: Target, limit: Duration) -> Seen {
    let connect = TcpStream::connect(target.address);
    stream(connect, limit, target.how == How::Tcp).await
}

/// Connects, and reads the greeting if there is one to read.
async fn stream(
    connect: impl Future<Output = io::Result<TcpStream>>,
    limit: Duration,
    is_greeted: bool,
) -> Seen {
    let until = Instant::now() + limit;
    let mut stream = match timeout(limit, connect).await {
        Err(_) => return Seen::new(Outcome::Timeout),
        Ok(Err(error)) => return failed(&error),
        Ok(Ok(stream)) => stream,
    };
    if !is_greeted {
        return Seen::by(None);
    }
    let rest = until.saturating_duration_since(Instant::now());
    let mut text = Vec::new();
    let greeting = async {
        let mut part = [0_u8; 64];
        while text.len() < MOST && !text.contains(&b'\n') {
            match stream.read(&mut part).await {
                Ok(0) | Err(_) => break,
                Ok(count) => text.extend(part.iter().take(count)),
            }
        }
    };
    let _ = timeout(rest.max(AGAIN), greeting).await;
    Seen::by(name_in(&text, None))
}

async fn udp(address: &SocketAddr, limit: Duration) -> Seen {
    let nonce = nonce();
    let question = format!("{GREETING} {nonce}\n");
    let answered = |answer: &[u8]| name_in(answer, Some(&nonce));
    ask(address, limit, question.as_bytes(), &|answer| {
        answered(answer).map(|name| Seen::by(Some(name)))
    })
    .await
}

async fn dns(address: &SocketAddr, limit: Duration) -> Seen {
    let id = nonce().bytes().fold(0_u16, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(u16::from(byte))
    });
    let mut question = id.to_be_bytes().to_vec();
    // A standard question with recursion, one name: `kubernetes.default.svc.cluster.local`, type A.
    question.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in ["kubernetes", "default", "svc", "cluster", "local"] {
        question.extend(u8::try_from(label.len()));
        question.extend(label.as_bytes());
    }
    question.extend([0, 0, 1, 0, 1]);
    let is_answer = |answer: &[u8]| {
        answer.starts_with(&id.to_be_bytes())
            && answer.get(2).is_some_and(|flags| flags & 0x80 != 0)
    };
    ask(address, limit, &question, &|answer| {
        // Whatever it says, somebody is there who speaks DNS.
        is_answer(answer).then(|| Seen::by(None))
    })
    .await
}

/// Sends a datagram until there is an answer, an error or no more time.
async fn ask(
    address: &SocketAddr,
    limit: Duration,
    question: &[u8],
    read: &(dyn Fn(&[u8]) -> Option<Seen> + Send + Sync),
) -> Seen {
    let socket = match UdpSocket::bind(any_of(address)).await {
        Ok(socket) => socket,
        Err(error) => return Seen::why(Outcome::Error, error),
    };
    if let Err(error) = socket.connect(address).await {
        return failed(&error);
    }
    let exchange = async {
        let mut answer = [0_u8; 2048];
        loop {
            if let Err(error) = socket.send(question).await {
                return failed(&error);
            }
            let again = Instant::now() + AGAIN;
            loop {
                let rest = again.saturating_duration_since(Instant::now());
                match timeout(rest, socket.recv(&mut answer)).await {
                    Err(_) => break,
                    Ok(Err(error)) => return failed(&error),
                    Ok(Ok(count)) => {
                        if let Some(seen) = answer.get(..count).and_then(read) {
                            return seen;
                        }
                    }
                }
            }
        }
    };
    timeout(limit, exchange)
        .await
        .unwrap_or_else(|_| Seen::new(Outcome::Timeout))
}

/// What an error of the kernel means, once it has said that it knows a way.
fn failed(error: &io::Error) -> Seen {
    use io::ErrorKind;
    let outcome = match error.kind() {
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset => Outcome::Refused,
        // ICMP: net, host or port prohibited or unreachable; or a filter of the own node.
        ErrorKind::HostUnreachable
        | ErrorKind::NetworkUnreachable
        | ErrorKind::PermissionDenied => Outcome::Rejected,
        ErrorKind::TimedOut => Outcome::Timeout,
        _ => Outcome::Error,
    };
    Seen::why(outcome, error)
}

/// The name in `watertight [NONCE] NAME`.
fn name_in(text: &[u8], nonce: Option<&str>) -> Option<String> {
    let text = std::str::from_utf8(text).ok()?;
    let mut words = text.lines().next()?.split(' ');
    let is_ours =
        words.next() == Some(GREETING) && nonce.is_none_or(|nonce| words.next() == Some(nonce));
    let name = words.next().filter(|name| !name.is_empty())?;
    is_ours.then(|| name.to_owned())
}

/// A word that nobody else sends.
fn nonce() -> String {
    use std::hash::{BuildHasher as _, Hasher as _, RandomState};
    // Every state has keys of its own.
    format!("{:016x}", RandomState::new().build_hasher().finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_counts_only_with_the_word_and_the_nonce() {
        assert_eq!(
            name_in(b"watertight heron\n", None).as_deref(),
            Some("heron")
        );
        assert_eq!(
            name_in(b"watertight 00ff heron\n", Some("00ff")).as_deref(),
            Some("heron")
        );
        assert_eq!(name_in(b"watertight 00fe heron\n", Some("00ff")), None);
        assert_eq!(name_in(b"HTTP/1.1 400 Bad Request\r\n", None), None);
        assert_eq!(name_in(b"watertight", None), None);
        assert_ne!(nonce(), nonce());
    }

    #[test]
    fn errors_are_not_denials() {
        let seen = |kind| failed(&io::Error::from(kind)).outcome;
        assert_eq!(seen(io::ErrorKind::ConnectionRefused), Outcome::Refused);
        assert_eq!(seen(io::ErrorKind::HostUnreachable), Outcome::Rejected);
        assert_eq!(seen(io::ErrorKind::TimedOut), Outcome::Timeout);
        assert_eq!(seen(io::ErrorKind::AddrNotAvailable), Outcome::Error);
        assert_eq!(seen(io::ErrorKind::OutOfMemory), Outcome::Error);
    }
}
