//! AuthenticationConfiguration files: strict decoding and validation, in kube-apiserver's words.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{ClaimRule, Issuer, JwtAuthenticator, Mapping};
use crate::apiserver::cel::{self, Fault, Place};
use crate::credential::chain::{Certificate, ParseError};
use crate::gotext::{kind, pem, quote, url as go_url};

/// The API group of the file.
const GROUP: &str = "apiserver.config.k8s.io/";

/// A file's content.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) jwt: Vec<RawAuthenticator>,
    /// Enabled, and the paths it is limited to.
    pub(super) anonymous: Option<(bool, Option<Vec<String>>)>,
}

/// An entry before validation.
#[derive(Debug, Default)]
pub(super) struct RawAuthenticator {
    pub(super) issuer: Issuer,
    pub(super) username: RawMapping,
    pub(super) groups: RawMapping,
    pub(super) uid: RawMapping,
    pub(super) extra: Vec<(String, String)>,
    pub(super) claim_rules: Vec<RawRule>,
    pub(super) user_rules: Vec<(String, String)>,
}

#[derive(Debug, Default)]
pub(super) struct RawMapping {
    pub(super) claim: String,
    pub(super) prefix: Option<String>,
    pub(super) expression: String,
}

#[derive(Debug, Default)]
pub(super) struct RawRule {
    pub(super) claim: String,
    pub(super) required_value: String,
    pub(super) expression: String,
    pub(super) message: String,
}

impl RawAuthenticator {
    /// After validation: one way for each attribute.
    pub(super) fn into_plain(self) -> JwtAuthenticator {
        JwtAuthenticator {
            issuer: self.issuer,
            username: self.username.into_plain(),
            groups: self.groups.into_plain(),
            uid: self.uid.into_plain(),
            extra: self.extra,
            claim_rules: self
                .claim_rules
                .into_iter()
                .map(|rule| {
                    if rule.claim.is_empty() {
                        ClaimRule::Expression { expression: rule.expression, message: rule.message }
                    } else {
                        ClaimRule::Required { claim: rule.claim, value: rule.required_value }
                    }
                })
                .collect(),
            user_rules: self.user_rules,
        }
    }
}

impl RawMapping {
    fn into_plain(self) -> Mapping {
        if !self.claim.is_empty() {
            Mapping::Claim { claim: self.claim, prefix: self.prefix.unwrap_or_default() }
        } else if !self.expression.is_empty() {
            Mapping::Expression(self.expression)
        } else {
            Mapping::None
        }
    }
}

/// Decodes a file strictly.
pub(super) fn load(value: &Value) -> Result<Loaded, String> {
    let Value::Object(root) = value else {
        return Err(match value {
            Value::Null => "empty config data".to_owned(),
            other => format!(
                "couldn't get version/kind; json parse error: json: cannot unmarshal {} into Go value of type struct \
                 {{ APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \
                 \"json:\\\"kind,omitempty\\\"\" }}",
                kind(other)
            ),
        });
    };
    let text = |name: &str| root.get(name).and_then(Value::as_str).unwrap_or_default();
    let (version, object_kind) = (text("apiVersion"), text("kind"));
    if object_kind.is_empty() {
        return Err(format!("Object 'Kind' is missing in '{value}'"));
    }
    if version.is_empty() {
        return Err(format!("Object 'apiVersion' is missing in '{value}'"));
    }
    let known = version.strip_prefix(GROUP).is_some_and(|v| matches!(v, "v1alpha1" | "v1beta1" | "v1"));
    if !known || object_kind != "AuthenticationConfiguration" {
        // The scheme's name is a place in its source, the same in 1.35 and 1.36.
        let scheme = "in scheme \"pkg/runtime/scheme.go:111\"";
        return Err(format!("no kind {} is registered for version {} {scheme}", quote(object_kind), quote(version)));
    }
    let version = version.strip_prefix(GROUP).unwrap_or_default().to_owned();
    let mut decoder = Decoder { version, ..Decoder::default() };
    let mut loaded = Loaded::default();
    decoder.known(root, "", &["apiVersion", "kind", "jwt", "anonymous"]);
    for (index, entry) in
        decoder.list(root, "jwt", "AuthenticationConfiguration.jwt", "v1.JWTAuthenticator").into_iter().enumerate()
    {
        let path = format!("jwt[{index}]");
        let authenticator = decoder.authenticator(&entry, &path);
        loaded.jwt.push(authenticator);
    }
    if let Some(anonymous) = root.get("anonymous").filter(|value| !value.is_null()) {
        loaded.anonymous = Some(decoder.anonymous(anonymous));
    }
    if let Some(error) = decoder.type_error {
        return Err(error);
    }
    if !decoder.unknown.is_empty() {
        return Err(format!("strict decoding error: {}", decoder.unknown.join(", ")));
    }
    Ok(loaded)
}

