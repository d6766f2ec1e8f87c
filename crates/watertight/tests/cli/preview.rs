//! `watertight preview`: what becomes of a state when something is applied on top of it.

use expect_test::expect;

use crate::harness::{Project, Ran};

const CLUSTER: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: main}]}
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: shop, labels: {app: db}}
spec: {containers: [{name: main}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop, labels: {stage: trial}}
spec:
  podSelector: {matchLabels: {app: db}}
  policyTypes: [Ingress]
  ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 5432}]}]
";

const DENY: &str = "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny, namespace: shop}
spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Egress]}
";

fn preview(arguments: &[&str]) -> Ran {
    let (_, db) = CLUSTER.rsplit_once("---\n").unwrap_or_default();
    let project = Project::new(&[
        ("k8s/cluster.yaml", CLUSTER),
        ("deny.yaml", DENY),
        ("db.yaml", &db.replace("5432", "9187")),
    ]);
    let mut all = vec!["preview", "k8s"];
    all.extend(arguments);
    project.run(&all)
}

#[test]
fn a_new_policy_is_applied_on_top() {
    let ran = preview(&["-f", "deny.yaml"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stdout.starts_with("narrows: "), "{ran:?}");
    assert!(
        ran.stdout
            .contains("NetworkPolicy shop/deny added   deny.yaml:3"),
        "{ran:?}"
    );
    assert!(ran.stderr.contains("of k8s + deny.yaml"), "{ran:?}");
}

#[test]
fn an_object_that_is_there_is_replaced() {
    let ran = preview(&["-f", "db.yaml"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.stdout
            .contains("NetworkPolicy shop/db edited   db.yaml:"),
        "{ran:?}"
    );
    assert!(ran.stdout.contains("9187/tcp   was: 5432/tcp"), "{ran:?}");
}

#[test]
fn an_object_is_taken_out() {
    for name in [
        "networkpolicy/shop/db",
        "netpol/shop/db",
        "NetworkPolicy/shop/db",
    ] {
        let ran = preview(&["--delete", name]);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(
            ran.stdout.contains("NetworkPolicy shop/db removed"),
            "{ran:?}"
        );
    }
    let ran = preview(&["--delete", "pod/shop/web", "--fail-on", "widen"]);
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn a_flow_to_what_is_taken_out_is_cut() {
    let project = Project::new(&[
        ("k8s/cluster.yaml", CLUSTER),
        (
            "flows.csv",
            "from,to,protocol,port\nshop/web,shop/db,tcp,5432\nshop/web,shop/nobody,tcp,80\n",
        ),
    ]);
    let ran = project.run(&[
        "preview",
        "k8s",
        "--delete",
        "pod/shop/db",
        "--flows",
        "flows.csv",
    ]);
    assert_eq!(ran.code, 1, "{ran:?}");
    expect![[r#"
        not safe: 1 observed connection would be cut; 4 pairs lose connections

        ! observed, and no longer allowed
          ! shop/Pod/web -> shop/Pod/db:5432/tcp   1 time
              is denied: one of them is not there any more
              was allowed: NetworkPolicy shop/db ingress rule 1 allows it (k8s/cluster.yaml:17)"#]]
    .assert_eq(ran.stdout.split("\n\n- ").next().unwrap_or_default());
    // Who is nowhere is told, and is not cut.
    assert!(ran.stderr.contains("1 flow left out"), "{ran:?}");
}

#[test]
fn policies_with_a_label_are_taken_as_staged() {
    let ran = preview(&["--staged=stage=trial"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.stdout.contains("NetworkPolicy shop/db added"),
        "{ran:?}"
    );
    assert!(!ran.stderr.contains("--staged"), "{ran:?}");
    // Who finds none is told, for nothing differs then.
    for (argument, told) in [
        (
            "--staged=stage=other",
            "no policy has the label stage=other",
        ),
        ("--staged", "there is no staged policy of Calico"),
    ] {
        let ran = preview(&[argument]);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.stderr.contains(told), "{ran:?}");
    }
}

#[test]
fn mistakes_are_told() {
    for (arguments, told) in [
        (&[][..], "nothing to preview"),
        (
            &["--delete", "netpol/shop/bd"],
            "there is no NetworkPolicy shop/bd (did you mean NetworkPolicy shop/db?)",
        ),
        (&["--delete", "netpool/shop/db"], "is no kind"),
        (&["--delete", "db"], "is not KIND/NAMESPACE/NAME"),
        (&["--staged=trial"], "write KEY=VALUE"),
        (&["-f", "gone.yaml"], "cannot read `gone.yaml`"),
    ] {
        let ran = preview(arguments);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.stderr.contains(told), "{ran:?}");
    }
}

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// The change of the examples, with what was recorded.
fn example(format: &str) -> Ran {
    Project::new(&[]).run_in(
        ROOT,
        &[
            "preview",
            "examples/shop",
            "-f",
            "examples/shop.change.yaml",
            "--flows",
            "examples/shop.flows.csv",
            "-o",
            format,
        ],
    )
}

#[test]
fn the_example_as_text() {
    let ran = example("text");
    assert_eq!(ran.code, 1, "{ran:?}");
    expect![[r#"
        not safe: 1 observed connection would be cut; 1 pair gains connections, 33 pairs lose connections, 8
        pairs are uncertain

        ! observed, and no longer allowed
          ! shop/Deployment/checkout -> shop/StatefulSet/orders-db:5432/tcp   1188 times
              is denied: NetworkPolicy shop/default-deny isolates shop/Deployment/checkout for egress and
                no rule of it or of 3 more policies matches (examples/shop/shop/policies.yaml:4)
              was allowed: NetworkPolicy shop/deny-metadata egress rule 1 allows it
                (examples/shop/shop/policies.yaml:18)

        ~ NetworkPolicy shop/deny-metadata edited   examples/shop.change.yaml:4
            spec.egress[0].ports: added 2 items
            spec.egress[0].to[0].ipBlock: removed 2 fields
            spec.egress[0].to[0].namespaceSelector: added 1 field
            spec.egress[0].to[0].podSelector: added 1 field
          - shop/cart, shop/catalog, shop/orders-db -> world (IPv4) except 169.254.169.254   all
          ~ shop/checkout -> world (IPv4) except 169.254.169.254              80/tcp, 443/tcp   was: all
          - shop/frontend -> world (IPv4) except 169.254.169.254              all
          - shop/cart, shop/catalog, shop/checkout, shop/orders-db -> platform/gateway   8080/tcp, 8443/tcp
          ~ shop/cart, shop/catalog, shop/orders-db -> kube-system/coredns    53/tcp, 53/udp   was: all
          - shop/cart, shop/catalog, shop/orders-db -> platform/log-shipper   all tcp
          - shop/cart, shop/catalog, shop/orders-db -> nodes                  all
          ~ shop/checkout -> kube-system/coredns
              on 53/tcp, 80/tcp, 443/tcp, 53/udp   was: all
          ~ shop/checkout -> platform/log-shipper                             80/tcp, 443/tcp   was: all tcp
          - shop/checkout -> shop/cart                                        8080/tcp
          - shop/checkout -> shop/orders-db                                   5432/tcp
          ~ shop/checkout -> nodes                                            80/tcp, 443/tcp   was: all
            ... and 7 more rows (--all, -o json)

        ~ NetworkPolicy shop/catalog-ingress edited   examples/shop.change.yaml:17
            spec.podSelector.matchLabels.app: catalogue -> catalog
          + shop/frontend -> shop/catalog   8080/tcp

        ~ NetworkPolicy payments/allow-monitoring edited   examples/shop.change.yaml:38
            spec.ingress[0].from[0].podSelector: added 1 field
            spec.ingress[0].from[1]: removed 1 field
          - platform/gateway, platform/log-shipper -> payments/*   53/tcp, 53/udp
          ? platform/node-exporter -> payments/*                   nothing   was: 53/tcp?, 53/udp?

        no connection changes because of NetworkPolicy shop/frontend-egress added

        findings: 2 introduced, 7 resolved
          + warning[WT407] ingress rule 1 of NetworkPolicy `shop/cart-ingress` allows connections from
              shop/Deployment/checkout, whose policies refuse them   examples/shop/shop/policies.yaml:88
          + warning[WT407] ingress rule 1 of NetworkPolicy `shop/orders-db-ingress` allows connections
              from shop/Deployment/checkout, whose policies refuse them
              examples/shop/shop/policies.yaml:99
          - warning[WT402] a peer of NetworkPolicy `payments/allow-monitoring` selects no pod: pods with
              `app=prometheus` are in `platform`, not in `payments`
              examples/shop/payments/policies.yaml:86
          - warning[WT405] ingress rule 1 of NetworkPolicy `payments/allow-monitoring` admits 3 workloads;
              with these two peers joined it would be 1   examples/shop/payments/policies.yaml:86
          - warning[WT203] `deny-metadata` denies nothing that was open, and opens egress to `0.0.0.0/0
              except 169.254.169.254/32`   examples/shop/shop/policies.yaml:20
          - warning[WT205] `0.0.0.0/0` is more than the Internet: 5 workloads of `shop` can reach nodes
              and private networks   examples/shop/shop/policies.yaml:20
          - error[WT202] the `except` of 169.254.169.254/32 does not keep `shop/Deployment/checkout` from
              the metadata service 169.254.169.254: another rule allows it
              examples/shop/shop/policies.yaml:21
          - warning[WT204] 5 workloads of `shop` can reach 7 metadata addresses that the `except` misses:
              169.254.170.2 (AWS), 169.254.169.252 (Google Cloud) and 5 more
              examples/shop/shop/policies.yaml:21
          - warning[WT401] NetworkPolicy `shop/catalog-ingress` selects nothing: no pod of `shop` has
              `app=catalogue`   examples/shop/shop/policies.yaml:75

        + newly allowed  - no longer allowed  ~ other ports  ? uncertain  ! observed
    "#]].assert_eq(&ran.stdout);
}

#[test]
fn the_example_as_a_comment() {
    expect![[r#"
        <!-- watertight diff -->
        ### ⛔ Network policies: not safe: 1 observed connection would be cut; 1 pair gains connections, 33 pairs lose connections, 8 pairs are uncertain

        `examples/shop` → `examples/shop + examples/shop.change.yaml` · pairs: 1 gain, 33 lose, 8 uncertain · findings: 2 introduced, 7 resolved

        | | observed connection that would be cut | times | why |
        |---|---|---:|---|
        | ⛔ | `shop/Deployment/checkout -> shop/StatefulSet/orders-db:5432/tcp` | 1188 | denied: NetworkPolicy shop/default-deny isolates shop/Deployment/checkout for egress and no rule of it or of 3 more policies matches (examples/shop/shop/policies.yaml:4) |

        **NetworkPolicy shop/deny-metadata edited** · `examples/shop.change.yaml:4`

        - `spec.egress[0].ports: added 2 items`
        - `spec.egress[0].to[0].ipBlock: removed 2 fields`
        - `spec.egress[0].to[0].namespaceSelector: added 1 field`
        - `spec.egress[0].to[0].podSelector: added 1 field`

        ```diff
        - shop/cart, shop/catalog, shop/orders-db -> world (IPv4) except 169.254.169.254   all
        - shop/checkout -> world (IPv4) except 169.254.169.254   80/tcp, 443/tcp   was: all
        - shop/frontend -> world (IPv4) except 169.254.169.254   all
        - shop/cart, shop/catalog, shop/checkout, shop/orders-db -> platform/gateway   8080/tcp, 8443/tcp
        - shop/cart, shop/catalog, shop/orders-db -> kube-system/coredns   53/tcp, 53/udp   was: all
        - shop/cart, shop/catalog, shop/orders-db -> platform/log-shipper   all tcp
        - shop/cart, shop/catalog, shop/orders-db -> nodes       all
        - shop/checkout -> kube-system/coredns                   53/tcp, 80/tcp, 443/tcp, 53/udp   was: all
        - shop/checkout -> platform/log-shipper                  80/tcp, 443/tcp   was: all tcp
        - shop/checkout -> shop/cart                             8080/tcp
        - shop/checkout -> shop/orders-db                        5432/tcp
        - shop/checkout -> nodes                                 80/tcp, 443/tcp   was: all
        - shop/frontend -> kube-system/coredns                   53/tcp, 53/udp   was: all
        - shop/frontend -> platform/gateway                      8080/tcp, 8443/tcp
        - shop/frontend -> platform/log-shipper                  all tcp
        - shop/frontend -> nodes                                 all
        ! shop/cart, shop/catalog, shop/orders-db -> platform/node-exporter   nothing   was: all?   uncertain
        ! shop/checkout -> platform/node-exporter                80/tcp?, 443/tcp?   was: all?   uncertain
        ! shop/frontend -> platform/node-exporter                nothing   was: all?   uncertain
        ```

        **NetworkPolicy shop/catalog-ingress edited** · `examples/shop.change.yaml:17`

        - `spec.podSelector.matchLabels.app: catalogue -> catalog`

        ```diff
        + shop/frontend -> shop/catalog   8080/tcp
        ```

        **NetworkPolicy payments/allow-monitoring edited** · `examples/shop.change.yaml:38`

        - `spec.ingress[0].from[0].podSelector: added 1 field`
        - `spec.ingress[0].from[1]: removed 1 field`

        ```diff
        - platform/gateway, platform/log-shipper -> payments/*   53/tcp, 53/udp
        ! platform/node-exporter -> payments/*                   nothing   was: 53/tcp?, 53/udp?   uncertain
        ```

        <details><summary>No connection changes because of 1 object</summary>

        NetworkPolicy shop/frontend-egress added

        </details>

        <details open><summary>Findings: 2 introduced, 7 resolved</summary>

        | | rule | where | what |
        |---|---|---|---|
        | introduced | warning WT407 | `examples/shop/shop/policies.yaml:88` | ingress rule 1 of NetworkPolicy \`shop/cart-ingress\` allows connections from shop/Deployment/checkout, whose policies refuse them |
        | introduced | warning WT407 | `examples/shop/shop/policies.yaml:99` | ingress rule 1 of NetworkPolicy \`shop/orders-db-ingress\` allows connections from shop/Deployment/checkout, whose policies refuse them |
        | resolved | warning WT402 | `examples/shop/payments/policies.yaml:86` | a peer of NetworkPolicy \`payments/allow-monitoring\` selects no pod: pods with \`app=prometheus\` are in \`platform\`, not in \`payments\` |
        | resolved | warning WT405 | `examples/shop/payments/policies.yaml:86` | ingress rule 1 of NetworkPolicy \`payments/allow-monitoring\` admits 3 workloads; with these two peers joined it would be 1 |
        | resolved | warning WT203 | `examples/shop/shop/policies.yaml:20` | \`deny-metadata\` denies nothing that was open, and opens egress to \`0.0.0.0/0 except 169.254.169.254/32\` |
        | resolved | warning WT205 | `examples/shop/shop/policies.yaml:20` | \`0.0.0.0/0\` is more than the Internet: 5 workloads of \`shop\` can reach nodes and private networks |
        | resolved | error WT202 | `examples/shop/shop/policies.yaml:21` | the \`except\` of 169.254.169.254/32 does not keep \`shop/Deployment/checkout\` from the metadata service 169.254.169.254: another rule allows it |
        | resolved | warning WT204 | `examples/shop/shop/policies.yaml:21` | 5 workloads of \`shop\` can reach 7 metadata addresses that the \`except\` misses: 169.254.170.2 (AWS), 169.254.169.252 (Google Cloud) and 5 more |
        | resolved | warning WT401 | `examples/shop/shop/policies.yaml:75` | NetworkPolicy \`shop/catalog-ingress\` selects nothing: no pod of \`shop\` has \`app=catalogue\` |

        </details>
    "#]].assert_eq(&example("markdown").stdout);
}

#[test]
fn the_example_as_json_names_every_pair_once() {
    let report: serde_json::Value = serde_json::from_str(&example("json").stdout).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    let mut pairs = 0;
    for cause in report["causes"].as_array().unwrap() {
        for row in cause["rows"].as_array().unwrap() {
            let inside = row.get("external").is_none();
            for from in row["from"].as_array().unwrap() {
                for to in row["to"].as_array().unwrap() {
                    assert!(
                        !inside || seen.insert((from.to_string(), to.to_string())),
                        "{from} {to}"
                    );
                    pairs += 1;
                }
            }
        }
    }
    assert!(pairs > 20, "{pairs}");
}
