//! Names of things in AWS: ARNs taken apart, and as the authenticator compares them.
//!
//! Source: aws-iam-authenticator `pkg/arn`.

/// An ARN taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arn<'a> {
    /// `aws`, `aws-cn`, `aws-us-gov`, ...
    pub partition: &'a str,
    /// `iam`, `sts`, `eks`, ...
    pub service: &'a str,
    /// The account, 12 digits.
    pub account: &'a str,
    /// What stands behind it, colons and slashes included.
    pub resource: &'a str,
}

/// The partition of a region, as ARNs name it.
pub fn partition_of(region: &str) -> &'static str {
    match region {
        region if region.starts_with("cn-") => "aws-cn",
        region if region.starts_with("us-gov-") => "aws-us-gov",
        region if region.starts_with("us-isob-") => "aws-iso-b",
        region if region.starts_with("us-iso-") => "aws-iso",
        region if region.starts_with("eu-isoe-") => "aws-iso-e",
        region if region.starts_with("us-isof-") => "aws-iso-f",
        region if region.starts_with("eusc-") => "aws-eusc",
        _ => "aws",
    }
}

/// The partition of a host of STS; `None` for a name that is none.
pub fn partition_of_sts(host: &str) -> Option<&'static str> {
    let rest = host.strip_prefix("sts.").or_else(|| host.strip_prefix("sts-fips."))?;
    // The global endpoint names no region.
    if rest == "amazonaws.com" {
        return Some("aws");
    }
    let (region, suffix) = rest.split_once('.')?;
    match suffix {
        "amazonaws.com" | "api.aws" if region.starts_with("us-gov-") => Some("aws-us-gov"),
        "amazonaws.com" | "api.aws" => Some("aws"),
        "amazonaws.com.cn" | "api.amazonwebservices.com.cn" => Some("aws-cn"),
        "c2s.ic.gov" => Some("aws-iso"),
        "sc2s.sgov.gov" => Some("aws-iso-b"),
        "cloud.adc-e.uk" => Some("aws-iso-e"),
        "csp.hci.ic.gov" => Some("aws-iso-f"),
        "amazonaws.eu" => Some("aws-eusc"),
        _ => None,
    }
}

impl<'a> Arn<'a> {
    /// Takes an ARN apart.
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.splitn(6, ':');
        if parts.next()? != "arn" {
            return None;
        }
        let partition = parts.next()?;
        let service = parts.next()?;
        let _region = parts.next()?;
        Some(Self { partition, service, account: parts.next()?, resource: parts.next()? })
    }

    /// `role`, `user`, `assumed-role`, ...
    pub fn kind(&self) -> &'a str {
        self.resource.split('/').next().unwrap_or_default()
    }

    /// The name at the end: of a role or user without its path, of an assumed role the role's.
    pub fn name(&self) -> &'a str {
        let mut parts = self.resource.split('/');
        if self.kind() == "assumed-role" {
            parts.nth(1).unwrap_or_default()
        } else {
            parts.next_back().unwrap_or_default()
        }
    }

    /// The path of a role or user, with slashes at both ends; `None` where it has none.
    pub fn path(&self) -> Option<&'a str> {
        let first = self.resource.find('/')?;
        let last = self.resource.rfind('/')?;
        (self.service == "iam" && last > first).then(|| &self.resource[first..=last])
    }
}

/// What the authenticator compares: an assumed role becomes its role, without a path; the others stay as they are.
pub fn canonical(arn: &str) -> Option<String> {
    let parsed = Arn::parse(arn)?;
    match (parsed.service, parsed.kind()) {
        ("sts", "assumed-role") => {
            let parts: Vec<&str> = parsed.resource.split('/').collect();
            let role = parts.get(1..parts.len().checked_sub(1)?)?.join("/");
            (!role.is_empty()).then(|| format!("arn:{}:iam::{}:role/{role}", parsed.partition, parsed.account))
        }
        ("sts", "federated-user") | ("iam", "role" | "user" | "root") => Some(arn.to_owned()),
        _ => None,
    }
}

