//! Names of images: which program it is, from whatever registry or mirror, and which release.

use crate::engine::Version;

/// An image reference, cut into its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Image<'i> {
    /// Without the tag and the digest: `registry:5000/mirror/calico/node`.
    pub(super) repository: &'i str,
    /// `v3.31.2`; none if it is named by digest alone.
    pub(super) tag: Option<&'i str>,
}

impl<'i> Image<'i> {
    pub(super) fn parse(text: &'i str) -> Self {
        let named = text.split('@').next().unwrap_or_default();
        // A colon before the last slash is a port.
        let (path, last) = match named.rfind('/').and_then(|at| named.split_at_checked(at)) {
            Some((path, last)) => (path.len(), last),
            None => (0, named),
        };
        match last.split_once(':') {
            Some((name, tag)) => Self {
                repository: named.get(..path + name.len()).unwrap_or(named),
                tag: Some(tag).filter(|tag| !tag.is_empty()),
            },
            None => Self {
                repository: named,
                tag: None,
            },
        }
    }

    /// Whether the repository ends in these path elements: `calico/node` is the end of
    /// `registry/mirror/calico/node`, and not of `registry/my-calico/node`. Mirrors that flatten
    /// paths (`mirrored-calico-node`) are rows of their own.
    pub(super) fn is(&self, program: &str) -> bool {
        self.repository
            .strip_suffix(program)
            .is_some_and(|before| before.is_empty() || before.ends_with('/'))
    }

    /// The release that the tag names.
    pub(super) fn version(&self) -> Option<Version> {
        self.tag?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries_mirrors_tags_and_digests() {
        let cases = [
            (
                "calico/node:v3.31.2",
                "calico/node",
                Some("v3.31.2"),
                Some("3.31.2"),
            ),
            (
                "quay.io/cilium/cilium:v1.19.2@sha256:ab",
                "quay.io/cilium/cilium",
                Some("v1.19.2"),
                Some("1.19.2"),
            ),
            (
                "registry.corp:5000/m/calico/node:v3.30.2-rke2r1",
                "registry.corp:5000/m/calico/node",
                Some("v3.30.2-rke2r1"),
                Some("3.30.2"),
            ),
            (
                "registry.corp:5000/calico/node",
                "registry.corp:5000/calico/node",
                None,
                None,
            ),
            ("calico/node@sha256:ab", "calico/node", None, None),
            (
                "x/aws-network-policy-agent:v1.2.7-eksbuild.1",
                "x/aws-network-policy-agent",
                Some("v1.2.7-eksbuild.1"),
                Some("1.2.7"),
            ),
            (
                "kindest/kindnetd:v20240813-c6f155d6",
                "kindest/kindnetd",
                Some("v20240813-c6f155d6"),
                Some("20240813"),
            ),
            ("cilium:latest", "cilium", Some("latest"), None),
            ("", "", None, None),
        ];
        for (text, repository, tag, version) in cases {
            let image = Image::parse(text);
            assert_eq!((image.repository, image.tag), (repository, tag), "{text}");
            let found = image.version().map(|version| version.to_string());
            assert_eq!(found.as_deref(), version, "{text}");
        }
    }

    #[test]
    fn a_program_is_whole_path_elements() {
        let is = |text, program| Image::parse(text).is(program);
        assert!(is("r/calico/node:v3", "calico/node") && is("calico/node", "calico/node"));
        assert!(!is("r/my-calico/node:v3", "calico/node") && !is("node", "calico/node"));
    }
}
