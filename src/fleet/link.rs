//! A connection to Redis, to one server or to a Cluster.

use std::time::Duration;

use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ErrorKind, FromRedisValue,
    IntoConnectionInfo, RedisConnectionInfo, RedisError, RedisResult, ServerErrorKind,
    TlsCertificates, TlsMode, Value,
    aio::{ConnectionLike, MultiplexedConnection},
    cluster::ClusterClient,
    cluster_async::ClusterConnection,
    sentinel::{SentinelClientBuilder, SentinelServerType},
};
use secrecy::ExposeSecret;

use super::{
    Settings,
    script::{self, Script},
    settings::Topology,
};

/// How long a connection may take to be made: DNS, TCP, TLS and the password together. Nobody waits for it.
pub(super) const CONNECT_PATIENCE: Duration = Duration::from_secs(3);

/// An open connection. Cheap to clone; all clones are one, and what they ask is answered in the order of asking.
#[derive(Clone)]
pub(super) enum Link {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Link {
    /// Connects, and has the scripts of requests loaded.
    pub(super) async fn open(settings: &Settings) -> RedisResult<Self> {
        let mut link = match &settings.topology {
            Topology::Single => Self::One(single(settings).await?),
            Topology::Cluster => Self::Cluster(cluster(settings).await?),
            Topology::Sentinel(master) => Self::One(behind_sentinels(settings, master).await?),
        };
        if let Self::One(_) = link {
            for script in script::of_requests() {
                let mut load = redis::cmd("SCRIPT");
                link.send(load.arg("LOAD").arg(&script.text)).await?;
            }
        }
        Ok(link)
    }

    /// Runs a script, by its name if Redis knows it. The answer is a list of texts.
    pub(super) async fn run(
        &mut self,
        script: &Script,
        keys: &[&str],
        arguments: &[&str],
    ) -> RedisResult<Vec<String>> {
        let command = |name: &str, script: &str| {
            let mut command = redis::cmd(name);
            command.arg(script).arg(keys.len()).arg(keys).arg(arguments);
            command
        };
        let mut answer = self.send(&command("EVALSHA", &script.sha)).await;
        if answer.as_ref().is_err_and(is_unknown_script) {
            answer = self.send(&command("EVAL", &script.text)).await;
        }
        Ok(Vec::from_redis_value(answer?)?)
    }