/// Collects what strict decoding finds.
#[derive(Default)]
struct Decoder {
    unknown: Vec<String>,
    type_error: Option<String>,
    /// `v1`, `v1beta1` or `v1alpha1`: Go's types are named after it.
    version: String,
}

impl Decoder {
    fn known(&mut self, object: &Map<String, Value>, path: &str, names: &[&str]) {
        for name in object.keys().filter(|name| !names.contains(&name.as_str())) {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            self.unknown.push(format!("unknown field {}", quote(&path)));
        }
    }

    fn wrong(&mut self, value: &Value, go_field: &str, go_type: &str) {
        let go_type = go_type.replace("v1.", &format!("{}.", self.version));
        let text = format!("json: cannot unmarshal {} into Go struct field {go_field} of type {go_type}", kind(value));
        self.type_error.get_or_insert(text);
    }

    fn text(&mut self, object: &Map<String, Value>, name: &str, go_path: &str) -> String {
        match object.get(name) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => {
                self.wrong(other, &format!("{go_path}.{name}"), "string");
                String::new()
            }
        }
    }

    fn list(&mut self, object: &Map<String, Value>, name: &str, go_field: &str, of: &str) -> Vec<Value> {
        match object.get(name) {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(items)) => items.clone(),
            Some(other) => {
                self.wrong(other, go_field, &format!("[]{of}"));
                Vec::new()
            }
        }
    }

    fn object(&mut self, value: Option<&Value>, go_field: &str, go_type: &str) -> Map<String, Value> {
        match value {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(object)) => object.clone(),
            Some(other) => {
                self.wrong(other, go_field, go_type);
                Map::new()
            }
        }
    }

    fn authenticator(&mut self, entry: &Value, path: &str) -> RawAuthenticator {
        let entry = self.object(Some(entry), "AuthenticationConfiguration.jwt", "v1.JWTAuthenticator");
        self.known(&entry, path, &["issuer", "claimValidationRules", "claimMappings", "userValidationRules"]);
        let mut raw = RawAuthenticator::default();

        let issuer = self.object(entry.get("issuer"), "JWTAuthenticator.jwt.issuer", "v1.Issuer");
        let issuer_path = format!("{path}.issuer");
        self.known(
            &issuer,
            &issuer_path,
            &["url", "discoveryURL", "certificateAuthority", "audiences", "audienceMatchPolicy", "egressSelectorType"],
        );
        let at = "Issuer.jwt.issuer";
        raw.issuer = Issuer {
            url: self.text(&issuer, "url", at),
            discovery_url: Some(self.text(&issuer, "discoveryURL", at)).filter(|url| !url.is_empty()),
            certificate_authority: Some(self.text(&issuer, "certificateAuthority", at)).filter(|pem| !pem.is_empty()),
            audience_match_policy: self.text(&issuer, "audienceMatchPolicy", at),
            egress_selector: self.text(&issuer, "egressSelectorType", at),
            audiences: Vec::new(),
        };
        for audience in self.list(&issuer, "audiences", "Issuer.jwt.issuer.audiences", "string") {
            match audience {
                Value::String(text) => raw.issuer.audiences.push(text),
                Value::Null => raw.issuer.audiences.push(String::new()),
                other => self.wrong(&other, "Issuer.jwt.issuer.audiences", "string"),
            }
        }

        let at = "ClaimValidationRule.jwt.claimValidationRules";
        for (index, rule) in self.list(&entry, "claimValidationRules", at, "v1.ClaimValidationRule").iter().enumerate()
        {
            let rule = self.object(Some(rule), at, "v1.ClaimValidationRule");
            let rule_path = format!("{path}.claimValidationRules[{index}]");
            self.known(&rule, &rule_path, &["claim", "requiredValue", "expression", "message"]);
            raw.claim_rules.push(RawRule {
                claim: self.text(&rule, "claim", at),
                required_value: self.text(&rule, "requiredValue", at),
                expression: self.text(&rule, "expression", at),
                message: self.text(&rule, "message", at),
            });
        }

        let mappings =
            self.object(entry.get("claimMappings"), "JWTAuthenticator.jwt.claimMappings", "v1.ClaimMappings");
        let mappings_path = format!("{path}.claimMappings");
        self.known(&mappings, &mappings_path, &["username", "groups", "uid", "extra"]);
        raw.username = self.mapping(&mappings, "username", &mappings_path, true);
        raw.groups = self.mapping(&mappings, "groups", &mappings_path, true);
        raw.uid = self.mapping(&mappings, "uid", &mappings_path, false);
        let at = "ExtraMapping.jwt.claimMappings.extra";
        for (index, extra) in self.list(&mappings, "extra", at, "v1.ExtraMapping").iter().enumerate() {
            let extra = self.object(Some(extra), at, "v1.ExtraMapping");
            self.known(&extra, &format!("{mappings_path}.extra[{index}]"), &["key", "valueExpression"]);
            raw.extra.push((self.text(&extra, "key", at), self.text(&extra, "valueExpression", at)));
        }

        let at = "UserValidationRule.jwt.userValidationRules";
        for (index, rule) in self.list(&entry, "userValidationRules", at, "v1.UserValidationRule").iter().enumerate() {
            let rule = self.object(Some(rule), at, "v1.UserValidationRule");
            self.known(&rule, &format!("{path}.userValidationRules[{index}]"), &["expression", "message"]);
            raw.user_rules.push((self.text(&rule, "expression", at), self.text(&rule, "message", at)));
        }
        raw
    }

    fn mapping(&mut self, mappings: &Map<String, Value>, name: &str, path: &str, prefixed: bool) -> RawMapping {
        let go_type = if prefixed { "PrefixedClaimOrExpression" } else { "ClaimOrExpression" };
        let at = format!("{go_type}.jwt.claimMappings.{name}");
        let mapping = self.object(mappings.get(name), &format!("ClaimMappings.jwt.claimMappings.{name}"), go_type);
        let known: &[&str] = if prefixed { &["claim", "prefix", "expression"] } else { &["claim", "expression"] };
        self.known(&mapping, &format!("{path}.{name}"), known);
        let has_prefix = mapping.get("prefix").is_some_and(|prefix| !prefix.is_null());
        RawMapping {
            claim: self.text(&mapping, "claim", &at),
            prefix: (prefixed && has_prefix).then(|| self.text(&mapping, "prefix", &at)),
            expression: self.text(&mapping, "expression", &at),
        }
    }

    fn anonymous(&mut self, value: &Value) -> (bool, Option<Vec<String>>) {
        let at = "AnonymousAuthConfig.anonymous";
        let anonymous = self.object(Some(value), "AuthenticationConfiguration.anonymous", "v1.AnonymousAuthConfig");
        self.known(&anonymous, "anonymous", &["enabled", "conditions"]);
        let enabled = match anonymous.get("enabled") {
            None | Some(Value::Null) => false,
            Some(Value::Bool(enabled)) => *enabled,
            Some(other) => {
                self.wrong(other, &format!("{at}.enabled"), "bool");
                false
            }
        };
        let conditions = self.list(&anonymous, "conditions", &format!("{at}.conditions"), "v1.AnonymousAuthCondition");
        let paths: Vec<String> = conditions
            .iter()
            .enumerate()
            .map(|(index, condition)| {
                let condition = self.object(Some(condition), at, "v1.AnonymousAuthCondition");
                self.known(&condition, &format!("anonymous.conditions[{index}]"), &["path"]);
                self.text(&condition, "path", "AnonymousAuthCondition.anonymous.conditions")
            })
            .collect();
        (enabled, (!paths.is_empty()).then_some(paths))
    }
}

