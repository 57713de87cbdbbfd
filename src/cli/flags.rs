//! Flags that every command shares: kubectl's connection flags and the form of the output.

use std::io::Read as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::Error;
use crate::collect::aws::target::AwsOptions;
use crate::collect::credential::ExecOptions;
use crate::collect::kubeconfig::ConnectionFlags;
use crate::evidence::FailureKind;
use crate::gotext;
use crate::host::Host;
use crate::secret::{Scrubber, Secret};
use crate::text::from_wide;

const CONNECTION: &str = "Connection";
const OUTPUT: &str = "Output";

/// Largest token that is read from a file or stdin, in bytes.
const LARGEST_TOKEN: u64 = 1024 * 1024;

/// kubectl's connection flags, by the same names and with the same meaning. It has no Debug: a token may be in it.
#[derive(Args, Clone, Default)]
pub struct ConnectionArgs {
    /// Path to the kubeconfig file (instead of KUBECONFIG and ~/.kube/config)
    #[arg(long, global = true, value_name = "FILE", help_heading = CONNECTION)]
    pub kubeconfig: Option<PathBuf>,
    /// The kubeconfig context to use
    #[arg(long, global = true, value_name = "NAME", help_heading = CONNECTION)]
    pub context: Option<String>,
    /// The kubeconfig cluster to use
    #[arg(long, global = true, value_name = "NAME", help_heading = CONNECTION)]
    pub cluster: Option<String>,
    /// The kubeconfig user to use
    #[arg(long, global = true, value_name = "NAME", help_heading = CONNECTION)]
    pub user: Option<String>,
    /// The namespace questions are asked in
    #[arg(long, short = 'n', global = true, value_name = "NAMESPACE", help_heading = CONNECTION)]
    pub namespace: Option<String>,
    /// Address and port of the Kubernetes API server
    #[arg(long, short = 's', global = true, value_name = "URL", help_heading = CONNECTION)]
    pub server: Option<String>,
    /// Bearer token for the API server: the token, @FILE, or - for stdin
    #[arg(long, global = true, value_name = "TOKEN", hide_env_values = true, help_heading = CONNECTION)]
    pub token: Option<String>,
    /// User name, sent with the password as kubectl sends it; no API server takes them by itself any more
    #[arg(long, global = true, hide = true, value_name = "NAME")]
    pub username: Option<String>,
    /// Its password
    #[arg(long, global = true, hide = true, value_name = "PASSWORD")]
    pub password: Option<String>,
    /// User to impersonate
    #[arg(long = "as", global = true, value_name = "USER", help_heading = CONNECTION)]
    pub impersonate: Option<String>,
    /// Group to impersonate (may be repeated)
    #[arg(long = "as-group", global = true, value_name = "GROUP", help_heading = CONNECTION)]
    pub impersonate_groups: Vec<String>,
    /// UID to impersonate
    #[arg(long = "as-uid", global = true, value_name = "UID", help_heading = CONNECTION)]
    pub impersonate_uid: Option<String>,
    /// Extra attribute to impersonate, KEY=VALUE (may be repeated)
    #[arg(long = "as-user-extra", global = true, value_name = "KEY=VALUE", help_heading = CONNECTION)]
    pub impersonate_extra: Vec<String>,
    /// Certificates that judge the API server
    #[arg(long, global = true, value_name = "FILE", help_heading = CONNECTION)]
    pub certificate_authority: Option<PathBuf>,
    /// Client certificate for the API server
    #[arg(long, global = true, value_name = "FILE", help_heading = CONNECTION)]
    pub client_certificate: Option<PathBuf>,
    /// Key of the client certificate
    #[arg(long, global = true, value_name = "FILE", help_heading = CONNECTION)]
    pub client_key: Option<PathBuf>,
    /// Do not verify the API server's certificate
    #[arg(
        long,
        global = true,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        help_heading = CONNECTION
    )]
    pub insecure_skip_tls_verify: Option<bool>,
    /// Name to verify the API server's certificate by, instead of its host
    #[arg(long, global = true, value_name = "NAME", help_heading = CONNECTION)]
    pub tls_server_name: Option<String>,
    /// Limit for one request to the API server, such as 10s or 1m30s; 0 for none
    #[arg(long, global = true, value_name = "DURATION", help_heading = CONNECTION)]
    pub request_timeout: Option<String>,
}

