//! Sets an org up, sends what was recorded, and collects the differences.

use std::time::Duration;

use orgferry::emulator::{Emulator, OrgFile};
use reqwest::{Client, Method};
use serde_json::Value;

use super::{
    compare::{Comparison, Orgs, Strictness},
    exchange::Exchange,
};

/// The head of every org file here; the recordings' token is valid.
const HEAD: &str = "version: 1\nname: evidence\naccess_tokens: [{ token: EXAMPLE-TOKEN }]\n";

/// An emulated org that is asked what a recorded one was asked.
pub(super) struct Replay {
    emulator: Emulator,
    client: Client,
    orgs: Orgs,
}

struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Replay {
    /// Starts the org; `org` holds what the head lacks.
    pub(super) async fn start(org: &str) -> Result<Replay, String> {
        let bulk = if org.contains("bulk:") {
            ""
        } else {
            "bulk: { delay: 1ms }\n"
        };
        let text = format!("{HEAD}{bulk}{org}");
        let file = OrgFile::parse(&text, ".").map_err(|e| format!("{e}\n{text}"))?;
        let emulator = Emulator::start(file, 0)
            .await
            .map_err(|e| format!("{e}\n{text}"))?;
        // Only needed so that the client can be built: loopback speaks plain HTTP.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("a client");
        let mut replay = Replay {
            emulator,
            client,
            orgs: Orgs::default(),
        };
        let list = replay
            .send(&Exchange {
                method: "GET".to_owned(),
                path: "/services/data/v60.0/sobjects".to_owned(),
                ..Exchange::default()
            })
            .await;
        let list: Value = serde_json::from_str(&list.body).expect("JSON");
        let names = list["sobjects"].as_array().expect("objects");
        replay.orgs.objects = names
            .iter()
            .filter_map(|o| o["name"].as_str().map(str::to_owned))
            .collect();
        Ok(replay)
    }

    /// Asks, and compares with the recorded answer. A difference is its place and words.
    pub(super) async fn exchange(&mut self, exchange: &Exchange, how: Strictness) -> Vec<(String, String)> {
        let mut answer = self.send(exchange).await;
        if let Some(until) = exchange.until.as_ref().and_then(Value::as_object) {
            for _ in 0..2_000 {
                let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
                if until.iter().all(|(key, value)| body[key] == *value) {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
                answer = self.send(exchange).await;
            }
        }
        let token = exchange.path.contains("/oauth2/token");
        let how = Strictness {
            loosely: how.loosely || exchange.loosely,
            shape: how.shape || (token && !how.texts),
            texts: how.texts || exchange.texts,
            ..how
        };
        let mut comparison = Comparison::new(&mut self.orgs, how);
        if let Some(status) = exchange.status
            && status != answer.status
        {
            let words = format!("recorded {status}, ours {} {}", answer.status, answer.body);
            comparison.note("status", words);
            // Another answer has another body.
            return comparison.found;
        }
        comparison.headers(&exchange.answer_headers, &answer.headers, exchange.all_headers);
        let csv = exchange
            .answer_headers
            .iter()
            .any(|(n, v)| n.eq_ignore_ascii_case("content-type") && v.starts_with("text/csv"));
        match &exchange.answer {
            Some(body) => comparison.bodies(body, &answer.body, csv),
            None if exchange.all_headers && !answer.body.is_empty() => {
                comparison.note("body", format!("recorded none, ours `{}`", answer.body));
            }
            None => {}
        }
        comparison.found
    }

    async fn send(&self, exchange: &Exchange) -> Answer {
        let method = Method::from_bytes(exchange.method.as_bytes()).expect("a method");
        let url = format!("{}{}", self.emulator.url(), self.orgs.ours(&exchange.path));
        let mut request = self.client.request(method, url);
        let mut bearer = !exchange.path.contains("/oauth2/token");
        for (name, value) in &exchange.headers {
            bearer &= !name.eq_ignore_ascii_case("authorization");
            // An empty value in our own tables: without the header that is sent otherwise.
            if !value.is_empty() {
                request = request.header(name, value);
            }
        }
        if bearer {
            request = request.bearer_auth("EXAMPLE-TOKEN");
        }
        if let Some(body) = &exchange.body {
            request = request.body(self.orgs.ours(body));
        }
        let response = request.send().await.expect("an answer");
        Answer {
            status: response.status().as_u16(),
            headers: response
                .headers()
                .iter()
                .map(|(n, v)| (n.to_string(), v.to_str().unwrap_or_default().to_owned()))
                .collect(),
            body: response.text().await.expect("a body"),
        }
    }
}
