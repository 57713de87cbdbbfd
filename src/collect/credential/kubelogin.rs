//! What the arguments of kubelogin say of the issuer.

use crate::collect::kubeconfig::ExecConfig;

/// The OIDC issuer and client id in the arguments (or environment) of kubelogin and tools with its flags.
pub fn issuer_from_exec(exec: &ExecConfig) -> Option<(String, Option<String>)> {
    let value = |flag: &str| {
        let variable = flag.trim_start_matches('-').replace('-', "_").to_uppercase();
        let from_env = || {
            let named = |name: &str| name.to_uppercase().ends_with(&variable);
            exec.env.iter().find(|(name, _)| named(name)).map(|(_, value)| value.expose().to_owned())
        };
        let given = exec.argument(&[flag]).map(str::to_owned);
        given.or_else(from_env).filter(|value| !value.is_empty())
    };
    let issuer = value("--oidc-issuer-url")?;
    Some((issuer, value("--oidc-client-id")))
}