/// What validation says, in field order.
pub(super) fn validate(jwt: &[RawAuthenticator], anonymous: Option<&(bool, Option<Vec<String>>)>) -> Vec<String> {
    if jwt.len() > 64 {
        return vec![format!("jwt: Too many: {}: must have at most 64 items", jwt.len())];
    }
    let mut errors = Vec::new();
    let (mut issuers, mut discovery_urls) = (BTreeSet::new(), BTreeSet::new());
    for (index, raw) in jwt.iter().enumerate() {
        let path = format!("jwt[{index}]");
        issuer(raw, &format!("{path}.issuer"), &mut errors);
        let mut email = Email::default();
        claim_rules(raw, &format!("{path}.claimValidationRules"), &mut email, &mut errors);
        mappings(raw, &format!("{path}.claimMappings"), &mut email, &mut errors);
        user_rules(raw, &format!("{path}.userValidationRules"), &mut errors);
        if !issuers.insert(raw.issuer.url.as_str()) {
            errors.push(format!("{path}.issuer.url: Duplicate value: {}", quote(&raw.issuer.url)));
        }
        if let Some(url) = &raw.issuer.discovery_url
            && !discovery_urls.insert(url.as_str())
        {
            errors.push(format!("{path}.issuer.discoveryURL: Duplicate value: {}", quote(url)));
        }
    }
    if let Some((false, Some(paths))) = anonymous {
        let conditions: Vec<Value> = paths.iter().map(|path| serde_json::json!({ "Path": path })).collect();
        errors.push(format!(
            "anonymous.conditions: Invalid value: {}: enabled should be set to true when conditions are defined",
            Value::Array(conditions)
        ));
    }
    errors
}

