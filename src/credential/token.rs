//! Bearer tokens: what kind it is, what it says, and what is wrong with its form.
//!
//! Problems of the parts `header` and `signature` are worded as go-jose words them, because kube-apiserver repeats
//! them; the judge in `apiserver::authn` relies on that. A problem of `payload` means that no JWT authenticator looks
//! at the token, except `json: duplicate key ...`, which only service account tokens are refused for.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::base64url::{self, Alphabet};
use super::{json as go_json, signature};
use crate::evidence::credential::{TokenFacts, TokenKind, TokenProblem};
use crate::gotext;

/// What an EKS IAM token begins with.
const EKS_PREFIX: &str = "k8s-aws-v1.";

/// aws-iam-authenticator refuses longer tokens.
const EKS_LONGEST: usize = 4096;

/// An EKS IAM token lives this long after its X-Amz-Date, whatever X-Amz-Expires says (aws-iam-authenticator's rule).
const EKS_LIFE: SignedDuration = SignedDuration::from_mins(15);

/// Parses a bearer token as it would be sent. Never fails: what cannot be read is an opaque token or has problems.
pub fn parse(token: &str) -> TokenFacts {
    let mut facts = TokenFacts { length: token.len(), ..TokenFacts::default() };
    let core = unwrap(token, &mut facts.problems);
    if core.is_empty() {
        facts.problems.push(problem("token", "it is empty", None));
        return facts;
    }
    if is_utf_16(core) {
        let detail = format!("{}, as Windows PowerShell writes files: every second byte is NUL", TokenProblem::UTF_16);
        facts.problems.push(problem("token", detail, Some(0)));
        return facts;
    }
    inside(core, &mut facts.problems);
    if let Some(encoded) = core.strip_prefix(EKS_PREFIX) {
        eks_iam(core, encoded, &mut facts);
    } else if let Some(id) = bootstrap_id(core) {
        facts.kind = TokenKind::Bootstrap;
        // The id is the public half: it names the Secret bootstrap-token-ID.
        facts.claims = Some(json!({ "tokenId": id }));
    } else {
        jose(core, &mut facts);
    }
    if facts.kind == TokenKind::Opaque && facts.problems.is_empty() && hides_jwt(core) {
        facts.problems.push(problem(
            "token",
            "it is the base64 of a JWT, as the data of a Secret are written, and not the JWT",
            None,
        ));
    }
    facts
}

/// UTF-16 that was read byte by byte.
fn is_utf_16(text: &str) -> bool {
    let nuls = text.bytes().filter(|byte| *byte == 0).count();
    let letters = text.trim_start_matches('\u{fffd}').chars().count();
    nuls > 8 && nuls.abs_diff(letters - nuls) <= 2
}

/// Decoded once more it would be a JWT.
fn hides_jwt(text: &str) -> bool {
    let decoded = base64url::decode(text.as_bytes(), Alphabet::StandardPadded);
    decoded.is_ok_and(|bytes| {
        let inner = String::from_utf8_lossy(&bytes);
        inner.starts_with("eyJ") && inner.trim_end().split('.').count() == 3
    })
}

fn problem(part: &str, detail: impl Into<String>, offset: Option<usize>) -> TokenProblem {
    TokenProblem { part: part.to_owned(), detail: detail.into(), offset }
}

