//! Packets that fly while rules change. What goes wrong is noted with the number of the update.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use watertight_node::sys::Namespace;

/// How long a packet may be under way before it counts as lost. It takes far less than a thousandth of it.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often something is asked in one go. Each port that is used makes a connection for the kernel to keep.
const ROUNDS: usize = 50;

/// How often a waiting thread looks whether all is over.
const BREATH: Duration = Duration::from_millis(20);

/// What all flows know of each other.
#[derive(Default)]
pub(super) struct Fire {
    /// The number of the update that is being made.
    pub(super) update: AtomicUsize,
    over: AtomicBool,
    /// Whether what is denied may arrive, because there are no rules any more.
    is_control: AtomicBool,
    wrong: Mutex<Vec<String>>,
    /// Round trips of allowed flows, packets and attempts of denied ones, and those that came through in the end.
    pub(super) trips: AtomicU64,
    pub(super) tries: AtomicU64,
    pub(super) arrived: AtomicU64,
}

impl Fire {
    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    pub(super) fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
    }

    pub(super) fn control(&self) {
        self.is_control.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_wrong(&self) -> bool {
        !self.wrong.lock().unwrap().is_empty()
    }

    pub(super) fn note(&self, what: &str) {
        let update = self.update.load(Ordering::SeqCst);
        let mut wrong = self.wrong.lock().unwrap();
        if wrong.len() < 20 {
            wrong.push(format!("update {update}: {what}"));
        }
    }

    fn leaked(&self, what: &str) {
        self.arrived.fetch_add(1, Ordering::SeqCst);
        if !self.is_control.load(Ordering::SeqCst) {
            self.note(&format!("leaked: {what}"));
        }
    }

    /// Fails if anything went wrong.
    pub(super) fn judge(&self) {
        let wrong = self.wrong.lock().unwrap();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

/// Binds a socket for all families of the thread's namespace.
pub(super) fn bind(port: u16) -> UdpSocket {
    let socket = UdpSocket::bind(("::", port))
        .or_else(|_| UdpSocket::bind(("0.0.0.0", port)))
        .unwrap();
    socket.set_read_timeout(Some(BREATH)).unwrap();
    socket
}

/// As it is written in a socket of IPv6 that speaks IPv4, too.
pub(super) fn target(socket: &UdpSocket, to: SocketAddr) -> SocketAddr {
    match (socket.local_addr().unwrap(), to.ip()) {
        (SocketAddr::V6(_), IpAddr::V4(ip)) => {
            SocketAddr::new(ip.to_ipv6_mapped().into(), to.port())
        }
        _ => to,
    }
}

/// Echoes datagrams of those who may send them, and notes others. It is there as long as anybody sends.
pub(super) fn echo(at: &Namespace, name: &str, port: u16, allowed: &[IpAddr], fire: &Fire) {
    at.enter().unwrap();
    let socket = bind(port);
    let mut bytes = [0; 64];
    loop {
        let (length, from) = match socket.recv_from(&mut bytes) {
            Ok(received) => received,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                if fire.is_over() {
                    return;
                }
                continue;
            }
            Err(error) => return fire.note(&format!("{name}: {error}")),
        };
        let ip = from.ip().to_canonical();
        if allowed.contains(&ip) {
            socket.send_to(&bytes[..length], from).unwrap();
        } else {
            let number = bytes
                .first_chunk()
                .map_or(0, |bytes| u64::from_ne_bytes(*bytes));
            fire.leaked(&format!(
                "packet {number} from {ip} arrived at {name} port {port}"
            ));
        }
    }
}

/// Asks and waits for the answer, again and again, from a new port every few rounds.
pub(super) fn ask(at: &Namespace, name: &str, to: SocketAddr, fire: &Fire) {
    at.enter().unwrap();
    let mut number = 0u64;
    while !fire.is_over() {
        let socket = bind(0);
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let to = target(&socket, to);
        for _ in 0..ROUNDS {
            number += 1;
            let update = fire.update.load(Ordering::SeqCst);
            socket.send_to(&number.to_ne_bytes(), to).unwrap();
            let mut bytes = [0; 8];
            match socket.recv(&mut bytes) {
                Ok(_) => assert_eq!(u64::from_ne_bytes(bytes), number, "{name}"),
                Err(_) if fire.is_over() => return,
                Err(error) => {
                    return fire.note(&format!(
                        "lost: packet {number} of {name} to {to}, sent at update {update}: {error}"
                    ));
                }
            }
            fire.trips.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(Duration::from_micros(400));
        }
    }
}

/// Sends what must not arrive.
pub(super) fn knock(at: &Namespace, to: &[SocketAddr], fire: &Fire) {
    at.enter().unwrap();
    let socket = bind(0);
    let to: Vec<SocketAddr> = to.iter().map(|to| target(&socket, *to)).collect();
    let mut number = 0u64;
    while !fire.is_over() {
        number += 1;
        for to in &to {
            // Where there are no rules any more, a port may be shut.
            _ = socket.send_to(&number.to_ne_bytes(), to);
            fire.tries.fetch_add(1, Ordering::Relaxed);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Accepts connections one after another, and echoes what comes.
pub(super) fn serve(at: &Namespace, name: &str, port: u16, allowed: &[IpAddr], fire: &Fire) {
    at.enter().unwrap();
    let listener = TcpListener::bind(("::", port))
        .or_else(|_| TcpListener::bind(("0.0.0.0", port)))
        .unwrap();
    listener.set_nonblocking(true).unwrap();
    while !fire.is_over() {
        let Ok((mut stream, from)) = listener.accept() else {
            std::thread::sleep(Duration::from_micros(400));
            continue;
        };
        let ip = from.ip().to_canonical();
        if !allowed.contains(&ip) {
            fire.leaked(&format!("{name} accepted a connection of {ip}"));
            continue;
        }
        stream.set_nonblocking(false).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut bytes = [0; 512];
        while stream.read_exact(&mut bytes).is_ok() && stream.write_all(&bytes).is_ok() {}
    }
}

/// Connects, and sends and receives some data, again and again.
pub(super) fn dial(at: &Namespace, name: &str, to: SocketAddr, fire: &Fire) {
    at.enter().unwrap();
    while !fire.is_over() {
        let round = || -> std::io::Result<()> {
            let mut stream = TcpStream::connect_timeout(&to, PATIENCE)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            for _ in 0..ROUNDS {
                stream.write_all(&[7; 512])?;
                stream.read_exact(&mut [0; 512])?;
                fire.trips.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(Duration::from_micros(400));
            }
            Ok(())
        };
        let update = fire.update.load(Ordering::SeqCst);
        if let Err(error) = round()
            && !fire.is_over()
        {
            return fire.note(&format!(
                "lost: a connection of {name} to {to}, begun at update {update}: {error}"
            ));
        }
    }
}

/// Tries to connect where nobody may.
pub(super) fn rattle(at: &Namespace, name: &str, to: &[SocketAddr], fire: &Fire) {
    at.enter().unwrap();
    while !fire.is_over() {
        for to in to {
            fire.tries.fetch_add(1, Ordering::Relaxed);
            if TcpStream::connect_timeout(to, Duration::from_millis(3)).is_ok() {
                fire.leaked(&format!("{name} connected to {to}"));
            }
        }
    }
}

/// How many segments of TCP a namespace has sent twice, because nobody acknowledged them.
pub(super) fn retransmitted(at: &Namespace) -> u64 {
    let read = || std::fs::read_to_string("/proc/thread-self/net/snmp").unwrap();
    let text = at.run(read).unwrap();
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("Tcp: "));
    let (names, values) = (lines.next().unwrap(), lines.next().unwrap());
    let mut pairs = names.split(' ').zip(values.split(' '));
    let (_, value) = pairs.find(|(name, _)| *name == "RetransSegs").unwrap();
    value.parse().unwrap()
}
