//! The paths of the API: which object or list a request is about.

/// What a path names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) namespace: Option<String>,
    pub(crate) resource: String,
    pub(crate) name: Option<String>,
    pub(crate) subresource: Option<String>,
}

impl Target {
    /// Reads `/api/v1/namespaces/shop/pods/web/exec` and its like; none for other paths.
    pub(crate) fn parse(path: &str) -> Option<Self> {
        let mut parts = path.split('/').filter(|part| !part.is_empty()).peekable();
        let mut target = Self::default();
        match parts.next()? {
            "api" => {}
            "apis" => target.group = parts.next()?.to_owned(),
            _ => return None,
        }
        target.version = parts.next()?.to_owned();
        let first = parts.next()?;
        let rest: Vec<_> = parts.collect();
        match (first, &*rest) {
            // A namespace itself, or something of it.
            ("namespaces", [namespace, resource, rest @ ..])
                if !["status", "finalize"].contains(resource) =>
            {
                target.namespace = Some((*namespace).to_owned());
                target.resource = (*resource).to_owned();
                target.object(rest);
            }
            (resource, rest) => {
                resource.clone_into(&mut target.resource);
                target.object(rest);
            }
        }
        Some(target)
    }

    fn object(&mut self, rest: &[&str]) {
        let mut rest = rest.iter();
        self.name = rest.next().map(|name| (*name).to_owned());
        self.subresource = rest.next().map(|name| (*name).to_owned());
    }

    pub(crate) fn key(&self) -> String {
        crate::kinds::key(&self.group, &self.resource)
    }
}

#[cfg(test)]
mod tests {
    use super::Target;

    #[test]
    fn paths_name_lists_objects_and_parts_of_objects() {
        let read = |path: &str| {
            let target = Target::parse(path).unwrap();
            let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
            format!(
                "{} {} {} {}",
                target.key(),
                or_none(target.namespace),
                or_none(target.name),
                or_none(target.subresource)
            )
        };
        assert_eq!(read("/api/v1/pods"), "pods - - -");
        assert_eq!(
            read("/api/v1/namespaces/shop/pods/web/exec"),
            "pods shop web exec"
        );
        assert_eq!(read("/api/v1/namespaces/shop"), "namespaces - shop -");
        assert_eq!(
            read("/api/v1/namespaces/shop/finalize"),
            "namespaces - shop finalize"
        );
        assert_eq!(
            read("/apis/apps/v1/namespaces/shop/deployments"),
            "deployments.apps shop - -"
        );
        assert_eq!(Target::parse("/healthz"), None);
        assert_eq!(Target::parse("/apis/apps/v1"), None);
    }
}
