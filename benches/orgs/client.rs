//! Bulk 2.0 jobs as a plain client runs them.

use std::{error::Error, time::Duration};

use bytes::Bytes;
use serde_json::{Value, json};

use crate::orgs::Orgs;

/// A caller of an org.
pub(crate) struct Client<'a> {
    http: &'a reqwest::Client,
    base: String,
    token: String,
    name: &'a str,
}

impl<'a> Client<'a> {
    /// A caller of the org `x` has the token `x-token`.
    pub(crate) fn new(orgs: &Orgs, http: &'a reqwest::Client, org: &'a str) -> Client<'a> {
        Client {
            http,
            base: format!("{}/services/data/v66.0/jobs", orgs.urls[org]),
            token: format!("{org}-token"),
            name: org,
        }
    }

    /// Starts a query job and waits until it is done; the answer is its URL.
    pub(crate) async fn query(&self, soql: &str) -> Result<String, Box<dyn Error>> {
        let job = json!({ "operation": "query", "query": soql });
        let job = self.post("query", &job).await?;
        self.wait(&job).await?;
        Ok(job)
    }

    /// A page of a query job, and the locator of the next one.
    pub(crate) async fn page(
        &self,
        job: &str,
        locator: Option<&str>,
    ) -> Result<(Bytes, Option<String>), Box<dyn Error>> {
        let mut url = format!("{job}/results");
        if let Some(locator) = locator {
            url = format!("{url}?locator={locator}");
        }
        let page = self.get(&url).await?;
        let next = page.headers().get("sforce-locator");
        let next = next.and_then(|l| l.to_str().ok()).filter(|l| *l != "null");
        let next = next.map(str::to_owned);
        Ok((page.bytes().await?, next))
    }

    /// Makes an ingest job of accounts and gives it its data; an upsert goes by `Ext__c`.
    pub(crate) async fn ingest(&self, operation: &str, data: Bytes) -> Result<String, Box<dyn Error>> {
        let mut job = json!({ "object": "Account", "operation": operation });
        if operation == "upsert" {
            job["externalIdFieldName"] = json!("Ext__c");
        }
        let job = self.post("ingest", &job).await?;
        let upload = self.http.put(format!("{job}/batches")).bearer_auth(&self.token);
        let upload = upload.header("content-type", "text/csv").body(data);
        upload.send().await?.error_for_status()?;
        let close = self.http.patch(&job).bearer_auth(&self.token);
        let close = close.json(&json!({ "state": "UploadComplete" }));
        close.send().await?.error_for_status()?;
        Ok(job)
    }

    /// Waits until a job is done.
    pub(crate) async fn wait(&self, job: &str) -> Result<(), Box<dyn Error>> {
        loop {
            let info: Value = self.get(job).await?.json().await?;
            match info["state"].as_str() {
                Some("JobComplete") => return Ok(()),
                Some("Failed" | "Aborted") | None => return Err(format!("{}: {info}", self.name).into()),
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    pub(crate) async fn get(&self, url: &str) -> Result<reqwest::Response, reqwest::Error> {
        let answer = self.http.get(url).bearer_auth(&self.token).send().await?;
        answer.error_for_status()
    }

    async fn post(&self, kind: &str, job: &Value) -> Result<String, Box<dyn Error>> {
        let url = format!("{}/{kind}", self.base);
        let made = self
            .http
            .post(&url)
            .bearer_auth(&self.token)
            .json(job)
            .send()
            .await?;
        let made: Value = made.error_for_status()?.json().await?;
        Ok(format!("{url}/{}", made["id"].as_str().ok_or("no job")?))
    }
}
