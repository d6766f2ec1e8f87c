//! `index.tsv` of a folder of maps: `kind dir expected dialects features note`.

use anyhow::Context as _;

/// The first columns of such an index.
pub(super) const HEADER: &str = "kind\tdir\texpected\tdialects";

/// The dialects whose objects take part in a map. Cases with others are skipped.
const EVALUATED: &[&str] = &["NP", "ANP", "BANP", "Service", "Ingress", "Route"];

/// What is asked about a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The whole map.
    List,
    /// What two maps do not share.
    Diff,
    /// That something in it is refused.
    Error,
    /// That something in it is worth a finding.
    Warning,
    /// One connection.
    Eval,
}

/// One line of the index.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) kind: Kind,
    /// The name of the case, which lists of disagreements cite.
    pub(super) name: String,
    /// Folders of manifests: one, or for a diff two.
    pub(super) folders: Vec<String>,
    /// The file with the expected lines, if there are any.
    pub(super) expected: Option<String>,
    /// Dialects that are not evaluated.
    pub(super) missing: Vec<String>,
    pub(super) note: String,
}

impl Case {
    pub(super) fn parse(line: &str) -> anyhow::Result<Self> {
        let mut columns = line.split('\t');
        let mut column = |name: &str| {
            let column = columns.next();
            column.with_context(|| format!("`{line}` has no column `{name}`"))
        };
        let kind = match column("kind")? {
            "list" | "exposure" => Kind::List,
            "diff" => Kind::Diff,
            "error" => Kind::Error,
            "warning" => Kind::Warning,
            "eval" => Kind::Eval,
            other => anyhow::bail!("`{other}` is no kind of case"),
        };
        let folders: Vec<_> = column("dir")?.split(' ').map(str::to_owned).collect();
        let expected = Some(column("expected")?)
            .filter(|file| *file != "-")
            .map(str::to_owned);
        let missing = column("dialects")?
            .split(',')
            .filter(|dialect| *dialect != "-" && !EVALUATED.contains(dialect))
            .map(str::to_owned)
            .collect();
        column("features")?;
        let note = column("note").unwrap_or_default().to_owned();
        let stem = |path: &str| {
            let file = path.rsplit('/').next().unwrap_or(path);
            file.strip_suffix(".tsv").unwrap_or(file).to_owned()
        };
        let folder = folders.first().map(String::as_str).unwrap_or_default();
        let folder = folder.strip_prefix("manifests/").unwrap_or(folder);
        let name = match (kind, &expected) {
            (_, Some(expected)) => stem(expected),
            (Kind::Error, None) => format!("error {folder}"),
            (Kind::Warning, None) => {
                let title = note.split(" | ").next().unwrap_or_default();
                format!("warning {folder} {title}")
            }
            (_, None) => format!("{folder} {note}"),
        };
        Ok(Self {
            kind,
            name,
            folders,
            expected,
            missing,
            note,
        })
    }

    /// The workloads (`NAMESPACE/NAME`) that the map is about, and the direction; all if there are
    /// none. Only the name of the expected file tells: `..._focus_workload_NS_NAME_..._DIRECTION_...`.
    pub(super) fn focus(&self) -> (Vec<String>, Option<&str>) {
        let Some((_, focus)) = self.name.split_once("_focus_workload_") else {
            return (Vec::new(), None);
        };
        let words = ["_connlist_output", "_exposure_output"];
        let focus = words
            .iter()
            .find_map(|suffix| focus.strip_suffix(suffix))
            .unwrap_or(focus);
        let parts: Vec<_> = focus.split('_').collect();
        let (pairs, rest) = parts.as_chunks::<2>();
        let workloads = pairs
            .iter()
            .map(|[namespace, name]| format!("{namespace}/{name}"));
        (workloads.collect(), rest.first().copied())
    }
}

/// A question about one connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Question {
    /// `NAMESPACE/NAME` of a pod or a workload.
    pub(super) from: String,
    pub(super) to: String,
    pub(super) protocol: String,
    pub(super) port: u16,
    pub(super) allowed: bool,
}

impl Question {
    /// Reads `NS/A -> NS/B tcp/80 = false`, or the same as `sourceNs=NS sourceWorkload=A ...`.
    pub(super) fn parse(note: &str) -> anyhow::Result<Self> {
        let malformed = || format!("`{note}` is no question");
        if let Some((ends, answer)) = note.split_once(" = ") {
            let (from, rest) = ends.split_once(" -> ").with_context(malformed)?;
            let (to, port) = rest.split_once(' ').with_context(malformed)?;
            let (protocol, port) = port.split_once('/').with_context(malformed)?;
            let answer = answer.split(' ').next().unwrap_or_default();
            return Ok(Self {
                from: from.to_owned(),
                to: to.to_owned(),
                protocol: protocol.to_uppercase(),
                port: port.parse().with_context(malformed)?,
                allowed: answer.parse().with_context(malformed)?,
            });
        }
        let field = |name: &str| {
            let mut fields = note.split(' ').filter_map(|field| field.split_once('='));
            let found = fields.find(|(key, _)| *key == name);
            found.map(|(_, value)| value).with_context(malformed)
        };
        Ok(Self {
            from: format!("{}/{}", field("sourceNs")?, field("sourceWorkload")?),
            to: format!("{}/{}", field("destNs")?, field("destWorkload")?),
            protocol: field("protocol").unwrap_or("TCP").to_uppercase(),
            port: field("port")?.parse().with_context(malformed)?,
            allowed: field("evalResult")?
                .to_lowercase()
                .parse()
                .with_context(malformed)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_workloads_in_focus() {
        let case = |file: &str| {
            Case::parse(&format!("list\tmanifests/x\texpected/{file}.tsv\tNP\t-\t")).unwrap()
        };
        let plain = case("x_connlist_output");
        assert_eq!(plain.focus(), (vec![], None));
        let one = case("x_focus_workload_shop_web-1_exposure_output");
        assert_eq!(one.focus(), (vec!["shop/web-1".into()], None));
        let two = case("x_focus_workload_shop_web_pay_db_egress_connlist_output");
        let workloads = vec!["shop/web".into(), "pay/db".into()];
        assert_eq!(two.focus(), (workloads, Some("egress")));
    }

    #[test]
    fn dialects_that_are_not_evaluated_are_told() {
        let case = Case::parse("error\tmanifests/a/b\t-\tNP,UDN,Service\t-\tx | y").unwrap();
        assert_eq!(
            (case.name.as_str(), case.missing),
            ("error a/b", vec!["UDN".to_owned()])
        );
        assert!(Case::parse("map\tx\t-\t-\t-\t").is_err());
        assert!(Case::parse("list\tx").is_err());
    }

    #[test]
    fn questions_have_two_spellings() {
        let arrow = Question::parse("a/b -> c/d udp/53 = true (a remark)").unwrap();
        assert!(arrow.allowed && arrow.protocol == "UDP" && arrow.port == 53);
        let fields = "sourceNs=a sourceWorkload=b destWorkload=d destNs=c port=80 evalResult=False";
        let fields = Question::parse(fields).unwrap();
        assert_eq!((fields.from.as_str(), fields.to.as_str()), ("a/b", "c/d"));
        assert!(!fields.allowed && fields.protocol == "TCP");
        assert!(Question::parse("a/b -> c/d").is_err());
    }
}
