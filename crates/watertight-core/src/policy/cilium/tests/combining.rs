//! Default deny, denials, enforcement, nodes as subjects, NetworkPolicies (L-12..L-27, L-72..L-82).

use super::*;

#[test]
fn l_12_every_spec_counts() {
    let specs = "{endpointSelector: {}, ingress: [{fromEntities: [world]}]}\nspecs:\n- \
                 {endpointSelector: {}, ingress: [{fromEndpoints: [{}]}]}\n- {endpointSelector: \
                 {}, ingressDeny: [{toPorts: [{ports: [{port: '81'}]}]}]}";
    Case::new(&cnp("p", specs)).check(&[
        ("203.0.113.5 -> x/a:80/tcp", true),
        ("x/b -> x/a:80/tcp", true),
        ("x/b -> x/a:81/tcp", false),
        ("w/c -> x/a:80/tcp", false),
    ]);
}

#[test]
fn l_14_to_l_23_who_is_isolated() {
    let open = Case::new("");
    open.check(&[("x/a -> x/b:80/tcp", true)]);
    let other = Case::new(&cnp(
        "p",
        "{endpointSelector: {matchLabels: {app: db}}, ingress: [{}]}",
    ));
    other.check(&[
        ("x/b -> x/a:80/tcp", true),
        ("x/a -> x/b:80/tcp", false),
        ("x/b -> w/c:80/tcp", true),
    ]);
    let denial = Case::new(&cnp(
        "p",
        &format!("{{endpointSelector: {A}, ingressDeny: [{{fromEntities: [world]}}]}}"),
    ));
    denial.check(&[("x/b -> x/a:80/tcp", false)]); // L-18
    let soft = format!(
        "{{endpointSelector: {A}, enableDefaultDeny: {{ingress: false}}, ingressDeny: \
         [{{fromEntities: [world]}}], ingress: [{{fromEndpoints: [{{}}]}}]}}"
    );
    let soft = cnp("soft", &soft);
    Case::new(&soft).check(&[
        ("203.0.113.5 -> x/a:80/tcp", false), // L-19
        ("w/c -> x/a:80/tcp", true),
    ]);
    let hard = cnp(
        "hard",
        &format!("{{endpointSelector: {A}, ingress: [{{}}]}}"),
    );
    Case::new(&format!("{soft}{hard}")).check(&[
        ("x/b -> x/a:80/tcp", true), // L-19
        ("w/c -> x/a:80/tcp", false),
    ]);
    let idle =
        format!("{{endpointSelector: {A}, enableDefaultDeny: {{ingress: true}}, egress: [{{}}]}}");
    Case::new(&cnp("p", &idle)).check(&[("x/b -> x/a:80/tcp", true)]); // L-20
}

#[test]
fn l_22_enforcement() {
    let deny = cnp(
        "p",
        "{endpointSelector: {}, ingressDeny: [{fromEntities: [all]}]}",
    );
    Case::with("enforcement=never", &deny).check(&[("x/b -> x/a:80/tcp", true)]);
    let always = Case::with("enforcement=always", "");
    always.check(&[
        ("x/b -> x/a:80/tcp", false),
        ("x/a -> 203.0.113.5:443/tcp", false),
        ("node:n2 -> x/b:80/tcp", false), // L-72
        ("node:n2 -> 203.0.113.5:443/tcp", true),
    ]);
    let allow = ccnp(
        "p",
        "{endpointSelector: {}, ingress: [{fromEntities: [cluster]}], egress: [{toEntities: [all]}]}",
    );
    Case::with("enforcement=always", &allow).check(&[
        ("x/b -> x/a:80/tcp", true),
        ("203.0.113.5 -> x/a:80/tcp", false),
        ("node:n1 -> x/a:80/tcp", true),
    ]);
}

#[test]
fn l_24_to_l_26_denials_come_first() {
    let allows = ccnp(
        "a",
        "{endpointSelector: {}, ingress: [{fromEntities: [all]}]}",
    );
    let kubernetes = network_policy("k", "{podSelector: {}, ingress: [{}]}");
    let denies = cnp(
        "z",
        "{endpointSelector: {}, enableDefaultDeny: {ingress: false}, ingressDeny: [{fromEndpoints: \
         [{matchLabels: {io.kubernetes.pod.namespace: w}}]}]}",
    );
    Case::new(&format!("{allows}{kubernetes}{denies}"))
        .check(&[("w/c -> x/a:80/tcp", false), ("x/b -> x/a:80/tcp", true)]);
    let narrow = cnp(
        "narrow",
        "{endpointSelector: {}, ingress: [{fromEndpoints: [{matchLabels: {k8s:io.kubernetes.pod.namespace: w, app: web}}], toPorts: [{ports: [{port: '80', protocol: TCP}]}]}]}",
    );
    Case::new(&format!("{narrow}{denies}")).check(&[("w/c -> x/a:80/tcp", false)]);
}

#[test]
fn l_24_both_sides() {
    let policies = [
        cnp(
            "out",
            &format!(
                "{{endpointSelector: {A}, egress: [{{toEndpoints: [{{matchLabels: {{app: db}}}}]}}]}}"
            ),
        ),
        cnp(
            "in",
            "{endpointSelector: {matchLabels: {app: db}}, ingress: [{fromEntities: [world]}]}",
        ),
    ];
    Case::new(&policies.concat()).check(&[("x/a -> x/b:80/tcp", false)]);
    let kubernetes = network_policy(
        "k",
        "{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {}}]}]}",
    );
    Case::new(&format!("{}{kubernetes}", policies.concat())).check(&[
        ("x/a -> x/b:80/tcp", true),
        ("203.0.113.5 -> x/b:80/tcp", true),
        ("w/c -> x/b:80/tcp", false),
    ]);
}