fn invalid(path: &str, value: &str, detail: &str) -> String {
    format!("{path}: Invalid value: {}: {detail}", quote(value))
}

fn issuer(raw: &RawAuthenticator, path: &str, errors: &mut Vec<String>) {
    let issuer = &raw.issuer;
    let at = format!("{path}.url");
    if issuer.url.is_empty() {
        errors.push(format!("{at}: Required value"));
    } else {
        url(&issuer.url, &at, errors);
    }
    if let Some(discovery) = &issuer.discovery_url {
        let at = format!("{path}.discoveryURL");
        if !issuer.url.is_empty() && issuer.url.trim_end_matches('/') == discovery.trim_end_matches('/') {
            errors.push(invalid(&at, discovery, "discoveryURL must be different from URL"));
        }
        url(discovery, &at, errors);
    }
    audiences(issuer, path, errors);
    if let Some(why) = issuer.certificate_authority.as_deref().and_then(certificate_authority) {
        errors.push(invalid(&format!("{path}.certificateAuthority"), "<omitted>", &why));
    }
    if !matches!(issuer.egress_selector.as_str(), "" | "controlplane" | "cluster") {
        let detail = "egress selector must be either controlplane or cluster";
        errors.push(invalid(&format!("{path}.egressSelectorType"), &issuer.egress_selector, detail));
    }
}

fn audiences(issuer: &Issuer, path: &str, errors: &mut Vec<String>) {
    let at = format!("{path}.audiences");
    if issuer.audiences.is_empty() {
        errors.push(format!("{at}: Required value: at least one {at} is required"));
        return;
    }
    let mut seen = BTreeSet::new();
    for (index, audience) in issuer.audiences.iter().enumerate() {
        if audience.is_empty() {
            errors.push(format!("{at}[{index}]: Required value"));
        }
        if !seen.insert(audience) {
            errors.push(format!("{at}[{index}]: Duplicate value: {}", quote(audience)));
        }
    }
    let policy = issuer.audience_match_policy.as_str();
    let at = format!("{path}.audienceMatchPolicy");
    if issuer.audiences.len() > 1 && policy != "MatchAny" {
        errors.push(invalid(&at, policy, "audienceMatchPolicy must be MatchAny for multiple audiences"));
    }
    if issuer.audiences.len() == 1 && !matches!(policy, "" | "MatchAny") {
        errors.push(invalid(&at, policy, "audienceMatchPolicy must be empty or MatchAny for single audience"));
    }
}

