//! A line of aws-auth that looks like the caller's, and is another one to the authenticator.

use crate::aws::identity::{Arn, Entry, Mappings};
use crate::text::hidden;

/// An entry that is nearly the caller's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Near<'a> {
    /// The entry.
    pub entry: &'a Entry,
    /// In what its ARN differs.
    pub differs: String,
    /// No other ARN can be meant: what differs makes it none.
    pub slip: bool,
}

/// The first entry whose ARN is nearly this one, and none that is equal.
pub fn near_line<'a>(all: &'a Mappings, arn: &str) -> Option<Near<'a>> {
    all.entries.iter().find_map(|entry| {
        let (differs, slip) = difference(&entry.arn, arn)?;
        Some(Near { entry, differs, slip })
    })
}

/// In what an ARN differs from the one that it looks like, and whether that makes it none.
fn difference(text: &str, arn: &str) -> Option<(String, bool)> {
    let same = |other: &str| other.eq_ignore_ascii_case(arn);
    if same(text) {
        return None;
    }
    let unseen = |c: char| hidden(c) || c.is_whitespace();
    let visible: String = text.chars().filter(|c| !unseen(*c)).collect();
    if same(&visible) {
        let (at, c) = text.chars().enumerate().find(|(_, c)| unseen(*c))?;
        let which = format!("its character {} is U+{:04X}, which is not seen and counts", at + 1, u32::from(c));
        return Some((which, true));
    }
    if same(text.trim_matches(['"', '\''])) {
        return Some(("it stands in quotes inside of quotes, which belong to it then".to_owned(), true));
    }
    if same(&text.replacen(":iam:", ":iam::", 1)) {
        return Some(("it has one colon behind iam where an ARN has two".to_owned(), true));
    }
    let (named, own) = (Arn::parse(text)?, Arn::parse(arn)?);
    if (named.service, named.account, named.kind()) != (own.service, own.account, own.kind()) {
        return None;
    }
    if named.resource.eq_ignore_ascii_case(own.resource) {
        let which = format!("it is of the partition {}, and you are of {}", named.partition, own.partition);
        return (named.partition != own.partition).then_some((which, false));
    }
    if named.kind() == "user" && named.name().eq_ignore_ascii_case(own.name()) {
        return Some(("its path is another one, and a user's path counts".to_owned(), false));
    }
    if named.name().eq_ignore_ascii_case(own.name()) {
        return None;
    }
    let of_sso =
        |arn: &Arn<'_>| arn.name().strip_prefix("AWSReservedSSO_")?.rsplit_once('_').map(|(set, _)| set.to_owned());
    let (set, own_set) = (of_sso(&named)?, of_sso(&own)?);
    let which = format!("it is for the permission set {set} too, and its name ends otherwise");
    (set == own_set).then_some((which, false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_two_arns_differ_is_named() {
        let own = "arn:aws:iam::111122223333:role/Ops";
        for (text, expected, slip) in [
            ("arn:aws:iam::111122223333:role/Ops\u{200b}", "character 35 is U+200B", true),
            ("arn:aws:iam::111122223333:role/\u{feff}ops", "character 32 is U+FEFF", true),
            ("arn:aws:iam::111122223333:role/Ops\u{a0}", "character 35 is U+00A0", true),
            ("'arn:aws:iam::111122223333:role/Ops'", "quotes", true),
            ("arn:aws:iam:111122223333:role/Ops", "colon", true),
            ("arn:aws-cn:iam::111122223333:role/Ops", "partition aws-cn", false),
        ] {
            let (differs, slips) = difference(text, own).expect(text);
            assert!(differs.contains(expected), "{text}: {differs}");
            assert_eq!(slips, slip, "{text}");
        }
        for other in [
            own,
            "arn:aws:iam::111122223333:role/ops",
            "arn:aws:iam::111122223333:role/Dev",
            "arn:aws:iam::444455556666:role/Ops",
            "arn:aws:iam::111122223333:role/AWSReservedSSO_Dev_0123456789abcdef",
            "",
        ] {
            assert_eq!(difference(other, own), None, "{other}");
        }
    }

    #[test]
    fn a_user_of_another_path_and_a_permission_set_made_again_are_named() {
        let user = "arn:aws:iam::111122223333:user/team/jane";
        let (differs, slip) = difference("arn:aws:iam::111122223333:user/jane", user).expect("a path");
        assert!(differs.contains("path") && !slip, "{differs}");
        let sso = |end: &str| format!("arn:aws:iam::111122223333:role/AWSReservedSSO_{end}");
        let (differs, slip) = difference(&sso("Dev_0123456789abcdef"), &sso("Dev_fedcba9876543210")).expect("an end");
        assert!(differs.contains("permission set Dev") && !slip, "{differs}");
        assert_eq!(difference(&sso("Ops_0123456789abcdef"), &sso("Dev_fedcba9876543210")), None);
    }
}
