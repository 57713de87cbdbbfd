use super::*;

fn read(text: &str) -> Result<Configuration, Vec<String>> {
    from_flags(&parse_flags_text(text, "conf.yaml").expect("flags"))
}

fn errors(text: &str) -> Vec<String> {
    read(text).expect_err(text)
}

#[test]
fn prefixes_default_as_kubernetes_defaults_them() {
    let of = |extra: &str| {
        let text = format!("--oidc-issuer-url=https://iss --oidc-client-id=c {extra}");
        read(&text).unwrap().jwt.remove(0)
    };
    let claim = |claim: &str, prefix: &str| Mapping::Claim { claim: claim.to_owned(), prefix: prefix.to_owned() };
    assert_eq!(of("").username, claim("sub", "https://iss#"));
    assert_eq!(of("").groups, Mapping::None);
    assert_eq!(of("--oidc-username-claim=email").username, claim("email", ""));
    assert_eq!(of("--oidc-username-claim email --oidc-username-prefix p:").username, claim("email", "p:"));
    assert_eq!(of("--oidc-username-prefix=-").username, claim("sub", ""));
    assert_eq!(of("--oidc-groups-claim=g --oidc-groups-prefix=-").groups, claim("g", "-"));
    let required = of("--oidc-required-claim=hd=a=b --oidc-required-claim=x=y").claim_rules;
    assert_eq!(required[0], ClaimRule::Required { claim: "hd".to_owned(), value: "a=b".to_owned() });
    assert_eq!(required.len(), 2);
}

#[test]
fn start_up_errors_are_the_server_s() {
    for (text, expected) in [
        (
            "--oidc-issuer-url=https://iss",
            "oidc-issuer-url and oidc-client-id must be specified together when any oidc-* flags are set",
        ),
        (
            "--oidc-issuer-url=http://iss --oidc-client-id=c",
            "invalid authentication configuration: jwt[0].issuer.url: Invalid value: \"http://iss\": URL scheme must be https",
        ),
        (
            "--oidc-issuer-url=https://i --oidc-client-id=c --oidc-signing-algs=HS256",
            "oidc: unsupported signing alg: \"HS256\"",
        ),
        (
            "--oidc-issuer-url=https://i --oidc-client-id=c --service-account-issuer=https://i",
            "issuer.url: Invalid value: \"https://i\": URL must not overlap with disallowed issuers: [https://i]",
        ),
        (
            "--authentication-config=f --oidc-client-id=c",
            "authentication-config file and oidc-* flags are mutually exclusive",
        ),
        ("kube-apiserver --etcd-servers=x", "service-account-issuer is a required flag"),
        ("--service-account-issuer=a --service-account-issuer=a", "service-account-issuer \"a\" is already specified"),
    ] {
        assert_eq!(errors(text), [expected]);
    }
}

#[test]
fn an_egress_selection_needs_a_file_of_them() {
    // The words are those of a kube-apiserver 1.36 that did not start.
    let error = "oidc: egress lookup required with egress selector type \"cluster\"";
    let file = serde_json::json!({ "apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration",
        "jwt": [{ "issuer": { "url": "https://x.test", "audiences": ["a"], "egressSelectorType": "cluster" },
            "claimMappings": { "username": { "claim": "sub", "prefix": "" } } }] });
    for (text, expected) in [
        ("kube-apiserver --etcd-servers=x --service-account-issuer=s --authentication-config=f", Some(error)),
        (
            "kube-apiserver --etcd-servers=x --service-account-issuer=s --authentication-config=f \
             --egress-selector-config-file=e",
            None,
        ),
        // A part of the command line may leave it out.
        ("--authentication-config=f", None),
    ] {
        let mut flags = parse_flags_text(text, "x").expect("flags");
        flags.authentication_configuration = Some(file.clone());
        let configuration = from_flags(&flags).expect(text);
        assert_eq!(egress_error(&configuration, &flags).as_deref(), expected, "{text}");
    }
}

const FILE: &str = "apiVersion: apiserver.config.k8s.io/v1beta1
kind: AuthenticationConfiguration
anonymous: {enabled: true, conditions: [{path: /livez}]}
jwt:
- issuer:
    url: https://one
    audiences: [a, b]
    audienceMatchPolicy: MatchAny
    discoveryURL: https://one.internal/x
  claimMappings:
    username: {claim: sub, prefix: ''}
    groups: {expression: 'claims.roles'}
    uid: {claim: oid}
    extra: [{key: example.org/tenant, valueExpression: claims.tenant}]
  claimValidationRules:
  - {claim: hd, requiredValue: example.com}
  - {expression: 'claims.ok == true', message: no}
