//! Servers that speak TLS: whom to trust, who asks, and the way through a proxy.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fake_cluster::{Authority, FakeCluster, Options, Tls};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use watertight_cluster::connect::{Pod, Proxies};
use watertight_cluster::{Connection, Environment, Flags, Wanted, connect};

use super::fixtures::{cluster, state};

fn authority() -> Arc<Authority> {
    Arc::new(Authority::new().unwrap())
}

async fn server(tls: Tls, token: Option<&str>) -> FakeCluster {
    cluster(Options {
        tls: Some(tls),
        token: token.map(Into::into),
        ..Options::default()
    })
    .await
}

fn write(dir: &Path, name: &str, text: &str) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// A kubeconfig of one cluster and one user.
fn kubeconfig(dir: &Path, cluster: &Value, user: &Value) -> PathBuf {
    let text = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "prod",
        "clusters": [{"name": "c", "cluster": cluster}], "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "prod", "context": {"cluster": "c", "user": "u"}}],
    });
    write(dir, "config", &text.to_string())
}

/// A kubeconfig that trusts an authority.
fn trusting(dir: &Path, server: &FakeCluster, authority: &Authority, user: &Value) -> Flags {
    let data = STANDARD.encode(authority.pem());
    let cluster = json!({"server": server.url(), "certificate-authority-data": data});
    named(kubeconfig(dir, &cluster, user))
}

fn named(kubeconfig: PathBuf) -> Flags {
    Flags {
        kubeconfig: Some(kubeconfig),
        ..Flags::default()
    }
}

async fn read(connection: &Connection) -> Result<usize, String> {
    let progress = Arc::default();
    let read = watertight_cluster::read(connection, &Wanted::default(), &progress).await;
    let read = read.map_err(|error| error.to_string())?;
    Ok(state(&read, "pods").1)
}

/// The number of pods that are read through a connection, or why there are none.
async fn ask(flags: &Flags) -> Result<usize, String> {
    let connection = connect(flags, &Environment::default());
    read(&connection.map_err(|error| error.to_string())?).await
}

/// The error without addresses.
async fn error(flags: &Flags, server: &FakeCluster) -> String {
    let error = ask(flags).await.unwrap_err();
    error.replace(&server.url(), "SERVER")
}

#[tokio::test]
async fn who_signed_is_trusted_by_data_by_file_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let (ours, theirs) = (authority(), authority());
    let server = server(Tls::new(&ours, "127.0.0.1"), None).await;
    let flags = trusting(dir.path(), &server, &ours, &json!({}));
    assert_eq!(ask(&flags).await, Ok(6));

    let wrong = trusting(dir.path(), &server, &theirs, &json!({}));
    assert_eq!(
        error(&wrong, &server).await,
        "the certificate of SERVER is signed by nobody who is trusted here; name its authority with \
         --certificate-authority"
    );
    let file = write(dir.path(), "ca.crt", &ours.pem());
    let right = Flags {
        certificate_authority: Some(file),
        ..wrong.clone()
    };
    assert_eq!(ask(&right).await, Ok(6), "a flag wins over the file");
    let anybody = Flags {
        insecure_skip_tls_verify: true,
        ..wrong.clone()
    };
    assert_eq!(ask(&anybody).await, Ok(6));
    let nobody = named(kubeconfig(
        dir.path(),
        &json!({"server": server.url()}),
        &json!({}),
    ));
    assert!(
        error(&nobody, &server)
            .await
            .contains("--certificate-authority")
    );
    // A path in a kubeconfig is one beside it; a server with flags about certificates speaks TLS.
    let beside = json!({"server": server.url(), "certificate-authority": "ca.crt"});
    assert_eq!(
        ask(&named(kubeconfig(dir.path(), &beside, &json!({})))).await,
        Ok(6)
    );
    let bare = Flags {
        server: Some(server.url().replace("https://", "")),
        certificate_authority: right.certificate_authority.clone(),
        ..Flags::default()
    };
    assert_eq!(ask(&bare).await, Ok(6));
}

