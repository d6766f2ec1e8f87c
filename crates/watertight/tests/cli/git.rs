//! `git:REV[:PATH]`: files of a revision, on repositories that are made here.
#![expect(
    clippy::unwrap_used,
    reason = "a test whose repository cannot be made fails"
)]

use gix::ObjectId;
use gix::object::tree::EntryKind;

use crate::harness::{OPEN, Project, Ran, TIGHT};

/// A project with a repository, and with no git to ask.
pub(crate) struct Repository {
    pub(crate) project: Project,
    git: gix::Repository,
}

impl Repository {
    pub(crate) fn new() -> Self {
        let project = Project::new(&[]);
        let git = gix::ThreadSafeRepository::init_opts(
            project.path(),
            gix::create::Kind::WithWorktree,
            gix::create::Options::default(),
            gix::open::Options::isolated(),
        )
        .unwrap();
        project.write(".git/HEAD", "ref: refs/heads/main\n");
        let git = git.to_thread_local();
        Self { project, git }
    }

    /// Commits these files and no others on top of `main`.
    pub(crate) fn commit(&self, files: &[(&str, &str)]) -> ObjectId {
        let files: Vec<_> = files
            .iter()
            .map(|(path, text)| (*path, EntryKind::Blob, self.blob(text)))
            .collect();
        self.commit_to("main", &files)
    }

    fn blob(&self, text: &str) -> ObjectId {
        self.git.write_blob(text).unwrap().detach()
    }

    fn commit_to(&self, branch: &str, files: &[(&str, EntryKind, ObjectId)]) -> ObjectId {
        let parent = self.git.rev_parse_single(branch).ok();
        let id = self.object(files, parent.map(gix::Id::detach));
        self.refer(&format!("refs/heads/{branch}"), id);
        id
    }

    /// A commit that no branch has.
    fn object(&self, files: &[(&str, EntryKind, ObjectId)], parent: Option<ObjectId>) -> ObjectId {
        let mut tree = self.git.edit_tree(self.git.empty_tree().id).unwrap();
        for (path, kind, id) in files {
            tree.upsert(*path, *kind, *id).unwrap();
        }
        let tree = tree.write().unwrap();
        let somebody = gix::actor::SignatureRef {
            name: "a".into(),
            email: "a@example.com".into(),
            time: "1700000000 +0000",
        };
        let commit = self
            .git
            .new_commit_as(somebody, somebody, "a change", tree, parent)
            .unwrap();
        commit.id
    }

    fn refer(&self, name: &str, id: ObjectId) {
        self.project
            .write(&format!(".git/{name}"), &format!("{id}\n"));
    }

    fn check(&self, arguments: &[&str]) -> Ran {
        let mut all = vec!["check", "-o", "concise"];
        all.extend(arguments);
        self.project.run(&all)
    }
}

/// `git:main~1` is open, `git:main` and the work tree are tight.
fn closed_later() -> Repository {
    let repository = Repository::new();
    repository.commit(&[("k8s/a.yaml", OPEN), ("README.md", "none")]);
    repository.commit(&[("k8s/a.yaml", TIGHT), ("README.md", "none")]);
    repository.project.write("k8s/a.yaml", TIGHT);
    repository
}

