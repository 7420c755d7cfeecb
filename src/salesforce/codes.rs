//! What an error code means: whether to try again, and what a user can do.
//!
//! The one table of both (protocol reference: error catalogue). Codes decide, texts do not, since those follow the
//! user's language and the release; the few exceptions are codes that stand for two different things.

/// What can be done about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// The same request will fail again: the data, the request or a permission is at fault.
    Never,
    /// It may pass a little later.
    Transient,
    /// It may pass with a new token.
    Reauthenticate,
    /// It may pass when less is asked at once, or less side by side.
    Shrink,
    /// It passes when the org's allowance is renewed.
    Quota,
}

/// The class of an error by its status (0 for an error of a single row), code and message.
pub fn class(status: u16, code: &str, message: &str) -> Class {
    use Class::{Never, Quota, Reauthenticate, Shrink, Transient};
    match code {
        "INVALID_SESSION_ID" if is_permanent(message) => Never,
        "INVALID_SESSION_ID" | "Bad_OAuth_Token" => Reauthenticate,
        "REQUEST_LIMIT_EXCEEDED" if message.contains("Concurrent") => Transient,
        "REQUEST_LIMIT_EXCEEDED" | "EXCEEDED_QUOTA" | "EXCEEDEDQUOTA" => Quota,
        "SERVER_UNAVAILABLE"
        | "API_CURRENTLY_DISABLED"
        | "FUNCTIONALITY_TEMPORARILY_UNAVAILABLE"
        | "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE"
        | "UNKNOWN_EXCEPTION"
        | "INTERNAL_ERROR"
        | "TOO_MANY_APEX_REQUESTS"
        | "UNABLE_TO_LOCK_ROW"
        // The row did no wrong: a neighbour made the call roll back.
        | "ALL_OR_NONE_OPERATION_ROLLED_BACK" => Transient,
        "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY" | "CANNOT_EXECUTE_FLOW_TRIGGER"
            if message.contains("UNABLE_TO_LOCK_ROW") =>
        {
            Transient
        }
        _ if code.starts_with("TXN_SECURITY_") && message.contains("too long to evaluate") => Transient,
        "REQUEST_RUNNING_TOO_LONG"
        | "QUERY_TIMEOUT"
        | "QUERY_TOO_COMPLICATED"
        | "OPERATION_TOO_LARGE"
        | "EXCEEDED_ID_LIMIT"
        | "EXCEEDED_MAX_SIZE_REQUEST"
        | "URI_TOO_LONG"
        | "MIXED_DML_OPERATION" => Shrink,
        // Faults of the request or of a permission that some answers dress as an error of the server.
        "APEX_ERROR" | "INVALID_LOGIN" | "LOGIN_MUST_USE_SECURITY_TOKEN" | "ORG_LOCKED" | "TRIAL_EXPIRED"
        | "PASSWORD_LOCKOUT" | "UNSUPPORTED_API_VERSION" => Never,
        // A code that the org gave and that is not listed above is about the request itself.
        _ if is_org_code(code) => match status {
            429 | 500 | 502 | 503 | 504 => Transient,
            _ => Never,
        },
        _ => match status {
            401 if !is_permanent(message) => Reauthenticate,
            413 | 414 | 431 => Shrink,
            420 | 429 | 500 | 502 | 503 | 504 => Transient,
            // Who floods an org is turned away at its edge with a page of status 400.
            400 if message.contains("Access Declined") => Transient,
            _ => Never,
        },
    }
}

/// How many attempts in all an error deserves, where that is fewer than others get.
pub(super) fn most_attempts(code: &str) -> Option<u32> {
    // A bug of the server does not go away; sometimes it was something else.
    matches!(code, "UNKNOWN_EXCEPTION" | "INTERNAL_ERROR").then_some(3)
}

/// Whether the org refused before it began, so that even a request that must not be repeated may be.
pub(super) fn nothing_happened(status: u16, code: &str) -> bool {
    matches!(
        code,
        "REQUEST_LIMIT_EXCEEDED"
            | "SERVER_UNAVAILABLE"
            | "API_CURRENTLY_DISABLED"
            | "FUNCTIONALITY_TEMPORARILY_UNAVAILABLE"
            | "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE"
            | "TOO_MANY_APEX_REQUESTS"
            | "INVALID_SESSION_ID"
    ) || matches!(status, 400..=499)
}

/// Texts under which a new token would be refused like the old one.
fn is_permanent(message: &str) -> bool {
    message.contains("This session is not valid for use with the REST API")
        || message.contains("Connected app is not attached to Agent")
}