#[tokio::test]
async fn an_authority_that_is_none_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let flags = |file: PathBuf| Flags {
        server: Some("https://127.0.0.1:1".into()),
        certificate_authority: Some(file),
        ..Flags::default()
    };
    let absent = ask(&flags(dir.path().join("absent"))).await.unwrap_err();
    assert!(
        absent.starts_with("the certificate authority `/"),
        "{absent}"
    );
    assert!(
        absent.ends_with("name the right one with --certificate-authority"),
        "{absent}"
    );
    for text in [
        "",
        "no certificate",
        "-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ] {
        let wrong = ask(&flags(write(dir.path(), "wrong", text)))
            .await
            .unwrap_err();
        assert!(wrong.starts_with("the certificate authority "), "{wrong}");
        assert!(wrong.contains(" cannot be used: "), "{wrong}");
    }
    let unnamed = Flags {
        server: Some("https://127.0.0.1:1".into()),
        insecure_skip_tls_verify: true,
        tls_server_name: Some("a b".into()),
        ..Flags::default()
    };
    let unnamed = ask(&unnamed).await.unwrap_err();
    assert!(unnamed.ends_with("with --tls-server-name"), "{unnamed}");
    let data = json!({"server": "https://127.0.0.1:1", "certificate-authority-data": "?"});
    let wrong = ask(&named(kubeconfig(dir.path(), &data, &json!({}))))
        .await
        .unwrap_err();
    assert!(
        wrong.starts_with("the certificate authority in the kubeconfig cannot be used: "),
        "{wrong}"
    );
}

#[tokio::test]
async fn a_certificate_for_another_name_or_another_time_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let ours = authority();
    let elsewhere = server(Tls::new(&ours, "api.example"), None).await;
    let flags = trusting(dir.path(), &elsewhere, &ours, &json!({}));
    let wrong = error(&flags, &elsewhere).await;
    assert!(
        wrong.starts_with("the certificate of SERVER is for another name ("),
        "{wrong}"
    );
    assert!(wrong.ends_with("name it with --tls-server-name"), "{wrong}");
    let right = Flags {
        tls_server_name: Some("api.example".into()),
        ..flags
    };
    assert_eq!(ask(&right).await, Ok(6));

    let tls = Tls {
        expired: true,
        ..Tls::new(&ours, "127.0.0.1")
    };
    let old = server(tls, None).await;
    let flags = trusting(dir.path(), &old, &ours, &json!({}));
    assert_eq!(
        error(&flags, &old).await,
        "the certificate of SERVER has expired; it has to be renewed, or is the clock of this machine wrong?"
    );
}

#[tokio::test]
async fn a_client_certificate_tells_who_asks() {
    let dir = tempfile::tempdir().unwrap();
    let (ours, theirs) = (authority(), authority());
    let tls = Tls {
        clients: true,
        ..Tls::new(&ours, "127.0.0.1")
    };
    let server = server(tls, None).await;
    let own = ours.client("jane").unwrap();
    let data = |of: &fake_cluster::Identity| {
        json!({"client-certificate-data": STANDARD.encode(&of.certificate),
            "client-key-data": STANDARD.encode(&of.key)})
    };
    let flags = trusting(dir.path(), &server, &ours, &data(&own));
    assert_eq!(ask(&flags).await, Ok(6));

    let none = trusting(dir.path(), &server, &ours, &json!({}));
    assert_eq!(
        error(&none, &server).await,
        "SERVER wants a client certificate; name one with --client-certificate and --client-key, or \
         choose another user with --context or --user"
    );
    let files = Flags {
        client_certificate: Some(write(dir.path(), "own.crt", &own.certificate)),
        client_key: Some(write(dir.path(), "own.key", &own.key)),
        ..none.clone()
    };
    assert_eq!(ask(&files).await, Ok(6));

    let stranger = theirs.client("jane").unwrap();
    let unknown = trusting(dir.path(), &server, &ours, &data(&stranger));
    let unknown = error(&unknown, &server).await;
    assert!(
        unknown.starts_with("SERVER does not accept the client certificate ("),
        "{unknown}"
    );
    let without = trusting(dir.path(), &server, &ours, &json!({}));
    let files = Flags {
        kubeconfig: without.kubeconfig,
        ..files
    };
    let with_key = |key: Option<PathBuf>| Flags {
        client_key: key,
        ..files.clone()
    };
    for (name, broken) in [
        ("no key", with_key(None)),
        ("no file", with_key(Some(dir.path().join("absent")))),
        ("no PEM", with_key(Some(write(dir.path(), "x", "x")))),
        (
            "another key",
            with_key(Some(write(dir.path(), "y", &stranger.key))),
        ),
    ] {
        let error = ask(&broken).await.unwrap_err();
        assert!(error.contains("client certificate"), "{name}: {error}");
        assert!(error.contains("--client-key"), "{name}: {error}");
    }
}