#[test]
fn a_revision_is_read_without_a_checkout() {
    let repository = closed_later();
    assert_eq!(repository.check(&["git:HEAD"]).code, 0);
    let ran = repository.check(&["git:HEAD~1"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.stdout.starts_with("git:HEAD~1:k8s/a.yaml:4:9: "),
        "{ran:?}"
    );
    assert!(ran.stderr.contains("(1 file"), "{ran:?}");
}

#[test]
fn every_way_to_name_a_revision() {
    let repository = closed_later();
    let first = repository.git.rev_parse_single("main~1").unwrap().detach();
    repository.refer("refs/tags/v1", first);
    repository.refer("refs/heads/feature/x", first);
    repository.refer("refs/remotes/origin/old", first);
    let tag = gix::objs::Tag {
        target: first,
        target_kind: gix::object::Kind::Commit,
        name: "v2".into(),
        tagger: None,
        message: "annotated".into(),
        signature: None,
    };
    let tag = repository.git.write_object(&tag).unwrap().detach();
    repository.refer("refs/tags/v2", tag);
    let tree = repository.git.rev_parse_single("main~1^{tree}").unwrap();
    let (hash, tree) = (first.to_string(), tree.to_string());
    for rev in [
        "main~1",
        "HEAD^",
        "@~",
        "v1",
        "tags/v1",
        "v2",
        "feature/x",
        "origin/old",
        "refs/heads/feature/x",
        &hash,
        hash.get(..8).unwrap(),
        &tree,
        "main...v1",
        "main~1^{tree}",
    ] {
        let ran = repository.check(&[&format!("git:{rev}:k8s")]);
        assert_eq!(ran.code, 1, "{rev}: {ran:?}");
    }
    let ran = repository.check(&[&format!("git:{hash}")]);
    let short = format!("git:{}:k8s/a.yaml:4:9: ", hash.get(..10).unwrap());
    assert!(ran.stdout.starts_with(&short), "{ran:?}");
}

#[test]
fn names_of_files_can_be_given_back() {
    let repository = closed_later();
    for given in [
        "git:HEAD~1:k8s/a.yaml",
        "git:HEAD~1:./k8s/a.yaml",
        "git:HEAD~1:k8s",
    ] {
        let ran = repository.check(&[given]);
        let (name, _) = ran.stdout.split_once(":4:9: ").unwrap();
        assert_eq!(repository.check(&[name]).stdout, ran.stdout, "{given}");
    }
}

#[test]
fn paths_are_from_the_root_and_with_a_dot_from_here() {
    let repository = closed_later();
    repository.project.write("k8s/deep/b.txt", "");
    let run = |directory: &str, source: &str| {
        let arguments = ["check", "-o", "concise", source];
        repository.project.run_in(directory, &arguments)
    };
    let ran = run("k8s/deep", "git:HEAD~1:k8s");
    assert!(
        ran.stdout.starts_with("git:HEAD~1:k8s/a.yaml:4:9"),
        "{ran:?}"
    );
    let ran = run("k8s", "git:HEAD~1:./a.yaml");
    assert!(ran.stdout.starts_with("git:HEAD~1:./a.yaml:4:9"), "{ran:?}");
    let ran = run("k8s/deep", "git:HEAD~1:..");
    assert!(
        ran.stdout.starts_with("git:HEAD~1:../a.yaml:4:9"),
        "{ran:?}"
    );
    assert_eq!(run("k8s", "git:HEAD~1:.").code, 1);
    let ran = run("k8s", "git:HEAD~1:a.yaml");
    assert_eq!(ran.code, 2);
    assert!(
        ran.stderr.contains("did you mean `git:HEAD~1:./a.yaml`?"),
        "{ran:?}"
    );
    let ran = run("k8s", "git:HEAD~1:../../a.yaml");
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("leaves the repository"), "{ran:?}");
}

#[test]
fn the_same_files_are_chosen_as_in_a_directory() {
    let files = [
        ("k8s/a.yaml", TIGHT),
        ("k8s/notes.txt", "not: yaml: at: all"),
        ("k8s/.hidden/b.yaml", OPEN),
        ("k8s/rendered/b.yaml", OPEN),
        ("k8s/legacy/b.YML", OPEN),
        (".gitignore", "rendered/\n/k8s/legacy\n"),
        ("k8s/.ignore", "!rendered/\n"),
        ("k8s/rendered/.ignore", "*\n"),
    ];
    let repository = Repository::new();
    repository.commit(&files);
    for (path, text) in files {
        repository.project.write(path, text);
    }
    for below in ["", "k8s", "k8s/rendered", "k8s/legacy"] {
        let tree = repository.check(&[&format!("git:HEAD:{below}")]);
        let directory = repository.check(&[if below.is_empty() { "." } else { below }]);
        assert_eq!(tree.code, directory.code, "{below}: {tree:?} {directory:?}");
        assert_eq!(
            tree.stdout.replace("git:HEAD:", ""),
            directory.stdout,
            "{below}"
        );
    }
    // What is named is read.
    assert_eq!(repository.check(&["git:HEAD:k8s/rendered/b.yaml"]).code, 1);
}