impl ConnectionArgs {
    /// The flags with the token read and learnt, and durations parsed.
    ///
    /// # Errors
    /// One sentence for the user: an unreadable token file, a duration or KEY=VALUE that is none.
    pub fn to_flags(&self, scrubber: &Scrubber) -> Result<ConnectionFlags, String> {
        let text = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
        let path = |value: &Option<PathBuf>| value.clone().filter(|value| !value.as_os_str().is_empty());
        let token = text(&self.token).map(|given| read_token(&given)).transpose()?;
        if let Some(token) = &token {
            scrubber.learn_secret(token);
        }
        let password = text(&self.password).map(Secret::new);
        if let Some(password) = &password {
            scrubber.learn_secret(password);
        }
        for name in [&self.context, &self.cluster, &self.user, &self.namespace, &self.server].into_iter().flatten() {
            scrubber.learn_misplaced(name);
        }
        let mut impersonate_extra = Vec::new();
        for pair in &self.impersonate_extra {
            let Some((key, value)) = pair.split_once('=').filter(|(key, _)| !key.is_empty()) else {
                return Err(format!("--as-user-extra takes KEY=VALUE, not {pair:?}"));
            };
            impersonate_extra.push((key.to_owned(), value.to_owned()));
        }
        let request_timeout = match text(&self.request_timeout) {
            Some(given) => Some(parse_timeout(&given).ok_or_else(|| {
                "Invalid timeout value. Timeout must be a single integer in seconds, or an integer followed by a \
                 corresponding time unit (e.g. 1s | 2m | 3h)"
                    .to_owned()
            })?),
            None => None,
        };
        Ok(ConnectionFlags {
            kubeconfig: path(&self.kubeconfig),
            context: text(&self.context),
            cluster: text(&self.cluster),
            user: text(&self.user),
            namespace: text(&self.namespace),
            server: text(&self.server),
            token,
            username: text(&self.username),
            password,
            impersonate: text(&self.impersonate),
            impersonate_groups: self.impersonate_groups.clone(),
            impersonate_uid: text(&self.impersonate_uid),
            impersonate_extra,
            certificate_authority: path(&self.certificate_authority),
            client_certificate: path(&self.client_certificate),
            client_key: path(&self.client_key),
            insecure_skip_tls_verify: self.insecure_skip_tls_verify.unwrap_or(false),
            tls_server_name: text(&self.tls_server_name),
            // As in client-go, 0 is no limit.
            request_timeout: request_timeout.map(|limit| if limit.is_zero() { Duration::MAX } else { limit }),
        })
    }

    /// The names of the flags that were given.
    pub fn given(&self) -> Vec<&'static str> {
        let all = [
            ("--kubeconfig", self.kubeconfig.is_some()),
            ("--context", self.context.is_some()),
            ("--cluster", self.cluster.is_some()),
            ("--user", self.user.is_some()),
            ("--namespace", self.namespace.is_some()),
            ("--server", self.server.is_some()),
            ("--token", self.token.is_some()),
            ("--username", self.username.is_some()),
            ("--password", self.password.is_some()),
            ("--as", self.impersonate.is_some()),
            ("--as-group", !self.impersonate_groups.is_empty()),
            ("--as-uid", self.impersonate_uid.is_some()),
            ("--as-user-extra", !self.impersonate_extra.is_empty()),
            ("--certificate-authority", self.certificate_authority.is_some()),
            ("--client-certificate", self.client_certificate.is_some()),
            ("--client-key", self.client_key.is_some()),
            ("--insecure-skip-tls-verify", self.insecure_skip_tls_verify.is_some()),
            ("--tls-server-name", self.tls_server_name.is_some()),
            ("--request-timeout", self.request_timeout.is_some()),
        ];
        all.into_iter().filter_map(|(name, given)| given.then_some(name)).collect()
    }

    /// Whether the token stands on the command line itself, and so in the shell's history.
    pub fn token_in_history(&self) -> bool {
        self.token.as_deref().is_some_and(in_history)
    }
}

