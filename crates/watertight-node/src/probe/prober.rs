//! Asks many questions at once, from one thread.
//!
//! Questions are asked in the order of their namespaces, so that the thread seldom moves; the sockets stay
//! behind. One `epoll` waits for all of them and for the records of the rules.
//!
//! INVARIANT: no deadline is looked at while evidence that has arrived is unread.

mod ask;
mod hear;

use std::collections::{BTreeSet, VecDeque};
use std::fs;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use rustc_hash::FxHashMap;

use super::deadlines::Deadlines;
use super::flight::{Evidence, Flight, Next};
use super::sources::Sources;
use super::{Answer, Error, Outcome, Party, Progress, Question, Settings, Watch, sockets};
use crate::netlink::log;
use crate::sys::limits;
use ask::Refusal;

/// Questions that are asked before what came back is read: fewer than the smallest buffer holds answers.
const BURST: usize = 32;

/// Descriptors that are left for others in the process.
const SPARE: usize = 64;

/// How often to tell of the progress.
const PACE: Duration = Duration::from_millis(50);

/// Asks all questions; see [`super::run`].
pub(super) fn ask(
    parties: &[Party],
    questions: &[Question],
    watches: &[Watch],
    settings: &Settings,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Vec<Answer>, Error> {
    let mut prober = Prober::new(parties, questions, watches, settings)?;
    prober.run(progress)?;
    let answers = prober.answers.into_iter();
    Ok(answers
        .map(|answer| answer.unwrap_or_else(|| failed("it was never asked")))
        .collect())
}

/// What `epoll` gives back for a socket.
#[derive(Clone, Copy, Debug)]
enum Token {
    /// The connection of a question.
    Connection(usize),
    /// A socket for datagrams.
    Source(usize),
    /// The records of a node.
    Watch(usize),
}

impl Token {
    fn word(self) -> u64 {
        let (kind, number) = match self {
            Self::Connection(number) => (0, number),
            Self::Source(number) => (1, number),
            Self::Watch(number) => (2, number),
        };
        (number as u64) << 2 | kind
    }

    fn read(word: u64) -> Option<Self> {
        let number = usize::try_from(word >> 2).ok()?;
        match word & 3 {
            0 => Some(Self::Connection(number)),
            1 => Some(Self::Source(number)),
            2 => Some(Self::Watch(number)),
            _ => None,
        }
    }
}

/// How a question in flight is asked.
#[derive(Debug)]
enum Via {
    /// Over a connection, between these ends (where somebody wants to know).
    Connection(OwnedFd, Option<(SocketAddr, SocketAddr)>),
    /// From the socket with this number.
    Source(usize),
    /// It could not be sent.
    Nothing,
}

#[derive(Debug)]
struct Active {
    flight: Flight,
    via: Via,
    /// Which of its deadlines counts.
    deadline: u32,
}

struct Prober<'a> {
    parties: &'a [Party],
    questions: &'a [Question],
    settings: &'a Settings,
    epoll: Epoll,
    /// The tag of the first question; another one in each run, so that no late packet of another is heard.
    base: u32,
    /// The number of the namespace of each party.
    namespaces: Vec<u64>,
    /// The one that the thread is in.
    place: Option<u64>,
    /// The namespace that an address is in.
    owners: FxHashMap<IpAddr, u64>,
    /// Every port that is asked for.
    asked: BTreeSet<u16>,
    watches: Vec<log::Listener>,
    queue: VecDeque<usize>,
    /// Those that have to wait until others have ended.
    later: Vec<usize>,
    flights: FxHashMap<usize, Active>,
    sources: Sources,
    /// Connections by their ends, and by their own end where the other one is translated.
    connections: FxHashMap<(SocketAddr, SocketAddr), usize>,
    translated: FxHashMap<SocketAddr, usize>,
    deadlines: Deadlines,
    answers: Vec<Option<Answer>>,
    done: usize,
    /// How many questions may be in flight: fewer than at most while no socket is to be had.
    capacity: usize,
    most: usize,
}

