//! Sockets of netlink: requests with their acknowledgements, dumps, and transactions of nftables.
//!
//! The kernel works while `send` runs, so when it returns every answer is already queued; the time limit on
//! receiving only keeps a defect from hanging the program.
//!
//! INVARIANT: answers are told apart by sequence number; what is left from a request that failed half-way is
//! passed over. A transaction is one datagram: it happens as a whole or not at all.

use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SetSockOpt, SockFlag, SockProtocol, SockType, bind, recv,
    sendto, socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};

use super::message::{Attributes, HEADER, Message, Received, Reply, number32, receive};

/// Bytes that one receive takes: dumps come in pieces of at most 32 KiB, log records in 64 KiB and a header.
const ROOM: usize = 128 * 1024;

/// What the kernel may queue for us: acknowledgements, and log records while we are busy.
const RECEIVE_BUFFER: usize = 8 << 20;

/// The most requests sent before acknowledgements are read: as many fit into the smallest receive buffer.
const PIPELINE: usize = 100;

/// The most bytes of requests sent in one go.
const PIPELINE_BYTES: usize = 64 * 1024;

/// How often a dump is begun again because what it lists changed under it.
const DUMPS: usize = 16;

/// Seconds until an answer counts as lost.
const PATIENCE: i64 = 30;

const ERROR: u16 = libc::NLMSG_ERROR as u16;
const DONE: u16 = libc::NLMSG_DONE as u16;
const REQUEST: u16 = libc::NLM_F_REQUEST as u16;
const ACK: u16 = libc::NLM_F_ACK as u16;
const DUMP: u16 = libc::NLM_F_DUMP as u16;
const DUMP_INTERRUPTED: u16 = libc::NLM_F_DUMP_INTR as u16;
/// The error repeats only the header of the request.
const CAPPED: u16 = 0x100;
/// The error has attributes.
const TLVS: u16 = 0x200;

/// The attribute of an error that says it in words.
const ERROR_TEXT: u16 = 1;

/// Kinds of messages around a transaction of nftables.
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
/// Under which generation the transaction was made.
const BATCH_GENERATION: u16 = 1;

#[derive(Clone, Copy, Debug)]
struct CapAck;
nix::setsockopt_impl!(
    CapAck,
    libc::SOL_NETLINK,
    libc::NETLINK_CAP_ACK,
    bool,
    sockopt::SetBool
);

#[derive(Clone, Copy, Debug)]
struct ExtAck;
nix::setsockopt_impl!(
    ExtAck,
    libc::SOL_NETLINK,
    libc::NETLINK_EXT_ACK,
    bool,
    sockopt::SetBool
);

/// Which part of the kernel a socket talks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Links, addresses, routes, rules, neighbours.
    Route,
    /// nftables, packet logs, connection tracking.
    Netfilter,
}

/// Why something could not be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    tried: String,
    errno: Errno,
    said: Option<Box<str>>,
    at: Option<usize>,
}

impl Error {
    /// An error of the machine.
    #[must_use]
    pub fn new(tried: impl Into<String>, errno: Errno) -> Self {
        Self {
            tried: tried.into(),
            errno,
            said: None,
            at: None,
        }
    }

    /// Something that is not as it must be.
    #[must_use]
    pub fn invalid(tried: impl Into<String>, said: impl Into<Box<str>>) -> Self {
        Self {
            tried: tried.into(),
            errno: Errno::EINVAL,
            said: Some(said.into()),
            at: None,
        }
    }

    /// The same, with words of its own for what was tried.
    #[must_use]
    pub fn trying(mut self, tried: impl Into<String>) -> Self {
        self.tried = tried.into();
        self
    }

    /// The error's number.
    #[must_use]
    pub fn errno(&self) -> Errno {
        self.errno
    }

    /// What the kernel said about it in words.
    #[must_use]
    pub fn said(&self) -> Option<&str> {
        self.said.as_deref()
    }

    /// Which of several messages was refused.
    #[must_use]
    pub fn at(&self) -> Option<usize> {
        self.at
    }

