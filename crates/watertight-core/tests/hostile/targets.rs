//! What must hold for any bytes. The bodies of the fuzz targets in `fuzz/`, which `tests/hostile.rs`
//! runs too, on fewer inputs.
//!
//! Each function takes a whole file and panics if something is wrong.

use serde_json::Value;
use watertight_core::analysis::intent::{self, Checker, Outcome as Judgement};
use watertight_core::analysis::readings::Readings;
use watertight_core::check::{self, CheckOptions};
use watertight_core::diag::{Edit, Finding, Fix};
use watertight_core::document::{Document, Kind, Node, SyntaxError, Unit, units};
use watertight_core::engine::{Profile, Switches};
use watertight_core::eval::reach::{Outcome, Reach};
use watertight_core::eval::{Connection, Evaluator, Party};
use watertight_core::manifest::{self, Options};
use watertight_core::observed::{self, Format};
use watertight_core::policy::lower_kubernetes;
use watertight_core::report;
use watertight_core::sets::Protocol;
use watertight_core::source::{FileId, Sources, Span};
use watertight_core::world::{self, Assume, World};

/// A file under a name; none if the bytes are no text.
fn sources(name: &str, bytes: &[u8]) -> Option<(Sources, FileId)> {
    let mut sources = Sources::new();
    let file = sources.add(name, bytes.to_vec()).ok()?;
    Some((sources, file))
}

/// Reading never panics; every value is where it says it is, and there are not too many.
pub(crate) fn document(bytes: &[u8]) {
    for name in ["t.yaml", "t.json"] {
        let Some((sources, file)) = sources(name, bytes) else {
            return;
        };
        let text = sources.file(file).text();
        let (units, errors) = units(file, name, text);
        errors.iter().for_each(|error| well_told(error, text));
        // Aliases and merge keys bring values from elsewhere.
        let in_order = name == "t.json" || !text.contains('*') && !text.contains("<<");
        for unit in &units {
            let mut values = 0;
            for document in unit.read(text) {
                match document {
                    Ok(document) => {
                        let Some(root) = document.root() else {
                            continue;
                        };
                        let all = place(root, text);
                        values += node(root, text, all, in_order);
                        if name == "t.yaml" && text.len() < 2000 && stands_alone(text) {
                            rereads(root, text, false);
                        }
                    }
                    Err(error) => well_told(&error, text),
                }
            }
            assert!(
                values <= 2000 + 10 * text.len(),
                "{values} values of {} bytes",
                text.len()
            );
        }
    }
}

fn well_told(error: &SyntaxError, text: &str) {
    place_of(error.span, text);
    assert!(!error.message.is_empty() && !error.message.contains('\n'));
}

fn place_of(span: Span, text: &str) -> (usize, usize) {
    let (start, end) = (span.start as usize, span.end as usize);
    assert!(
        text.get(start..end).is_some(),
        "{start}..{end} is no place in {} bytes",
        text.len()
    );
    (start, end)
}

fn place(node: Node<'_, '_>, text: &str) -> (usize, usize) {
    place_of(node.span(), text)
}

/// Checks a value and those in it; returns how many they are.
fn node(node: Node<'_, '_>, text: &str, inside: (usize, usize), in_order: bool) -> usize {
    let (start, end) = place(node, text);
    assert_eq!(node.as_written(), &text[start..end]);
    assert_eq!(node.string().as_deref(), node.str());
    assert_eq!(node.is_null(), node.kind() == Kind::Null);
    assert_eq!(node.bool().is_some(), node.kind() == Kind::Bool);
    assert!(node.integer().is_none() || node.kind() == Kind::Number);
    if in_order {
        assert!(inside.0 <= start && end <= inside.1, "outside its parent");
    }
    let mut children: Vec<Node<'_, '_>> = node.items().collect();
    for (at, (key, value)) in node.entries().enumerate() {
        let name = key.str().expect("keys are strings");
        // Looks at every entry, so not for every entry of the large.
        assert!(at > 30 || node.get(name).is_some());
        children.extend([key, value]);
    }
    let leaf = !matches!(node.kind(), Kind::Sequence | Kind::Mapping);
    assert!(!leaf || children.is_empty());
    let (mut count, mut reached) = (1, start);
    for child in children {
        let (from, to) = place(child, text);
        if in_order {
            assert!(reached <= from, "{from} comes after {reached}");
            reached = to;
        }
        count += self::node(child, text, (start, end), in_order);
    }
    count
}

