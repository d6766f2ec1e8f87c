//! Host endpoints.

use super::*;

/// A named interface of `n1`, without profiles.
fn eth0(labels: &str) -> String {
    host(
        "n1-eth0",
        labels,
        "{node: n1, interfaceName: eth0, expectedIPs: [192.168.0.1]}",
    )
}

/// All interfaces of `cp`, as Calico makes them.
fn auto(labels: &str) -> String {
    host(
        "cp-auto",
        labels,
        "{node: cp, interfaceName: '*', expectedIPs: [192.168.0.10], profiles: \
         [projectcalico-default-allow]}",
    )
}

#[test]
fn c_63_c_64_closed_but_for_failsafes() {
    let closed = case(&[eth0("a: b")]);
    closed.denies(&[
        "198.51.100.1 -> node:n1 80/tcp",
        "node:n1 -> 198.51.100.1 80/tcp",
    ]);
    closed.denies(&[
        "198.51.100.1 -> node:n1 22/udp",
        "198.51.100.1 -> node:n1 53/udp",
    ]);
    for port in [22, 179, 2379, 2380, 5473, 6443, 6666, 6667] {
        closed.allows(&[&format!("198.51.100.1 -> node:n1 {port}/tcp")]);
    }
    closed.allows(&["198.51.100.1 -> node:n1 68/udp"]);
    for port in [179, 2379, 2380, 5473, 6443, 6666, 6667] {
        closed.allows(&[&format!("node:n1 -> 198.51.100.1 {port}/tcp")]);
    }
    closed.allows(&[
        "node:n1 -> 198.51.100.1 53/udp",
        "node:n1 -> 198.51.100.1 67/udp",
    ]);
    closed.denies(&["node:n1 -> 198.51.100.1 22/tcp"]);
    // The other node has no host endpoint.
    closed.allows(&["198.51.100.1 -> node:cp 80/tcp"]);
}

#[test]
fn c_65_c_18_selected_hosts() {
    let open = case(&[auto("role: cp")]);
    open.allows(&[
        "198.51.100.1 -> node:cp 80/tcp",
        "node:cp -> 198.51.100.1 80/tcp",
    ]);
    let rules = "ingress: [{action: Allow, protocol: TCP, destination: {ports: [443]}}]";
    for selector in ["role == 'cp'", "all()", ""] {
        let policy = gnp("p", &format!("{{selector: \"{selector}\", {rules}}}"));
        let some = case(&[auto("role: cp"), policy]);
        some.allows(&[
            "198.51.100.1 -> node:cp 443/tcp",
            "198.51.100.1 -> node:cp 6443/tcp",
        ]);
        some.allows(&["node:cp -> 198.51.100.1 80/tcp"]);
        some.denies(&[
            "198.51.100.1 -> node:cp 80/tcp",
            "198.51.100.1 -> x/h 80/tcp",
        ]);
    }
    let other = gnp("p", &format!("{{selector: \"role == 'worker'\", {rules}}}"));
    case(&[auto("role: cp"), other]).allows(&["198.51.100.1 -> node:cp 80/tcp"]);
}

#[test]
fn c_17_c_19_policies_that_never_select_hosts() {
    for policy in [
        np("x/p", "{}"),
        gnp("p", "{namespaceSelector: all()}"),
        gnp("p", "{namespaceSelector: \"ns == 'x'\"}"),
        gnp("p", "{selector: all(), namespaceSelector: \"ns != 'w'\"}"),
        gnp(
            "p",
            "{selector: all(), serviceAccountSelector: \"a != 'b'\"}",
        ),
    ] {
        case(&[auto("role: cp"), policy]).allows(&["198.51.100.1 -> node:cp 80/tcp"]);
    }
    let quirk = gnp("p", "{namespaceSelector: \"ns != 'w'\"}");
    case(&[auto("role: cp"), quirk]).denies(&["198.51.100.1 -> node:cp 80/tcp"]);
}

#[test]
fn c_41_hosts_as_peers() {
    let policy = "{selector: \"pcns.ns == 'x'\", ingress: [{action: Allow, source: {selector: \"role == 'cp'\"}}]}";
    let peers = case(&[auto("role: cp"), gnp("p", policy)]);
    peers.allows(&["node:cp -> x/a 80/tcp", "x/h -> x/a 80/tcp"]);
    peers.denies(&["w/a -> x/a 80/tcp", "203.0.113.200 -> x/a 80/tcp"]);
    let global = "{ingress: [{action: Allow, source: {namespaceSelector: global()}}]}";
    case(&[auto("role: cp"), np("x/p", global)]).allows(&["node:cp -> x/a 80/tcp"]);
}

