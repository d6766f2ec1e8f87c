//! A report with everything in it, and its parts.

use watertight_core::report::diff::{
    DiffCause, DiffCounts, DiffEdit, DiffExample, DiffExternal, DiffObject, DiffReport, DiffRow,
    DiffSide, DiffValue, DiffVerdict, FindingDelta, ObservedChange,
};
use watertight_core::report::reach::ReachPorts;
use watertight_core::report::{Engine, Evidence, Finding, Location, Tool};

pub(super) fn at(path: &str, line: u32) -> Location {
    Location {
        path: path.into(),
        line,
        column: 1,
        end_line: line,
        end_column: 9,
        label: String::new(),
    }
}

pub(super) fn engine() -> Engine {
    Engine {
        name: "reference".into(),
        version: None,
        enforcement: "unknown".into(),
        switches: [].into(),
    }
}

pub(super) fn side(source: &str) -> DiffSide {
    DiffSide {
        source: source.into(),
        engine: engine(),
        policies: 33,
        pods: 22,
        namespaces: 8,
    }
}

pub(super) fn policy(change: &str, name: &str, old: Option<u32>, new: Option<u32>) -> DiffObject {
    let (namespace, name) = name.split_once('/').unwrap();
    DiffObject {
        change: change.into(),
        kind: "NetworkPolicy".into(),
        namespace: Some(namespace.into()),
        name: name.into(),
        old: old.map(|line| at(&format!("git:main:{namespace}.yaml"), line)),
        new: new.map(|line| at(&format!("{namespace}.yaml"), line)),
        edits: Vec::new(),
        notes: Vec::new(),
    }
}

pub(super) fn names(names: &str) -> Vec<String> {
    names.split(", ").map(str::to_owned).collect()
}

/// `53/udp 53/tcp`, `all`, `9100/tcp?`
pub(super) fn ports(text: &str) -> Vec<ReachPorts> {
    let one = |text: &str| {
        let (text, why) = match text.strip_suffix('?') {
            Some(text) => (text, Some("M-1".to_owned())),
            None => (text, None),
        };
        let (port, protocol) = text.split_once('/').unwrap_or(("all", "any"));
        let (first, last) = match port.parse() {
            Ok(port) => (port, port),
            Err(_) => (1, 65535),
        };
        ReachPorts {
            protocol: protocol.into(),
            first,
            last,
            verdict: if why.is_some() { "uncertain" } else { "allow" }.into(),
            some: false,
            conditional: false,
            why,
        }
    };
    text.split_whitespace().map(one).collect()
}

pub(super) fn row(change: &str, from: &str, to: &str, before: &str, after: &str) -> DiffRow {
    DiffRow {
        change: change.into(),
        widens: change == "gained",
        narrows: change == "lost" || change == "ports",
        from: names(from),
        to: names(to),
        external: None,
        before: ports(before),
        after: ports(after),
        before_ipv6: None,
        after_ipv6: None,
        shifts: Vec::new(),
        pairs: 1,
        new_or_gone: false,
        example: None,
    }
}

pub(super) fn external(addresses: &str, remarks: &str) -> Option<DiffExternal> {
    Some(DiffExternal {
        addresses: names(addresses),
        names: remarks.split_whitespace().map(Into::into).collect(),
        metadata: Vec::new(),
        domains: Vec::new(),
    })
}

pub(super) fn evidence(verdict: &str, because: &str, by: Option<Location>) -> Evidence {
    Evidence {
        from: "shop/Deployment/frontend".into(),
        to: "ip:203.0.113.80".into(),
        address: None,
        protocol: "tcp".into(),
        port: Some(443),
        verdict: verdict.into(),
        because: because.into(),
        by,
    }
}

pub(super) fn finding(rule: &str, severity: &str, message: &str, line: u32) -> Finding {
    Finding {
        rule: rule.into(),
        name: "a-rule".into(),
        severity: severity.into(),
        message: message.into(),
        subject: None,
        field: None,
        locations: vec![at("shop.yaml", line)],
        evidence: Vec::new(),
        notes: Vec::new(),
        why: Vec::new(),
        fix: None,
        fingerprint: "0".into(),
    }
}

/// All units of both states.
pub(super) const UNITS: [&str; 10] = [
    "kube-system/Deployment/coredns",
    "payments/Deployment/payments-api",
    "payments/StatefulSet/ledger-db",
    "platform/Deployment/gateway",
    "platform/DaemonSet/node-exporter",
    "shop/Deployment/cart",
    "shop/Deployment/catalog",
    "shop/Deployment/frontend",
    "shop/StatefulSet/orders-db",
    "nodes",
];

