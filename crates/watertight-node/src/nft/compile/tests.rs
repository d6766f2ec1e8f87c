//! What tables look like. That they do what verdicts say is held by `tests/compiled.rs`.

use expect_test::{Expect, expect};
use watertight_core::engine::{Profile, ServiceDnat, Snat};
use watertight_core::eval::Evaluator;
use watertight_core::manifest::{self, Options as ReadOptions};
use watertight_core::policy::lower;
use watertight_core::source::Sources;
use watertight_core::world::{self, Assume, World};

use super::*;
use crate::nft::Contents;

const CLUSTER: &str = "
{apiVersion: v1, kind: Node, metadata: {name: n1}, status: {addresses: [{type: InternalIP, address: 172.18.0.2}]}}
---
{apiVersion: v1, kind: Node, metadata: {name: n2}, status: {addresses: [{type: InternalIP, address: 172.18.0.3}]}}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {nodeName: n1, containers: [{name: c, ports: [{name: http, containerPort: 8080}]}]}
status: {phase: Running, podIPs: [{ip: 10.244.1.11}]}
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: shop, labels: {app: db}}
spec: {nodeName: n1, containers: [{name: c, ports: [{name: sql, containerPort: 5432}]}]}
status: {phase: Running, podIPs: [{ip: 10.244.1.12}]}
---
apiVersion: v1
kind: Pod
metadata: {name: job, namespace: shop, labels: {app: job}}
spec: {nodeName: n2, containers: [{name: c}]}
status: {phase: Running, podIPs: [{ip: 10.244.2.21}]}
---
";

fn read(policies: &str) -> (Sources, World) {
    let mut sources = Sources::new();
    let text = format!("{CLUSTER}{policies}");
    sources.add("cluster.yaml", text.into_bytes()).unwrap();
    let loaded = manifest::load(&sources, &ReadOptions::default());
    assert!(
        loaded.findings.iter().all(|finding| !finding.incomplete),
        "{:?}",
        loaded.findings
    );
    let assume = Assume {
        dns: false,
        ..Assume::default()
    };
    let (world, _) = world::build(&sources, &loaded.objects, &assume);
    (sources, world)
}

/// The table of the first node.
fn compiled(policies: &str, profile: &Profile) -> Compiled {
    let (_sources, world) = read(policies);
    let ruleset = lower(&world, profile);
    let eval = Evaluator::new(&world, &ruleset, profile.switches);
    let node = world.node("n1").unwrap();
    let ranges = ["10.244.1.0/24".parse().unwrap()];
    compile(&eval, node, &ranges, Options::default())
}

fn shows(policies: &str, expected: &Expect) {
    expected.assert_eq(&compiled(policies, &Profile::reference()).table.to_string());
}

/// The worked example of ARCHITECTURE.md.
#[test]
fn a_database_and_its_client() {
    shows(
        "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
  policyTypes: [Ingress, Egress]
  ingress:
  - from: [{podSelector: {matchLabels: {app: web}}}]
    ports: [{port: sql}]
  - from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.244.0.0/16]}}]
    ports: [{port: 5432}, {port: 9000, endPort: 9010}]