#[tokio::test]
async fn tokens_and_who_is_asked_as_reach_the_server() {
    let dir = tempfile::tempdir().unwrap();
    let ours = authority();
    let server = server(Tls::new(&ours, "127.0.0.1"), Some("right")).await;
    let flags = trusting(dir.path(), &server, &ours, &json!({"token": "wrong"}));
    let refused = error(&flags, &server).await;
    assert!(
        refused.starts_with("SERVER does not accept the credentials ("),
        "{refused}"
    );
    let flags = Flags {
        token: Some("right".into()),
        impersonate: Some("jane".into()),
        impersonate_groups: vec!["team-a".into(), "team-b".into()],
        impersonate_uid: Some("4711".into()),
        ..flags
    };
    assert_eq!(ask(&flags).await, Ok(6));
    assert_eq!(server.header("authorization"), ["Bearer right"]);
    assert_eq!(server.header("impersonate-user"), ["jane"]);
    assert_eq!(server.header("impersonate-group"), ["team-a", "team-b"]);
    assert_eq!(server.header("impersonate-uid"), ["4711"]);
    // What the kubeconfig says about it stays when somebody names a token.
    let user =
        json!({"as": "joe", "as-uid": "1", "as-groups": ["g"], "as-user-extra": {"why": ["x"]}});
    let flags = Flags {
        token: Some("right".into()),
        ..trusting(dir.path(), &server, &ours, &user)
    };
    assert_eq!(ask(&flags).await, Ok(6));
    for (header, value) in [
        ("user", "joe"),
        ("uid", "1"),
        ("group", "g"),
        ("extra-why", "x"),
    ] {
        assert_eq!(server.header(&format!("impersonate-{header}")), [value]);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn login_commands_give_tokens_and_certificates() {
    use std::os::unix::fs::PermissionsExt;

    let dir = tempfile::tempdir().unwrap();
    let ours = authority();
    let tls = Tls {
        clients: true,
        ..Tls::new(&ours, "127.0.0.1")
    };
    let wants_certificate = server(tls, None).await;
    let wants_token = server(Tls::new(&ours, "127.0.0.1"), Some("right")).await;
    let own = ours.client("jane").unwrap();
    let user = |status: &Value| {
        let answer = json!({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
            "status": status});
        write(dir.path(), "answer", &answer.to_string());
        let script = "#!/bin/sh\necho >> \"$1.runs\"\nprintf %s \"$KUBERNETES_EXEC_INFO\" > \"$1.info\"\n\
                      cat \"$1\"\n";
        let command = write(dir.path(), "login", script);
        std::fs::set_permissions(&command, PermissionsExt::from_mode(0o700)).unwrap();
        json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": command,
            "args": [dir.path().join("answer")], "interactiveMode": "Never",
            "provideClusterInfo": true}})
    };
    let certificate = json!({"clientCertificateData": own.certificate, "clientKeyData": own.key});
    let flags = trusting(dir.path(), &wants_certificate, &ours, &user(&certificate));
    assert_eq!(ask(&flags).await, Ok(6));
    let told = std::fs::read_to_string(dir.path().join("answer.info")).unwrap();
    let told: Value = serde_json::from_str(&told).unwrap();
    let runs = std::fs::read_to_string(dir.path().join("answer.runs")).unwrap();
    assert!(runs.lines().count() <= 3, "somebody may have to answer it");
    assert_eq!(told["spec"]["cluster"]["server"], wants_certificate.url());
    let token = json!({"token": "right"});
    let flags = trusting(dir.path(), &wants_token, &ours, &user(&token));
    assert_eq!(ask(&flags).await, Ok(6));
    let broken = json!({"clientCertificateData": "no", "clientKeyData": "no"});
    let flags = trusting(dir.path(), &wants_certificate, &ours, &user(&broken));
    let broken = error(&flags, &wants_certificate).await;
    assert!(
        broken.starts_with("the client certificate that `/"),
        "{broken}"
    );
}

