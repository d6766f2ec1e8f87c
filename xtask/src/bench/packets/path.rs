//! What a packet costs on its way through a node: the processor time of the thread that sends it, which does
//! all the work up to the receiving socket.
//!
//! Each layout has a lab of its own: a node, and two pods between which everything is sent. Rounds visit all
//! labs in turns, and every ratio is taken within one round.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use nix::sys::socket::{setsockopt, sockopt};
use nix::time::{ClockId, clock_gettime};
use watertight_node::lab::{Cluster, Options, Place, Plan};
use watertight_node::nft::Table;
use watertight_node::sys::Namespace;

use super::worlds::{PORT, Policies, Scene, ips};

/// Bytes of a small packet.
const SMALL: usize = 64;
/// What is measured in one visit.
const PACKETS: u32 = 20_000;
const CONNECTIONS: u32 = 1_000;
const BULK: usize = 128 << 20;

/// One layout in its lab.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) name: &'static str,
    /// How many times fewer packets a slow layout is sent.
    less: u32,
    pub(super) rounds: Vec<Round>,
    from: Namespace,
    new: UdpSocket,
    established: UdpSocket,
    listener: TcpListener,
    to: SocketAddr,
    streams: (TcpStream, TcpStream),
    /// They live as long as the lab is held.
    _cluster: Cluster,
    _receiver: UdpSocket,
}

/// Processor time of one visit: nanoseconds for a packet or a connection, and for a kilobyte.
#[derive(Clone, Copy, Debug)]
pub(super) struct Round {
    /// A packet that nobody has answered.
    pub(super) new: f64,
    /// A socket of UDP with its first packet.
    pub(super) flow: f64,
    pub(super) established: f64,
    pub(super) connection: f64,
    pub(super) bulk: f64,
}

impl Lane {
    pub(super) fn up(
        name: &'static str,
        table: Option<&Table>,
        less: u32,
        is_closed: bool,
    ) -> anyhow::Result<Self> {
        let mut scene = Scene::of(2, Policies::None)?;
        let options = Options {
            usual_outside: false,
            ..Options::default()
        };
        let plan = Plan::new(&mut scene.world, &options)?;
        let cluster = Cluster::up(&plan, &|_, _, _| {})?;
        let node = plan.nodes.first().context("a lab without a node")?.id;
        if let Some(table) = table {
            cluster.install(Place::Node(node), table)?;
        }
        let [from, to] = [plan.pods.first(), plan.pods.get(1)].map(|pod| {
            let pod = pod.context("a lab without pods")?;
            let namespace = cluster.namespace(Place::Pod(pod.id));
            namespace.cloned().context("a pod without a namespace")
        });
        let (from, to_namespace) = (from?, to?);
        let [v4, _] = ips(1);
        let to = SocketAddr::new(v4, PORT);
        let listen = || -> anyhow::Result<_> { Ok((TcpListener::bind(to)?, UdpSocket::bind(to)?)) };
        let (listener, receiver) = to_namespace.run(listen)??;
        let dial = || -> anyhow::Result<_> {
            let any = SocketAddr::from(([0, 0, 0, 0], 0));
            let [new, established] = [UdpSocket::bind(any)?, UdpSocket::bind(any)?];
            new.connect(to)?;
            established.connect(to)?;
            if is_closed {
                let closed = SocketAddr::new(to.ip(), 9);
                let answer = TcpStream::connect_timeout(&closed, Duration::from_millis(100));
                ensure!(
                    answer.is_err_and(|error| error.kind() == ErrorKind::TimedOut),
                    "`{name}` lets through what no policy allows"
                );
            }
            let stream = TcpStream::connect_timeout(&to, Duration::from_secs(2))
                .with_context(|| format!("`{name}` lets nothing through"))?;
            Ok((new, established, stream))
        };
        let (new, established, out) = from.run(dial)??;
        let (into, _) = listener.accept()?;
        out.set_nonblocking(true)?;
        into.set_nonblocking(true)?;
        // A reply makes a connection of it.
        established.send(&[0; SMALL])?;
        receiver.set_read_timeout(Some(Duration::from_secs(2)))?;
        let (_, back) = receiver.recv_from(&mut [0; SMALL])?;
        receiver.send_to(&[0; SMALL], back)?;
        established.set_read_timeout(Some(Duration::from_secs(2)))?;
        established.recv(&mut [0; SMALL])?;
        Ok(Self {
            name,
            less,
            rounds: Vec::new(),
            from,
            new,
            established,
            listener,
            to,
            streams: (out, into),
            _cluster: cluster,
            _receiver: receiver,
        })
    }

    /// One visit, in a thread of its own.
    pub(super) fn measure(&mut self) -> anyhow::Result<()> {
        let from = self.from.clone();
        let round = from.run(|| self.round())??;
        self.rounds.push(round);
        Ok(())
    }

    fn round(&mut self) -> anyhow::Result<Round> {
        let packets = PACKETS / self.less;
        let small = [0; SMALL];
        let send = |socket: &UdpSocket| {
            timed(packets, || {
                socket.send(&small)?;
                Ok(())
            })
        };
        let new = send(&self.new)?;
        let established = send(&self.established)?;
        let connection = timed(CONNECTIONS / self.less.min(5), || {
            let stream = TcpStream::connect(self.to)?;
            let reset = nix::libc::linger {
                l_onoff: 1,
                l_linger: 0,
            };
            setsockopt(&stream, sockopt::Linger, &reset)?;
            drop(stream);
            self.listener.accept()?;
            Ok(())
        })?;
        let flow = timed(CONNECTIONS / self.less.min(5), || {
            let socket = UdpSocket::bind(SocketAddr::from(([0, 0, 0, 0], 0)))?;
            socket.send_to(&small, self.to)?;
            Ok(())
        })?;
        let (out, into) = &mut self.streams;
        let chunk = vec![0; 64 << 10];
        let mut room = vec![0; 1 << 20];
        let mut received = 0;
        let bulk = timed(u32::try_from(BULK >> 10)?, {
            let mut is_done = false;
            move || {
                if std::mem::replace(&mut is_done, true) {
                    return Ok(());
                }
                while received < BULK {
                    // As much as goes, then as much as came.
                    while done(out.write(&chunk))? > 0 {}
                    loop {
                        match done(into.read(&mut room))? {
                            0 => break,
                            count => received += count,
                        }
                    }
                }
                Ok(())
            }
        })?;
        Ok(Round {
            new,
            flow,
            established,
            connection,
            bulk,
        })
    }
}

fn done(result: std::io::Result<usize>) -> anyhow::Result<usize> {
    match result {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
        result => Ok(result?),
    }
}

/// The processor time of one of so many, in nanoseconds.
fn timed(count: u32, mut one: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let before = spent()?;
    for _ in 0..count {
        one()?;
    }
    Ok((spent()? - before) / f64::from(count))
}

/// The processor time of this thread, in nanoseconds.
fn spent() -> anyhow::Result<f64> {
    // Times of `getrusage` may be sampled.
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?;
    Ok(Duration::from(time).as_secs_f64() * 1e9)
}
