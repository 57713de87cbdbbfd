//! The table: policy × subject × audience, each row's verdict reasoned by hand from the IAM User Guide.

use super::*;

const ISSUER: &str = "oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B716D3041E";
const PROVIDER: &str =
    "arn:aws:iam::111122223333:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B716D3041E";
const SUBJECT: &str = "system:serviceaccount:shop:api";
const AUDIENCE: &str = "sts.amazonaws.com";

/// `%I` is the issuer's name, `%P` the provider's ARN.
fn filled(text: &str) -> String {
    text.replace("%I", ISSUER).replace("%P", PROVIDER)
}

fn word(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Allowed(_) => "allow".to_owned(),
        Verdict::Denied(_) => "deny".to_owned(),
        Verdict::Undecided(_) => "unknown".to_owned(),
        Verdict::Malformed(_) => "malformed".to_owned(),
        Verdict::NotAllowed(misses) if misses.is_empty() => "nothing".to_owned(),
        Verdict::NotAllowed(misses) => {
            let mut words: Vec<&str> = Vec::new();
            let order = [Respect::Subject, Respect::Audience, Respect::Provider, Respect::Action, Respect::Condition];
            for respect in order.into_iter().filter(|respect| misses.iter().any(|miss| miss.respect == *respect)) {
                words.push(match respect {
                    Respect::Subject => "subject",
                    Respect::Audience => "audience",
                    Respect::Provider => "provider",
                    Respect::Action => "action",
                    Respect::Condition => "condition",
                });
            }
            words.join("+")
        }
    }
}

