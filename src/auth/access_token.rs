use secrecy::SecretString;

use super::{AuthError, answer::TokenAnswer};

/// A token from elsewhere: a build server, a vault, another tool's login. It works until the org ends it.
#[derive(Debug)]
pub(super) struct AccessToken {
    pub(super) external: String,
    pub(super) token: SecretString,
}

impl AccessToken {
    /// The first time, the token as it is. There is no second time.
    pub(super) fn sign_in(&self, first: bool) -> Result<TokenAnswer, AuthError> {
        if !first {
            return Err(AuthError::Expired {
                external: self.external.clone(),
            });
        }
        Ok(TokenAnswer {
            access_token: self.token.clone(),
            instance_url: None,
            id: None,
        })
    }
}