/// A proxy that makes connections (CONNECT), but for those whom it does not know.
async fn proxy(login: Option<&'static str>) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let made = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&made);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let counted = Arc::clone(&counted);
            tokio::spawn(async move {
                let mut client = BufReader::new(client);
                let (mut to, mut is_known) = (String::new(), login.is_none());
                loop {
                    let mut line = String::new();
                    client.read_line(&mut line).await.unwrap();
                    if let Some(rest) = line.strip_prefix("CONNECT ") {
                        to = rest.split(' ').next().unwrap().to_owned();
                    }
                    is_known |= login.is_some_and(|login| line.contains(login));
                    if line.trim().is_empty() {
                        break;
                    }
                }
                let answer = match (is_known, TcpStream::connect(&to).await) {
                    (false, _) => "407 Proxy Authentication Required",
                    (true, Err(_)) => "502 Bad Gateway",
                    (true, Ok(mut server)) => {
                        counted.fetch_add(1, Ordering::Relaxed);
                        let answer = b"HTTP/1.1 200 Connection established\r\n\r\n";
                        client.write_all(answer).await.unwrap();
                        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                        return;
                    }
                };
                let answer = format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n");
                let _ = client.write_all(answer.as_bytes()).await;
            });
        }
    });
    (address.to_string(), made)
}

#[tokio::test]
async fn a_proxy_is_gone_through_and_its_refusals_are_told_from_the_servers() {
    let dir = tempfile::tempdir().unwrap();
    let ours = authority();
    let server = server(Tls::new(&ours, "127.0.0.1"), None).await;
    let data = STANDARD.encode(ours.pem());
    let through = |proxy: &str, to: &str| {
        let cluster = json!({"server": to, "certificate-authority-data": data, "proxy-url": proxy});
        named(kubeconfig(dir.path(), &cluster, &json!({})))
    };
    let (open, made) = proxy(None).await;
    assert_eq!(
        ask(&through(&format!("http://{open}"), &server.url())).await,
        Ok(6)
    );
    assert!(made.load(Ordering::Relaxed) > 0);

    let theirs = authority().pem();
    let cluster = json!({"server": server.url(), "proxy-url": format!("http://{open}"),
        "certificate-authority-data": STANDARD.encode(theirs)});
    let before = made.load(Ordering::Relaxed);
    let untrusted = named(kubeconfig(dir.path(), &cluster, &json!({})));
    let untrusted = error(&untrusted, &server).await;
    assert!(untrusted.contains("signed by nobody"), "{untrusted}");
    let asked = made.load(Ordering::Relaxed) - before;
    assert_eq!(asked, 1, "certificates do not change in between");

    // "me:pw", as the header has it.
    let (closed, made) = proxy(Some("Basic bWU6cHc=")).await;
    let stranger = error(
        &through(&format!("http://{closed}"), &server.url()),
        &server,
    )
    .await;
    assert_eq!(
        stranger.replace(&closed, "PROXY"),
        "the proxy http://PROXY wants to know who asks; name it as http://USER:PASSWORD@HOST:PORT in \
         proxy-url of the kubeconfig or in HTTPS_PROXY"
    );
    let known = through(&format!("http://me:pw@{closed}"), &server.url());
    assert_eq!(ask(&known).await, Ok(6));
    assert!(made.load(Ordering::Relaxed) > 0);

    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = gone.local_addr().unwrap().to_string();
    drop(gone);
    let elsewhere = format!("https://{nobody}");
    let wrong = error(&through(&format!("http://{open}"), &elsewhere), &server).await;
    assert!(wrong.contains("makes no connection to https://"), "{wrong}");
    let wrong = error(
        &through(&format!("http://me:pw@{nobody}"), &server.url()),
        &server,
    )
    .await;
    assert_eq!(
        wrong.replace(&nobody, "PROXY"),
        "the proxy http://PROXY refuses connections; is proxy-url of the kubeconfig, or HTTPS_PROXY, right?"
    );
    let kind = error(&through("ftp://me:pw@proxy", &server.url()), &server).await;
    assert!(
        kind.starts_with("proxy-url of the kubeconfig is no address of a proxy"),
        "{kind}"
    );
    assert!(!kind.contains("pw"), "{kind}");
}

