//! Names of files that come from a revision of a repository: `git:REV:PATH`.

/// What the name of a file of a revision begins with.
const SCHEME: &str = "git:";

/// Cuts `REV:PATH` at the first colon outside of braces: `HEAD^{/fix: dns}` is one revision.
#[must_use]
pub fn split_revision(text: &str) -> Option<(&str, &str)> {
    let mut depth = 0usize;
    for (at, character) in text.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ':' if depth == 0 => {
                let (revision, path) = text.split_at_checked(at)?;
                return Some((revision, path.strip_prefix(':')?));
            }
            _ => {}
        }
    }
    None
}

/// The path of a file without the revision it was read from, for programs that look the file up and
/// for whatever must say the same of a file and of its last commit.
#[must_use]
pub fn without_revision(name: &str) -> &str {
    let path = name
        .strip_prefix(SCHEME)
        .and_then(split_revision)
        .map_or(name, |(_, path)| path);
    path.strip_prefix("./").unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_without_their_revision() {
        for (name, path) in [
            ("git:main:k8s/a.yaml", "k8s/a.yaml"),
            ("git:main:./k8s/a.yaml", "k8s/a.yaml"),
            ("git:HEAD^{/fix: a}:a.yaml", "a.yaml"),
            ("k8s/a.yaml", "k8s/a.yaml"),
            ("./git:a:b.yaml", "git:a:b.yaml"),
            ("/k8s/a:b.yaml", "/k8s/a:b.yaml"),
            ("<stdin>", "<stdin>"),
            ("git:", "git:"),
        ] {
            assert_eq!(without_revision(name), path);
        }
        assert_eq!(split_revision("a}:b"), Some(("a}", "b")));
        assert_eq!(split_revision("a{:b"), None);
    }
}
