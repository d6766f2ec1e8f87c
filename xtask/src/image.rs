//! `cargo xtask image`: one static binary as an OCI archive, without a registry and without a container engine.
//!
//! The archive is an OCI image layout in a tar, with a `manifest.json` beside it for tools that know no layouts:
//! `ctr image import`, `docker load`, `podman load` and `kind load image-archive` take it.
//! INVARIANT: the same binary makes the same bytes. There are no times and no owners in it.

use std::collections::HashMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, bail};
use clap::Args;
use flate2::{Compression, GzBuilder};
use oci_spec::image::{
    Arch, ConfigBuilder, Descriptor, DescriptorBuilder, Digest, ImageConfigurationBuilder,
    ImageIndexBuilder, ImageManifestBuilder, MediaType, OciLayoutBuilder, Os, PlatformBuilder,
    RootFsBuilder, SCHEMA_VERSION,
};
use sha2::{Digest as _, Sha256};

use crate::docs::root;

/// Who the program is in its container.
const USER: &str = "65532:65532";

/// Arguments of `image`.
#[derive(Args)]
pub(crate) struct ImageArgs {
    /// A static binary [default: one is built]
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// Where to build it for [default: this machine's kind, with musl if that is installed, else with the C library
    /// of GNU]
    #[arg(long, value_name = "TRIPLE")]
    target: Option<String>,
    /// What the image is called [default: ghcr.io/watertight-dev/watertight:VERSION]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The archive
    #[arg(
        short,
        long,
        value_name = "FILE",
        default_value = "target/watertight-image.tar"
    )]
    output: PathBuf,
}

pub(crate) fn run(args: &ImageArgs) -> anyhow::Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    let name = args.name.clone();
    let name = name.unwrap_or_else(|| format!("ghcr.io/watertight-dev/watertight:{version}"));
    let path = match &args.binary {
        Some(path) => path.clone(),
        None => {
            let target = args.target.clone();
            built(&target.unwrap_or_else(|| target_for(std::env::consts::ARCH, is_installed)))?
        }
    };
    let binary =
        std::fs::read(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let machine =
        machine(&binary).with_context(|| format!("`{}` cannot be in an image", path.display()))?;
    let archive = archive(&binary, machine, &name)?;
    if let Some(directory) = args.output.parent() {
        std::fs::create_dir_all(directory)?;
    }
    let shown = args.output.display();
    std::fs::write(&args.output, &archive).with_context(|| format!("cannot write `{shown}`"))?;
    writeln!(
        std::io::stdout(),
        "{name} is in {shown}, {} KiB; load it with one of\n  docker load -i {shown}\n  \
         podman load -i {shown}\n  ctr -n k8s.io images import {shown}\n  kind load image-archive {shown}",
        archive.len() / 1024
    )?;
    Ok(())
}

/// The target of a static binary for a kind of machine. Either C library does: the program in the pods looks up no
/// names, which is what a static one of GNU cannot do alone.
fn target_for(machine: &str, is_installed: impl Fn(&str) -> bool) -> String {
    let musl = format!("{machine}-unknown-linux-musl");
    if is_installed(&musl) {
        musl
    } else {
        format!("{machine}-unknown-linux-gnu")
    }
}

/// Whether the compiler has the standard library of a target.
fn is_installed(target: &str) -> bool {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let asked = Command::new(rustc)
        .args(["--print", "target-libdir", "--target", target])
        .output();
    asked.is_ok_and(|output| {
        let path = String::from_utf8_lossy(&output.stdout);
        output.status.success() && PathBuf::from(path.trim()).is_dir()
    })
}

/// Builds a static binary.
fn built(target: &str) -> anyhow::Result<PathBuf> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root());
    cargo.args([
        "build",
        "--release",
        "--locked",
        "-p",
        "watertight",
        "--bin",
        "watertight",
        "--target",
        target,
    ]);
    // The C library of GNU is linked statically only if asked to; that of musl always is.
    cargo.env("RUSTFLAGS", "-C target-feature=+crt-static");
    // Every node gets it.
    cargo.env("CARGO_PROFILE_RELEASE_STRIP", "symbols");
    let status = cargo.status().context("cannot run cargo")?;
    if !status.success() {
        bail!(
            "the build for {target} failed; `rustup target add {target}` gets what is missing, another --target may \
             be there, --binary takes what is built already"
        );
    }
    let directory =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    Ok(directory.join(target).join("release").join("watertight"))
}