",
        &expect![[r#"
            table inet watertight {
            	set b4_10.0.0.0/8_except_10.244.0.0/16_d33aeaef6f7eddf4 {
            		type ipv4_addr
            		flags interval
            		elements = { 10.0.0.0-10.243.255.255, 10.245.0.0-10.255.255.255 }
            	}

            	map eg4 {
            		type ipv4_addr : verdict
            		elements = { 10.244.1.12 : jump c-eg_e54cba6dc5226d0a }
            	}

            	map in4 {
            		type ipv4_addr : verdict
            		elements = { 10.244.1.12 : jump c-in_ac44c40e02288080 }
            	}

            	set n4_sql_ffc9eee00aea00c4 {
            		type ipv4_addr . inet_proto . inet_service
            		elements = { 10.244.1.12 . tcp . 5432 }
            	}

            	set p_tcp_5432_tcp_9000-9010_42a62fe06fde2270 {
            		type inet_proto . inet_service
            		flags interval
            		elements = { tcp . 5432, tcp . 9000-9010 }
            	}

            	set pods4 {
            		type ipv4_addr
            		elements = { 10.244.1.11, 10.244.1.12 }
            	}

            	set s4_app_web_of_namespace_shop_40b5a1527e73cbf0 {
            		type ipv4_addr
            		elements = { 10.244.1.11 }
            	}

            	set self4 {
            		type ipv4_addr . ipv4_addr
            		elements = { 10.244.1.11 . 10.244.1.11, 10.244.1.12 . 10.244.1.12 }
            	}

            	chain egress-forward {
            		type filter hook forward priority -10; policy accept;
            		goto egress
            	}

            	chain ingress-forward {
            		type filter hook forward priority -9; policy accept;
            		goto ingress
            	}

            	chain c-eg_e54cba6dc5226d0a {
            		ip saddr . ip daddr @self4 accept comment "a pod and itself"
            		log prefix "wt|drop|eg|c-eg_e54cba6dc5226d0a" group 77
            		counter drop
            	}

            	chain c-in_ac44c40e02288080 {
            		jump in_shop/db_5ddc667643126059
            		ip saddr . ip daddr @self4 accept comment "a pod and itself"
            		log prefix "wt|drop|in|c-in_ac44c40e02288080" group 77
            		counter drop
            	}

            	chain egress {
            		ct state related accept
            		ct direction reply ct state established accept
            		ct state invalid counter drop
            		ip saddr vmap @eg4
            		ip saddr 10.244.1.0-10.244.1.255 ip saddr != @pods4 goto unknown-eg
            	}

            	chain in_shop/db_5ddc667643126059 {
            		ip saddr @s4_app_web_of_namespace_shop_40b5a1527e73cbf0 ip daddr . meta l4proto . th dport @n4_sql_ffc9eee00aea00c4 counter accept comment "shop/db#0"
            		ip saddr @b4_10.0.0.0/8_except_10.244.0.0/16_d33aeaef6f7eddf4 meta l4proto . th dport @p_tcp_5432_tcp_9000-9010_42a62fe06fde2270 counter accept comment "shop/db#1"
            	}

            	chain ingress {
            		ct state related accept
            		ct direction reply ct state established accept
            		ct state invalid counter drop
            		ip daddr vmap @in4
            		ip daddr 10.244.1.0-10.244.1.255 ip daddr != @pods4 goto unknown-in
            	}

            	chain unknown-eg {
            		log prefix "wt|drop|eg|unknown-pod" group 77
            		counter drop
            	}

            	chain unknown-in {
            		log prefix "wt|drop|in|unknown-pod" group 77
            		counter drop
            	}
            }
        "#]],
    );
}

