//! A small cluster with every kind of finding, for the tests of the formats.
//!
//! Only rules about reading run on it; all other findings are written by hand, so that what a
//! format prints is tested apart from what rules find.

use std::cell::OnceCell;

use watertight_core::check::{CheckOptions, Checked, check};
use watertight_core::diag::{Edit, Evidence, Finding, Fix, Severity, Subject, Suppressed};
use watertight_core::report::{CheckReport, NoFindings, without_findings};
use watertight_core::rules::Rule;
use watertight_core::source::{Sources, Span};

use super::{Format, Rendering};

pub(crate) const POLICIES: &str = "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: web-egress
  namespace: shop
spec:
  podSelector:
    matchLabels:
      app: web
  policyTypes:
    - Egress
  egress:
    - to:
        - ipBlock:
            cidr: 0.0.0.0/0
            except:
              - 169.254.169.254/32
    - to:
        - ipBlock:
            cidr: 169.254.0.0/16
      ports:
        - port: 80
";

pub(crate) const WORKLOADS: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
spec:
  selector:
    matchLabels:
      app: web
  template:
    metadata:
      labels:
        app: web
    spec:
      containers:
        - name: web
          image: web
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
  namespace: shop
---
apiVersion: networking.k8s.aws/v1alpha1
kind: ApplicationNetworkPolicy
metadata:
  name: l7
  namespace: shop
spec: {}
";

/// A check that was made, with room for more findings.
pub(crate) struct Sample {
    pub(crate) sources: Sources,
    pub(crate) checked: Checked,
}

impl Sample {
    /// The findings of reading these files.
    pub(crate) fn read(files: &[(&str, &str)]) -> Self {
        let mut sources = Sources::new();
        for (name, text) in files {
            sources.add(name, (*text).into()).unwrap();
        }
        let options = CheckOptions {
            select: vec!["WT003".into(), "WT004".into()],
            ..CheckOptions::default()
        };
        let checked = check(&sources, &options);
        Self { sources, checked }
    }

    /// A cluster in which something is wrong in every way.
    pub(crate) fn shop() -> Self {
        let mut sample = Self::read(&[
            ("k8s/policies.yaml", POLICIES),
            ("k8s/workloads.yaml", WORKLOADS),
        ]);
        let metadata = sample.metadata_open();
        let split = sample.split_peer();
        let dns = Self::dns_broken();
        let unused = finding("WT401", "2 of 3 rules do nothing").severity(Severity::Note);
        let unused = unused.at(sample.span("k8s/policies.yaml", "web-egress"), "");
        sample.checked.suppressed.push(Suppressed {
            finding: unused.clone(),
            reason: "kept for the migration".into(),
        });
        sample
            .checked
            .findings
            .extend([metadata, split, unused, dns]);
        sample
    }

    fn metadata_open(&self) -> Finding {
        let by = self.span("k8s/policies.yaml", "169.254.0.0/16");
        finding(
            "WT201",
            "1 workload of `shop` can reach the metadata service 169.254.169.254",
        )
        .at(by, "this block covers 169.254.169.254")
        .at(
            self.span("k8s/policies.yaml", "169.254.169.254/32"),
            "this exception holds for its own peer only",
        )
        .at(
            self.span("k8s/workloads.yaml", "name: web\n"),
            "for example this workload",
        )
        .evidence(Evidence {
            from: "shop/Deployment/web".into(),
            to: "ip:169.254.169.254".into(),
            address: Some([169, 254, 169, 254].into()),
            protocol: "tcp",
            port: Some(80),
            allowed: true,
            because: "NetworkPolicy shop/web-egress egress rule 2 allows it".into(),
            by: Some(by),
        })
        .note("rules add up: an exception of one peer takes nothing away from another")
        .why(&["K-8", "X-1"])
        .subject(subject("NetworkPolicy", "web-egress"))
        .fix(Fix::replace("narrow the block", by, "169.254.20.0/24"))
    }

    fn split_peer(&self) -> Finding {
        let at = self.span(
            "k8s/policies.yaml",
            "    - to:\n        - ipBlock:\n            cidr: 1",
        );
        let at = Span::new(at.file, at.start as usize + 4, at.end as usize);
        let line = self.span("k8s/policies.yaml", "        - port: 80\n");
        let insert = Span::new(line.file, line.end as usize, line.end as usize);
        finding("WT405", "this rule is not limited to one protocol")
            .severity(Severity::Warning)
            .at(at, "this rule")
            .subject(subject("NetworkPolicy", "web-egress"))
            .fix(Fix {
                doubt: None,
                message: "say which protocol is meant".into(),
                edits: vec![Edit {
                    span: insert,
                    text: "          protocol: TCP\n".into(),
                }],
                manifest: None,
            })
    }

    fn dns_broken() -> Finding {
        finding("WT301", "no pod of `shop` can resolve names")
            .evidence(Evidence {
                from: "shop/Deployment/web".into(),
                to: "kube-system/Deployment/coredns".into(),
                address: None,
                protocol: "udp",
                port: Some(53),
                allowed: false,
                because: "NetworkPolicy shop/web-egress isolates shop/Deployment/web for egress \
                          and none of its rules matches"
                    .into(),
                by: None,
            })
            .why(&["D-1"])
            .subject(Subject {
                kind: "Namespace".into(),
                namespace: None,
                name: "shop".into(),
            })
            .fix(Fix {
                doubt: None,
                message: "add a policy that lets every pod of `shop` resolve names".into(),
                edits: Vec::new(),
                manifest: Some("apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n".into()),
            })
    }

    /// The span of the first occurrence of a text in a file.
    pub(crate) fn span(&self, name: &str, text: &str) -> Span {
        let (file, source) = self
            .sources
            .iter()
            .find(|(_, file)| file.name() == name)
            .unwrap();
        let start = source.text().find(text).unwrap();
        Span::new(file, start, start + text.len())
    }

    /// The report without its findings.
    pub(crate) fn report(&self) -> CheckReport<NoFindings> {
        let mut report = without_findings(&self.sources, &self.checked);
        report.tool.version = "1.2.3".into();
        report
    }

    /// What a format prints, with changes to the rendering.
    pub(crate) fn print_as(&self, format: Format, change: impl Fn(&mut Rendering<'_>)) -> String {
        let report = self.report();
        let mut rendering = Rendering {
            report: &report,
            findings: OnceCell::new(),
            checked: &self.checked,
            sources: &self.sources,
            color: false,
            width: 100,
            show_suppressed: false,
            quiet: false,
        };
        change(&mut rendering);
        let mut out = Vec::new();
        format.render(&rendering, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    /// What a format prints.
    pub(crate) fn print(&self, format: Format) -> String {
        self.print_as(format, |_| {})
    }
}

/// A finding of a rule.
pub(crate) fn finding(rule: &str, message: &str) -> Finding {
    Finding::new(Rule::find(rule).unwrap(), message)
}

fn subject(kind: &str, name: &str) -> Subject {
    Subject {
        kind: kind.into(),
        namespace: Some("shop".into()),
        name: name.into(),
    }
}