/// Codes of an org are in capitals; ours are not.
fn is_org_code(code: &str) -> bool {
    !code.is_empty()
        && code
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

/// What a user can do about an error code; one sentence, no full stop.
pub fn help_for(code: &str) -> Option<&'static str> {
    Some(match code {
        "INVALID_SESSION_ID" => {
            "the session ended and a new one was refused too: check the app's session policy and the user's IP ranges"
        }
        "INVALID_AUTH_HEADER" => "check the named credential's `headers` and `generate_authorization_header`",
        "INVALID_LOGIN" | "LOGIN_MUST_USE_SECURITY_TOKEN" => {
            "check the user, the password and the security token"
        }
        "LOGIN_DURING_RESTRICTED_DOMAIN" | "LOGIN_DURING_RESTRICTED_TIME" => {
            "the user's profile does not let it in from this address or at this hour"
        }
        "ORG_LOCKED" | "TRIAL_EXPIRED" => "the org is suspended: ask its administrator",
        "API_DISABLED_FOR_ORG" => {
            "give the user the permission API Enabled, or check that the org's edition has the API"
        }
        "API_CURRENTLY_DISABLED"
        | "SERVER_UNAVAILABLE"
        | "FUNCTIONALITY_TEMPORARILY_UNAVAILABLE"
        | "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE" => {
            "the org is overloaded or under maintenance: run again later"
        }
        "FORBIDDEN" | "INSUFFICIENT_ACCESS" => {
            "the user lacks a permission for this: assign it by a permission set"
        }
        "REQUEST_LIMIT_EXCEEDED" => {
            "the org's daily API calls are used up, or too many long calls run at once: wait, or use less parallelism"
        }
        "REQUEST_RUNNING_TOO_LONG" => "use smaller batches",
        "UNKNOWN_EXCEPTION" | "INTERNAL_ERROR" => {
            "an error inside Salesforce: retry, and give the error id in the message to its support"
        }
        "TOO_MANY_APEX_REQUESTS" => "too much Apex runs at once in the org: use less parallelism",
        "QUERY_TIMEOUT" => "filter by an indexed field, or let the rows be read in chunks",
        "QUERY_TOO_COMPLICATED" => "select fewer formula fields and parents",
        "OPERATION_TOO_LARGE" => "filter more narrowly, or give the user View All Data",
        "EXCEEDED_ID_LIMIT" | "EXCEEDED_MAX_SIZE_REQUEST" | "URI_TOO_LONG" => "use a smaller `batch_size`",
        "EXCEEDED_QUOTA" | "EXCEEDEDQUOTA" => "the org's allowance is used up: wait until it is renewed",
        "STORAGE_LIMIT_EXCEEDED" => "the target org is full: delete data or buy storage",
        "LIMIT_EXCEEDED" => "a limit of the org or of its automation was reached: use a smaller `batch_size`",
        "NUMBER_OUTSIDE_VALID_RANGE" => {
            "the number is too large or too small for the field: change it in `map`"
        }
        "INVALID_QUERY_LOCATOR" => "the query's cursor is gone: read again from the beginning",
        "MALFORMED_QUERY" => "check the SOQL",
        "INVALID_QUERY_FILTER_OPERATOR" => "the field's type does not take this operator: change the filter",
        "INVALID_FIELD" => {
            "the field does not exist, is hidden from the user, or an external id names no record: check both"
        }
        "INVALID_TYPE" => {
            "the object does not exist or is hidden from the user: give it access by a permission set"
        }
        "INVALID_TYPE_FOR_OPERATION" => "the object does not allow this operation",
        "MALFORMED_ID" => {
            "the value is no Id, or the Id of another object: use `ref` or `lookup` instead of copying an Id"
        }
        "INVALID_ID_FIELD" => "the Id belongs to another record",
        "NOT_FOUND" => "the object, field or record does not exist or is hidden from the user",
        "METHOD_NOT_ALLOWED" | "UNSUPPORTED_MEDIA_TYPE" => {
            "the URL is not one of the Salesforce API: check the named credential's `url`"
        }
        "JSON_PARSER_ERROR" => "a value does not fit its field's type: convert it in `map`",
        "MISSING_ARGUMENT" => "the record to update has no Id",
        "ENTITY_IS_DELETED" => "the record was deleted in the target: restore it, or let it be created anew",
        "ENTITY_IS_LOCKED" => "an approval process or the archive locks the record: unlock it first",
        "UNABLE_TO_LOCK_ROW" => {
            "another process holds the record or its parent: retry, or set `group_by` to the parent's field"
        }
        "REQUIRED_FIELD_MISSING" => "map a value to the field, or give it a default with `first`",
        "STRING_TOO_LONG" => "shorten the value, for example with `| truncate(LENGTH)`, or widen the field",
        "INVALID_TYPE_ON_FIELD_IN_RECORD" => "the value does not fit the field's type: convert it in `map`",
        "INVALID_EMAIL_ADDRESS" => "correct the address in the source, or leave it out with `when`",
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST" => {
            "map the value with a `table`, or add it to the picklist and the record type"
        }
        "TOO_MANY_ENUM_VALUE" => "a multi-select picklist takes 100 values",
        "INVALID_CROSS_REFERENCE_KEY" => {
            "the record that is referred to does not exist in the target or is hidden from the user"
        }
        "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY" => {
            "give the user access to the parent record, or check that it was not deleted"
        }
        "INSUFFICIENT_ACCESS_OR_READONLY" => "give the user edit access to the record",
        "TRANSFER_REQUIRES_READ" => "the new owner needs read access to the object",
        "INACTIVE_OWNER_OR_USER" => {
            "map the owner to an active user with `lookup` and `where: IsActive = true`"
        }
        "DUPLICATE_VALUE" => {
            "another record holds this unique value: update that one by using the field as `key`"
        }
        "DUPLICATE_EXTERNAL_ID" => "several records share the external id: merge them, or use a unique key",
        "DUPLICATES_DETECTED" => {
            "a duplicate rule found a similar record: merge them, or set `allow_duplicates: true`"
        }
        "DUPLICATE_USERNAME" => "usernames are unique across all orgs: add a suffix in `map`",
        "DUPLICATE_DEVELOPER_NAME" => "the developer name is taken: change it in `map`",
        "FIELD_CUSTOM_VALIDATION_EXCEPTION" => {
            "a validation rule of the target refuses the record: correct the data, or let the rule pass this user"
        }
        "FIELD_FILTER_VALIDATION_EXCEPTION" => {
            "the record that is referred to does not pass the field's lookup filter"
        }
        "FIELD_INTEGRITY_EXCEPTION" => {
            "values of the record contradict each other or the org's lists (state and country, dates, price book)"
        }
        "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY" => {
            "an Apex trigger of the target failed: read its message, or let it pass this user"
        }
        "CANNOT_EXECUTE_FLOW_TRIGGER" => {
            "a flow of the target failed: read its message, or let it pass this user"
        }
        "INVALID_FIELD_FOR_INSERT_UPDATE" => {
            "the field is read-only for the user: leave it out, or give edit access"
        }
        "INVALID_RECORD_TYPE" | "UNAVAILABLE_RECORDTYPE_EXCEPTION" => {
            "activate the record type and assign it to the user"
        }
        "INVALID_CURRENCY_ISO" => "activate the currency in the target, or map it with a `table`",
        "STANDARD_PRICE_NOT_DEFINED" => "load the product's standard price first",
        "CIRCULAR_DEPENDENCY" => "the hierarchy leads back to the record itself: correct the parent",
        "CANNOT_REPARENT_RECORD" => {
            "the master of a detail record is fixed: leave the field out of updates with `only: create`"
        }
        "DELETE_FAILED" | "DELETE_REQUIRED_ON_CASCADE" => "other records depend on it: delete those first",
        "MIXED_DML_OPERATION" => {
            "users and groups cannot be written together with data: use a step of their own"
        }
        "ALL_OR_NONE_OPERATION_ROLLED_BACK" => "another record of the same call failed: retry",
        "PROCESSING_HALTED" | "BATCH_PROCESSING_HALTED" => {
            "an earlier part of the same call failed: look at that one"
        }
        "ALREADY_IN_PROCESS" => "the record is in an approval process: finish it first",
        "APEX_ERROR" => "Apex in the org failed: read its message",
        "INVALIDENTITY" | "FEATURENOTENABLED" => {
            "the object or operation is not open to the Bulk API: use `api: rest`"
        }
        "INVALIDJOB" | "INVALIDJOBSTATE" | "INVALIDBATCH" | "CLIENTINPUTERROR" => {
            "the Bulk job was not accepted: use `api: rest`, or a smaller `batch_size`"
        }
        "GONE" | "UNSUPPORTED_API_VERSION" => {
            "the API version is retired: set a newer `api_version`, or none"
        }
        "Bad_OAuth_Token" => "the token is not one of this host: check the named credential's `url`",
        _ if code.starts_with("TXN_SECURITY_") => {
            "a transaction security policy of the org stepped in: ask its administrator"
        }
        super::error::REDIRECT => {
            "write the host that answers itself in the named credential's `url`: the org's My Domain"
        }
        super::error::PAGE => {
            "the named credential's `url` leads to a web page, not to the API: use the org's My Domain"
        }
        super::error::SEVERAL => "several records share the external id: merge them, or use a unique key",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes() {
        use Class::{Never, Quota, Reauthenticate, Shrink, Transient};
        for (status, code, message, expected) in [
            (
                401,
                "INVALID_SESSION_ID",
                "Session expired or invalid",
                Reauthenticate,
            ),
            (
                401,
                "INVALID_SESSION_ID",
                "This session is not valid for use with the REST API",
                Never,
            ),
            (
                403,
                "INVALID_SESSION_ID",
                "Connected app is not attached to Agent",
                Never,
            ),
            (401, "INVALID_AUTH_HEADER", "INVALID_HEADER_TYPE", Never),
            (401, "", "", Reauthenticate),
            (403, "Bad_OAuth_Token", "", Reauthenticate),
            (
                403,
                "REQUEST_LIMIT_EXCEEDED",
                "TotalRequests Limit exceeded.",
                Quota,
            ),
            (
                403,
                "REQUEST_LIMIT_EXCEEDED",
                "ConcurrentRequests (Concurrent API Requests) Limit exceeded.",
                Transient,
            ),
            (
                403,
                "REQUEST_LIMIT_EXCEEDED",
                "ConcurrentPerOrgLongTxn Limit exceeded.",
                Transient,
            ),
            (403, "API_DISABLED_FOR_ORG", "", Never),
            (503, "SERVER_UNAVAILABLE", "", Transient),
            (500, "UNKNOWN_EXCEPTION", "ErrorId: 1", Transient),
            (0, "UNABLE_TO_LOCK_ROW", "", Transient),
            (
                0,
                "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
                "T: execution of BeforeInsert caused by: UNABLE_TO_LOCK_ROW",
                Transient,
            ),
            (
                0,
                "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
                "T: execution of BeforeInsert",
                Never,
            ),
            (0, "STRING_TOO_LONG", "", Never),
            (0, "REQUIRED_FIELD_MISSING", "", Never),
            (0, "ALL_OR_NONE_OPERATION_ROLLED_BACK", "", Transient),
            (0, "MIXED_DML_OPERATION", "", Shrink),
            (400, "QUERY_TIMEOUT", "", Shrink),
            (414, "URI_TOO_LONG", "", Shrink),
            (431, "", "", Shrink),
            (400, "INVALID_QUERY_LOCATOR", "", Never),
            (400, "EXCEEDEDQUOTA", "", Quota),
            (400, "STORAGE_LIMIT_EXCEEDED", "", Never),
            (
                400,
                "TXN_SECURITY_METERING_ERROR",
                "security policies took too long to evaluate",
                Transient,
            ),
            (403, "TXN_SECURITY_NO_ACCESS", "", Never),
            (502, super::super::error::PAGE, "Bad Gateway", Transient),
            (420, "", "", Transient),
            (400, super::super::error::PAGE, "Access Declined", Transient),
            (404, super::super::error::PAGE, "Not here", Never),
            (302, super::super::error::REDIRECT, "", Never),
            (500, "APEX_ERROR", "", Never),
            (500, "SOMETHING_NEW", "", Transient),
            (400, "SOMETHING_NEW", "", Never),
        ] {
            assert_eq!(
                class(status, code, message),
                expected,
                "{status} {code} {message}"
            );
        }
    }

    #[test]
    fn what_may_be_repeated_although_it_inserts() {
        for (status, code, expected) in [
            (503, "SERVER_UNAVAILABLE", true),
            (503, "", false),
            (500, "UNKNOWN_EXCEPTION", false),
            (504, "", false),
            (429, "", true),
            (420, "", true),
        ] {
            assert_eq!(nothing_happened(status, code), expected, "{status} {code}");
        }
    }

    #[test]
    fn common_codes_have_help() {
        for code in [
            "STRING_TOO_LONG",
            "REQUIRED_FIELD_MISSING",
            "DUPLICATE_VALUE",
            "UNABLE_TO_LOCK_ROW",
            "TXN_SECURITY_NO_ACCESS",
            super::super::error::REDIRECT,
        ] {
            let help = help_for(code).unwrap();
            assert!(!help.ends_with('.'), "{help}");
        }
        assert_eq!(help_for("SOMETHING_NEW"), None);
    }
}
