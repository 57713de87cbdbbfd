//! What kubectl spells in another way than our parser, for the commands that stand beside kubectl's own.

use std::ffi::OsString;

use clap::CommandFactory as _;

use super::Cli;

/// Commands whose words are those of `kubectl auth`, and one with the same question.
const AS_KUBECTL: &[&str] = &["can-i", "whoami", "who-can"];

/// Flags that are switches here and take a value in kubectl: `--list=true`, `--list=false`.
const SWITCHES: &[&str] = &["--list", "--no-headers", "--quiet", "-q"];

/// The arguments with kubectl's spellings put into ours.
///
/// kubectl's `-v` is the level of its own log: `-v 2`, `-v=2` and `-v2` become `--v=2`. Without that the 2 of
/// `can-i list pods -v 2` would be the name of a Pod. Our own `-v` is a switch, so it is only kubectl's where a number
/// follows; a thing that is named by a number comes before the flags.
/// A switch with a value becomes the switch, or nothing: `--list=true` is `--list`, and `--list=false` is left out.
pub(super) fn ours(arguments: Vec<OsString>) -> Vec<OsString> {
    let end = arguments.iter().position(|word| word == "--").unwrap_or(arguments.len());
    // The definition of the commands is only looked at where there is something to put right.
    if !(1..end).any(|at| spelt(&arguments[at..end]).is_some()) || !is_as_kubectl(&arguments[..end]) {
        return arguments;
    }
    let mut put = Vec::with_capacity(arguments.len());
    let mut at = 0;
    while at < arguments.len() {
        let found = if (1..end).contains(&at) { spelt(&arguments[at..end]) } else { None };
        match found {
            Some((word, taken)) => {
                put.extend(word);
                at += taken;
            }
            None => {
                put.push(arguments[at].clone());
                at += 1;
            }
        }
    }
    put
}

/// What the first of these words is in our spelling, if that is another one, and how many words that takes.
fn spelt(words: &[OsString]) -> Option<(Option<OsString>, usize)> {
    let is_level = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let word = words.first()?.to_str()?;
    if word == "-v" {
        let level = words.get(1)?.to_str().filter(|next| is_level(next))?;
        return Some((Some(format!("--v={level}").into()), 2));
    }
    if let Some(rest) = word.strip_prefix("-v") {
        let level = rest.strip_prefix('=').unwrap_or(rest);
        return is_level(level).then(|| (Some(format!("--v={level}").into()), 1));
    }
    let (name, value) = word.split_once('=').filter(|(name, _)| SWITCHES.contains(name))?;
    // As Go's strconv.ParseBool; anything else is left for the parser to refuse.
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some((Some(name.into()), 1)),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some((None, 1)),
        _ => None,
    }
}

/// Whether the command is one of [`AS_KUBECTL`]: the first word that is a command's name.
fn is_as_kubectl(arguments: &[OsString]) -> bool {
    let whole = Cli::command();
    let mut named = arguments.iter().skip(1).filter_map(|word| word.to_str());
    let command = named.find(|word| whole.get_subcommands().any(|command| command.get_name() == *word));
    command.is_some_and(|name| AS_KUBECTL.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours_of(line: &str) -> String {
        let words = ours(line.split(' ').map(OsString::from).collect());
        words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn kubectls_level_is_no_name() {
        for (given, expected) in [
            ("kaccess can-i list pods -v 2 -n dev", "kaccess can-i list pods --v=2 -n dev"),
            ("kaccess can-i -v 2 list pods", "kaccess can-i --v=2 list pods"),
            ("kaccess -v 2 can-i list pods", "kaccess --v=2 can-i list pods"),
            ("kaccess can-i list pods -v=10", "kaccess can-i list pods --v=10"),
            ("kaccess can-i list pods -v2", "kaccess can-i list pods --v=2"),
            ("kaccess whoami -v 6", "kaccess whoami --v=6"),
            ("kaccess can-i list pods --v=2", "kaccess can-i list pods --v=2"),
            // Ours.
            ("kaccess can-i -v list pods", "kaccess can-i -v list pods"),
            ("kaccess can-i get pods 2 -v", "kaccess can-i get pods 2 -v"),
            ("kaccess can-i get pods -- -v 2", "kaccess can-i get pods -- -v 2"),
            ("kaccess explain -v 2", "kaccess explain -v 2"),
        ] {
            assert_eq!(ours_of(given), expected, "{given}");
        }
    }

    #[test]
    fn switches_take_gos_words() {
        for (given, expected) in [
            ("kaccess can-i --list=true -n dev", "kaccess can-i --list -n dev"),
            ("kaccess can-i --list=false get pods", "kaccess can-i get pods"),
            ("kaccess can-i get pods -q=1", "kaccess can-i get pods -q"),
            ("kaccess can-i get pods --quiet=F", "kaccess can-i get pods"),
            ("kaccess can-i --list --no-headers=maybe", "kaccess can-i --list --no-headers=maybe"),
            ("kaccess explain --list=true", "kaccess explain --list=true"),
        ] {
            assert_eq!(ours_of(given), expected, "{given}");
        }
    }
}
