//! Tiers, sets of networks and host endpoints.

use super::*;

fn tier(name: &str, spec: &str) -> String {
    object("Tier", &format!("name: {name}"), spec)
}

#[test]
fn c_6_c_11_tiers() {
    let read = |text: &str| match accepted(text) {
        CalicoObject::Tier(tier) => (tier.order, tier.denies),
        other => panic!("{other:?}"),
    };
    assert_eq!(read(&tier("security", "{order: 100}")), (Some(100.0), true));
    assert_eq!(
        read(&tier("security", "{defaultAction: Pass}")),
        (None, false)
    );
    assert_eq!(
        read(&tier("default", "{order: 1000000}")),
        (Some(1e6), true)
    );
    assert_eq!(
        read(&tier("kube-admin", "{order: 1000}")),
        (Some(1e3), false)
    );
    assert!(refused(&tier("security", "{defaultAction: Allow}")).contains("use Deny or Pass"));
}

#[test]
fn c_76_fixed_tiers() {
    for wrong in [
        tier("default", "{order: 5}"),
        tier("default", "{order: 1000000, defaultAction: Pass}"),
        tier("kube-admin", "{order: 1000, defaultAction: Deny}"),
        tier("kube-baseline", "{}"),
        tier("a.b", "{}"),
    ] {
        assert!(refused(&wrong).contains("C-76"), "{wrong}");
    }
}

#[test]
fn c_61_sets() {
    let nets = |text: &str| match accepted(text) {
        CalicoObject::NetworkSet(set) => {
            let nets = set.nets.iter().map(|cidr| cidr.net.to_string());
            nets.collect::<Vec<_>>()
        }
        other => panic!("{other:?}"),
    };
    let set = |spec: &str| object("NetworkSet", "name: s, namespace: x", spec);
    assert_eq!(
        nets(&set("{nets: [10.0.0.0/8, 192.0.2.1, 'fd00::1/64']}")),
        ["10.0.0.0/8", "192.0.2.1/32", "fd00::/64"]
    );
    let global = object("GlobalNetworkSet", "name: s", "{}");
    assert!(nets(&global).is_empty());
    assert!(refused(&set("{nets: [nowhere]}")).contains("C-61"));
}

#[test]
fn c_63_host_endpoints() {
    let host = |spec: &str| object("HostEndpoint", "name: h", spec);
    let text = host(
        "{node: n1, interfaceName: eth0, expectedIPs: [192.0.2.1], profiles: [open], ports: \
         [{name: web, protocol: TCP, port: 80}]}",
    );
    match accepted(&text) {
        CalicoObject::HostEndpoint(host) => {
            assert_eq!(
                (&*host.node, host.interface.as_deref()),
                ("n1", Some("eth0"))
            );
            assert_eq!((host.expected_ips.len(), host.profiles.len()), (1, 1));
            assert_eq!(host.ports.first().unwrap().port, 80);
        }
        other => panic!("{other:?}"),
    }
    accepted(&host("{node: n1, interfaceName: '*'}"));
    accepted(&host("{node: n1, expectedIPs: [192.0.2.1]}"));
    for wrong in [
        "{interfaceName: eth0}",
        "{node: n1}",
        "{node: n1, expectedIPs: [here]}",
    ] {
        assert!(refused(&host(wrong)).contains("C-63"), "{wrong}");
    }
    for port in [
        "{name: web, protocol: ICMP, port: 80}",
        "{protocol: TCP, port: 80}",
    ] {
        let wrong = host(&format!(
            "{{node: n1, interfaceName: eth0, ports: [{port}]}}"
        ));
        assert!(refused(&wrong).contains("C-48"), "{wrong}");
    }
}

#[test]
fn c_8_c_63_profiles() {
    let profile = |spec: &str| object("Profile", "name: p", spec);
    match accepted(&profile(
        "{ingress: [{action: Allow}], labelsToApply: {a: b}}",
    )) {
        CalicoObject::Profile(profile) => {
            assert_eq!(
                (profile.ingress.rules.len(), profile.egress.rules.len()),
                (1, 0)
            );
            assert_eq!(profile.labels, [("a".into(), "b".into())]);
        }
        other => panic!("{other:?}"),
    }
    assert!(refused(&profile("{egress: [{action: Open}]}")).contains("C-74"));
}