/// Takes off what is often pasted or read around a token, and says so.
fn unwrap<'a>(token: &'a str, problems: &mut Vec<TokenProblem>) -> &'a str {
    let mut core = token.trim_start_matches('\u{feff}');
    if core.len() < token.len() {
        problems.push(problem("token", "begins with a byte order mark", Some(0)));
    }
    let trimmed = core.trim();
    if trimmed.len() < core.len() {
        let offset = if core.starts_with(char::is_whitespace) { 0 } else { core.trim_end().len() };
        let what = if core.trim_matches([' ', '\t']).len() > trimmed.len() { "a line break" } else { "white space" };
        problems.push(problem("token", format!("{} {what}", TokenProblem::WHITE_SPACE_AROUND), Some(offset)));
        core = trimmed;
    }
    for _ in 0..3 {
        let before = core;
        let lower = core.get(..14).unwrap_or(core).to_ascii_lowercase();
        if lower.starts_with("authorization:") {
            let detail = format!("{} \"Authorization:\"", TokenProblem::HEADER_NAME);
            problems.push(problem("token", detail, Some(0)));
            core = core[14..].trim_start();
        } else if lower.starts_with("bearer ") || lower.starts_with("bearer\t") {
            problems.push(problem("token", format!("{} \"Bearer\"", TokenProblem::SCHEME), Some(0)));
            core = core[7..].trim_start();
        } else if core.len() >= 2
            && (core.starts_with('"') && core.ends_with('"') || core.starts_with('\'') && core.ends_with('\''))
        {
            problems.push(problem("token", "stands in quotes", Some(0)));
            core = core[1..core.len() - 1].trim();
        }
        if core == before {
            break;
        }
    }
    core
}

/// What may not stand inside a token.
fn inside(core: &str, problems: &mut Vec<TokenProblem>) {
    if let Some(offset) = core.find(['\r', '\n']) {
        let detail = format!(
            "{}: a line break, which no HTTP client can send in the Authorization header",
            TokenProblem::WHITE_SPACE_INSIDE
        );
        problems.push(problem("token", detail, Some(offset)));
    } else if let Some(offset) = core.find(char::is_whitespace) {
        let detail = format!("{}: the API server reads only up to it", TokenProblem::WHITE_SPACE_INSIDE);
        problems.push(problem("token", detail, Some(offset)));
    }
    let control = |c: &char| c.is_ascii_control() && !matches!(c, '\r' | '\n' | '\t');
    if let Some((offset, c)) = core.char_indices().find(|(_, c)| control(c)) {
        let detail = format!(
            "{} \\x{:02x}, which no HTTP client can send in the Authorization header",
            TokenProblem::CONTROL,
            u32::from(c)
        );
        problems.push(problem("token", detail, Some(offset)));
    } else if let Some(offset) = core.find(|c: char| !c.is_ascii()) {
        problems.push(problem("token", "holds a character that is not printable ASCII", Some(offset)));
    }
    if core.ends_with("...") || core.contains('…') {
        problems.push(problem(
            "token",
            "looks cut off: it holds an ellipsis",
            core.find("...").or_else(|| core.find('…')),
        ));
    }
}

/// `^[a-z0-9]{6}\.[a-z0-9]{16}$`
fn bootstrap_id(core: &str) -> Option<&str> {
    let (id, secret) = core.split_once('.')?;
    let fits = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    (fits(id, 6) && fits(secret, 16)).then_some(id)
}