fn url(text: &str, at: &str, errors: &mut Vec<String>) {
    let parsed = match go_url::parse(text) {
        Ok(parsed) => parsed,
        Err(why) => {
            errors.push(invalid(at, text, &why));
            return;
        }
    };
    if parsed.scheme != "https" {
        errors.push(invalid(at, text, "URL scheme must be https"));
    }
    if parsed.user {
        errors.push(invalid(at, text, "URL must not contain a username or password"));
    }
    if !parsed.query.is_empty() {
        errors.push(invalid(at, text, "URL must not contain a query"));
    }
    if parsed.fragment {
        errors.push(invalid(at, text, "URL must not contain a fragment"));
    }
}

/// What is wrong with a bundle of CAs: the first certificate that Go cannot parse, or that there is none. Blocks of
/// another kind, with headers or of no base64 do not count.
fn certificate_authority(text: &str) -> Option<String> {
    let mut none = true;
    for block in pem::blocks(text.as_bytes()).iter().filter(|block| block.kind == "CERTIFICATE" && !block.headers) {
        match Certificate::parse(&block.bytes) {
            Err(ParseError::Go(why)) => return Some(why),
            // What nothing here can judge counts as good.
            Ok(_) | Err(ParseError::Undecided(_)) => none = false,
        }
    }
    none.then(|| "data does not contain any valid RSA or ECDSA certificates".to_owned())
}

/// What the expressions read of the two claims that belong together.
#[derive(Default)]
struct Email {
    used: bool,
    verified: bool,
}

/// Compiles an expression; what cannot be judged here counts as good, and stays open until a token is judged.
fn compiled(expression: &str, place: Place, at: &str, errors: &mut Vec<String>) -> Option<cel::Program> {
    match cel::compile(expression, place) {
        Ok(program) => Some(program),
        // What fails only when the program is made is no fault of the field to the server.
        Err(Fault::Said(text)) if text.starts_with(cel::INSTANTIATION_FAILED) => {
            errors.push(format!("{at}: Internal error: {text}"));
            None
        }
        Err(Fault::Said(text)) => {
            errors.push(invalid(at, expression, &text));
            None
        }
        Err(Fault::Undecided(_)) => None,
    }
}

fn claim_rules(raw: &RawAuthenticator, path: &str, email: &mut Email, errors: &mut Vec<String>) {
    let (mut claims, mut expressions) = (BTreeSet::new(), BTreeSet::new());
    for (index, rule) in raw.claim_rules.iter().enumerate() {
        let at = format!("{path}[{index}]");
        match (rule.claim.is_empty(), rule.expression.is_empty()) {
            (false, false) => errors.push(invalid(&at, &rule.claim, "claim and expression can't both be set")),
            (true, true) => errors.push(format!("{at}: Required value: claim or expression is required")),
            (false, true) => {
                if !rule.message.is_empty() {
                    let detail = "may not be specified when claim is set";
                    errors.push(invalid(&format!("{at}.message"), &rule.message, detail));
                }
                if !claims.insert(rule.claim.as_str()) {
                    errors.push(format!("{at}.claim: Duplicate value: {}", quote(&rule.claim)));
                }
            }
            (true, false) => {
                if !rule.required_value.is_empty() {
                    let detail = "may not be specified when expression is set";
                    errors.push(invalid(&format!("{at}.requiredValue"), &rule.required_value, detail));
                }
                let at = format!("{at}.expression");
                if !expressions.insert(rule.expression.as_str()) {
                    errors.push(format!("{at}: Duplicate value: {}", quote(&rule.expression)));
                    continue;
                }
                let program = compiled(&rule.expression, Place::ClaimValidation, &at, errors);
                email.verified |= program.is_some_and(|program| program.uses_email_verified);
            }
        }
    }
}