    /// Whether a transaction was refused because somebody else changed the rules since they were read.
    #[must_use]
    pub fn is_outdated(&self) -> bool {
        self.errno == Errno::ERESTART
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}: {}", self.tried, self.errno.desc())?;
        if let Some(said) = &self.said {
            write!(f, " ({said})")?;
        }
        match self.errno {
            Errno::EPERM => write!(
                f,
                "; run as root, or in a user namespace that owns the network namespace"
            ),
            Errno::EMSGSIZE => write!(f, "; raise the sysctl `net.core.wmem_max`, or run as root"),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.errno)
    }
}

/// A socket in the network namespace of the thread that opened it.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
    sequence: u32,
    send_room: usize,
    buffer: Vec<u8>,
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Socket {
    /// Opens one.
    pub fn open(protocol: Protocol) -> Result<Self, Error> {
        let number = match protocol {
            Protocol::Route => SockProtocol::NetlinkRoute,
            Protocol::Netfilter => SockProtocol::NetlinkNetFilter,
        };
        let tried = |errno| Error::new("open a netlink socket", errno);
        let fd = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            number,
        )
        .map_err(tried)?;
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, 0)).map_err(tried)?;
        sockopt::ReceiveTimeout
            .set(&fd, &TimeVal::seconds(PATIENCE))
            .map_err(tried)?;
        // Old kernels know neither; errors are then without words.
        let _ = CapAck.set(&fd, &true);
        let _ = ExtAck.set(&fd, &true);
        // Only root of the machine may go beyond `net.core.rmem_max`.
        if sockopt::RcvBufForce.set(&fd, &RECEIVE_BUFFER).is_err() {
            let _ = sockopt::RcvBuf.set(&fd, &RECEIVE_BUFFER);
        }
        Ok(Self {
            fd,
            sequence: 0,
            send_room: 0,
            buffer: vec![0; ROOM],
        })
    }

    /// Asks for something to be done and waits until it is.
    pub fn request(&mut self, message: &Message) -> Result<(), Error> {
        self.ask(message).map(drop)
    }

    /// Asks for something to be done; what the kernel answers before it says that it is done.
    pub fn ask(&mut self, message: &Message) -> Result<Vec<Reply>, Error> {
        let mut bytes = Vec::with_capacity(message.len());
        let sequence = self.write(&mut bytes, message, REQUEST | ACK)?;
        self.send(&bytes)?;
        let mut replies = Vec::new();
        loop {
            for received in self.receive(MsgFlags::empty())? {
                if received.sequence != sequence {
                    continue;
                }
                match received.kind {
                    ERROR => return acknowledgement(&received).map(|()| replies),
                    DONE => return Ok(replies),
                    _ => replies.push(received.reply()),
                }
            }
        }
    }

    /// Asks for many things in few calls. All are tried; the error is that of the first that failed.
    pub fn requests(&mut self, messages: &[Message]) -> Result<(), Error> {
        let mut first_error = None;
        let mut done = 0;
        let mut messages = messages.iter().peekable();
        while messages.peek().is_some() {
            let mut bytes = Vec::new();
            let start = self.sequence.wrapping_add(1);
            let mut sent = 0;
            while sent < PIPELINE
                && let Some(message) =
                    messages.next_if(|next| sent == 0 || bytes.len() + next.len() <= PIPELINE_BYTES)
            {
                self.write(&mut bytes, message, REQUEST | ACK)?;
                sent += 1;
            }
            self.send(&bytes)?;
            let mut acknowledged = 0;
            while acknowledged < sent {
                for received in self.receive(MsgFlags::empty())? {
                    let index = received.sequence.wrapping_sub(start) as usize;
                    if index >= sent || received.kind != ERROR {
                        continue;
                    }
                    acknowledged += 1;
                    if let Err(error) = acknowledgement(&received)
                        && first_error.is_none()
                    {
                        first_error = Some(Error {
                            at: Some(done + index),
                            ..error
                        });
                    }
                }
            }
            done += sent;
        }
        first_error.map_or(Ok(()), Err)
    }

    /// Lists what there is. Begins again if it changed meanwhile.
    pub fn dump(&mut self, message: &Message) -> Result<Vec<Reply>, Error> {
        for _ in 0..DUMPS {
            if let Some(replies) = self.dump_once(message)? {
                return Ok(replies);
            }
        }
        Err(Error::new(
            "list what the kernel holds: it changes all the time",
            Errno::EINTR,
        ))
    }

    fn dump_once(&mut self, message: &Message) -> Result<Option<Vec<Reply>>, Error> {
        let mut bytes = Vec::with_capacity(message.len());
        let sequence = self.write(&mut bytes, message, REQUEST | DUMP)?;
        self.send(&bytes)?;
        let mut replies = Vec::new();
        let mut interrupted = false;
        loop {
            for received in self.receive(MsgFlags::empty())? {
                if received.sequence != sequence {
                    continue;
                }
                interrupted |= received.flags & DUMP_INTERRUPTED != 0;
                match received.kind {
                    DONE | ERROR => {
                        return match acknowledgement(&received) {
                            Err(error) if error.errno == Errno::EINTR => Ok(None),
                            Err(error) => Err(error),
                            Ok(()) => Ok((!interrupted).then_some(replies)),
                        };
                    }
                    _ => replies.push(received.reply()),
                }
            }
        }
    }

    /// Sends messages of nftables as one transaction: all of them happen, at one moment, or none. With a
    /// generation it is refused ([`Error::is_outdated`]) if anybody committed rules after that one.
    pub fn batch(&mut self, messages: &[Message], generation: Option<u32>) -> Result<(), Error> {
        let Some(last) = messages.len().checked_sub(1) else {
            return Ok(());
        };
        let subsystem = libc::NFNL_SUBSYS_NFTABLES as u16;
        let frame = |kind| Message::new(kind, 0).bytes(&nfgenmsg(0, subsystem));
        let mut begin = frame(BATCH_BEGIN);
        if let Some(generation) = generation {
            begin = begin.be32(BATCH_GENERATION, generation);
        }
        let mut bytes = Vec::with_capacity(messages.iter().map(Message::len).sum::<usize>() + 64);
        let start = self.write(&mut bytes, &begin, REQUEST)?.wrapping_add(1);
        for (index, message) in messages.iter().enumerate() {
            // Kernels differ in whether they acknowledge the frame, so the last one inside asks for it.
            let flags = if index == last {
                REQUEST | ACK
            } else {
                REQUEST
            };
            self.write(&mut bytes, message, flags)
                .map_err(|error| Error {
                    at: Some(index),
                    ..error
                })?;
        }
        self.write(&mut bytes, &frame(BATCH_END), REQUEST)?;
        self.send(&bytes)?;

        let mut acknowledged = false;
        let mut first_error: Option<Error> = None;
        loop {
            let answers = match self.receive(MsgFlags::MSG_DONTWAIT) {
                Ok(answers) => answers,
                Err(error) if error.errno == Errno::EAGAIN => break,
                Err(error) => {
                    first_error.get_or_insert(error);
                    break;
                }
            };
            for received in answers {
                let index = received.sequence.wrapping_sub(start) as usize;
                // The frame before the first message speaks for the whole transaction.
                let is_frame = received.sequence == start.wrapping_sub(1);
                if received.kind != ERROR || (index > last && !is_frame) {
                    continue;
                }
                match acknowledgement(&received) {
                    Ok(()) => acknowledged |= index == last,
                    Err(error) => {
                        let at = (!is_frame).then_some(index);
                        // Later ones often only follow from the first.
                        first_error.get_or_insert(Error { at, ..error });
                    }
                }
            }
        }
        match first_error {
            Some(error) => Err(error),
            None if acknowledged => Ok(()),
            None => Err(Error::new(
                "learn whether the kernel took a transaction",
                Errno::EPROTO,
            )),
        }
    }

    fn write(&mut self, bytes: &mut Vec<u8>, message: &Message, flags: u16) -> Result<u32, Error> {
        if message.is_too_long() {
            return Err(Error::invalid(
                "send a message of netlink",
                "one attribute of it has more than 65,535 bytes",
            ));
        }
        self.sequence = self.sequence.wrapping_add(1);
        message.write(bytes, flags, self.sequence);
        Ok(self.sequence)
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.make_room(bytes.len());
        loop {
            match sendto(
                self.fd.as_raw_fd(),
                bytes,
                &NetlinkAddr::new(0, 0),
                MsgFlags::empty(),
            ) {
                Ok(_) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(errno) => {
                    return Err(Error::new(
                        format!("send {} bytes to the kernel", bytes.len()),
                        errno,
                    ));
                }
            }
        }
    }

    /// A datagram must fit into the send buffer as a whole.
    fn make_room(&mut self, length: usize) {
        let wanted = length + 4096;
        if wanted > self.send_room.max(64 * 1024) {
            // Only root of the machine may go beyond `net.core.wmem_max`; sending says so if it matters.
            if sockopt::SndBufForce.set(&self.fd, &wanted).is_err() {
                let _ = sockopt::SndBuf.set(&self.fd, &wanted);
            }
            self.send_room = wanted;
        }
    }

    /// The messages of one datagram; waits for it unless told not to.
    pub(super) fn receive(&mut self, flags: MsgFlags) -> Result<Messages<'_>, Error> {
        let length = loop {
            // With MSG_TRUNC the length is that of the whole datagram, however much of it had room.
            match recv(
                self.fd.as_raw_fd(),
                &mut self.buffer,
                flags | MsgFlags::MSG_TRUNC,
            ) {
                Ok(length) => break length,
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(Error::new("receive from the kernel", errno)),
            }
        };
        match self.buffer.get(..length) {
            Some(rest) => Ok(Messages { rest }),
            None => Err(Error::new(
                format!("receive a message of {length} bytes"),
                Errno::EMSGSIZE,
            )),
        }
    }
}

