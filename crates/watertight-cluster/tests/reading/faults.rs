//! What becomes of answers that are refused, late, broken or too old.

use std::time::{Duration, Instant};

use fake_cluster::{Effect, Fault, Options};
use watertight_cluster::read::Error;
use watertight_cluster::{Flags, State, Wanted};

use super::fixtures::{
    cluster, connected, flags, kind, pod, reading, shop, state, text, try_reading,
};

#[tokio::test]
async fn all_kinds_are_read_or_said_to_be_absent() {
    let cluster = cluster(Options::default()).await;
    let reading = reading(&cluster).await;
    assert_eq!(state(&reading, "pods"), (State::Complete, 6));
    assert_eq!(state(&reading, "networkpolicies"), (State::Complete, 1));
    assert_eq!(
        state(&reading, "adminnetworkpolicies"),
        (State::Complete, 1)
    );
    assert_eq!(
        state(&reading, "ciliumnetworkpolicies"),
        (State::NotServed, 0)
    );
    assert_eq!(state(&reading, "configmaps"), (State::Complete, 1));
    assert_eq!(reading.header.cluster.version, "v1.36.2");
    assert_eq!(reading.header.unknown().count(), 0);
    // Endpoints are the same objects as EndpointSlices, Calico's stored kinds as its own.
    assert!(
        !reading
            .header
            .kinds
            .iter()
            .any(|kind| kind.resource == "endpoints")
    );
    assert!(
        !reading
            .header
            .kinds
            .iter()
            .any(|kind| kind.group.starts_with("crd.projectcalico"))
    );
    let asked = cluster.requests();
    assert!(
        !asked.iter().any(|asked| asked.contains("secrets")),
        "{asked:?}"
    );
    assert!(
        !reading
            .files
            .iter()
            .any(|file| file.text.contains("not read"))
    );
}

