//! Listeners that say their name.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use watertight_cluster::verify::wire::GREETING;

use crate::args::ServeArgs;
use crate::exit::Exit;

use super::{sctp, watch};

/// Connections that are greeted at once.
const MOST: usize = 256;
/// How long a greeting may take.
const GREET: Duration = Duration::from_secs(2);

pub(super) async fn run(args: &ServeArgs) -> anyhow::Result<Exit> {
    if args.name.is_empty() || args.name.contains(char::is_whitespace) {
        bail!("`{}` cannot be a name; use one word", args.name);
    }
    if args.tcp.is_empty() && args.udp.is_empty() && args.sctp.is_empty() {
        bail!("there is nothing to listen on; name a port with --tcp, --udp or --sctp");
    }
    // From the very first moment: nothing comes before it.
    let (targets, pace) = (args.watch.clone(), args.pace);
    if !targets.is_empty() {
        tokio::spawn(async move { watch::run(&targets, pace).await });
    }
    let greeting: Arc<str> = format!("{GREETING} {}\n", args.name).into();
    let places = Arc::new(Semaphore::new(MOST));
    for port in &args.tcp {
        let listener = bind(*port, TcpListener::bind)
            .await
            .with_context(|| format!("cannot listen on TCP port {port}"))?;
        tokio::spawn(accept(listener, Arc::clone(&greeting), Arc::clone(&places)));
    }
    for port in &args.udp {
        let socket = bind(*port, UdpSocket::bind)
            .await
            .with_context(|| format!("cannot listen on UDP port {port}"))?;
        tokio::spawn(echo(socket, args.name.clone()));
    }
    for port in args.sctp.iter().filter(|_| sctp::is_loaded()) {
        // The other ports are needed all the same.
        if let Ok(listener) = bind(*port, sctp::listen).await {
            tokio::spawn(accept(listener, Arc::clone(&greeting), Arc::clone(&places)));
        }
    }
    // The first process of a container is not ended by signals that it does not handle.
    stopped().await?;
    Ok(Exit::Clean)
}

/// All addresses of both families, or of IPv4 where the kernel has no IPv6.
async fn bind<T, F>(port: u16, bind: impl Fn(SocketAddr) -> F) -> std::io::Result<T>
where
    F: Future<Output = std::io::Result<T>>,
{
    match bind((Ipv6Addr::UNSPECIFIED, port).into()).await {
        Ok(bound) => Ok(bound),
        Err(error) => bind((Ipv4Addr::UNSPECIFIED, port).into())
            .await
            .map_err(|_| error),
    }
}

async fn accept(listener: TcpListener, greeting: Arc<str>, places: Arc<Semaphore>) {
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let greeting = Arc::clone(&greeting);
                tokio::spawn(async move {
                    let _ = tokio::time::timeout(GREET, greet(stream, &greeting)).await;
                    drop(place);
                });
            }
            // Out of descriptors, or a connection that was gone already.
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

async fn greet(mut stream: TcpStream, greeting: &str) -> std::io::Result<()> {
    stream.write_all(greeting.as_bytes()).await?;
    stream.shutdown().await
}

async fn echo(socket: UdpSocket, name: String) {
    let mut question = [0_u8; 256];
    loop {
        let Ok((count, from)) = socket.recv_from(&mut question).await else {
            continue;
        };
        let text = question
            .get(..count)
            .and_then(|text| std::str::from_utf8(text).ok());
        if let Some(answer) = text.and_then(|text| answer(text, &name)) {
            let _ = socket.send_to(answer.as_bytes(), from).await;
        }
    }
}

/// `watertight NONCE` comes back with the name. What else comes is not answered: nobody can be made to talk to others.
fn answer(question: &str, name: &str) -> Option<String> {
    let nonce = question
        .strip_prefix(GREETING)?
        .strip_prefix(' ')?
        .trim_end();
    let is_nonce = nonce.len() == 16 && nonce.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_nonce.then(|| format!("{GREETING} {nonce} {name}\n"))
}

#[cfg(unix)]
async fn stopped() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for signals")?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    Ok(())
}

#[cfg(not(unix))]
async fn stopped() -> anyhow::Result<()> {
    tokio::signal::ctrl_c()
        .await
        .context("cannot wait for signals")
}

#[cfg(test)]
mod tests {
    use super::answer;

    #[test]
    fn only_nonces_are_echoed() {
        assert_eq!(
            answer("watertight 00112233445566ff\n", "heron").as_deref(),
            Some("watertight 00112233445566ff heron\n")
        );
        assert_eq!(answer("watertight 00112233445566ff heron\n", "owl"), None);
        assert_eq!(answer("hello", "owl"), None);
    }
}
