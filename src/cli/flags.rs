//! Flags that every command has: kubectl's connection flags and the form of the output.

use std::io::Read as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;

use crate::collect::kubeconfig::ConnectionFlags;
use crate::host::Host;
use crate::secret::{Scrubber, Secret};

/// How a token from outside may be long, in bytes.
const TOKEN_LIMIT: u64 = 4 * 1024 * 1024;

/// kubectl's own connection flags, same names and meaning.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Connection (as kubectl)")]
pub struct ConnectionArgs {
    /// Path of the kubeconfig
    #[arg(long, global = true, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Context to use
    #[arg(long, global = true, value_name = "NAME")]
    context: Option<String>,
    /// Cluster entry to use
    #[arg(long, global = true, value_name = "NAME")]
    cluster: Option<String>,
    /// User entry to use
    #[arg(long, global = true, value_name = "NAME")]
    user: Option<String>,
    /// Namespace to ask in
    #[arg(short, long, global = true, value_name = "NAME")]
    namespace: Option<String>,
    /// Address of the API server
    #[arg(short, long, global = true, value_name = "URL")]
    server: Option<String>,
    /// Bearer token (@FILE and - are read, and stay out of the shell history)
    #[arg(long, global = true, value_name = "TOKEN|@FILE|-")]
    token: Option<String>,
    /// User to impersonate
    #[arg(long = "as", global = true, value_name = "USER")]
    impersonate: Option<String>,
    /// Group to impersonate (repeatable); for can-i it works alone: somebody in that group
    #[arg(long = "as-group", global = true, value_name = "GROUP")]
    impersonate_groups: Vec<String>,
    /// UID to impersonate
    #[arg(long = "as-uid", global = true, value_name = "UID")]
    impersonate_uid: Option<String>,
    /// Extra attribute to impersonate, key=value (repeatable)
    #[arg(long = "as-user-extra", global = true, value_name = "KEY=VALUE")]
    impersonate_extra: Vec<String>,
    /// CA file for the API server
    #[arg(long, global = true, value_name = "FILE")]
    certificate_authority: Option<PathBuf>,
    /// Client certificate file
    #[arg(long, global = true, value_name = "FILE")]
    client_certificate: Option<PathBuf>,
    /// Client key file
    #[arg(long, global = true, value_name = "FILE")]
    client_key: Option<PathBuf>,
    /// Do not verify the API server's certificate
    #[arg(long, global = true)]
    insecure_skip_tls_verify: bool,
    /// Name to verify the API server's certificate against
    #[arg(long, global = true, value_name = "NAME")]
    tls_server_name: Option<String>,
    /// Limit of one request, such as 10s
    #[arg(long, global = true, value_name = "DURATION", value_parser = parse_duration)]
    request_timeout: Option<Duration>,
}

impl ConnectionArgs {
    /// The flags as plain values; a token is read where it is named.
    ///
    /// # Errors
    /// When the token's file or stdin cannot be read, or an extra attribute has no `=`.
    pub fn to_flags(&self, scrubber: &Scrubber) -> Result<ConnectionFlags, String> {
        let token = self.token.as_deref().map(read_secret).transpose()?;
        if let Some(token) = &token {
            scrubber.learn_secret(token);
        }
        let extra = self
            .impersonate_extra
            .iter()
            .map(|pair| {
                let (key, value) = pair.split_once('=').ok_or_else(|| format!("--as-user-extra {pair:?} has no ="))?;
                Ok((key.to_owned(), value.to_owned()))
            })
            .collect::<Result<_, String>>()?;
        Ok(ConnectionFlags {
            kubeconfig: self.kubeconfig.clone(),
            context: self.context.clone(),
            cluster: self.cluster.clone(),
            user: self.user.clone(),
            namespace: self.namespace.clone(),
            server: self.server.clone(),
            token,
            impersonate: self.impersonate.clone(),
            impersonate_groups: self.impersonate_groups.clone(),
            impersonate_uid: self.impersonate_uid.clone(),
            impersonate_extra: extra,
            certificate_authority: self.certificate_authority.clone(),
            client_certificate: self.client_certificate.clone(),
            client_key: self.client_key.clone(),
            insecure_skip_tls_verify: self.insecure_skip_tls_verify,
            tls_server_name: self.tls_server_name.clone(),
            request_timeout: self.request_timeout,
        })
    }

    /// The token was written on the command line itself.
    pub fn token_in_history(&self) -> bool {
        self.token.as_deref().is_some_and(|token| token != "-" && !token.starts_with('@'))
    }
}

/// A secret given as a value, as `@file`, or as `-`; white space at its end is the shell's, not the secret's.
fn read_secret(value: &str) -> Result<Secret, String> {
    let mut text = String::new();
    if value == "-" {
        std::io::stdin().take(TOKEN_LIMIT).read_to_string(&mut text).map_err(|error| format!("stdin: {error}"))?;
    } else if let Some(path) = value.strip_prefix('@') {
        let file = std::fs::File::open(path).map_err(|error| format!("{path}: {error}"))?;
        file.take(TOKEN_LIMIT).read_to_string(&mut text).map_err(|error| format!("{path}: {error}"))?;
    } else {
        return Ok(Secret::new(value));
    }
    Ok(Secret::new(text.trim_end()))
}

/// A duration as Go writes it (`10s`, `1m30s`, `500ms`); a bare number is seconds.
///
/// # Errors
/// When it is neither.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let fault = || format!("{text:?} is no duration; write it as 10s, 1m30s or 500ms");
    if let Ok(seconds) = text.parse::<u64>() {
        return Ok(Duration::from_secs(seconds));
    }
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(fault)?;
        let number: f64 = rest[..digits].parse().map_err(|_| fault())?;
        let tail = &rest[digits..];
        let end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let unit = match &tail[..end] {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 0.001,
            "us" | "µs" => 0.000_001,
            "ns" => 0.000_000_001,
            _ => return Err(fault()),
        };
        total += Duration::try_from_secs_f64(number * unit).map_err(|_| fault())?;
        rest = &tail[end..];
    }
    if text.is_empty() { Err(fault()) } else { Ok(total) }
}

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people, at a terminal.
    Table,
    /// For programs.
    Json,
    /// For programs that like YAML.
    Yaml,
    /// For incident notes and tickets.
    Markdown,
}

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The form of the output.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Form of the answer
    #[arg(short, long, global = true, value_enum, value_name = "FORM")]
    output: Option<Format>,
    /// No output, only the exit code
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// When to colour
    #[arg(long, global = true, value_enum, default_value = "auto", value_name = "WHEN")]
    color: Color,
}

impl OutputArgs {
    /// The form asked for, the table by default.
    pub fn format(&self) -> Format {
        self.output.unwrap_or(Format::Table)
    }
}

/// Whether stdout gets colour: the flag, then NO_COLOR, then CLICOLOR_FORCE, then the terminal.
pub fn wants_colour(output: &OutputArgs, host: &Host) -> bool {
    match output.color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto if output.output.is_some_and(|format| format != Format::Table) => false,
        Color::Auto if host.var("NO_COLOR").is_some() => false,
        Color::Auto if host.var("CLICOLOR_FORCE").is_some_and(|value| value != "0") => true,
        Color::Auto => host.stdout_is_terminal && host.var("TERM") != Some("dumb"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_writes_them() {
        assert_eq!(parse_duration("20s"), Ok(Duration::from_secs(20)));
        assert_eq!(parse_duration("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("7"), Ok(Duration::from_secs(7)));
        for bad in ["", "s", "10x", "-1s", "1e"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }
}
