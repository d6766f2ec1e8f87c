//! Listeners of TCP: who connects is greeted, and the listener forgets it.
//!
//! The greeting and the end of the stream leave together. The prober then resets, which takes away what our
//! kernel still keeps of it. Only where queries for names are answered does a listener wait for one.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};
use std::sync::Arc;

use nix::libc;
use nix::sys::socket::{Backlog, MsgFlags, send};
use watertight_core::sets::Protocol;

use super::super::icmp::Version;
use super::super::wire::{self, Datagram};
use super::super::{Names, sockets};
use super::{DNS, Listener};

/// Connections to take before other sockets have their turn.
const TURN: usize = 64;

/// A query is never as long as this.
const LONGEST: usize = 2048;

/// A listening socket.
#[derive(Debug)]
pub(super) struct Streams {
    listener: TcpListener,
    name: Arc<str>,
    port: u16,
}

impl Streams {
    pub(super) fn open(listener: &Listener, version: Version) -> nix::Result<Self> {
        let fd = sockets::open(version, Protocol::Tcp)?;
        // A probe may come from the very port at which its party listens.
        sockets::share_port(&fd)?;
        let address = listener.address.unwrap_or(sockets::unspecified(version));
        sockets::bind_shared(&fd, SocketAddr::new(address, listener.port))?;
        nix::sys::socket::listen(&fd, Backlog::MAXALLOWABLE)?;
        Ok(Self {
            listener: fd.into(),
            name: Arc::clone(&listener.name),
            port: listener.port,
        })
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }

    /// Greets those who have connected. Those who may ask for names are handed out.
    pub(super) fn answer(&self, begun: &mut Vec<Conversation>) {
        for _ in 0..TURN {
            let Ok((stream, _)) = self.listener.accept() else {
                return;
            };
            let address = stream.local_addr().ok().map(|address| address.ip());
            let greeting = wire::greeting(&self.name, address);
            if self.port == DNS && stream.set_nonblocking(true).is_ok() {
                begun.push(Conversation {
                    stream,
                    greeting,
                    said: Vec::new(),
                });
                continue;
            }
            // A new connection has room for a line; if it is gone already, nobody misses it.
            let flags = MsgFlags::from_bits_retain(
                libc::MSG_MORE | libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
            );
            let _ = send(stream.as_raw_fd(), &greeting, flags);
        }
    }
}

/// A connection to the port for names, until its first words.
#[derive(Debug)]
pub(super) struct Conversation {
    stream: TcpStream,
    greeting: Vec<u8>,
    said: Vec<u8>,
}

impl Conversation {
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    /// Answers what was said, and tells whether that was all.
    pub(super) fn answer(&mut self, names: &Names) -> bool {
        let mut buffer = [0; 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => return true,
            Ok(length) => self.said.extend(buffer.iter().take(length)),
            Err(error) => return error.kind() != ErrorKind::WouldBlock,
        }
        if matches!(wire::read(&self.said), Datagram::Probe(_)) {
            let _ = self.stream.write_all(&self.greeting);
            return true;
        }
        // Each query has its length before it; what has come of one may be a part.
        while let Some((length, rest)) = self.said.split_first_chunk::<2>() {
            let length = usize::from(u16::from_be_bytes(*length));
            let Some(query) = rest.get(..length) else {
                return self.said.len() > LONGEST;
            };
            let Some(answer) = names.answer(query) else {
                return true;
            };
            let Ok(size) = u16::try_from(answer.len()) else {
                return true;
            };
            let bytes = [&size.to_be_bytes(), answer.as_slice()].concat();
            if self.stream.write_all(&bytes).is_err() {
                return true;
            }
            self.said.drain(..length + 2);
        }
        false
    }
}
