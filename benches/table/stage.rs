//! Starts what is measured, and the load on it.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{
    Fault, build,
    load::{Outcome, Spec, Target, Work},
    options::Options,
    process::{self, Server},
};

/// The fake upstream, and where everything else is.
pub(crate) struct Stage {
    upstream: Server,
    foxbridge: PathBuf,
    /// For logs and nginx's files.
    folder: PathBuf,
}

impl Stage {
    pub(crate) fn set(options: &Options) -> Result<Self, Fault> {
        let foxbridge = build::foxbridge(options)?;
        let folder = build::target()?.join("bench");
        fs::create_dir_all(&folder)?;
        Ok(Self {
            upstream: Server::of_role(&["upstream"])?,
            foxbridge,
            folder,
        })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// As it ships: without a configuration file, and with its log at the level that is the default.
    pub(crate) fn foxbridge(&self) -> Result<Server, Fault> {
        self.foxbridge_with(&[])
    }

    /// The same with some settings.
    pub(crate) fn foxbridge_with(&self, settings: &[&str]) -> Result<Server, Fault> {
        let address = process::free_address()?;
        let mut command = Command::new(&self.foxbridge);
        command
            .arg("serve")
            .args(["--listen", &address.to_string()])
            .args(["--upstream", &format!("http://{}", self.upstream.address)])
            .args(settings.iter().flat_map(|setting| ["--set", setting]))
            .current_dir(&self.folder)
            .env_clear();
        Server::of_command(&mut command, address, &self.folder.join("foxbridge.log"))
    }

    /// The bare program of the `floor` module.
    pub(crate) fn floor(&self) -> Result<Server, Fault> {
        Server::of_role(&["floor", &self.upstream.address.to_string()])
    }

    /// A Redis that writes nothing to the disk, where there is a redis-server.
    pub(crate) fn redis(&self) -> Result<Option<Server>, Fault> {
        let mut command = Command::new("redis-server");
        if command.arg("--version").output().is_err() {
            return Ok(None);
        }
        let address = process::free_address()?;
        let mut command = Command::new("redis-server");
        command
            .args(["--port", &address.port().to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no"]);
        let log = self.folder.join("redis.log");
        Server::of_command(&mut command, address, &log).map(Some)
    }

    /// Debian's nginx, where it is installed.
    pub(crate) fn nginx(&self) -> Result<Option<Server>, Fault> {
        let Some(program) = ["/usr/sbin/nginx", "/usr/bin/nginx"]
            .into_iter()
            .find(|program| Path::new(program).exists())
        else {
            return Ok(None);
        };
        let address = process::free_address()?;
        let folder = self.folder.join("nginx");
        fs::create_dir_all(&folder)?;
        let configuration = folder.join("nginx.conf");
        fs::write(&configuration, self.nginx_configuration(address, &folder))?;
        let mut command = Command::new(program);
        command.arg("-p").arg(&folder).arg("-c").arg(&configuration);
        let log = folder.join("error.log");
        Server::of_command(&mut command, address, &log).map(Some)
    }

    /// One worker, its access log as it ships, buffering off, connections to the upstream kept.
    fn nginx_configuration(&self, address: std::net::SocketAddr, folder: &Path) -> String {
        let (folder, upstream) = (folder.display(), self.upstream.address);
        let forever = 1_000_000_000;
        format!(
            "daemon off;
master_process off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 8192; }}
http {{
  access_log {folder}/access.log;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  keepalive_requests {forever};
  upstream fox {{ server {upstream}; keepalive 1024; keepalive_requests {forever}; }}
  server {{
    listen {address};
    location / {{
      proxy_pass http://fox;
      proxy_http_version 1.1;
      proxy_set_header Connection \"\";
      proxy_buffering off;
    }}
  }}
}}
"
        )
    }

    /// Lets the load do its work on a target, which `server` is; without one, on the upstream itself.
    pub(crate) fn load(
        &self,
        target: Target,
        server: Option<&Server>,
        work: Work,
    ) -> Result<Outcome, Fault> {
        let server = server.unwrap_or(&self.upstream);
        let spec = Spec {
            target,
            address: server.address,
            upstream: self.upstream.address,
            process: server.id(),
            work,
        };
        let mut load = Command::new(std::env::current_exe()?)
            .arg("load")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut input = load.stdin.take().ok_or("no standard input")?;
        input.write_all(serde_json::to_string(&spec)?.as_bytes())?;
        drop(input);
        let output = load.wait_with_output()?;
        match output.status.success() {
            true => Ok(serde_json::from_slice(&output.stdout)?),
            false => Err(format!("the load on {target:?} failed").into()),
        }
    }
}

/// Creates a file, and the folders above it.
pub(crate) fn create(path: &Path) -> Result<File, Fault> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    Ok(File::create(path)?)
}
