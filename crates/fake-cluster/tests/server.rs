//! The server as kube's client sees it: if these hold, tests of other crates test those crates.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use fake_cluster::{
    Effect, Exec, ExitStatus, FakeCluster, Fault, NoRuntime, Options, Runtime, Store,
};
use futures::future::BoxFuture;
use futures::{StreamExt, TryStreamExt as _};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use kube::api::{Api, AttachParams, DeleteParams, ListParams, PostParams, WatchEvent, WatchParams};
use kube::{Client, Config};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

fn client(cluster: &FakeCluster) -> Client {
    let config = Config::new(cluster.url().parse().unwrap());
    Client::try_from(config).unwrap()
}

async fn cluster(options: Options, runtime: Arc<dyn Runtime>) -> FakeCluster {
    let cluster = FakeCluster::start(options, runtime).await.unwrap();
    let store = cluster.store();
    store
        .put(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}))
        .unwrap();
    for node in ["a", "b"] {
        store
            .put(json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}}))
            .unwrap();
    }
    cluster
}

async fn quiet() -> FakeCluster {
    cluster(Options::default(), Arc::new(NoRuntime::default())).await
}

fn pod(name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "shop", "labels": {"app": name}},
        "spec": {"containers": [{"name": "main", "image": "x"}]},
    })
}