/// Whether the parts of a text mean the same without the rest: no aliases, no tags, no directives, no
/// JSON Lists; no characters either that only JSON allows, nor tabs, which do not indent.
fn stands_alone(text: &str) -> bool {
    let apart = ["*", "&", "!", "%", "\\u", "List\""];
    let line_break = |c: char| matches!(c, '\n' | '\r');
    let odd = |c: char| {
        c.is_control() && !line_break(c) || matches!(c, '\u{feff}' | '\u{fffe}' | '\u{ffff}')
    };
    !apart.iter().any(|part| text.contains(part)) && !text.contains(odd)
}

/// What a value covers, moved to where it was in its line, is that value: its place is exact.
fn rereads(node: Node<'_, '_>, text: &str, in_brackets: bool) {
    let slice = node.as_written();
    let header = slice.lines().next().unwrap_or_default();
    let relative =
        slice.starts_with(['|', '>']) && header.contains(|c: char| c == '+' || c.is_ascii_digit());
    if !slice.is_empty() && !relative {
        let before = &text[..node.span().start as usize];
        let line = before.rsplit(['\n', '\r']).next().unwrap_or_default();
        let indent = " ".repeat(line.chars().count());
        let (alone, expected) = match in_brackets {
            true => (format!("[{slice}]"), format!("[{}]", shape(node))),
            false => (indent + slice, shape(node)),
        };
        let (sources, file) = sources("t.yaml", alone.as_bytes()).expect("text stays text");
        let found: Vec<_> = units(file, "t.yaml", &alone)
            .0
            .iter()
            .flat_map(|unit| unit.read(sources.file(file).text()))
            .map(|document| document.map(|document| document.root().map(shape)))
            .collect();
        assert_eq!(found, [Ok(Some(expected))], "{alone:?} of {text:?}");
    }
    let in_brackets = in_brackets || slice.starts_with(['[', '{']);
    node.items()
        .for_each(|item| rereads(item, text, in_brackets));
    node.entries()
        .for_each(|(_, value)| rereads(value, text, in_brackets));
}

/// A value without its place.
fn shape(node: Node<'_, '_>) -> String {
    match node.kind() {
        Kind::Sequence => {
            let items: Vec<_> = node.items().map(shape).collect();
            format!("[{}]", items.join(", "))
        }
        Kind::Mapping => {
            let entry =
                |(key, value): (Node<'_, '_>, _)| format!("{:?}: {}", key.str(), shape(value));
            let entries: Vec<_> = node.entries().map(entry).collect();
            format!("{{{}}}", entries.join(", "))
        }
        kind => {
            // Blank lines at the end of a block scalar are not covered.
            let text = node.str().map(str::trim_end);
            format!("{kind:?} {text:?} {:?} {:?}", node.bool(), node.integer())
        }
    }
}

/// Two readers of JSON agree: ours and serde_json, but for what RFC 8259 leaves to them.
pub(crate) fn json_differential(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    // It takes no byte order mark.
    let theirs = serde_json::from_str::<Value>(text.trim_start_matches('\u{feff}'));
    let ours = single("t.json", text);
    match theirs {
        Ok(value) => {
            let ours = ours.unwrap_or_else(|| panic!("we refuse {value}"));
            assert_eq!(ours, value);
            if value.is_object() {
                assert_eq!(single("t.yaml", text), Some(value), "as YAML");
            }
        }
        Err(error) => {
            // Nesting at our limit, numbers beyond f64, halves of a character.
            let message = error.to_string();
            let known = ["recursion limit", "out of range", "surrogate", "hex escape"];
            let known = known.iter().any(|part| message.contains(part));
            assert!(ours.is_none() || known, "we read {ours:?}, but: {message}");
        }
    }
}

/// The one value of a file, the items of a List put back.
fn single(name: &str, text: &str) -> Option<Value> {
    let (sources, file) = sources(name, text.as_bytes())?;
    let text = sources.file(file).text();
    let (units, errors) = units(file, name, text);
    let (head, items) = units.split_first()?;
    if !errors.is_empty() || head.is_item() || !items.iter().all(Unit::is_item) {
        return None;
    }
    let mut value = whole(head, text)?;
    for item in items {
        let item = whole(item, text)?;
        value.get_mut("items")?.as_array_mut()?.push(item);
    }
    Some(value)
}

fn whole(unit: &Unit, text: &str) -> Option<Value> {
    let mut documents = unit.read(text);
    let document: Document<'_> = documents.pop()?.ok()?;
    if documents.is_empty() {
        value(document.root()?)
    } else {
        None
    }
}