#[test]
fn c_36_the_own_end_of_hosts() {
    let rules = "{selector: has(role), ingress: [{action: Allow, destination: {selector: \"role == 'cp'\"}}]}";
    let own = case(&[auto("role: cp"), eth0("role: worker"), gnp("p", rules)]);
    own.allows(&["198.51.100.1 -> node:cp 80/tcp"]);
    own.denies(&["198.51.100.1 -> node:n1 80/tcp"]);
    let nets =
        "{selector: has(role), ingress: [{action: Allow, destination: {nets: [192.168.0.1/32]}}]}";
    let own = case(&[auto("role: cp"), eth0("role: worker"), gnp("p", nets)]);
    own.allows(&["198.51.100.1 -> node:n1 80/tcp"]);
    own.denies(&["198.51.100.1 -> node:cp 80/tcp"]);
}

#[test]
fn c_48_names_of_host_ports() {
    let named = |node: &str, ip: &str, port: u16| {
        let spec = format!(
            "{{node: {node}, interfaceName: eth0, expectedIPs: [{ip}], ports: [{{name: web, protocol: \
             TCP, port: {port}}}]}}"
        );
        host(node, "role: h", &spec)
    };
    let hosts = [
        named("n1", "192.168.0.1", 80),
        named("cp", "192.168.0.10", 81),
    ];
    let rule = "protocol: TCP, destination: {ports: [web]}";
    let ingress = format!("{{selector: has(role), ingress: [{{action: Allow, {rule}}}]}}");
    let ingress = case(&[&hosts[..], &[gnp("p", &ingress)]].concat());
    ingress.allows(&[
        "198.51.100.1 -> node:n1 80/tcp",
        "198.51.100.1 -> node:cp 81/tcp",
    ]);
    ingress.denies(&[
        "198.51.100.1 -> node:n1 81/tcp",
        "198.51.100.1 -> node:cp 80/tcp",
    ]);
    let egress = format!("{{egress: [{{action: Allow, {rule}}}]}}");
    let all = gnp(
        "open",
        "{selector: has(role), types: [Ingress], ingress: [{action: Allow}]}",
    );
    let egress = case(&[&hosts[..], &[np("x/p", &egress), all]].concat());
    egress.allows(&["x/a -> node:cp 81/tcp"]);
    egress.denies(&["x/a -> node:cp 80/tcp", "x/a -> w/a 80/tcp"]);
}

#[test]
fn c_66_c_67_routed_traffic() {
    let deny = |more: &str| {
        let spec = format!(
            "{{selector: has(role), types: [Ingress], {more}ingress: [{{action: Deny, \
                            source: {{nets: [198.51.100.0/24]}}}}]}}"
        );
        case(&[auto("role: cp"), gnp("p", &spec)])
    };
    let own = deny("");
    own.denies(&["198.51.100.1 -> node:cp 80/tcp"]);
    own.allows(&["198.51.100.1 -> x/a 80/tcp through=cp"]);
    let routed = deny("applyOnForward: true, ");
    // What no rule decides ends in the end of the tier.
    routed.denies(&[
        "198.51.100.1 -> x/a 80/tcp through=cp",
        "203.0.113.1 -> x/a 80/tcp through=cp",
    ]);
    routed.allows(&[
        "198.51.100.1 -> x/a 80/tcp",
        "198.51.100.1 -> x/a 80/tcp through=n1",
    ]);
}

#[test]
fn c_68_untracked() {
    let untracked = "{selector: has(role), doNotTrack: true, applyOnForward: true, types: [Ingress], \
                     ingress: [{action: Allow, protocol: UDP, destination: {ports: [5000]}}, {action: \
                     Deny, source: {nets: [198.51.100.0/24]}}]}";
    let normal = "{selector: has(role), types: [Ingress, Egress], ingress: [{action: Allow, protocol: TCP}]}";
    let both = case(&[
        eth0("role: h"),
        gnp("untracked", untracked),
        gnp("normal", normal),
    ]);
    both.allows(&[
        "203.0.113.1 -> node:n1 5000/udp",
        "203.0.113.1 -> node:n1 80/tcp",
    ]);
    both.denies(&[
        "198.51.100.1 -> node:n1 80/tcp",
        "203.0.113.1 -> node:n1 5001/udp",
    ]);
    // Nothing remembers what they allow: replies need rules of their own.
    both.denies(&["node:n1 -> 203.0.113.1 40000/udp from=5000 reply"]);
    both.allows(&["node:n1 -> 203.0.113.1 40000/tcp from=80 reply"]);
    // C-70: never about pods.
    both.allows(&["198.51.100.1 -> x/a 80/tcp"]);
}

#[test]
fn c_69_before_translation() {
    let pre = "{selector: has(role), preDNAT: true, applyOnForward: true, types: [Ingress], ingress: \
               [{action: Deny, protocol: TCP, source: {notNets: [203.0.113.0/24]}, destination: {ports: \
               [30080]}}, {action: Allow, protocol: TCP, destination: {ports: [9]}}]}";
    let before = case(&[auto("role: cp"), gnp("p", pre)]);
    before.denies(&["198.51.100.1 -> x/a 80/tcp through=cp dialled=30080"]);
    before.allows(&[
        "203.0.113.1 -> x/a 80/tcp through=cp dialled=30080",
        "198.51.100.1 -> x/a 80/tcp through=cp dialled=30081",
        "198.51.100.1 -> node:cp 80/tcp",
    ]);
    before.denies(&["198.51.100.1 -> node:cp 30080/tcp"]);
    // What it allows skips the policies behind it.
    let closed = gnp("closed", "{selector: has(role), applyOnForward: true}");
    let closed = case(&[auto("role: cp"), gnp("p", pre), closed]);
    closed.allows(&[
        "198.51.100.1 -> x/a 80/tcp through=cp dialled=9",
        "198.51.100.1 -> node:cp 9/tcp",
    ]);
    closed.denies(&["198.51.100.1 -> x/a 80/tcp through=cp dialled=10"]);
}

