//! Reading objects of Cilium: what comes out, and what the CRD and the agent refuse.

mod traffic;

use expect_test::expect;

use super::*;
use crate::manifest::{Body, Loaded, Options, PolicyObject, load};
use crate::rules::testing::show;
use crate::sets::{Family, Operator, Protocol};
use crate::source::Sources;

fn loaded<T>(text: &str, look: impl FnOnce(&Sources, &Loaded<'_>) -> T) -> T {
    let mut sources = Sources::new();
    sources.add("t.yaml", text.into()).unwrap();
    look(&sources, &load(&sources, &Options::default()))
}

fn cnp(spec: &str) -> String {
    format!(
        "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {{name: p, namespace: \
         x}}\nspec: {spec}\n"
    )
}

fn ccnp(spec: &str) -> String {
    format!(
        "apiVersion: cilium.io/v2\nkind: CiliumClusterwideNetworkPolicy\nmetadata: {{name: \
         p}}\nspec: {spec}\n"
    )
}

fn ingress(item: &str) -> String {
    cnp(&format!("{{endpointSelector: {{}}, ingress: [{item}]}}"))
}

fn egress(item: &str) -> String {
    cnp(&format!("{{endpointSelector: {{}}, egress: [{item}]}}"))
}

/// The findings of a text that is left out.
#[track_caller]
fn refused(text: &str) -> String {
    loaded(text, |sources, loaded| {
        assert!(loaded.objects.is_empty(), "accepted: {text}");
        loaded
            .findings
            .iter()
            .map(|finding| show(sources, finding))
            .collect()
    })
}

/// Asserts that a text is left out because of this rule only.
#[track_caller]
fn refused_by(id: &str, text: &str) {
    let shown = refused(text);
    let whys: Vec<_> = shown
        .lines()
        .filter(|line| line.contains("why: "))
        .collect();
    assert!(
        !whys.is_empty() && whys.iter().all(|why| why.contains(id)),
        "{text}\n{shown}"
    );
}

/// The findings of a text that comes out all the same.
#[track_caller]
fn warned(text: &str) -> String {
    loaded(text, |sources, loaded| {
        assert_eq!(loaded.objects.len(), 1, "{text}");
        loaded
            .findings
            .iter()
            .map(|finding| show(sources, finding))
            .collect()
    })
}

/// The only object of a text about which nothing is said.
#[track_caller]
fn object(text: &str) -> CiliumObject {
    loaded(text, |sources, loaded| {
        let said: String = loaded
            .findings
            .iter()
            .map(|finding| show(sources, finding))
            .collect();
        assert_eq!(said, "", "{text}");
        match &loaded.objects[0].body {
            Body::Policy(_, object) => match &**object {
                PolicyObject::Cilium(object) => object.clone(),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    })
}

#[track_caller]
fn policy(text: &str) -> CiliumPolicy {
    match object(text) {
        CiliumObject::Policy(policy) => policy,
        CiliumObject::CidrGroup(group) => panic!("{group:?}"),
    }
}

#[track_caller]
fn accepted(text: &str) {
    let _ = object(text);
}

/// The only ingress item of a policy.
#[track_caller]
fn ingress_item(item: &str) -> CiliumItem {
    policy(&ingress(item)).rules[0].ingress.allow[0].clone()
}

#[track_caller]
fn egress_item(item: &str) -> CiliumItem {
    policy(&egress(item)).rules[0].egress.allow[0].clone()
}

#[test]
fn l_2_sources_of_labels() {
    let item = ingress_item(
        "{fromEndpoints: [{matchLabels: {k8s:io.kubernetes.pod.namespace: other, app: web, \
         any:tier: a, reserved:world: '', 'container:x': ''}, matchExpressions: [{key: \
         k8s:env, operator: NotIn, values: [dev]}]}]}",
    );
    let CiliumPeers::Endpoints(selectors) = item.peers else {
        panic!("{item:?}");
    };
    let parts: Vec<_> = selectors[0]
        .requirements
        .iter()
        .map(|part| (part.source.clone(), &*part.key, part.match_label))
        .collect();
    assert_eq!(
        parts,
        [
            (Source::K8s, "io.kubernetes.pod.namespace", true),
            (Source::Any, "app", true),
            (Source::Any, "tier", true),
            (Source::Reserved, "world", true),
            (Source::Other("container".into()), "x", true),
            (Source::K8s, "env", false),
        ]
    );
    let last = &selectors[0].requirements[5].operator;
    assert_eq!(*last, Operator::NotIn(vec!["dev".into()]));
    refused_by(
        "V-21",
        &ingress("{fromEndpoints: [{matchLabels: {'k8s:-a': b}}]}"),
    );
    refused_by(
        "V-22",
        &ingress("{fromEndpoints: [{matchLabels: {'k8s:a': 'b c'}}]}"),
    );
    for (expression, id) in [
        ("{key: a, operator: In}", "V-24"),
        ("{key: a, operator: Exists, values: [b]}", "V-25"),
        ("{key: a, operator: Has}", "V-26"),
        ("{key: a}", "V-26"),
        ("{operator: Exists}", "V-21"),
        ("{key: a, operator: In, values: ['b c']}", "V-23"),
    ] {
        let item = format!("{{fromEndpoints: [{{matchExpressions: [{expression}]}}]}}");
        refused_by(id, &ingress(&item));
    }
}

#[test]
fn l_11_one_selector() {
    refused_by("L-11", &cnp("{ingress: [{}]}"));
    refused_by("L-11", &cnp("{nodeSelector: {}, ingress: [{}]}"));
    refused_by(
        "L-11",
        &ccnp("{endpointSelector: {}, nodeSelector: {}, ingress: [{}]}"),
    );
    let nodes = policy(&ccnp(
        "{nodeSelector: {matchLabels: {zone: b}}, ingress: [{}]}",
    ));
    assert!(nodes.clusterwide);
    assert!(matches!(nodes.rules[0].subject, CiliumSubject::Nodes(_)));
    let pods = policy(&cnp("{endpointSelector: {}, ingress: [{}]}"));
    assert!(!pods.clusterwide);
    assert!(matches!(pods.rules[0].subject, CiliumSubject::Endpoints(_)));
    expect![[r#"
        error[WT003] the rule selects nobody: it has no `endpointSelector`
          about: CiliumNetworkPolicy x/p
          field: spec
          at t.yaml:4:7: `{ingress: [{}]}` 
          why: L-11
          fix: write `endpointSelector: {}` for all pods of the namespace
    "#]]
    .assert_eq(&refused(&cnp("{ingress: [{}]}")));
}

#[test]
fn l_12_spec_and_specs() {
    let specs = "{endpointSelector: {}, ingress: [{}]}\nspecs:\n- {endpointSelector: {}, egress: \
                 [{}]}\n- {endpointSelector: {}, ingressDeny: [{}]}";
    let rules = policy(&cnp(specs)).rules;
    assert_eq!(rules.len(), 3);
    assert!(!rules[1].egress.allow.is_empty() && !rules[2].ingress.deny.is_empty());
    let neither = "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: p}\n";
    refused_by("L-12", neither);
}

#[test]
fn l_14_to_l_23_default_deny() {
    let isolates = |spec: &str| {
        let rules = policy(&cnp(&format!("{{endpointSelector: {{}}, {spec}}}"))).rules;
        (rules[0].ingress.isolates(), rules[0].egress.isolates())
    };
    assert_eq!(isolates("ingress: [{}]"), (true, false), "L-15, L-21");
    assert_eq!(isolates("ingress: [], egress: [{}]"), (false, true), "L-16");
    assert_eq!(
        isolates("egressDeny: [{toEntities: [world]}]"),
        (false, true),
        "L-18, L-23"
    );
    assert_eq!(
        isolates("enableDefaultDeny: {ingress: false}, ingress: [{}], egress: [{}]"),
        (false, true),
        "L-19"
    );
    expect![[r#"
        warning[WT003] `enableDefaultDeny` asks for ingress, but the rule has no ingress items: it isolates nobody
          about: CiliumNetworkPolicy x/p
          field: spec.enableDefaultDeny
          at t.yaml:4:59: `true` 
          why: L-20
          fix: add `ingress: [{}]`, an item that selects nobody
    "#]].assert_eq(&warned(&cnp(
        "{endpointSelector: {}, enableDefaultDeny: {ingress: true}, egress: [{}]}",
    )));
    refused_by(
        "L-17",
        &cnp("{endpointSelector: {}, ingress: [], egress: []}"),
    );
    refused_by("L-17", &cnp("{endpointSelector: {}}"));
    expect![[r#"
        error[WT003] the rule has no item in `ingress`, `ingressDeny`, `egress` and `egressDeny`: Cilium ignores the whole object and denies nothing
          about: CiliumNetworkPolicy x/p
          field: spec
          at t.yaml:4:7: `{endpointSelector: {}, ingress: null}` 
          why: L-17
          fix: to deny everything, write an item that selects nobody: `ingress: [{}]`
    "#]].assert_eq(&refused(&cnp("{endpointSelector: {}, ingress: null}")));
}

#[test]
fn l_27_deny_items_know_no_more_than_ports() {
    expect![[r#"
        error[WT004] a deny item has no `toFQDNs`: the API server drops it
          about: CiliumNetworkPolicy x/p
          field: spec.egressDeny[0].toFQDNs
          at t.yaml:4:53: `[{matchName: a.io}]` 
          why: L-27
          fix: a deny item knows peers, ports and ICMP types only
        error[WT004] a deny item has no `rules`: the API server drops it
          about: CiliumNetworkPolicy x/p
          field: spec.egressDeny[0].toPorts[0].rules
          at t.yaml:4:130: `{http: [{method: GET}]}` 
          why: L-27
          fix: a deny item knows peers, ports and ICMP types only
    "#]]
    .assert_eq(&warned(&cnp(
        "{endpointSelector: {}, egressDeny: [{toFQDNs: [{matchName: a.io}], toPorts: [{ports: \
         [{port: '80', protocol: TCP}], rules: {http: [{method: GET}]}}]}]}",
    )));
    accepted(&cnp(
        "{endpointSelector: {}, ingressDeny: [{icmps: [{fields: [{type: 8}]}]}]}",
    ));
}

#[test]
fn l_28_to_l_30_missing_and_empty_lists() {
    let peers = |item: &str| ingress_item(item).peers;
    let ports = "toPorts: [{ports: [{port: '80'}]}]";
    assert!(matches!(peers("{}"), CiliumPeers::Unwritten), "L-28");
    assert!(ingress_item("{}").matches_nobody());
    let any = ingress_item(&format!("{{{ports}}}"));
    assert!(matches!(any.peers, CiliumPeers::Unwritten), "L-29");
    assert!(!any.matches_nobody(), "L-29");
    for list in [
        "fromEndpoints",
        "fromEntities",
        "fromCIDR",
        "fromCIDRSet",
        "fromNodes",
    ] {
        let item = ingress_item(&format!("{{{list}: [], {ports}}}"));
        assert!(matches!(item.peers, CiliumPeers::Nobody), "L-30 {list}");
        assert!(item.matches_nobody(), "L-30 {list}");
        let null = ingress_item(&format!("{{{list}: null, {ports}}}"));
        assert!(
            matches!(null.peers, CiliumPeers::Unwritten),
            "null is missing: {list}"
        );
    }
    for list in ["toServices", "toFQDNs"] {
        let item = egress_item(&format!("{{{list}: [], {ports}}}"));
        assert!(matches!(item.peers, CiliumPeers::Unwritten), "L-30 {list}");
    }
    let traffic = |item: &str| ingress_item(item).traffic;
    let everything = traffic("{fromEntities: [all], toPorts: [], icmps: []}");
    assert!(matches!(everything, CiliumTraffic::Everything), "L-31");
}

#[test]
fn l_33_one_kind_of_peers() {
    refused_by(
        "L-33",
        &ingress("{fromEndpoints: [{}], fromCIDR: [10.0.0.0/8]}"),
    );
    refused_by(
        "L-33",
        &egress("{toFQDNs: [{matchName: a.io}], toEntities: [world]}"),
    );
    refused_by(
        "L-33",
        &egress("{toServices: [{k8sService: {serviceName: a}}], toEndpoints: [{}]}"),
    );
    accepted(&egress(
        "{toServices: [{k8sService: {serviceName: a}}], toPorts: [{ports: [{port: '1'}]}]}",
    ));
    let cidrs = ingress_item("{fromEndpoints: [], fromCIDR: [10.0.0.0/8]}").peers;
    assert!(
        matches!(cidrs, CiliumPeers::Cidrs(_)),
        "an empty list beside it adds nobody"
    );
    expect![[r#"
        error[WT003] `toEntities` and `toCIDR` cannot be combined in one item
          about: CiliumNetworkPolicy x/p
          field: spec.egress[0].toCIDR
          at t.yaml:4:48: `[10.0.0.0/8]` 
          why: L-33
          fix: write an item for each
    "#]]
    .assert_eq(&refused(&egress(
        "{toCIDR: [10.0.0.0/8], toEntities: [world]}",
    )));
}

#[test]
fn l_37_l_43_entities() {
    for (name, entity) in Entity::NAMES {
        let item = ingress_item(&format!("{{fromEntities: [{name}]}}"));
        assert!(matches!(&item.peers, CiliumPeers::Entities(list) if list[0].0 == entity));
        assert_eq!(entity.word(), name);
    }
    refused_by("L-43", &ingress("{fromEntities: [internet]}"));
    expect![[r#"
        error[WT003] `world-ipv4` is no entity
          about: CiliumNetworkPolicy x/p
          field: spec.ingress[0].fromEntities[0]
          at t.yaml:4:56: `world-ipv4` 
          why: L-43 L-37
          fix: write `world`
            t.yaml:4:56: "world-ipv4" => "world"
        error[WT003] `kube-api-server` is no entity
          about: CiliumNetworkPolicy x/p
          field: spec.ingress[0].fromEntities[1]
          at t.yaml:4:68: `kube-api-server` 
          why: L-43
          fix: write `kube-apiserver`
            t.yaml:4:68: "kube-api-server" => "kube-apiserver"
        error[WT003] `Host` is no entity
          about: CiliumNetworkPolicy x/p
          field: spec.ingress[0].fromEntities[2]
          at t.yaml:4:85: `Host` 
          why: L-43
          fix: write `host`
            t.yaml:4:85: "Host" => "host"
        error[WT003] `x` is no entity
          about: CiliumNetworkPolicy x/p
          field: spec.ingress[0].fromEntities[3]
          at t.yaml:4:91: `x` 
          why: L-43
          fix: the entities are all, cluster, health, host, ingress, init, kube-apiserver, none, remote-node, unmanaged, world
    "#]].assert_eq(&refused(&ingress(
        "{fromEntities: [world-ipv4, kube-api-server, Host, x]}",
    )));
}

#[test]
fn l_48_l_50_l_52_blocks() {
    let item = egress_item(
        "{toCIDRSet: [{cidr: 10.1.2.3/8, except: [10.0.0.0/8, 10.9.0.1/16]}, {cidrGroupRef: g, \
         except: [192.0.2.0/24]}, {cidrGroupSelector: {matchLabels: {a: b}}}]}",
    );
    let CiliumPeers::Cidrs(entries) = &item.peers else {
        panic!("{item:?}");
    };
    let CidrSource::Block(block) = &entries[0].source else {
        panic!("{entries:?}");
    };
    assert_eq!(
        block.net.to_string(),
        "10.0.0.0/8",
        "bits beyond the prefix are ignored"
    );
    assert_eq!(entries[0].except[1].net.to_string(), "10.9.0.0/16");
    assert!(matches!(&entries[1].source, CidrSource::GroupRef(name) if **name == *"g"));
    assert!(matches!(&entries[2].source, CidrSource::GroupSelector(_)));
    let set = |entry: &str| egress(&format!("{{toCIDRSet: [{entry}]}}"));
    refused_by("L-48", &set("{cidr: 10.0.0.0/8, except: [192.168.0.0/16]}"));
    refused_by("L-48", &set("{cidr: 10.0.0.0/8, except: [0.0.0.0/0]}"));
    refused_by("L-48", &set("{cidr: '::/0', except: [10.0.0.0/8]}"));
    refused_by("L-50", &set("{cidr: 10.0.0.1}"));
    refused_by("L-50", &egress("{toCIDR: [203.0.113.5]}"));
    refused_by("L-50", &egress("{toCIDR: [010.0.0.0/8]}"));
    refused_by("L-50", &egress("{toCIDR: [10.0.0.0/08]}"));
    refused_by("L-52", &set("{cidr: 10.0.0.0/8, cidrGroupRef: g}"));
    refused_by("L-52", &set("{except: [10.0.0.0/8]}"));
    refused_by("L-52", &set("{cidrGroupRef: Not_A_Name}"));
    expect![[r#"
        error[WT003] `fd00::1` is an address; a CIDR needs a prefix length
          about: CiliumNetworkPolicy x/p
          field: spec.egress[0].toCIDR[0]
          at t.yaml:4:49: `fd00::1` 
          why: L-50
          fix: write `fd00::1/128` for the one address
            t.yaml:4:49: "fd00::1" => "\"fd00::1/128\""
        error[WT003] `example.com` is no CIDR
          about: CiliumNetworkPolicy x/p
          field: spec.egress[0].toCIDR[1]
          at t.yaml:4:58: `example.com` 
          why: L-50
          fix: write an address and a prefix length, like 10.0.0.0/8 or fd00::/8; for DNS names there is `toFQDNs`
    "#]].assert_eq(&refused(&egress("{toCIDR: [fd00::1, example.com]}")));
}

#[test]
fn l_52_groups_of_blocks() {
    let group = |version: &str| {
        format!(
            "apiVersion: cilium.io/{version}\nkind: CiliumCIDRGroup\nmetadata: {{name: g}}\nspec: \
             {{externalCIDRs: [203.0.113.0/24, 'fd00::/8']}}\n"
        )
    };
    for version in ["v2", "v2alpha1"] {
        match object(&group(version)) {
            CiliumObject::CidrGroup(group) => assert_eq!(group.cidrs.len(), 2),
            other => panic!("{other:?}"),
        }
    }
    let policy = ingress("{}").replace("/v2", "/v2alpha1");
    assert!(refused(&policy).starts_with("error[WT007]"));
    refused_by(
        "L-52",
        "apiVersion: cilium.io/v2\nkind: CiliumCIDRGroup\nmetadata: {name: g}\n",
    );
}

#[test]
fn l_54_services() {
    let item = egress_item(
        "{toServices: [{k8sService: {serviceName: web, namespace: other}}, {k8sServiceSelector: \
         {selector: {matchLabels: {app: web}}}}]}",
    );
    let CiliumPeers::Services(services) = &item.peers else {
        panic!("{item:?}");
    };
    let web = services[0].by_name.as_ref().unwrap();
    assert_eq!(
        (&*web.name, web.namespace.as_deref()),
        ("web", Some("other"))
    );
    let labelled = services[1].by_labels.as_ref().unwrap();
    assert_eq!(labelled.selector.to_string(), "app=web");
    assert_eq!(labelled.namespace, None);
    refused_by(
        "L-54",
        &egress("{toServices: [{k8sServiceSelector: {namespace: other}}]}"),
    );
}

#[test]
fn l_56_names() {
    let item = egress_item("{toFQDNs: [{matchName: A.io.}, {matchPattern: '*.b.io'}]}");
    let CiliumPeers::Fqdns(names) = &item.peers else {
        panic!("{item:?}");
    };
    assert_eq!(names[0].pattern.text(), "a.io");
    assert!(names[1].pattern.matches("x.b.io"));
    refused_by("L-56", &egress("{toFQDNs: [{matchName: '*.a.io'}]}"));
    refused_by(
        "L-56",
        &egress("{toFQDNs: [{matchName: a.io, matchPattern: a.io}]}"),
    );
    refused_by("L-56", &egress("{toFQDNs: [{}]}"));
}

#[test]
fn l_57_names_that_questions_may_ask() {
    let dns = "{toEntities: [all], toPorts: [{ports: [{port: '53'}], rules: {dns: [{matchName: \
               www.a.io}, {matchName: c.io}, {matchPattern: '*'}]}}]}";
    let text = egress(&format!(
        "{{toFQDNs: [{{matchPattern: '*.a.io'}}, {{matchName: b.io}}]}}, {dns}"
    ));
    assert_eq!(object(&text).domains(), ["*.a.io", "b.io", "www.a.io"]);
    assert!(object(&ingress("{}")).domains().is_empty());
}

#[test]
fn l_59_what_needs_an_option_or_is_gone() {
    expect![[r#"
        warning[WT003] `fromNodes` needs `nodeSelectorLabels` to be enabled in Cilium; without it the whole object is ignored
          about: CiliumNetworkPolicy x/p
          field: spec.ingress[0].fromNodes
          at t.yaml:4:52: `[{matchLabels: {zone: b}}]` 
          why: L-59
    "#]].assert_eq(&warned(&ingress("{fromNodes: [{matchLabels: {zone: b}}]}")));
    expect![[r#"
        warning[WT003] `toRequires` has no effect: Cilium 1.19 removed it
          about: CiliumNetworkPolicy x/p
          field: spec.egress[0].toRequires
          at t.yaml:4:71: `[{}]` 
          why: L-59
    "#]]
    .assert_eq(&warned(&egress("{toEndpoints: [{}], toRequires: [{}]}")));
    expect![[r#"
        warning[WT003] `toGroups` asks a cloud provider for addresses that are in no manifest: the item is taken to match nobody
          about: CiliumNetworkPolicy x/p
          field: spec.egress[0].toGroups
          at t.yaml:4:50: `[{aws: {region: eu-west-1}}]` 
    "#]].assert_eq(&warned(&egress("{toGroups: [{aws: {region: eu-west-1}}]}")));
}

#[test]
fn misspelt_fields_are_told() {
    let shown = warned(&cnp(
        "{endpointSelector: {matchLabel: {}}, ingress: [{fromEndpoint: [{}]}]}",
    ));
    assert!(
        shown.contains("`matchLabel`") && shown.contains("write `fromEndpoints`"),
        "{shown}"
    );
    assert!(refused(&cnp("[]")).contains("expected a mapping"));
    let mode = "{fromEndpoints: [{}], authentication: {mode: required}}";
    assert_eq!(ingress_item(mode).authentication, Authentication::Required);
    assert!(refused(&ingress("{authentication: {mode: always}}")).contains("no mode"));
}