#[tokio::test]
async fn proxies_of_the_environment_are_gone_through_unless_it_says_otherwise() {
    let ours = authority();
    let server = server(Tls::new(&ours, "api.example"), None).await;
    let (open, made) = proxy(None).await;
    // An address of this machine that is no loopback one for the rules of proxies.
    let port = server.url().rsplit(':').next().unwrap().to_owned();
    let flags = Flags {
        server: Some(format!("https://[::ffff:127.0.0.1]:{port}")),
        insecure_skip_tls_verify: true,
        ..Flags::default()
    };
    for (none, is_used) in [("", true), ("::ffff:127.0.0.1", false)] {
        let before = made.load(Ordering::Relaxed);
        let environment = Environment {
            proxies: Proxies {
                https: Some(open.clone()),
                none: Some(none.into()),
                ..Proxies::default()
            },
            ..Environment::default()
        };
        let connection = connect(&flags, &environment).unwrap();
        assert_eq!(connection.proxy.is_some(), is_used, "{none}");
        assert_eq!(read(&connection).await, Ok(6), "{none}");
        assert_eq!(made.load(Ordering::Relaxed) > before, is_used, "{none}");
    }
}

#[tokio::test]
async fn a_pod_asks_as_its_service_account() {
    let dir = tempfile::tempdir().unwrap();
    let (ours, theirs) = (authority(), authority());
    let server = server(Tls::new(&ours, "127.0.0.1"), Some("right")).await;
    for (name, text) in [
        ("token", "right"),
        ("ca.crt", &ours.pem()),
        ("namespace", "shop\n"),
    ] {
        write(dir.path(), name, text);
    }
    let environment = Environment {
        pod: Some(Pod {
            host: "127.0.0.1".into(),
            port: server.url().rsplit(':').next().unwrap().into(),
            directory: dir.path().to_owned(),
        }),
        ..Environment::default()
    };
    let connection = connect(&Flags::default(), &environment).unwrap();
    assert_eq!(
        (&*connection.context, &connection.server),
        ("in-cluster", &server.url())
    );
    assert_eq!(connection.namespace.as_deref(), Some("shop"));
    assert_eq!(read(&connection).await, Ok(6));
    let asked_as = Flags {
        impersonate: Some("jane".into()),
        ..Flags::default()
    };
    assert_eq!(
        read(&connect(&asked_as, &environment).unwrap()).await,
        Ok(6)
    );
    assert_eq!(server.header("impersonate-user"), ["jane"]);
    // Flags are heard there as everywhere.
    let wrong = write(dir.path(), "theirs", &theirs.pem());
    let flags = Flags {
        token: Some("wrong".into()),
        ..Flags::default()
    };
    let refused = read(&connect(&flags, &environment).unwrap())
        .await
        .unwrap_err();
    assert!(
        refused.contains("does not accept the credentials"),
        "{refused}"
    );
    let flags = Flags {
        certificate_authority: Some(wrong),
        ..Flags::default()
    };
    let refused = read(&connect(&flags, &environment).unwrap())
        .await
        .unwrap_err();
    assert!(refused.contains("signed by nobody"), "{refused}");
    std::fs::remove_file(dir.path().join("token")).unwrap();
    let gone = connect(&Flags::default(), &environment)
        .unwrap_err()
        .to_string();
    assert!(
        gone.starts_with("the service account of this pod cannot be used: "),
        "{gone}"
    );
    assert!(
        gone.ends_with("name a kubeconfig with --kubeconfig"),
        "{gone}"
    );
}
