//! The commands in a piece of shell, for those who put a flag into them. What is quoted, or said in a comment, is none.

use std::ops::Range;

use super::shell::quoted;

/// Where the words of one command stand in the text.
pub type Words = Vec<Range<usize>>;

/// Services of AWS of which every region has its own: a command that names no region asks whichever the shell is set to.
const REGIONAL: &[&str] = &["eks", "ec2", "elbv2", "wafv2", "logs"];

/// Words of the shell that stand before a command.
const BEFORE: &[&str] = &["until", "while", "if", "elif", "then", "else", "do", "!", "{"];

/// A command that is being read.
#[derive(Default)]
struct Open {
    words: Words,
    word: Option<usize>,
}

impl Open {
    fn begin(&mut self, at: usize) {
        self.word.get_or_insert(at);
    }

    fn end_word(&mut self, at: usize) {
        if let Some(start) = self.word.take() {
            self.words.push(start..at);
        }
    }

    fn end(&mut self, at: usize, text: &str, found: &mut Vec<Words>) {
        self.end_word(at);
        let words = std::mem::take(&mut self.words).into_iter();
        let words: Words = words.skip_while(|place| BEFORE.contains(&&text[place.clone()])).collect();
        if !words.is_empty() {
            found.push(words);
        }
    }
}

/// The commands of a text, those inside `$( )` too.
pub fn commands(text: &str) -> Vec<Words> {
    let mut found = Vec::new();
    let mut open = Open::default();
    // Those around it, where it stands in parentheses.
    let mut outer: Vec<Open> = Vec::new();
    let mut rest = text.char_indices().peekable();
    let mut before = ' ';
    while let Some((at, c)) = rest.next() {
        match c {
            '\\' => {
                open.begin(at);
                rest.next();
            }
            '\'' | '"' => {
                open.begin(at);
                // In bash's $'...' a backslash keeps the quote from ending, as it does in double quotes.
                let escapes = c == '"' || before == '$';
                while let Some((_, inner)) = rest.next() {
                    if inner == c {
                        break;
                    }
                    if escapes && inner == '\\' {
                        rest.next();
                    }
                }
            }
            '#' if open.word.is_none() => while rest.next_if(|(_, c)| *c != '\n').is_some() {},
            // `2>&1` ends nothing.
            '&' if matches!(before, '>' | '<') => open.begin(at),
            '|' | '&' | ';' | '\n' => open.end(at, text, &mut found),
            '(' => outer.push(std::mem::take(&mut open)),
            ')' => match outer.pop() {
                Some(around) => {
                    open.end(at, text, &mut found);
                    open = around;
                }
                None => open.begin(at),
            },
            c if c.is_whitespace() => open.end_word(at),
            _ => open.begin(at),
        }
        before = c;
    }
    open.end(text.len(), text, &mut found);
    while let Some(mut around) = outer.pop() {
        around.end(text.len(), text, &mut found);
    }
    found
}

/// The text with each of these pieces put in at its place.
pub fn insert(text: &str, mut pieces: Vec<(usize, String)>) -> String {
    pieces.sort_by_key(|(at, _)| *at);
    let mut out = String::with_capacity(text.len() + 32 * pieces.len());
    let mut done = 0;
    for (at, piece) in &pieces {
        out.push_str(&text[done..*at]);
        out.push_str(piece);
        done = *at;
    }
    out.push_str(&text[done..]);
    out
}

/// The commands, each with `--region` where it asks a service that every region has for itself, and names no region. No
/// profile is named: who applies a fix is often somebody else than who is refused.
pub fn in_region(text: &str, region: &str) -> String {
    let flag = format!(" --region {}", quoted(region));
    let place = |words: &Words| {
        let mut words = words.iter().skip_while(|place| sets(&text[(*place).clone()]));
        let (program, service) = (words.next()?, words.next()?);
        let asks = &text[program.clone()] == "aws" && REGIONAL.contains(&&text[service.clone()]);
        let named = words.any(|place| {
            let word = &text[place.clone()];
            word == "--region" || word.starts_with("--region=")
        });
        (asks && !named).then(|| (program.end, flag.clone()))
    };
    insert(text, commands(text).iter().filter_map(place).collect())
}

