//! Time, limits, faults, the admin endpoint and the page.

use super::*;

#[tokio::test]
async fn time_is_the_orgs_time() {
    let org = Org::start("clock: { start: 2027-03-01T10:00:00Z, frozen: true }\n").await;
    let id = org.create("Account", json!({"Name": "Acme"})).await;
    let (_, made) = org
        .json("GET", &format!("/sobjects/Account/{id}?fields=CreatedDate"), None)
        .await;
    assert_eq!(made["CreatedDate"], "2027-03-01T10:00:00.000+0000");
    // The fixed token lives for its time and no longer.
    org.emulator
        .advance_clock(Duration::from_secs(100 * 86_400 * 365));
    let (status, refused) = org.json("GET", "/limits", None).await;
    assert_eq!(
        (status, refused[0]["errorCode"].as_str()),
        (401, Some("INVALID_SESSION_ID"))
    );
}