/// A-10: to pass is to leave the tier.
#[test]
fn a_tier_with_pass_is_a_chain_of_its_own() {
    shows(
        "
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: guard}
spec:
  tier: Admin
  priority: 10
  subject: {namespaces: {}}
  ingress:
  - {name: let-pass, action: Pass, from: [{pods: {namespaceSelector: {}, podSelector: {matchLabels: {app: web}}}}]}
  - {name: no-others, action: Deny, from: [{namespaces: {}}]}
",
        &expect![[r#"
            table inet watertight {
            	map eg4 {
            		type ipv4_addr : verdict
            	}

            	map in4 {
            		type ipv4_addr : verdict
            		elements = { 10.244.1.11 : jump c-in_014e799dd4a9e833, 10.244.1.12 : jump c-in_014e799dd4a9e833 }
            	}

            	set pods4 {
            		type ipv4_addr
            		elements = { 10.244.1.11, 10.244.1.12 }
            	}

            	set s4_all_pods_of_every_namespace_5b0d6921c1da8591 {
            		type ipv4_addr
            		elements = { 10.244.1.11, 10.244.1.12, 10.244.2.21 }
            	}

            	set s4_app_web_of_every_namespace_dd6526152af7fac1 {
            		type ipv4_addr
            		elements = { 10.244.1.11 }
            	}

            	set self4 {
            		type ipv4_addr . ipv4_addr
            		elements = { 10.244.1.11 . 10.244.1.11, 10.244.1.12 . 10.244.1.12 }
            	}

            	chain egress-forward {
            		type filter hook forward priority -10; policy accept;
            		goto egress
            	}

            	chain ingress-forward {
            		type filter hook forward priority -9; policy accept;
            		goto ingress
            	}

            	chain c-in_014e799dd4a9e833 {
            		ip saddr . ip daddr @self4 accept comment "a pod and itself"
            		jump t-in_Admin_0c82ef3645ffb8c5
            	}

            	chain d-in_guard_1_d176fa6352227b1d {
            		log prefix "wt|drop|in|d-in_guard_1_d176fa6352227b1d" group 77
            		counter drop
            	}

            	chain egress {
            		ct state related accept
            		ct direction reply ct state established accept
            		ct state invalid counter drop
            		ip saddr vmap @eg4
            		ip saddr 10.244.1.0-10.244.1.255 ip saddr != @pods4 goto unknown-eg
            	}

            	chain ingress {
            		ct state related accept
            		ct direction reply ct state established accept
            		ct state invalid counter drop
            		ip daddr vmap @in4
            		ip daddr 10.244.1.0-10.244.1.255 ip daddr != @pods4 goto unknown-in
            	}

            	chain t-in_Admin_0c82ef3645ffb8c5 {
            		ip saddr @s4_app_web_of_every_namespace_dd6526152af7fac1 counter return comment "guard#0"
            		ip saddr @s4_all_pods_of_every_namespace_5b0d6921c1da8591 goto d-in_guard_1_d176fa6352227b1d comment "guard#1"
            	}

            	chain unknown-eg {
            		log prefix "wt|drop|eg|unknown-pod" group 77
            		counter drop
            	}

            	chain unknown-in {
            		log prefix "wt|drop|in|unknown-pod" group 77
            		counter drop
            	}
            }
        "#]],
    );
}

#[test]
fn many_policies_of_a_pod_become_few_lookups() {
    let mut policies = String::new();
    for number in 0..20 {
        policies.push_str(&format!(
            "---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: p{number}, namespace: shop}}
spec:
  podSelector: {{matchLabels: {{app: db}}}}
  ingress:
  - from: [{{podSelector: {{matchLabels: {{app: web}}}}}}]
    ports: [{{port: {}}}]
",
            1000 + number
        ));
    }
    let table = compiled(&policies, &Profile::reference()).table;
    let merged: Vec<_> = table
        .chains
        .iter()
        .filter(|(name, _)| name.starts_with("m-in"))
        .collect();
    let [(_, chain)] = *merged else {
        panic!("{table}");
    };
    assert_eq!(chain.rules.len(), 1, "{table}");
    let set = table
        .sets
        .iter()
        .find(|(name, _)| name.starts_with("m4"))
        .unwrap();
    let Contents::Members(members) = &set.1.contents else {
        panic!("{table}");
    };
    assert_eq!(members.len(), 20);
    assert!(
        !table
            .chains
            .keys()
            .any(|name| name.starts_with("in_shop/p")),
        "{table}"
    );
}

/// What packets cannot show is said: an L7 rule lets nobody in (L-66).
#[test]
fn requests_are_refused_and_listed() {
    let compiled = compiled(
        "
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: api, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: web}}
  ingress:
  - fromEndpoints: [{matchLabels: {app: db}}]
    toPorts: [{ports: [{port: '8080', protocol: TCP}], rules: {http: [{method: GET}]}}]
",
        &Profile::parse("cilium").unwrap(),
    );
    let why: Vec<Unsaid> = compiled.left.iter().map(|left| left.why).collect();
    assert_eq!(why, [Unsaid::Requests]);
    let accepts = compiled
        .table
        .chains
        .iter()
        .filter(|(name, _)| name.starts_with("in_"));
    assert!(
        accepts.flat_map(|(_, chain)| &chain.rules).next().is_none(),
        "{}",
        compiled.table
    );
}

/// A new pod changes elements, and no rule.
#[test]
fn names_do_not_depend_on_who_is_there() {
    let policy = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: sql}]}]
---
";
    let pod = "
apiVersion: v1
kind: Pod
metadata: {name: web-2, namespace: shop, labels: {app: web}}
spec: {nodeName: n1, containers: [{name: c}]}
status: {phase: Running, podIPs: [{ip: 10.244.1.13}]}
";
    let before = compiled(policy, &Profile::reference()).table;
    let after = compiled(&format!("{policy}{pod}"), &Profile::reference()).table;
    assert_eq!(before.chains, after.chains);
    assert!(before.sets.keys().eq(after.sets.keys()));
    assert_ne!(before.sets, after.sets);
}

/// Two languages may each have a policy of one kind and name; neither loses its rules.
#[test]
fn objects_of_one_name_have_chains_of_their_own() {
    let compiled = compiled(
        "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress: [{from: [{podSelector: {}}]}]
---
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  order: 1
  selector: app == 'db'
  types: [Ingress]
  ingress: [{action: Deny, source: {selector: app == 'web'}}]
",
        &Profile::parse("calico").unwrap(),
    );
    let chains = compiled.table.chains.keys();
    let of_policies = chains.filter(|name| name.starts_with("in_shop/db"));
    assert_eq!(of_policies.count(), 2, "{}", compiled.table);
    assert!(
        compiled
            .table
            .chains
            .keys()
            .any(|name| name.starts_with("d-in_")),
        "{}",
        compiled.table
    );
}

