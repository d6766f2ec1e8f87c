//! `watertight baseline` on the examples: the messy namespace first.

use expect_test::expect;
use serde_json::Value;

use crate::baseline::{baseline, example, shown, told};
use crate::harness::Project;

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
                matchExpressions:
                - key: app
                  operator: In
                  values:
                  - checkout
                  - frontend
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
                matchExpressions:
                - key: app
                  operator: In
                  values:
                  - cart
                  - checkout
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
          shop/analytics/policies.yaml:48: a rule of NetworkPolicy analytics/dashboards names nobody who is there: nothing of it is carried over
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
          shop/cart reaches 100.100.100.200 and 7 more addresses, by NetworkPolicy shop/deny-metadata
          shop/catalog reaches 100.100.100.200 and 7 more addresses, by NetworkPolicy shop/deny-metadata
          shop/checkout reaches 100.100.100.200 and 14 more addresses, by NetworkPolicy shop/deny-metadata
          shop/frontend reaches 100.100.100.200 and 7 more addresses, by NetworkPolicy shop/deny-metadata
          shop/orders-db reaches 100.100.100.200 and 7 more addresses, by NetworkPolicy shop/deny-metadata
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