/// JWT, JWE or something else.
fn jose(core: &str, facts: &mut TokenFacts) {
    let parts: Vec<&str> = core.splitn(6, '.').collect();
    let header_text = strip_white_space(parts[0]);
    let header_bytes = base64url::decode(header_text.as_bytes(), Alphabet::UrlUnpadded);
    let header = header_bytes.as_ref().ok().map(|bytes| go_json::parse(bytes));
    let header_object = matches!(&header, Some(Ok(parsed)) if parsed.value.is_object());
    if parts.len() == 5 && matches!(&header, Some(Ok(parsed)) if parsed.value.get("enc").is_some()) {
        facts.kind = TokenKind::Jwe;
        facts.header = header.and_then(Result::ok).map(|parsed| without_private_key(parsed.value));
        return;
    }
    // `eyJ` is `{"` in base64: somebody meant a JWT, whatever became of it.
    let meant = header_object || core.starts_with("eyJ");
    if parts.len() != 3 && !meant {
        if parts.len() == 1 && (core.starts_with('{') || core.starts_with('<')) {
            facts.problems.push(problem("token", "this is JSON or HTML, not a token", Some(0)));
        }
        return;
    }
    let payload = parts.get(1).map(|part| read_payload(part));
    let claims_object = matches!(&payload, Some((Some(parsed), _)) if parsed.value.is_object());
    if !meant && !claims_object {
        return;
    }
    facts.kind = TokenKind::Jwt;
    if parts.len() != 3 {
        let count = core.split('.').count();
        let cut = if count < 3 { " (cut off?)" } else { "" };
        let detail = format!("{} {count}{cut}", TokenProblem::NOT_THREE_PARTS);
        facts.problems.push(problem("token", detail, None));
    }
    if core.starts_with('{') {
        facts.problems.push(problem("token", TokenProblem::BEGINS_WITH_BRACE, Some(0)));
    }
    // go-jose's order: all three parts as base64, then the header as JSON.
    if let Err(offset) = &header_bytes {
        facts.problems.push(problem("header", base64url::error_text(*offset), Some(*offset)));
    }
    if let Some((parsed, fault)) = payload {
        facts.problems.extend(fault);
        facts.repeated = parsed.as_ref().map(repeated).unwrap_or_default();
        facts.claims = parsed.map(|parsed| without_access_tokens(parsed.value));
    }
    if let Some(part) = parts.get(2).filter(|_| parts.len() == 3) {
        read_signature(part, &header, facts);
    }
    match header {
        Some(Ok(parsed)) => {
            facts.problems.extend(header_problem(&parsed).map(|detail| problem("header", detail, None)));
            facts.header = Some(without_private_key(parsed.value));
        }
        // An empty header is an empty object to go-jose.
        Some(Err(_)) if header_text.is_empty() => facts.header = Some(json!({})),
        Some(Err(fault)) => facts.problems.push(problem("header", fault.text, Some(fault.offset))),
        None => {}
    }
    let claims = facts.claims.as_ref().and_then(Value::as_object);
    if claims.is_some_and(|claims| {
        claims.contains_key("kubernetes.io")
            || claims.get("iss").and_then(Value::as_str) == Some("kubernetes/serviceaccount")
    }) {
        facts.kind = TokenKind::ServiceAccount;
    }
}

/// Members of the outermost object that come again further on.
fn repeated(parsed: &go_json::Parsed) -> Vec<(String, Value)> {
    let members = parsed.members.iter().enumerate();
    members
        .filter(|(index, (name, _))| parsed.members[index + 1..].iter().any(|(later, _)| later == name))
        .filter_map(|(_, (name, raw))| {
            let mut object = Map::new();
            object.insert(name.clone(), serde_json::from_str(raw).ok()?);
            without_access_tokens(Value::Object(object)).get(name).map(|value| (name.clone(), value.clone()))
        })
        .collect()
}

/// The payload as far as it can be read, and why an authenticator would not read it.
fn read_payload(part: &str) -> (Option<go_json::Parsed>, Option<TokenProblem>) {
    let (bytes, mut fault) = match base64url::decode(part.as_bytes(), Alphabet::UrlUnpadded) {
        Ok(bytes) => (bytes, None),
        Err(offset) => {
            let fault = problem("payload", base64url::error_text(offset), Some(offset));
            // For the reader's eyes padding and blanks are forgiven, and a cut payload has its odd end taken off.
            let mut lenient = strip_white_space(part.trim_end_matches('='));
            if lenient.len() % 4 == 1 {
                lenient.pop();
            }
            let Ok(bytes) = base64url::decode(lenient.as_bytes(), Alphabet::UrlUnpadded) else {
                return (None, Some(fault));
            };
            (bytes, Some(fault))
        }
    };
    match go_json::parse(&bytes) {
        Ok(parsed) => {
            if fault.is_none() {
                fault = parsed
                    .duplicate_at(0)
                    .map(|name| problem("payload", format!("json: duplicate key '{name}' in object"), None));
            }
            if !parsed.value.is_object() && fault.is_none() {
                let detail = format!("the claims are not an object but {}", gotext::kind(&parsed.value));
                fault = Some(problem("payload", detail, None));
            }
            (Some(parsed), fault)
        }
        Err(wrong) => (None, fault.or_else(|| Some(problem("payload", wrong.text, Some(wrong.offset))))),
    }
}