    async fn send(&mut self, command: &Cmd) -> RedisResult<Value> {
        // What the server refuses is an error to whoever asked.
        let answer = match self {
            Self::One(connection) => connection.req_packed_command(command).await,
            Self::Cluster(connection) => connection.req_packed_command(command).await,
        };
        answer?.extract_error()
    }
}

fn is_unknown_script(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}

async fn single(settings: &Settings) -> RedisResult<MultiplexedConnection> {
    let mut failure = None;
    // Of several hosts the first that answers.
    for address in addresses(settings) {
        let info = address
            .into_connection_info()?
            .set_redis_settings(credentials(settings));
        let client = match settings.address.tls {
            true => Client::build_with_tls(info, certificates(settings))?,
            false => Client::open(info)?,
        };
        match client
            .get_multiplexed_async_connection_with_config(&usual())
            .await
        {
            Ok(connection) => return Ok(connection),
            Err(error) => failure = Some(error),
        }
    }
    Err(failure.unwrap_or_else(|| (ErrorKind::InvalidClientConfig, "there is no host").into()))
}

async fn cluster(settings: &Settings) -> RedisResult<ClusterConnection> {
    let nodes: RedisResult<Vec<_>> = addresses(settings)
        .into_iter()
        .map(IntoConnectionInfo::into_connection_info)
        .collect();
    let mut builder = ClusterClient::builder(nodes?)
        // Whoever waits gives up after the time-out anyway, and a script that may have run is not sent again.
        .retries(1)
        .connection_timeout(CONNECT_PATIENCE)
        .response_timeout(settings.timeout);
    if let Some(user) = &settings.address.user {
        builder = builder.username(user);
    }
    if let Some(password) = &settings.password {
        builder = builder.password(password.expose_secret());
    }
    if settings.address.tls {
        builder = builder.tls(TlsMode::Secure).certs(certificates(settings));
    }
    builder.build()?.get_async_connection().await
}

async fn behind_sentinels(settings: &Settings, master: &str) -> RedisResult<MultiplexedConnection> {
    let mut builder =
        SentinelClientBuilder::new(addresses(settings), master, SentinelServerType::Master)?
            .set_client_to_redis_db(i64::from(settings.address.database));
    if let Some(user) = &settings.address.user {
        builder = builder.set_client_to_redis_username(user);
    }
    if let Some(password) = &settings.password {
        builder = builder.set_client_to_redis_password(password.expose_secret());
    }
    if settings.address.tls {
        builder = builder
            .set_client_to_redis_tls_mode(TlsMode::Secure)
            .set_client_to_redis_certificates(certificates(settings))
            .set_client_to_sentinel_tls_mode(TlsMode::Secure)
            .set_client_to_sentinel_certificates(certificates(settings));
    }
    let mut client = builder.build()?;
    client.get_async_connection_with_config(&usual()).await
}

fn addresses(settings: &Settings) -> Vec<ConnectionAddr> {
    let address = &settings.address;
    address
        .hosts
        .iter()
        .map(|(host, port)| match address.tls {
            false => ConnectionAddr::Tcp(host.clone(), *port),
            true => ConnectionAddr::TcpTls {
                host: host.clone(),
                port: *port,
                insecure: false,
                tls_params: None,
            },
        })
        .collect()
}

fn credentials(settings: &Settings) -> RedisConnectionInfo {
    let mut info = RedisConnectionInfo::default().set_db(i64::from(settings.address.database));
    if let Some(user) = &settings.address.user {
        info = info.set_username(user);
    }
    if let Some(password) = &settings.password {
        info = info.set_password(password.expose_secret());
    }
    info
}

fn certificates(settings: &Settings) -> TlsCertificates {
    TlsCertificates {
        client_tls: None,
        root_cert: settings.ca.clone(),
    }
}

/// Time-outs are those of whoever waits.
fn usual() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(None)
        .set_response_timeout(None)
}

/// Whether a script has failed for what it found under its keys, so that the server has nothing to do with it.
pub(super) fn is_about_keys(error: &RedisError) -> bool {
    let in_script = || {
        let detail = error.detail();
        detail.is_some_and(|detail| detail.contains("user_script"))
    };
    match error.kind() {
        ErrorKind::Server(ServerErrorKind::ResponseError) => in_script(),
        ErrorKind::Extension => error.code() == Some("WRONGTYPE"),
        // A text that is none.
        ErrorKind::UnexpectedReturnType => true,
        _ => false,
    }
}

/// What went wrong, and what to do about it.
pub(super) fn advice(error: &RedisError) -> String {
    let what = match error.kind() {
        ErrorKind::AuthenticationFailed => {
            "check ledger.redis_password_file and the user in ledger.store"
        }
        ErrorKind::Server(ServerErrorKind::NoPerm) => {
            "let the user in ledger.store use the keys fb:* and the commands of scripts (ACL SETUSER … ~fb:* +@all)"
        }
        ErrorKind::Server(ServerErrorKind::ReadOnly) => {
            "ledger.store names a replica: name the master, or the sentinels with ledger.redis_topology"
        }
        ErrorKind::Server(ServerErrorKind::BusyLoading) => "wait until it has loaded its data",
        ErrorKind::Extension if error.code() == Some("NOAUTH") => {
            "it wants a password: set ledger.redis_password_file"
        }
        ErrorKind::Extension if error.code() == Some("WRONGPASS") => {
            "check ledger.redis_password_file and the user in ledger.store"
        }
        ErrorKind::Extension if error.code() == Some("OOM") => {
            "it is full: raise its maxmemory, or lower ledger.max_age and responses.max_age"
        }
        _ if is_about_keys(error) => {
            "a key of this caller's, all of which begin alike, holds what foxbridge has not written: delete it, and see that nobody \
             else writes to fb:*"
        }
        _ if error.is_io_error() => {
            "check the host and port in ledger.store, that Redis runs, the network, and that rediss:// is used where it \
             speaks TLS"
        }
        _ => "look at ledger.store and at Redis' own log",
    };
    format!("{error}; {what}")
}