fn mappings(raw: &RawAuthenticator, path: &str, email: &mut Email, errors: &mut Vec<String>) {
    for (mapping, name, required) in [(&raw.username, "username", true), (&raw.groups, "groups", false)] {
        let at = format!("{path}.{name}");
        match (mapping.claim.is_empty(), mapping.expression.is_empty()) {
            (false, false) => errors.push(invalid(&at, "", "claim and expression can't both be set")),
            (true, true) if required => errors.push(format!("{at}: Required value: claim or expression is required")),
            (true, false) => {
                if let Some(prefix) = &mapping.prefix {
                    let detail = "may not be specified when expression is set";
                    errors.push(invalid(&format!("{at}.prefix"), prefix, detail));
                }
                let at = format!("{at}.expression");
                let program = compiled(&mapping.expression, Place::ClaimMapping, &at, errors);
                if let Some(program) = program.filter(|_| name == "username" && mapping.prefix.is_none()) {
                    email.used |= program.uses_email;
                    email.verified |= program.uses_email_verified;
                }
            }
            (false, true) if mapping.prefix.is_none() => errors.push(format!(
                "{at}.prefix: Required value: prefix is required when claim is set. It can be set to an empty string \
                 to disable prefixing"
            )),
            _ => {}
        }
    }
    if !raw.uid.claim.is_empty() && !raw.uid.expression.is_empty() {
        errors.push(invalid(&format!("{path}.uid"), "", "claim and expression can't both be set"));
    } else if !raw.uid.expression.is_empty() {
        compiled(&raw.uid.expression, Place::ClaimMapping, &format!("{path}.uid.expression"), errors);
    }
    let mut keys = BTreeSet::new();
    for (index, (key, expression)) in raw.extra.iter().enumerate() {
        let at = format!("{path}.extra[{index}].key");
        extra_key(key, &at, errors);
        if !keys.insert(key.as_str()) {
            errors.push(format!("{at}: Duplicate value: {}", quote(key)));
            continue;
        }
        let at = format!("{path}.extra[{index}].valueExpression");
        if expression.is_empty() {
            errors.push(format!("{at}: Required value"));
        } else {
            let program = compiled(expression, Place::ClaimMapping, &at, errors);
            email.verified |= program.is_some_and(|program| program.uses_email_verified);
        }
    }
    if email.used && !email.verified {
        let detail = "claims.email_verified must be used in claimMappings.username.expression or \
             claimMappings.extra[*].valueExpression or claimValidationRules[*].expression when claims.email is used in \
             claimMappings.username.expression";
        errors.push(invalid(&format!("{path}.username.expression"), &raw.username.expression, detail));
    }
}

fn extra_key(key: &str, at: &str, errors: &mut Vec<String>) {
    if key.is_empty() {
        errors.push(format!("{at}: Required value"));
    } else {
        match key.split_once('/') {
            Some((host, path)) if !host.is_empty() && !path.is_empty() => {
                let label = |label: &str| {
                    !label.is_empty()
                        && !label.starts_with('-')
                        && !label.ends_with('-')
                        && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
                };
                if host.len() > 253 {
                    errors.push(invalid(at, host, "must be no more than 253 characters"));
                }
                if !host.split('.').all(label) {
                    let detail = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, \
                         '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex \
                         used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
                    errors.push(invalid(at, host, detail));
                }
                if !path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,;=:".contains(&b)) {
                    let detail = "Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')";
                    errors.push(invalid(at, path, detail));
                }
            }
            _ => errors.push(invalid(at, key, "must be a domain-prefixed path (such as \"acme.io/foo\")")),
        }
    }
    if key.chars().any(char::is_uppercase) {
        errors.push(invalid(at, key, "must be lowercase"));
    }
    let domain = key.split_once('/').map_or("", |(domain, _)| domain);
    let reserved = |name: &str| domain == name || domain.ends_with(&format!(".{name}"));
    if reserved("kubernetes.io") || reserved("k8s.io") {
        let detail = "k8s.io, kubernetes.io and their subdomains are reserved for Kubernetes use";
        errors.push(invalid(at, key, detail));
    }
}

fn user_rules(raw: &RawAuthenticator, path: &str, errors: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for (index, (expression, _)) in raw.user_rules.iter().enumerate() {
        let at = format!("{path}[{index}].expression");
        if expression.is_empty() {
            errors.push(format!("{at}: Required value"));
        } else if !seen.insert(expression) {
            errors.push(format!("{at}: Duplicate value: {}", quote(expression)));
        } else {
            compiled(expression, Place::UserValidation, &at, errors);
        }
    }
}
