//! What is wrong with a kubeconfig, noted with its place: problems that kubectl lives with, and refusals.

use super::file::{Entry, RawUser};
use super::{Loader, some};
use crate::evidence::Failure;
use crate::evidence::kubeconfig::{Fault, Problem};

impl Loader<'_> {
    /// A problem of the user entry, at one of its fields.
    pub(super) fn user_problem(&mut self, kind: &str, detail: String, entry: &Entry<RawUser>, field: &str) {
        self.problem(kind, detail, some(&entry.file), entry.value.line(field));
    }

    pub(super) fn problem(&mut self, kind: &str, detail: String, file: Option<String>, line: Option<u64>) {
        let file = file.filter(|file| !file.is_empty());
        let line = line.filter(|line| *line > 0);
        let detail = self.scrubber.known_only(&detail);
        self.seen.problems.push(Problem { kind: kind.to_owned(), detail, file, line });
    }

    /// Notes the failure as a problem too (its kind is the finding's code) and adds the place to its words.
    pub(super) fn refuse(
        &mut self,
        code: &str,
        mut failure: Failure,
        file: Option<String>,
        line: Option<u64>,
    ) -> Failure {
        let file = file.filter(|file| !file.is_empty());
        let line = line.filter(|line| *line > 0);
        if let (Some(file), Some(line)) = (&file, line) {
            let place = format!(" ({file}:{line})");
            failure.detail.push_str(&place);
        }
        failure.detail = self.scrubber.known_only(&failure.detail);
        failure.seen = failure.seen.map(|seen| self.scrubber.known_only(&seen));
        failure.expected = failure.expected.map(|expected| self.scrubber.known_only(&expected));
        let entry = self.seen.cluster.as_ref().map(|cluster| cluster.name.clone());
        let context = self.seen.context.clone();
        let fault = Fault { code: code.to_owned(), context, entry, file: file.clone(), line, flag: false };
        failure.fault = Some(Box::new(fault));
        self.problem(code, failure.detail.clone(), file, line);
        failure
    }
}
