//! The tables of Services as text.

use expect_test::expect;
use watertight_core::engine::ServiceDnat;

use super::*;
use crate::lab::Options;
use crate::lab::plan::tests::world_of;

fn ipv4_only() -> Options {
    let (v4, v6) = (true, false);
    Options {
        families: Some(crate::lab::Families { v4, v6 }),
        ..Options::default()
    }
}

#[test]
fn a_service_leads_to_its_backends_by_turns_or_refuses() {
    let mut world = world_of(
        "
kind: Pod
metadata: {name: a, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, image: c, ports: [{name: http, containerPort: 8080}]}]}
---
kind: Pod
metadata: {name: b, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, image: c, ports: [{name: http, containerPort: 8081}]}]}
---
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: http}, {port: 53, protocol: UDP}]}
---
kind: Service
metadata: {name: nobody, namespace: shop}
spec: {selector: {app: nobody}, ports: [{port: 80}]}
---
kind: Service
metadata: {name: headless, namespace: shop}
spec: {clusterIP: None, selector: {app: web}, ports: [{port: 80}]}
",
    );
    let plan = Plan::new(&mut world, &ipv4_only()).unwrap();
    expect![[r#"
        table inet watertight-services {
        	set itself4 {
        		type ipv4_addr . ipv4_addr
        		elements = { 10.244.0.2 . 10.244.0.2, 10.244.1.2 . 10.244.1.2 }
        	}

        	map services4 {
        		type ipv4_addr . inet_proto . inet_service : verdict
        		elements = { 10.96.0.1 . tcp . 80 : goto service4/shop/web/80/tcp, 10.96.0.1 . udp . 53 : goto service4/shop/web/53/udp }
        	}

        	set unserved4 {
        		type ipv4_addr . inet_proto . inet_service
        		elements = { 10.96.0.2 . tcp . 80 }
        	}

        	chain output {
        		type nat hook output priority -100; policy accept;
        		ip daddr . meta l4proto . th dport vmap @services4
        	}

        	chain postrouting {
        		type nat hook postrouting priority 100; policy accept;
        		ip saddr . ip daddr @itself4 counter masquerade comment "a pod comes back to itself"
        	}

        	chain prerouting {
        		type nat hook prerouting priority -100; policy accept;
        		ip daddr . meta l4proto . th dport vmap @services4
        	}

        	chain refuse_forward {
        		type filter hook forward priority 0; policy accept;
        		ip daddr . meta l4proto . th dport @unserved4 counter reject comment "nothing is behind the Service"
        	}

        	chain refuse_output {
        		type filter hook output priority 0; policy accept;
        		ip daddr . meta l4proto . th dport @unserved4 counter reject comment "nothing is behind the Service"
        	}

        	chain service4/shop/web/53/udp {
        		counter dnat ip to numgen inc mod 2 map { 0 : 10.244.0.2 . 53, 1 : 10.244.1.2 . 53 } comment "Service shop/web port 53/udp"
        	}

        	chain service4/shop/web/80/tcp {
        		counter dnat ip to numgen inc mod 2 map { 0 : 10.244.0.2 . 8080, 1 : 10.244.1.2 . 8081 } comment "Service shop/web port 80/tcp"
        	}
        }
    "#]].assert_eq(&table(&world, Some((&plan, plan.nodes[0].id))).to_string());
}

/// K-82: a node port is an address of the node, outer addresses are everybody's, and who dials one is marked, so that
/// the node hides it.
#[test]
fn who_dials_a_node_is_hidden_unless_the_policy_is_local() {
    let mut world = world_of(
        "
kind: Pod
metadata: {name: a, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, image: c}]}
---
kind: Service
metadata: {name: all, namespace: shop}
spec: {type: LoadBalancer, selector: {app: web}, ports: [{port: 80, nodePort: 30080}]}
status: {loadBalancer: {ingress: [{ip: 203.0.113.80}]}}
---
kind: Service
metadata: {name: near, namespace: shop}
spec: {type: NodePort, externalTrafficPolicy: Local, selector: {app: web}, ports: [{port: 80, nodePort: 30081}]}
",
    );
    let plan = Plan::new(&mut world, &ipv4_only()).unwrap();
    let told = |node: usize| {
        let text = table(&world, Some((&plan, plan.nodes[node].id))).to_string();
        let wanted = [
            "daddr", "mark", "30080", "own4", "goto", "dnat", "drop", "elements",
        ];
        let lines = text
            .lines()
            .filter(|line| wanted.iter().any(|word| line.contains(word)));
        lines
            .map(|line| format!("{}\n", line.trim()))
            .collect::<String>()
    };
    expect![[r#"
        elements = { 10.244.0.2 . 10.244.0.2 }
        set own4 {
        elements = { 10.244.0.2, 172.18.0.2 }
        elements = { 10.96.0.1 . tcp . 80 : goto service4/shop/all/80/tcp, 10.96.0.2 . tcp . 80 : goto service4/shop/near/80/tcp, 172.18.0.2 . tcp . 30080 : goto outer4/shop/all/80/tcp, 172.18.0.2 . tcp . 30081 : goto outer4/shop/near/80/tcp, 203.0.113.80 . tcp . 80 : goto outer4/shop/all/80/tcp }
        ip daddr . meta l4proto . th dport vmap @services4
        ip saddr . ip daddr @itself4 counter masquerade comment "a pod comes back to itself"
        meta mark 0x00004000 counter masquerade comment "who dials a node is hidden behind it"
        ip daddr . meta l4proto . th dport vmap @services4
        meta mark set 0x00004000 goto service4/shop/all/80/tcp
        ip saddr @own4 goto service4/shop/near/80/tcp
        counter dnat ip to 10.244.0.2:80 comment "Service shop/near port 80/tcp"
        counter dnat ip to 10.244.0.2:80 comment "Service shop/all port 80/tcp"
        counter dnat ip to 10.244.0.2:80 comment "Service shop/near port 80/tcp"
    "#]]
    .assert_eq(&told(0));
    // The other node has no pod of them.
    expect![[r#"
        elements = { 10.244.0.2 . 10.244.0.2 }
        set own4 {
        elements = { 172.18.0.3 }
        elements = { 10.96.0.1 . tcp . 80 : goto service4/shop/all/80/tcp, 10.96.0.2 . tcp . 80 : goto service4/shop/near/80/tcp, 172.18.0.3 . tcp . 30080 : goto outer4/shop/all/80/tcp, 172.18.0.3 . tcp . 30081 : goto outer4/shop/near/80/tcp, 203.0.113.80 . tcp . 80 : goto outer4/shop/all/80/tcp }
        ip daddr . meta l4proto . th dport vmap @services4
        ip saddr . ip daddr @itself4 counter masquerade comment "a pod comes back to itself"
        meta mark 0x00004000 counter masquerade comment "who dials a node is hidden behind it"
        ip daddr . meta l4proto . th dport vmap @services4
        meta mark set 0x00004000 goto service4/shop/all/80/tcp
        ip saddr @own4 goto service4/shop/near/80/tcp
        counter drop comment "Service shop/near port 80/tcp: nothing on this node"
        counter dnat ip to 10.244.0.2:80 comment "Service shop/all port 80/tcp"
        counter dnat ip to 10.244.0.2:80 comment "Service shop/near port 80/tcp"
    "#]]
    .assert_eq(&told(1));
    // Of no node in particular: cluster addresses alone.
    let text = table(&world, None).to_string();
    assert!(
        !text.contains("30080") && !text.contains("203.0.113.80"),
        "{text}"
    );
}

/// K-80: where policies are asked before translation, predictions do not know of node ports and outer addresses, and
/// nodes do not translate them.
#[test]
fn engines_that_judge_before_translation_have_cluster_addresses_alone() {
    let text = "
kind: Pod
metadata: {name: a, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, image: c}]}
---
kind: Service
metadata: {name: given, namespace: shop}
spec: {type: LoadBalancer, selector: {app: web}, ports: [{port: 80, nodePort: 30080}], externalIPs: [203.0.113.81]}
status: {loadBalancer: {ingress: [{ip: 203.0.113.80}]}}
---
kind: Service
metadata: {name: open, namespace: shop}
spec: {type: LoadBalancer, selector: {app: web}, ports: [{port: 81}]}
---
kind: Service
metadata: {name: inner, namespace: shop}
spec: {selector: {app: web}, ports: [{port: 82}]}
";
    let built = |service_dnat| {
        let mut world = world_of(text);
        let options = Options {
            service_dnat,
            ..ipv4_only()
        };
        let plan = Plan::new(&mut world, &options).unwrap();
        let text = table(&world, Some((&plan, plan.nodes[0].id))).to_string();
        let left = plan.left_out.iter();
        let left = left.map(|left| format!("{} {}\n", left.name, left.reason));
        (text, left.collect::<String>(), plan)
    };
    let (post, _, plan) = built(ServiceDnat::Post);
    assert!(
        post.contains(". 30080 ") && post.contains("203.0.113.80"),
        "{post}"
    );
    assert!(post.contains("outer4") && plan.entries.len() == 2, "{post}");
    let (pre, left, plan) = built(ServiceDnat::Pre);
    for none in [". 300", "203.0.113.", "outer4", "mark"] {
        assert!(!pre.contains(none), "{none}: {pre}");
    }
    assert!(pre.contains("service4/shop/inner/82/tcp"), "{pre}");
    assert!(plan.entries.is_empty() && plan.made_up.node_ports == 0);
    expect![[r#"
        node ports of Service shop/given are not built: the engine judges Services before they are translated (service_dnat=pre), and nodes of the lab translate first
        address 203.0.113.80 of Service shop/given is not built: the engine judges Services before they are translated (service_dnat=pre), and nodes of the lab translate first
        address 203.0.113.81 of Service shop/given is not built: the engine judges Services before they are translated (service_dnat=pre), and nodes of the lab translate first
        node ports of Service shop/open are not built: the engine judges Services before they are translated (service_dnat=pre), and nodes of the lab translate first
        the load balancer of Service shop/open has no address in the input; its cluster address is built
    "#]].assert_eq(&left);
}
