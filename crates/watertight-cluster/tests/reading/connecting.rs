//! Kubeconfigs, flags and the errors that say what to do.

use std::ffi::OsString;
use std::path::Path;

use fake_cluster::Options;
use serde_json::json;
use watertight_cluster::connect::Error;
use watertight_cluster::{Environment, Flags, Wanted, connect};

use super::fixtures::{cluster, connected, state};

fn kubeconfig(dir: &Path, name: &str, contexts: &[(&str, &str)]) -> OsString {
    let named: Vec<_> = contexts
        .iter()
        .map(|(context, _)| {
            json!({"name": context, "context": {"cluster": context, "user": context, "namespace": "shop"}})
        })
        .collect();
    let clusters: Vec<_> = contexts
        .iter()
        .map(|(context, server)| json!({"name": context, "cluster": {"server": server}}))
        .collect();
    let text = json!({"apiVersion": "v1", "kind": "Config", "contexts": named, "clusters": clusters,
        "users": [{"name": "robot", "user": {"token": "t"}}],
        "current-context": contexts.first().map(|(context, _)| context)});
    let path = dir.join(name);
    std::fs::write(&path, text.to_string()).unwrap();
    path.into_os_string()
}

fn environment(kubeconfig: OsString) -> Environment {
    Environment {
        kubeconfig: Some(kubeconfig),
        ..Environment::default()
    }
}

fn error(flags: &Flags, environment: &Environment) -> Error {
    connect(flags, environment).unwrap_err()
}

#[tokio::test]
async fn files_are_looked_for_as_kubectl_does() {
    let dir = tempfile::tempdir().unwrap();
    let first = kubeconfig(
        dir.path(),
        "a",
        &[("prod", "http://one:1"), ("dev", "http://two:2")],
    );
    let second = kubeconfig(
        dir.path(),
        "b",
        &[("prod", "http://three:3"), ("test", "http://four:4")],
    );
    let missing = dir.path().join("none").into_os_string();
    let list = std::env::join_paths([missing, first.clone(), second.clone()]).unwrap();
    let list = environment(list);
    let found = connect(&Flags::default(), &list).unwrap();
    assert_eq!(
        (found.context.as_str(), found.server.as_str()),
        ("prod", "http://one:1")
    );
    assert_eq!(found.namespace.as_deref(), Some("shop"));
    let flags = Flags {
        context: Some("test".into()),
        ..Flags::default()
    };
    assert_eq!(connect(&flags, &list).unwrap().server, "http://four:4");
    let flags = Flags {
        kubeconfig: Some(second.into()),
        ..Flags::default()
    };
    assert_eq!(
        connect(&flags, &list).unwrap().server,
        "http://three:3",
        "--kubeconfig wins"
    );
    let flags = Flags {
        server: Some("localhost:8080".into()),
        ..Flags::default()
    };
    assert_eq!(
        connect(&flags, &list).unwrap().server,
        "http://localhost:8080"
    );

    std::fs::create_dir(dir.path().join(".kube")).unwrap();
    std::fs::rename(first, dir.path().join(".kube/config")).unwrap();
    let home = Environment {
        home: Some(dir.path().to_owned()),
        ..Environment::default()
    };
    assert_eq!(
        connect(&Flags::default(), &home).unwrap().server,
        "http://one:1"
    );
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let none = error(&Flags::default(), &Environment::default());
    assert_eq!(none, Error::NoKubeconfig(Vec::new()));
    assert!(none.to_string().contains("--kubeconfig"), "{none}");
    // One that is there and empty is none either.
    let empty = dir.path().join("empty");
    std::fs::write(&empty, "{}").unwrap();
    let none = error(&Flags::default(), &environment(empty.clone().into()));
    assert_eq!(
        none.to_string().replace(&*empty.to_string_lossy(), "FILE"),
        "no cluster to connect to: no kubeconfig names one (looked at `FILE`); name one with \
         --kubeconfig, or set KUBECONFIG"
    );
    let known = environment(kubeconfig(
        dir.path(),
        "a",
        &[("prod", "http://one:1"), ("dev", "http://two:2")],
    ));
    let flags = |context: &str| Flags {
        context: Some(context.into()),
        ..Flags::default()
    };
    let near = error(&flags("pord"), &known).to_string();
    assert_eq!(
        near,
        "the kubeconfig has no context `pord` (did you mean `prod`?)"
    );
    let far = error(&flags("elsewhere"), &known).to_string();
    assert_eq!(
        far,
        "the kubeconfig has no context `elsewhere`; it has `prod`, `dev`"
    );
    let user = Flags {
        user: Some("robbot".into()),
        ..Flags::default()
    };
    let near = error(&user, &known).to_string();
    assert_eq!(
        near,
        "the kubeconfig has no user `robbot` (did you mean `robot`?)"
    );

    let broken = dir.path().join("broken");
    std::fs::write(&broken, "users: [{token: hunter2\n").unwrap();
    let broken = error(&Flags::default(), &environment(broken.into_os_string())).to_string();
    assert!(
        broken.contains("is no kubeconfig") && !broken.contains("hunter2"),
        "{broken}"
    );
    let absent = Flags {
        kubeconfig: Some(dir.path().join("absent")),
        ..Flags::default()
    };
    let absent = error(&absent, &known).to_string();
    assert!(absent.starts_with("cannot read the kubeconfig"), "{absent}");
}