/// Whether a token that was given so stands on the command line itself.
pub(super) fn in_history(given: &str) -> bool {
    given != "-" && !given.starts_with('@') && !given.is_empty()
}

/// A token given as such, as `@FILE`, or as `-` for stdin; from file and stdin it is trimmed.
///
/// # Errors
/// One sentence that names the file, never the content.
pub fn read_token(given: &str) -> Result<Secret, String> {
    let read = |source: &mut dyn std::io::Read, name: &str| {
        let mut bytes = Vec::new();
        source
            .take(LARGEST_TOKEN + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| format!("cannot read a token from {name}: {error}"))?;
        if bytes.len() as u64 > LARGEST_TOKEN {
            return Err(format!("{name} is too large for a token"));
        }
        let text = String::from_utf8(from_wide(&bytes).into_owned())
            .map_err(|_| format!("{name} holds no token: it is not text"))?;
        let token = text.trim();
        if token.is_empty() { Err(format!("{name} is empty, a token was expected")) } else { Ok(Secret::new(token)) }
    };
    if given == "-" {
        return read(&mut std::io::stdin().lock(), "stdin");
    }
    match given.strip_prefix('@') {
        Some(file) => {
            let mut opened =
                std::fs::File::open(file).map_err(|error| format!("cannot read a token from {file}: {error}"))?;
            read(&mut opened, file)
        }
        None => Ok(Secret::new(given)),
    }
}

/// client-go's ParseTimeout: a bare integer is seconds, else a Go duration. Negative ones are refused.
fn parse_timeout(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    parse_duration(text)
}

/// A bare number is seconds, as in --request-timeout.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    parse_timeout(text).ok_or_else(|| "write it as 10s, 1m30s or 500ms".to_owned())
}

/// A limit of time: one that leaves none is refused, because nothing could be looked at.
pub(super) fn limit(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        limit if limit.is_zero() => Err("that leaves no time at all: write it as 10s, 1m30s or 500ms".to_owned()),
        limit => Ok(limit),
    }
}

/// A duration as Go's time.ParseDuration takes it (`300ms`, `1m30s`, `1.5h`, `0`), not negative.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let span = gotext::duration::parse(text).filter(|_| !text.starts_with('-'))?;
    u64::try_from(span).ok().map(Duration::from_nanos)
}

/// The issuer that a flag names, if it is one that can be asked at all.
pub(super) fn check_issuer(url: Option<&str>, scrubber: &Scrubber) -> Result<(), Error> {
    match url.map(|url| crate::collect::issuer::target(url, "flag")) {
        Some(Err(failure)) if failure.kind == FailureKind::Malformed => Err(Error::new(
            format!("--issuer: {}", scrubber.text(&failure.detail)),
            "give it as the token's claim iss has it, such as https://sso.example.com/realms/platform",
        )),
        _ => Ok(()),
    }
}

/// Form of the answer on stdout.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// One JSON document.
    Json,
    /// The same as YAML.
    Yaml,
    /// For incident notes and tickets.
    Markdown,
    /// One self-contained page (doctor).
    Html,
    /// Gauges in Prometheus' text format (doctor).
    Prometheus,
    /// For code scanning (doctor).
    Sarif,
    /// For test reports of CI (doctor).
    Junit,
    /// A graph for Mermaid (can-i --why, who-can).
    Mermaid,
    /// A graph for Graphviz (can-i --why, who-can).
    Dot,
    /// Terraform (allowlist).
    Terraform,
    /// AWS CLI commands (allowlist).
    AwsCli,
    /// Ingresses of the AWS Load Balancer Controller (allowlist).
    Ingress,
    /// Locations for nginx (allowlist).
    Nginx,
    /// Bare ranges (allowlist).
    Cidr,
}

