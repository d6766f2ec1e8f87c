//! Sends questions.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Instant;

use nix::errno::Errno;
use nix::sys::epoll::{EpollEvent, EpollFlags};
use watertight_core::sets::Protocol;

use super::super::flight::{Evidence, Flight};
use super::super::icmp;
use super::super::sources::Key;
use super::super::{Question, sctp, sockets, wire};
use super::{Active, Prober, Token, Via};

/// Why a question could not be asked.
#[derive(Debug)]
pub(super) enum Refusal {
    /// No socket is to be had: ask when others are closed.
    Full(std::io::Error),
    /// Its port is taken: ask when others are closed.
    Taken(std::io::Error),
    /// Not at all.
    Never(std::io::Error),
}

impl From<Errno> for Refusal {
    fn from(error: Errno) -> Self {
        match error {
            Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM | Errno::ENOBUFS | Errno::ENOSPC => {
                Self::Full(error.into())
            }
            Errno::EADDRINUSE | Errno::EADDRNOTAVAIL => Self::Taken(error.into()),
            _ => Self::Never(error.into()),
        }
    }
}

impl Prober<'_> {
    /// Asks a question for the first time.
    pub(super) fn ask_one(&mut self, index: usize) -> Result<(), Refusal> {
        let question = self.question(index)?;
        self.enter(&question)?;
        let now = Instant::now();
        let (via, failure) = match question.protocol {
            Protocol::Tcp => (self.dial(index, &question)?, None),
            _ => {
                let number = self.source(&question)?;
                (Via::Source(number), self.send(index, &question, number))
            }
        };
        let active = Active {
            flight: Flight::new(now),
            via,
            deadline: 0,
        };
        self.flights.insert(index, active);
        self.set_deadline(index, now + self.settings.timeout);
        if let Some(failure) = failure {
            self.take(index, failure);
        }
        Ok(())
    }

    /// Asks it again: over another connection, or from the same socket. Evidence, if it cannot be.
    pub(super) fn ask_again(&mut self, index: usize) -> Option<Evidence> {
        let question = self.question(index).ok()?;
        let via = std::mem::replace(&mut self.flights.get_mut(&index)?.via, Via::Nothing);
        if let Via::Source(number) = via {
            self.flights.get_mut(&index)?.via = via;
            return self.send(index, &question, number);
        }
        self.close(via, question.masked);
        let dialled = self
            .enter(&question)
            .and_then(|()| self.dial(index, &question));
        match dialled {
            Ok(via) => {
                self.flights.get_mut(&index)?.via = via;
                None
            }
            Err(Refusal::Full(error) | Refusal::Taken(error) | Refusal::Never(error)) => {
                Some(Evidence::Failed(error.to_string().into()))
            }
        }
    }

    fn question(&self, index: usize) -> Result<Question, Refusal> {
        self.questions
            .get(index)
            .copied()
            .ok_or(Refusal::from(Errno::ENOENT))
    }

    /// Moves to where a question is asked.
    fn enter(&mut self, question: &Question) -> Result<(), Refusal> {
        let place = self.namespaces.get(question.from).copied();
        let party = self.parties.get(question.from);
        let (Some(place), Some(party)) = (place, party) else {
            let reason = format!("there is no party {}", question.from);
            return Err(Refusal::Never(std::io::Error::other(reason)));
        };
        if self.place != Some(place) {
            self.place = None;
            party
                .namespace
                .enter()
                .map_err(|error| Refusal::Never(std::io::Error::other(error)))?;
            self.place = Some(place);
        }
        Ok(())
    }

    /// Begins a connection. Where its two ends could be the same, they are made to differ: a socket of TCP
    /// connects to itself without complaint.
    fn dial(&mut self, index: usize, question: &Question) -> Result<Via, Refusal> {
        let to = SocketAddr::new(question.to, question.port);
        let version = sockets::version(question.to);
        let owner = self.owners.get(&question.to);
        let to_itself = owner.is_some() && owner == self.namespaces.get(question.from);
        let wants_ends = !self.watches.is_empty() || to_itself;
        let is_translated = owner.is_none() || question.masked.is_some();
        for _ in 0..8 {
            let fd = sockets::open(version, Protocol::Tcp)?;
            sockets::reset_on_close(&fd)?;
            sockets::queue_errors(&fd, version)?;
            let from = question
                .from_address
                .unwrap_or(sockets::unspecified(version));
            match question.source_port {
                Some(port) => {
                    sockets::share_port(&fd)?;
                    sockets::bind_shared(&fd, SocketAddr::new(from, port))?;
                }
                // A port that no other connection has tells the packets that were translated.
                None if is_translated && wants_ends || question.from_address.is_some() => {
                    sockets::bind(&fd, SocketAddr::new(from, 0))?;
                }
                None => {}
            }
            sockets::connect(&fd, to)?;
            let ours = sockets::local(&fd).filter(|_| wants_ends);
            if ours == Some(to) && question.source_port.is_none() {
                continue;
            }
            // A node that hides the source keeps its port.
            let masked = ours.zip(question.masked);
            let masked = masked.map(|(ours, ip)| SocketAddr::new(ip, ours.port()));
            let seen = ours.into_iter().chain(masked).filter(|_| is_translated);
            // Two that could not be told apart once they are translated are asked one after the other.
            if seen.clone().any(|seen| self.translated.contains_key(&seen)) {
                break;
            }
            let flags = EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT | EpollFlags::EPOLLET;
            let event = EpollEvent::new(flags, Token::Connection(index).word());
            self.epoll.add(&fd, event)?;
            let ends = ours.map(|ours| (ours, to));
            if let Some((ours, theirs)) = ends {
                self.connections.insert((ours, theirs), index);
                self.translated.extend(seen.map(|seen| (seen, index)));
            }
            return Ok(Via::Connection(fd, ends));
        }
        Err(Refusal::Taken(Errno::EADDRNOTAVAIL.into()))
    }

    /// The socket from which a datagram is asked.
    fn source(&mut self, question: &Question) -> Result<usize, Refusal> {
        let pinned = match (question.protocol, question.source_port) {
            (Protocol::Udp, Some(port)) => {
                Some((port, SocketAddr::new(question.to, question.port)))
            }
            _ => None,
        };
        let key = Key {
            namespace: self
                .namespaces
                .get(question.from)
                .copied()
                .unwrap_or_default(),
            protocol: question.protocol,
            version: sockets::version(question.to),
            from: question.from_address,
            pinned,
        };
        if let Some(number) = self.sources.join(&key) {
            return Ok(number);
        }
        let epoll = &self.epoll;
        let number = self.sources.open(key, &self.asked, |fd, number| {
            let event = EpollEvent::new(EpollFlags::EPOLLIN, Token::Source(number).word());
            epoll.add(fd, event)
        })?;
        Ok(number)
    }

    /// Sends a datagram. Evidence, if it cannot be sent.
    fn send(&mut self, index: usize, question: &Question, number: usize) -> Option<Evidence> {
        let source = self.sources.get(number)?;
        let tag = self.tag(index);
        let version = source.key.version;
        let (bytes, port) = match question.protocol {
            Protocol::Sctp => {
                let port = question.source_port.unwrap_or_else(|| self.port_of(tag));
                (sctp::init(port, question.port, tag), 0)
            }
            Protocol::Icmp => (icmp::request(version, tag), 0),
            Protocol::Udp | Protocol::Tcp => (wire::probe(tag).to_vec(), question.port),
        };
        let to = SocketAddr::new(question.to, port);
        match send(&source.fd, &bytes, to) {
            Ok(()) => None,
            Err(error) => Some(Evidence::Failed(error.to_string().into())),
        }
    }

    /// A port of its own for each question that names none, and that nobody asks for.
    fn port_of(&self, tag: u32) -> u16 {
        let first = 32_768 + u16::try_from(tag % 28_000).unwrap_or_default();
        let mut ports = (first..60_768).chain(32_768..first);
        ports
            .find(|port| !self.asked.contains(port))
            .unwrap_or(first)
    }

    /// By what packets of a question are known.
    pub(super) fn tag(&self, index: usize) -> u32 {
        self.base
            .wrapping_add(u32::try_from(index).unwrap_or_default())
    }

    /// The question of a tag, if it is one of this run.
    pub(super) fn of_tag(&self, tag: u32) -> Option<usize> {
        let index = usize::try_from(tag.checked_sub(self.base)?).ok()?;
        (index < self.questions.len()).then_some(index)
    }
}

/// Sends, whatever errors of earlier packets are reported instead: those stay in the queue of errors.
fn send(fd: &OwnedFd, bytes: &[u8], to: SocketAddr) -> std::io::Result<()> {
    let mut error = Errno::EIO;
    for _ in 0..16 {
        match sockets::send(fd, bytes, to) {
            Ok(()) => return Ok(()),
            Err(Errno::EPERM) => {
                let reason = "the sender's own rules do not let it out";
                return Err(std::io::Error::other(reason));
            }
            Err(next) => error = next,
        }
        match error {
            Errno::EAGAIN | Errno::ENOBUFS => std::thread::yield_now(),
            Errno::ECONNREFUSED | Errno::EHOSTUNREACH | Errno::EPROTO | Errno::EACCES => {}
            _ => break,
        }
    }
    Err(error.into())
}