impl<'a> Prober<'a> {
    fn new(
        parties: &'a [Party],
        questions: &'a [Question],
        watches: &[Watch],
        settings: &'a Settings,
    ) -> Result<Self, Error> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)
            .map_err(|error| Error::new("wait for many sockets at once", error))?;
        let namespaces: Vec<u64> = parties
            .iter()
            .map(|party| party.namespace.inode())
            .collect::<Result<_, _>>()?;
        let mut listeners = Vec::with_capacity(watches.len());
        for (number, watch) in watches.iter().enumerate() {
            watch.namespace.enter()?;
            let listener = log::Listener::open(watch.group).map_err(|error| {
                let tried = format!("listen to what the rules of `{}` log", watch.node);
                Error::new(tried, std::io::Error::other(error))
            })?;
            let event = EpollEvent::new(EpollFlags::EPOLLIN, Token::Watch(number).word());
            epoll
                .add(&listener, event)
                .map_err(|error| Error::new("wait for log records", error))?;
            listeners.push(listener);
        }
        let mut order: Vec<usize> = (0..questions.len()).collect();
        order.sort_by_key(|index| {
            let question = questions.get(*index);
            question.and_then(|question| namespaces.get(question.from))
        });
        let owners = parties
            .iter()
            .zip(&namespaces)
            .flat_map(|(party, place)| party.addresses.iter().map(move |at| (*at, *place)))
            .collect();
        let most = capacity(settings)?;
        Ok(Self {
            parties,
            questions,
            settings,
            epoll,
            base: base(questions.len())?,
            namespaces,
            place: None,
            owners,
            asked: questions.iter().map(|question| question.port).collect(),
            watches: listeners,
            queue: order.into(),
            later: Vec::new(),
            flights: FxHashMap::default(),
            sources: Sources::default(),
            connections: FxHashMap::default(),
            translated: FxHashMap::default(),
            deadlines: Deadlines::default(),
            answers: questions.iter().map(|_| None).collect(),
            done: 0,
            capacity: most,
            most,
        })
    }

    fn run(&mut self, progress: &(dyn Fn(Progress) + Sync)) -> Result<(), Error> {
        let mut told = Instant::now();
        let mut events = vec![EpollEvent::empty(); 1024];
        while self.done < self.questions.len() {
            self.ask_more()?;
            let heard = self.wait(&mut events)?;
            for event in events.iter().take(heard) {
                self.hear(event.events(), event.data())?;
            }
            if heard < events.len() {
                self.look();
            }
            if told.elapsed() >= PACE {
                told = Instant::now();
                progress(self.progress());
            }
        }
        progress(self.progress());
        Ok(())
    }

    fn progress(&self) -> Progress {
        Progress {
            done: self.done,
            total: self.questions.len(),
            lost_records: self.watches.iter().map(log::Listener::overruns).sum(),
        }
    }

    /// Asks as many questions as there is room for, and no more than a burst.
    fn ask_more(&mut self) -> Result<(), Error> {
        for _ in 0..BURST {
            if self.flights.len() >= self.capacity {
                return Ok(());
            }
            let Some(index) = self.queue.pop_front() else {
                return Ok(());
            };
            match self.ask_one(index) {
                Ok(()) => {}
                Err(Refusal::Full(error)) if self.flights.is_empty() => {
                    let advice = "raise the limit of open files (ulimit -n)";
                    return Err(Error::new("open a socket to ask from", error).advise(Some(advice)));
                }
                Err(Refusal::Full(_)) => {
                    self.queue.push_front(index);
                    self.capacity = self.flights.len();
                }
                Err(Refusal::Taken(_)) if !self.flights.is_empty() => self.later.push(index),
                Err(Refusal::Taken(error) | Refusal::Never(error)) => {
                    let reason = format!("could not be asked: {error}");
                    self.end(index, failed(&reason));
                }
            }
        }
        Ok(())
    }

    /// Waits until there is something to hear, to look at or to ask.
    fn wait(&self, events: &mut [EpollEvent]) -> Result<usize, Error> {
        let more = !self.queue.is_empty() && self.flights.len() < self.capacity;
        let patience = match self.deadlines.next() {
            _ if more || self.flights.is_empty() => Duration::ZERO,
            Some(at) => at.saturating_duration_since(Instant::now()),
            None => PACE,
        };
        // Rounded up, so that a deadline has passed when it is looked at.
        let millis = patience.min(PACE).as_micros().div_ceil(1000);
        let timeout = EpollTimeout::from(u16::try_from(millis).unwrap_or(u16::MAX));
        match self.epoll.wait(events, timeout) {
            Ok(heard) => Ok(heard),
            Err(Errno::EINTR) => Ok(0),
            Err(error) => Err(Error::new("wait for answers", error)),
        }
    }

    /// Looks at the questions whose time has come.
    fn look(&mut self) {
        let now = Instant::now();
        while let Some((index, number)) = self.deadlines.pop(now) {
            let Some(active) = self.flights.get_mut(&index) else {
                continue;
            };
            if active.deadline != number {
                continue;
            }
            let next = active.flight.look(self.settings);
            self.go_on(index, next, now);
        }
    }

    /// Takes a piece of evidence for a question that is in flight; others are over.
    fn take(&mut self, index: usize, evidence: Evidence) {
        let now = Instant::now();
        if let Some(active) = self.flights.get_mut(&index) {
            let next = active.flight.hear(evidence, now, self.settings);
            self.go_on(index, next, now);
        }
    }

    fn go_on(&mut self, index: usize, next: Next, now: Instant) {
        match next {
            Next::Stay => {}
            Next::Wait(patience) => self.set_deadline(index, now + patience),
            Next::Again => {
                let evidence = self.ask_again(index);
                self.set_deadline(index, now + self.settings.timeout);
                if let Some(evidence) = evidence {
                    self.take(index, evidence);
                }
            }
            Next::Finish => {
                let Some(active) = self.flights.remove(&index) else {
                    return;
                };
                let masked = self.questions.get(index).and_then(|asked| asked.masked);
                self.close(active.via, masked);
                let to = self.questions.get(index).map(|question| question.to);
                let to = to.unwrap_or(sockets::unspecified(super::icmp::Version::V4));
                self.end(index, active.flight.answer(to, now));
            }
        }
    }

    fn set_deadline(&mut self, index: usize, at: Instant) {
        if let Some(active) = self.flights.get_mut(&index) {
            active.deadline = active.deadline.wrapping_add(1);
            self.deadlines.set(at, index, active.deadline);
        }
    }

    /// Gives a question its answer.
    fn end(&mut self, index: usize, answer: Answer) {
        if let Some(slot) = self.answers.get_mut(index) {
            *slot = Some(answer);
        }
        self.done += 1;
        self.capacity = (self.capacity + 1).min(self.most);
        self.queue.extend(self.later.drain(..));
    }

    /// Closes what a question was asked through.
    fn close(&mut self, via: Via, masked: Option<IpAddr>) {
        match via {
            Via::Connection(_, ends) => {
                if let Some((ours, theirs)) = ends {
                    self.connections.remove(&(ours, theirs));
                    self.translated.remove(&ours);
                    if let Some(ip) = masked {
                        self.translated.remove(&SocketAddr::new(ip, ours.port()));
                    }
                }
            }
            Via::Source(number) => self.sources.leave(number),
            Via::Nothing => {}
        }
    }
}