impl Format {
    /// What every answer has.
    pub const COMMON: &[Self] = &[Self::Table, Self::Json, Self::Yaml, Self::Markdown];

    /// As `-o` spells it.
    pub fn word(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// When the output is coloured.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The form of the output.
#[derive(Args, Debug, Clone, Default)]
pub struct OutputArgs {
    /// Form of the answer [default: table]
    #[arg(long, short = 'o', global = true, value_enum, value_name = "FORMAT", help_heading = OUTPUT)]
    pub output: Option<Format>,
    /// One line for each finding (doctor, decode, explain, workload)
    #[arg(long, global = true, help_heading = OUTPUT)]
    pub short: bool,
    /// Passing checks and times too
    #[arg(long, short = 'v', global = true, conflicts_with = "quiet", help_heading = OUTPUT)]
    pub verbose: bool,
    /// kubectl's level of its own log, which there is none of here: what kubectl accepts is accepted
    #[arg(long = "v", global = true, hide = true, value_name = "LEVEL")]
    pub klog: Option<u8>,
    /// No output, exit code only
    #[arg(long, short = 'q', global = true, help_heading = OUTPUT)]
    pub quiet: bool,
    /// When to use colour
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t, help_heading = OUTPUT)]
    pub color: Color,
}

impl OutputArgs {
    /// The format, table unless another was asked for.
    pub fn format(&self) -> Format {
        self.output.unwrap_or_default()
    }
}

/// Whether stdout is coloured: `--color` first, then NO_COLOR, CLICOLOR_FORCE, CLICOLOR=0 and TERM=dumb, then the terminal.
/// JSON, YAML and markdown never are.
pub fn wants_colour(output: &OutputArgs, host: &Host) -> bool {
    if output.format() != Format::Table {
        return false;
    }
    match output.color {
        Color::Always => return true,
        Color::Never => return false,
        Color::Auto => {}
    }
    if host.var("NO_COLOR").is_some() {
        return false;
    }
    if host.var("CLICOLOR_FORCE").is_some_and(|value| value != "0") {
        return true;
    }
    host.stdout_is_terminal && host.var("CLICOLOR") != Some("0") && host.var("TERM") != Some("dumb")
}

/// Flags about AWS.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "AWS")]
pub struct AwsArgs {
    /// Name of the EKS cluster, instead of the kubeconfig's
    #[arg(long, value_name = "NAME")]
    pub eks_cluster: Option<String>,
    /// Its region
    #[arg(long, value_name = "REGION")]
    pub region: Option<String>,
    /// The profile whose credentials ask AWS
    #[arg(long, value_name = "PROFILE")]
    pub profile: Option<String>,
    /// Ask AWS nothing
    #[arg(long)]
    pub no_aws: bool,
}

impl AwsArgs {
    /// The names of the flags that were given; `--no-aws` is no question that a saved answer could miss.
    pub fn given(&self) -> Vec<&'static str> {
        let all = [
            ("--eks-cluster", self.eks_cluster.is_some()),
            ("--region", self.region.is_some()),
            ("--profile", self.profile.is_some()),
        ];
        all.into_iter().filter_map(|(name, given)| given.then_some(name)).collect()
    }

    /// The wishes where `--profile` may be kubectl's, which names what it measures and no profile of AWS.
    pub fn options_beside_kubectl(&self) -> AwsOptions {
        let mut options = self.options();
        options.profile = options.profile.filter(|profile| !MEASURES.contains(&profile.as_str()));
        options
    }

    /// The wishes.
    pub fn options(&self) -> AwsOptions {
        AwsOptions {
            off: self.no_aws,
            cluster: self.eks_cluster.clone(),
            region: self.region.clone(),
            profile: self.profile.clone(),
        }
    }
}

/// Flags about the credential plugin.
#[derive(Debug, Clone, clap::Args)]
pub struct ExecArgs {
    /// Never run the credential plugin
    #[arg(long)]
    pub no_exec: bool,
    /// Limit of the credential plugin
    #[arg(long, default_value = "60s", value_name = "DURATION", value_parser = limit)]
    pub exec_timeout: Duration,
}