/// The messages of one datagram.
#[derive(Debug)]
pub(super) struct Messages<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Messages<'a> {
    type Item = Received<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        receive(&mut self.rest)
    }
}

impl Received<'_> {
    fn reply(&self) -> Reply {
        Reply {
            kind: self.kind,
            flags: self.flags,
            payload: self.payload.to_vec(),
        }
    }
}

/// What an acknowledgement, or the end of a dump, says: done, or why not.
fn acknowledgement(received: &Received<'_>) -> Result<(), Error> {
    let code = match received.payload.first_chunk() {
        Some(code) => i32::from_ne_bytes(*code),
        // An end without a code is one without an error.
        None if received.kind == DONE => 0,
        None => return Err(Error::new("read an answer of the kernel", Errno::EPROTO)),
    };
    if code == 0 {
        return Ok(());
    }
    let mut error = Error::new(
        "have a request granted by the kernel",
        Errno::from_raw(code.saturating_neg()),
    );
    if received.flags & TLVS != 0 && received.kind == ERROR {
        let echoed = if received.flags & CAPPED != 0 {
            HEADER
        } else {
            // The request stands in between, with its own length in front.
            let length = received
                .payload
                .get(4..)
                .and_then(number32)
                .unwrap_or_default();
            usize::try_from(length)
                .unwrap_or(usize::MAX)
                .next_multiple_of(4)
        };
        let behind = received
            .payload
            .get(echoed.saturating_add(4)..)
            .unwrap_or_default();
        error.said = Attributes::new(behind).string(ERROR_TEXT).map(Into::into);
    }
    Err(error)
}

/// The fixed part of messages of netfilter: a family, a version, and a number of the kind.
pub(crate) fn nfgenmsg(family: u8, resource: u16) -> [u8; 4] {
    let [high, low] = resource.to_be_bytes();
    [family, 0, high, low]
}
