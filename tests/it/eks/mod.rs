//! EKS worlds: a healthy one, of which each case changes one thing. `KACCESS_RECORD=1` keeps them in testdata/cases.

mod allowlist;
mod answers;
mod iam;
mod live;
mod mapping;
mod moto;
mod network;
mod pasted;
mod providers;
#[cfg(feature = "aws")]
mod rights;
mod world;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use kaccess::report::doctor::{DoctorReport, Verdict};
use kaccess::report::{Confidence, diagnose};
use kaccess::rules::{Case, check_all};

use crate::support::stage::within;
use world::World;

/// One world and what must be found in it.
struct Told {
    /// Folder in testdata/cases.
    name: &'static str,
    /// The codes, the root cause first; none in a healthy world.
    codes: &'static [&'static str],
    /// How sure the first one is.
    sure: Option<Confidence>,
    /// The world.
    world: World,
}

fn told(name: &'static str, code: &'static [&'static str], sure: Confidence, world: World) -> Told {
    Told { name, codes: code, sure: Some(sure), world }
}

fn healthy(name: &'static str, world: World) -> Told {
    Told { name, codes: &[], sure: None, world }
}

fn all() -> Vec<Told> {
    let mut all = network::cases();
    all.extend(iam::cases());
    all
}

#[test]
fn every_world_is_diagnosed_right() {
    let record = std::env::var_os("KACCESS_RECORD").is_some();
    let mut faults = Vec::new();
    let mut names = BTreeSet::new();
    for case in all() {
        assert!(names.insert(case.name), "{} is there twice", case.name);
        let (evidence, text) = case.world.evidence();
        let report = {
            let case = Case::new(&evidence);
            DoctorReport::new(&evidence, diagnose(check_all(&case)))
        };
        let found: Vec<String> =
            report.findings.iter().map(|finding| format!("{} {:?}", finding.code, finding.confidence)).collect();
        let first = report.findings.first();
        if first.map(|finding| finding.code) != case.codes.first().copied() {
            faults.push(format!("{}: expected {:?}, found {found:?}", case.name, case.codes));
        }
        for code in case.codes {
            if !report.findings.iter().any(|finding| finding.code == *code) {
                faults.push(format!("{}: {code} is missing in {found:?}", case.name));
            }
        }
        if case.sure.is_some() && first.map(|finding| finding.confidence) != case.sure {
            faults.push(format!("{}: expected {:?}, found {found:?}", case.name, case.sure));
        }
        if case.codes.is_empty() && (report.verdict != Verdict::Healthy || !report.findings.is_empty()) {
            faults.push(format!("{}: {:?} {found:?}", case.name, report.verdict));
        }
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/cases").join(case.name);
        let codes: String = case.codes.iter().map(|code| format!("{code}\n")).collect();
        if record {
            fs::create_dir_all(&folder).expect("a case's folder");
            fs::write(folder.join("evidence.json"), &text).expect("evidence");
            fs::write(folder.join("expect"), &codes).expect("codes");
        } else if fs::read_to_string(folder.join("evidence.json")).unwrap_or_default() != text
            || fs::read_to_string(folder.join("expect")).ok() != Some(codes)
        {
            faults.push(format!("{}: the kept case is not what the builder makes (KACCESS_RECORD=1)", case.name));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(names.len() >= 60, "{} worlds", names.len());
}

#[test]
fn thousands_of_rules_are_judged_in_no_time() {
    let ranges: Vec<String> = (0..5_000).map(|index| format!("192.{}.{}.0/24", 1 + index / 250, index % 250)).collect();
    let ranges: Vec<&str> = ranges.iter().map(String::as_str).collect();
    let (evidence, text) = World::oidc_refused().lets_in(&ranges).evidence();
    assert!(text.len() < 5 * 1024 * 1024, "{} bytes of evidence", text.len());
    let first = within(std::time::Duration::from_secs(2), || diagnose(check_all(&Case::new(&evidence)))[0].code);
    assert_eq!(first, "allowlist-misses-control-plane");
}