impl ExecArgs {
    /// How the plugin may be run: it may ask whoever sits at the terminal, who sees what it says.
    pub fn options(&self, host: &Host) -> ExecOptions {
        ExecOptions {
            allowed: !self.no_exec,
            timeout: self.exec_timeout,
            show_stderr: super::connect::stderr_sink(host),
            interactive: host.stdin_is_terminal,
        }
    }
}

/// The limit of commands that put one question.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct LimitArgs {
    /// Limit of the whole run, the plugin included (none unless given)
    #[arg(long, value_name = "DURATION", value_parser = limit)]
    pub timeout: Option<Duration>,
}

/// kubectl's flags that change nothing of an answer: what kubectl accepts is accepted.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct KubectlArgs {
    /// That the server is of kubectl's version
    #[arg(long, hide = true, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub match_server_version: Option<bool>,
    /// That warnings of the server end kubectl
    #[arg(long, hide = true, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub warnings_as_errors: Option<bool>,
    /// That answers come as they are
    #[arg(long, hide = true, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub disable_compression: Option<bool>,
    /// Where kubectl keeps what it looked up
    #[arg(long, hide = true, value_name = "DIR")]
    pub cache_dir: Option<PathBuf>,
    /// Levels of kubectl's log by file
    #[arg(long, hide = true, value_name = "PATTERN=LEVEL,..")]
    pub vmodule: Option<String>,
    /// How often kubectl's log is written
    #[arg(long, hide = true, value_name = "DURATION")]
    pub log_flush_frequency: Option<String>,
}

/// What kubectl measures of itself by its own `--profile`.
const MEASURES: [&str; 7] = ["none", "cpu", "heap", "goroutine", "threadcreate", "block", "mutex"];

