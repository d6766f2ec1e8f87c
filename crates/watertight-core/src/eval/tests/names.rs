//! M-6: where DNS names lead whose addresses the input does not give.

use crate::eval::reach::{Outcome, Reach};
use crate::eval::{Evaluator, Party};
use crate::policy::testing::{Asked, network_policy, object};

/// What a pod may do with a name under the rules of an EgressFirewall, over IPv4; rows say the same as
/// verdicts.
fn outcome(rules: &str, name: &str) -> Outcome {
    let spec = format!("{{egress: [{rules}]}}");
    let firewall = object("k8s.ovn.org/v1", "EgressFirewall", "x/default", &spec);
    let case = Asked::new("ovn-kubernetes", &[(name, &[])], &[firewall]);
    let found = Outcome::of(&case.verdict(&format!("x/a -> name:{name} 443/tcp")));
    let eval = Evaluator::new(&case.world, &case.ruleset, case.switches);
    let mut names = case.world.name_ids();
    let to = Party::Name(names.find(|id| *case.world[*id].text == *name).unwrap());
    let from = Party::Endpoint(case.world.endpoint("x", "a").unwrap());
    let rows = Reach::new(&eval).between(&eval, from, to).unwrap();
    let row = rows
        .iter()
        .find(|row| (row.first..=row.last).contains(&443));
    assert_eq!(row.map_or(Outcome::Denied, |row| row.outcome), found);
    found
}

fn denied(cidr: &str, name: &str) -> Outcome {
    outcome(
        &format!("{{type: Deny, to: {{cidrSelector: {cidr}}}}}"),
        name,
    )
}

/// Everything allowed but these blocks is denied.
fn only(allowed: &str, except: &str, name: &str) -> Outcome {
    let rule = |word: &str, cidr: &str| format!("{{type: {word}, to: {{cidrSelector: {cidr}}}}}");
    let rules = [
        rule("Deny", except),
        rule("Allow", allowed),
        rule("Deny", "0.0.0.0/0"),
    ];
    outcome(&rules.join(", "), name)
}

#[test]
fn m_6_public_names_do_not_lead_to_the_local_link() {
    let name = "api.example.com";
    for local in [
        "169.254.169.254/32",
        "169.254.0.0/16",
        "127.0.0.0/8",
        "0.0.0.0/8",
        "224.0.0.0/4",
        "255.255.255.255/32",
        "224.0.0.0/3",
        "fe80::/10",
        "ff02::/16",
        "'::1/128'",
        // The metadata services of clouds that are elsewhere.
        "168.63.129.16/32",
        "100.100.100.200/32",
    ] {
        assert_eq!(denied(local, name), Outcome::Allowed, "{local}");
    }
    // Such a name may stand for a host of a private network.
    for possible in [
        "10.0.0.0/8",
        "100.64.0.0/10",
        "203.0.113.0/24",
        "169.252.0.0/14",
        "168.63.129.16/31",
    ] {
        assert_eq!(denied(possible, name), Outcome::Uncertain, "{possible}");
    }
    assert_eq!(denied("0.0.0.0/0", name), Outcome::Denied);
    assert_eq!(
        only("0.0.0.0/0", "169.254.169.254/32", name),
        Outcome::Allowed
    );
    assert_eq!(only("0.0.0.0/0", "10.0.0.0/8", name), Outcome::Uncertain);
}

#[test]
fn m_6_a_block_may_leave_out_what_no_public_name_leads_to() {
    let to = |except: &str| {
        let spec = format!(
            "{{podSelector: {{}}, policyTypes: [Egress], egress: [{{to: [{{ipBlock: {{cidr: 0.0.0.0/0, \
             except: [{except}]}}}}]}}]}}"
        );
        let policy = network_policy("x/p", &spec);
        let case = Asked::new(
            "reference",
            &[("api.example.com", &[]), ("db.internal", &[])],
            &[policy],
        );
        ["api.example.com", "db.internal"]
            .map(|name| Outcome::of(&case.verdict(&format!("x/a -> name:{name} 443/tcp"))))
    };
    use Outcome::{Allowed, Uncertain};
    assert_eq!(to("169.254.169.254/32"), [Allowed, Uncertain]);
    assert_eq!(to("169.254.0.0/16, 224.0.0.0/4"), [Allowed, Uncertain]);
    assert_eq!(to("169.254.169.254/32, 10.0.0.0/8"), [Uncertain, Uncertain]);
}

#[test]
fn m_6_other_names_may_lead_anywhere() {
    for name in [
        "metadata.google.internal",
        "metadata.tencentyun.com",
        "db.svc.cluster.local",
        "printer",
        "*.goog",
        "*",
    ] {
        let link = denied("169.254.169.254/32", name);
        assert_eq!(link, Outcome::Uncertain, "{name}");
    }
    for name in ["*.example.com", "cdn*.example.org", "tencentyun.com"] {
        let link = denied("169.254.169.254/32", name);
        assert_eq!(link, Outcome::Allowed, "{name}");
    }
}

#[test]
fn m_6_known_addresses_count_themselves() {
    let spec = "{egress: [{type: Deny, to: {cidrSelector: 169.254.0.0/16}}]}";
    let firewall = object("k8s.ovn.org/v1", "EgressFirewall", "x/default", spec);
    let names: &[(&str, &[&str])] = &[("odd.example.com", &["169.254.1.1"])];
    let case = Asked::new("ovn-kubernetes", names, &[firewall]);
    case.check(&[("x/a -> name:odd.example.com 443/tcp", false)]);
}