#[tokio::test]
async fn a_missing_login_command_says_how_to_get_it() {
    let dir = tempfile::tempdir().unwrap();
    let exec = |command: &str| {
        let text = json!({"apiVersion": "v1", "kind": "Config", "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {"server": "http://one:1"}}],
            "users": [{"name": "u", "user": {"exec": {
                "apiVersion": "client.authentication.k8s.io/v1", "command": command,
                "installHint": "Install it\nfrom example.com", "interactiveMode": "Never"}}}]});
        let path = dir.path().join("exec");
        std::fs::write(&path, text.to_string()).unwrap();
        error(&Flags::default(), &environment(path.into_os_string())).to_string()
    };
    let missing = exec("no-such-login-command");
    assert_eq!(
        missing,
        "`no-such-login-command`, which gives the credentials of this user, is not installed or not in \
         PATH; the kubeconfig says: Install it from example.com"
    );
    let failing = exec("false");
    assert!(failing.contains("log in again"), "{failing}");
    let silent = exec("true");
    assert!(silent.contains("`true`"), "{silent}");
}

#[tokio::test]
async fn nobody_there_is_told_from_nobody_trusted() {
    let progress = std::sync::Arc::default();
    let ask = async |server: &str| {
        let connection = connected(&Flags {
            server: Some(server.into()),
            request_timeout: Some(std::time::Duration::from_secs(5)),
            ..Flags::default()
        });
        let read = watertight_cluster::read(&connection, &Wanted::default(), &progress).await;
        read.unwrap_err().to_string()
    };
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let refused = ask(&format!("http://127.0.0.1:{port}")).await;
    assert!(refused.contains("refuses connections"), "{refused}");
    let cluster = cluster(Options::default()).await;
    let tls = ask(&cluster.url().replace("http:", "https:")).await;
    assert!(tls.contains("TLS"), "{tls}");
}

/// The address of a server that answers everything alike.
fn elsewhere(answer: &'static str) -> String {
    use std::io::{Read as _, Write as _};

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // It ends with the process.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let answer = format!("HTTP/1.1 {answer}");
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    format!("http://{address}")
}

#[tokio::test]
async fn servers_of_something_else_are_told_from_api_servers() {
    for (answer, told) in [
        (
            "200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
            "SERVER answers, but is no Kubernetes API server; is it the right address?",
        ),
        (
            "404 Not Found\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno",
            "the server did not say what it serves: no (404); is it the address of a Kubernetes API server?",
        ),
        (
            "400 Bad Request\r\nContent-Length: 48\r\nConnection: close\r\n\r\n\
             Client sent an HTTP request to an HTTPS server.\n",
            "Client sent an HTTP request to an HTTPS server. (400); write the address of the server with \
             https://",
        ),
    ] {
        let server = elsewhere(answer);
        let connection = connected(&Flags {
            server: Some(server.clone()),
            ..Flags::default()
        });
        let progress = std::sync::Arc::default();
        let read = watertight_cluster::read(&connection, &Wanted::default(), &progress).await;
        let error = read.unwrap_err().to_string();
        assert_eq!(error.replace(&server, "SERVER"), told);
    }
}

#[tokio::test]
async fn a_kubeconfig_of_a_server_leads_to_it() {
    let cluster = cluster(Options {
        token: Some("right".into()),
        ..Options::default()
    })
    .await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config");
    std::fs::write(&path, cluster.kubeconfig("prod")).unwrap();
    let connection = connect(&Flags::default(), &environment(path.into_os_string())).unwrap();
    let progress = std::sync::Arc::default();
    let read = watertight_cluster::read(&connection, &Wanted::default(), &progress)
        .await
        .unwrap();
    assert_eq!(read.header.metadata.name, "prod");
    assert_eq!(state(&read, "pods").1, 6);
}