/// kubectl's measurement of itself, likewise. Its `--profile` is that of [`AwsArgs`], which takes kubectl's words too.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct PprofArgs {
    /// Where it writes that
    #[arg(long, hide = true, value_name = "FILE")]
    pub profile_output: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Tool {
        #[command(flatten)]
        connection: ConnectionArgs,
        #[command(flatten)]
        output: OutputArgs,
        #[command(subcommand)]
        command: Option<Command>,
    }

    #[derive(clap::Subcommand)]
    enum Command {
        Doctor,
    }

    fn parse(args: &[&str]) -> Tool {
        Tool::try_parse_from(std::iter::once(&"tool").chain(args)).unwrap_or_else(|error| panic!("{error}"))
    }

    fn host(env: &[(&str, &str)], terminal: bool) -> Host {
        let mut host = Host::read();
        host.env = env.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        host.stdout_is_terminal = terminal;
        host
    }

    #[test]
    fn what_kubectl_measures_is_no_profile_of_aws() {
        let profile = |name: &str| {
            let flags = AwsArgs { profile: Some(name.to_owned()), ..AwsArgs::default() };
            (flags.options().profile, flags.options_beside_kubectl().profile)
        };
        assert_eq!(profile("none"), (Some("none".to_owned()), None));
        assert_eq!(profile("ops"), (Some("ops".to_owned()), Some("ops".to_owned())));
    }

    #[test]
    fn the_definition_is_sound_and_grouped() {
        use clap::CommandFactory as _;
        let mut command = Tool::command();
        command.clone().debug_assert();
        let help = command.render_long_help().to_string();
        assert!(help.contains("Connection:") && help.contains("Output:"), "{help}");
        for flag in [
            "--kubeconfig",
            "--context",
            "--cluster",
            "--user",
            "-n, --namespace",
            "-s, --server",
            "--token",
            "--as ",
            "--as-group",
            "--as-uid",
            "--as-user-extra",
            "--certificate-authority",
            "--client-certificate",
            "--client-key",
            "--insecure-skip-tls-verify",
            "--tls-server-name",
            "--request-timeout",
            "-o, --output",
            "--short",
            "-v, --verbose",
            "-q, --quiet",
            "--color",
        ] {
            assert!(help.contains(flag), "{flag} in {help}");
        }
    }

    #[test]
    fn flags_may_stand_after_the_command_and_keep_kubectls_forms() {
        let tool = parse(&[
            "doctor",
            "-n",
            "dev",
            "--as-group=a",
            "--as-group",
            "b",
            "--as-user-extra=scopes=x=y",
            "--insecure-skip-tls-verify",
            "--request-timeout=1m30s",
            "--context",
            "",
            "-o",
            "json",
        ]);
        assert!(matches!(tool.command, Some(Command::Doctor)));
        assert_eq!(tool.output.format(), Format::Json);
        let flags = tool.connection.to_flags(&Scrubber::default()).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(flags.namespace.as_deref(), Some("dev"));
        assert_eq!(flags.impersonate_groups, ["a", "b"]);
        assert_eq!(flags.impersonate_extra, [("scopes".to_owned(), "x=y".to_owned())]);
        assert!(flags.insecure_skip_tls_verify);
        assert_eq!(flags.request_timeout, Some(Duration::from_secs(90)));
        assert_eq!(flags.context, None);
        assert!(!parse(&["--insecure-skip-tls-verify=false"]).connection.insecure_skip_tls_verify.unwrap_or(true));
    }

    #[test]
    fn durations_are_gos() {
        for (text, expected) in [
            ("10", Some(10_000)),
            ("10s", Some(10_000)),
            ("1m30s", Some(90_000)),
            ("1.5h", Some(5_400_000)),
            ("300ms", Some(300)),
            ("0", Some(0)),
            ("", None),
            ("s", None),
            ("10x", None),
            ("-5s", None),
            ("1m30", None),
            ("99999999999999999999h", None),
        ] {
            assert_eq!(parse_timeout(text).map(|limit| limit.as_millis()), expected, "{text}");
        }
        let wrong = ConnectionArgs { request_timeout: Some("soon".to_owned()), ..ConnectionArgs::default() };
        assert!(wrong.to_flags(&Scrubber::default()).is_err_and(|text| text.starts_with("Invalid timeout value")));
    }

    #[test]
    fn a_token_comes_from_argument_or_file_and_is_learnt() {
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        let file = folder.path().join("token");
        std::fs::write(&file, "CANARY-token-0815\n").unwrap_or_else(|error| panic!("{error}"));
        let scrubber = Scrubber::default();
        let args = ConnectionArgs { token: Some(format!("@{}", file.display())), ..ConnectionArgs::default() };
        let flags = args.to_flags(&scrubber).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(flags.token.map(|token| token.expose().to_owned()).as_deref(), Some("CANARY-token-0815"));
        assert_eq!(scrubber.text("x CANARY-token-0815"), "x [redacted]");
        assert!(!args.token_in_history());
        let args = ConnectionArgs { token: Some("@/nonexistent/token".to_owned()), ..ConnectionArgs::default() };
        assert!(args.to_flags(&scrubber).is_err_and(|text| text.contains("/nonexistent/token")));
        assert!(ConnectionArgs { token: Some("abc".to_owned()), ..ConnectionArgs::default() }.token_in_history());
    }

    #[test]
    fn colour_follows_flag_environment_and_terminal() {
        let auto = OutputArgs::default();
        assert!(wants_colour(&auto, &host(&[], true)));
        assert!(!wants_colour(&auto, &host(&[], false)));
        assert!(!wants_colour(&auto, &host(&[("NO_COLOR", "1")], true)));
        assert!(!wants_colour(&auto, &host(&[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")], true)));
        assert!(wants_colour(&auto, &host(&[("CLICOLOR_FORCE", "1")], false)));
        assert!(!wants_colour(&auto, &host(&[("TERM", "dumb")], true)));
        let always = OutputArgs { color: Color::Always, ..OutputArgs::default() };
        assert!(wants_colour(&always, &host(&[("NO_COLOR", "1")], false)));
        let json = OutputArgs { output: Some(Format::Json), color: Color::Always, ..OutputArgs::default() };
        assert!(!wants_colour(&json, &host(&[], true)));
    }
}