/// The word sets a variable for the command behind it.
fn sets(word: &str) -> bool {
    let variable = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    word.split_once('=').is_some_and(|(name, _)| variable(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_told_from_what_is_quoted() {
        let words = |text: &str| -> Vec<Vec<String>> {
            let all = commands(text);
            all.iter().map(|words| words.iter().map(|place| text[place.clone()].to_owned()).collect()).collect()
        };
        for (text, expected) in [
            ("a b && c;d|e\nf", vec![vec!["a", "b"], vec!["c"], vec!["d"], vec!["e"], vec!["f"]]),
            (r"a 'x'\''; b' c", vec![vec!["a", r"'x'\''; b'", "c"]]),
            (r"a $'x\'; b' c", vec![vec!["a", r"$'x\'; b'", "c"]]),
            (r#"a "x\"; b" c"#, vec![vec!["a", r#""x\"; b""#, "c"]]),
            ("a 2>&1 | b", vec![vec!["a", "2>&1"], vec!["b"]]),
            ("a x=$(b c) d", vec![vec!["b", "c"], vec!["a", "x=$(b c)", "d"]]),
            ("# it's a\nb # c; d", vec![vec!["b"]]),
            ("a#b )", vec![vec!["a#b", ")"]]),
            ("until a; do b; done", vec![vec!["a"], vec!["b"], vec!["done"]]),
            ("(a; b", vec![vec!["a"], vec!["b"]]),
            ("a 'b", vec![vec!["a", "'b"]]),
            ("", vec![]),
        ] {
            assert_eq!(words(text), expected, "{text}");
        }
    }

    #[test]
    fn commands_of_a_region_name_it() {
        for (text, expected) in [
            ("aws eks list-clusters", "aws --region eu-west-1 eks list-clusters"),
            (
                "aws eks create-access-entry --cluster-name a && aws eks associate-access-policy --cluster-name a",
                "aws --region eu-west-1 eks create-access-entry --cluster-name a && aws --region eu-west-1 eks associate-access-policy --cluster-name a",
            ),
            (
                "aws ec2 describe-vpcs; aws elbv2 x | aws logs y\naws wafv2 z",
                "aws --region eu-west-1 ec2 describe-vpcs; aws --region eu-west-1 elbv2 x | aws --region eu-west-1 logs y\naws --region eu-west-1 wafv2 z",
            ),
            (
                "until aws eks describe-addon | grep -x ACTIVE; do sleep 20; done",
                "until aws --region eu-west-1 eks describe-addon | grep -x ACTIVE; do sleep 20; done",
            ),
            (
                "arn=$(aws eks describe-cluster --query 'cluster.arn') && echo $arn",
                "arn=$(aws --region eu-west-1 eks describe-cluster --query 'cluster.arn') && echo $arn",
            ),
            ("A_B=c aws eks get-token", "A_B=c aws --region eu-west-1 eks get-token"),
            // A region of its own, one inside of another command, and times that are reckoned in between.
            ("aws eks list-clusters --region us-east-1", "aws eks list-clusters --region us-east-1"),
            ("aws eks list-clusters --region=us-east-1", "aws eks list-clusters --region=us-east-1"),
            ("aws ec2 x $(date +%s) --region us-east-1", "aws ec2 x $(date +%s) --region us-east-1"),
            (
                "aws wafv2 x --time-window StartTime=$(($(date +%s)-3600)),EndTime=$(date +%s) --max-items 100",
                "aws --region eu-west-1 wafv2 x --time-window StartTime=$(($(date +%s)-3600)),EndTime=$(date +%s) --max-items 100",
            ),
            // Services that no region has for itself, and what is no command.
            (
                "aws iam get-role --role-name a && aws sts get-caller-identity; aws configure list-profiles; aws --version",
                "aws iam get-role --role-name a && aws sts get-caller-identity; aws configure list-profiles; aws --version",
            ),
            ("echo 'x; aws eks list-clusters' \"; aws eks y\"", "echo 'x; aws eks list-clusters' \"; aws eks y\""),
            ("# that's for aws; aws eks x\necho aws eks y", "# that's for aws; aws eks x\necho aws eks y"),
            ("kubectl get pods -n 'a'\\''; aws eks x'", "kubectl get pods -n 'a'\\''; aws eks x'"),
        ] {
            assert_eq!(in_region(text, "eu-west-1"), expected);
        }
        assert_eq!(in_region("aws eks x", "a; touch y"), "aws --region 'a; touch y' eks x");
    }
}
