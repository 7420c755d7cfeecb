//! Signing in: from a named credential to the headers that its requests carry.
//!
//! [`Sessions`] turns credentials into [`Access`], which authorises requests for one named credential;
//! a [`TokenSource`] signs a principal in and keeps its token. One file an OAuth flow. Secrets exist only here, as
//! [`secrecy::SecretString`] and as header values marked sensitive: they are never printed, and a token goes to no
//! host but the one that it was issued for and the named credential's own.

mod access;
mod access_token;
mod answer;
mod client_credentials;
mod environment;
mod error;
mod secret;
mod sessions;
mod token;

pub use access::{Access, Grant};
pub use environment::Environment;
pub use error::AuthError;
pub use secret::resolve;
pub use sessions::Sessions;
pub use token::{Token, TokenSource};