fn failed(reason: &str) -> Answer {
    Answer {
        outcome: Outcome::Error(reason.into()),
        took: Duration::ZERO,
        drops: Vec::new(),
    }
}

/// A tag for the first question, from which all others follow without coming to 0, which SCTP forbids.
fn base(questions: usize) -> Result<u32, Error> {
    let too_many = || Error::new("number the questions", std::io::Error::from(Errno::E2BIG));
    let count = u32::try_from(questions).map_err(|_| too_many())?;
    let room = u32::MAX
        .checked_sub(count)
        .filter(|room| *room > 0)
        .ok_or_else(too_many)?;
    let random = RandomState::new().build_hasher().finish();
    let offset = random % u64::from(room);
    Ok(u32::try_from(offset).unwrap_or_default() + 1)
}

/// How many sockets can be open at once.
fn capacity(settings: &Settings) -> Result<usize, Error> {
    let limit = usize::try_from(limits::open_files()?).unwrap_or(usize::MAX);
    let open = fs::read_dir("/proc/self/fd")
        .map_err(|error| Error::new("read /proc/self/fd", error))?
        .count();
    let room = limit.saturating_sub(open + SPARE);
    Ok(settings.in_flight.min(room).max(1))
}

#[cfg(test)]
mod tests {
    use watertight_core::sets::Protocol;

    use super::*;

    #[test]
    fn tokens_are_read_back() {
        let word = Token::Source(usize::MAX >> 2).word();
        let Some(Token::Source(number)) = Token::read(word) else {
            panic!("{word}")
        };
        assert_eq!(number, usize::MAX >> 2);
        assert!(matches!(
            Token::read(Token::Connection(0).word()),
            Some(Token::Connection(0))
        ));
        assert!(matches!(
            Token::read(Token::Watch(7).word()),
            Some(Token::Watch(7))
        ));
        assert!(Token::read(3).is_none());
    }

    /// SCTP forbids the tag 0, and tags of one run must differ.
    #[test]
    fn tags_neither_wrap_around_nor_come_to_nothing() {
        for questions in [0, 1, 1000, u32::MAX as usize - 1] {
            for _ in 0..100 {
                let base = base(questions).unwrap();
                assert!(base > 0);
                assert!(
                    base.checked_add(u32::try_from(questions).unwrap())
                        .is_some()
                );
            }
        }
        assert!(base(u32::MAX as usize).is_err());
    }

    #[test]
    fn who_is_not_there_asks_nothing() {
        let asked = Question {
            from: 0,
            to: [127, 0, 0, 1].into(),
            protocol: Protocol::Tcp,
            port: 80,
            source_port: None,
            from_address: None,
            masked: None,
            to_names: None,
        };
        let answers = ask(&[], &[asked], &[], &Settings::default(), &|_| {}).unwrap();
        let reason = "could not be asked: there is no party 0";
        assert_eq!(answers, [failed(reason)]);
        assert_eq!(
            ask(&[], &[], &[], &Settings::default(), &|_| {}).unwrap(),
            []
        );
    }
}