fn read_signature(part: &str, header: &Option<Result<go_json::Parsed, go_json::Fault>>, facts: &mut TokenFacts) {
    let text = strip_white_space(part);
    match base64url::decode(text.as_bytes(), Alphabet::UrlUnpadded) {
        Err(offset) => facts.problems.push(problem("signature", base64url::error_text(offset), Some(offset))),
        Ok(signature) => {
            let algorithm = match header {
                Some(Ok(parsed)) => parsed.value.get("alg").and_then(Value::as_str).unwrap_or_default(),
                _ => "",
            };
            let wanted = match algorithm {
                "ES256" => 64,
                "ES384" => 96,
                "ES512" => 132,
                _ if algorithm.starts_with("RS") || algorithm.starts_with("PS") => 128,
                _ => 0,
            };
            if signature.is_empty() && wanted > 0 {
                facts.problems.push(problem("token", "the signature is missing (cut off?)", None));
            } else if signature.len() < wanted {
                let detail = format!("the signature is too short for {algorithm} (cut off?)");
                facts.problems.push(problem("token", detail, None));
            }
        }
    }
}

/// What go-jose's parser finds wrong with a header, in its words.
fn header_problem(parsed: &go_json::Parsed) -> Option<String> {
    if let Some(name) = parsed.duplicate_at(0) {
        return Some(format!("json: duplicate key '{name}' in object"));
    }
    let Some(header) = parsed.value.as_object() else {
        return (!parsed.value.is_null()).then(|| {
            format!("json: cannot unmarshal {} into Go value of type jose.rawHeader", gotext::kind(&parsed.value))
        });
    };
    for (name, raw) in &parsed.members {
        let Some(value) = header.get(name).filter(|value| !value.is_null()) else { continue };
        let raw = gotext::quote(raw);
        let not_string = || {
            let kind = gotext::kind(value);
            (!value.is_string()).then(|| format!("json: cannot unmarshal {kind} into Go value of type string: {raw}"))
        };
        let wrong = match name.as_str() {
            "jwk" => match signature::parse_key(value) {
                Err(text) => Some(format!("failed to unmarshal JWK: {text}: {raw}")),
                Ok(_) => None,
            },
            "kid" => not_string().map(|text| format!("failed to unmarshal key ID: {text}")),
            "alg" => not_string().map(|text| format!("failed to unmarshal algorithm: {text}")),
            "nonce" => not_string().map(|text| format!("failed to unmarshal nonce: {text}")),
            "x5c" => signature::certificate_chain_error(value)
                .map(|text| format!("failed to unmarshal x5c header: {text}: {raw}")),
            _ => None,
        };
        if wrong.is_some() {
            return wrong;
        }
    }
    if let Some(Ok(key)) = header.get("jwk").filter(|value| !value.is_null()).map(signature::parse_key)
        && !key.is_public()
    {
        return Some("go-jose/go-jose: invalid embedded jwk, must be public key".to_owned());
    }
    None
}

/// Distributed claims may carry an access token for their endpoint: claims are shown and stored, that must not be.
fn without_access_tokens(mut claims: Value) -> Value {
    if let Some(sources) = claims.get_mut("_claim_sources").and_then(Value::as_object_mut) {
        for source in sources.values_mut().filter_map(Value::as_object_mut) {
            for name in ["access_token", "JWT"] {
                if let Some(secret) = source.get_mut(name).filter(|secret| secret.is_string()) {
                    *secret = Value::String(crate::secret::REDACTED.to_owned());
                }
            }
        }
    }
    claims
}

/// A key in the header that is more than a public one.
fn without_private_key(mut header: Value) -> Value {
    if let Some(key) = header.get_mut("jwk").and_then(Value::as_object_mut) {
        for name in ["k", "d", "p", "q", "dp", "dq", "qi", "oth"] {
            if let Some(secret) = key.get_mut(name) {
                *secret = Value::String(crate::secret::REDACTED.to_owned());
            }
        }
    }
    header
}