#[test]
fn globs_leave_files_of_a_revision_out() {
    let repository = Repository::new();
    repository.commit(&[("k8s/a.yaml", TIGHT), ("k8s/legacy/b.yaml", OPEN)]);
    assert_eq!(repository.check(&["git:HEAD"]).code, 1);
    for (source, glob) in [
        ("git:HEAD", "k8s/legacy"),
        ("git:HEAD:k8s", "legacy"),
        ("git:HEAD:./k8s", "k8s/legacy/**"),
    ] {
        let ran = repository.check(&[source, "--exclude", glob]);
        assert_eq!(ran.code, 0, "{source} {glob}: {ran:?}");
    }
}

#[test]
fn what_is_accepted_in_a_file_is_accepted_in_its_revisions() {
    let repository = closed_later();
    repository.project.write(
        ".watertight.yaml",
        "suppressions:\n- rule: [WT101, WT102, WT201]\n  paths: [k8s/**]\n  reason: known\n",
    );
    let ran = repository.check(&["git:HEAD~1"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    std::fs::remove_file(repository.project.path().join(".watertight.yaml")).unwrap();
    repository.project.write("k8s/a.yaml", OPEN);
    let ran = repository.check(&["k8s", "--write-baseline", "known.json"]);
    assert!(ran.stderr.contains("wrote"), "{ran:?}");
    let ran = repository.check(&["git:HEAD~1:k8s", "--baseline", "known.json"]);
    assert_eq!(ran.code, 0, "fingerprints know no revision: {ran:?}");
}

#[test]
fn programs_get_paths_without_the_revision() {
    let repository = closed_later();
    let ran = repository
        .project
        .run(&["check", "git:HEAD~1", "-o", "github"]);
    assert!(ran.stdout.contains("file=k8s/a.yaml,line=4"), "{ran:?}");
    let ran = repository
        .project
        .run(&["check", "git:HEAD~1", "-o", "sarif"]);
    assert!(ran.stdout.contains(r#""uri": "k8s/a.yaml""#), "{ran:?}");
    assert!(!ran.stdout.contains("git%3A"), "{ran:?}");
}

#[test]
fn every_verb_reads_revisions() {
    let repository = closed_later();
    let ran = repository.project.run(&["reach", "git:HEAD~1"]);
    assert!(ran.stdout.contains("open/b"), "{ran:?}");
    let question = ["explain", "open/b -> world:443", "-f", "git:HEAD~1:k8s"];
    let ran = repository.project.run(&question);
    assert!(ran.stdout.contains("ALLOWED"), "{ran:?}");
}

#[test]
fn files_and_revisions_go_together_and_each_file_counts_once() {
    let repository = Repository::new();
    repository.commit(&[("k8s/a.yaml", OPEN)]);
    repository.project.write("tight.yaml", TIGHT);
    let ran = repository.check(&[
        "tight.yaml",
        "git:HEAD:k8s",
        "git:HEAD:k8s/a.yaml",
        "git:main",
    ]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("(2 files"), "{ran:?}");
}

#[test]
fn a_file_with_such_a_name_is_named_with_a_dot() {
    let repository = closed_later();
    repository.project.write("git:HEAD", OPEN);
    let ran = repository.check(&["./git:HEAD"]);
    assert!(ran.stdout.starts_with("./git:HEAD:4:9: "), "{ran:?}");
}

#[test]
fn links_are_followed_inside_the_revision() {
    let repository = Repository::new();
    let (open, tight) = (repository.blob(OPEN), repository.blob(TIGHT));
    repository.commit_to(
        "main",
        &[
            ("base/b.txt", EntryKind::Blob, open),
            ("k8s/a.yaml", EntryKind::Blob, tight),
            (
                "k8s/again.yaml",
                EntryKind::Link,
                repository.blob("./a.yaml"),
            ),
            ("k8s/b.yaml", EntryKind::Link, repository.blob("c.yaml")),
            (
                "k8s/c.yaml",
                EntryKind::Link,
                repository.blob("../base/b.txt"),
            ),
        ],
    );
    let ran = repository.check(&["git:HEAD:k8s"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("(2 files"), "{ran:?}");
    assert!(ran.stdout.starts_with("git:HEAD:k8s/b.yaml:4:9"), "{ran:?}");
    let ran = repository.check(&["git:HEAD:k8s/c.yaml"]);
    assert!(ran.stdout.starts_with("git:HEAD:k8s/c.yaml:4:9"), "{ran:?}");

    for (target, reason) in [
        ("../../etc/passwd", "not in the revision"),
        ("/etc/passwd", "not in the revision"),
        ("gone.yaml", "not in the revision"),
        ("x.yaml", "in a circle"),
    ] {
        repository.commit_to(
            "main",
            &[
                ("k8s/a.yaml", EntryKind::Blob, tight),
                ("k8s/x.yaml", EntryKind::Link, repository.blob(target)),
            ],
        );
        let ran = repository.check(&["git:HEAD:k8s"]);
        assert_eq!(ran.code, 2, "incomplete: {ran:?}");
        assert!(ran.stdout.contains(reason), "{target}: {ran:?}");
        let ran = repository.check(&["git:HEAD:k8s/x.yaml"]);
        assert_eq!(ran.code, 2);
        assert!(ran.stderr.contains(reason), "{target}: {ran:?}");
    }
}

#[test]
fn what_is_kept_elsewhere_is_told() {
    let repository = Repository::new();
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n";
    let (lfs, tight) = (repository.blob(pointer), repository.blob(TIGHT));
    repository.commit_to(
        "main",
        &[
            ("a.yaml", EntryKind::Blob, tight),
            ("dump.json", EntryKind::Blob, lfs),
            ("vendor/charts", EntryKind::Commit, tight),
        ],
    );
    let ran = repository.check(&["git:HEAD"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stdout.contains("Git LFS"), "{ran:?}");
    assert!(
        ran.stderr
            .contains("note: `git:HEAD:vendor/charts` is a submodule"),
        "{ran:?}"
    );
    let ran = repository.check(&["git:HEAD:vendor/charts"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("submodule"), "{ran:?}");
    repository.project.write("dump.json", pointer);
    let ran = repository.check(&["dump.json"]);
    assert!(ran.stdout.contains("git lfs pull"), "{ran:?}");
}

#[test]
fn mistakes_get_a_hint() {
    let repository = closed_later();
    let first = repository.git.rev_parse_single("main~1").unwrap().detach();
    repository.refer("refs/remotes/origin/develop", first);
    for (source, hint) in [
        ("git:mian", "no revision `mian` (did you mean `main`?)"),
        ("git:mian~1", "did you mean `main~1`?"),
        ("git:develop", "did you mean `origin/develop`?"),
        (
            "git:nothing-like-it",
            "no revision `nothing-like-it` in this repository; it has `",
        ),
        (
            "git:mian...HEAD",
            "no revision `mian` (did you mean `main`?)",
        ),
        ("git:HEAD~7", "no revision `HEAD~7`: "),
        ("git:HEAD:k8z", "did you mean `git:HEAD:k8s`?"),
        ("git:HEAD:k8s/b.yaml", "did you mean `git:HEAD:k8s/a.yaml`?"),
        (
            "git:HEAD:gone/b.yaml",
            "no `gone/b.yaml` in revision `HEAD`",
        ),
        ("git:main~1..main", "is a range of revisions"),
        ("git:", "names no revision"),
        ("git::k8s", "names no revision"),
    ] {
        let ran = repository.check(&[source]);
        assert_eq!(ran.code, 2, "{source}: {ran:?}");
        assert!(ran.stderr.contains(hint), "{source}: {ran:?}");
        assert_eq!(ran.stderr.trim_end().lines().count(), 1, "{ran:?}");
    }
    let file = repository.blob(TIGHT).to_string();
    let ran = repository.check(&[&format!("git:{file}")]);
    assert!(ran.stderr.contains("is a file, not a revision"), "{ran:?}");
}

#[test]
fn without_a_repository_or_a_commit() {
    let ran = Project::new(&[]).run(&["check", "git:main"]);
    assert_eq!(ran.code, 2);
    assert!(
        ran.stderr.contains("there is none here or above"),
        "{ran:?}"
    );
    let ran = Repository::new().check(&["git:HEAD"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("has no commit yet"), "{ran:?}");
    let empty = Repository::new();
    empty.commit(&[("README.md", "")]);
    let ran = empty.check(&["git:HEAD"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("found no YAML or JSON file"), "{ran:?}");
}

#[test]
fn a_shallow_clone_says_what_to_fetch() {
    let repository = Repository::new();
    let gone = ObjectId::from_hex(b"00000000000000000000000000000000000000aa").unwrap();
    let tight = repository.blob(TIGHT);
    let only = repository.object(&[("a.yaml", EntryKind::Blob, tight)], Some(gone));
    repository.refer("refs/heads/main", only);
    repository
        .project
        .write(".git/shallow", &format!("{only}\n"));
    assert_eq!(repository.check(&["git:HEAD"]).code, 0);
    for rev in ["HEAD~1", "v1.0", "1234567"] {
        let ran = repository.check(&[&format!("git:{rev}")]);
        assert_eq!(ran.code, 2, "{rev}: {ran:?}");
        assert!(ran.stderr.contains("fetch-depth: 0"), "{rev}: {ran:?}");
    }
}

#[test]
fn objects_that_a_partial_clone_lacks_cost_their_file_only() {
    let repository = Repository::new();
    let (open, tight) = (repository.blob(OPEN), repository.blob(TIGHT));
    let files = [
        ("a.yaml", EntryKind::Blob, tight),
        ("b.yaml", EntryKind::Blob, open),
    ];
    repository.commit_to("main", &files);
    let lost = repository.blob(OPEN).to_string();
    let (folder, file) = lost.split_at(2);
    let lost = format!(".git/objects/{folder}/{file}");
    std::fs::remove_file(repository.project.path().join(lost)).unwrap();
    let ran = repository.check(&["git:HEAD"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stdout.contains("b.yaml"), "{ran:?}");
    assert!(ran.stdout.contains("`git fsck` tells more"), "{ran:?}");
    assert!(ran.stderr.contains("(1 file"), "{ran:?}");
}

#[test]
fn a_tree_that_is_too_deep_is_refused() {
    let repository = Repository::new();
    let path = format!("{}a.yaml", "d/".repeat(300));
    repository.commit(&[(&path, TIGHT)]);
    let ran = repository.check(&["git:HEAD"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("directories in one another"), "{ran:?}");
}

#[test]
fn a_bare_repository_and_a_work_tree_elsewhere() {
    let repository = closed_later();
    let bare = repository
        .project
        .run_in(".git", &["check", "git:HEAD~1", "-o", "concise"]);
    assert_eq!(bare.code, 1, "{bare:?}");
    let ran = repository
        .project
        .run_in(".git", &["check", "git:HEAD~1:./k8s"]);
    assert_eq!(ran.code, 2, "{ran:?}");
}
