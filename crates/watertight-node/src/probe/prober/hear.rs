//! Reads what has come back.

use std::os::fd::AsRawFd as _;

use nix::errno::Errno;
use nix::sys::epoll::EpollFlags;
use nix::sys::socket::{MsgFlags, getsockopt, recv, send, sockopt};
use watertight_core::sets::Protocol;

use super::super::errors::{self, Complaint};
use super::super::flight::Evidence;
use super::super::icmp::{self, Version};
use super::super::packet::{self, About};
use super::super::wire::{self, Datagram};
use super::super::{Error, Record, listen, sctp, sockets};
use super::{Prober, Token, Via};

/// The most datagrams to read from a socket before others have their turn.
const TURN: usize = 256;

/// What one datagram says of which question.
type Heard = (usize, Evidence);

impl Prober<'_> {
    /// Reads what a socket is ready for.
    pub(super) fn hear(&mut self, flags: EpollFlags, word: u64) -> Result<(), Error> {
        match Token::read(word) {
            Some(Token::Connection(index)) => {
                if let Some(evidence) = self.hear_connection(index, flags) {
                    self.take(index, evidence);
                }
            }
            Some(Token::Source(number)) => {
                for (index, evidence) in self.hear_source(number, flags) {
                    self.take(index, evidence);
                }
            }
            Some(Token::Watch(number)) => self.hear_watch(number)?,
            None => {}
        }
        Ok(())
    }

    /// What a connection has come to.
    fn hear_connection(&self, index: usize, flags: EpollFlags) -> Option<Evidence> {
        let Via::Connection(fd, _) = &self.flights.get(&index)?.via else {
            return None;
        };
        if flags.contains(EpollFlags::EPOLLERR) {
            while let Some(complaint) = errors::next(fd) {
                if let Some(evidence) = self.judge(index, &complaint) {
                    return Some(evidence);
                }
            }
            return match getsockopt(fd, sockopt::SocketError).map(Errno::from_raw) {
                Ok(Errno::ECONNREFUSED | Errno::ECONNRESET | Errno::EPIPE) => Some(Evidence::Reset),
                // The kernel gives up later than we do; what it says then is silence.
                Ok(Errno::UnknownErrno | Errno::ETIMEDOUT) => None,
                Ok(error) | Err(error) => Some(Evidence::Failed(error.desc().into())),
            };
        }
        if flags.contains(EpollFlags::EPOLLIN) {
            let mut buffer = [0; 512];
            return match recv(fd.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT) {
                Ok(length) => {
                    let by = buffer.get(..length).and_then(wire::greeted_by);
                    Some(Evidence::Answered(by))
                }
                Err(Errno::EAGAIN) => Some(Evidence::Connected),
                Err(_) => Some(Evidence::Reset),
            };
        }
        if flags.contains(EpollFlags::EPOLLOUT) {
            let question = self.questions.get(index)?;
            if question.to_names.unwrap_or(question.port == listen::DNS) {
                // There a listener waits for a query; this is none.
                let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
                let _ = send(fd.as_raw_fd(), &wire::probe(self.tag(index)), flags);
            }
            return Some(Evidence::Connected);
        }
        None
    }

    /// What a socket for datagrams has received.
    fn hear_source(&self, number: usize, flags: EpollFlags) -> Vec<Heard> {
        let mut heard = Vec::new();
        let Some(source) = self.sources.get(number) else {
            return heard;
        };
        let (protocol, version) = (source.key.protocol, source.key.version);
        if flags.contains(EpollFlags::EPOLLERR) {
            while let Some(complaint) = errors::next(&source.fd) {
                if let Some(tag) = quoted(protocol, version, &complaint.quoted)
                    && let Some(index) = self.of_tag(tag)
                    && let Some(evidence) = self.judge(index, &complaint)
                {
                    heard.push((index, evidence));
                }
            }
        }
        let mut buffer = [0; 2048];
        for _ in 0..TURN {
            match recv(source.fd.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT) {
                Ok(length) => {
                    let bytes = buffer.get(..length).unwrap_or_default();
                    if let Some((tag, evidence)) = read(protocol, version, bytes)
                        && let Some(index) = self.of_tag(tag)
                        && self.questions.get(index).map(|asked| asked.protocol) == Some(protocol)
                    {
                        heard.push((index, evidence));
                    }
                }
                Err(Errno::EAGAIN) => break,
                // An error of an earlier packet, which the queue of errors tells better.
                Err(_) => {}
            }
        }
        heard
    }

    /// The records of a node.
    fn hear_watch(&mut self, number: usize) -> Result<(), Error> {
        let Some(listener) = self.watches.get_mut(number) else {
            return Ok(());
        };
        let records = listener
            .read()
            .map_err(|error| Error::new("read log records", std::io::Error::other(error)))?;
        for logged in records {
            let Some(index) = packet::about(&logged.packet).and_then(|about| self.of_packet(about))
            else {
                continue;
            };
            let record = Record {
                node: number,
                prefix: logged.prefix,
            };
            self.take(index, Evidence::Logged(record));
        }
        Ok(())
    }

    /// The question that a logged packet belongs to, in either direction.
    fn of_packet(&self, about: About) -> Option<usize> {
        match about {
            About::Tag(tag) => self.of_tag(tag),
            About::Connection {
                source,
                destination,
            } => self
                .connections
                .get(&(source, destination))
                .or_else(|| self.connections.get(&(destination, source)))
                .or_else(|| self.translated.get(&source))
                .or_else(|| self.translated.get(&destination))
                .copied(),
        }
    }

    /// What an error means: it depends on whether the destination itself sent it.
    fn judge(&self, index: usize, complaint: &Complaint) -> Option<Evidence> {
        let question = self.questions.get(index)?;
        let &Complaint { kind, code, .. } = complaint;
        let by = complaint.by.unwrap_or(question.to);
        let version = sockets::version(question.to);
        if version.is_advice(kind, code) {
            return None;
        }
        let owner = |address| self.owners.get(&address);
        let is_own = by == question.to || owner(by).is_some() && owner(by) == owner(question.to);
        Some(if is_own && version.finds_nobody(kind, code) {
            Evidence::Nobody { by, kind, code }
        } else {
            Evidence::Rejected { by, kind, code }
        })
    }
}