/// A value as serde_json has it; none if a number is beyond it.
fn value(node: Node<'_, '_>) -> Option<Value> {
    Some(match node.kind() {
        Kind::Null => Value::Null,
        Kind::Bool => Value::Bool(node.bool()?),
        Kind::Number => {
            let number: Value = serde_json::from_str(node.as_written()).ok()?;
            if let Some(whole) = number.as_i64() {
                assert_eq!(node.integer(), Some(whole), "{number}");
            }
            number
        }
        Kind::String => Value::String(node.str()?.to_owned()),
        Kind::Sequence => Value::Array(node.items().map(value).collect::<Option<_>>()?),
        Kind::Mapping => {
            let entry =
                |(key, node): (Node<'_, '_>, _)| Some((key.str()?.to_owned(), value(node)?));
            Value::Object(node.entries().map(entry).collect::<Option<_>>()?)
        }
    })
}

/// Manifests are decoded and become a cluster, with rows, without a panic.
pub(crate) fn manifest(bytes: &[u8]) {
    for name in ["t.yaml", "t.json"] {
        let Some((sources, file)) = sources(name, bytes) else {
            return;
        };
        let text = sources.file(file).text();
        let strict_cidr = name == "t.yaml";
        let loaded = manifest::load(
            &sources,
            &Options {
                strict_cidr,
                old_admin_api: !strict_cidr,
            },
        );
        let (world, duplicates) = world::build(&sources, &loaded.objects, &Assume::default());
        findings(&loaded.findings, text);
        findings(&duplicates, text);
        assert!(world.policies.len() <= loaded.objects.len());
        rows(&world);
    }
}

/// Rows say what verdicts say, between a few parties of a cluster.
fn rows(world: &World) {
    let switches = Switches::default();
    let ruleset = lower_kubernetes(world, &switches);
    let eval = Evaluator::new(world, &ruleset, switches);
    let reach = Reach::new(&eval);
    let endpoints = world.endpoint_ids().map(Party::Endpoint).take(3);
    let nodes = world.node_ids().map(Party::Node).take(1);
    let addresses = ["10.0.0.1", "2001:db8::1"].map(|ip| ip.parse().expect("an address"));
    let addresses = addresses.into_iter().map(Party::Address);
    let parties: Vec<Party> = endpoints.chain(nodes).chain(addresses).collect();
    for (from, to) in parties
        .iter()
        .flat_map(|a| parties.iter().map(move |b| (*a, *b)))
    {
        for (protocol, port) in [
            (Protocol::Tcp, Some(80)),
            (Protocol::Tcp, Some(u16::MAX)),
            (Protocol::Udp, Some(53)),
            (Protocol::Icmp, None),
        ] {
            let mut connection = Connection::new(from, to, protocol, 0);
            connection.port = port;
            let verdict = eval.verdict(&connection);
            let expected = match (verdict.allowed, verdict.uncertain) {
                (true, _) => Outcome::Allowed,
                (false, Some(_)) => Outcome::Uncertain,
                (false, None) => Outcome::Denied,
            };
            let found = reach.outcome(&eval, &connection);
            assert_eq!(found, expected, "{connection:?}: {verdict:?}");
        }
    }
}

fn findings(findings: &[Finding], text: &str) {
    for finding in findings {
        assert!(!finding.message.is_empty());
        for label in &finding.labels {
            place_of(label.span, text);
        }
        for span in finding.evidence.iter().filter_map(|evidence| evidence.by) {
            place_of(span, text);
        }
        for edit in finding.fix.iter().flat_map(|fix| &fix.edits) {
            place_of(edit.span, text);
        }
    }
}

/// A whole check, with its report, does not panic. Its fixes settle their findings and leave files
/// that can be read.
pub(crate) fn check(bytes: &[u8]) {
    let name = "t.yaml";
    let Some((sources, file)) = sources(name, bytes) else {
        return;
    };
    let text = sources.file(file).text();
    let options = CheckOptions::default();
    let checked = check::check(&sources, &options);
    findings(&checked.findings, text);
    let report = report::report(&sources, &checked);
    serde_json::to_string(&report).expect("a report can be written");
    // A tag stays in front of what an edit puts there, and may not agree with it.
    if checked.broken > 0 || text.contains('!') {
        return;
    }
    let with_edits = |finding: &&Finding| {
        let fix = finding.fix.as_ref();
        fix.is_some_and(|fix| !fix.edits.is_empty())
    };
    for finding in checked.findings.iter().filter(with_edits).take(6) {
        let fixed = apply(text, finding.fix.as_ref().expect("it has edits"));
        let (sources, _) = self::sources(name, fixed.as_bytes()).expect("text stays text");
        let again = check::check(&sources, &options);
        let id = finding.rule.id;
        assert_eq!(again.broken, 0, "the fix of {id} breaks {name}:\n{fixed}");
        let mut left = again.findings.iter().map(told);
        assert!(
            !left.any(|left| left == told(finding)),
            "the fix of {id} settles nothing:\n{fixed}"
        );
    }
}

