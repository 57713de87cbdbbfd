//! As whom AWS knows the caller (STS), and the role or user behind it (IAM).

use super::clients::Clients;
use crate::aws::identity::Arn;
use crate::evidence::eks::{Caller, Principal};
use crate::evidence::{Failure, FailureKind};

/// sts:GetCallerIdentity.
///
/// # Errors
/// As [`Clients::failure`].
pub async fn caller(clients: &Clients) -> Result<Caller, Failure> {
    let answer = aws_sdk_sts::Client::new(&clients.config)
        .get_caller_identity()
        .send()
        .await
        .map_err(|error| clients.failure(&error, "sts:GetCallerIdentity"))?;
    Ok(Caller {
        arn: answer.arn().unwrap_or_default().to_owned(),
        account: answer.account().unwrap_or_default().to_owned(),
        user_id: answer.user_id().unwrap_or_default().to_owned(),
    })
}

/// The role or user as IAM has it now.
///
/// # Errors
/// [`FailureKind::NotFound`] where IAM has none of that name.
pub async fn principal(clients: &Clients, arn: &str) -> Result<Principal, Failure> {
    let client = aws_sdk_iam::Client::new(&clients.config);
    let time = |time: &aws_sdk_iam::primitives::DateTime| jiff::Timestamp::from_second(time.secs()).ok();
    let parsed = Arn::parse(arn);
    match parsed.map(|arn| (arn.kind(), arn.name())) {
        Some(("role" | "assumed-role", name)) => {
            let answer = client.get_role().role_name(name).send().await;
            let answer = answer.map_err(|error| clients.failure(&error, "iam:GetRole"))?;
            let role = answer
                .role()
                .ok_or_else(|| Failure::new(FailureKind::Protocol, "iam:GetRole: no role in the answer"))?;
            Ok(Principal {
                arn: role.arn().to_owned(),
                unique_id: role.role_id().to_owned(),
                path: role.path().to_owned(),
                created_at: time(role.create_date()),
            })
        }
        Some(("user", name)) => {
            let answer = client.get_user().user_name(name).send().await;
            let answer = answer.map_err(|error| clients.failure(&error, "iam:GetUser"))?;
            let user = answer
                .user()
                .ok_or_else(|| Failure::new(FailureKind::Protocol, "iam:GetUser: no user in the answer"))?;
            Ok(Principal {
                arn: user.arn().to_owned(),
                unique_id: user.user_id().to_owned(),
                path: user.path().to_owned(),
                created_at: time(user.create_date()),
            })
        }
        _ => Err(Failure::new(
            FailureKind::Unsupported,
            format!("{arn} is neither a role nor a user: IAM has no more to say of it"),
        )),
    }
}
