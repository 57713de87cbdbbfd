//! What stands before the line of a credential plugin that failed: by itself it may be any program's.

use std::collections::BTreeMap;

use super::{Context, Reading};
use crate::apiserver::message::heard::names as heard;
use crate::report::Confidence;

/// The name of a text by which STS refuses a pipeline's own identity.
pub const PIPELINE: &str = "pipeline-role";

/// What a line says where `aws`, as a credential plugin, fails right after it.
pub fn before(line: &str) -> Option<Reading> {
    let reading = |code: &'static str, text: &'static str| Reading {
        code,
        rivals: Vec::new(),
        confidence: Confidence::Likely,
        text,
        fields: BTreeMap::new(),
    };
    // Python's word for a question (here: for the code of MFA) that nobody can answer.
    if line.contains("EOF when reading a line") {
        return Some(reading("exec-needs-terminal", heard::PLUGIN_PROMPT));
    }
    if !line.contains("AssumeRoleWithWebIdentity") || !Context::new(line).of_a_pipeline() {
        return None;
    }
    let denied = line.contains("AccessDenied");
    Some(reading(if denied { "aws-assume-role-denied" } else { "aws-credentials-unavailable" }, PIPELINE))
}

/// The line is that of `aws` as a plugin that failed.
pub fn is_of_aws(found: &Reading) -> bool {
    let command = found.fields.get("command").map_or("", String::as_str);
    let program = command.rsplit(['/', '\\']).next().unwrap_or_default();
    found.text == heard::PLUGIN_FAILED && matches!(program, "aws" | "aws.exe")
}
