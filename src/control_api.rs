//! The control API as the command line sees it: typed answers, faults as [`Failure`]s.

use std::{fs, path::Path, time::Duration};

use bytes::Bytes;
use hyper::{Method, StatusCode, upgrade::Upgraded};
use hyper_util::rt::TokioIo;
use minicloud_autoscaler::{
    api::{
        Activities, ExecRequest, FaultBody, Instances, ResolveForeignChanges, SHELL_PROTOCOL,
        ShellRequest, TerminateInstance,
    },
    change_set::ChangeSet,
    command::{CapacityUpdate, EnterStandby, ExitStandby, InstanceProtection},
    config::Faults,
    describe::{Activity, AutoScalingGroup, View},
    foreign_change::Resolution,
    instance::InstanceId,
    scaling_process::ScalingProcessQuery,
};
use serde::de::DeserializeOwned;

use crate::{
    endpoint::Endpoint,
    failure::Failure,
    http_client::{Answer, Body, Exchange, HttpClient, HttpError, segment},
    role::ConfigFile,
};

/// Longer than the API itself takes to give up.
const EXEC_START: Duration = Duration::from_secs(45);

#[derive(Clone, Debug)]
pub(crate) struct ControlApi {
    client: HttpClient,
    timeout: Duration,
}

impl ControlApi {
    pub(crate) fn new(
        endpoint: Endpoint,
        token_file: Option<&Path>,
        timeout: Duration,
    ) -> Result<Self, Failure> {
        let client = HttpClient::new(endpoint);
        let client = match token_file {
            Some(path) => with_token(client, path)?,
            None => client,
        };
        Ok(Self { client, timeout })
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        self.client.endpoint()
    }

    pub(crate) async fn view(&self) -> Result<View, Failure> {
        self.read("/v1/status").await
    }

    pub(crate) async fn group(&self, name: &str) -> Result<AutoScalingGroup, Failure> {
        self.read(&format!("/v1/groups/{}", segment(name))).await
    }

    pub(crate) async fn update(
        &self,
        name: &str,
        update: CapacityUpdate,
    ) -> Result<AutoScalingGroup, Failure> {
        let path = format!("/v1/groups/{}", segment(name));
        self.patch(&path, &update).await
    }

    pub(crate) async fn protect(
        &self,
        group: &str,
        protection: &InstanceProtection,
    ) -> Result<Instances, Failure> {
        let path = format!("/v1/groups/{}/instances/protection", segment(group));
        self.put(&path, protection).await
    }

    pub(crate) async fn enter_standby(
        &self,
        group: &str,
        request: &EnterStandby,
    ) -> Result<Activities, Failure> {
        let path = format!("/v1/groups/{}/instances/enter-standby", segment(group));
        self.post(&path, request).await
    }

    pub(crate) async fn exit_standby(
        &self,
        group: &str,
        request: &ExitStandby,
    ) -> Result<Activities, Failure> {
        let path = format!("/v1/groups/{}/instances/exit-standby", segment(group));
        self.post(&path, request).await
    }

    pub(crate) async fn suspend(
        &self,
        group: &str,
        query: &ScalingProcessQuery,
    ) -> Result<AutoScalingGroup, Failure> {
        let path = format!("/v1/groups/{}/processes/suspend", segment(group));
        self.post(&path, query).await
    }

    pub(crate) async fn resume(
        &self,
        group: &str,
        query: &ScalingProcessQuery,
    ) -> Result<AutoScalingGroup, Failure> {
        let path = format!("/v1/groups/{}/processes/resume", segment(group));
        self.post(&path, query).await
    }

    pub(crate) async fn terminate(
        &self,
        id: &InstanceId,
        should_decrement_desired_capacity: bool,
    ) -> Result<Activity, Failure> {
        let path = format!("/v1/instances/{id}/terminate");
        let body = TerminateInstance {
            should_decrement_desired_capacity,
        };
        self.post(&path, &body).await
    }

    pub(crate) async fn resolve(
        &self,
        group: &str,
        resolution: Resolution,
    ) -> Result<AutoScalingGroup, Failure> {
        let path = format!("/v1/groups/{}/foreign-changes", segment(group));
        let body = ResolveForeignChanges { resolution };
        self.post(&path, &body).await
    }