#[test]
fn c_71_hosts_reach_their_own_pods() {
    let closed = case(&[np("x/p", "{}"), eth0("a: b")]);
    closed.allows(&["node:n1 -> x/a 80/tcp"]);
    closed.denies(&["node:cp -> x/a 80/tcp"]);
}

#[test]
fn c_72_pods_and_their_own_host() {
    let out = np(
        "x/p",
        "{types: [Egress], egress: [{action: Deny, protocol: TCP, destination: {ports: \
                        [10250]}}, {action: Allow}]}",
    );
    let objects = [out, eth0("a: b")];
    let to = "x/a -> node:n1 9100/tcp";
    with("endpoint_to_host=Accept", &objects).allows(&[to]);
    with("endpoint_to_host=Accept", &objects).denies(&["x/a -> node:n1 10250/tcp"]);
    with("endpoint_to_host=Drop", &objects).denies(&[to]);
    with("endpoint_to_host=Return", &objects).denies(&[to]);
    with("endpoint_to_host=Return", &objects[..1]).allows(&[to]);
}

#[test]
fn c_73_tunnels_of_pods() {
    let open = case(&[]);
    open.denies(&["x/a -> 198.51.100.1 4789/udp"]);
    open.allows(&[
        "x/a -> 198.51.100.1 4790/udp",
        "node:n1 -> 198.51.100.1 4789/udp",
    ]);
}

#[test]
fn named_interfaces_speak_for_their_node() {
    let all = host(
        "n1-all",
        "role: all",
        "{node: n1, interfaceName: '*', profiles: \
                   [projectcalico-default-allow]}",
    );
    case(&[all.clone(), eth0("a: b")]).denies(&["198.51.100.1 -> node:n1 80/tcp"]);
    case(&[all]).allows(&["198.51.100.1 -> node:n1 80/tcp"]);
    // What selects the one for all interfaces says nothing of the named one.
    let named = "{node: n1, interfaceName: eth0, profiles: [projectcalico-default-allow]}";
    let all = "{node: n1, interfaceName: '*', profiles: [projectcalico-default-allow]}";
    let closed = gnp("p", "{selector: \"role == 'all'\"}");
    let both = [
        host("named", "a: b", named),
        host("all", "role: all", all),
        closed,
    ];
    case(&both).allows(&["198.51.100.1 -> node:n1 80/tcp"]);
    case(&both[1..]).denies(&["198.51.100.1 -> node:n1 80/tcp"]);
}

#[test]
fn c_21_c_63_profiles_of_hosts() {
    let spec =
        "{node: n1, interfaceName: eth0, expectedIPs: [192.168.0.1], profiles: [missing, mine]}";
    let mine = object(
        V3,
        "Profile",
        "mine",
        "{labelsToApply: {role: h, a: profile}, ingress: [{action: Allow, protocol: TCP, destination: \
         {ports: [80]}}, {action: Deny}], egress: [{action: Allow, protocol: UDP}]}",
    );
    let profile = [host("n1-eth0", "a: own", spec), mine];
    let open = case(&profile);
    open.allows(&[
        "198.51.100.1 -> node:n1 80/tcp",
        "198.51.100.1 -> node:n1 22/tcp",
    ]);
    open.denies(&[
        "198.51.100.1 -> node:n1 81/tcp",
        "node:n1 -> 198.51.100.1 80/tcp",
    ]);
    open.allows(&["node:n1 -> 198.51.100.1 80/udp"]);
    // Tiers come first, and profiles give labels.
    let selects = |selector: &str| {
        let policy = gnp(
            "p",
            &format!("{{selector: \"{selector}\", ingress: [{{action: Pass}}]}}"),
        );
        let closed = format!("{{selector: \"{selector}\", order: 1, ingress: [{{action: Deny}}]}}");
        [policy, gnp("q", &closed)]
    };
    let by_profile = selects("role == 'h'");
    case(&[&profile[..], &by_profile[1..]].concat()).denies(&["198.51.100.1 -> node:n1 80/tcp"]);
    case(&[&profile[..], &by_profile[..1]].concat()).allows(&["198.51.100.1 -> node:n1 80/tcp"]);
    let own_wins = selects("a == 'profile'");
    case(&[&profile[..], &own_wins[1..]].concat()).allows(&["198.51.100.1 -> node:n1 80/tcp"]);
}
