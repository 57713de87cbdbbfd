//! Faults of kubeconfigs and credential plugins, and their fixes applied.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use serde_json::{Value, json};

use crate::support::lab::apiserver::certificate_user;
use crate::support::lab::{self, ApiServer, Lab, Options};
use crate::support::run::{
    Run, command, doctor, doctor_in, expect_fault, expect_healthy, expect_warning, scratch, shell_script,
};

/// Nobody listens there: what is found is found in the files.
const NOWHERE: &str = "server: 'https://127.0.0.1:1'";

fn text(cluster: &str, user: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\nclusters:\n- name: c\n  cluster: {{{cluster}}}\ncontexts:\n- name: a\n  \
         context: {{cluster: c, user: u}}\ncurrent-context: a\nusers:\n- name: u\n  user: {user}\n"
    )
}

fn file(text: &str) -> PathBuf {
    let path = scratch("kubeconfig").join("config");
    fs::write(&path, text).expect("a kubeconfig");
    path
}

fn config(cluster: &str, user: &str) -> PathBuf {
    file(&text(cluster, user))
}

/// A server that kubectl is sent to by this entry, in the lab.
fn lab_config(server: &ApiServer, cluster: &str, user: &Value) -> PathBuf {
    let ca = encoded(&fs::read_to_string(server.ca()).expect("a CA"));
    let cluster = cluster.replace("URL", &server.url()).replace("CA", &ca);
    config(&cluster, &user.to_string())
}

fn encoded(text: &str) -> String {
    base64::engine::general_purpose::STANDARD.encode(text)
}

fn certain(run: &Run, code: &str) {
    assert_eq!(run.finding(code)["confidence"], "certain", "{}", run.stdout);
}

fn silent(run: &Run, code: &str) {
    assert!(!run.codes().iter().any(|found| found == code), "{code}: {}", run.stdout);
}

/// The command of a finding's step.
fn fix(run: &Run, step: usize) -> String {
    run.findings()[0]["fix"][step]["command"]
        .as_str()
        .unwrap_or_else(|| panic!("no command: {}", run.stdout))
        .to_owned()
}

/// Runs a fix as it stands, with the lab's kubectl and this kubeconfig.
fn apply(lab: &Lab, kubeconfig: &Path, fix: &str) {
    let folder = scratch("bin");
    std::os::unix::fs::symlink(lab.kubectl(), folder.join("kubectl")).expect("a link");
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap_or_default());
    let output = Command::new("sh")
        .arg("-c")
        .arg(fix)
        .current_dir(kubeconfig.parent().expect("a folder"))
        .env("PATH", path)
        .env("KUBECONFIG", kubeconfig)
        .output()
        .expect("sh");
    assert!(output.status.success(), "{fix}: {}", String::from_utf8_lossy(&output.stderr));
}

/// `doctor` with a list of files.
fn doctor_list(files: &[&Path]) -> Run {
    let evidence = scratch("evidence").join("evidence.json");
    let list = std::env::join_paths(files).expect("a list");
    let output = command()
        .args(["doctor", "-o", "json", "--save"])
        .arg(&evidence)
        .env("KUBECONFIG", list)
        .output()
        .expect("kaccess runs");
    let stdout = String::from_utf8(output.stdout).expect("UTF-8");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let report = serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout}\n{stderr}"));
    crate::support::schema::hold(&report);
    Run { code: output.status.code().unwrap_or(-1), report, stdout, stderr, evidence }
}

/// A certificate with its key, and another key.
fn pairs() -> (String, String, String) {
    let key = rcgen::KeyPair::generate().expect("a key");
    let certificate = rcgen::CertificateParams::default().self_signed(&key).expect("a certificate");
    let other = rcgen::KeyPair::generate().expect("a key");
    (certificate.pem(), key.serialize_pem(), other.serialize_pem())
}

#[test]
fn cluster_entries_that_kubectl_refuses() {
    let (certificate, ..) = pairs();
    let ca = encoded(&certificate);
    let good = config(&format!("{NOWHERE}, certificate-authority-data: {ca}"), "{token: opaque-token-of-a-test}");
    let twin = doctor(&good, &[]);

    let both = format!("{NOWHERE}, insecure-skip-tls-verify: true, certificate-authority-data: {ca}");
    let run = doctor(&config(&both, "{token: opaque-token-of-a-test}"), &[]);
    expect_fault("insecure-with-ca", &run, &["insecure-with-ca"]);
    certain(&run, "insecure-with-ca");
    assert_eq!(fix(&run, 0), "kubectl config set-cluster c --insecure-skip-tls-verify=false");
    silent(&run, "kubeconfig-unparsable");
    silent(&twin, "insecure-with-ca");

    let run = doctor(
        &config(&format!("{NOWHERE}, certificate-authority-data: aGVsbG8="), "{token: opaque-token-of-a-test}"),
        &[],
    );
    expect_fault("kubeconfig-ca-unparsable", &run, &["kubeconfig-ca-unparsable"]);
    certain(&run, "kubeconfig-ca-unparsable");
    silent(&run, "kubeconfig-unparsable");
    silent(&twin, "kubeconfig-ca-unparsable");
    // Two certificates without a line's break between them are none to kubectl.
    let joined = encoded(&format!("{}{certificate}", certificate.trim_end()));
    let run = doctor(
        &config(&format!("{NOWHERE}, certificate-authority-data: {joined}"), "{token: opaque-token-of-a-test}"),
        &[],
    );
    assert_eq!(run.codes()[0], "kubeconfig-ca-unparsable", "{}", run.stdout);
    assert!(run.stdout.contains("unable to parse bytes as PEM block"), "{}", run.stdout);
    // A scheme that is mistyped is a path to Go.
    for server in ["https//127.0.0.1:1", "https:/127.0.0.1:1"] {
        let run = doctor(&config(&format!("server: '{server}'"), "{token: opaque-token-of-a-test}"), &[]);
        assert_eq!(run.codes()[0], "kubeconfig-unparsable", "{}", run.stdout);
        assert!(run.stdout.contains("host must be a URL or a host:port pair"), "{}", run.stdout);
        assert_eq!(fix(&run, 0), "kubectl config set-cluster c --server=https://127.0.0.1:1");
    }
    let twice = format!("{NOWHERE}, certificate-authority: ca.crt, certificate-authority-data: {ca}");
    let run = doctor(&config(&twice, "{token: opaque-token-of-a-test}"), &[]);
    expect_fault("kubeconfig-ca-twice", &run, &["kubeconfig-ca-unparsable"]);
    assert_eq!(fix(&run, 0), "kubectl config unset clusters.c.certificate-authority");

    let run =
        doctor(&config(&format!("{NOWHERE}, certificate-authority: gone.crt"), "{token: opaque-token-of-a-test}"), &[]);
    expect_fault("credential-file-missing-ca", &run, &["credential-file-missing"]);
    silent(&run, "kubeconfig-not-found");
}

