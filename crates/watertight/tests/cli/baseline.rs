//! `watertight baseline` from end to end: what is taken for a need, files, and what cannot be proved.

use expect_test::expect;
use serde_json::Value;

use crate::harness::{OPEN, Project, Ran};

pub(crate) fn example(name: &str) -> String {
    format!("{}/../../examples/{name}", env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn baseline(arguments: &[&str]) -> Ran {
    let project = Project::new(&[]);
    let mut all = vec!["baseline"];
    all.extend(arguments);
    project.run(&all)
}

/// Standard error without the time that it took, and without the place of the examples.
pub(crate) fn told(ran: &Ran) -> String {
    let place = format!("{}/", example(""));
    let place = place.trim_end_matches('/').to_owned() + "/";
    let text = ran.stderr.replace(&place, "");
    let lines = text.lines().map(|line| match line.rsplit_once(" in ") {
        Some((line, time)) if time.ends_with(" ms") => line,
        _ => line,
    });
    lines.map(|line| format!("{line}\n")).collect()
}

pub(crate) fn shown(ran: &Ran) -> String {
    let place = example("").trim_end_matches('/').to_owned() + "/";
    ran.stdout.replace(&place, "")
}

const APP: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: app, labels: {team: a}, annotations: {owner: "x: y"}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: app, annotations: {baseline.watertight.dev/internet: "443"}}
spec:
  selector: {matchLabels: {app.kubernetes.io/name: web}}
  template:
    metadata: {labels: {app.kubernetes.io/name: web, app.kubernetes.io/instance: one}}
    spec:
      serviceAccountName: web
      containers:
      - name: web
        args: ["--cart=http://$(CART_SERVICE_HOST):8080"]
        env:
        - {name: DB_HOST, value: db.data}
        - {name: DB_PORT, value: "5432"}
        - {name: API, value: "https://api.example.com/v1"}
        - {name: OLD, value: "old.data.svc:80"}
        envFrom: [{configMapRef: {name: web}}]
        ports: [{name: http, containerPort: 8080}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: web, namespace: app}
data: {QUEUE_URL: "amqp://queue.data.svc.cluster.local"}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: app}
spec: {selector: {app.kubernetes.io/name: web}, ports: [{name: http, port: 80, targetPort: http}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: cart, namespace: app}
spec:
  selector: {matchLabels: {app: cart}}
  template:
    metadata: {labels: {app: cart}, annotations: {baseline.watertight.dev/allow-to: "data/db:5432"}}
    spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: cart, namespace: app}