/// A change with everything in it.
pub(super) fn everything() -> DiffReport {
    let three = "shop/Deployment/cart, shop/Deployment/catalog, shop/Deployment/frontend";
    let mut edited = policy("edited", "shop/catalog-ingress", Some(76), Some(74));
    let value = |text: &str, place| {
        Some(DiffValue {
            text: text.into(),
            place,
        })
    };
    edited.edits.push(DiffEdit {
        path: "spec.podSelector.matchLabels.app".into(),
        old: value("catalogue", at("git:main:shop.yaml", 78)),
        new: value("catalog", at("shop.yaml", 76)),
    });
    let mut api = row(
        "gained",
        "payments/Deployment/payments-api",
        "world",
        "",
        "443/tcp",
    );
    api.external = external(
        "198.51.100.0-198.51.100.9, 198.51.100.12-198.51.100.255",
        "documentation",
    );
    let mut outside = row("lost", three, "world", "all", "");
    outside.external = external("0.0.0.0/0, ::/0", "");
    let was = evidence(
        "allow",
        "rule 1 of NetworkPolicy shop/deny-metadata allows it",
        Some(at("git:main:shop.yaml", 18)),
    );
    let is = evidence(
        "deny",
        "NetworkPolicy shop/default-deny isolates it for egress and no rule of 3 policies matches",
        Some(at("shop.yaml", 4)),
    );
    outside.example = Some(DiffExample {
        old: Some(was.clone()),
        new: Some(is.clone()),
    });
    let mut deny_metadata = policy("removed", "shop/deny-metadata", Some(12), None);
    let note = "its rule 1 allowed 0.0.0.0/0 except 169.254.169.254/32";
    deny_metadata.notes.push(note.into());
    DiffReport {
        api_version: "watertight.dev/v1".into(),
        kind: "DiffReport".into(),
        tool: Tool {
            name: "watertight".into(),
            version: "0.0.0".into(),
        },
        old: side("git:main"),
        new: side("."),
        complete: true,
        problems: Vec::new(),
        assumptions: Vec::new(),
        verdict: DiffVerdict {
            word: "unsafe".into(),
            sentence:
                "not safe: 1 observed connection would be cut; 2 pairs gain and 13 lose connections"
                    .into(),
        },
        counts: DiffCounts {
            gained: 2,
            lost: 13,
            mixed: 3,
            uncertain: 3,
            observed_cut: 1,
            objects: 6,
            findings_introduced: 1,
            findings_resolved: 1,
            ..DiffCounts::default()
        },
        observed: vec![ObservedChange {
            change: "cut".into(),
            from: was.from.clone(),
            to: was.to.clone(),
            protocol: "tcp".into(),
            port: Some(443),
            times: 1204,
            seen: at("flows.jsonl", 12),
            old: was,
            new: is,
        }],
        causes: vec![
            DiffCause {
                objects: vec![deny_metadata],
                rows: vec![
                    outside,
                    row("lost", three, "nodes", "all", ""),
                    row(
                        "ports",
                        three,
                        "kube-system/Deployment/coredns",
                        "all",
                        "53/tcp 53/udp",
                    ),
                    row(
                        "uncertain",
                        three,
                        "platform/DaemonSet/node-exporter",
                        "9100/tcp?",
                        "",
                    ),
                ],
            },
            DiffCause {
                objects: vec![edited],
                rows: vec![row(
                    "gained",
                    "shop/Deployment/frontend",
                    "shop/Deployment/catalog",
                    "",
                    "8080/tcp",
                )],
            },
            DiffCause {
                objects: vec![
                    policy("added", "payments/bank", None, Some(90)),
                    policy("edited", "payments/payments-api", Some(45), Some(45)),
                ],
                rows: vec![
                    api,
                    row(
                        "lost",
                        "platform/Deployment/gateway",
                        "payments/Deployment/payments-api, payments/StatefulSet/ledger-db",
                        "53/tcp 53/udp",
                        "",
                    ),
                ],
            },
        ],
        unaffecting: vec![policy("edited", "staging/no-egress", Some(4), Some(4))],
        findings: Some(FindingDelta {
            introduced: vec![finding(
                "WT401",
                "warning",
                "`orders-db-ingress` selects nothing",
                94,
            )],
            resolved: vec![finding(
                "WT202",
                "error",
                "the `except` of 169.254.169.254/32 keeps nobody from it",
                21,
            )],
        }),
    }
}
