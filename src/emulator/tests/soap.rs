//! The SOAP API in the subset that clients call.

use super::*;

impl Org {
    async fn soap(&self, path: &str, token: &str, headers: &str, body: &str) -> (u16, String) {
        let envelope = format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns:urn=\"urn:partner.soap.sforce.com\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><soapenv:Header><urn:SessionHeader><urn:sessionId>{token}</urn:sessionId></urn:SessionHeader>{headers}</soapenv:Header><soapenv:Body>{body}</soapenv:Body></soapenv:Envelope>"
        );
        let response = self
            .client
            .post(format!("{}/services/Soap/{path}", self.emulator.url()))
            .header("Content-Type", "text/xml; charset=UTF-8")
            .header("SOAPAction", "\"\"")
            .body(envelope)
            .send()
            .await
            .expect("an answer");
        let status = response.status().as_u16();
        (status, response.text().await.expect("a body"))
    }

    async fn partner(&self, body: &str) -> String {
        let (status, text) = self.soap("u/60.0", &self.token, "", body).await;
        assert_eq!(status, 200, "{text}");
        text
    }
}

fn inner<'x>(xml: &'x str, tag: &str) -> &'x str {
    xml.split_once(&format!("<{tag}>"))
        .and_then(|(_, rest)| rest.split_once(&format!("</{tag}>")))
        .map_or("", |(text, _)| text)
}

#[tokio::test]
async fn records_are_written_and_read() {
    let org = Org::start("").await;
    let made = org
        .partner("<urn:create><urn:sObjects><type>Account</type><Name>A &amp; B</Name><AnnualRevenue>5</AnnualRevenue></urn:sObjects><urn:sObjects><type>Account</type><Phone>1</Phone></urn:sObjects></urn:create>")
        .await;
    assert!(made.contains("<createResponse>"), "{made}");
    let id = inner(&made, "id").to_owned();
    assert!(id.starts_with("001"), "{made}");
    assert_eq!(
        (inner(&made, "statusCode"), inner(&made, "fields")),
        ("REQUIRED_FIELD_MISSING", "Name")
    );
    assert!(made.contains("<id xsi:nil=\"true\"/><success>false</success>"));
    org.partner(&format!(
        "<urn:update><urn:sObjects><type>Account</type><fieldsToNull>AnnualRevenue</fieldsToNull><Id>{id}</Id><Phone>2</Phone></urn:sObjects></urn:update>"
    ))
    .await;
    let upserted = org
        .partner("<urn:upsert><urn:externalIDFieldName>Ext__c</urn:externalIDFieldName><urn:sObjects><type>Account</type><Ext__c>k</Ext__c><Name>New</Name></urn:sObjects></urn:upsert>")
        .await;
    assert_eq!(
        (inner(&upserted, "created"), inner(&upserted, "success")),
        ("true", "true")
    );
    let found = org
        .partner("<urn:query><urn:queryString>SELECT Id, Name, AnnualRevenue, CreatedDate, Owner.Name FROM Account WHERE Phone = '2'</urn:queryString></urn:query>")
        .await;
    assert_eq!(
        (inner(&found, "done"), inner(&found, "size")),
        ("true", "1"),
        "{found}"
    );
    assert!(found.contains("<queryLocator xsi:nil=\"true\"/>"));
    assert!(
        found.contains("<sf:Name>A &amp; B</sf:Name><sf:AnnualRevenue xsi:nil=\"true\"/>"),
        "{found}"
    );
    assert!(inner(&found, "sf:CreatedDate").ends_with(".000Z"));
    assert!(
        found.contains("<sf:Owner xsi:type=\"sf:sObject\"><sf:type>User</sf:type>"),
        "{found}"
    );
    let deleted = org
        .partner(&format!("<urn:delete><urn:ids>{id}</urn:ids></urn:delete>"))
        .await;
    assert_eq!(inner(&deleted, "success"), "true");
    assert_eq!(org.emulator.count("Account"), 1);
    let back = org
        .partner(&format!("<urn:undelete><urn:ids>{id}</urn:ids></urn:undelete>"))
        .await;
    assert_eq!(
        (inner(&back, "id"), inner(&back, "success")),
        (id.as_str(), "true"),
        "{back}"
    );
    assert_eq!(org.emulator.count("Account"), 2);
    org.partner(&format!("<urn:delete><urn:ids>{id}</urn:ids></urn:delete>"))
        .await;
    let emptied = org
        .partner(&format!(
            "<urn:emptyRecycleBin><urn:ids>{id}</urn:ids></urn:emptyRecycleBin>"
        ))
        .await;
    assert_eq!(inner(&emptied, "success"), "true");
    let again = org
        .partner(&format!("<urn:undelete><urn:ids>{id}</urn:ids></urn:undelete>"))
        .await;
    assert_eq!(inner(&again, "success"), "false", "{again}");
}