    /// Makes or replaces what is at `path`.
    pub(crate) async fn put<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl serde::Serialize,
    ) -> Result<T, Failure> {
        self.send(Method::PUT, path, body).await
    }

    pub(crate) async fn remove(&self, path: &str) -> Result<(), Failure> {
        self.call(Method::DELETE, path, None).await.map(drop)
    }

    /// Opens the stream of events, after the one with that id where there is one.
    pub(crate) async fn events(
        &self,
        path: &str,
        after: Option<&str>,
    ) -> Result<Exchange, Failure> {
        let mut client = self.client.clone();
        if let Some(id) = after {
            // An id that no header can carry is none that we were given.
            client = client
                .clone()
                .with_header("last-event-id", id)
                .unwrap_or(client);
        }
        self.open(&client, Method::GET, path, None, self.timeout)
            .await
    }

    pub(crate) async fn read<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.parse(&self.call(Method::GET, path, None).await?)
    }

    /// What `text`, which is the file's, would change.
    pub(crate) async fn plan(&self, file: &ConfigFile, text: Bytes) -> Result<ChangeSet, Failure> {
        self.submit("/v1/plan", file, text).await
    }

    /// Puts `text`, which is the file's, in force if that changes what was reviewed.
    pub(crate) async fn apply(
        &self,
        file: &ConfigFile,
        text: Bytes,
        reviewed: &ChangeSet,
    ) -> Result<ChangeSet, Failure> {
        let path = format!("/v1/apply?fingerprint={}", segment(&reviewed.fingerprint));
        self.submit(&path, file, text).await
    }

    async fn submit(
        &self,
        path: &str,
        file: &ConfigFile,
        text: Bytes,
    ) -> Result<ChangeSet, Failure> {
        let body = Body::yaml(text.clone());
        let answer = self.answer(Method::POST, path, Some(body)).await?;
        if answer.status.is_success() {
            return self.parse(&answer.body);
        }
        let told: Option<FaultBody> = serde_json::from_slice(&answer.body).ok();
        match told.and_then(|told| Faults::found(told.error.faults)) {
            Some(faults) => Err(file.invalid(&faults, &text)),
            None => Err(self.refused(&Method::POST, path, answer.status, &answer.body)),
        }
    }

    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl serde::Serialize,
    ) -> Result<T, Failure> {
        self.send(Method::POST, path, body).await
    }

    pub(crate) async fn patch<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl serde::Serialize,
    ) -> Result<T, Failure> {
        self.send(Method::PATCH, path, body).await
    }

    async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &impl serde::Serialize,
    ) -> Result<T, Failure> {
        self.parse(&self.call(method, path, Some(Body::json(body))).await?)
    }

    pub(crate) async fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.parse(&self.call(Method::DELETE, path, None).await?)
    }

    /// Starts a command; its frames are the lines of the answer's body.
    pub(crate) async fn exec(
        &self,
        id: &InstanceId,
        command: Vec<String>,
    ) -> Result<Exchange, Failure> {
        let path = format!("/v1/instances/{id}/exec");
        let body = Body::json(&ExecRequest { command });
        self.open(&self.client, Method::POST, &path, Some(body), EXEC_START)
            .await
    }

    /// Opens what the instance has written, from the last lines on.
    pub(crate) async fn logs(
        &self,
        id: &InstanceId,
        tail: u32,
        follow: bool,
    ) -> Result<Exchange, Failure> {
        let path = format!("/v1/instances/{id}/logs?tail={tail}&follow={follow}");
        self.open(&self.client, Method::GET, &path, None, self.timeout)
            .await
    }

    /// Opens a shell and resolves with its connection.
    pub(crate) async fn shell(
        &self,
        id: &InstanceId,
        request: &ShellRequest,
    ) -> Result<TokioIo<Upgraded>, Failure> {
        let path = format!("/v1/instances/{id}/shell");
        let client = self
            .client
            .clone()
            .with_header("connection", "upgrade")
            .and_then(|client| client.with_header("upgrade", SHELL_PROTOCOL))
            .unwrap_or_else(|| self.client.clone());
        let body = Some(Body::json(request));
        let exchange = self
            .open(&client, Method::POST, &path, body, EXEC_START)
            .await?;
        let upgraded = exchange.upgrade().await;
        upgraded.map_err(|error| Failure::no_connection_for_shell(self.endpoint(), &error))
    }

    /// Asks for a stream: resolves with it, or with the fault that came in its place.
    async fn open(
        &self,
        client: &HttpClient,
        method: Method,
        path: &str,
        body: Option<Body>,
        within: Duration,
    ) -> Result<Exchange, Failure> {
        let opened = client.open(method.clone(), path, body, within).await;
        let exchange = opened.map_err(|error| self.no_answer(&error))?;
        match exchange.response.status() {
            StatusCode::OK | StatusCode::SWITCHING_PROTOCOLS => Ok(exchange),
            status => {
                let body = tokio::time::timeout(self.timeout, exchange.read()).await;
                let body = body.ok().and_then(Result::ok).unwrap_or_default();
                Err(self.refused(&method, path, status, &body))
            }
        }
    }

    async fn call(&self, method: Method, path: &str, body: Option<Body>) -> Result<Bytes, Failure> {
        let answer = self.answer(method.clone(), path, body).await?;
        match answer.status.is_success() {
            true => Ok(answer.body),
            false => Err(self.refused(&method, path, answer.status, &answer.body)),
        }
    }

    async fn answer(
        &self,
        method: Method,
        path: &str,
        body: Option<Body>,
    ) -> Result<Answer, Failure> {
        let answer = self.client.call(method, path, body, self.timeout).await;
        answer.map_err(|error| self.no_answer(&error))
    }

    fn parse<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, Failure> {
        serde_json::from_slice(body)
            .map_err(|error| Failure::answer_not_understood(self.endpoint(), &error))
    }

    fn no_answer(&self, error: &HttpError) -> Failure {
        Failure::no_answer(self.endpoint(), error)
    }

    fn refused(&self, method: &Method, path: &str, status: StatusCode, body: &[u8]) -> Failure {
        match serde_json::from_slice(body) {
            Ok(FaultBody { error }) => {
                Failure::refused(self.endpoint(), method, path, status, &error)
            }
            Err(_) => Failure::foreign_answer(self.endpoint(), status),
        }
    }
}

fn with_token(client: HttpClient, path: &Path) -> Result<HttpClient, Failure> {
    let token =
        fs::read_to_string(path).map_err(|error| Failure::token_unreadable(path, &error))?;
    let client = client.with_token(token.trim());
    client.ok_or_else(|| Failure::token_malformed(path))
}