/// For which machine a static binary for Linux is; an error if it is none.
fn machine(binary: &[u8]) -> anyhow::Result<Arch> {
    /// The type of a program header that names an interpreter: what is linked dynamically has one.
    const INTERPRETER: u32 = 3;
    let number = |at: usize, length: usize| -> Option<u64> {
        let bytes = binary.get(at..at.checked_add(length)?)?;
        Some(
            bytes
                .iter()
                .rev()
                .fold(0, |sum, byte| (sum << 8) | u64::from(*byte)),
        )
    };
    if !binary.starts_with(b"\x7fELF\x02\x01") {
        bail!("it is no 64-bit little-endian ELF binary");
    }
    let place =
        |at: usize, length: usize| number(at, length).and_then(|found| usize::try_from(found).ok());
    let headers = place(0x20, 8).zip(place(0x36, 2)).zip(place(0x38, 2));
    let ((start, size), count) = headers.context("its header is cut off")?;
    for at in 0..count {
        let kind = size
            .checked_mul(at)
            .and_then(|offset| start.checked_add(offset));
        let kind = kind
            .and_then(|at| number(at, 4))
            .context("its program headers are cut off")?;
        if kind == u64::from(INTERPRETER) {
            bail!(
                "it is linked dynamically, and the image has no libraries; build it with \
                 RUSTFLAGS='-C target-feature=+crt-static' and --target"
            );
        }
    }
    match number(0x12, 2) {
        Some(0x3e) => Ok(Arch::Amd64),
        Some(0xb7) => Ok(Arch::ARM64),
        Some(other) => {
            bail!("it is for ELF machine {other}, which is neither x86-64 nor AArch64")
        }
        None => bail!("its header is cut off"),
    }
}

/// The files of an archive, in order.
#[derive(Default)]
struct Files(Vec<(String, Vec<u8>, u32)>);

impl Files {
    fn add(&mut self, name: impl Into<String>, bytes: Vec<u8>) {
        self.0.push((name.into(), bytes, 0o644));
    }

    /// A file that is called what its bytes come to.
    fn blob(&mut self, kind: MediaType, bytes: Vec<u8>) -> anyhow::Result<Descriptor> {
        let hash = hash(&bytes);
        let digest: Digest = format!("sha256:{hash}").parse()?;
        let size = u64::try_from(bytes.len())?;
        self.add(format!("blobs/sha256/{hash}"), bytes);
        let descriptor = DescriptorBuilder::default()
            .media_type(kind)
            .digest(digest)
            .size(size);
        Ok(descriptor.build()?)
    }

    fn tar(&self) -> std::io::Result<Vec<u8>> {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, bytes, mode) in &self.0 {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            header.set_mode(*mode);
            header.set_mtime(0);
            tar.append_data(&mut header, name, bytes.as_slice())?;
        }
        tar.into_inner()
    }
}