#[test]
fn l_72_l_73_the_own_node() {
    let closed = cnp(
        "p",
        &format!("{{endpointSelector: {A}, ingress: [{{}}], egress: [{{}}]}}"),
    );
    let own = [
        ("node:n1 -> x/a:80/tcp", true),
        ("x/a -> node:n1:80/tcp", false),
    ];
    Case::new(&closed).check(&own);
    Case::with("allow_localhost=policy", &closed).check(&[("node:n1 -> x/a:80/tcp", false)]);
    // In mode `always`, any ingress policy lets the node in, even one that says nothing.
    let says_nothing = cnp(
        "p",
        &format!(
            "{{endpointSelector: {A}, enableDefaultDeny: {{ingress: false}}, ingress: \
             [{{fromEndpoints: []}}]}}"
        ),
    );
    let from_node = |policies: &str, allowed| {
        let case = Case::with("enforcement=always", policies);
        case.check(&[
            ("node:n1 -> x/a:80/tcp", allowed),
            ("x/b -> x/a:80/tcp", false),
        ]);
    };
    from_node("", false);
    from_node(&says_nothing, true);
}

#[test]
fn l_74_nodes_as_subjects() {
    let firewall = ccnp(
        "fw",
        "{nodeSelector: {matchLabels: {zone: b}}, ingress: [{fromEntities: [cluster]}, {toPorts: \
         [{ports: [{port: '22', protocol: TCP}]}]}], ingressDeny: [{toPorts: [{ports: [{port: \
         '23'}]}]}]}",
    );
    Case::new(&firewall).check(&[
        ("203.0.113.5 -> node:n2:22/tcp", true),
        ("203.0.113.5 -> node:n2:9100/tcp", false),
        ("203.0.113.5 -> x/h:9100/tcp", false),
        ("x/a -> node:n2:9100/tcp", true),
        ("x/a -> node:n2:23/tcp", false),
        ("203.0.113.5 -> node:n1:9100/tcp", true),
        ("203.0.113.5 -> x/b:9100/tcp", true),
        ("node:n2 -> 203.0.113.5:443/tcp", true),
    ]);
}

#[test]
fn l_77_to_l_81_network_policies() {
    let open = network_policy("k", "{podSelector: {}, ingress: [{ports: [{port: 80}]}]}");
    Case::new(&open).check(&[
        ("203.0.113.5 -> x/a:80/tcp", true), // L-77
        ("node:n2 -> x/a:80/tcp", true),
        ("w/c -> x/a:80/udp", false), // L-82
    ]);
    let block = network_policy(
        "k",
        "{podSelector: {}, egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0}}]}], policyTypes: [Egress]}",
    );
    let beyond = ("x/a -> 203.0.113.5:80/tcp", true);
    Case::new(&block).check(&[
        beyond,
        ("x/a -> x/b:80/tcp", false), // L-78
        ("x/a -> node:n2:80/tcp", false),
    ]);
    Case::with("cidr_match_nodes=true", &block).check(&[
        beyond,
        ("x/a -> node:n2:80/tcp", true), // L-47
        ("x/a -> x/b:80/tcp", false),
    ]);
    let left_out = network_policy(
        "k",
        "{podSelector: {}, policyTypes: [Egress], ingress: [{from: [{podSelector: {}}]}], egress: [{}]}",
    );
    Case::new(&left_out).check(&[
        ("w/c -> x/a:80/tcp", false), // L-79
        ("x/b -> x/a:80/tcp", true),
    ]);
    let any_pod = network_policy(
        "k",
        "{podSelector: {}, ingress: [{from: [{namespaceSelector: {}}]}]}",
    );
    Case::new(&any_pod).check(&[
        ("w/c -> x/a:80/tcp", true), // L-80
        ("203.0.113.5 -> x/a:80/tcp", false),
    ]);
    let nothing = network_policy("k", "{podSelector: {}, policyTypes: [Ingress]}");
    Case::new(&nothing).check(&[("x/b -> x/a:80/tcp", false)]); // L-81
}

#[test]
fn l_70_l_75_l_76_what_policy_sees() {
    let spec = "{endpointSelector: {}, ingress: [{fromEntities: [world]}], egress: [{toEndpoints: \
                [{}], toPorts: [{ports: [{port: '80', protocol: TCP}]}]}]}";
    let service = "\n---\napiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: \
                   x}\nspec: {selector: {app: web}, clusterIP: 10.96.0.40, ports: [{port: 443, \
                   targetPort: 80}]}\n";
    let case = Case::with("snat=node-ip", &format!("{service}{}", cnp("p", spec)));
    let eval = case.evaluator();
    let web = case.world.service("x", "web").unwrap();
    let from = case.party("x/b");
    let found = eval.to_service(from, web, 443, Protocol::Tcp);
    let Some((_, _, verdict)) = found.first() else {
        panic!("no backend");
    };
    let egress = verdict.egress;
    assert!(egress.is_allowed(), "L-70: the target port counts");
    let mut reply = case.connection("w/c -> x/a:80/tcp");
    assert!(!eval.allows(&reply));
    reply.reply = true;
    assert!(eval.allows(&reply), "L-75");
    let mut outside = case.connection("203.0.113.5 -> x/a:80/tcp");
    assert!(eval.allows(&outside));
    outside.via_node = case.world.node("n2");
    assert!(
        !eval.allows(&outside),
        "L-76: it has the identity of the other node"
    );
}
