//! Connections that are open when their permission goes, and those that somebody else left behind.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use watertight_node::enforce::Enforcer;
use watertight_node::netlink::conntrack;
use watertight_node::nft::{delta, kernel};

use super::field::{API, DB, Field, PORT, Pod, Tables, WEB, families, policy, shop};
use super::flows::{bind, target};
use crate::Outcome;

/// A connection of TCP on which one end writes all the time, and what it wrote last.
struct Flow {
    name: String,
    /// The messages that arrived.
    arrived: AtomicU64,
    /// Messages that were written without permission and arrived without.
    leaked: AtomicU64,
    is_broken: AtomicBool,
}

/// How far the test is: even numbers are with permission. It is written into each message.
#[derive(Default)]
struct Phase(AtomicU64, AtomicBool);

impl Phase {
    fn now(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    fn is_over(&self) -> bool {
        self.1.load(Ordering::SeqCst)
    }
}

/// Writes a message every two milliseconds, as long as there is room for it.
fn write(mut stream: &TcpStream, phase: &Phase, flow: &Flow) {
    stream.set_nodelay(true).unwrap();
    stream
        .set_write_timeout(Some(Duration::from_millis(50)))
        .unwrap();
    let (mut message, mut written) = ([0; 64], 0);
    while !phase.is_over() {
        if written == 0 {
            message[0] = u8::try_from(phase.now()).unwrap();
        }
        match stream.write(&message[written..]) {
            Ok(count) => written = (written + count) % message.len(),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => return flow.is_broken.store(true, Ordering::SeqCst),
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Reads messages. One that is written after permission is gone must not come before it is back.
fn read(mut stream: &TcpStream, phase: &Phase, flow: &Flow, is_strict: bool) {
    stream
        .set_read_timeout(Some(Duration::from_millis(50)))
        .unwrap();
    let (mut message, mut filled) = ([0; 64], 0);
    while !phase.is_over() {
        match stream.read(&mut message[filled..]) {
            Ok(0) => return,
            Ok(count) => filled += count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                continue;
            }
            Err(_) => return flow.is_broken.store(true, Ordering::SeqCst),
        }
        if filled == message.len() {
            filled = 0;
            flow.arrived.fetch_add(1, Ordering::SeqCst);
            let now = phase.now();
            if is_strict && now % 2 == 1 && u64::from(message[0]) == now {
                flow.leaked.fetch_add(1, Ordering::SeqCst);
            }
        }
    }
}

/// A connection from web to a server.
fn connect(field: &Field, to: SocketAddr) -> std::io::Result<TcpStream> {
    let connect = || TcpStream::connect_timeout(&to, Duration::from_millis(300));
    field.pod(WEB).run(connect).unwrap()
}

fn counts(flows: &[Flow]) -> Vec<u64> {
    flows
        .iter()
        .map(|flow| flow.arrived.load(Ordering::SeqCst))
        .collect()
}

/// Waits until more has arrived on all of some flows than there had.
fn wait(flows: &[Flow], before: &[u64], patience: Duration, why: &str) {
    let started = Instant::now();
    loop {
        let now = counts(flows);
        if now
            .iter()
            .zip(before)
            .all(|(now, before)| now > &(before + 3))
        {
            return;
        }
        if started.elapsed() > patience {
            let stuck = flows
                .iter()
                .zip(now.iter().zip(before))
                .filter(|(_, (now, before))| *now <= &(*before + 3));
            let stuck: Vec<_> = stuck.map(|(flow, _)| &*flow.name).collect();
            panic!("{why}: {}", stuck.join(", "));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Client and server speak first; on one node and across nodes; permission goes on either side.
pub(super) fn cut() -> Outcome {
    let open = Tables::new(&shop("client", ""));
    let no_way_in = policy(
        "shut",
        "matchLabels: {kind: server}",
        "  policyTypes: [Ingress]\n",
    );
    let no_way_out = policy(
        "shut",
        "matchLabels: {app: web}",
        "  policyTypes: [Egress]\n",
    );
    let shut = [no_way_in, no_way_out].map(|text| Tables::new(&shop("client", &text)));
    let field = Field::new(&shop("client", ""));
    let mut enforcers = field.enforce(&open);
    let mut update = |tables: &Tables| {
        for (enforcer, node) in enforcers.iter_mut().zip([1, 2]) {
            enforcer.update(tables.of(node).clone()).unwrap();
        }
    };
    let listeners = [API, DB].map(|pod| {
        let listen =
            || TcpListener::bind(("::", PORT)).or_else(|_| TcpListener::bind(("0.0.0.0", PORT)));
        field.pod(pod).run(listen).unwrap().unwrap()
    });
    let (mut flows, mut streams) = (Vec::new(), Vec::new());
    for (pod, listener) in [API, DB].into_iter().zip(&listeners) {
        for to in pod.each(PORT) {
            for is_client_first in [true, false] {
                let client = connect(&field, to).unwrap();
                let (server, _) = listener.accept().unwrap();
                let first = if is_client_first {
                    "the client"
                } else {
                    "the server"
                };
                flows.push(Flow {
                    name: format!("from web to {} at {to}, {first} speaks", pod.1),
                    arrived: AtomicU64::new(0),
                    leaked: AtomicU64::new(0),
                    is_broken: AtomicBool::new(false),
                });
                streams.push((client, server, is_client_first));
            }
        }
    }
    let phase = &Phase::default();
    std::thread::scope(|scope| {
        for (flow, (client, server, is_client_first)) in flows.iter().zip(&streams) {
            let (writer, reader) = if *is_client_first {
                (client, server)
            } else {
                (server, client)
            };
            scope.spawn(|| write(writer, phase, flow));
            scope.spawn(|| read(reader, phase, flow, *is_client_first));
        }
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            wait(
                &flows,
                &vec![0; flows.len()],
                Duration::from_secs(2),
                "nothing flows",
            );
            for (number, shut) in shut.iter().enumerate() {
                update(shut);
                phase.0.fetch_add(1, Ordering::SeqCst);
                // The server may send what fits into its window; nobody acknowledges it.
                std::thread::sleep(Duration::from_millis(250));
                let then = counts(&flows);
                for pod in [API, DB] {
                    for to in pod.each(PORT) {
                        let error = connect(&field, to).unwrap_err();
                        assert_eq!(
                            error.kind(),
                            ErrorKind::TimedOut,
                            "a new connection to {to}"
                        );
                    }
                }
                for (flow, (then, now)) in flows.iter().zip(then.iter().zip(counts(&flows))) {
                    assert_eq!(*then, now, "update {number}: it goes on {}", flow.name);
                    let leaked = flow.leaked.load(Ordering::SeqCst);
                    assert_eq!(leaked, 0, "update {number}: messages leaked {}", flow.name);
                }
                update(&open);
                phase.0.fetch_add(1, Ordering::SeqCst);
                for (pod, listener) in [API, DB].into_iter().zip(&listeners) {
                    for to in pod.each(PORT) {
                        connect(&field, to)
                            .unwrap_or_else(|error| panic!("a new connection to {to}: {error}"));
                        listener.accept().unwrap();
                    }
                }
                // TCP tries again ever more rarely.
                wait(
                    &flows,
                    &then,
                    Duration::from_secs(6),
                    "permission is back, and it does not go on",
                );
            }
        }));
        phase.1.store(true, Ordering::SeqCst);
        if let Err(panic) = done {
            std::panic::resume_unwind(panic);
        }
    });
    for flow in &flows {
        assert!(
            !flow.is_broken.load(Ordering::SeqCst),
            "broken {}",
            flow.name
        );
    }
    Outcome::Passed
}

const PORT_OF_OLD: u16 = 40_000;

/// Asks once from the port of a pod's program, so that the server may answer it.
fn opens(field: &Field, server: &UdpSocket, to: SocketAddr) -> SocketAddr {
    let ask = || {
        let socket = bind(PORT_OF_OLD);
        socket.send_to(b"?", target(&socket, to)).unwrap();
        socket
    };
    let socket = field.pod(WEB).run(ask).unwrap();
    server
        .set_read_timeout(Some(Duration::from_secs(2)))
        .unwrap();
    let (_, from) = server
        .recv_from(&mut [0; 8])
        .expect("a server that may be asked");
    // It stands for a connection that was in use: both ways.
    server.send_to(b"!", from).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(2)))
        .unwrap();
    socket.recv(&mut [0; 8]).expect("an answer");
    from
}

/// Whether something that a server sends on a connection of the past arrives at whoever has the address now.
fn inherits(field: &Field, server: &UdpSocket, to: SocketAddr) -> bool {
    let new = field.pod(WEB).run(|| bind(PORT_OF_OLD)).unwrap();
    new.set_read_timeout(Some(Duration::from_millis(60)))
        .unwrap();
    server.send_to(b"!", to).unwrap();
    new.recv(&mut [0; 8]).is_ok()
}

/// The address of web changes hands: its new owner may not be reached by what web was answered by.
pub(super) fn reuse() -> Outcome {
    let old = shop("client", "");
    // Nobody may reach the new owner, or servers may open nothing.
    let closed_to = policy(
        "shut",
        "matchLabels: {app: new}",
        "  policyTypes: [Ingress]\n",
    );
    let closed_from = policy(
        "shut",
        "matchLabels: {kind: server}",
        "  policyTypes: [Egress]\n",
    );
    let without = |text: &str| text.replace(&WEB.text("app: web, role: client"), "");
    let new = Pod("shop", "new", WEB.2, WEB.3);
    for (policy, what) in [
        (closed_to, "nobody may reach it"),
        (closed_from, "servers may open nothing"),
    ] {
        let texts = [
            old.clone() + &policy,
            without(&old) + &policy,
            without(&old) + &new.text("app: new") + &policy,
        ];
        let tables = texts.map(|text| Tables::new(&text));
        for (pod, is_v6) in [API, DB]
            .into_iter()
            .flat_map(|pod| families().iter().map(move |v6| (pod, *v6)))
        {
            let field = Field::new(&old);
            let server = field.pod(pod).run(|| bind(PORT)).unwrap();
            let name = format!("{} (IPv6: {is_v6}), {what}", pod.1);

            // The control: with a change of rules alone the connection goes on for the new owner.
            let mut sockets = [1, 2].map(|node| field.socket(node));
            for (socket, node) in sockets.iter_mut().zip([1, 2]) {
                kernel::replace(socket, tables[0].of(node)).unwrap();
            }
            let to = opens(&field, &server, pod.at(is_v6, PORT));
            for step in 1..3 {
                for (socket, node) in sockets.iter_mut().zip([1, 2]) {
                    let [was, is] = [step - 1, step].map(|at| tables[at].of(node));
                    kernel::apply(socket, &is.name, &delta::changes(was, is)).unwrap();
                }
            }
            assert!(inherits(&field, &server, to), "the control: {name}");

            for socket in &mut sockets {
                conntrack::flush(socket, &[WEB.v4(), WEB.v6()].into()).unwrap();
            }
            let mut enforcers: [Enforcer; 2] = field.enforce(&tables[0]);
            let to = opens(&field, &server, pod.at(is_v6, PORT));
            let mut forgotten = 0;
            for (step, tables) in tables.iter().enumerate().skip(1) {
                for (enforcer, node) in enforcers.iter_mut().zip([1, 2]) {
                    forgotten += enforcer.update(tables.of(node).clone()).unwrap().forgotten;
                }
                if step == 1 {
                    // Nodes know their own pods; that another node's is gone, somebody tells them.
                    forgotten += enforcers[1].forget(&[WEB.v4(), WEB.v6()]).unwrap();
                    assert!(!inherits(&field, &server, to), "leaked to nobody: {name}");
                }
            }
            assert!(!inherits(&field, &server, to), "leaked: {name}");
            let nodes = if pod.2 == WEB.2 { 1 } else { 2 };
            assert_eq!(forgotten, nodes, "{name}");
        }
    }
    Outcome::Passed
}
