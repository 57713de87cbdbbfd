//! A connection with a credential, for the commands that put questions.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::Error;
use super::flags::ExecArgs;
use crate::collect::api_types::Copy;
use crate::collect::apiserver::{Api, flagz};
use crate::collect::credential::{self, Obtained, StderrSink};
use crate::collect::kubeconfig::{self, ConnectionFlags, Impersonation, Resolved};
use crate::collect::proxy;
use crate::collect::tls::TlsSettings;
use crate::collect::wire::{BY_REQUEST_TIMEOUT, Destination, Wire};
use crate::evidence::apiserver::Flags;
use crate::evidence::{Failure, FailureKind};
use crate::host::Host;
use crate::secret::Scrubber;

/// An API server, our credential for it, and the connections to it.
pub struct Session<'a> {
    /// The kubeconfig as resolved.
    pub resolved: &'a Resolved,
    /// What a credential of ours is.
    pub obtained: Obtained,
    /// The server's types as kept on disk.
    pub copy: Copy,
    wire: Wire,
    scrubber: &'a Scrubber,
}

impl<'a> Session<'a> {
    /// Obtains the credential (running the plugin where there is one and it may be run); connects to nothing yet.
    ///
    /// # Errors
    /// Why there is no credential, or no way to the server.
    pub async fn open(
        host: &Host,
        resolved: &'a Resolved,
        exec: &ExecArgs,
        scrubber: &'a Scrubber,
    ) -> Result<Self, Failure> {
        let options = exec.options(host);
        let output = match &resolved.user.exec {
            Some(plugin) if options.allowed => {
                let (run, output) = apart(|| credential::run_plugin(plugin, resolved, host, &options, scrubber)).await;
                let run = run?;
                if output.is_none() {
                    let said = run.stderr.lines().last().unwrap_or_default();
                    let error = run.output_error.unwrap_or_else(|| "the credential plugin failed".to_owned());
                    return Err(Failure::new(FailureKind::PluginFailed, format!("{error}; its last word: {said}")));
                }
                output
            }
            Some(_) => {
                return Err(Failure::new(
                    FailureKind::Declined,
                    "the credential comes from a plugin, and --no-exec was given",
                ));
            }
            None => None,
        };
        let (obtained, _) = credential::obtain(resolved, output.as_ref(), scrubber).await?;
        let decision = proxy::choose(host, &resolved.server, resolved.proxy_url.as_deref())?;
        let tls = TlsSettings {
            roots: resolved.roots.clone(),
            client_identity: obtained.client_identity.clone(),
            server_name: resolved.tls_server_name.clone(),
            insecure: resolved.insecure,
        };
        let wire = Wire::new(
            Destination {
                url: resolved.server.clone(),
                tls: (resolved.server.scheme() == "https").then_some(tls),
                proxy: decision.proxy,
                user_agent: crate::collect::issuer::OWN_AGENT.to_owned(),
                connect_timeout: Duration::from_secs(8),
                request_timeout: resolved.request_timeout,
            },
            host,
        )?;
        Ok(Self { resolved, obtained, copy: Copy::of(host, &resolved.server), wire, scrubber })
    }

    /// The server as ourselves, without any impersonation.
    ///
    /// # Errors
    /// When the token cannot stand in a header.
    pub fn own(&self) -> Result<Api, Failure> {
        self.acting(None)
    }

    /// The API server's flags, as far as it shows them to ourselves.
    ///
    /// # Errors
    /// As [`flagz`].
    pub async fn flags(&self) -> Result<Flags, Failure> {
        flagz(&self.own()?, self.scrubber).await
    }

    /// The server as somebody else.
    ///
    /// # Errors
    /// When a name cannot stand in a header.
    pub fn acting(&self, impersonation: Option<&Impersonation>) -> Result<Api, Failure> {
        Api::with_credential(self.wire.clone(), &self.obtained, impersonation, self.scrubber)
    }
}

/// The kubeconfig as the flags have it.
///
/// # Errors
/// Why nothing can be asked with it.
pub fn resolved(host: &Host, flags: &ConnectionFlags, scrubber: &Scrubber) -> Result<Resolved, Error> {
    kubeconfig::load(host, flags, scrubber).1.map_err(|failure| unanswered(&failure))
}

/// On a terminal the plugin's stderr is shown as it comes: login URLs and device codes must be seen.
pub fn stderr_sink(host: &Host) -> Option<StderrSink> {
    host.stderr_is_terminal.then(|| -> StderrSink {
        Arc::new(|text: &str| {
            use std::io::Write as _;
            let _ = std::io::stderr().lock().write_all(text.as_bytes());
        })
    })
}

/// The runtime of one command: a single thread starts fastest.
///
/// # Errors
/// When the system gives none.
pub fn runtime() -> Result<tokio::runtime::Runtime, Error> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::plain(format!("no runtime: {error}")))
}

/// Work that most runs do not have, on the heap and made in a frame of its own: what it holds would be part of all that
/// may do it, hundreds of kilobytes that a short command copies and touches before it has asked anything.
#[inline(never)]
pub fn apart<F: Future>(work: impl FnOnce() -> F) -> Pin<Box<F>> {
    Box::pin(work())
}

/// The work within the limit that `--timeout` gives it, if any.
///
/// # Errors
/// Those of the work, and when it took too long.
pub async fn within<T, E: From<Failure>>(
    limit: Option<Duration>,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let Some(limit) = limit else { return work.await };
    match tokio::time::timeout(limit, work).await {
        Ok(done) => done,
        Err(_) => Err(Failure::new(
            FailureKind::Timeout,
            format!("there was no answer within {} s (--timeout)", limit.as_secs_f64()),
        )
        .into()),
    }
}

/// Why a question has no answer.
pub enum Unasked {
    /// Its words are no question.
    Words(Failure),
    /// Something failed on the way.
    Failed(Failure),
}

impl From<Failure> for Unasked {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl Unasked {
    /// The error, with what to do; the command's help shows which words are a question.
    pub fn error(&self, command: &str) -> Error {
        match self {
            Self::Words(failure) => Error::new(
                format!("the question could not be put: {}", failure.detail),
                format!("kaccess {command} --help shows the forms"),
            ),
            Self::Failed(failure) => unanswered(failure),
        }
    }
}

/// What is expected where each of several ways was refused; what was seen has a line for each.
pub const A_WAY: &str = "one way that is allowed";

/// A failure that left the question without an answer, with what to do.
pub fn unanswered(failure: &Failure) -> Error {
    let text = match &failure.seen {
        Some(ways) if failure.expected.as_deref() == Some(A_WAY) => {
            let ways: String = ways.lines().map(|way| format!("\n  {way}")).collect();
            format!("the question could not be put: every way is refused{ways}")
        }
        _ => format!("the question could not be put: {}", failure.detail),
    };
    match (&failure.needs, failure.kind) {
        (Some(needs), _) => Error::new(text, format!("it needs {needs}")),
        (None, FailureKind::Unauthorized) => Error::new(
            text,
            "the API server does not accept this credential; kaccess doctor, with the same flags for the connection, says why",
        ),
        (None, FailureKind::Timeout) if failure.detail.ends_with(BY_REQUEST_TIMEOUT) => {
            Error::new(text, "kubectl says context deadline exceeded; give more time, or 0 for no limit")
        }
        _ => Error::new(text, "kaccess doctor, with the same flags for the connection, says why"),
    }
}