fn strip_white_space(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

/// `k8s-aws-v1.`: a presigned STS URL in base64. Only what is no secret is kept.
fn eks_iam(core: &str, encoded: &str, facts: &mut TokenFacts) {
    facts.kind = TokenKind::EksIam;
    let mut wrong = |detail: String, offset: Option<usize>| facts.problems.push(problem("payload", detail, offset));
    if core.len() > EKS_LONGEST {
        let (what, length) = (TokenProblem::IAM_TOO_LARGE, core.len());
        wrong(format!("{what}: {length} bytes, at most {EKS_LONGEST} are taken"), None);
    }
    let text = match base64url::decode(encoded.as_bytes(), Alphabet::UrlUnpadded) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(offset) => {
            wrong(base64url::error_text(offset), Some(offset));
            let mut lenient = strip_white_space(encoded.trim_end_matches('='));
            if lenient.len() % 4 == 1 {
                lenient.pop();
            }
            match base64url::decode(lenient.as_bytes(), Alphabet::UrlUnpadded) {
                Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                Err(_) => return,
            }
        }
    };
    let Ok(url) = url::Url::parse(&text) else {
        wrong("it does not hold a URL".to_owned(), None);
        return;
    };
    if url.scheme() != "https" {
        wrong(format!("unexpected scheme {:?} in pre-signed URL", url.scheme()), None);
    }
    let host = url.host_str().unwrap_or_default().to_owned();
    // Compared as it is written, a port and capitals included; and it must be where the URL really leads.
    let written = authority(&text);
    if !is_sts_host(&host) || written != host {
        let named = if written.is_empty() { host.as_str() } else { written };
        wrong(format!("{} {named:?} in pre-signed URL", TokenProblem::IAM_HOST), None);
    }
    if url.path() != "/" {
        wrong("unexpected path in pre-signed URL".to_owned(), None);
    }
    let mut parameters: Vec<(String, String)> = Vec::new();
    let mut spelled: Vec<String> = Vec::new();
    for (written, value) in url.query_pairs() {
        let name = written.to_ascii_lowercase();
        if spelled.iter().any(|known| *known == written) {
            wrong("query parameter with multiple values not supported".to_owned(), None);
            continue;
        }
        spelled.push(written.into_owned());
        if parameters.iter().any(|(known, _)| *known == name) {
            wrong(format!("duplicate query parameter found: {name:?}"), None);
            continue;
        }
        let allowed = [
            "action",
            "version",
            "x-amz-algorithm",
            "x-amz-credential",
            "x-amz-date",
            "x-amz-expires",
            "x-amz-security-token",
            "x-amz-signature",
            "x-amz-signedheaders",
        ];
        if !allowed.contains(&name.as_str()) {
            wrong(format!("{} {name:?}", TokenProblem::IAM_PARAMETER), None);
        }
        parameters.push((name, value.into_owned()));
    }
    let parameter = |name: &str| parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    if parameter("action") != Some("GetCallerIdentity") {
        wrong("unexpected action parameter in pre-signed URL".to_owned(), None);
    }
    let signed: Vec<&str> =
        parameter("x-amz-signedheaders").unwrap_or_default().split(';').filter(|name| !name.is_empty()).collect();
    if !signed.iter().any(|name| name.eq_ignore_ascii_case("x-k8s-aws-id")) {
        wrong("client did not sign the x-k8s-aws-id header in the pre-signed URL".to_owned(), None);
    }
    // Looked at although the token lives for a quarter of an hour whatever it says; absent is refused too.
    let lasts = parameter("x-amz-expires").and_then(|seconds| seconds.parse::<i64>().ok());
    if !lasts.is_some_and(|seconds| (0..=EKS_LIFE.as_secs()).contains(&seconds)) {
        wrong(format!("invalid X-Amz-Expires parameter in pre-signed URL: {}", lasts.unwrap_or(0)), None);
    }
    let date = parameter("x-amz-date").and_then(amazon_date);
    match (parameter("x-amz-date"), date) {
        (None, _) => wrong("X-Amz-Date parameter must be present in pre-signed URL".to_owned(), None),
        (Some(_), None) => wrong("error parsing X-Amz-Date parameter".to_owned(), None),
        _ => {}
    }
    let mut scope = parameter("x-amz-credential").unwrap_or_default().split('/');
    let access_key_id = scope.next().filter(|id| !id.is_empty());
    let region = scope.nth(1);
    let expires = date.and_then(|date| date.checked_add(EKS_LIFE).ok());
    let mut claims = Map::new();
    claims.insert("host".to_owned(), json!(host));
    claims.insert("region".to_owned(), json!(region));
    claims.insert("accessKeyId".to_owned(), json!(access_key_id));
    claims.insert("date".to_owned(), json!(date.map(|time| time.to_string())));
    claims.insert("expires".to_owned(), json!(expires.map(|time| time.to_string())));
    claims.insert("signedHeaders".to_owned(), json!(signed));
    facts.claims = Some(Value::Object(claims));
}