spec: {selector: {app: cart}, ports: [{port: 8080}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: app}
spec: {rules: [{http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {name: http}}}}]}}]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: web, namespace: app}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: r}
subjects: [{kind: ServiceAccount, name: web, namespace: app}]
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: data}
spec:
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: c, ports: [{name: pg, containerPort: 5432}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: data}
spec: {clusterIP: None, selector: {app: db}, ports: [{port: 5432}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: queue, namespace: data}
spec:
  selector: {matchLabels: {app: queue}}
  template:
    metadata: {labels: {app: queue}}
    spec: {containers: [{name: c, ports: [{containerPort: 5672}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: queue, namespace: data}
spec: {selector: {app: queue}, ports: [{name: amqp, port: 5672}, {name: admin, port: 15672}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: ingress-nginx-controller, namespace: ingress-nginx}
spec:
  selector: {matchLabels: {app.kubernetes.io/name: ingress-nginx}}
  template:
    metadata: {labels: {app.kubernetes.io/name: ingress-nginx}}
    spec: {containers: [{name: c, ports: [{containerPort: 443}]}]}
"#;

const API_SERVER: &str = r#"
apiVersion: v1
kind: Service
metadata: {name: kubernetes, namespace: default}
spec: {clusterIP: 10.96.0.1, ports: [{name: https, port: 443, targetPort: 6443}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: kubernetes, namespace: default, labels: {kubernetes.io/service-name: kubernetes}}
addressType: IPv4
endpoints: [{addresses: [192.0.2.10]}, {addresses: [192.0.2.11]}]
ports: [{name: https, port: 6443, protocol: TCP}]
"#;

#[test]
fn objects_tell_who_needs_whom() {
    let project = Project::new(&[("app.yaml", APP), ("api.yaml", API_SERVER)]);
    let ran = project.run(&["baseline", "-o", "text"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    expect![[r#"
        app: 4 policies
          new label: pod-security.kubernetes.io/enforce=baseline
        data: 4 policies
          new label: pod-security.kubernetes.io/enforce=baseline
        ingress-nginx: 3 policies
          new label: pod-security.kubernetes.io/enforce=baseline

        Allowed, besides DNS
          app/cart -> data/db:5432/tcp
              annotation allow-to of Deployment app/cart (app.yaml:42)
          app/web -> app/cart:8080/tcp
              an argument of app/web (app.yaml:17)
          app/web -> data/db:5432/tcp
              env DB_HOST of app/web (app.yaml:19)
          app/web -> data/queue:5672/tcp
              ConfigMap web, QUEUE_URL of app/web (app.yaml:29)
          app/web -> public addresses:443/tcp
              annotation internet of Deployment app/web (app.yaml:8)
              env API of app/web (app.yaml:21)
          ingress-nginx/ingress-nginx-controller -> app/web:8080/tcp
              Ingress app/web (app.yaml:50)
          app/web -> the API server:6443/tcp
              RoleBinding app/web gives rights to its service account web (app.yaml:55)

        Proved by the engine the reference semantics
          proved      a server takes what is written
          proved      5 pods and templates of pods are isolated in both directions
          proved      every pod gets answers from the DNS of the cluster (assumed, M-2)
          proved      no pod of these namespaces reaches a metadata service of any cloud
          proved      7 connections that are needed are allowed
          proved      nothing else is allowed (10 sets of rules were looked at)

        To know
          app.yaml:22: env OLD of app/web names `old.data.svc`, which is no Service of the input; nothing is allowed for it
    "#]].assert_eq(&ran.stdout);
    let ran = project.run(&["baseline", "-n", "app"]);
    let (_, web) = ran.stdout.split_once("  name: web\n").unwrap();
    expect![[r#"
          namespace: app
          labels:
            app.kubernetes.io/managed-by: watertight
        spec:
          podSelector:
            matchLabels:
              app.kubernetes.io/instance: one
              app.kubernetes.io/name: web
          policyTypes: [Ingress, Egress]
          ingress:
          # from ingress-nginx/ingress-nginx-controller: Ingress app/web
          - from:
            - namespaceSelector:
                matchLabels:
                  kubernetes.io/metadata.name: ingress-nginx
              podSelector:
                matchLabels:
                  app.kubernetes.io/name: ingress-nginx
            ports:
            - protocol: TCP
              port: 8080
          egress:
          # to app/cart: an argument of app/web
          - to:
            - podSelector:
                matchLabels:
                  app: cart
            ports:
            - protocol: TCP
              port: 8080
          # to data/db: env DB_HOST of app/web
          - to:
            - namespaceSelector:
                matchLabels:
                  kubernetes.io/metadata.name: data
              podSelector:
                matchLabels:
                  app: db
            ports:
            - protocol: TCP
              port: 5432
          # to data/queue: ConfigMap web, QUEUE_URL of app/web
          - to:
            - namespaceSelector:
                matchLabels:
                  kubernetes.io/metadata.name: data
              podSelector:
                matchLabels:
                  app: queue
            ports:
            - protocol: TCP
              port: 5672
          # to public addresses: annotation internet of Deployment app/web; env API of app/web
          - to:
            - ipBlock:
                cidr: 0.0.0.0/0
                except:
                - 0.0.0.0/8
                - 10.0.0.0/8
                - 100.64.0.0/10
                - 127.0.0.0/8
                - 168.63.129.16/32
                - 169.254.0.0/16
                - 172.16.0.0/12
                - 192.0.0.0/24
                - 192.0.2.10/31
                - 192.168.0.0/16
                - 198.18.0.0/15
                - 224.0.0.0/3
            - ipBlock:
                cidr: "2000::/3"
                except:
                - "2001::/32"
                - "2002::/16"
            ports:
            - protocol: TCP
              port: 443
          # to the API server: RoleBinding app/web gives rights to its service account web
          - to:
            - ipBlock:
                cidr: 192.0.2.10/32
            - ipBlock:
                cidr: 192.0.2.11/32
            ports:
            - protocol: TCP
              port: 6443
    "#]]
    .assert_eq(web);
    let (namespace, _) = ran.stdout.split_once("# Nothing enters").unwrap();
    expect![[r##"
        # What namespace app needs, and nothing else. Made by `watertight baseline`.

        # No policy is about pods on the host network: the namespace must not admit any.
        # The rest is as it is today; only the label is new.
        apiVersion: v1
        kind: Namespace
        metadata:
          name: app
          labels:
            pod-security.kubernetes.io/enforce: baseline
            team: a
          annotations:
            owner: "x: y"
        ---
    "##]]
    .assert_eq(namespace);
}

/// Without its addresses a place is left for them, and nothing is claimed.
#[test]
fn an_api_server_without_addresses_is_not_proved() {
    let project = Project::new(&[("app.yaml", APP)]);
    let ran = project.run(&["baseline", "-n", "app"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.stdout.contains("  #       cidr: ADDRESS/32\n"),
        "{ran:?}"
    );
    expect![[r#"
        note: app.yaml:22: env OLD of app/web names `old.data.svc`, which is no Service of the input; nothing is allowed for it
        not proved: 7 connections that are needed are allowed
          app/web needs the API server, whose addresses are not in the input; add the Service and the EndpointSlice `default/kubernetes`, or fill in the place in the file
        analysed 4 policies, 5 pods in 4 namespaces (1 file, engine the reference semantics); 4 policies for 1 namespace, 5 of 6 claims proved,
    "#]].assert_eq(&told(&ran));
}

const FLOWS: &str = "\
from,to,protocol,port,count
app/web,data/db,tcp,5432,12
app/web,ip:203.0.113.9,tcp,8443,1
app/cart,ip:169.254.169.254,tcp,80,3
data/queue,app/cart,udp,9,2
app/gone,data/db,tcp,5432,2
";

#[test]
fn recorded_flows_are_needs_but_for_metadata_services() {
    let project = Project::new(&[("app.yaml", APP), ("flows.csv", FLOWS)]);
    let arguments = [
        "baseline",
        "-n",
        "app",
        "--flows",
        "flows.csv",
        "--ignore-policies",
    ];
    let ran = project.run(&[&arguments[..], &["-o", "json"]].concat());
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    let recorded = report["needs"].as_array().unwrap().iter().filter(|need| {
        let mut why = need["why"].as_array().unwrap().iter();
        why.any(|why| why["by"] == "flow")
    });
    let recorded: Vec<String> = recorded
        .map(|need| {
            format!(
                "{} -> {} {} x{}",
                need["from"], need["to"], need["ports"], need["times"]
            )
        })
        .collect();
    expect![[r#"
        "app/web" -> "data/db" ["5432/tcp"] x12
        "app/web" -> "203.0.113.9/32" ["8443/tcp"] x1
        "data/queue" -> "app/cart" ["9/udp"] x2"#]]
    .assert_eq(&recorded.join("\n"));
    let ran = project.run(&arguments);
    assert!(
        ran.stdout
            .contains("  # to 203.0.113.9/32: recorded once\n"),
        "{ran:?}"
    );
    expect![[r#"
        note: flows.csv:6:1: no pod or workload `gone` in namespace `app`; it has `cart` and `web`; 1 flow left out
        note: app.yaml:22: env OLD of app/web names `old.data.svc`, which is no Service of the input; nothing is allowed for it
        note: flows.csv:4: app/Deployment/cart -> 169.254.169.254:80 was recorded 3 times and stays closed: it is a metadata service; --allow or an annotation opens it
        not proved: 9 connections that are needed are allowed
          app/web needs the API server, whose addresses are not in the input; add the Service and the EndpointSlice `default/kubernetes`, or fill in the place in the file
        analysed 4 policies, 5 pods in 4 namespaces (2 files, engine the reference semantics); 4 policies for 1 namespace, 6 of 7 claims proved,
    "#]].assert_eq(&told(&ran));
}

#[test]
fn flags_add_needs() {
    let project = Project::new(&[("app.yaml", APP), ("api.yaml", API_SERVER)]);
    let ran = project.run(&[
        "baseline",
        "-n",
        "data",
        "--allow",
        "data/queue -> app/svc/web:80",
        "--allow",
        "app/cart -> data/db:5432",
        "--internet",
        "data/db",
        "--internet",
        "data/queue:80,8000-8010",
        "--api-server",
        "data/queue",
        "-o",
        "text",
    ]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let (_, needs) = ran.stdout.split_once("DNS\n").unwrap();
    expect![[r#"
          app/cart -> data/db:5432/tcp
              --allow 'app/cart -> data/db:5432'
          app/web -> data/db:5432/tcp
              env DB_HOST of app/web (app.yaml:19)
          app/web -> data/queue:5672/tcp
              ConfigMap web, QUEUE_URL of app/web (app.yaml:29)
          data/db -> public addresses:443/tcp
              --internet data/db
          data/queue -> app/web:8080/tcp
              --allow 'data/queue -> app/svc/web:80'
          data/queue -> public addresses:80/tcp,8000-8010/tcp
              --internet data/queue
          data/queue -> the API server:6443/tcp
              --api-server data/queue

        Proved by the engine the reference semantics
          proved      a server takes what is written
          proved      2 pods and templates of pods are isolated in both directions
          proved      every pod gets answers from the DNS of the cluster (assumed, M-2)
          proved      no pod of these namespaces reaches a metadata service of any cloud
          proved      7 connections that are needed are allowed
          proved      nothing else is allowed (4 sets of rules were looked at)
    "#]]
    .assert_eq(needs);
}

#[test]
fn a_file_for_each_namespace_and_nobody_elses() {
    let project = Project::new(&[("in/open.yaml", OPEN), ("out/open.yaml", "mine: true\n")]);
    let ran = project.run(&["baseline", "in", "--out", "out"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert_eq!(
        ran.stderr.lines().last().unwrap(),
        "error: `out/open.yaml` was not written by `watertight baseline`; --force overwrites it"
    );
    assert_eq!(project.read("out/open.yaml"), "mine: true\n");
    let ran = project.run(&[
        "baseline", "in", "--out", "out", "--force", "--guard", "vap",
    ]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let first = project.read("out/open.yaml");
    assert!(first.contains("name: default-deny"), "{first}");
    assert!(
        project
            .read("out/guard.yaml")
            .contains("ValidatingAdmissionPolicy")
    );
    // Its own files it may write again, and with them as input nothing changes.
    let ran = project.run(&["baseline", "in", "out", "--out", "out", "--dialect", "cnp"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        project
            .read("out/cluster.yaml")
            .contains("kind: ClusterNetworkPolicy")
    );
}

/// Only what can be the name of a namespace becomes that of a file, and none has two parts.
#[test]
fn files_stay_in_their_directory() {
    let namespace = |name: &str| {
        OPEN.replace("namespace: open", &format!("namespace: {name}"))
            .replace("name: open", &format!("name: {name}"))
    };
    let project = Project::new(&[
        ("path/in.yaml", &namespace("../../esc")),
        ("part/in.yaml", &namespace("cluster")),
    ]);
    let ran = project.run(&["baseline", "path", "--out", "a/b/c"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    expect!["error: namespace `../../esc` cannot be the name of a file: no cluster has a namespace with such a name; leave it out with --namespace"].assert_eq(ran.stderr.lines().last().unwrap());
    assert!(!project.path().join("a").exists());
    let ran = project.run(&["baseline", "part", "--out", "out", "--dialect", "cnp"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    expect!["error: namespace `cluster` and the part of that name would both be `cluster.yaml`; write them apart, the namespace without --dialect and --guard"].assert_eq(ran.stderr.lines().last().unwrap());
    assert!(!project.path().join("out").exists());
    let ran = project.run(&["baseline", "part", "--out", "out"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        project
            .read("out/cluster.yaml")
            .contains("  namespace: cluster\n")
    );
}

/// A baseline of a baseline is the same one.
#[test]
fn it_stays_as_it_is() {
    let project = Project::new(&[("app.yaml", APP), ("api.yaml", API_SERVER)]);
    let ran = project.run(&["baseline", "--out", "out"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let rules = |text: String| {
        let lines = text
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'));
        let lines = lines.map(|line| format!("{line}\n"));
        let text: String = lines.collect();
        match text.split_once("---\n") {
            // The label is there the second time.
            Some((first, rest)) if first.contains("kind: Namespace") => rest.to_owned(),
            _ => text,
        }
    };
    let read = |name: &str| rules(project.read(&format!("out/{name}.yaml")));
    let before = ["app", "data", "ingress-nginx"].map(read);
    let ran = project.run(&["baseline", "--out", "out"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let after = ["app", "data", "ingress-nginx"].map(read);
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before.trim(), after.trim());
    }
}

#[test]
fn what_is_made_has_no_findings_of_its_own() {
    let project = Project::new(&[("app.yaml", APP), ("api.yaml", API_SERVER)]);
    project.run(&["baseline", "--out", "out"]);
    let ran = project.run(&["check", "--ignore", "WT006", "-o", "concise"]);
    let ours: Vec<&str> = ran
        .stdout
        .lines()
        .filter(|line| line.starts_with("out/"))
        .collect();
    assert!(ours.is_empty(), "{ours:#?}");
}

#[test]
fn mistakes_are_told_with_a_hint() {
    let project = Project::new(&[("app.yaml", APP)]);
    let told = |arguments: &[&str]| {
        let ran = project.run(&[&["baseline"], arguments].concat());
        assert_eq!(ran.code, 2, "{ran:?}");
        ran.stderr
    };
    expect![[r#"
        error: no namespace `ap` in the input; it has `app`, `data`, `ingress-nginx`, `kube-system`
    "#]]
    .assert_eq(&told(&["-n", "ap"]));
    expect![[r#"
        error: --allow: `app/web data/db` has no arrow; write FROM -> TO:PORT/PROTOCOL in quotes
    "#]]
    .assert_eq(&told(&["--allow", "app/web data/db"]));
    expect![[r#"
        error: --internet: no pod or workload `wbe` in namespace `app` (did you mean `web`?)
    "#]]
    .assert_eq(&told(&["--internet", "app/wbe"]));
    expect![[r#"
        error: --internet: `0` is no port; ports are 1 to 65535
    "#]]
    .assert_eq(&told(&["--internet", "app/web:0"]));
    expect![[r#"
        error: app.yaml:2:1: expected flows of Hubble or Calico in JSON, of `conntrack -L`, or a table with the header `from,to,protocol,port`
    "#]].assert_eq(&told(&["--flows", "app.yaml"]));
    expect![[r#"
        error: cannot read `none.csv`: No such file or directory (os error 2)
    "#]]
    .assert_eq(&told(&["--flows", "none.csv"]));
    let odd = Project::new(&[(
        "a.yaml",
        &APP.replace("dev/internet: \"443\"", "dev/intrenet: \"443\""),
    )]);
    let ran = odd.run(&["baseline", "-n", "app", "-q", "-o", "yaml=/dev/null"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.stderr
            .contains("there is no such annotation (did you mean `internet`?)"),
        "{ran:?}"
    );
    let system = Project::new(&[(
        "a.yaml",
        "{apiVersion: v1, kind: Namespace, metadata: {name: kube-system}}",
    )]);
    let ran = system.run(&["baseline"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("only with --namespace"), "{ran:?}");
}