#[test]
fn a_slip_in_a_context_is_named_and_the_current_one_left_alone() {
    let many = |count: usize, current: &str| {
        let mut text = text(NOWHERE, "{}").replace("current-context: a", &format!("current-context: {current}"));
        let more: String = (0..count).map(|n| format!("- name: x{n}\n  context: {{cluster: c, user: u}}\n")).collect();
        text = text.replace("contexts:\n", &format!("contexts:\n{more}"));
        file(&text.replace("- name: a\n  context", "- name: admin\n  context"))
    };
    let run = doctor(&many(60, "admin"), &["--context", "amdin"]);
    assert_eq!(fix(&run, 0), "kaccess doctor --context admin");
    assert!(!run.stdout.contains("use-context"), "{}", run.stdout);
    assert!(run.findings()[0]["why"].to_string().contains("and 51 more"), "{}", run.stdout);
    let run = doctor(&many(0, "admin"), &["--context", "elsewhere"]);
    assert_eq!(run.report["context"], "elsewhere");
    assert!(!run.stdout.contains("use-context"), "{}", run.stdout);
    // The file names it: there it is to be mended.
    let run = doctor(&many(3, "amdin"), &[]);
    assert_eq!(fix(&run, 0), "kubectl config use-context admin");
    let run = doctor(&many(3, "elsewhere"), &[]);
    assert_eq!(run.findings()[0]["fix"][2]["text"], "Or (there is 1 more)", "{}", run.stdout);
}