/// A role's ARN as the authenticator sees it: without its path. A user keeps its own.
pub fn without_path(arn: &str) -> String {
    match Arn::parse(arn) {
        Some(parsed) if parsed.service == "iam" && parsed.kind() == "role" => {
            format!("arn:{}:iam::{}:role/{}", parsed.partition, parsed.account, parsed.name())
        }
        _ => arn.to_owned(),
    }
}

/// Name and region in an EKS cluster's ARN, `arn:aws:eks:REGION:ACCOUNT:cluster/NAME`.
pub fn eks_cluster(arn: &str) -> Option<(&str, &str)> {
    let parsed = Arn::parse(arn).filter(|parsed| parsed.service == "eks")?;
    let (name, region) = (parsed.resource.strip_prefix("cluster/")?, arn.split(':').nth(3)?);
    (!name.is_empty() && !region.is_empty()).then_some((name, region))
}

/// The region in an EKS endpoint's host name: `ID.SHARD.REGION.eks.amazonaws.com` (with or without `.cn`) or
/// `ID.SHARD.eks-cluster.REGION.api.aws`. The cluster's name is not in it.
pub fn region_of_endpoint(host: &str) -> Option<String> {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let before = host
        .strip_suffix(".eks.amazonaws.com")
        .or_else(|| host.strip_suffix(".eks.amazonaws.com.cn"))
        .and_then(|rest| rest.rsplit('.').next())
        .map(str::to_owned);
    before.or_else(|| {
        let rest = host.strip_suffix(".api.aws")?;
        let (ahead, region) = rest.rsplit_once('.')?;
        ahead.ends_with(".eks-cluster").then(|| region.to_owned())
    })
}

/// The region that a signature for this host of STS must be scoped to; the global host belongs to us-east-1. `None`
/// where the host is of another shape.
pub fn region_of_sts(host: &str) -> Option<&str> {
    let rest = host.strip_prefix("sts.").or_else(|| host.strip_prefix("sts-fips."))?;
    if rest == "amazonaws.com" {
        return Some("us-east-1");
    }
    let region = [".amazonaws.com", ".amazonaws.com.cn", ".api.aws"].iter().find_map(|end| rest.strip_suffix(end))?;
    (!region.is_empty() && !region.contains('.')).then_some(region)
}

/// The session is one of an EC2 instance, as the authenticator knows them: `i-` with 8 or 17 letters and digits.
pub fn is_instance_session(session: &str) -> bool {
    session.strip_prefix("i-").is_some_and(|id| {
        matches!(id.len(), 8 | 17) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    })
}

/// The session's name of an assumed role.
pub fn session(arn: &str) -> Option<&str> {
    let parsed = Arn::parse(arn)?;
    (parsed.kind() == "assumed-role").then(|| parsed.resource.rsplit('/').next()).flatten()
}

/// The account in an ARN.
pub fn account(arn: &str) -> &str {
    arn.split(':').nth(4).unwrap_or_default()
}

/// The partition in an ARN.
pub fn partition(arn: &str) -> &str {
    arn.split(':').nth(1).filter(|part| !part.is_empty()).unwrap_or("aws")
}

