//! A release's files, made with the program under test: the archive, its checksum, what krew and Homebrew demand.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::run::scratch;

#[test]
fn a_release_is_what_its_package_managers_demand() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = scratch("release");
    // A program of one line that runs the one under test: a debug build has 100 MB, and to press them says nothing more.
    let packed = scratch("packed").join("kaccess");
    let line = format!("#!/bin/sh\nexec '{}' \"$@\"\n", env!("CARGO_BIN_EXE_kaccess"));
    fs::write(&packed, &line).expect("a program");
    fs::set_permissions(&packed, fs::Permissions::from_mode(0o755)).expect("a mode");
    let url = "https://downloads.example.com/kaccess";
    let make = || {
        let output = Command::new(root.join("docs/packaging/build"))
            .args(["--url", url, "--binary"])
            .arg(&packed)
            .arg("--out")
            .arg(&folder)
            .env("SOURCE_DATE_EPOCH", "1795000000")
            .output()
            .expect("bash runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        fs::read_to_string(folder.join("SHA256SUMS")).expect("checksums")
    };
    let sums = make();
    assert_eq!(make(), sums, "the same program gives the same archive");
    let (sum, archive) = sums.trim().split_once("  ").expect("a checksum and a name");
    let check = Command::new("sha256sum").args(["-c", "--quiet", "SHA256SUMS"]).current_dir(&folder).status();
    assert!(check.expect("sha256sum runs").success());

    let unpacked = scratch("unpacked");
    let status = Command::new("tar").arg("-xzf").arg(folder.join(archive)).arg("-C").arg(&unpacked).status();
    assert!(status.expect("tar runs").success());
    let inside = unpacked.join("kaccess");
    assert_eq!(fs::read_to_string(inside.join("kaccess")).expect("the program"), line, "another program was packed");
    let output = Command::new(inside.join("kaccess")).arg("version").output().expect("the program runs");
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("kaccess {}\n", env!("CARGO_PKG_VERSION")));
    for file in ["LICENSE", "README.md", "CHANGELOG.md", "man/kaccess.1", "man/kaccess-doctor.1"] {
        assert!(inside.join(file).metadata().is_ok_and(|metadata| metadata.len() > 0), "{file}");
    }
    for shell in ["bash", "zsh", "fish", "powershell"] {
        assert!(inside.join(format!("completion/kaccess.{shell}")).is_file(), "{shell}");
    }

    // krew: what its `validate-krew-manifest` looks at.
    let text = fs::read_to_string(folder.join("kaccess.yaml")).expect("a manifest");
    let manifest: Value = serde_norway::from_str(&text).expect("YAML");
    assert_eq!(manifest["apiVersion"], "krew.googlecontainertools.github.com/v1alpha2");
    assert_eq!(manifest["kind"], "Plugin");
    let name = manifest["metadata"]["name"].as_str().expect("a name");
    assert_eq!(name, "kaccess", "also the file's name");
    assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'));
    let spec = &manifest["spec"];
    let version = spec["version"].as_str().and_then(|version| version.strip_prefix('v')).expect("v and a version");
    assert_eq!(version.split('.').filter(|part| part.parse::<u32>().is_ok()).count(), 3);
    let short = spec["shortDescription"].as_str().expect("a short description");
    assert!(short.len() <= 60 && !short.ends_with('.') && !short.contains('\n'), "{short}");
    assert!(spec["homepage"].as_str().is_some_and(|page| page.starts_with("https://")));
    let mut places = BTreeSet::new();
    let platforms = spec["platforms"].as_array().expect("platforms");
    assert_eq!(platforms.len(), 1);
    for platform in platforms {
        assert!(places.insert(platform["selector"]["matchLabels"].to_string()), "two for one platform");
        assert_eq!(platform["uri"], format!("{url}/{archive}"));
        assert_eq!(platform["sha256"], sum);
        assert_eq!(sum.len(), 64);
        assert_eq!(platform["bin"], "kaccess");
        let from: Vec<&str> =
            platform["files"].as_array().expect("files").iter().filter_map(|file| file["from"].as_str()).collect();
        for file in &from {
            assert!(unpacked.join(file).is_file() && !file.contains(".."), "{file} is not in the archive");
        }
        assert!(from.iter().any(|file| file.ends_with("LICENSE")));
    }

    let formula = fs::read_to_string(folder.join("kaccess.rb")).expect("a formula");
    assert!(formula.contains(sum) && formula.contains(&format!("{url}/{archive}")), "{formula}");
    assert!(!formula.contains('@'), "something was not filled in: {formula}");
    if let Ok(output) = Command::new("ruby").arg("-c").arg(folder.join("kaccess.rb")).output() {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
