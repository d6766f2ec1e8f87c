//! Every edit is applied and the result is read again.

use super::*;
use crate::manifest::{self, Direction, Options, PeerKind};
use crate::world::{self, Assume};

/// The blocks of the first egress rule of the only policy.
fn blocks(sources: &Sources) -> Vec<IpBlock> {
    let loaded = manifest::load(sources, &Options::default());
    assert!(loaded.findings.is_empty(), "{:?}", loaded.findings);
    let (world, _) = world::build(sources, &loaded.objects, &Assume::default());
    let rules = &world.policies[0].spec.section(Direction::Egress).rules;
    let peers = rules[0].peers.iter();
    peers
        .filter_map(|peer| match &peer.kind {
            PeerKind::IpBlock(block) => Some(block.clone()),
            PeerKind::Selectors { .. } => None,
        })
        .collect()
}

/// Edits the first block and shows the lines that have changed.
fn edited(text: &str, nets: &[&str]) -> Option<String> {
    let mut sources = Sources::new();
    let file = sources.add("t.yaml", text.into()).unwrap();
    let block = blocks(&sources).remove(0);
    let nets: Vec<IpNet> = nets.iter().map(|net| net.parse().unwrap()).collect();
    let edit = if block.except.is_empty() {
        insert(&sources, &block, &nets)?
    } else {
        append(&sources, &block, &nets)?
    };
    assert_eq!(edit.span.file, file);
    let mut after = text.to_owned();
    after.insert_str(edit.span.start as usize, &edit.text);

    let mut again = Sources::new();
    again.add("t.yaml", after.clone().into()).unwrap();
    let mut wanted: Vec<IpNet> = block.except.iter().map(|except| except.net).collect();
    wanted.extend(nets);
    let read = blocks(&again).remove(0);
    let found: Vec<IpNet> = read.except.iter().map(|except| except.net).collect();
    assert_eq!(found, wanted, "{after}");
    let old: Vec<&str> = text.lines().collect();
    Some(
        after
            .lines()
            .filter(|line| !old.contains(line))
            .map(|line| format!("+{line}\n"))
            .collect(),
    )
}

fn policy(peers: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: p, namespace: shop}}
spec:
  podSelector: {{}}
  policyTypes: [Egress]
  egress:
  - to:
{peers}    ports:
    - port: 80
"
    )
}

#[test]
fn block_style_lists_get_new_lines() {
    let text = policy(
        "    - ipBlock:
        cidr: 0.0.0.0/0
        except:
        - 169.254.169.254/32  # imds
",
    );
    expect_test::expect![[r#"
        +        - 168.63.129.16/32
        +        - 100.100.100.200/32
    "#]]
    .assert_eq(&edited(&text, &["168.63.129.16/32", "100.100.100.200/32"]).unwrap());
    let windows = text.replace('\n', "\r\n");
    assert!(edited(&windows, &["168.63.129.16/32"]).is_some());
}

#[test]
fn flow_style_lists_stay_on_their_line() {
    let text = policy("    - ipBlock: {cidr: 0.0.0.0/0, except: [169.254.169.254/32]}\n");
    expect_test::expect![[r#"
        +    - ipBlock: {cidr: 0.0.0.0/0, except: [169.254.169.254/32, 168.63.129.16/32]}
    "#]]
    .assert_eq(&edited(&text, &["168.63.129.16/32"]).unwrap());
    let text = policy(
        "    - ipBlock:
        cidr: \"::/0\"
        except: [
          'fd00:ec2::254/128',
        ]
",
    );
    expect_test::expect![[r#"
        +          'fd00:ec2::254/128', 'fd00:c1::a9fe:a9fe/128',
    "#]]
    .assert_eq(&edited(&text, &["fd00:c1::a9fe:a9fe/128"]).unwrap());
}

#[test]
fn a_block_without_a_list_gets_one() {
    let text = policy("    - ipBlock:\n        cidr: ::/0 # everything\n");
    expect_test::expect![[r#"
        +        except:
        +        - "fd00:ec2::254/128"
    "#]]
    .assert_eq(&edited(&text, &["fd00:ec2::254/128"]).unwrap());
    let text = policy("    - ipBlock: {cidr: \"::/0\"}\n");
    expect_test::expect![[r#"
        +    - ipBlock: {cidr: "::/0", except: ["fd00:ec2::254/128"]}
    "#]]
    .assert_eq(&edited(&text, &["fd00:ec2::254/128"]).unwrap());
}

#[test]
fn json_stays_json() {
    let policy = |block: &str| {
        format!(
            r#"{{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
"metadata": {{"name": "p", "namespace": "shop"}},
"spec": {{"podSelector": {{}}, "egress": [{{"to": [
{{"ipBlock": {block}}}
]}}]}}}}"#
        )
    };
    let with = policy(r#"{"cidr": "0.0.0.0/0", "except": ["169.254.169.254/32"]}"#);
    expect_test::expect![[r#"
        +{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["169.254.169.254/32", "168.63.129.16/32"]}}
    "#]]
    .assert_eq(&edited(&with, &["168.63.129.16/32"]).unwrap());
    let without = policy(r#"{"cidr": "::/0"}"#);
    expect_test::expect![[r#"
        +{"ipBlock": {"cidr": "::/0", "except": ["fd00:ec2::254/128"]}}
    "#]]
    .assert_eq(&edited(&without, &["fd00:ec2::254/128"]).unwrap());
}

#[test]
fn unusual_text_is_left_alone() {
    let anchored = policy(
        "    - ipBlock:
        cidr: 0.0.0.0/0
        except:
        - &imds 169.254.169.254/32
",
    );
    assert_eq!(edited(&anchored, &["168.63.129.16/32"]), None);
    let empty = policy("    - ipBlock:\n        cidr: ::/0\n        except: []\n");
    assert_eq!(edited(&empty, &["fd00:ec2::254/128"]), None);
}
