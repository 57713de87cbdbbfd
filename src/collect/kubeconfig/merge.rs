//! Which files are read, and how they become one configuration (loader.go).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Loader;
use super::file::{Entry, RawConfig, ReadError, read_config};
use crate::evidence::kubeconfig::File;
use crate::evidence::{Failure, FailureKind};

/// An entry whose name was there already: its kind, its name, the file that counts, and the other file and line.
type Double = (&'static str, String, String, String, u64);

impl Loader<'_> {
    /// Reads and merges every file that counts. One that is not there is passed over, but for that of `--kubeconfig`.
    pub(super) fn merge_files(&mut self) -> Result<RawConfig, Failure> {
        let explicit = self.flags.kubeconfig.as_ref().filter(|path| !path.as_os_str().is_empty());
        let paths: Vec<PathBuf> = match explicit {
            Some(path) => vec![path.clone()],
            None => self.listed(),
        };
        let mut merged = RawConfig::default();
        let mut faults: Vec<(String, ReadError)> = Vec::new();
        for path in paths {
            let shown = path.to_string_lossy().into_owned();
            let loaded = read_config(&path, &shown);
            self.note_file(&path, &shown, &loaded);
            match loaded {
                Ok(config) => self.merge(&mut merged, config),
                Err(fault) if fault.kind == FailureKind::NotFound => {
                    if explicit.is_some() {
                        let failure =
                            Failure::new(FailureKind::NotFound, format!("stat {shown}: no such file or directory"));
                        return Err(self.refuse("kubeconfig-not-found", failure, Some(shown), None));
                    }
                }
                Err(fault) => faults.push((shown, fault)),
            }
        }
        if faults.is_empty() { Ok(merged) } else { Err(self.unparsable(faults)) }
    }

    /// The files of KUBECONFIG, each once, or the one in the home directory.
    fn listed(&self) -> Vec<PathBuf> {
        let list = self.host.env.get(std::ffi::OsStr::new("KUBECONFIG")).filter(|list| !list.is_empty());
        let Some(list) = list else {
            return self.host.home.iter().map(|home| home.join(".kube").join("config")).collect();
        };
        let mut paths: Vec<PathBuf> = Vec::new();
        for path in std::env::split_paths(list) {
            if !path.as_os_str().is_empty() && !paths.contains(&path) {
                paths.push(path);
            }
        }
        paths
    }

    fn note_file(&mut self, path: &Path, shown: &str, loaded: &Result<RawConfig, ReadError>) {
        let (state, detail) = match loaded {
            Ok(_) => ("read", None),
            Err(fault) => {
                let state = match fault.kind {
                    FailureKind::NotFound => "missing",
                    FailureKind::Malformed => "malformed",
                    _ => "unreadable",
                };
                (state, Some(self.scrubber.text(&fault.text)))
            }
        };
        let world_readable = loaded.as_ref().is_ok_and(|config| self.judge_mode(path, shown, config));
        self.seen.files.push(File { path: shown.to_owned(), state: state.to_owned(), detail, world_readable });
    }

    /// The files that kubectl cannot read, each with its words, in one failure.
    fn unparsable(&mut self, faults: Vec<(String, ReadError)>) -> Failure {
        let texts: Vec<String> = faults
            .iter()
            .map(|(file, fault)| format!("error loading config file \"{file}\": {}", self.scrubber.text(&fault.text)))
            .collect();
        let detail = if texts.len() == 1 { texts[0].clone() } else { format!("[{}]", texts.join(", ")) };
        let mut failure = Failure::new(faults[0].1.kind, detail);
        for (place, (file, fault)) in faults.into_iter().enumerate() {
            let at = fault.line.map_or_else(|| file.clone(), |line| format!("{file}:{line}"));
            if place == 0 {
                failure = failure.sides("a kubeconfig (kind: Config, apiVersion: v1)", format!("fault at {at}"));
            }
            self.problem("kubeconfig-unparsable", texts[place].clone(), Some(file), fault.line);
        }
        failure
    }

    /// Whether the file holds secrets and everybody on the machine can read it: the folders above may keep them out.
    fn judge_mode(&mut self, path: &Path, shown: &str, config: &RawConfig) -> bool {
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let holds_secret = config.users.iter().any(|entry| {
                let user = &entry.value;
                !user.token.is_empty() || !user.client_key_data.is_empty() || !user.password.is_empty()
            });
            let Ok(data) = std::fs::metadata(path) else { return false };
            let mode = data.permissions().mode();
            let open = || {
                let Ok(whole) = std::fs::canonicalize(path) else { return false };
                whole
                    .ancestors()
                    .skip(1)
                    .all(|folder| std::fs::metadata(folder).is_ok_and(|data| data.permissions().mode() & 0o001 != 0))
            };
            if data.is_file() && mode & 0o004 != 0 && holds_secret && open() {
                let detail = format!(
                    "{shown} holds secrets and every user of this machine can read it (mode {:04o})",
                    mode & 0o7777
                );
                self.problem("kubeconfig-world-readable", detail, Some(shown.to_owned()), None);
                return true;
            }
        }
        #[cfg(not(unix))]
        let _ = (path, shown, config);
        false
    }

    /// Entry-wise, the first file wins; the first non-empty current-context wins.
    fn merge(&mut self, into: &mut RawConfig, from: RawConfig) {
        if into.current_context.is_empty() {
            into.current_context = from.current_context;
        }
        let mut doubles = Vec::new();
        add(&mut into.contexts, from.contexts, "context", &mut doubles);
        add(&mut into.clusters, from.clusters, "cluster", &mut doubles);
        add(&mut into.users, from.users, "user", &mut doubles);
        for (what, name, first, second, line) in doubles {
            let detail = format!("{what} \"{name}\" stands in {first} and in {second}; the first one is used");
            self.problem("kubeconfig-duplicate-entry", detail, Some(second), Some(line));
        }
    }
}

/// Adds the entries whose names are not there yet.
fn add<T>(into: &mut Vec<Entry<T>>, from: Vec<Entry<T>>, what: &'static str, doubles: &mut Vec<Double>) {
    let places: BTreeMap<String, String> = into.iter().map(|entry| (entry.name.clone(), entry.file.clone())).collect();
    for entry in from {
        match places.get(&entry.name) {
            Some(first) => doubles.push((what, entry.name, first.clone(), entry.file, entry.line)),
            None => into.push(entry),
        }
    }
}