#[tokio::test]
async fn policies_are_texts_as_people_write_them() {
    let cluster = cluster(Options::default()).await;
    let reading = reading(&cluster).await;
    expect_test::expect![[r#"
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata:
          annotations:
            ignore.watertight.dev/wt102: "it may go anywhere"
            other.example.com/a: b
          labels:
            team: a
          name: allow-web
          namespace: shop
        spec:
          ingress:
          - from:
            - podSelector:
                matchLabels:
                  app: web
            ports:
            - port: 5432
              protocol: TCP
          podSelector:
            matchLabels:
              app: db
          policyTypes:
          - Ingress
    "#]]
    .assert_eq(text(&reading, "networkpolicies/shop/allow-web.yaml"));
}

#[tokio::test]
async fn a_server_without_aggregated_discovery_is_asked_group_by_group() {
    let cluster = cluster(Options {
        aggregated: false,
        ..Options::default()
    })
    .await;
    let reading = reading(&cluster).await;
    assert_eq!(state(&reading, "pods"), (State::Complete, 6));
    assert_eq!(
        state(&reading, "adminnetworkpolicies"),
        (State::Complete, 1)
    );
    assert_eq!(
        state(&reading, "ciliumnetworkpolicies"),
        (State::NotServed, 0)
    );
}

#[tokio::test]
async fn what_is_forbidden_is_unknown() {
    let cluster = cluster(Options::default()).await;
    cluster.fault(Fault::new("list", "pods", Effect::Forbidden));
    let reading = reading(&cluster).await;
    assert_eq!(state(&reading, "pods"), (State::Forbidden, 0));
    assert!(kind(&reading, "pods").message.contains("forbidden"));
    assert_eq!(state(&reading, "services"), (State::Complete, 2));
}

#[tokio::test]
async fn rights_in_one_namespace_are_enough_for_it() {
    let cluster = cluster(Options::default()).await;
    for verb in ["list", "get"] {
        cluster.fault(Fault::new(verb, "", Effect::Forbidden).in_namespace(""));
    }
    let wanted = Wanted {
        namespaces: vec!["shop".into()],
        ..Wanted::default()
    };
    let reading = try_reading(&cluster, &wanted).await.unwrap();
    assert_eq!(state(&reading, "pods"), (State::Partial, 6));
    assert_eq!(state(&reading, "networkpolicies"), (State::Partial, 1));
    assert_eq!(state(&reading, "nodes"), (State::Forbidden, 0));
    assert!(
        kind(&reading, "pods")
            .message
            .starts_with("read in `shop` only: ")
    );

    let nobody = try_reading(&cluster, &Wanted::default()).await.unwrap_err();
    assert!(matches!(nobody, Error::Forbidden(_)), "{nobody}");
    assert!(nobody.to_string().contains("deploy/rbac/read-only.yaml"));
}

#[tokio::test]
async fn rights_in_a_namespace_are_no_reason_to_read_its_config_maps() {
    let cluster = cluster(Options::default()).await;
    for verb in ["list", "get"] {
        cluster.fault(Fault::new(verb, "configmaps", Effect::Forbidden).in_namespace(""));
        cluster
            .fault(Fault::new(verb, "configmaps", Effect::Forbidden).in_namespace("kube-system"));
    }
    let wanted = Wanted {
        namespaces: vec!["shop".into()],
        ..Wanted::default()
    };
    let reading = try_reading(&cluster, &wanted).await.unwrap();
    assert_eq!(state(&reading, "configmaps"), (State::Forbidden, 0));
    let asked = cluster.requests();
    assert!(
        !asked.contains(&"list configmaps shop".to_owned()),
        "{asked:?}"
    );
    assert!(
        !reading
            .files
            .iter()
            .any(|file| file.text.contains("PASSWORD"))
    );
}

#[tokio::test]
async fn a_list_that_begins_again_costs_no_other_namespace() {
    let cluster = cluster(Options::default()).await;
    cluster
        .store()
        .put(pod("zoo", "bear", "bear", 99, None))
        .unwrap();
    cluster.fault(Fault::new("list", "pods", Effect::Forbidden).in_namespace(""));
    cluster.fault(
        Fault::new("list", "pods", Effect::Gone)
            .in_namespace("zoo")
            .times(1),
    );
    let wanted = Wanted {
        // Who names one twice has it once.
        namespaces: ["shop", "zoo", "shop"].map(Into::into).into(),
        ..Wanted::default()
    };
    let reading = try_reading(&cluster, &wanted).await.unwrap();
    assert_eq!(state(&reading, "pods"), (State::Partial, 7));
    assert_eq!(text(&reading, "pods.ndjson").lines().count(), 7);
    let message = &kind(&reading, "pods").message;
    assert!(
        message.starts_with("read in `shop`, `zoo` only: "),
        "{message}"
    );
}

#[tokio::test]
async fn a_list_that_begins_again_tells_what_pods_need_again() {
    let cluster = many_pods(Options::default()).await;
    cluster.fault(
        Fault::new("list", "pods", Effect::Gone)
            .on_later_pages()
            .times(1),
    );
    let wanted = Wanted {
        hints: true,
        ..Wanted::default()
    };
    let reading = try_reading(&cluster, &wanted).await.unwrap();
    let pods = text(&reading, "pods.ndjson").lines();
    let of_many = pods.filter(|line| line.contains("\"many-0") && line.contains("db.shop:5432"));
    assert_eq!(of_many.count(), 1);
}

#[tokio::test]
async fn unknown_credentials_end_it() {
    let cluster = cluster(Options {
        token: Some("right".into()),
        ..Options::default()
    })
    .await;
    let refused = try_reading(&cluster, &Wanted::default()).await.unwrap_err();
    assert!(matches!(refused, Error::Unauthorized { .. }), "{refused}");
    assert!(refused.to_string().contains("log in again"), "{refused}");
    let connection = connected(&Flags {
        token: Some("right".into()),
        ..flags(&cluster)
    });
    let progress = std::sync::Arc::default();
    let read = watertight_cluster::read(&connection, &Wanted::default(), &progress).await;
    assert_eq!(state(&read.unwrap(), "pods").1, 6);
}

async fn many_pods(options: Options) -> fake_cluster::FakeCluster {
    let cluster = cluster(options).await;
    for number in 0..1200 {
        let name = format!("many-{number:04}");
        let pod = pod(
            "shop",
            &name,
            "many",
            100 + number,
            Some(("ReplicaSet", "many-abc")),
        );
        cluster.store().put(pod).unwrap();
    }
    cluster
}

#[tokio::test]
async fn long_lists_come_in_pages() {
    let cluster = many_pods(Options::default()).await;
    let reading = reading(&cluster).await;
    assert_eq!(state(&reading, "pods"), (State::Complete, 1206));
    assert_eq!(text(&reading, "pods.ndjson").lines().count(), 1206);
    let asked = cluster.requests();
    let pages = asked.iter().filter(|asked| asked.starts_with("list pods"));
    assert_eq!(pages.count(), 3);
}

#[tokio::test]
async fn a_forgotten_place_in_a_list_is_found_again() {
    let cluster = many_pods(Options::default()).await;
    let gone = Fault::new("list", "pods", Effect::Gone).on_later_pages();
    cluster.fault(gone.clone().times(1));
    let read = reading(&cluster).await;
    assert_eq!(state(&read, "pods"), (State::Complete, 1206));
    assert_eq!(
        text(&read, "pods.ndjson").lines().count(),
        1206,
        "none twice"
    );

    // A server that forgets every place leaves a part.
    cluster.fault(gone);
    let read = reading(&cluster).await;
    let (state, count) = state(&read, "pods");
    assert!(state.is_unknown(), "{state:?}");
    let lines = read.files.iter().find(|file| file.name == "pods.ndjson");
    assert_eq!(lines.map_or(0, |file| file.text.lines().count()), count);
}

#[tokio::test]
async fn a_busy_server_is_waited_for() {
    let cluster = cluster(Options::default()).await;
    cluster.fault(Fault::new("list", "pods", Effect::TooManyRequests(1)).times(2));
    let started = Instant::now();
    assert_eq!(
        state(&reading(&cluster).await, "pods"),
        (State::Complete, 6)
    );
    assert!(started.elapsed() >= Duration::from_secs(2), "Retry-After");
}

#[tokio::test]
async fn answers_that_break_off_are_asked_for_again_and_again_no_more_than_so_often() {
    let cluster = many_pods(Options::default()).await;
    for effect in [
        Effect::CutOff(1000),
        Effect::Garbage,
        Effect::InternalError,
        Effect::Unavailable,
    ] {
        cluster.fault(Fault::new("list", "pods", effect.clone()).times(2));
        let read = reading(&cluster).await;
        assert_eq!(state(&read, "pods"), (State::Complete, 1206), "{effect:?}");
        assert_eq!(
            text(&read, "pods.ndjson").lines().count(),
            1206,
            "{effect:?}"
        );
        cluster.heal();
    }
    cluster.fault(Fault::new("list", "pods", Effect::CutOff(1000)).on_later_pages());
    cluster.fault(Fault::new("list", "services", Effect::Garbage));
    let read = reading(&cluster).await;
    assert_eq!(state(&read, "pods"), (State::Partial, 500));
    let message = &kind(&read, "pods").message;
    assert!(
        message.starts_with("the list broke off after 500 objects: "),
        "{message}"
    );
    assert_eq!(state(&read, "services"), (State::Failed, 0));
}

#[tokio::test]
async fn a_slow_server_is_waited_for_as_long_as_somebody_wants() {
    let cluster = cluster(Options::default()).await;
    let slow = Fault::new("list", "services", Effect::Slow(Duration::from_secs(2)));
    cluster.fault(slow.times(1));
    let connection = connected(&Flags {
        request_timeout: Some(Duration::from_secs(1)),
        ..flags(&cluster)
    });
    let progress = std::sync::Arc::default();
    let read = watertight_cluster::read(&connection, &Wanted::default(), &progress).await;
    assert_eq!(state(&read.unwrap(), "services"), (State::Complete, 2));
}

#[tokio::test]
async fn a_list_that_is_absent_though_the_server_has_it_is_not_known() {
    let cluster = cluster(Options::default()).await;
    cluster.fault(Fault::new("list", "cronjobs.batch", Effect::NotServed));
    let read = reading(&cluster).await;
    assert_eq!(state(&read, "cronjobs"), (State::Failed, 0));
    let message = &kind(&read, "cronjobs").message;
    assert!(message.contains("has no list of it"), "{message}");
    assert_eq!(
        shop().len() - 3,
        read.header.objects(),
        "all but a ConfigMap, a Secret and the rest"
    );
}