/// The text is the ARN of a role.
pub fn is_role_arn(text: &str) -> bool {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    parts.len() == 6
        && parts[0] == "arn"
        && parts[1].starts_with("aws")
        && parts[2] == "iam"
        && parts[3].is_empty()
        && parts[4].len() == 12
        && parts[4].bytes().all(|byte| byte.is_ascii_digit())
        && parts[5].strip_prefix("role/").is_some_and(|name| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+=,.@_-/".contains(&byte))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_partition_of_an_sts_host_is_read() {
        for (host, partition) in [
            ("sts.amazonaws.com", Some("aws")),
            ("sts.eu-west-1.amazonaws.com", Some("aws")),
            ("sts-fips.us-east-1.amazonaws.com", Some("aws")),
            ("sts.eu-west-1.api.aws", Some("aws")),
            ("sts.us-gov-west-1.amazonaws.com", Some("aws-us-gov")),
            ("sts.cn-north-1.amazonaws.com.cn", Some("aws-cn")),
            ("sts.eu-isoe-west-1.cloud.adc-e.uk", Some("aws-iso-e")),
            ("sts.example.com", None),
            ("example.com", None),
        ] {
            assert_eq!(partition_of_sts(host), partition, "{host}");
        }
        assert_eq!(partition_of("eu-isoe-west-1"), "aws-iso-e");
        assert_eq!(partition_of("us-isob-east-1"), "aws-iso-b");
    }

    #[test]
    fn a_clusters_arn_gives_name_and_region() {
        assert_eq!(eks_cluster("arn:aws:eks:eu-west-1:123456789012:cluster/prod"), Some(("prod", "eu-west-1")));
        assert_eq!(eks_cluster("arn:aws:iam::123456789012:role/cluster"), None);
        assert_eq!(eks_cluster("arn:aws:eks::123456789012:cluster/prod"), None);
        assert_eq!(eks_cluster("prod"), None);
    }

    #[test]
    fn the_region_is_read_from_every_shape_of_endpoint() {
        for (host, region) in [
            ("0123456789ABCDEF0123456789ABCDEF.gr7.eu-west-1.eks.amazonaws.com", Some("eu-west-1")),
            ("0123.yl4.cn-north-1.eks.amazonaws.com.cn", Some("cn-north-1")),
            ("0123.gr7.eks-cluster.us-east-2.api.aws", Some("us-east-2")),
            ("eks.example.com", None),
            ("api.aws", None),
        ] {
            assert_eq!(region_of_endpoint(host).as_deref(), region, "{host}");
        }
        for (host, region) in [
            ("sts.amazonaws.com", Some("us-east-1")),
            ("sts.eu-west-1.amazonaws.com", Some("eu-west-1")),
            ("sts-fips.us-east-1.amazonaws.com", Some("us-east-1")),
            ("sts.cn-north-1.amazonaws.com.cn", Some("cn-north-1")),
            ("sts.eu-west-1.api.aws", Some("eu-west-1")),
            ("sts.internal.example.com", None),
        ] {
            assert_eq!(region_of_sts(host), region, "{host}");
        }
    }

    #[test]
    fn sessions_of_instances_are_told_from_others() {
        for (session, is) in
            [("i-0123abcd", true), ("i-0123456789abcdef0", true), ("i-0abc", false), ("alice", false), ("i-", false)]
        {
            assert_eq!(is_instance_session(session), is, "{session}");
        }
    }

    #[test]
    fn assumed_roles_lose_their_session_and_never_had_a_path() {
        for (arn, expected) in [
            ("arn:aws:sts::111122223333:assumed-role/Dev/jane", Some("arn:aws:iam::111122223333:role/Dev")),
            ("arn:aws-cn:sts::111122223333:assumed-role/Dev/i-1", Some("arn:aws-cn:iam::111122223333:role/Dev")),
            ("arn:aws:iam::111122223333:user/ops/bob", Some("arn:aws:iam::111122223333:user/ops/bob")),
            ("arn:aws:iam::111122223333:root", Some("arn:aws:iam::111122223333:root")),
            ("arn:aws:sts::111122223333:federated-user/x", Some("arn:aws:sts::111122223333:federated-user/x")),
            ("arn:aws:sts::111122223333:assumed-role/Dev", None),
            ("arn:aws:s3:::bucket", None),
            ("nonsense", None),
        ] {
            assert_eq!(canonical(arn).as_deref(), expected, "{arn}");
        }
        let sso = "arn:aws:iam::1:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_Admin_0123";
        assert_eq!(without_path(sso), "arn:aws:iam::1:role/AWSReservedSSO_Admin_0123");
        assert_eq!(Arn::parse(sso).and_then(|arn| arn.path()), Some("/aws-reserved/sso.amazonaws.com/eu-west-1/"));
        assert_eq!(without_path("arn:aws:iam::1:user/a/b"), "arn:aws:iam::1:user/a/b");
    }
}