- issuer: {url: https://two, audiences: [c]}
  claimMappings: {username: {expression: claims.sub}}
";

#[test]
fn a_file_is_read() {
    let configuration = read(FILE).unwrap();
    assert_eq!(configuration.jwt.len(), 2);
    assert_eq!(configuration.signing_algorithms, SIGNING_ALGORITHMS);
    assert_eq!(configuration.anonymous_paths.as_deref(), Some(&["/livez".to_owned()][..]));
    assert!(!configuration.complete && configuration.jwt_known);
    let one = &configuration.jwt[0];
    assert!(one.uses_cel());
    assert_eq!(one.issuer.discovery_url.as_deref(), Some("https://one.internal/x"));
    assert_eq!(one.username, Mapping::Claim { claim: "sub".to_owned(), prefix: String::new() });
    assert_eq!(one.claim_rules.len(), 2);
    for version in ["v1alpha1", "v1"] {
        assert!(read(&FILE.replace("v1beta1", version)).is_ok());
    }
}

#[test]
fn a_bad_file_is_refused_in_the_server_s_words() {
    let load = "failed to load authentication configuration from file \"conf.yaml\": ";
    let invalid = "invalid authentication configuration: ";
    for (from, to, expected) in [
        (
            "audiences: [c]",
            "audience: [c]",
            format!("{load}strict decoding error: unknown field \"jwt[1].issuer.audience\""),
        ),
        (
            "audiences: [c]",
            "audiences: []",
            format!(
                "{invalid}jwt[1].issuer.audiences: Required value: at least one jwt[1].issuer.audiences is required"
            ),
        ),
        (
            "prefix: ''",
            "expression: x",
            format!(
                "{invalid}jwt[0].claimMappings.username: Invalid value: \"\": claim and expression can't both be set"
            ),
        ),
        (
            ", prefix: ''",
            "",
            format!(
                "{invalid}jwt[0].claimMappings.username.prefix: Required value: prefix is required when claim is set. It \
                 can be set to an empty string to disable prefixing"
            ),
        ),
        ("https://two", "https://one", format!("{invalid}jwt[1].issuer.url: Duplicate value: \"https://one\"")),
        (
            "    audienceMatchPolicy: MatchAny\n",
            "",
            format!(
                "{invalid}jwt[0].issuer.audienceMatchPolicy: Invalid value: \"\": audienceMatchPolicy must be MatchAny \
                 for multiple audiences"
            ),
        ),
        (
            "https://two",
            "http://u@two?x=1#y",
            format!(
                "{invalid}[jwt[1].issuer.url: Invalid value: \"http://u@two?x=1#y\": URL scheme must be https, \
                 jwt[1].issuer.url: Invalid value: \"http://u@two?x=1#y\": URL must not contain a username or password, \
                 jwt[1].issuer.url: Invalid value: \"http://u@two?x=1#y\": URL must not contain a query, \
                 jwt[1].issuer.url: Invalid value: \"http://u@two?x=1#y\": URL must not contain a fragment]"
            ),
        ),
        (
            "example.org/tenant",
            "k8s.io/tenant",
            format!(
                "{invalid}jwt[0].claimMappings.extra[0].key: Invalid value: \"k8s.io/tenant\": k8s.io, kubernetes.io and \
                 their subdomains are reserved for Kubernetes use"
            ),
        ),
    ] {
        let text = FILE.replacen(from, to, 1);
        assert_ne!(text, FILE);
        assert_eq!(errors(&text), [expected]);
    }
    // "https://" and upper case are accepted, as on real servers.
    for url in ["https://", "HTTPS://two"] {
        assert!(read(&FILE.replace("https://two", url)).is_ok());
    }
}

const CA: &str = "-----BEGIN CERTIFICATE-----\n\
MIIBVTCB/KADAgECAhR77HNLDdf0ITTY3kSW2hdqBPOyTTAKBggqhkjOPQQDAjAR\n\
MQ8wDQYDVQQDDAZyZWQtY2EwHhcNMjYxMTI1MDE1MDE5WhcNMzYxMTIzMDE1MDE5\n\
WjARMQ8wDQYDVQQDDAZyZWQtY2EwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQT\n\
hP0LNQimn35E/Cr97ygnphcyQkwCkjC4SzPJfCHgnPwuMTjxHHYbTaTBYbztNXP/\n\
PaBC3eZweI2YE/8MQ1LXozIwMDAPBgNVHRMBAf8EBTADAQH/MB0GA1UdDgQWBBS0\n\
At+6NIwxwCvoBp9lJOzLtMGIVTAKBggqhkjOPQQDAgNIADBFAiEAnSYoczt64cVH\n\
5yLurzROvTed9wsuA/OMgWCfOFdPZXoCIEZ8sLbKie2IaCJ36LbfUsijg/1LRFzx\n\
YqYK/OlqfBvB\n-----END CERTIFICATE-----\n";

/// The errors of a file with one authenticator, whose issuer has this field.
fn with_issuer(field: &str, value: &str) -> String {
    let mut issuer = serde_json::json!({ "url": "https://x.test", "audiences": ["a"] });
    issuer[field] = serde_json::json!(value);
    with_entry("issuer", issuer)
}

fn with_entry(part: &str, value: serde_json::Value) -> String {
    let mut entry = serde_json::json!({ "issuer": { "url": "https://x.test", "audiences": ["a"] },
        "claimMappings": { "username": { "claim": "sub", "prefix": "" } } });
    entry[part] = value;
    let file = serde_json::json!({ "apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration",
        "jwt": [entry] });
    let errors = read(&file.to_string()).err().unwrap_or_default().join("; ");
    errors.trim_start_matches("invalid authentication configuration: jwt[0].").to_owned()
}

#[test]
fn a_bundle_of_cas_is_read_as_go_reads_it() {
    let (begin, end) = ("-----BEGIN CERTIFICATE-----\n", "-----END CERTIFICATE-----\n");
    let truncated = CA.replace("At+6NIwxwCvoBp9lJOzLtMGIVTAKBggqhkjOPQQDAgNIADBFAiEAnSYoczt64cVH\n", "");
    let truncated = &truncated[..truncated.find("5yLurz").unwrap()];
    let truncated = format!("{truncated}{end}");
    let malformed = "x509: malformed certificate";
    let none = "data does not contain any valid RSA or ECDSA certificates";
    for (pem, why) in [
        (CA.to_owned(), ""),
        (CA.replace('\n', "\r\n"), ""),
        (format!("{CA}-----BEGIN KEY-----\nAA==\n-----END KEY-----\n"), ""),
        (truncated.clone(), malformed),
        (format!("{CA}{truncated}"), malformed),
        (format!("{begin}AA\n{end}"), none),
        (CA.replacen(begin, &format!("{begin}X: y\n\n"), 1), none),
        (CA.replace("CERTIFICATE", "PRIVATE KEY"), none),
        ("no PEM".to_owned(), none),
    ] {
        let expected = match why {
            "" => String::new(),
            why => format!("issuer.certificateAuthority: Invalid value: \"<omitted>\": {why}"),
        };
        assert_eq!(with_issuer("certificateAuthority", &pem), expected, "{pem}");
    }
}

#[test]
fn a_url_that_go_does_not_parse_is_refused() {
    let said = |field: &str, why: &str| {
        format!("issuer.{field}: Invalid value: \"https://h /x\": parse \"https://h /x\": {why}")
    };
    let why = "invalid character \" \" in host name";
    assert_eq!(with_issuer("url", "https://h /x"), said("url", why));
    assert_eq!(with_issuer("discoveryURL", "https://h /x"), said("discoveryURL", why));
    for odd in ["https://h<x>/y", "https://h:/x", "https://[::1]:443/x", "https://[fe80::1%25eth0]/x"] {
        assert_eq!(with_issuer("url", odd), "", "{odd}");
    }
}

#[test]
fn keys_and_expressions_have_the_server_s_words() {
    let mapping = |key: &str, expression: &str| {
        with_entry(
            "claimMappings",
            serde_json::json!({ "username": { "claim": "sub", "prefix": "" },
                "extra": [{ "key": key, "valueExpression": expression }] }),
        )
    };
    let path = "Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')";
    for (key, seen) in [("a.com/b c", "b c"), ("a.com/é", "é")] {
        let expected = format!("claimMappings.extra[0].key: Invalid value: \"{seen}\": {path}");
        assert_eq!(mapping(key, "'x'"), expected);
    }
    assert_eq!(mapping("a.com/b/~c%20", "'x'"), "");
    assert_eq!(
        mapping("a.com/b", "int('x')"),
        "claimMappings.extra[0].valueExpression: Internal error: program instantiation failed: type conversion error from \
         'string' to 'int'"
    );
    let rule = |expression: &str| with_entry("claimValidationRules", serde_json::json!([{ "expression": expression }]));
    assert!(rule("google.protobuf.Struct{}").ends_with("must evaluate to bool"));
    let deep = format!("{}true{}", "(".repeat(250), ")".repeat(250));
    assert!(rule(&deep).ends_with("ERROR: <input>:-1:0: expression recursion limit exceeded: 250"));
}

#[test]
fn flags_are_found_in_every_form() {
    let pod = "apiVersion: v1
kind: Pod
spec:
  containers:
  - name: kube-apiserver
    command:
    - kube-apiserver
    - --oidc-issuer-url=https://iss
    - --oidc-client-id=c
    - --oidc-username-claim=email
    - --service-account-issuer=https://sa
    - --anonymous-auth=false
";
    let line = "root 1 0.0 kube-apiserver --oidc-issuer-url=https://iss --oidc-client-id c --oidc-username-claim=email \
         --service-account-issuer=https://sa --anonymous-auth=false";
    let unit = "[Service]\nExecStart=/usr/bin/kube-apiserver \\\n  --oidc-issuer-url='https://iss' \\\n  --oidc-client-id=\"c\" \\\n  \
         --oidc-username-claim=email --service-account-issuer=https://sa --anonymous-auth=false\n";
    let mut texts = vec![pod.to_owned(), line.to_owned(), unit.to_owned()];
    texts.push(format!("apiVersion: v1\nkind: ConfigMap\n---\n{pod}"));
    for delimiter in ["=", ": ", ":", " "] {
        let body = "\nkube-apiserver flagz\nWarning: This endpoint is not meant to be machine parseable.\n\nanonymous-auth=false\n\
             api-audiences=[]\nauthentication-config=\noidc-ca-file=\noidc-client-id=c\noidc-groups-claim=\n\
             oidc-issuer-url=https://iss\noidc-required-claim=\noidc-signing-algs=[RS256]\noidc-username-claim=email\n\
             service-account-issuer=[https://sa]\n";
        texts.push(body.replace('=', delimiter));
    }
    for text in texts {
        let flags = parse_flags_text(&text, "x").expect(&text);
        assert!(flags.complete, "{text}");
        let configuration = from_flags(&flags).expect(&text);
        assert_eq!(configuration.jwt[0].issuer.url, "https://iss", "{text}");
        assert_eq!(configuration.jwt[0].issuer.audiences, ["c"], "{text}");
        assert_eq!(configuration.service_account_issuers, ["https://sa"], "{text}");
        assert_eq!(configuration.api_audiences, ["https://sa"], "{text}");
        assert_eq!(configuration.signing_algorithms, ["RS256"], "{text}");
        assert!(!configuration.anonymous, "{text}");
    }
    for text in ["", "hello", "kind: Deployment\nspec: {}", "{"] {
        assert!(parse_flags_text(text, "x").is_err(), "{text}");
    }
}

#[test]
fn a_part_of_a_command_line_is_not_the_whole() {
    let text = "kube-apiserver --oidc-issuer-url=https://iss --oidc-client-id=c";
    assert!(!parse_flags_text(text, "x").expect("flags").complete);
    let configuration = read(text).unwrap();
    assert!(!configuration.complete && configuration.jwt_known);
}

#[test]
fn a_whole_flagz_with_defaults_has_no_oidc_flags() {
    let body = "\nkube-apiserver flagz\nWarning: x\n\noidc-client-id=\noidc-issuer-url=\noidc-signing-algs=[RS256]\n\
         oidc-username-claim=sub\nservice-account-issuer=[https://a,https://b]\n";
    let configuration = read(body).unwrap();
    assert_eq!(configuration.jwt, []);
    assert_eq!(configuration.service_account_issuers, ["https://a", "https://b"]);
    assert!(configuration.complete && configuration.jwt_known);
}

#[test]
fn an_issuer_is_itself_to_the_byte_but_for_googles_own_spelling() {
    let issuer_of = |url: &str, iss: &str| {
        let configuration = read(&format!("kube-apiserver --oidc-issuer-url={url} --oidc-client-id=c")).unwrap();
        configuration.authenticator_of(iss).map(|jwt| jwt.issuer.url.clone())
    };
    let google = "https://accounts.google.com";
    assert_eq!(issuer_of(google, "accounts.google.com").as_deref(), Some(google));
    assert_eq!(issuer_of(google, google).as_deref(), Some(google));
    assert_eq!(issuer_of(google, "https://accounts.google.com/"), None);
    assert_eq!(issuer_of("https://idp.example.com", "idp.example.com"), None);
}