/// Host and port as they stand in a URL.
fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

fn is_sts_host(host: &str) -> bool {
    let suffixes = [
        ".amazonaws.com",
        ".amazonaws.com.cn",
        ".api.aws",
        ".c2s.ic.gov",
        ".sc2s.sgov.gov",
        ".amazonaws.eu",
        ".cloud.adc-e.uk",
        ".csp.hci.ic.gov",
        ".api.amazonwebservices.com.cn",
    ];
    (host.starts_with("sts.") || host.starts_with("sts-fips.")) && suffixes.iter().any(|suffix| host.ends_with(suffix))
}

/// `20060102T150405Z`
fn amazon_date(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    if bytes.len() != 16 || !text.is_ascii() {
        return None;
    }
    format!("{}-{}-{}T{}:{}:{}Z", &text[0..4], &text[4..6], &text[6..8], &text[9..11], &text[11..13], &text[13..15])
        .parse()
        .ok()
        .filter(|_| bytes[8] == b'T' && bytes[15] == b'Z')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(header: &str, claims: &str) -> String {
        let signature = base64url::encode(&[7; 256]);
        format!("{}.{}.{signature}", base64url::encode(header.as_bytes()), base64url::encode(claims.as_bytes()))
    }

    #[test]
    fn a_private_key_in_the_header_is_not_kept() {
        let facts = parse(&jwt(r#"{"alg":"HS256","jwk":{"kty":"oct","k":"c2VjcmV0LWtleQ"}}"#, "{}"));
        let header = facts.header.as_ref().unwrap();
        assert_eq!((&header["jwk"]["kty"], &header["jwk"]["k"]), (&json!("oct"), &json!(crate::secret::REDACTED)));
    }

    fn details(token: &str) -> Vec<String> {
        parse(token).problems.iter().map(|problem| format!("{}: {}", problem.part, problem.detail)).collect()
    }

    #[test]
    fn a_good_token_has_no_problem() {
        let facts = parse(&jwt(r#"{"alg":"RS256","kid":"k"}"#, r#"{"iss":"https://a","exp":1.9e9}"#));
        assert_eq!(facts.kind, TokenKind::Jwt);
        assert_eq!(facts.problems, []);
        assert_eq!(facts.header.as_ref().unwrap()["kid"], "k");
        assert_eq!(facts.times().expires_at.unwrap().as_second(), 1_900_000_000);
    }

    #[test]
    fn kinds() {
        let bound = jwt(r#"{"alg":"RS256"}"#, r#"{"kubernetes.io":{}}"#);
        let legacy = jwt(r#"{"alg":"RS256"}"#, r#"{"iss":"kubernetes/serviceaccount"}"#);
        let jwe = format!("{}.a.b.c.d", base64url::encode(br#"{"alg":"dir","enc":"A256GCM"}"#));
        for (token, kind) in [
            (bound.as_str(), TokenKind::ServiceAccount),
            (legacy.as_str(), TokenKind::ServiceAccount),
            (jwe.as_str(), TokenKind::Jwe),
            ("abcdef.0123456789abcdef", TokenKind::Bootstrap),
            ("abcdef.0123456789ABCDEF", TokenKind::Opaque),
            ("k8s-aws-v1.x", TokenKind::EksIam),
            ("a-static-token", TokenKind::Opaque),
            ("a.b.c", TokenKind::Opaque),
            ("eyJhbGciOi", TokenKind::Jwt),
            ("", TokenKind::Opaque),
        ] {
            assert_eq!(parse(token).kind, kind, "{token}");
        }
    }

    #[test]
    fn problems_have_go_s_words() {
        let good = jwt(r#"{"alg":"RS256"}"#, r#"{"iss":"a"}"#);
        let (header, rest) = good.split_once('.').unwrap();
        let (payload, signature) = rest.split_once('.').unwrap();
        for (token, expected) in [
            (format!("{header}=.{payload}.{signature}"), "header: illegal base64 data at input byte 20"),
            (format!("{header}.{payload}=.{signature}"), "payload: illegal base64 data at input byte 15"),
            (format!("{header}.{payload}.{signature}=="), "signature: illegal base64 data at input byte 342"),
            (format!("{header}.{payload}"), "token: a JWT has 3 parts, this has 2 (cut off?)"),
            (format!("{header}.{payload}."), "token: the signature is missing (cut off?)"),
            (
                format!("{header}.{payload}.{}", &signature[..80]),
                "token: the signature is too short for RS256 (cut off?)",
            ),
            (jwt(r#"{"alg":"a","alg":"b"}"#, "{}"), "header: json: duplicate key 'alg' in object"),
            (
                jwt(r#"{"alg":256}"#, "{}"),
                "header: failed to unmarshal algorithm: json: cannot unmarshal number into Go value of type string: \"256\"",
            ),
            (
                jwt(r#"{"kid":7}"#, "{}"),
                "header: failed to unmarshal key ID: json: cannot unmarshal number into Go value of type string: \"7\"",
            ),
            (
                jwt(r#"{"jwk":{"kty":"foo"}}"#, "{}"),
                "header: failed to unmarshal JWK: go-jose/go-jose: unknown json web key type 'foo': \"{\\\"kty\\\":\\\"foo\\\"}\"",
            ),
            (
                jwt(r#"{"x5c":["aGk="]}"#, "{}"),
                "header: failed to unmarshal x5c header: x509: malformed certificate: \"[\\\"aGk=\\\"]\"",
            ),
            (jwt("[]", "{}"), "header: json: cannot unmarshal array into Go value of type jose.rawHeader"),
            (jwt(r#"{"alg":"RS256"}"#, "<html>"), "payload: invalid character '<' looking for beginning of value"),
            (jwt(r#"{"alg":"RS256"}"#, r#"{"a":1,"a":2}"#), "payload: json: duplicate key 'a' in object"),
            (format!("Bearer {good}"), "token: begins with the scheme \"Bearer\""),
            (format!("\"{good}\""), "token: stands in quotes"),
            (format!("{good}\n"), "token: begins or ends with a line break"),
            (
                good.replacen('.', "\n.", 1),
                "token: white space inside: a line break, which no HTTP client can send in the Authorization header",
            ),
        ] {
            let seen = details(&token);
            assert_eq!(seen, [expected], "{token}");
            assert!(matches!(parse(&token).kind, TokenKind::Jwt), "{token}");
        }
    }

    #[test]
    fn hostile_tokens_are_survived() {
        let deep = jwt(r#"{"alg":"RS256"}"#, &"[".repeat(400_000));
        assert_eq!(details(&deep), ["payload: nested deeper than 64 levels"]);
        for junk in
            ["A".repeat(1 << 20), ".".repeat(1 << 20), "eyJ.".repeat(1 << 18), "\u{fffd}\0\u{1b}[31m".repeat(1000)]
        {
            parse(&junk);
        }
        for length in 0..40 {
            parse(&"eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJhIn0.AAAA"[..length]);
        }
        parse("é");
        parse("Bearerß");
        parse("authorizationé: x");
    }

    #[test]
    fn an_eks_token_keeps_no_secret() {
        let url = "https://sts.eu-west-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15\
            &X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=ASIAEXAMPLE%2F20261123%2Feu-west-1%2Fsts%2Faws4_request\
            &X-Amz-Date=20261123T062153Z&X-Amz-Expires=60&X-Amz-Security-Token=SEKRIT1\
            &X-Amz-SignedHeaders=host%3Bx-k8s-aws-id&X-Amz-Signature=SEKRIT2";
        let facts = parse(&format!("{EKS_PREFIX}{}", base64url::encode(url.as_bytes())));
        assert_eq!(facts.problems, []);
        assert_eq!(
            facts.claims.as_ref().unwrap(),
            &json!({
                "host": "sts.eu-west-1.amazonaws.com", "region": "eu-west-1", "accessKeyId": "ASIAEXAMPLE",
                "date": "2026-11-23T06:21:53Z", "expires": "2026-11-23T06:36:53Z", "signedHeaders": ["host", "x-k8s-aws-id"],
            })
        );
        assert!(!serde_json::to_string(&facts).unwrap().contains("SEKRIT"));
        assert_eq!(facts.times().expires_at.unwrap().to_string(), "2026-11-23T06:36:53Z");
    }

    #[test]
    fn an_eks_token_is_judged_as_the_authenticator_judges_it() {
        let problems = |host: &str, more: &str| {
            let url = format!(
                "https://{host}/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256\
                 &X-Amz-Credential=ASIAEXAMPLE%2F20261123%2Feu-west-1%2Fsts%2Faws4_request\
                 &X-Amz-Date=20261123T062153Z{more}&X-Amz-Signature=0"
            );
            let facts = parse(&format!("{EKS_PREFIX}{}", base64url::encode(url.as_bytes())));
            facts.problems.into_iter().map(|problem| problem.detail).collect::<Vec<_>>()
        };
        let sts = "sts.eu-west-1.amazonaws.com";
        let signed = "&X-Amz-SignedHeaders=host%3Bx-k8s-aws-id";
        for seconds in ["0", "60", "900"] {
            assert_eq!(problems(sts, &format!("&X-Amz-Expires={seconds}{signed}")), Vec::<String>::new(), "{seconds}");
        }
        for (seconds, said) in [("901", "901"), ("3600", "3600"), ("-1", "-1"), ("soon", "0"), ("", "0")] {
            assert_eq!(
                problems(sts, &format!("&X-Amz-Expires={seconds}{signed}")),
                [format!("invalid X-Amz-Expires parameter in pre-signed URL: {said}")]
            );
        }
        assert_eq!(problems(sts, signed), ["invalid X-Amz-Expires parameter in pre-signed URL: 0"]);
        let good = format!("&X-Amz-Expires=60{signed}");
        for host in [
            "sts.eu-west-1.amazonaws.com:443",
            "STS.eu-west-1.amazonaws.com",
            "evil.example.com\\@sts.eu-west-1.amazonaws.com",
            "sts.example.com",
        ] {
            let found = problems(host, &good);
            assert!(
                found.first().is_some_and(|first| first.starts_with("unexpected hostname \"")),
                "{host}: {found:?}"
            );
        }
        assert_eq!(
            problems(sts, &format!("{good}&Action=GetCallerIdentity")),
            ["query parameter with multiple values not supported"]
        );
        assert_eq!(
            problems(sts, &format!("{good}&action=GetCallerIdentity")),
            ["duplicate query parameter found: \"action\""]
        );
        assert_eq!(
            problems(sts, "&X-Amz-Expires=60&X-Amz-SignedHeaders=host"),
            ["client did not sign the x-k8s-aws-id header in the pre-signed URL"]
        );
    }

    #[test]
    fn the_access_token_of_a_distributed_claim_is_blanked() {
        let facts = parse(&jwt("{}", r#"{"_claim_sources":{"s":{"endpoint":"https://g","access_token":"SEKRIT"}}}"#));
        assert!(!serde_json::to_string(&facts).unwrap().contains("SEKRIT"));
    }
}