/// Name, condition of the documented statement, subject, audience, verdict.
#[rustfmt::skip]
const CONDITIONS: &[(&str, &str, &str, &str, &str)] = &[
    ("the documented policy", r#"{"StringEquals":{"%I:sub":"system:serviceaccount:shop:api","%I:aud":"sts.amazonaws.com"}}"#, SUBJECT, AUDIENCE, "allow"),
    ("another namespace", r#"{"StringEquals":{"%I:sub":"system:serviceaccount:shop:api","%I:aud":"sts.amazonaws.com"}}"#, "system:serviceaccount:dev:api", AUDIENCE, "subject"),
    ("another account", r#"{"StringEquals":{"%I:sub":"system:serviceaccount:shop:api","%I:aud":"sts.amazonaws.com"}}"#, "system:serviceaccount:shop:worker", AUDIENCE, "subject"),
    ("default account", r#"{"StringEquals":{"%I:sub":"system:serviceaccount:shop:api","%I:aud":"sts.amazonaws.com"}}"#, "system:serviceaccount:shop:default", AUDIENCE, "subject"),
    ("another audience", r#"{"StringEquals":{"%I:sub":"system:serviceaccount:shop:api","%I:aud":"sts.amazonaws.com"}}"#, SUBJECT, "vault", "audience"),
    ("both differ", r#"{"StringEquals":{"%I:sub":"system:serviceaccount:shop:api","%I:aud":"sts.amazonaws.com"}}"#, "system:serviceaccount:dev:api", "vault", "subject+audience"),
    ("subject in capitals", r#"{"StringEquals":{"%I:sub":"system:serviceaccount:shop:api","%I:aud":"sts.amazonaws.com"}}"#, "system:serviceaccount:Shop:api", AUDIENCE, "subject"),
    ("audience in capitals", r#"{"StringEquals":{"%I:sub":"system:serviceaccount:shop:api","%I:aud":"sts.amazonaws.com"}}"#, SUBJECT, "STS.amazonaws.com", "audience"),
    ("audience with scheme", r#"{"StringEquals":{"%I:sub":"system:serviceaccount:shop:api","%I:aud":"sts.amazonaws.com"}}"#, SUBJECT, "https://sts.amazonaws.com", "audience"),
    ("china audience", r#"{"StringEquals":{"%I:sub":"system:serviceaccount:shop:api","%I:aud":"sts.amazonaws.com"}}"#, SUBJECT, "sts.amazonaws.com.cn", "audience"),
    ("like all of a namespace", r#"{"StringLike":{"%I:sub":"system:serviceaccount:shop:*"}}"#, SUBJECT, AUDIENCE, "allow"),
    ("like, another name", r#"{"StringLike":{"%I:sub":"system:serviceaccount:shop:*"}}"#, "system:serviceaccount:shop:worker", AUDIENCE, "allow"),
    ("like, another namespace", r#"{"StringLike":{"%I:sub":"system:serviceaccount:shop:*"}}"#, "system:serviceaccount:shopping:api", AUDIENCE, "subject"),
    ("like does not ask for the audience", r#"{"StringLike":{"%I:sub":"system:serviceaccount:shop:*"}}"#, SUBJECT, "anything", "allow"),
    ("wildcard under StringEquals", r#"{"StringEquals":{"%I:sub":"system:serviceaccount:shop:*"}}"#, SUBJECT, AUDIENCE, "subject"),
    ("wildcard under StringEquals, the very text", r#"{"StringEquals":{"%I:sub":"system:serviceaccount:shop:*"}}"#, "system:serviceaccount:shop:*", AUDIENCE, "allow"),
    ("question mark", r#"{"StringLike":{"%I:sub":"system:serviceaccount:shop:ap?"}}"#, SUBJECT, AUDIENCE, "allow"),
    ("question mark needs one", r#"{"StringLike":{"%I:sub":"system:serviceaccount:shop:api?"}}"#, SUBJECT, AUDIENCE, "subject"),
    ("star may be nothing", r#"{"StringLike":{"%I:sub":"system:serviceaccount:shop:api*"}}"#, SUBJECT, AUDIENCE, "allow"),
    ("star in the namespace", r#"{"StringLike":{"%I:sub":"system:serviceaccount:*:api"}}"#, "system:serviceaccount:x:y:api", AUDIENCE, "allow"),
    ("two stars", r#"{"StringLike":{"%I:sub":"system:serviceaccount:*:*"}}"#, SUBJECT, AUDIENCE, "allow"),
    ("like keeps capitals", r#"{"StringLike":{"%I:sub":"system:serviceaccount:SHOP:*"}}"#, SUBJECT, AUDIENCE, "subject"),
    ("star alone", r#"{"StringLike":{"%I:sub":"*"}}"#, SUBJECT, AUDIENCE, "allow"),
    ("empty value", r#"{"StringEquals":{"%I:sub":""}}"#, SUBJECT, AUDIENCE, "subject"),
    ("two subjects", r#"{"StringEquals":{"%I:sub":["system:serviceaccount:shop:api","system:serviceaccount:shop:worker"]}}"#, SUBJECT, AUDIENCE, "allow"),
    ("two subjects, the second", r#"{"StringEquals":{"%I:sub":["system:serviceaccount:shop:api","system:serviceaccount:shop:worker"]}}"#, "system:serviceaccount:shop:worker", AUDIENCE, "allow"),
    ("two subjects, neither", r#"{"StringEquals":{"%I:sub":["system:serviceaccount:shop:api","system:serviceaccount:shop:worker"]}}"#, "system:serviceaccount:shop:cron", AUDIENCE, "subject"),
    ("empty list", r#"{"StringEquals":{"%I:sub":[]}}"#, SUBJECT, AUDIENCE, "subject"),
    ("two audiences", r#"{"StringEquals":{"%I:aud":["sts.amazonaws.com","vault"]}}"#, SUBJECT, "vault", "allow"),
    ("namespace and name the wrong way round", r#"{"StringEquals":{"%I:sub":"system:serviceaccount:api:shop"}}"#, SUBJECT, AUDIENCE, "subject"),
    ("name without the prefix", r#"{"StringEquals":{"%I:sub":"shop:api"}}"#, SUBJECT, AUDIENCE, "subject"),
    ("slash for colon", r#"{"StringEquals":{"%I:sub":"system:serviceaccount:shop/api"}}"#, SUBJECT, AUDIENCE, "subject"),
    ("plural spelling", r#"{"StringEquals":{"%I:sub":"system:serviceaccounts:shop:api"}}"#, SUBJECT, AUDIENCE, "subject"),
    ("a space at the end", r#"{"StringEquals":{"%I:sub":"system:serviceaccount:shop:api "}}"#, SUBJECT, AUDIENCE, "subject"),
    ("aud key where sub was meant", r#"{"StringEquals":{"%I:aud":"system:serviceaccount:shop:api"}}"#, SUBJECT, AUDIENCE, "audience"),
    ("sub key where aud was meant", r#"{"StringEquals":{"%I:sub":"sts.amazonaws.com"}}"#, SUBJECT, AUDIENCE, "subject"),
    ("key with the scheme", r#"{"StringEquals":{"https://%I:sub":"system:serviceaccount:shop:api"}}"#, SUBJECT, AUDIENCE, "provider"),
    ("key of another cluster", r#"{"StringEquals":{"oidc.eks.eu-west-1.amazonaws.com/id/OTHER:sub":"system:serviceaccount:shop:api"}}"#, SUBJECT, AUDIENCE, "provider"),
    ("key with region and service swapped", r#"{"StringEquals":{"oidc.eu-west-1.eks.amazonaws.com/id/EXAMPLED539D4633E53DE1B716D3041E:sub":"system:serviceaccount:shop:api"}}"#, SUBJECT, AUDIENCE, "provider"),
    ("key in another region", r#"{"StringEquals":{"oidc.eks.us-east-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B716D3041E:aud":"sts.amazonaws.com"}}"#, SUBJECT, AUDIENCE, "provider"),
    ("key with a slash at the end", r#"{"StringEquals":{"%I/:sub":"system:serviceaccount:shop:api"}}"#, SUBJECT, AUDIENCE, "provider"),
    ("key in capitals", r#"{"StringEquals":{"OIDC.EKS.EU-WEST-1.AMAZONAWS.COM/ID/EXAMPLED539D4633E53DE1B716D3041E:SUB":"system:serviceaccount:shop:api"}}"#, SUBJECT, AUDIENCE, "allow"),
    ("key without issuer", r#"{"StringEquals":{"sub":"system:serviceaccount:shop:api"}}"#, SUBJECT, AUDIENCE, "unknown"),
    ("no condition", r#"{}"#, SUBJECT, AUDIENCE, "allow"),
    ("no condition, anybody", r#"{}"#, "system:serviceaccount:any:one", "any", "allow"),
    ("equals ignoring case", r#"{"StringEqualsIgnoreCase":{"%I:sub":"SYSTEM:SERVICEACCOUNT:SHOP:API"}}"#, SUBJECT, AUDIENCE, "allow"),
    ("equals ignoring case, another", r#"{"StringEqualsIgnoreCase":{"%I:sub":"SYSTEM:SERVICEACCOUNT:SHOP:APP"}}"#, SUBJECT, AUDIENCE, "subject"),
    ("not equals, another", r#"{"StringNotEquals":{"%I:sub":"system:serviceaccount:shop:worker"}}"#, SUBJECT, AUDIENCE, "allow"),
    ("not equals, the same", r#"{"StringNotEquals":{"%I:sub":"system:serviceaccount:shop:api"}}"#, SUBJECT, AUDIENCE, "subject"),
    ("not equals, in a list", r#"{"StringNotEquals":{"%I:sub":["x","system:serviceaccount:shop:api"]}}"#, SUBJECT, AUDIENCE, "subject"),
    ("not equals, in no list", r#"{"StringNotEquals":{"%I:sub":["x","y"]}}"#, SUBJECT, AUDIENCE, "allow"),
    ("not equals ignoring case", r#"{"StringNotEqualsIgnoreCase":{"%I:sub":"SYSTEM:serviceaccount:shop:api"}}"#, SUBJECT, AUDIENCE, "subject"),
    ("not like", r#"{"StringNotLike":{"%I:sub":"system:serviceaccount:kube-*"}}"#, SUBJECT, AUDIENCE, "allow"),
    ("not like, but is", r#"{"StringNotLike":{"%I:sub":"system:serviceaccount:sh*"}}"#, SUBJECT, AUDIENCE, "subject"),
    ("not equals of an absent claim", r#"{"StringNotEquals":{"%I:email":"a@b"}}"#, SUBJECT, AUDIENCE, "allow"),
    ("equals of an absent claim", r#"{"StringEquals":{"%I:email":"a@b"}}"#, SUBJECT, AUDIENCE, "condition"),
    ("equals if exists, absent", r#"{"StringEqualsIfExists":{"%I:email":"a@b"}}"#, SUBJECT, AUDIENCE, "allow"),
    ("equals if exists, present and right", r#"{"StringEqualsIfExists":{"%I:sub":"system:serviceaccount:shop:api"}}"#, SUBJECT, AUDIENCE, "allow"),
    ("equals if exists, present and wrong", r#"{"StringEqualsIfExists":{"%I:sub":"system:serviceaccount:shop:x"}}"#, SUBJECT, AUDIENCE, "subject"),
    ("like if exists", r#"{"StringLikeIfExists":{"%I:sub":"*:shop:*"}}"#, SUBJECT, AUDIENCE, "allow"),
    ("if exists of another provider", r#"{"StringEqualsIfExists":{"accounts.google.com:aud":"x"}}"#, SUBJECT, AUDIENCE, "allow"),
    ("not equals of another provider's claim", r#"{"StringNotEquals":{"accounts.google.com:aud":"x"}}"#, SUBJECT, AUDIENCE, "allow"),
    ("equals of another provider's claim", r#"{"StringEquals":{"accounts.google.com:aud":"sts.amazonaws.com"}}"#, SUBJECT, AUDIENCE, "provider"),
    ("any value", r#"{"ForAnyValue:StringEquals":{"%I:aud":["sts.amazonaws.com","x"]}}"#, SUBJECT, AUDIENCE, "allow"),
    ("any value, none", r#"{"ForAnyValue:StringEquals":{"%I:aud":["x"]}}"#, SUBJECT, AUDIENCE, "audience"),
    ("any value of an absent key", r#"{"ForAnyValue:StringLike":{"%I:amr":"*"}}"#, SUBJECT, AUDIENCE, "condition"),
    ("all values", r#"{"ForAllValues:StringEquals":{"%I:aud":["sts.amazonaws.com","x"]}}"#, SUBJECT, AUDIENCE, "allow"),
    ("all values, none", r#"{"ForAllValues:StringEquals":{"%I:aud":["x"]}}"#, SUBJECT, AUDIENCE, "audience"),
    ("all values of an absent key", r#"{"ForAllValues:StringEquals":{"%I:amr":["x"]}}"#, SUBJECT, AUDIENCE, "allow"),
    ("any value like", r#"{"ForAnyValue:StringLike":{"%I:sub":["system:serviceaccount:dev:*","system:serviceaccount:shop:*"]}}"#, SUBJECT, AUDIENCE, "allow"),
    ("any value not equals", r#"{"ForAnyValue:StringNotEquals":{"%I:sub":["x"]}}"#, SUBJECT, AUDIENCE, "allow"),
    ("any value not equals of an absent key", r#"{"ForAnyValue:StringNotEquals":{"%I:amr":["x"]}}"#, SUBJECT, AUDIENCE, "condition"),
    ("null: must be there", r#"{"Null":{"%I:sub":"false"}}"#, SUBJECT, AUDIENCE, "allow"),
    ("null: must be absent", r#"{"Null":{"%I:sub":"true"}}"#, SUBJECT, AUDIENCE, "subject"),
    ("null of an absent key", r#"{"Null":{"%I:email":"true"}}"#, SUBJECT, AUDIENCE, "allow"),
    ("null of an absent key that must be there", r#"{"Null":{"%I:email":"false"}}"#, SUBJECT, AUDIENCE, "condition"),
    ("null with a boolean", r#"{"Null":{"%I:sub":false}}"#, SUBJECT, AUDIENCE, "allow"),
    ("source address", r#"{"StringEquals":{"%I:sub":"system:serviceaccount:shop:api"},"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}"#, SUBJECT, AUDIENCE, "unknown"),
    ("source address and wrong subject", r#"{"StringEquals":{"%I:sub":"x"},"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}"#, SUBJECT, AUDIENCE, "subject"),
    ("date", r#"{"DateLessThan":{"aws:CurrentTime":"2030-01-01T00:00:00Z"}}"#, SUBJECT, AUDIENCE, "unknown"),
    ("session name", r#"{"StringLike":{"sts:RoleSessionName":"api-*"}}"#, SUBJECT, AUDIENCE, "unknown"),
    ("session name and wrong audience", r#"{"StringLike":{"sts:RoleSessionName":"api-*"},"StringEquals":{"%I:aud":"x"}}"#, SUBJECT, AUDIENCE, "audience"),
    ("an unknown operator", r#"{"StringSomething":{"%I:sub":"x"}}"#, SUBJECT, AUDIENCE, "unknown"),
    ("an unknown set operator", r#"{"ForSomeValues:StringEquals":{"%I:sub":"x"}}"#, SUBJECT, AUDIENCE, "unknown"),
    ("numeric operator on a claim", r#"{"NumericEquals":{"%I:sub":"1"}}"#, SUBJECT, AUDIENCE, "unknown"),
    ("external id is never in it", r#"{"StringEquals":{"sts:ExternalId":"x"}}"#, SUBJECT, AUDIENCE, "condition"),
    ("principal's organisation is never in it", r#"{"StringEquals":{"aws:PrincipalOrgID":"o-1"}}"#, SUBJECT, AUDIENCE, "condition"),
    ("federated provider", r#"{"StringEquals":{"aws:FederatedProvider":"%P"}}"#, SUBJECT, AUDIENCE, "allow"),
    ("federated provider, another", r#"{"StringEquals":{"aws:FederatedProvider":"x"}}"#, SUBJECT, AUDIENCE, "condition"),
    ("federated provider as an ARN pattern", r#"{"ArnLike":{"aws:FederatedProvider":"arn:aws:iam::111122223333:oidc-provider/*"}}"#, SUBJECT, AUDIENCE, "allow"),
    ("ARN pattern of another account", r#"{"ArnLike":{"aws:FederatedProvider":"arn:aws:iam::999988887777:oidc-provider/*"}}"#, SUBJECT, AUDIENCE, "condition"),
    ("ARN operator on no ARN", r#"{"ArnEquals":{"%I:sub":"*"}}"#, SUBJECT, AUDIENCE, "subject"),
    ("variable", r#"{"StringEquals":{"%I:sub":"system:serviceaccount:${aws:PrincipalTag/ns}:api"}}"#, SUBJECT, AUDIENCE, "unknown"),
    ("escaped star is a star", r#"{"StringEquals":{"%I:sub":"system:serviceaccount:shop:${*}"}}"#, SUBJECT, AUDIENCE, "subject"),
    ("escaped star with wildcards is a star", r#"{"StringLike":{"%I:sub":"system:*:shop:${*}"}}"#, "system:serviceaccount:shop:*", AUDIENCE, "allow"),
    ("escaped star with wildcards is nothing else", r#"{"StringLike":{"%I:sub":"system:*:shop:${*}"}}"#, "system:serviceaccount:shop:${api}", AUDIENCE, "subject"),
    ("escaped question mark with wildcards", r#"{"StringLike":{"%I:sub":"system:*:shop:${?}"}}"#, "system:serviceaccount:shop:?", AUDIENCE, "allow"),
    ("escaped dollar with wildcards", r#"{"StringLike":{"%I:sub":"system:*:shop:${$}{a}"}}"#, "system:serviceaccount:shop:${a}", AUDIENCE, "allow"),
    ("variable in one of two values, the other fits", r#"{"StringEquals":{"%I:sub":["${aws:username}","system:serviceaccount:shop:api"]}}"#, SUBJECT, AUDIENCE, "allow"),
    ("operator in other capitals", r#"{"stringequals":{"%I:sub":"system:serviceaccount:shop:api"}}"#, SUBJECT, AUDIENCE, "allow"),
    ("like and equals together, one wrong", r#"{"StringLike":{"%I:sub":"system:serviceaccount:shop:*"},"StringEquals":{"%I:aud":"vault"}}"#, SUBJECT, AUDIENCE, "audience"),
    ("a condition that is no object", r#""x""#, SUBJECT, AUDIENCE, "unknown"),
];

/// Name, whole policy, subject, audience, verdict.
#[rustfmt::skip]
const POLICIES: &[(&str, &str, &str, &str, &str)] = &[
    ("a statement that is no list", r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Federated":"%P"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"%I:sub":"system:serviceaccount:shop:api","%I:aud":"sts.amazonaws.com"}}}}"#, SUBJECT, AUDIENCE, "allow"),
    ("action in a list", r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"%P"},"Action":["sts:AssumeRoleWithWebIdentity","sts:TagSession"]}]}"#, SUBJECT, AUDIENCE, "allow"),
    ("action with a star", r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"%P"},"Action":"sts:*"}]}"#, SUBJECT, AUDIENCE, "allow"),
    ("action in other capitals", r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"%P"},"Action":"STS:assumerolewithwebidentity"}]}"#, SUBJECT, AUDIENCE, "allow"),
    ("action AssumeRole alone", r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"%P"},"Action":"sts:AssumeRole"}]}"#, SUBJECT, AUDIENCE, "action"),
    ("action with SAML", r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"%P"},"Action":"sts:AssumeRoleWithSAML"}]}"#, SUBJECT, AUDIENCE, "action"),
    ("action with a pattern", r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"%P"},"Action":"sts:AssumeRole*"}]}"#, SUBJECT, AUDIENCE, "allow"),
    ("not action", r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"%P"},"NotAction":"sts:TagSession"}]}"#, SUBJECT, AUDIENCE, "allow"),
    ("not action, but this", r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"%P"},"NotAction":"sts:*"}]}"#, SUBJECT, AUDIENCE, "action"),
    ("another provider", r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/OTHER"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"%I:sub":"system:serviceaccount:shop:api","%I:aud":"sts.amazonaws.com"}}}]}"#, SUBJECT, AUDIENCE, "provider"),
    ("provider of another account", r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::999988887777:oidc-provider/%I"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"%I:sub":"system:serviceaccount:shop:api","%I:aud":"sts.amazonaws.com"}}}]}"#, SUBJECT, AUDIENCE, "provider"),
    ("provider with the scheme", r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/https://%I"},"Action":"sts:AssumeRoleWithWebIdentity"}]}"#, SUBJECT, AUDIENCE, "provider"),
    ("provider with region and service swapped", r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/oidc.eu-west-1.eks.amazonaws.com/id/EXAMPLED539D4633E53DE1B716D3041E"},"Action":"sts:AssumeRoleWithWebIdentity"}]}"#, SUBJECT, AUDIENCE, "provider"),
    ("provider with a capital host", r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/OIDC.eks.eu-west-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B716D3041E"},"Action":"sts:AssumeRoleWithWebIdentity"}]}"#, SUBJECT, AUDIENCE, "allow"),
    ("provider with small letters in the id", r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/exampled539d4633e53de1b716d3041e"},"Action":"sts:AssumeRoleWithWebIdentity"}]}"#, SUBJECT, AUDIENCE, "provider"),
    ("provider with a pattern", r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/*"},"Action":"sts:AssumeRoleWithWebIdentity"}]}"#, SUBJECT, AUDIENCE, "provider"),
    ("the issuer's name for the ARN", r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"%I"},"Action":"sts:AssumeRoleWithWebIdentity"}]}"#, SUBJECT, AUDIENCE, "provider"),
    ("SAML provider", r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::111122223333:saml-provider/corp"},"Action":"sts:AssumeRoleWithWebIdentity"}]}"#, SUBJECT, AUDIENCE, "provider"),
    ("several providers", r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":["arn:aws:iam::111122223333:oidc-provider/x","%P"]},"Action":"sts:AssumeRoleWithWebIdentity"}]}"#, SUBJECT, AUDIENCE, "allow"),
    ("china partition", r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"arn:aws-cn:iam::111122223333:oidc-provider/%I"},"Action":"sts:AssumeRoleWithWebIdentity"}]}"#, SUBJECT, AUDIENCE, "provider"),
    ("only EC2", r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#, SUBJECT, AUDIENCE, "provider+action"),
    ("only Pod Identity", r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"pods.eks.amazonaws.com"},"Action":["sts:AssumeRole","sts:TagSession"]}]}"#, SUBJECT, AUDIENCE, "provider+action"),
    ("everybody", r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRoleWithWebIdentity"}]}"#, SUBJECT, AUDIENCE, "unknown"),
    ("every AWS principal", r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRoleWithWebIdentity"}]}"#, SUBJECT, AUDIENCE, "unknown"),
    ("every federated principal", r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"*"},"Action":"sts:AssumeRoleWithWebIdentity"}]}"#, SUBJECT, AUDIENCE, "unknown"),
    ("everybody, wrong subject", r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"%I:sub":"x"}}}]}"#, SUBJECT, AUDIENCE, "subject"),
    ("no principal", r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRoleWithWebIdentity"}]}"#, SUBJECT, AUDIENCE, "provider"),
    ("EC2 and the provider", r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"},{"Effect":"Allow","Principal":{"Federated":"%P"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"%I:sub":"system:serviceaccount:shop:api","%I:aud":"sts.amazonaws.com"}}}]}"#, SUBJECT, AUDIENCE, "allow"),
    ("two clusters, the second", r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/x"},"Action":"sts:AssumeRoleWithWebIdentity"},{"Effect":"Allow","Principal":{"Federated":"%P"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"%I:sub":"system:serviceaccount:shop:api","%I:aud":"sts.amazonaws.com"}}}]}"#, SUBJECT, AUDIENCE, "allow"),
    ("two statements, the nearer one tells", r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/x"},"Action":"sts:AssumeRoleWithWebIdentity"},{"Effect":"Allow","Principal":{"Federated":"%P"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"%I:sub":"system:serviceaccount:shop:api","%I:aud":"sts.amazonaws.com"}}}]}"#, "system:serviceaccount:dev:api", AUDIENCE, "subject"),
    ("another account's statement, and this one's with another audience", r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"%P"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"%I:sub":"system:serviceaccount:other:api","%I:aud":"sts.amazonaws.com"}}},{"Effect":"Allow","Principal":{"Federated":"%P"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"%I:sub":"system:serviceaccount:shop:api","%I:aud":"vault"}}}]}"#, SUBJECT, AUDIENCE, "audience"),
    ("one statement for each account", r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"%P"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"%I:sub":"system:serviceaccount:a:a"}}},{"Effect":"Allow","Principal":{"Federated":"%P"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"%I:sub":"system:serviceaccount:shop:api"}}}]}"#, SUBJECT, AUDIENCE, "allow"),
    ("denied", r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"%P"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"%I:sub":"system:serviceaccount:shop:api","%I:aud":"sts.amazonaws.com"}}},{"Effect":"Deny","Principal":{"Federated":"%P"},"Action":"sts:AssumeRoleWithWebIdentity"}]}"#, SUBJECT, AUDIENCE, "deny"),
    ("denied for another subject", r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"%P"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"%I:sub":"system:serviceaccount:shop:api","%I:aud":"sts.amazonaws.com"}}},{"Effect":"Deny","Principal":{"Federated":"%P"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"%I:sub":"x"}}}]}"#, SUBJECT, AUDIENCE, "allow"),
    ("denied unless this subject", r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"%P"},"Action":"sts:AssumeRoleWithWebIdentity"},{"Effect":"Deny","Principal":{"Federated":"%P"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringNotEquals":{"%I:sub":"system:serviceaccount:shop:api"}}}]}"#, SUBJECT, AUDIENCE, "allow"),
    ("denied unless another subject", r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"%P"},"Action":"sts:AssumeRoleWithWebIdentity"},{"Effect":"Deny","Principal":{"Federated":"%P"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringNotLike":{"%I:sub":"system:serviceaccount:dev:*"}}}]}"#, SUBJECT, AUDIENCE, "deny"),
    ("denied by an address", r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"%P"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"%I:sub":"system:serviceaccount:shop:api","%I:aud":"sts.amazonaws.com"}}},{"Effect":"Deny","Principal":{"Federated":"%P"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}]}"#, SUBJECT, AUDIENCE, "unknown"),
    ("denied by an address, and not allowed", r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"%P"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"%I:sub":"x"}}},{"Effect":"Deny","Principal":{"Federated":"%P"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}]}"#, SUBJECT, AUDIENCE, "subject"),
    ("denied before allowed", r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":{"Federated":"%P"},"Action":"sts:AssumeRoleWithWebIdentity"},{"Effect":"Allow","Principal":{"Federated":"%P"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"%I:sub":"system:serviceaccount:shop:api","%I:aud":"sts.amazonaws.com"}}}]}"#, SUBJECT, AUDIENCE, "deny"),
    ("denied to all but the provider", r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"%P"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"%I:sub":"system:serviceaccount:shop:api","%I:aud":"sts.amazonaws.com"}}},{"Effect":"Deny","NotPrincipal":{"Federated":"%P"},"Action":"sts:AssumeRoleWithWebIdentity"}]}"#, SUBJECT, AUDIENCE, "allow"),
    ("denied to all but another", r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"%P"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"%I:sub":"system:serviceaccount:shop:api","%I:aud":"sts.amazonaws.com"}}},{"Effect":"Deny","NotPrincipal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/x"},"Action":"sts:AssumeRoleWithWebIdentity"}]}"#, SUBJECT, AUDIENCE, "deny"),
    ("denied action of another kind", r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"%P"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"%I:sub":"system:serviceaccount:shop:api","%I:aud":"sts.amazonaws.com"}}},{"Effect":"Deny","Principal":{"Federated":"%P"},"Action":"sts:TagSession"}]}"#, SUBJECT, AUDIENCE, "allow"),
    ("only a denial", r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":{"Federated":"%P"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"%I:sub":"x"}}}]}"#, SUBJECT, AUDIENCE, "nothing"),
    ("no statement", r#"{"Version":"2012-10-17","Statement":[]}"#, SUBJECT, AUDIENCE, "nothing"),
    ("no Statement key", r#"{"Version":"2012-10-17"}"#, SUBJECT, AUDIENCE, "malformed"),
    ("no JSON", r#"{"#, SUBJECT, AUDIENCE, "malformed"),
    ("an effect in small letters", r#"{"Version":"2012-10-17","Statement":[{"Effect":"allow","Principal":{"Federated":"%P"},"Action":"sts:AssumeRoleWithWebIdentity"}]}"#, SUBJECT, AUDIENCE, "malformed"),
    ("old version takes variables as they stand", r#"{"Version":"2008-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"%P"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"%I:sub":"${aws:username}"}}}]}"#, SUBJECT, AUDIENCE, "subject"),
    ("old version has no escape", r#"{"Version":"2008-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"%P"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"%I:sub":"system:serviceaccount:shop:${*}"}}}]}"#, "system:serviceaccount:shop:*", AUDIENCE, "subject"),
    ("old version has no escape, in any case", r#"{"Version":"2008-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"%P"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEqualsIgnoreCase":{"%I:sub":"System:ServiceAccount:shop:${*}"}}}]}"#, "system:serviceaccount:shop:*", AUDIENCE, "subject"),
    ("old version takes a star as it stands", r#"{"Version":"2008-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"%P"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"%I:sub":"system:serviceaccount:shop:*"}}}]}"#, "system:serviceaccount:shop:*", AUDIENCE, "allow"),
    ("decided by one, open in another", r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"%P"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}},{"Effect":"Allow","Principal":{"Federated":"%P"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"%I:sub":"system:serviceaccount:shop:api","%I:aud":"sts.amazonaws.com"}}}]}"#, SUBJECT, AUDIENCE, "allow"),
];

#[test]
fn web_identities_are_judged_as_the_reference_says() {
    let mut faults = Vec::new();
    for (name, condition, subject, audience, expected) in CONDITIONS {
        let policy = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"Federated":"{PROVIDER}"}},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{}}}]}}"#,
            filled(condition)
        );
        let verdict = judge(&policy, &Request::web_identity(PROVIDER, ISSUER, subject, audience));
        if word(&verdict) != *expected {
            faults.push(format!("{name}: {verdict:?}, not {expected}"));
        }
    }
    for (name, policy, subject, audience, expected) in POLICIES {
        let verdict = judge(&filled(policy), &Request::web_identity(PROVIDER, ISSUER, subject, audience));
        if word(&verdict) != *expected {
            faults.push(format!("{name}: {verdict:?}, not {expected}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let rows = CONDITIONS.len() + POLICIES.len();
    assert!(rows >= 120, "only {rows} rows");
}

#[test]
fn pod_identity_needs_both_actions_of_its_service() {
    let arn = POD.cluster_arn;
    let service = r#""Principal":{"Service":"pods.eks.amazonaws.com"}"#;
    let policy = |rest: &str| format!(r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow",{rest}}}]}}"#);
    for (name, body, assume, tag) in [
        ("both", format!(r#"{service},"Action":["sts:AssumeRole","sts:TagSession"]"#), "allow", "allow"),
        ("without TagSession", format!(r#"{service},"Action":"sts:AssumeRole""#), "allow", "action"),
        ("star", format!(r#"{service},"Action":"sts:*""#), "allow", "allow"),
        ("web identity", format!(r#"{service},"Action":"sts:AssumeRoleWithWebIdentity""#), "action", "action"),
        ("EC2", r#""Principal":{"Service":"ec2.amazonaws.com"},"Action":["sts:AssumeRole","sts:TagSession"]"#.to_owned(), "provider", "provider"),
        ("EKS itself", r#""Principal":{"Service":"eks.amazonaws.com"},"Action":["sts:AssumeRole","sts:TagSession"]"#.to_owned(), "provider", "provider"),
        ("several services", r#""Principal":{"Service":["ec2.amazonaws.com","pods.eks.amazonaws.com"]},"Action":["sts:AssumeRole","sts:TagSession"]"#.to_owned(), "allow", "allow"),
        ("this cluster", format!(r#"{service},"Action":["sts:AssumeRole","sts:TagSession"],"Condition":{{"ArnEquals":{{"aws:SourceArn":"{arn}"}}}}"#), "allow", "allow"),
        ("another cluster", format!(r#"{service},"Action":["sts:AssumeRole","sts:TagSession"],"Condition":{{"StringEquals":{{"aws:SourceArn":"{arn}-2"}}}}"#), "condition", "condition"),
        ("this account", format!(r#"{service},"Action":["sts:AssumeRole","sts:TagSession"],"Condition":{{"StringEquals":{{"aws:SourceAccount":"111122223333"}}}}"#), "allow", "allow"),
        ("this namespace", format!(r#"{service},"Action":["sts:AssumeRole","sts:TagSession"],"Condition":{{"StringEquals":{{"aws:RequestTag/kubernetes-namespace":["shop"]}}}}"#), "allow", "allow"),
        ("another namespace", format!(r#"{service},"Action":["sts:AssumeRole","sts:TagSession"],"Condition":{{"StringEquals":{{"aws:RequestTag/kubernetes-namespace":"dev"}}}}"#), "condition", "condition"),
        ("a Pod's name", format!(r#"{service},"Action":["sts:AssumeRole","sts:TagSession"],"Condition":{{"StringLike":{{"aws:RequestTag/kubernetes-pod-name":"api-*"}}}}"#), "unknown", "unknown"),
    ] {
        let [one, two] = judge_pod_identity(&policy(&body), &POD);
        assert_eq!((word(&one).as_str(), word(&two).as_str()), (assume, tag), "{name}: {one:?} {two:?}");
    }
    let parts = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"pods.eks.amazonaws.com"},"Action":"sts:AssumeRole"},{"Effect":"Allow","Principal":{"Service":"pods.eks.amazonaws.com"},"Action":"sts:TagSession"}]}"#;
    assert!(judge_pod_identity(parts, &POD).iter().all(|verdict| verdict.ok() == Some(true)));
}

#[test]
fn roles_assume_roles() {
    let server = "arn:aws:iam::111122223333:role/platform/kiam-server";
    let policy = |principal: &str, condition: &str| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{principal},"Action":"sts:AssumeRole"{condition}}}]}}"#
        )
    };
    let external = r#","Condition":{"StringEquals":{"sts:ExternalId":"abc"}}"#;
    for (name, principal, condition, id, expected) in [
        ("the role", format!(r#"{{"AWS":"{server}"}}"#), "", None, "allow"),
        ("its account", r#"{"AWS":"111122223333"}"#.to_owned(), "", None, "allow"),
        ("its account's root", r#"{"AWS":"arn:aws:iam::111122223333:root"}"#.to_owned(), "", None, "allow"),
        ("another account's root", r#"{"AWS":"arn:aws:iam::999988887777:root"}"#.to_owned(), "", None, "provider"),
        (
            "without its path",
            r#"{"AWS":"arn:aws:iam::111122223333:role/kiam-server"}"#.to_owned(),
            "",
            None,
            "provider",
        ),
        ("another role", r#"{"AWS":"arn:aws:iam::111122223333:role/nodes"}"#.to_owned(), "", None, "provider"),
        ("a deleted one", r#"{"AWS":"AROAEXAMPLE"}"#.to_owned(), "", None, "provider"),
        (
            "a session of it, and which one asks is not known",
            r#"{"AWS":"arn:aws:sts::111122223333:assumed-role/kiam-server/kiam"}"#.to_owned(),
            "",
            None,
            "unknown",
        ),
        ("everybody", r#""*""#.to_owned(), "", None, "allow"),
        ("a pattern", r#"{"AWS":"arn:aws:iam::111122223333:role/platform/*"}"#.to_owned(), "", None, "provider"),
        ("external id given", format!(r#"{{"AWS":"{server}"}}"#), external, Some("abc"), "allow"),
        ("external id wrong", format!(r#"{{"AWS":"{server}"}}"#), external, Some("xyz"), "condition"),
        ("external id not given", format!(r#"{{"AWS":"{server}"}}"#), external, None, "condition"),
        (
            "by PrincipalArn",
            r#"{"AWS":"*"}"#.to_owned(),
            r#","Condition":{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/platform/*"}}"#,
            None,
            "allow",
        ),
        (
            "by organisation",
            r#"{"AWS":"*"}"#.to_owned(),
            r#","Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-1"}}"#,
            None,
            "unknown",
        ),
    ] {
        let verdict = judge_role(&policy(&principal, condition), &Assuming::plain(server, id));
        assert_eq!(word(&verdict), expected, "{name}: {verdict:?}");
    }
    // A node's session is named like its instance: the ARN of a session is that one alone.
    let node = "arn:aws:iam::111122223333:role/nodes";
    for (named, session, expected) in [
        ("arn:aws:sts::111122223333:assumed-role/nodes/i-0aaa", Some("i-0aaa"), "allow"),
        ("arn:aws:sts::111122223333:assumed-role/nodes/i-0fff", Some("i-0aaa"), "provider"),
        ("arn:aws:sts::999988887777:assumed-role/nodes/i-0aaa", Some("i-0aaa"), "provider"),
        ("arn:aws:sts::111122223333:assumed-role/nodes/i-0aaa", None, "unknown"),
    ] {
        let policy = policy(&format!(r#"{{"AWS":"{named}"}}"#), "");
        let verdict = judge_role(&policy, &Assuming { session, ..Assuming::plain(node, None) });
        assert_eq!(word(&verdict), expected, "{named} for {session:?}: {verdict:?}");
    }
    // Session tags go along to the next role, and it must allow them; by what EKS gives as external id it may depend.
    let both = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"%R"},"Action":["sts:AssumeRole","sts:TagSession"]}]}"#;
    let both = both.replace("%R", server);
    let one = policy(&format!(r#"{{"AWS":"{server}"}}"#), "");
    let by_id = policy(&format!(r#"{{"AWS":"{server}"}}"#), external);
    let tagged = Assuming { tags: true, ..Assuming::plain(server, None) };
    let unknown_id = Assuming { external_id: Known::Unknown, ..Assuming::plain(server, None) };
    for (policy, asking, expected) in [
        (&both, &tagged, "allow"),
        (&one, &tagged, "action"),
        (&one, &Assuming::plain(server, None), "allow"),
        (&by_id, &unknown_id, "unknown"),
    ] {
        assert_eq!(word(&judge_role(policy, asking)), expected, "{policy} for {asking:?}");
    }
}

/// What a fix says must itself be accepted, and what stood there for others must stay.
#[test]
fn the_policies_of_fixes_are_accepted() {
    let today = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
    for (name, policy, ..) in POLICIES {
        let old = filled(policy);
        let fixed = irsa_policy(Some(&old), PROVIDER, ISSUER, SUBJECT, AUDIENCE);
        let verdict = judge(&fixed, &Request::web_identity(PROVIDER, ISSUER, SUBJECT, AUDIENCE));
        // Somebody's denial stays; nothing here removes one. Nor is what is no policy mended.
        let denies = old.contains("Deny")
            || matches!(
                judge(&old, &Request::web_identity(PROVIDER, ISSUER, SUBJECT, AUDIENCE)),
                Verdict::Malformed(_)
            );
        assert!(denies || verdict.ok() == Some(true), "{name}: {verdict:?}\n{fixed}");
    }
    let fixed = irsa_policy(Some(today), PROVIDER, ISSUER, SUBJECT, AUDIENCE);
    assert!(fixed.contains("ec2.amazonaws.com"), "{fixed}");
    // Another service account's way in stays open, and so does another cluster's.
    let others = filled(POLICIES[0].1).replace("shop:api", "dev:api");
    let fixed = irsa_policy(Some(&others), PROVIDER, ISSUER, SUBJECT, AUDIENCE);
    for subject in [SUBJECT, "system:serviceaccount:dev:api"] {
        let verdict = judge(&fixed, &Request::web_identity(PROVIDER, ISSUER, subject, AUDIENCE));
        assert_eq!(verdict.ok(), Some(true), "{subject}: {fixed}");
    }
    let fixed = pod_identity_policy(Some(today), &POD).expect("a policy");
    assert!(fixed.contains("ec2.amazonaws.com"), "{fixed}");
    assert!(judge_pod_identity(&fixed, &POD).iter().all(|verdict| verdict.ok() == Some(true)), "{fixed}");
    let server = Assuming::plain("arn:aws:iam::111122223333:role/kiam-server", Some("abc"));
    let fixed = role_policy(None, &server).expect("a policy");
    assert_eq!(judge_role(&fixed, &server).ok(), Some(true), "{fixed}");
}

/// Who came in by the policy of before comes in by the fix, and of those who did not only the one whom it is for.
#[test]
fn a_fix_for_a_web_identity_opens_to_nobody_else_and_shuts_nobody_out() {
    let other = PROVIDER.replace("EXAMPLED539D4633E53DE1B716D3041E", "OTHER");
    let other_issuer = ISSUER.replace("EXAMPLED539D4633E53DE1B716D3041E", "OTHER");
    let subjects = [SUBJECT, "system:serviceaccount:shop:worker", "system:serviceaccount:dev:api"];
    let audiences = [AUDIENCE, "vault", "x"];
    let statement = |rest: &str| {
        filled(
            &format!(r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow",{rest}}}]}}"#)
                .replace("%O", &other)
                .replace("%J", &other_issuer),
        )
    };
    let web = r#""Principal":{"Federated":"%P"},"Action":"sts:AssumeRoleWithWebIdentity""#;
    let mut policies: Vec<(String, String, &[&str])> = Vec::new();
    for (name, condition, ..) in CONDITIONS.iter().filter(|row| !row.1.starts_with('"')) {
        policies.push(((*name).to_owned(), statement(&format!(r#"{web},"Condition":{condition}"#)), &[]));
    }
    policies.extend(POLICIES.iter().map(|row| (row.0.to_owned(), filled(row.1), &[][..])));
    // What the owner wrote in a statement stays in it.
    for (name, rest, stays) in [
        (
            "two providers in one statement",
            r#""Principal":{"Federated":["%P","%O"]},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEqualsIfExists":{"%I:sub":"system:serviceaccount:shop:api","%I:aud":"vault"}}"#,
            &["OTHER", "vault"][..],
        ),
        (
            "another action and a name of its own",
            r#""Sid":"Irsa","Principal":{"Federated":"%P"},"Action":["sts:AssumeRoleWithWebIdentity","sts:TagSession"],"Condition":{"StringEquals":{"%I:sub":"system:serviceaccount:shop:api","%I:aud":"vault"}}"#,
            &["Irsa", "sts:TagSession", "vault"],
        ),
        (
            "the same account of another cluster",
            r#""Principal":{"Federated":"%O"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"%J:sub":"system:serviceaccount:shop:api","%J:aud":"sts.amazonaws.com"}}"#,
            &["OTHER"],
        ),
        (
            "all but this account",
            r#""Principal":{"Federated":"%P"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringNotEquals":{"%I:sub":"system:serviceaccount:shop:api"}}"#,
            &["StringNotEquals"],
        ),
        (
            "an external id that a role beside it gives",
            r#""Principal":{"Federated":"%P","AWS":"arn:aws:iam::111122223333:role/ci"},"Action":["sts:AssumeRole","sts:AssumeRoleWithWebIdentity"],"Condition":{"StringEqualsIfExists":{"%I:sub":"system:serviceaccount:shop:api"},"StringEquals":{"sts:ExternalId":"abc"}}"#,
            &["sts:ExternalId"],
        ),
    ] {
        policies.push((name.to_owned(), statement(rest), stays));
    }
    for (name, today, stays) in &policies {
        let fixed = irsa_policy(Some(today), PROVIDER, ISSUER, SUBJECT, AUDIENCE);
        assert!(stays.iter().all(|text| fixed.contains(text)), "{name}: {fixed}");
        if matches!(judge(today, &Request::web_identity(PROVIDER, ISSUER, SUBJECT, AUDIENCE)), Verdict::Malformed(_)) {
            continue;
        }
        for (provider, issuer) in [(PROVIDER, ISSUER), (other.as_str(), other_issuer.as_str())] {
            for (subject, audience) in subjects.iter().flat_map(|one| audiences.map(|two| (*one, two))) {
                let request = Request::web_identity(provider, issuer, subject, audience);
                let (before, after) = (judge(today, &request), judge(&fixed, &request));
                let meant = (provider, subject, audience) == (PROVIDER, SUBJECT, AUDIENCE);
                let said = format!("{name}: {subject} {audience} of {provider}: {before:?}, then {after:?}\n{fixed}");
                assert!(meant || before.ok() == after.ok(), "{said}");
                assert!(!meant || before.ok() != Some(true) || after.ok() == Some(true), "{said}");
            }
        }
    }
}

const POD: PodIdentity<'static> = PodIdentity {
    cluster_arn: "arn:aws:eks:eu-west-1:111122223333:cluster/prod",
    cluster: "prod",
    namespace: "shop",
    account: "api",
    tags: true,
};

/// The same of Pod Identity: what the owner asks for stays asked for, and where it can never be had there is no fix.
#[test]
fn a_fix_for_pod_identity_keeps_what_its_owner_asks_for() {
    let policy = |rest: &str| format!(r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow",{rest}}}]}}"#);
    let pods = r#""Principal":{"Service":"pods.eks.amazonaws.com"},"Action":["sts:AssumeRole","sts:TagSession"]"#;
    let asked = |namespace, account| PodIdentity { namespace, account, ..POD };
    let others = [asked("other", "api"), asked("other", "web"), asked("shop", "web"), asked("dev", "x")];
    let other_cluster =
        PodIdentity { cluster_arn: "arn:aws:eks:eu-west-1:111122223333:cluster/test", cluster: "test", ..POD };
    for (name, rest, statements) in [
        ("another namespace", format!(r#"{pods},"Condition":{{"StringEquals":{{"aws:RequestTag/kubernetes-namespace":["other"],"aws:RequestTag/kubernetes-service-account":"api"}}}}"#), 1),
        // A value more in each list would let shop/web and other/api in as well.
        ("another namespace and account", format!(r#"{pods},"Condition":{{"StringEquals":{{"aws:RequestTag/kubernetes-namespace":"other","aws:RequestTag/kubernetes-service-account":"web"}}}}"#), 2),
        ("another cluster", format!(r#""Sid":"Pods",{pods},"Condition":{{"ArnLike":{{"aws:SourceArn":"arn:aws:eks:eu-west-1:111122223333:cluster/stage"}},"StringEquals":{{"aws:RequestTag/kubernetes-namespace":"shop","aws:RequestTag/kubernetes-service-account":"api"}}}}"#), 1),
        ("TagSession missing under a condition", r#""Principal":{"Service":"pods.eks.amazonaws.com"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"aws:RequestTag/kubernetes-namespace":"shop","aws:RequestTag/kubernetes-service-account":"api"}}"#.to_owned(), 1),
        ("another service beside it", r#""Principal":{"Service":["pods.eks.amazonaws.com","ec2.amazonaws.com"]},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"aws:RequestTag/kubernetes-namespace":"shop","aws:RequestTag/kubernetes-service-account":"api"}}"#.to_owned(), 2),
    ] {
        let today = policy(&rest);
        let fixed = pod_identity_policy(Some(&today), &POD).expect(name);
        assert!(judge_pod_identity(&fixed, &POD).iter().all(|one| one.ok() == Some(true)), "{name}: {fixed}");
        // Where the owner names no cluster, the same account of another one is as good as ours.
        let clusters = today.contains("SourceArn").then_some(&other_cluster);
        for other in others.iter().chain(clusters) {
            let (before, after) = (judge_pod_identity(&today, other), judge_pod_identity(&fixed, other));
            assert_eq!(before[0].ok(), after[0].ok(), "{name}: {other:?}: {fixed}");
        }
        let parsed: Value = serde_json::from_str(&fixed).expect("JSON");
        assert_eq!(parsed["Statement"].as_array().map(Vec::len), Some(statements), "{name}: {fixed}");
        assert_eq!(fixed.contains("Pods"), today.contains("Pods"), "{name}: {fixed}");
        let service = Request { action: "sts:TagSession", principal: Principal::Service("ec2.amazonaws.com"), context: BTreeMap::new() };
        assert_ne!(judge(&fixed, &service).ok(), Some(true), "{name}: {fixed}");
    }
    // The account of the request is what the owner narrows to: it is named beside the one there is.
    let account = policy(&format!(r#"{pods},"Condition":{{"StringEquals":{{"aws:SourceAccount":"999988887777"}}}}"#));
    let fixed = pod_identity_policy(Some(&account), &POD).expect("a policy");
    assert!(fixed.contains("999988887777") && fixed.contains("111122223333"), "{fixed}");
    // Without session tags no condition on them holds, and this one is left out by name.
    let off = PodIdentity { tags: false, ..POD };
    let tagged =
        policy(&format!(r#"{pods},"Condition":{{"StringEquals":{{"aws:RequestTag/kubernetes-namespace":"shop"}}}}"#));
    assert_eq!(pod_identity_policy(Some(&tagged), &off), None);
    let except = policy(&format!(
        r#"{pods},"Condition":{{"StringNotEquals":{{"aws:RequestTag/kubernetes-namespace":"shop"}}}}"#
    ));
    assert_eq!(pod_identity_policy(Some(&except), &POD), None);
}

#[test]
fn a_fix_for_a_role_keeps_the_external_id() {
    let role = "arn:aws:iam::111122223333:role/kiam-server";
    let today = |principal: &str, id: &str| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"{principal}"}},"Action":"sts:AssumeRole","Condition":{{"StringEquals":{{"sts:ExternalId":"{id}"}}}}}}]}}"#
        )
    };
    // Who gives none is not let in round it; who gives another one has that beside the first, or a statement of its own.
    assert_eq!(role_policy(Some(&today(role, "abc")), &Assuming::plain(role, None)), None);
    assert_eq!(role_policy(Some(&today("111122223333", "abc")), &Assuming::plain(role, None)), None);
    for (principal, statements) in [(role, 1), ("111122223333", 2), ("arn:aws:iam::111122223333:role/other", 2)] {
        let asking = Assuming { tags: true, ..Assuming::plain(role, Some("xyz")) };
        let fixed = role_policy(Some(&today(principal, "abc")), &asking).expect("a policy");
        assert_eq!(judge_role(&fixed, &asking).ok(), Some(true), "{fixed}");
        assert_eq!(judge_role(&fixed, &Assuming::plain(role, None)).ok(), Some(false), "{fixed}");
        let other = Assuming::plain("arn:aws:iam::111122223333:role/third", Some("xyz"));
        assert_eq!(judge_role(&fixed, &other).ok(), Some(false), "{fixed}");
        let parsed: Value = serde_json::from_str(&fixed).expect("JSON");
        assert_eq!(parsed["Statement"].as_array().map(Vec::len), Some(statements), "{fixed}");
    }
}

/// What no request of a web identity has (an external id, keys with a scheme) is not asked for again.
#[test]
fn a_condition_that_can_never_hold_is_not_in_the_fix() {
    let request = Request::web_identity(PROVIDER, ISSUER, SUBJECT, AUDIENCE);
    for (condition, respect, seen, stays) in [
        (r#"{"StringEquals":{"%I:sub":"%S","%I:aud":"%A","sts:ExternalId":"abc"}}"#, Respect::Condition, "absent", ""),
        (r#"{"StringEquals":{"%I:sub":"%S","aws:PrincipalOrgID":"o-1"}}"#, Respect::Condition, "absent", ""),
        (r#"{"StringEquals":{"https://%I:sub":"%S"}}"#, Respect::Provider, "%I:sub", ""),
        (
            r#"{"StringEquals":{"%I:sub":"%S","sts:ExternalId":"abc"},"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}}"#,
            Respect::Condition,
            "absent",
            "aws:SourceIp",
        ),
    ] {
        let condition = filled(&condition.replace("%S", SUBJECT).replace("%A", AUDIENCE));
        let today = format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{{"Federated":"{PROVIDER}"}},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{condition}}}}}"#
        );
        let Verdict::NotAllowed(misses) = judge(&today, &request) else { panic!("{condition}") };
        let told: Vec<(Respect, &str)> = misses.iter().map(|miss| (miss.respect, miss.seen.as_str())).collect();
        assert_eq!(told, [(respect, filled(seen).as_str())], "{condition}");
        let fixed = irsa_policy(Some(&today), PROVIDER, ISSUER, SUBJECT, AUDIENCE);
        let verdict = judge(&fixed, &request);
        assert_ne!(verdict.ok(), Some(false), "{condition}: {fixed}");
        assert!(!fixed.contains("ExternalId") && !fixed.contains("OrgID") && !fixed.contains("https://"), "{fixed}");
        assert!(fixed.contains(stays), "{condition}: {fixed}");
        assert_eq!(fixed.matches(SUBJECT).count(), 1, "{condition}: {fixed}");
    }
}

#[test]
fn odd_and_huge_policies_are_judged_at_once() {
    let request = Request::web_identity(PROVIDER, ISSUER, SUBJECT, AUDIENCE);
    let stars = "*a".repeat(2_000);
    let policy = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"Federated":"{PROVIDER}"}},"Action":"sts:*","Condition":{{"StringLike":{{"{ISSUER}:sub":"{stars}"}}}}}}]}}"#
    );
    assert_eq!(word(&judge(&policy, &request)), "subject");
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(word(&judge(&deep, &request)), "malformed");
    for odd in [
        "null",
        "[]",
        "{}",
        r#"{"Statement":7}"#,
        r#"{"Statement":[7]}"#,
        r#"{"Statement":[{"Effect":"Allow","Principal":7,"Action":{}}]}"#,
    ] {
        assert_ne!(word(&judge(odd, &request)), "allow", "{odd}");
    }
    assert_eq!(
        issuer_name("https://OIDC.eks.eu-west-1.amazonaws.com/id/ABC/"),
        "oidc.eks.eu-west-1.amazonaws.com/id/ABC"
    );
}
