//! The parts of reach by themselves, where the answer can be seen.
//!
//! `tests/agreement/reach` in the crate holds whole rows against verdicts on random clusters; these
//! tests say where a part goes wrong, and reach what small clusters do not.

mod atoms;
mod classes;
mod ports;
mod rows;
mod sets;
mod walk;

use crate::engine::Switches;
use crate::eval::Evaluator;
use crate::manifest::{self, Options};
use crate::policy::{Ruleset, lower_kubernetes};
use crate::sets::{Bound, Cidr, IpBlock, Runs};
use crate::source::{FileId, Sources, Span};
use crate::world::{self, Assume, World};

/// A cluster as an engine reads it.
struct Case {
    world: World,
    ruleset: Ruleset,
    switches: Switches,
}

impl Case {
    fn new(yaml: &str) -> Self {
        Self::under(yaml, Switches::default())
    }

    fn under(yaml: &str, switches: Switches) -> Self {
        let mut sources = Sources::new();
        sources.add("t.yaml", yaml.into()).unwrap();
        let loaded = manifest::load(&sources, &Options::default());
        let assume = Assume {
            dns: false,
            ..Assume::default()
        };
        let (world, duplicates) = world::build(&sources, &loaded.objects, &assume);
        let findings = loaded.findings.iter().chain(&duplicates);
        let messages: Vec<_> = findings.map(|finding| &finding.message).collect();
        assert_eq!(messages, [""; 0], "{yaml}");
        Self {
            ruleset: lower_kubernetes(&world, &switches),
            world,
            switches,
        }
    }

    fn evaluator(&self) -> Evaluator<'_> {
        Evaluator::new(&self.world, &self.ruleset, self.switches)
    }
}

/// A pod from its `namespace/name`, labels, address (or none) and container ports.
fn pod(name: &str, labels: &str, ip: &str, ports: &str) -> String {
    let (namespace, name) = name.split_once('/').unwrap();
    let status = match ip {
        "" => "{}".to_owned(),
        ip => {
            let ips: Vec<String> = ip.split(' ').map(|ip| format!("{{ip: '{ip}'}}")).collect();
            format!("{{phase: Running, podIPs: [{}]}}", ips.join(", "))
        }
    };
    format!(
        "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: {namespace}, labels: \
         {{{labels}}}}}\nspec: {{containers: [{{ports: [{ports}]}}]}}\nstatus: {status}\n"
    )
}

/// A policy of namespace `x` from its name and spec, both in flow style.
fn policy(name: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: {name}, \
         namespace: x}}\nspec: {{{spec}}}\n"
    )
}

fn span() -> Span {
    let mut sources = Sources::new();
    let file: FileId = sources.add("t.yaml", Vec::new()).unwrap();
    Span {
        file,
        start: 0,
        end: 0,
    }
}

fn block(cidr: &str, except: &[&str]) -> IpBlock {
    let parse = |text: &str| Cidr {
        net: text.parse().unwrap(),
        span: span(),
    };
    IpBlock {
        cidr: parse(cidr),
        except: except.iter().map(|text| parse(text)).collect(),
        span: span(),
    }
}

fn listed<T: Bound>(runs: &Runs<T>) -> Vec<(T, T)> {
    runs.iter().collect()
}