#[tokio::test]
async fn sessions_and_faults() {
    let org = Org::start("").await;
    let info = org.partner("<urn:getUserInfo/>").await;
    assert_eq!(inner(&info, "userName"), "int@hq.example", "{info}");
    assert_eq!(inner(&info, "organizationId"), org.emulator.org_id());
    let time = org.partner("<urn:getServerTimestamp/>").await;
    assert!(inner(&time, "timestamp").ends_with('Z'));
    let described = org
        .partner("<urn:describeSObject><urn:sObjectType>Account</urn:sObjectType></urn:describeSObject>")
        .await;
    assert!(described.contains("<keyPrefix>001</keyPrefix>"));
    for (path, token, body, code) in [
        ("u/60.0", "wrong", "<urn:getUserInfo/>", "INVALID_SESSION_ID"),
        ("u/20.0", "wrong", "<urn:getUserInfo/>", "UNSUPPORTED_API_VERSION"),
        ("u/60.0", "fixed!token", "<urn:merge/>", "NOT_EMULATED"),
        (
            "u/60.0",
            "fixed!token",
            "<urn:query><urn:queryString>SELECT</urn:queryString></urn:query>",
            "MALFORMED_QUERY",
        ),
        (
            "u/60.0",
            "fixed!token",
            "<urn:query><urn:queryString>SELECT Id FROM Nope</urn:queryString></urn:query>",
            "INVALID_TYPE",
        ),
        (
            "u/60.0",
            "",
            "<urn:login><urn:username>no@body</urn:username><urn:password>x</urn:password></urn:login>",
            "INVALID_LOGIN",
        ),
        (
            "u/65.0",
            "",
            "<urn:login><urn:username>no@body</urn:username><urn:password>x</urn:password></urn:login>",
            "UNSUPPORTED_API_VERSION",
        ),
        ("m/60.0", "fixed!token", "<deploy/>", "NOT_EMULATED"),
    ] {
        let (status, text) = org.soap(path, token, "", body).await;
        assert_eq!(
            (status, inner(&text, "sf:exceptionCode")),
            (500, code),
            "{body}: {text}"
        );
        assert!(inner(&text, "faultstring").starts_with(code), "{text}");
    }
    let (status, text) = org.soap("m/60.0", &org.token, "", "<describeMetadata/>").await;
    assert_eq!((status, inner(&text, "testRequired")), (200, "false"), "{text}");
    org.partner("<urn:logout/>").await;
    let (status, _) = org.soap("u/60.0", &org.token, "", "<urn:getUserInfo/>").await;
    assert_eq!(status, 500);
}

#[tokio::test]
async fn pages_have_locators() {
    let org = Org::start("").await;
    for n in 0..2 {
        let rows: String = (0..200)
            .map(|m| format!("<urn:sObjects><type>Account</type><Name>A{n}-{m}</Name></urn:sObjects>"))
            .collect();
        org.partner(&format!("<urn:create>{rows}</urn:create>")).await;
    }
    let options = "<urn:QueryOptions><urn:batchSize>200</urn:batchSize></urn:QueryOptions>";
    let (_, first) = org
        .soap(
            "c/60.0",
            &org.token,
            options,
            "<urn:query><urn:queryString>SELECT Name FROM Account</urn:queryString></urn:query>",
        )
        .await;
    assert_eq!(
        (inner(&first, "done"), inner(&first, "size")),
        ("false", "400"),
        "{first}"
    );
    assert_eq!(first.matches("<records xsi:type=\"sf:Account\">").count(), 200);
    let locator = inner(&first, "queryLocator");
    let second = org
        .partner(&format!(
            "<urn:queryMore><urn:queryLocator>{locator}</urn:queryLocator></urn:queryMore>"
        ))
        .await;
    assert_eq!(inner(&second, "done"), "true");
    let too_many: String = (0..201)
        .map(|_| "<urn:sObjects><type>Account</type></urn:sObjects>")
        .collect();
    let (status, text) = org
        .soap(
            "u/60.0",
            &org.token,
            "",
            &format!("<urn:create>{too_many}</urn:create>"),
        )
        .await;
    assert_eq!(
        (status, inner(&text, "sf:exceptionCode")),
        (500, "EXCEEDED_ID_LIMIT")
    );
}
