//! `watertight baseline` from end to end: the messy namespace of the example, what is taken for a need,
//! files, and what cannot be proved.

use expect_test::expect;
use serde_json::Value;

use crate::harness::{OPEN, Project, Ran};

fn example(name: &str) -> String {
    format!("{}/../../examples/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn baseline(arguments: &[&str]) -> Ran {
    let project = Project::new(&[]);
    let mut all = vec!["baseline"];
    all.extend(arguments);
    project.run(&all)
}

/// Standard error without the time that it took, and without the place of the examples.
fn told(ran: &Ran) -> String {
    let place = format!("{}/", example(""));
    let place = place.trim_end_matches('/').to_owned() + "/";
    let text = ran.stderr.replace(&place, "");
    let lines = text.lines().map(|line| match line.rsplit_once(" in ") {
        Some((line, time)) if time.ends_with(" ms") => line,
        _ => line,
    });
    lines.map(|line| format!("{line}\n")).collect()
}

fn shown(ran: &Ran) -> String {
    let place = example("").trim_end_matches('/').to_owned() + "/";
    ran.stdout.replace(&place, "")
}

#[test]
fn the_messy_namespace_of_the_example() {
    let ran = baseline(&[&example("shop"), "-n", "shop"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    expect![[r##"
        # What namespace shop needs, and nothing else. Made by `watertight baseline`.
        # It takes the place of the 8 policies of today. Policies add up, so delete what has no successor
        # here:
        #   kubectl -n shop delete networkpolicy cart-ingress catalog-ingress checkout-carriers deny-metadata orders-db-ingress

        # Nothing enters or leaves unless a policy below allows it.
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata:
          name: default-deny
          namespace: shop
          labels:
            app.kubernetes.io/managed-by: watertight
        spec:
          podSelector: {}
          policyTypes: [Ingress, Egress]
        ---
        # Every pod asks the DNS of the cluster, over TCP where an answer is long.
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata:
          name: allow-dns
          namespace: shop
          labels:
            app.kubernetes.io/managed-by: watertight
        spec:
          podSelector: {}
          policyTypes: [Egress]
          egress:
          - to:
            - namespaceSelector:
                matchLabels:
                  kubernetes.io/metadata.name: kube-system
              podSelector:
                matchLabels:
                  k8s-app: kube-dns
            ports:
            - protocol: TCP
              port: 53
            - protocol: UDP
              port: 53
        ---
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata:
          name: cart
          namespace: shop
          labels:
            app.kubernetes.io/managed-by: watertight
        spec:
          podSelector:
            matchLabels:
              app: cart
          policyTypes: [Ingress]
          ingress:
          # from shop/checkout: NetworkPolicy shop/cart-ingress
          # from shop/frontend: NetworkPolicy shop/cart-ingress
          - from:
            - podSelector:
                matchLabels:
                  app: checkout
            - podSelector:
                matchLabels:
                  app: frontend
            ports:
            - protocol: TCP
              port: 8080
        ---
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata:
          name: checkout
          namespace: shop
          labels:
            app.kubernetes.io/managed-by: watertight
        spec:
          podSelector:
            matchLabels:
              app: checkout
          policyTypes: [Ingress, Egress]
          ingress:
          # from shop/frontend: NetworkPolicy shop/checkout
          - from:
            - podSelector:
                matchLabels:
                  app: frontend
            ports:
            - protocol: TCP
              port: 8080
          egress:
          # to payments/payments-api: NetworkPolicy payments/payments-api; NetworkPolicy
          # payments/refunds-from-checkout; NetworkPolicy shop/checkout
          - to:
            - namespaceSelector:
                matchLabels:
                  kubernetes.io/metadata.name: payments
              podSelector:
                matchLabels:
                  app: payments-api
            ports:
            - protocol: TCP
              port: 8443
          # to shop/cart: NetworkPolicy shop/cart-ingress
          - to:
            - podSelector:
                matchLabels:
                  app: cart
            ports:
            - protocol: TCP
              port: 8080
          # to shop/orders-db: NetworkPolicy shop/orders-db-ingress
          - to:
            - podSelector:
                matchLabels:
                  app: orders-db
            ports:
            - protocol: TCP
              port: 5432
          # to public addresses: NetworkPolicy shop/checkout-carriers
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
                - 192.0.2.10/32
                - 192.0.2.21/32
                - 192.0.2.22/32
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
              port: 80
            - protocol: TCP
              port: 443
        ---
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata:
          name: frontend
          namespace: shop
          labels:
            app.kubernetes.io/managed-by: watertight
        spec:
          podSelector:
            matchLabels:
              app: frontend
          policyTypes: [Ingress, Egress]
          ingress:
          # from platform/gateway: NetworkPolicy platform/gateway; NetworkPolicy shop/frontend
          - from:
            - namespaceSelector:
                matchLabels:
                  kubernetes.io/metadata.name: platform
              podSelector:
                matchLabels:
                  app: gateway
            ports:
            - protocol: TCP
              port: 8080
          egress:
          # to identity/login: NetworkPolicy identity/login; NetworkPolicy shop/frontend
          # to shop/cart: NetworkPolicy shop/cart-ingress
          # to shop/checkout: NetworkPolicy shop/checkout
          - to:
            - namespaceSelector:
                matchLabels:
                  kubernetes.io/metadata.name: identity
              podSelector:
                matchLabels:
                  app: login
            - podSelector:
                matchLabels:
                  app: cart
            - podSelector:
                matchLabels:
                  app: checkout
            ports:
            - protocol: TCP
              port: 8080
          # to payments/payments-api: NetworkPolicy shop/frontend
          - to:
            - namespaceSelector:
                matchLabels:
                  kubernetes.io/metadata.name: payments
              podSelector:
                matchLabels:
                  app: payments-api
            ports:
            - protocol: TCP
              port: 8443
        ---
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata:
          name: orders-db
          namespace: shop
          labels:
            app.kubernetes.io/managed-by: watertight
        spec:
          podSelector:
            matchLabels:
              app: orders-db
          policyTypes: [Ingress]
          ingress:
          # from shop/checkout: NetworkPolicy shop/orders-db-ingress
          - from:
            - podSelector:
                matchLabels:
                  app: checkout
            ports:
            - protocol: TCP
              port: 5432
    "##]].assert_eq(&ran.stdout);
    expect![[r#"
        note: shop/shop/policies.yaml:73: NetworkPolicy shop/catalog-ingress selects no pod that policies are about: nothing of it is carried over
        note: shop/shop/policies.yaml:101: a rule of NetworkPolicy shop/orders-db-ingress names nobody who is there: nothing of it is carried over
        note: shop/shop/policies.yaml:18: NetworkPolicy shop/deny-metadata opens all ports of every pod to any address: that is not carried over; name who needs what
        note: shop/frontend -> payments/payments-api:8443/tcp: payments/payments-api does not let it in
        analysed 31 policies, 22 pods in 8 namespaces (21 files, engine the reference semantics); 6 policies for 1 namespace, 6 of 6 claims proved,
    "#]].assert_eq(&told(&ran));
}

#[test]
fn what_the_whole_example_needs_and_who_says_so() {
    let ran = baseline(&[&example("shop"), "-o", "text"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    expect![[r#"
        analytics: 5 policies
          to delete: clickhouse-ingress, collector-from-shop
        identity: 5 policies
          to delete: account-operator-egress, allow-metrics, session-store-ingress
        payments: 5 policies
          to delete: allow-monitoring, ledger-db-ingress, refunds-from-checkout, settlement-egress
        platform: 5 policies
          to delete: node-exporter
          on the host network, where no policy helps: node-exporter
          admits host-network pods: pod-security.kubernetes.io/enforce=privileged
        shop: 6 policies
          to delete: cart-ingress, catalog-ingress, checkout-carriers, deny-metadata, orders-db-ingress
        staging: 3 policies
          to delete: frontend-ingress, no-egress
          new label: pod-security.kubernetes.io/enforce=baseline

        Allowed, besides DNS
          analytics/collector -> analytics/clickhouse:9000/tcp
              NetworkPolicy analytics/clickhouse-ingress (shop/analytics/policies.yaml:27)
          analytics/dashboards -> analytics/clickhouse:8123/tcp
              NetworkPolicy analytics/clickhouse-ingress (shop/analytics/policies.yaml:29)
              NetworkPolicy analytics/dashboards (shop/analytics/policies.yaml:45)
          identity/login -> identity/session-store:6379/tcp
              NetworkPolicy identity/login (shop/identity/policies.yaml:37)
              NetworkPolicy identity/session-store-ingress (shop/identity/policies.yaml:62)
          identity/login -> public addresses:443/tcp
              NetworkPolicy identity/login (shop/identity/policies.yaml:39)
          payments/payments-api -> payments/ledger-db:5432/tcp
              NetworkPolicy payments/ledger-db-ingress (shop/payments/policies.yaml:60)
              NetworkPolicy payments/payments-api (shop/payments/policies.yaml:35)
          payments/payments-api -> 198.51.100.10/32:443/tcp
              NetworkPolicy payments/payments-api (shop/payments/policies.yaml:37)
          payments/payments-api -> 198.51.100.11/32:443/tcp
              NetworkPolicy payments/payments-api (shop/payments/policies.yaml:37)
          payments/settlement -> payments/ledger-db:5432/tcp
              NetworkPolicy payments/ledger-db-ingress (shop/payments/policies.yaml:60)
              NetworkPolicy payments/settlement-egress (shop/payments/policies.yaml:71)
          payments/settlement -> 198.51.100.20/32:22/tcp
              NetworkPolicy payments/settlement-egress (shop/payments/policies.yaml:73)
          platform/gateway -> analytics/dashboards:3000/tcp
              NetworkPolicy platform/gateway (shop/platform/policies.yaml:37)
          platform/gateway -> identity/login:8080/tcp
              NetworkPolicy identity/login (shop/identity/policies.yaml:30)
              NetworkPolicy platform/gateway (shop/platform/policies.yaml:30)
          platform/gateway -> shop/frontend:8080/tcp
              NetworkPolicy platform/gateway (shop/platform/policies.yaml:30)
              NetworkPolicy shop/frontend (shop/shop/policies.yaml:41)
          platform/gateway -> staging/frontend:8080/tcp
              NetworkPolicy platform/gateway (shop/platform/policies.yaml:30)
          platform/log-shipper -> 203.0.113.40/32:443/tcp
              NetworkPolicy platform/log-shipper (shop/platform/policies.yaml:83)
          platform/prometheus -> identity/account-operator:9090/tcp
              NetworkPolicy identity/allow-metrics (shop/identity/policies.yaml:84)
              NetworkPolicy platform/prometheus (shop/platform/policies.yaml:50)
          platform/prometheus -> identity/login:9090/tcp
              NetworkPolicy identity/allow-metrics (shop/identity/policies.yaml:84)
              NetworkPolicy platform/prometheus (shop/platform/policies.yaml:50)
          platform/prometheus -> payments/payments-api:9090/tcp
              NetworkPolicy platform/prometheus (shop/platform/policies.yaml:50)
          platform/prometheus -> 192.0.2.21/32:9100/tcp
              NetworkPolicy platform/prometheus (shop/platform/policies.yaml:52)
          platform/prometheus -> 192.0.2.22/32:9100/tcp
              NetworkPolicy platform/prometheus (shop/platform/policies.yaml:52)
          shop/checkout -> payments/payments-api:8443/tcp
              NetworkPolicy payments/payments-api (shop/payments/policies.yaml:30)
              NetworkPolicy payments/refunds-from-checkout (shop/payments/policies.yaml:48)
              NetworkPolicy shop/checkout (shop/shop/policies.yaml:65)
          shop/checkout -> shop/cart:8080/tcp
              NetworkPolicy shop/cart-ingress (shop/shop/policies.yaml:88)
          shop/checkout -> shop/orders-db:5432/tcp
              NetworkPolicy shop/orders-db-ingress (shop/shop/policies.yaml:99)
          shop/checkout -> public addresses:80/tcp,443/tcp
              NetworkPolicy shop/checkout-carriers (shop/shop/policies.yaml:31)
          shop/frontend -> identity/login:8080/tcp
              NetworkPolicy identity/login (shop/identity/policies.yaml:30)
              NetworkPolicy shop/frontend (shop/shop/policies.yaml:46)
          shop/frontend -> payments/payments-api:8443/tcp
              NetworkPolicy shop/frontend (shop/shop/policies.yaml:50)
          shop/frontend -> shop/cart:8080/tcp
              NetworkPolicy shop/cart-ingress (shop/shop/policies.yaml:88)
          shop/frontend -> shop/checkout:8080/tcp
              NetworkPolicy shop/checkout (shop/shop/policies.yaml:62)
          every pod -> platform/log-shipper:2020/tcp
              NetworkPolicy platform/log-shipper (shop/platform/policies.yaml:78)
          any address -> platform/gateway:8080/tcp,8443/tcp
              Service platform/gateway is open to the outside (shop/platform/workloads.yaml:25)
              NetworkPolicy platform/gateway (shop/platform/policies.yaml:27)
          identity/account-operator -> the API server:6443/tcp
              NetworkPolicy identity/account-operator-egress (shop/identity/policies.yaml:73)
          platform/log-shipper -> the API server:6443/tcp
              NetworkPolicy platform/log-shipper (shop/platform/policies.yaml:81)
          platform/prometheus -> the API server:6443/tcp
              NetworkPolicy platform/prometheus (shop/platform/policies.yaml:54)

        Proved by the engine the reference semantics
          proved      a server takes what is written
          proved      20 pods and templates of pods are isolated in both directions
          proved      every pod gets answers from the DNS of the cluster
          proved      no pod of these namespaces reaches a metadata service of any cloud
          proved      32 connections that are needed are allowed
          proved      nothing else is allowed (40 sets of rules were looked at)

        To know
          shop/analytics/policies.yaml:17: a rule of NetworkPolicy analytics/collector-from-shop names nobody who is there: nothing of it is carried over
          shop/payments/policies.yaml:84: NetworkPolicy payments/allow-monitoring opens all ports of every pod or of others: that is not carried over; name the workloads and ports
          shop/payments/policies.yaml:86: a rule of NetworkPolicy payments/allow-monitoring names nobody who is there: nothing of it is carried over
          shop/platform/policies.yaml:62: NetworkPolicy platform/node-exporter selects no pod that policies are about: nothing of it is carried over
          shop/shop/policies.yaml:73: NetworkPolicy shop/catalog-ingress selects no pod that policies are about: nothing of it is carried over
          shop/shop/policies.yaml:101: a rule of NetworkPolicy shop/orders-db-ingress names nobody who is there: nothing of it is carried over
          shop/shop/policies.yaml:18: NetworkPolicy shop/deny-metadata opens all ports of every pod to any address: that is not carried over; name who needs what
    "#]].assert_eq(&shown(&ran));
}

/// Languages have a part for the whole cluster, and the engine that reads it judges the result.
#[test]
fn the_part_for_the_whole_cluster() {
    let of = |dialect: &str| {
        let ran = baseline(&[&example("shop"), "-n", "shop", "--dialect", dialect]);
        assert_eq!(ran.code, 0, "{ran:?}");
        let (_, cluster) = ran.stdout.split_once("# Nobody reads").unwrap();
        format!("{cluster}{}", told(&ran).lines().last().unwrap())
    };
    expect![[r#"
         the credentials of a machine: the metadata services of every cloud, for every pod,
        # whatever the policies of its namespace allow. Made by `watertight baseline`.
        apiVersion: policy.networking.k8s.io/v1alpha2
        kind: ClusterNetworkPolicy
        metadata:
          name: baseline-no-metadata
          labels:
            app.kubernetes.io/managed-by: watertight
        spec:
          tier: Admin
          priority: 0
          subject:
            namespaces: {}
          egress:
          - name: metadata
            action: Deny
            to:
            - networks:
              - 100.100.100.200/32
              - 168.63.129.16/32
              - 169.254.0.23/32
              - 169.254.42.42/32
              - 169.254.169.252/32
              - 169.254.169.254/32
              - 169.254.170.2/32
              - 169.254.170.23/32
              - 192.0.0.192/32
              - "fd00:42::42/128"
              - "fd00:c1::a9fe:a9fe/128"
              - "fd00:ec2::23/128"
              - "fd00:ec2::254/128"
              - "fd00:a9fe:a9fe::1/128"
              - "fd20:ce::254/128"
              - "fe80::a9fe:a9fe/128"
        analysed 32 policies, 22 pods in 8 namespaces (21 files, engine the reference semantics); 6 policies for 1 namespace, 6 of 6 claims proved,"#]].assert_eq(&of("clusternetworkpolicy"));
    expect![[r#"
         the credentials of a machine: the metadata services of every cloud, for every pod,
        # whatever the policies of its namespace allow. Made by `watertight baseline`.
        # A tier of its own, asked before the tier `default` in which NetworkPolicies live.
        apiVersion: projectcalico.org/v3
        kind: Tier
        metadata:
          name: baseline
          labels:
            app.kubernetes.io/managed-by: watertight
        spec:
          order: 10
        ---
        apiVersion: projectcalico.org/v3
        kind: GlobalNetworkPolicy
        metadata:
          name: baseline.no-metadata
          labels:
            app.kubernetes.io/managed-by: watertight
        spec:
          tier: baseline
          order: 0
          namespaceSelector: all()
          types:
          - Egress
          egress:
          - action: Deny
            destination:
              nets:
              - 100.100.100.200/32
              - 168.63.129.16/32
              - 169.254.0.23/32
              - 169.254.42.42/32
              - 169.254.169.252/32
              - 169.254.169.254/32
              - 169.254.170.2/32
              - 169.254.170.23/32
              - 192.0.0.192/32
          - action: Deny
            destination:
              nets:
              - "fd00:42::42/128"
              - "fd00:c1::a9fe:a9fe/128"
              - "fd00:ec2::23/128"
              - "fd00:ec2::254/128"
              - "fd00:a9fe:a9fe::1/128"
              - "fd20:ce::254/128"
              - "fe80::a9fe:a9fe/128"
          # Everything else is for the tiers behind this one.
          - action: Pass
        analysed 32 policies, 22 pods in 8 namespaces (21 files, engine Calico); 6 policies for 1 namespace, 6 of 6 claims proved,"#]].assert_eq(&of("calico"));
    expect![[r#"
         the credentials of a machine: the metadata services of every cloud, for every pod,
        # whatever the policies of its namespace allow. Made by `watertight baseline`.
        apiVersion: cilium.io/v2
        kind: CiliumClusterwideNetworkPolicy
        metadata:
          name: baseline-no-metadata
          labels:
            app.kubernetes.io/managed-by: watertight
        spec:
          endpointSelector: {}
          # It only denies: it must not isolate pods that no policy allows anything.
          enableDefaultDeny:
            ingress: false
            egress: false
          egressDeny:
          - toCIDR:
            - 100.100.100.200/32
            - 168.63.129.16/32
            - 169.254.0.23/32
            - 169.254.42.42/32
            - 169.254.169.252/32
            - 169.254.169.254/32
            - 169.254.170.2/32
            - 169.254.170.23/32
            - 192.0.0.192/32
            - "fd00:42::42/128"
            - "fd00:c1::a9fe:a9fe/128"
            - "fd00:ec2::23/128"
            - "fd00:ec2::254/128"
            - "fd00:a9fe:a9fe::1/128"
            - "fd20:ce::254/128"
            - "fe80::a9fe:a9fe/128"
        analysed 32 policies, 22 pods in 8 namespaces (21 files, engine Cilium); 6 policies for 1 namespace, 6 of 6 claims proved,"#]].assert_eq(&of("cilium"));
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
        "app/web" -> "203.0.113.9/32" ["443/tcp"] x1
        "data/queue" -> "app/cart" ["9/udp"] x2"#]]
    .assert_eq(&recorded.join("\n"));
    let ran = project.run(&arguments);
    assert!(
        ran.stdout
            .contains("  # to 203.0.113.9/32: recorded once\n"),
        "{ran:?}"
    );
    expect![[""]].assert_eq(&told(&ran));
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

/// Policies add up: one that stays and opens more is found, with its name.
#[test]
fn policies_that_stay_are_judged_too() {
    let ran = baseline(&[&example("shop"), "-n", "shop", "--keep"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.stdout.contains("  name: default-deny-baseline\n"),
        "{ran:?}"
    );
    expect![[r#"
        note: shop/shop/policies.yaml:73: NetworkPolicy shop/catalog-ingress selects no pod that policies are about: nothing of it is carried over
        note: shop/shop/policies.yaml:101: a rule of NetworkPolicy shop/orders-db-ingress names nobody who is there: nothing of it is carried over
        note: shop/shop/policies.yaml:18: NetworkPolicy shop/deny-metadata opens all ports of every pod to any address: that is not carried over; name who needs what
        note: shop/frontend -> payments/payments-api:8443/tcp: payments/payments-api does not let it in
        not proved: no pod of these namespaces reaches a metadata service of any cloud
          shop/cart reaches 100.100.100.200
          shop/cart reaches 168.63.129.16
          shop/cart reaches 169.254.0.23
          shop/cart reaches 169.254.42.42
          shop/cart reaches 169.254.169.252
          shop/cart reaches 169.254.170.2
          shop/cart reaches 169.254.170.23
          shop/cart reaches 192.0.0.192
          shop/catalog reaches 100.100.100.200
          shop/catalog reaches 168.63.129.16
          and 37 more
        not proved: nothing else is allowed (10 sets of rules were looked at)
          egress of shop/cart is open to analytics/Deployment/collector on 0-52/tcp, by NetworkPolicy shop/deny-metadata
          egress of shop/catalog is open to analytics/Deployment/collector on 0-52/tcp, by NetworkPolicy shop/deny-metadata
          egress of shop/checkout is open to analytics/Deployment/collector on 0-52/tcp, by NetworkPolicy shop/deny-metadata
          egress of shop/frontend is open to analytics/Deployment/collector on 0-52/tcp, by NetworkPolicy shop/deny-metadata
          egress of shop/orders-db is open to analytics/Deployment/collector on 0-52/tcp, by NetworkPolicy shop/deny-metadata
        analysed 39 policies, 22 pods in 8 namespaces (21 files, engine the reference semantics); 6 policies for 1 namespace, 4 of 6 claims proved,
    "#]].assert_eq(&told(&ran));
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
        error: no namespace `ap` in the input
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

#[test]
fn json_keeps_the_published_contract() {
    let ran = baseline(&[
        &example("shop"),
        "-o",
        "json",
        "--dialect",
        "calico",
        "--guard",
        "kyverno",
    ]);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    let project = Project::new(&[]);
    let schema = project.run(&["schema", "baseline"]).stdout;
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<_> = validator
        .iter_errors(&report)
        .map(|error| error.to_string())
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
    assert_eq!(report["proved"], true);
    assert_eq!(report["kind"], "BaselineReport");
}