fn hash(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn archive(binary: &[u8], machine: Arch, name: &str) -> anyhow::Result<Vec<u8>> {
    let content = Files(vec![("watertight".into(), binary.to_vec(), 0o755)]).tar()?;
    let unpacked = format!("sha256:{}", hash(&content));
    let mut packed = GzBuilder::new().write(Vec::new(), Compression::best());
    packed.write_all(&content)?;
    let mut files = Files::default();
    let layout = OciLayoutBuilder::default()
        .image_layout_version("1.0.0")
        .build()?;
    files.add("oci-layout", serde_json::to_vec(&layout)?);

    let layer = files.blob(MediaType::ImageLayerGzip, packed.finish()?)?;
    let labels = HashMap::from([(
        "org.opencontainers.image.licenses".to_owned(),
        "Apache-2.0".to_owned(),
    )]);
    let config = ConfigBuilder::default()
        .user(USER)
        .entrypoint(vec!["/watertight".to_owned()])
        .labels(labels)
        .build()?;
    let rootfs = RootFsBuilder::default()
        .typ("layers")
        .diff_ids(vec![unpacked])
        .build()?;
    let image = ImageConfigurationBuilder::default()
        .architecture(machine.clone())
        .os(Os::Linux)
        .config(config)
        .rootfs(rootfs)
        .build()?;
    let config = files.blob(MediaType::ImageConfig, serde_json::to_vec(&image)?)?;
    let path = |descriptor: &Descriptor| format!("blobs/sha256/{}", descriptor.digest().digest());
    let old = serde_json::json!([{
        "Config": path(&config),
        "RepoTags": [name],
        "Layers": [path(&layer)],
    }]);
    let manifest = ImageManifestBuilder::default()
        .schema_version(SCHEMA_VERSION)
        .media_type(MediaType::ImageManifest)
        .config(config)
        .layers(vec![layer])
        .build()?;
    let mut manifest = files.blob(MediaType::ImageManifest, serde_json::to_vec(&manifest)?)?;
    let tag = name
        .rsplit('/')
        .next()
        .and_then(|last| last.split_once(':'));
    let tag = tag.map_or("latest", |(_, tag)| tag);
    // The first is what containerd goes by, the second what the specification has.
    manifest.set_annotations(Some(HashMap::from([
        ("io.containerd.image.name".to_owned(), name.to_owned()),
        (
            "org.opencontainers.image.ref.name".to_owned(),
            tag.to_owned(),
        ),
    ])));
    let platform = PlatformBuilder::default()
        .architecture(machine)
        .os(Os::Linux)
        .build()?;
    manifest.set_platform(Some(platform));
    let index = ImageIndexBuilder::default()
        .schema_version(SCHEMA_VERSION)
        .media_type(MediaType::ImageIndex)
        .manifests(vec![manifest])
        .build()?;
    // Through a value, whose maps are in order.
    let index = serde_json::to_value(&index)?;
    files.add("index.json", serde_json::to_vec(&index)?);
    files.add("manifest.json", serde_json::to_vec(&old)?);
    Ok(files.tar()?)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Read as _;

    use oci_spec::image::{ImageConfiguration, ImageIndex, ImageManifest};

    use super::*;

    /// An ELF header with program headers of these types.
    fn elf(kinds: &[u32]) -> Vec<u8> {
        let mut bytes = vec![0; 0x40 + 0x38 * kinds.len()];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        bytes[0x12] = 0x3e;
        bytes[0x20] = 0x40;
        bytes[0x36] = 0x38;
        bytes[0x38] = u8::try_from(kinds.len()).unwrap();
        for (at, kind) in kinds.iter().enumerate() {
            bytes[0x40 + 0x38 * at] = u8::try_from(*kind).unwrap();
        }
        bytes
    }

    #[test]
    fn only_static_binaries_are_taken() {
        assert_eq!(machine(&elf(&[1, 1, 7])).unwrap(), Arch::Amd64);
        let told = |bytes: &[u8]| machine(bytes).unwrap_err().to_string();
        assert!(told(&elf(&[6, 3, 1])).contains("linked dynamically"));
        assert!(told(b"#!/bin/sh").contains("no 64-bit"));
        assert!(told(&elf(&[1])[..0x41]).contains("cut off"));
        let mut other = elf(&[1]);
        other[0x12] = 0x28;
        assert!(told(&other).contains("ELF machine 40, which"));
    }

    #[test]
    fn where_musl_is_missing_the_c_library_of_gnu_is_linked() {
        assert_eq!(target_for("x86_64", |_| true), "x86_64-unknown-linux-musl");
        assert_eq!(
            target_for("aarch64", |_| false),
            "aarch64-unknown-linux-gnu"
        );
        assert!(!is_installed("pdp11-unknown-linux-musl"));
    }

    #[test]
    fn an_archive_leads_from_its_index_to_the_binary() {
        let binary = elf(&[1]);
        let name = "registry.example:5000/team/watertight:1.2.3";
        let bytes = archive(&binary, Arch::Amd64, name).unwrap();
        assert_eq!(
            bytes,
            archive(&binary, Arch::Amd64, name).unwrap(),
            "the same bytes again"
        );
        let mut files = BTreeMap::new();
        for entry in tar::Archive::new(&*bytes).entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            files.insert(entry.path().unwrap().display().to_string(), content);
        }
        for (path, content) in &files {
            if let Some(digest) = path.strip_prefix("blobs/sha256/") {
                assert_eq!(digest, hash(content));
            }
        }
        let blob = |descriptor: &Descriptor| {
            let found = &files[&format!("blobs/sha256/{}", descriptor.digest().digest())];
            assert_eq!(descriptor.size(), found.len() as u64);
            found
        };
        assert_eq!(files["oci-layout"], br#"{"imageLayoutVersion":"1.0.0"}"#);
        let index = ImageIndex::from_reader(&*files["index.json"]).unwrap();
        let annotations = index.manifests()[0].annotations().clone().unwrap();
        assert_eq!(annotations["io.containerd.image.name"], name);
        assert_eq!(annotations["org.opencontainers.image.ref.name"], "1.2.3");
        let manifest = ImageManifest::from_reader(&**blob(&index.manifests()[0])).unwrap();
        let config = ImageConfiguration::from_reader(&**blob(manifest.config())).unwrap();
        assert_eq!(
            config.config().as_ref().unwrap().user().as_deref(),
            Some(USER)
        );
        // Tools that know no layouts find the same.
        let old: serde_json::Value = serde_json::from_slice(&files["manifest.json"]).unwrap();
        let path = |descriptor: &Descriptor| {
            serde_json::json!(format!("blobs/sha256/{}", descriptor.digest().digest()))
        };
        assert_eq!(old[0]["RepoTags"][0], name);
        assert_eq!(old[0]["Config"], path(manifest.config()));
        assert_eq!(old[0]["Layers"][0], path(&manifest.layers()[0]));
        let mut layer = Vec::new();
        flate2::read::GzDecoder::new(&**blob(&manifest.layers()[0]))
            .read_to_end(&mut layer)
            .unwrap();
        assert_eq!(
            config.rootfs().diff_ids()[0],
            format!("sha256:{}", hash(&layer))
        );
        let mut layer = tar::Archive::new(&*layer);
        let mut entry = layer.entries().unwrap().next().unwrap().unwrap();
        assert_eq!(entry.header().mode().unwrap(), 0o755);
        let mut found = Vec::new();
        entry.read_to_end(&mut found).unwrap();
        assert_eq!(found, binary);
    }
}