/// What makes a finding the same one after an edit at its place.
fn told(finding: &Finding) -> (&str, &str, Option<&str>, Option<u32>) {
    let place = finding.span().map(|span| span.start);
    let field = finding.field.as_deref();
    (finding.rule.id, &finding.message, field, place)
}

/// A text with the edits of a fix, which must not overlap.
fn apply(text: &str, fix: &Fix) -> String {
    let mut edits: Vec<&Edit> = fix.edits.iter().collect();
    edits.sort_by_key(|edit| (edit.span.start, edit.span.end));
    let (mut fixed, mut reached) = (String::new(), 0);
    for edit in edits {
        let (start, end) = place_of(edit.span, text);
        assert!(reached <= start, "edits overlap: {fix:?}");
        fixed += &text[reached..start];
        fixed += &edit.text;
        reached = end;
    }
    fixed + &text[reached..]
}

/// Two workloads, a Service, a node, and a policy between them.
const CLUSTER: &str = "
{apiVersion: v1, kind: Node, metadata: {name: n1},
 status: {addresses: [{type: InternalIP, address: 192.0.2.1}]}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec: {selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c}]}}}
---
apiVersion: v1
kind: Pod
metadata: {name: db-0, namespace: shop, labels: {app: db}}
spec: {nodeName: n1, containers: [{name: c, ports: [{name: pg, containerPort: 5432}]}]}
status: {phase: Running, podIPs: [{ip: 10.1.0.7}, {ip: 'fd00::7'}]}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {clusterIP: 10.96.0.7, selector: {app: db}, ports: [{port: 5000, targetPort: pg}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
  policyTypes: [Ingress, Egress]
  ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 5432}]}]
  egress: [{to: [{ipBlock: {cidr: 203.0.113.0/24}}]}]
";

/// [`CLUSTER`] with some more names.
fn cluster<'n>(names: impl FnOnce(&World) -> Vec<&'n str>) -> World {
    let (sources, _) = sources("t.yaml", CLUSTER.as_bytes()).expect("it is text");
    let loaded = manifest::load(&sources, &Options::default());
    let (mut world, _) = world::build(&sources, &loaded.objects, &Assume::default());
    for name in names(&world) {
        world.intern_name(name);
    }
    world
}

/// Intents are read and judged; what holds does so for somebody, and what is wrong is said.
pub(crate) fn intents(bytes: &[u8]) {
    let Some((sources, file)) = sources("t.yaml", bytes) else {
        return;
    };
    let text = sources.file(file).text();
    let _ = intent::kind(&sources, file);
    let intents = intent::read(&sources, file);
    for problem in &intents.problems {
        place_of(problem.span, text);
        assert!(!problem.message.is_empty());
    }
    let world = cluster(|_| intent::names(&intents));
    let profile = Profile::reference();
    let ruleset = lower_kubernetes(&world, &profile.switches);
    let eval = Evaluator::new(&world, &ruleset, profile.switches);
    let reach = Reach::new(&eval);
    let readings = Readings::new(&world, &ruleset, &profile, &[]);
    let checker = Checker::new(&eval, &reach, &readings, &profile, &[], None);
    let judged = checker.judge(&intents.statements);
    assert_eq!(judged.len(), intents.statements.len());
    for found in judged {
        match found.outcome {
            Judgement::Held(pairs) => {
                assert!(pairs > 0, "{} is about nobody", found.statement.name)
            }
            Judgement::Broken(broken) => assert!(!broken.message.is_empty()),
            Judgement::Vacuous(why) | Judgement::Refused(why) => assert!(!why.is_empty()),
        }
    }
}

/// Logs are read, in any format, and matched to a cluster; every record comes to something.
pub(crate) fn flows(bytes: &[u8]) {
    let Some((sources, file)) = sources("flows", bytes) else {
        return;
    };
    let text = sources.file(file).text();
    for format in std::iter::once(None).chain(Format::ALL.map(Some)) {
        let recorded = observed::read(&sources, file, format);
        for problem in &recorded.problems {
            place_of(problem.span, text);
            assert!(!problem.message.is_empty());
        }
        let world = cluster(|world| observed::names(world, &recorded));
        let matched = observed::match_to(&world, &recorded);
        assert!(
            matched.connections.len() + matched.unknown.len()
                >= usize::from(!recorded.flows.is_empty())
        );
        let switches = Switches::default();
        let ruleset = lower_kubernetes(&world, &switches);
        let eval = Evaluator::new(&world, &ruleset, switches);
        for seen in matched.connections {
            assert!(seen.times > 0);
            place_of(seen.span, text);
            for connection in std::iter::once(seen.connection).chain(seen.otherwise) {
                std::hint::black_box(eval.verdict(&connection));
            }
        }
        for unknown in matched.unknown {
            assert!(!unknown.why.is_empty());
            place_of(unknown.span, text);
        }
    }
}