/// Emoji and scripts hold characters that are not seen; what is shown of such a name finds no context.
#[test]
fn every_context_is_looked_up_by_its_own_name() {
    let names = [
        ("\u{26a0}\u{fe0f} PROD", "\u{26a0} PROD"),
        ("\u{1f468}\u{200d}\u{1f4bb} dev", "\u{1f468}\u{1f4bb} dev"),
        ("soft\u{ad}hyphen", "softhyphen"),
        ("zero\u{200b}width", "zerowidth"),
        ("turned\u{202e}around", "turnedaround"),
        ("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.c2lnbmF0dXJl", "[redacted]"),
        ("plain", "plain"),
    ];
    let mut text = text(NOWHERE, "{token: opaque-token-of-a-test}");
    for (name, _) in names {
        text = text
            .replace("contexts:\n", &format!("contexts:\n- name: \"{name}\"\n  context: {{cluster: c, user: u}}\n"));
    }
    // Neither can be resolved, and both are named.
    text = text.replace("- name: a\n  context: {cluster: c,", "- name: a\n  context: {cluster: gone,");
    text = text.replace("contexts:\n", "contexts:\n- name: b\n  context: {cluster: c, user: gone}\n");
    let all = |form: &str| {
        let mut command = command();
        command.args(["doctor", "--all-contexts", "--no-aws", "-o", form, "--kubeconfig"]).arg(file(&text));
        let output = command.output().expect("kaccess runs");
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    let list: Value = serde_json::from_str(&all("json")).expect("JSON");
    crate::support::schema::hold(&list);
    let items = list["items"].as_array().expect("items");
    let mut told: Vec<(&str, &str)> = items
        .iter()
        .map(|item| {
            (item["context"].as_str().unwrap_or("null"), item["findings"][0]["code"].as_str().unwrap_or("none"))
        })
        .collect();
    told.sort_unstable();
    let mut expected: Vec<(&str, &str)> = names.iter().map(|(_, shown)| (*shown, "api-connection-refused")).collect();
    expected.extend([("a", "context-cluster-missing"), ("b", "context-user-missing")]);
    expected.sort_unstable();
    assert_eq!(told, expected);
    assert!(!all("table").contains("c2lnbmF0dXJl"));
    for context in ["a", "b", "elsewhere"] {
        let mut one = command();
        one.args(["doctor", "--no-aws", "-o", "prometheus", "--context", context, "--kubeconfig"]).arg(file(&text));
        let told = String::from_utf8(one.output().expect("kaccess runs").stdout).expect("UTF-8");
        assert!(told.contains(&format!("context=\"{context}\"")), "{told}");
    }
}

#[test]
fn a_token_file_of_powershell() {
    let path = scratch("token").join("token");
    let text = "\u{feff}eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJqYW5lIn0.c2lnbmF0dXJl\r\n";
    for ending in [u16::to_le_bytes, u16::to_be_bytes] {
        let bytes: Vec<u8> = text.encode_utf16().flat_map(ending).collect();
        fs::write(&path, bytes).expect("a token");
        let run = doctor(&config(NOWHERE, &format!("{{tokenFile: '{}'}}", path.display())), &[]);
        certain(&run, "token-has-whitespace");
        let title = run.finding("token-has-whitespace")["title"].to_string();
        assert!(title.contains("UTF-16"), "{}", run.stdout);
    }
}

#[test]
fn user_entries_that_kubectl_refuses() {
    let (certificate, key, other) = pairs();
    let (cert, key, other) = (encoded(&certificate), encoded(&key), encoded(&other));
    let run = doctor(&config(NOWHERE, "{token: opaque-token-of-a-test, username: a, password: b-of-a-test}"), &[]);
    expect_fault("several-credentials", &run, &["several-credentials"]);
    certain(&run, "several-credentials");
    silent(&run, "kubeconfig-unparsable");
    assert_eq!(fix(&run, 0), "kubectl config unset users.u.username; kubectl config unset users.u.password");
    let exec = "exec: {apiVersion: client.authentication.k8s.io/v1, command: x, interactiveMode: Never}";
    let run = doctor(&config(NOWHERE, &format!("{{auth-provider: {{name: oidc}}, {exec}}}")), &[]);
    assert!(run.codes().iter().any(|code| code == "several-credentials"), "{}", run.stdout);

    // One credential, written twice: one command for both of its halves.
    let twice =
        format!("{{client-certificate-data: {cert}, client-certificate: a, client-key-data: {key}, client-key: b}}");
    let run = doctor(&config(NOWHERE, &twice), &[]);
    expect_fault("several-credentials-twice", &run, &["several-credentials"]);
    let both = "kubectl config unset users.u.client-certificate; kubectl config unset users.u.client-key";
    assert_eq!(fix(&run, 0), both);
    assert!(run.findings()[0]["title"].to_string().contains("both as data and as a file"), "{}", run.stdout);

    let mismatch = format!("{{client-certificate-data: {cert}, client-key-data: {other}}}");
    let run = doctor(&config(NOWHERE, &mismatch), &[]);
    expect_fault("client-key-mismatch", &run, &["client-key-mismatch"]);
    certain(&run, "client-key-mismatch");
    let run = doctor(&config(NOWHERE, &format!("{{client-certificate-data: {cert}}}")), &[]);
    expect_fault("client-key-missing", &run, &["client-key-missing"]);
    certain(&run, "client-key-missing");
    let twin = doctor(&config(NOWHERE, &format!("{{client-certificate-data: {cert}, client-key-data: {key}}}")), &[]);
    for code in ["client-key-mismatch", "client-key-missing", "several-credentials", "kubeconfig-unparsable"] {
        silent(&twin, code);
    }

    for provider in ["gcp", "azure"] {
        let run = doctor(&config(NOWHERE, &format!("{{auth-provider: {{name: {provider}}}}}")), &[]);
        expect_fault(&format!("auth-provider-removed-{provider}"), &run, &["auth-provider-removed"]);
        certain(&run, "auth-provider-removed");
    }
    let run = doctor(&config(NOWHERE, "{auth-provider: {name: openstack}}"), &[]);
    expect_fault("auth-provider-not-built-in", &run, &["auth-provider-not-built-in"]);
    let oidc = config(NOWHERE, "{auth-provider: {name: oidc, config: {id-token: a.b.c}}}");
    let run = doctor(&oidc, &["--error", "Error: no Auth Provider found for name \"oidc\""]);
    expect_fault("auth-provider-not-built-in-asked", &run, &["auth-provider-not-built-in"]);
    silent(&doctor(&oidc, &[]), "auth-provider-not-built-in");
    silent(&doctor(&oidc, &[]), "no-credential");

    let run = doctor(&config(NOWHERE, "{auth-provider: {name: oidc}}"), &[]);
    expect_fault("no-credential-oidc", &run, &["no-credential"]);
    certain(&run, "no-credential");
    // kubectl would renew it; that is no fault.
    let refresh = "{auth-provider: {name: oidc, config: {refresh-token: refresh-token-of-a-test}}}";
    silent(&doctor(&config(NOWHERE, refresh), &[]), "no-credential");
    let run = doctor(&config(NOWHERE, "{token: opaque-token-of-a-test, as-groups: [admins]}"), &[]);
    expect_fault("default-impersonation-groups", &run, &["default-impersonation"]);
}

fn script(name: &str, text: &str) -> String {
    let path = scratch("plugin").join(name);
    shell_script(&path, text);
    path.to_string_lossy().into_owned()
}

fn exec(command: &str, args: &[&str]) -> Value {
    json!({ "exec": { "apiVersion": "client.authentication.k8s.io/v1", "command": command, "args": args, "interactiveMode": "Never" } })
}

/// A plugin that writes this to stderr and ends with this code.
fn failing(name: &str, stderr: &str, code: u8, args: &[&str]) -> PathBuf {
    let plugin = script(name, &format!("cat >&2 <<'END'\n{stderr}\nEND\nexit {code}"));
    config(NOWHERE, &exec(&plugin, args).to_string())
}

const EKS: &[&str] = &["--region", "eu-central-1", "eks", "get-token", "--cluster-name", "prod", "--profile", "dev"];
const ISSUER: &[&str] = &[
    "oidc-login",
    "get-token",
    "--oidc-issuer-url=https://localhost:1/realms/platform",
    "--oidc-client-id=kubernetes",
];

#[test]
fn aws_plugins_that_cannot_sign() {
    for (name, stderr, code, title) in [
        (
            "aws-credentials-unavailable",
            "\nThe SSO session associated with this profile has expired or is otherwise invalid. To refresh this SSO session run aws sso login with the corresponding profile.",
            255,
            "SSO session has ended",
        ),
        (
            "aws-credentials-unavailable-none",
            "\nUnable to locate credentials. You can configure credentials by running \"aws configure\".",
            253,
            "no AWS credentials",
        ),
        (
            "aws-credentials-unavailable-profile",
            "\nThe config profile (dev) could not be found",
            255,
            "profile does not exist",
        ),
        (
            "aws-credentials-unavailable-expired",
            "\nAn error occurred (ExpiredToken) when calling the AssumeRole operation: The security token included in the request is expired",
            254,
            "temporary AWS credentials have expired",
        ),
    ] {
        let run = doctor(&failing("aws", stderr, code, EKS), &[]);
        expect_fault(name, &run, &["aws-credentials-unavailable", "exec-failed"]);
        certain(&run, "aws-credentials-unavailable");
        assert!(run.findings()[0]["title"].to_string().contains(title), "{}", run.stdout);
        silent(&run, "aws-assume-role-denied");
    }
    let nowhere = "\nYou must specify a region. You can also configure your region by running \"aws configure\".";
    let run = doctor(&failing("aws", nowhere, 253, &["eks", "get-token", "--cluster-name", "prod"]), &[]);
    expect_fault("aws-credentials-unavailable-region", &run, &["aws-credentials-unavailable", "exec-failed"]);
    certain(&run, "aws-credentials-unavailable");
    assert_eq!(run.findings()[0]["title"], "The AWS tool was not told a region", "{}", run.stdout);
    assert_eq!(fix(&run, 1), "aws eks update-kubeconfig --name prod --region REGION", "{}", run.stdout);
    let denied = "\nAn error occurred (AccessDenied) when calling the AssumeRole operation: User: arn:aws:iam::111122223333:user/jane is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::111122223333:role/eks-admin";
    let args = [EKS, &["--role-arn", "arn:aws:iam::111122223333:role/eks-admin"]].concat();
    let run = doctor(&failing("aws", denied, 254, &args), &[]);
    expect_fault("aws-assume-role-denied", &run, &["aws-assume-role-denied", "exec-failed"]);
    certain(&run, "aws-assume-role-denied");
    assert!(fix(&run, 0).contains("--role-name eks-admin"), "{}", run.stdout);
    silent(&run, "aws-credentials-unavailable");
    // The same words of another program are its own matter.
    let run = doctor(&failing("mytool", denied, 1, &[]), &[]);
    assert_eq!(run.codes()[0], "exec-failed");
}

#[test]
fn login_plugins_that_get_no_token() {
    let stderr = "error: get-token: authentication error: oidc error: oidc discovery error: Get \"https://localhost:1/realms/platform/.well-known/openid-configuration\": dial tcp 127.0.0.1:1: connect: connection refused";
    let run = doctor(&failing("kubectl", stderr, 1, ISSUER), &[]);
    expect_fault("exec-issuer-unreachable", &run, &["exec-issuer-unreachable", "exec-failed"]);
    certain(&run, "exec-issuer-unreachable");
    silent(&run, "exec-login-expired");
    // It was reached, and gave something else.
    let other = "error: get-token: authentication error: oidc error: oidc discovery error: 404 Not Found";
    let run = doctor(&failing("kubectl", other, 1, ISSUER), &[]);
    silent(&run, "exec-issuer-unreachable");
    assert_eq!(run.codes()[0], "exec-failed");

    let stderr = "error: get-token: authentication error: authcode-browser error: authentication error: authorization code flow error: context deadline exceeded while waiting for authorization response";
    let run = doctor(&failing("kubectl-oidc_login", stderr, 1, ISSUER), &[]);
    expect_fault("exec-login-expired", &run, &["exec-login-expired", "exec-failed"]);
    certain(&run, "exec-login-expired");
    silent(&run, "exec-issuer-unreachable");
    let stderr = "ERROR: (gcloud.config.config-helper) There was a problem refreshing your current auth tokens: Reauthentication failed. cannot prompt during non-interactive execution.";
    let run = doctor(&failing("gke-gcloud-auth-plugin", stderr, 1, &[]), &[]);
    expect_fault("exec-login-expired-gke", &run, &["exec-login-expired", "exec-failed"]);
    assert_eq!(fix(&run, 0), "gcloud auth login");
    // Other programs, other words; what they say decides, and where they end says nothing.
    let gcloud = "F1126 cred.go:145] print credential failed with error: Failed to retrieve access token:: failure while executing gcloud, with args [config config-helper --format=json]";
    let entra = "RESPONSE 401: 401 Unauthorized\n{\n  \"error\": \"invalid_client\",\n  \"error_description\": \"AADSTS7000222: The provided client secret keys for app 'x' are expired.\"\n}";
    let azure: &[&str] = &["get-token", "--login", "spn", "--server-id", "6dae42f8-4368-4678-94ff-3960e28e3630"];
    type World<'a> = (&'a str, &'a str, &'a [&'a str], String, &'a str, &'a str);
    let worlds: [World<'_>; 8] = [
        (
            "exec-login-none-gke",
            "gke-gcloud-auth-plugin",
            &[],
            format!("{gcloud}: exit status 1 (err: ERROR: (gcloud.config.config-helper) You do not currently have an active account selected.\nPlease run:\n\n  $ gcloud auth login\n)"),
            "exec-login-expired",
            "gcloud auth login",
        ),
        (
            "exec-login-none-azure-cli",
            "kubelogin",
            azure,
            "Error: failed to get token: AzureCLICredential: ERROR: Please run 'az login' to setup account.".to_owned(),
            "exec-login-expired",
            "az login",
        ),
        (
            "exec-login-application-secret",
            "kubelogin",
            azure,
            format!("Error: failed to get token\n{entra}"),
            "exec-login-expired",
            "az ad app credential reset --id APPLICATION_ID",
        ),
        (
            "exec-login-expired-tsh",
            "tsh",
            &["kube", "credentials"],
            "ERROR: Your credentials have expired. Please re-login with `tsh login`.\n\tssh: cert has expired\n".to_owned(),
            "exec-login-expired",
            "tsh login",
        ),
        ("exec-login-none-tsh", "tsh", &["kube", "credentials"], "ERROR: Not logged in.".to_owned(), "exec-login-expired", "tsh login"),
        (
            "exec-issuer-unreachable-pinniped",
            "pinniped",
            &["login", "oidc"],
            "Error: could not complete Pinniped login: could not perform OIDC discovery for \"https://sup.example.com\": Get \"https://sup.example.com/.well-known/openid-configuration\": dial tcp: lookup sup.example.com: no such host".to_owned(),
            "exec-issuer-unreachable",
            "curl -v https://sup.example.com/.well-known/openid-configuration",
        ),
        (
            "exec-plugin-of-kubectl-missing",
            "kubectl",
            ISSUER,
            "Error: unknown command \"oidc-login\" for \"kubectl\"".to_owned(),
            "exec-plugin-not-found",
            "kubectl krew install oidc-login",
        ),
        (
            "exec-plugin-without-gcloud",
            "gke-gcloud-auth-plugin",
            &[],
            format!("{gcloud}: exec: \"gcloud\": executable file not found in $PATH (err: )"),
            "exec-plugin-not-found",
            "gcloud",
        ),
    ];
    for (case, program, args, stderr, code, command) in worlds {
        let run = doctor(&failing(program, &stderr, 1, args), &[]);
        expect_fault(case, &run, &[code, "exec-failed"]);
        certain(&run, code);
        let steps = run.findings()[0]["fix"].to_string();
        assert!(steps.contains(command), "{case}: {steps}");
    }
    // A browser that is not there is no missing plugin.
    let stderr = "error: get-token: authentication error: authcode-browser error: could not open the browser: exec: \"xdg-open,x-www-browser,www-browser\": executable file not found in $PATH";
    let run = doctor(&failing("kubectl-oidc_login", stderr, 1, ISSUER), &[]);
    silent(&run, "exec-plugin-not-found");
    let run = doctor(&failing("mytool", "it went wrong: permission denied\n}", 1, &[]), &[]);
    assert!(run.stdout.contains("It says: it went wrong: permission denied"), "{}", run.stdout);
    // It waits for a browser that nobody looks at.
    let plugin = script("kubectl", "echo 'error: could not refresh the token, opening the browser' >&2\nsleep 30");
    let run = doctor(&config(NOWHERE, &exec(&plugin, ISSUER).to_string()), &["--exec-timeout", "1s"]);
    expect_fault("exec-login-expired-waiting", &run, &["exec-login-expired", "exec-timeout"]);
}

#[test]
fn exec_versions_terminals_and_policies() {
    let printing = |version: &str| {
        let credential = json!({ "apiVersion": format!("client.authentication.k8s.io/{version}"), "kind": "ExecCredential", "status": { "token": "opaque-token-of-a-test" } });
        script("printing", &format!("cat <<'END'\n{credential}\nEND"))
    };
    let entry = |version: &str, command: &str, mode: &str| {
        let exec = json!({ "exec": { "apiVersion": format!("client.authentication.k8s.io/{version}"), "command": command, "interactiveMode": mode } });
        config(NOWHERE, &exec.to_string())
    };
    let run = doctor(&entry("v1beta1", &printing("v1alpha1"), "Never"), &[]);
    expect_fault("exec-api-version-removed", &run, &["exec-api-version-removed", "exec-output-invalid"]);
    certain(&run, "exec-api-version-removed");
    let run = doctor(&entry("v1alpha1", &printing("v1alpha1"), "Never"), &[]);
    expect_fault("exec-api-version-removed-entry", &run, &["exec-api-version-removed"]);
    silent(&run, "exec-api-version-unknown-to-client");
    let run = doctor(&entry("v2", &printing("v1"), "Never"), &[]);
    expect_fault("exec-api-version-unknown", &run, &["exec-api-version-unknown-to-client"]);
    silent(&run, "exec-api-version-removed");
    let good = entry("v1", &printing("v1"), "Never");
    let met = "error: exec plugin: invalid apiVersion \"client.authentication.k8s.io/v1\"";
    let run = doctor(&good, &["--error", met]);
    expect_fault("exec-api-version-unknown-to-client", &run, &["exec-api-version-unknown-to-client"]);
    certain(&run, "exec-api-version-unknown-to-client");
    let run = doctor(&entry("v1", &printing("v1beta1"), "Never"), &[]);
    expect_fault("exec-api-version-mismatch", &run, &["exec-api-version-mismatch", "exec-output-invalid"]);
    certain(&run, "exec-api-version-mismatch");
    assert!(fix(&run, 0).ends_with("--exec-api-version=client.authentication.k8s.io/v1beta1"), "{}", run.stdout);
    let run = doctor(&entry("v1", &script("silent", "true"), "Never"), &[]);
    assert_eq!(run.codes()[0], "exec-output-invalid", "{}", run.stdout);
    silent(&run, "exec-api-version-mismatch");

    let run = doctor(&entry("v1", &printing("v1"), "Always"), &[]);
    expect_fault("exec-needs-terminal", &run, &["exec-needs-terminal", "exec-failed"]);
    certain(&run, "exec-needs-terminal");
    for (name, message) in [
        (
            "exec-denied-by-policy",
            "Unable to connect to the server: getting credentials: plugin \"printing\" not allowed: policy set to \"DenyAll\"",
        ),
        (
            "exec-denied-by-allowlist",
            "Unable to connect to the server: getting credentials: plugin path \"/usr/bin/printing\" is not permitted by the credential plugin allowlist",
        ),
    ] {
        let run = doctor(&good, &["--error", message]);
        expect_fault(name, &run, &["exec-denied-by-policy"]);
        // The field that every release with such a policy reads.
        let manifest = run.finding("exec-denied-by-policy")["fix"][0]["manifest"].to_string();
        assert!(manifest.contains("credentialPluginAllowlist:\\n- name: "), "{manifest}");
        certain(&run, "exec-denied-by-policy");
    }
    let twin = doctor(&good, &[]);
    assert!(twin.codes().iter().all(|code| !code.starts_with("exec-")), "{}", twin.stdout);
    // kubectl's preferences forbid it, and it is not run.
    let folder = scratch("kuberc");
    let (marker, kuberc) = (folder.join("ran"), folder.join("kuberc"));
    let marking = script("marking", &format!("touch '{}'", marker.display()));
    let marking = entry("v1", &marking, "Never");
    let forbidden = |policy: &str| {
        let text = format!("apiVersion: kubectl.config.k8s.io/v1beta1\nkind: Preference\n{policy}\n");
        fs::write(&kuberc, text).expect("preferences");
        doctor_in(&marking, &[], &[("KUBERC", kuberc.as_os_str())])
    };
    for (name, policy, listed) in [
        ("exec-denied-by-kuberc", "credentialPluginPolicy: DenyAll", ""),
        (
            "exec-denied-by-kuberc-list",
            "credentialPluginPolicy: Allowlist\ncredentialPluginAllowlist:\n- command: aws",
            "- name: \"aws\"\n",
        ),
    ] {
        let run = forbidden(policy);
        expect_fault(name, &run, &["exec-denied-by-policy"]);
        certain(&run, "exec-denied-by-policy");
        assert!(!marker.exists(), "{}", run.stdout);
        let manifest = run.findings()[0]["fix"][0]["manifest"].as_str().unwrap_or_default();
        assert!(manifest.contains(&format!("credentialPluginAllowlist:\n{listed}- name: \"/")), "{manifest}");
        // The fix lets it run.
        let fields = manifest.split_once("kind: Preference\n").expect("preferences").1;
        silent(&forbidden(fields), "exec-denied-by-policy");
        assert!(marker.exists());
        fs::remove_file(&marker).expect("the mark");
    }
    let run = doctor_in(&marking, &[], &[("KUBERC", folder.join("absent").as_os_str())]);
    assert_eq!(run.codes()[0], "kubeconfig-unparsable", "{}", run.stdout);
    assert_eq!(fix(&run, 0), "export KUBERC=off");
    assert!(!marker.exists(), "{}", run.stdout);
    // No program at all is started.
    let plain = scratch("plugin").join("not-executable");
    fs::write(&plain, "#!/bin/sh\n").expect("a file");
    let run = doctor(&entry("v1", &plain.to_string_lossy(), "Never"), &[]);
    assert_eq!(run.codes()[0], "exec-failed", "{}", run.stdout);
    assert_eq!(fix(&run, 0), format!("chmod +x {}", plain.display()));

    // It is there, and what runs it is not.
    for (name, first, told) in [
        ("no-interpreter", "#!/nonexistent/python3", "/nonexistent/python3"),
        ("of-windows", "#!/bin/sh\r", "carriage return"),
    ] {
        let path = script(name, "");
        fs::write(&path, format!("{first}\ntrue\n")).expect("a plugin");
        let run = doctor(&entry("v1", &path, "Never"), &[]);
        assert_eq!(run.codes()[0], "exec-failed", "{}", run.stdout);
        certain(&run, "exec-failed");
        silent(&run, "exec-plugin-not-found");
        assert!(run.finding("exec-failed")["why"].to_string().contains(told), "{}", run.stdout);
    }
    // Arguments in the command, and a home that no shell writes out.
    let good = printing("v1");
    let run = doctor(&config(NOWHERE, &exec(&format!("{good} --flag a"), &["b"]).to_string()), &[]);
    assert_eq!(run.codes()[0], "exec-plugin-not-found", "{}", run.stdout);
    let expected = format!("--exec-command={good} --exec-arg=--flag --exec-arg=a --exec-arg=b");
    assert!(fix(&run, 0).ends_with(&expected), "{}", run.stdout);
    let run = doctor(&config(NOWHERE, &exec("~/bin/plug", &[]).to_string()), &[]);
    assert_eq!(run.codes()[0], "exec-plugin-not-found", "{}", run.stdout);
    assert!(fix(&run, 0).ends_with("--exec-command=\"$HOME\"/bin/plug"), "{}", run.stdout);
    let run = doctor(&config(NOWHERE, &exec("/nonexistent/plug", &[]).to_string()), &[]);
    assert!(!run.finding("exec-plugin-not-found")["why"].to_string().contains("PATH"), "{}", run.stdout);
}

/// A `kubectl proxy` that ends with the test.
struct Proxy {
    child: std::process::Child,
    place: String,
}

impl Proxy {
    fn start(lab: &Lab, kubeconfig: &Path) -> Self {
        use std::io::BufRead as _;
        let mut child = Command::new(lab.kubectl())
            .args(["proxy", "--port=0", "--kubeconfig"])
            .arg(kubeconfig)
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("kubectl proxy");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("a pipe");
        std::io::BufReader::new(stdout).read_line(&mut line).expect("a line");
        let place = line.trim().rsplit(' ').next().expect("a place").to_owned();
        Self { child, place }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_credential_is_withheld_over_plain_http() {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let place = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let body = r#"{"kind":"Status","apiVersion":"v1","status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}"#;
            let head = "HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\nConnection: close";
            let _ = write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        }
    });
    let run = doctor(&config(&format!("server: 'http://{place}'"), "{token: opaque-token-of-a-test}"), &[]);
    assert_eq!(run.codes()[0], "server-url-wrong-scheme", "{}", run.stdout);
    // The port speaks no TLS: another scheme is no help there.
    assert!(fix(&run, 0).contains("--server=https://HOST:6443"), "{}", run.stdout);
    let run = doctor(&config(&format!("server: 'http://{place}'"), "{}"), &[]);
    assert_eq!(run.codes()[0], "no-credential", "{}", run.stdout);
}

/// An unsigned token with these claims: nobody takes it.
fn token(claims: &Value) -> String {
    let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let header = engine.encode(r#"{"alg":"RS256","kid":"k"}"#);
    format!("{header}.{}.{}", engine.encode(claims.to_string()), engine.encode([7; 256]))
}

#[test]
fn faults_that_the_api_server_shows_and_fixes() {
    let Some(lab) = lab::require_apiserver() else { return };
    let server = ApiServer::start(lab, Options::default());
    server.create_reader_role();
    server.grant_reader("User", "jane-reads", "jane");
    let account = server.create_service_account_token("shop", "reporter");
    server.grant_reader("User", "reporter-reads", "system:serviceaccount:shop:reporter");
    let whole = "server: 'URL', certificate-authority-data: CA";
    let good = json!({ "token": account });
    let jane = certificate_user(&lab.pki.client);
    let authority = |path: &Path| {
        fs::copy(server.ca(), path.with_file_name("ca.crt")).expect("a CA");
    };

    // The wrong scheme, in both spellings.
    for (name, written) in [("server-url-wrong-scheme", "http://"), ("server-url-without-scheme", "")] {
        let url = server.url().replace("https://", written);
        let path = config(&format!("server: '{url}'"), &good.to_string());
        let run = doctor(&path, &[]);
        expect_fault(name, &run, &["server-url-wrong-scheme", "not-a-kubernetes-api"]);
        certain(&run, "server-url-wrong-scheme");
        apply(lab, &path, &fix(&run, 0));
        authority(&path);
        apply(lab, &path, "kubectl config set-cluster c --certificate-authority=ca.crt --embed-certs=true");
        expect_healthy(&format!("{name}-fixed"), &doctor(&path, &[]));
    }

    // kubectl proxy: plain HTTP, and it brings its own credential.
    let proxy = Proxy::start(lab, &server.kubeconfig_with("jane", jane.clone()));
    expect_healthy("kubectl-proxy", &doctor(&config(&format!("server: 'http://{}'", proxy.place), "{}"), &[]));
    let withheld = doctor(&config(&format!("server: 'http://{}'", proxy.place), &good.to_string()), &[]);
    expect_healthy("kubectl-proxy-token", &withheld);
    let path = config(&format!("server: 'https://{}'", proxy.place), "{}");
    let run = doctor(&path, &[]);
    expect_fault("server-url-https-to-http", &run, &["server-url-wrong-scheme", "not-a-kubernetes-api"]);
    certain(&run, "server-url-wrong-scheme");
    apply(lab, &path, &fix(&run, 0));
    expect_healthy("server-url-https-to-http-fixed", &doctor(&path, &[]));
    drop(proxy);

    // Nobody looks at the certificate.
    let path = lab_config(&server, "server: 'URL', insecure-skip-tls-verify: true", &good);
    let run = doctor(&path, &[]);
    expect_warning("tls-verification-off", &run, &["tls-verification-off"]);
    authority(&path);
    apply(lab, &path, &fix(&run, 0));
    expect_healthy("tls-verification-on", &doctor(&path, &[]));

    // A name that the certificate does not have.
    let path = lab_config(&server, &format!("{whole}, tls-server-name: api.example.com"), &good);
    let run = doctor(&path, &[]);
    expect_fault("tls-server-name-mismatch", &run, &["tls-server-name-mismatch"]);
    certain(&run, "tls-server-name-mismatch");
    apply(lab, &path, &fix(&run, 0));
    expect_healthy("tls-server-name-fixed", &doctor(&path, &[]));
    expect_healthy(
        "tls-server-name",
        &doctor(&lab_config(&server, &format!("{whole}, tls-server-name: localhost"), &good), &[]),
    );

    // Nothing to send.
    let path = lab_config(&server, whole, &json!({}));
    let run = doctor(&path, &[]);
    expect_fault("no-credential", &run, &["no-credential", "anonymous-request"]);
    certain(&run, "no-credential");
    fs::write(path.with_file_name("token.txt"), &account).expect("a token");
    apply(lab, &path, &fix(&run, 0));
    expect_healthy("no-credential-fixed", &doctor(&path, &[]));

    // A fixed token that is dead, before a plugin that lives.
    let credential = json!({ "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": { "token": account } });
    let living = script("living", &format!("cat <<'END'\n{credential}\nEND"));
    let mut user = exec(&living, &["get-token"]);
    user["token"] = "opaque-token-of-a-test".into();
    let path = lab_config(&server, whole, &user);
    let run = doctor(&path, &[]);
    expect_fault("static-credential-shadows-exec", &run, &["static-credential-shadows-exec", "credential-rejected"]);
    certain(&run, "static-credential-shadows-exec");
    apply(lab, &path, &fix(&run, 0));
    expect_healthy("static-credential-gone", &doctor(&path, &[]));
    // One that is taken may be meant.
    user["token"] = account.clone().into();
    expect_healthy("static-credential-taken", &doctor(&lab_config(&server, whole, &user), &[]));

    // Somebody else with every request.
    let mut user = certificate_user(&lab.pki.admin);
    user["as"] = "jane".into();
    let path = lab_config(&server, whole, &user);
    let run = doctor(&path, &[]);
    expect_warning("default-impersonation", &run, &["default-impersonation"]);
    apply(lab, &path, &fix(&run, 0));
    silent(&doctor(&path, &[]), "default-impersonation");

    // Two files, one name.
    let (first, second) = (lab_config(&server, whole, &jane), lab_config(&server, whole, &good));
    let other = fs::read_to_string(&second).expect("a kubeconfig").replace("name: c\n", "name: d\n");
    let other = other.replace("- name: a\n", "- name: b\n").replace("cluster: c,", "cluster: d,");
    fs::write(&second, other).expect("a kubeconfig");
    let run = doctor_list(&[&first, &second]);
    expect_warning("kubeconfig-duplicate-entry", &run, &["kubeconfig-duplicate-entry"]);
    apply(lab, &first, &fix(&run, 0));
    expect_healthy("kubeconfig-duplicate-gone", &doctor_list(&[&first, &second]));

    // Everybody may read it; the fix is one word.
    let open = std::env::temp_dir().join(format!("kaccess-it-{}open", std::process::id()));
    fs::create_dir_all(&open).expect("a folder");
    fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).expect("a mode");
    let path = open.join("config");
    fs::copy(lab_config(&server, whole, &good), &path).expect("a kubeconfig");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("a mode");
    let run = doctor(&path, &[]);
    expect_warning("kubeconfig-world-readable", &run, &["kubeconfig-world-readable"]);
    apply(lab, &path, &fix(&run, 0));
    expect_healthy("kubeconfig-private", &doctor(&path, &[]));
    let _ = fs::remove_dir_all(open);

    plugins(&server, whole, &account);
}

fn plugins(server: &ApiServer, whole: &str, account: &str) {
    let giving = |name: &str, token: &str, before: &str| {
        let credential = json!({ "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": { "token": token } });
        script(name, &format!("{before}\ncat <<'END'\n{credential}\nEND"))
    };
    let far = 4_000_000_000_i64;
    let run = |name: &str, token: &str, before: &str, args: &[&str]| {
        doctor(&lab_config(server, whole, &exec(&giving(name, token, before), args)), &["--timeout", "30s"])
    };
    // Of another issuer, and of another client.
    let old = json!({ "iss": "https://localhost:1/realms/old", "aud": "kubernetes", "sub": "alice", "exp": far });
    let found = run("kubectl", &token(&old), "", ISSUER);
    expect_fault("exec-stale-token-cache", &found, &["exec-stale-token-cache", "credential-rejected"]);
    certain(&found, "exec-stale-token-cache");
    let old = json!({ "iss": "https://localhost:1/realms/platform", "aud": "portal", "sub": "alice", "exp": far });
    let found = run("kubectl", &token(&old), "", ISSUER);
    expect_fault("exec-stale-token-cache-client", &found, &["exec-stale-token-cache", "credential-rejected"]);
    let right =
        json!({ "iss": "https://localhost:1/realms/platform", "aud": ["kubernetes"], "sub": "alice", "exp": far });
    silent(&run("kubectl", &token(&right), "", ISSUER), "exec-stale-token-cache");

    let dead = json!({ "iss": "https://localhost:1/realms/platform", "aud": "kubernetes", "sub": "alice", "exp": 1_600_000_000 });
    let found = run("kubectl", &token(&dead), "", ISSUER);
    expect_fault("exec-token-expired", &found, &["exec-token-expired", "token-expired", "credential-rejected"]);
    certain(&found, "exec-token-expired");
    silent(&found, "exec-stale-token-cache");

    let found = run("slow", account, "sleep 6", &["get-token"]);
    expect_warning("exec-slow", &found, &["exec-slow"]);
    expect_healthy("exec-quick", &run("quick", account, "", &["get-token"]));
}
