//! What names, addresses and ids look like in a text.

use std::sync::LazyLock;

use regex::Regex;

pub(super) static ADDRESS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"\b\d{1,3}(?:\.\d{1,3}){3}(?:/\d{1,2}\b)?|\b[0-9A-Fa-f]{1,4}:[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*(?:/\d{1,3}\b)?",
    )
    .expect("constant pattern")
});

pub(super) static AWS_ID: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\b(vpce|vpc|subnet|sgr|sg|eni|rtb|acl|nat|pl|tgw|dopt|pcx|igw|eigw|vgw|lgw|eipalloc|i)-([0-9a-z]+)\b")
        .expect("constant pattern")
});

pub(super) static AWS_KEY: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\b(AROA|AIDA|AKIA|ASIA|ANPA|AGPA|AIPA)([A-Z0-9]{4,})\b").expect("constant pattern"));

/// A file below a home.
pub(super) static HOME: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?:/home|/Users|\b[A-Za-z]:\\Users)[/\\][^\s"'<>|:*?,;()\[\]]+"#).expect("constant pattern")
});

/// The id of a key in a key set that could not be read.
pub(super) static KEY_ID: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#""kid"\s*:\s*"([^"\\\[\]]+)""#).expect("constant pattern"));

/// The certificates of a key there.
pub(super) static CERTIFIED: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"("x5c"\s*:\s*)\[[^\]]*\]?"#).expect("constant pattern"));

pub(super) static UUID: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\b[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}\b")
        .expect("constant pattern")
});

/// Hashes, keys' ids, ids of EKS: 16 hexadecimal digits or more, with a digit among them.
pub(super) static HEX: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\b(?:[0-9a-f]{16,}|[0-9A-F]{16,})\b").expect("constant pattern"));

pub(super) static PAIRS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\b[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){7,}\b").expect("constant pattern"));

pub(super) static ARN: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"\barn:aws[a-z-]*:[a-z0-9-]*:[a-z0-9-]*:([0-9]*|aws):([^\s"',\]\\]+)"#).expect("constant pattern")
});

/// One that lacks a part, or has one too many: a mistake that findings are about.
pub(super) static BROKEN_ARN: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"\barn:aws[a-z-]*:\S*?[:/]((?:role|user|assumed-role|instance-profile)/[^\s"',\]\\]+)"#)
        .expect("constant pattern")
});

pub(super) static ACCOUNT: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\b(?:arn:\S*?|account )(\d{12})\b|\b(\d{12})\.dkr\.").expect("constant pattern"));

/// What nobody sees between two letters of an ARN: that is a mistake that findings are about.
const UNSEEN: &str = r"[^\x00-\x7f]*";

/// A word, also with such between its letters.
fn marred(word: &str) -> String {
    word.split("").filter(|letter| !letter.is_empty()).collect::<Vec<_>>().join(UNSEEN)
}

/// Whom an ARN names that may have such anywhere.
pub(super) static MARRED_ARN: LazyLock<Regex> = LazyLock::new(|| {
    let start = marred("arn:aws");
    let kinds = ["role", "user", "assumed-role", "instance-profile"].map(marred).join("|");
    Regex::new(&format!(r#"{start}[^\x00-\x20]*?[:/]{UNSEEN}((?:{kinds}){UNSEEN}/(?:[^\s"',\]\\]|[^\x00-\x7f])+)"#))
        .expect("constant pattern")
});

/// The account of such an ARN.
pub(super) static MARRED_ACCOUNT: LazyLock<Regex> = LazyLock::new(|| {
    let start = marred("arn:");
    Regex::new(&format!(r"{start}[^\x00-\x20]*?(\d(?:{UNSEEN}\d){{11}})")).expect("constant pattern")
});

pub(super) static LINK: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"\b[a-z][a-z0-9+.-]*://(?:[^\s/@"'\\]*@)?(\[[0-9A-Fa-f:.]+\]|[^\s/:"'?#,\\<>\])}]+)(?::\d+)?(/[^\s"'?#\\<>\])}]*)?"#)
        .expect("constant pattern")
});

pub(super) static MAIL: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"([A-Za-z0-9._+-]+)@([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*)").expect("constant pattern"));

pub(super) static DOTTED: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?:\*\.)?\b[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)+\b").expect("constant pattern"));

pub(super) static ACCOUNT_OF_SERVICE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\bsystem:serviceaccounts?:([A-Za-z0-9._-]+)(?::([A-Za-z0-9._-]+))?").expect("constant pattern")
});

/// `User "x"`, `the namespace "y"`, `pods "z" is forbidden`, in the words of kube-apiserver, kubectl and its clients.
pub(super) static SAID: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r#"(?i)\b(user|group|serviceaccount|clusterrolebinding|rolebinding|clusterrole|role|namespace|namespaces|context|cluster|container|name|username|profile|node|authinfo)(?:\.rbac\.authorization\.k8s\.io)?(?:=|:|\s)\s*\\?["'‘]([^"'’\\]+)\\?["'’]"#,
    )
    .expect("constant pattern")
});

pub(super) static REFUSED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r#"\b[a-z][a-z.0-9]*\s\\?["']([^"'\\]+)\\?["'] (?:is forbidden|is invalid|not found|already exists|cannot)"#,
    )
    .expect("constant pattern")
});

/// `groups=["a" "b"]`, `(groups=[...])`.
pub(super) static GROUPS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"(?i)\bgroups[=:]\s*\\?"?\[([^\]]*)\]"#).expect("constant pattern"));

/// Entries of aws-auth.
pub(super) static MAPPED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?m)^[ \t-]*username:[ \t]*["']?([^"'\n]+?)["']?[ \t]*$|^[ \t]*-[ \t]+["']?([^\s"':\n][^"'\n]*?)["']?[ \t]*$"#)
        .expect("constant pattern")
});

pub(super) static TEMPLATE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\{\{[^}]*\}\}").expect("constant pattern"));