const BOTH_WAYS: &str = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress: [{from: [{podSelector: {}}]}, {}]
  egress: [{to: [{podSelector: {}}]}, {ports: [{port: 53}]}, {}]
";

/// What an engine judges elsewhere than the table does is said: Services before translation (K-79), clients
/// behind a node (K-82). Rules that let everybody through let them through either way.
#[test]
fn what_is_judged_before_translation_is_listed() {
    let left = |services: &str, service_dnat, snat| -> Vec<(Direction, Option<usize>, Unsaid)> {
        let mut profile = Profile::reference();
        profile.switches.service_dnat = service_dnat;
        profile.switches.snat = snat;
        let compiled = compiled(&format!("{BOTH_WAYS}---\n{services}"), &profile);
        let left = compiled.left.iter();
        left.map(|left| (left.policy.direction, left.rule, left.why))
            .collect()
    };
    let plain = "{apiVersion: v1, kind: Service, metadata: {name: db, namespace: shop}, spec: {clusterIP: 10.96.0.9, \
                 selector: {app: db}, ports: [{port: 80}]}}";
    let published = &plain.replace("spec: {", "spec: {type: NodePort, ");
    let (ingress, egress) = (Direction::Ingress, Direction::Egress);
    assert_eq!(left(published, ServiceDnat::Post, Snat::Preserve), []);
    assert_eq!(
        left(plain, ServiceDnat::Pre, Snat::Preserve),
        [
            (egress, Some(0), Unsaid::Services),
            (egress, Some(1), Unsaid::Services),
        ]
    );
    assert_eq!(
        left(published, ServiceDnat::Post, Snat::NodeIp),
        [(ingress, Some(0), Unsaid::Sources)]
    );
    // Where there are no such Services, nothing is judged elsewhere.
    assert_eq!(left(plain, ServiceDnat::Post, Snat::NodeIp), []);
    assert_eq!(left("", ServiceDnat::Pre, Snat::NodeIp), []);
}

/// An address of two pods is one's, in every set alike: the evaluator knows no other.
#[test]
fn an_address_of_two_pods_is_one_pods() {
    let twin = "
apiVersion: v1
kind: Pod
metadata: {name: twin, namespace: shop, labels: {app: twin}}
spec: {nodeName: n1, containers: [{name: c, ports: [{name: sql, containerPort: 9999}]}]}
status: {phase: Running, podIPs: [{ip: 10.244.1.12}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: twin, namespace: shop}
spec: {podSelector: {matchLabels: {app: twin}}, policyTypes: [Ingress, Egress]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress: [{from: [{podSelector: {matchLabels: {app: twin}}}]}, {from: [{podSelector: {matchLabels: {app: db}}}], ports: [{port: 1}]}]
  egress: [{to: [{podSelector: {}}], ports: [{port: sql}]}]
";
    let (_sources, world) = read(twin);
    let ip = "10.244.1.12".parse().unwrap();
    let owner = world.endpoint_at(ip).unwrap();
    let is_twin = *world[owner].name == *"twin";
    let compiled = compiled(twin, &Profile::reference());
    let has = |name: &str| {
        let set = compiled
            .table
            .sets
            .iter()
            .find(|(of, _)| of.starts_with(name));
        let members = match &set.unwrap().1.contents {
            Contents::Members(members) => members.iter().map(|one| one.first).collect(),
            Contents::Verdicts(verdicts) => verdicts.keys().map(|one| one.first).collect(),
            Contents::Values(..) => Vec::new(),
        };
        let count = members
            .iter()
            .filter(|one| one.as_slice().starts_with(&[10, 244, 1, 12]));
        count.count()
    };
    assert_eq!(
        (has("s4_app_twin"), has("s4_app_db")),
        (usize::from(is_twin), usize::from(!is_twin))
    );
    assert_eq!(has("n4_sql"), 1, "the ports of one of them");
    assert_eq!(
        has("in4"),
        usize::from(is_twin),
        "the policies of one of them"
    );
}

/// Patterns of the same text that mean other names are other sets.
#[test]
fn what_a_star_stands_for_is_part_of_a_name() {
    use watertight_core::policy::Peer;
    use watertight_core::sets::{DomainLabels, DomainPattern};
    let (sources, world) = read("");
    let span = watertight_core::source::Span::new(sources.iter().next().unwrap().0, 0, 0);
    let name = |labels| {
        let peer = Peer::Domain(DomainPattern::new("*.example.com", labels), "L-57", span);
        names::peers(&world, [&peer])
    };
    assert_ne!(name(DomainLabels::One), name(DomainLabels::OneOrMore));
    assert_eq!(name(DomainLabels::One), name(DomainLabels::One));
}