/// What a datagram says, and its tag.
fn read(protocol: Protocol, version: Version, bytes: &[u8]) -> Option<(u32, Evidence)> {
    match protocol {
        Protocol::Udp | Protocol::Tcp => match wire::read(bytes) {
            Datagram::Answer(tag, by) => Some((tag, Evidence::Answered(wire::responder(by)))),
            Datagram::Probe(_) | Datagram::Other => None,
        },
        Protocol::Sctp => match sctp::read(after_header(version, bytes)?)?.chunk {
            // Everything for SCTP that comes to this namespace is seen here, the questions of others too.
            sctp::Chunk::Init { tag } => Some((tag, Evidence::Arrived)),
            sctp::Chunk::InitAck { tag, cookie } => {
                Some((tag, Evidence::Answered(wire::responder(cookie))))
            }
            sctp::Chunk::Abort { tag } => Some((tag, Evidence::Reset)),
            sctp::Chunk::Other { .. } => None,
        },
        Protocol::Icmp => {
            let echo = icmp::read(version, after_header(version, bytes)?)?;
            echo.is_reply
                .then_some((echo.tag, Evidence::Answered(None)))
        }
    }
}

/// The tag of a packet of ours that an error quotes.
fn quoted(protocol: Protocol, version: Version, bytes: &[u8]) -> Option<u32> {
    match protocol {
        Protocol::Udp | Protocol::Tcp => match wire::read(bytes) {
            Datagram::Probe(tag) => Some(tag),
            Datagram::Answer(..) | Datagram::Other => None,
        },
        Protocol::Sctp => match sctp::read(bytes)?.chunk {
            sctp::Chunk::Init { tag } => Some(tag),
            _ => None,
        },
        Protocol::Icmp => Some(icmp::read(version, bytes)?.tag),
    }
}

/// Raw sockets hand over the header of IPv4 and not that of IPv6.
fn after_header(version: Version, bytes: &[u8]) -> Option<&[u8]> {
    match version {
        Version::V4 => bytes.get(usize::from(bytes.first()? & 0xf) * 4..),
        Version::V6 => Some(bytes),
    }
}