async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..200 {
        if let Some(answer) = ask().await {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("waited in vain for {what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_come_in_pages_and_selected() {
    let cluster = quiet().await;
    for at in 0..7 {
        cluster.store().put(pod(&format!("web-{at}"))).unwrap();
    }
    let api: Api<Pod> = Api::all(client(&cluster));
    let mut pages = Vec::new();
    let mut params = ListParams::default().limit(3);
    loop {
        let page = api.list(&params).await.unwrap();
        pages.push(page.items.len());
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => break,
        }
    }
    assert_eq!(pages, [3, 3, 1]);
    let one = api
        .list(&ListParams::default().labels("app=web-2"))
        .await
        .unwrap();
    assert_eq!(one.items.len(), 1);
    let partial = api.list_metadata(&ListParams::default()).await.unwrap();
    assert_eq!(partial.items.len(), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_happen_to_whom_they_are_meant_for() {
    let cluster = quiet().await;
    let api: Api<Pod> = Api::all(client(&cluster));
    let code = |error: kube::Error| match error {
        kube::Error::Api(status) => status.code,
        other => panic!("{other}"),
    };
    cluster.fault(Fault::new("list", "pods", Effect::Forbidden).in_namespace(""));
    assert_eq!(
        code(api.list(&ListParams::default()).await.unwrap_err()),
        403
    );
    let own: Api<Pod> = Api::namespaced(client(&cluster), "shop");
    own.list(&ListParams::default()).await.unwrap();
    cluster.heal();
    cluster.fault(Fault::new("list", "pods", Effect::Gone).on_later_pages());
    for at in 0..3 {
        cluster.store().put(pod(&format!("web-{at}"))).unwrap();
    }
    let first = api.list(&ListParams::default().limit(2)).await.unwrap();
    let token = first.metadata.continue_.unwrap();
    let next = ListParams::default().limit(2).continue_token(&token);
    assert_eq!(code(api.list(&next).await.unwrap_err()), 410);
    cluster.heal();
    cluster.fault(Fault::new("list", "pods", Effect::CutOff(40)).times(1));
    api.list(&ListParams::default()).await.unwrap_err();
    api.list(&ListParams::default()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn watches_tell_what_happens_and_when_the_list_is_over() {
    let cluster = quiet().await;
    cluster.store().put(pod("old")).unwrap();
    let api: Api<Pod> = Api::all(client(&cluster));
    let params = WatchParams::default().initial_events();
    let mut events = api.watch(&params, "0").await.unwrap().boxed();
    let mut told = Vec::new();
    while told.len() < 4 {
        match events.try_next().await.unwrap().unwrap() {
            WatchEvent::Added(pod) => told.push(format!("added {}", pod.metadata.name.unwrap())),
            WatchEvent::Deleted(pod) => told.push(format!("gone {}", pod.metadata.name.unwrap())),
            WatchEvent::Bookmark(mark)
                if mark
                    .metadata
                    .annotations
                    .contains_key("k8s.io/initial-events-end") =>
            {
                told.push("all".to_owned());
                cluster.store().put(pod("new")).unwrap();
                cluster.store().remove("pods", "shop", "old").unwrap();
            }
            _ => {}
        }
    }
    assert_eq!(told, ["added old", "all", "added new", "gone old"]);
    cluster.store().compact();
    let mut late = api
        .watch(&WatchParams::default(), "1")
        .await
        .map(StreamExt::boxed);
    let gone = match &mut late {
        Ok(events) => matches!(
            events.try_next().await,
            Ok(Some(WatchEvent::Error(_))) | Err(_)
        ),
        Err(_) => true,
    };
    assert!(gone);
}

/// Runs `cat` and `fail`.
#[derive(Default)]
struct Cat(NoRuntime);

impl Runtime for Cat {
    fn start(&self, pod: &Value) -> Result<Vec<std::net::IpAddr>, String> {
        self.0.start(pod)
    }

    fn stop(&self, _pod: &Value) {}

    fn sync(&self, _store: &Store) {}

    fn exec(&self, mut exec: Exec) -> BoxFuture<'static, ExitStatus> {
        Box::pin(async move {
            if exec.command[0] == "fail" {
                exec.stderr.send(Bytes::from_static(b"no")).await.unwrap();
                return ExitStatus::Code(3);
            }
            while let Some(bytes) = exec.stdin.recv().await {
                exec.stdout.send(bytes).await.unwrap();
            }
            ExitStatus::Code(0)
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deployments_run_and_take_commands_until_their_namespace_goes() {
    let options = Options {
        controllers: true,
        ..Options::default()
    };
    let cluster = cluster(options, Arc::new(Cat::default())).await;
    let client = client(&cluster);
    let deployment = json!({
        "metadata": {"name": "web"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"nodeSelector": {}, "containers": [{"name": "main", "image": "x"}]},
            },
        },
    });
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), "shop");
    let deployment = serde_json::from_value(deployment).unwrap();
    deployments
        .create(&PostParams::default(), &deployment)
        .await
        .unwrap();
    let pods: Api<Pod> = Api::namespaced(client.clone(), "shop");
    let running = until("two pods", async || {
        let all = pods
            .list(&ListParams::default().labels("app=web"))
            .await
            .unwrap()
            .items;
        let runs = |pod: &Pod| {
            pod.status
                .as_ref()
                .and_then(|status| status.pod_ip.clone())
                .is_some()
        };
        (all.len() == 2 && all.iter().all(runs)).then_some(all)
    })
    .await;
    let nodes: std::collections::BTreeSet<_> = running
        .iter()
        .map(|pod| pod.spec.as_ref().unwrap().node_name.clone().unwrap())
        .collect();
    assert_eq!(
        nodes.len(),
        Api::<Node>::all(client.clone())
            .list(&ListParams::default())
            .await
            .unwrap()
            .items
            .len()
    );

    let name = running[0].metadata.name.clone().unwrap();
    let attach = AttachParams::default().stdin(true).stderr(true);
    let mut process = pods.exec(&name, ["cat"], &attach).await.unwrap();
    let mut stdin = process.stdin().unwrap();
    stdin.write_all(b"hello").await.unwrap();
    stdin.shutdown().await.unwrap();
    drop(stdin);
    let mut said = String::new();
    process
        .stdout()
        .unwrap()
        .read_to_string(&mut said)
        .await
        .unwrap();
    assert_eq!(said, "hello");
    let mut process = pods
        .exec(&name, ["fail"], &AttachParams::default())
        .await
        .unwrap();
    let status = process.take_status().unwrap().await.unwrap();
    assert_eq!(status.reason.as_deref(), Some("NonZeroExitCode"));

    let namespaces: Api<Namespace> = Api::all(client);
    namespaces
        .delete("shop", &DeleteParams::default())
        .await
        .unwrap();
    until("an empty cluster", async || {
        let gone = namespaces.get_opt("shop").await.unwrap().is_none();
        (gone && cluster.store().all("pods").is_empty()).then_some(())
    })
    .await;
}
