//! `foxbridge check` on broken configurations.

use crate::binary::Foxbridge;

#[test]
fn check_tells_every_fault_at_once() {
    struct Case {
        file: &'static str,
        environment: &'static [(&'static str, &'static str)],
        arguments: &'static [&'static str],
        faults: &'static [&'static str],
    }
    let cases = [
        Case {
            file: "listen = \":8080\"\n[upstream]\nbase_url = \"https://api.foxapi.cc/v1\"\n\
                   [task]\ndeadline = 590\n[server]\nmax_body = \"33554432\"\n",
            environment: &[],
            arguments: &[],
            faults: &[
                "listen = \":8080\" (file proxy.toml)\n    expected an IP address and a port",
                "write \"127.0.0.1:8080\" for this machine alone",
                "upstream.base_url = \"https://api.foxapi.cc/v1\" (file proxy.toml)",
                "leave /v1 out, foxbridge adds it: \"https://api.foxapi.cc\"",
                "task.deadline = 590 (file proxy.toml)",
                "write \"590s\" if that is what you mean",
                "server.max_body = \"33554432\" (file proxy.toml)",
                "4 faults",
            ],
        },
        Case {
            file: "lisen = \"127.0.0.1:1\"\n[upstrem]\nx = 1\n[task]\ndedline = \"5m\"\n\
                   \"task.deadline\" = \"5m\"\n[stream]\nkeepalive = \"60s\"\n",
            environment: &[("FOXBRIDGE_TASK_DEADLIN", "5m"), ("FOXBRIDGE_API_KEY", "k")],
            arguments: &["--set", "log.levle=info", "--set", "nothing"],
            faults: &[
                "lisen (file proxy.toml)\n    expected a known setting; did you mean listen?",
                "upstrem (file proxy.toml)\n    expected a known section; did you mean [upstream]?",
                "task.dedline (file proxy.toml)\n    expected a known setting; did you mean task.deadline?",
                "task.\"task.deadline\" (file proxy.toml)",
                "stream.keepalive = \"60s\" (file proxy.toml)",
                "FOXBRIDGE_TASK_DEADLIN (environment)",
                "did you mean FOXBRIDGE_TASK_DEADLINE?",
                "did you mean FOXBRIDGE_UPSTREAM_API_KEY?",
                "log.levle (flag --set)\n    expected a known setting; did you mean log.level?",
                "nothing (flag --set)\n    expected KEY=VALUE",
                "9 faults",
            ],
        },
        Case {
            file: "[task]\npoll_first = \"9s\"\n[upstream]\nconnect_timeout = \"2m\"\n\
                   api_key_file = \"nowhere\"\nca_file = \"proxy.toml\"\n",
            environment: &[("FOXBRIDGE_UPSTREAM_API_KEY", "sk-secret-1")],
            arguments: &[],
            faults: &[
                "task.poll_first = \"9s\" (file proxy.toml)\n    expected at most task.poll_max = \"5s\" (default)",
                "upstream.connect_timeout = \"2m\" (file proxy.toml)\n    \
                 expected at most upstream.request_timeout = \"60s\" (default)",
                "upstream.api_key_file = \"nowhere\" (file proxy.toml)",
                "No such file",
                "only one key, and upstream.api_key = \"********\" \
                 (environment variable FOXBRIDGE_UPSTREAM_API_KEY) is set too",
                "upstream.ca_file = \"proxy.toml\" (file proxy.toml)",
                "the file has no certificate",
                "5 faults",
            ],
        },
        Case {
            file: "[log]\nlevel = \"info\"\nformat = \n",
            environment: &[("FOXBRIDGE_STREAM_IDLE", "0s")],
            arguments: &["--log-level", "loud", "--upstream", "api.foxapi.cc"],
            faults: &[
                "line 3 (file proxy.toml)\n    expected TOML: ",
                "stream.idle = \"0s\" (environment variable FOXBRIDGE_STREAM_IDLE)",
                "log.level = \"loud\" (flag --log-level)",
                "upstream.base_url = \"api.foxapi.cc\" (flag --upstream)",
                "4 faults",
            ],
        },
        Case {
            file: "listen = 8080\nserver = \"big\"\n[upstream]\napi_key = 12345\n\
                   [models]\ngpt_min_tokens = \"16\"\n[task]\nsubmit_retries = -1\n",
            environment: &[
                (
                    "FOXBRIDGE_SERVER_CORS_ORIGINS",
                    "https://a.example/, https://b.example",
                ),
                ("FOXBRIDGE_MODELS_CLAUDE_MAX_TOKENS", "many"),
            ],
            arguments: &["--listen", "localhost:8080"],
            faults: &[
                "server (file proxy.toml)\n    expected a section: [server]",
                "listen = \"localhost:8080\" (flag --listen)",
                "upstream.api_key = \"********\" (file proxy.toml)",
                "models.gpt_min_tokens = \"16\" (file proxy.toml)",
                "without quotes: 16",
                "models.claude_max_tokens = \"many\" (environment variable FOXBRIDGE_MODELS_CLAUDE_MAX_TOKENS)",
                "task.submit_retries = -1 (file proxy.toml)",
                "server.cors_origins = [\"https://a.example/\", \"https://b.example\"]",
                "\"https://a.example/\" is not scheme://host",
                "7 faults",
            ],
        },
        Case {
            file: "[models.aliases]\ngpt-5.5 = \"x\"\n\"a*b*\" = \"x\"\n\"\" = \"x\"\n\" a\" = \"x\"\n\
                   none = \"\"\nstar = \"x-*\"\n\"two-*\" = \"*-*\"\n\"gpt-*\" = \"gpt-*\"\nsound = \"gpt-5.5\"\n\
                   [models.wait]\n\"kimi-*\" = \"streem\"\n[media]\ninline_max = 5\n\
                   [passthrough]\npaths = [\"/v1/embeddings\", \"/v1/models\"]\n",
            environment: &[],
            arguments: &[],
            faults: &[
                "models.aliases.\"gpt-5\" = { \"5\" = \"x\" } (file proxy.toml)\n    \
                 expected quotes around a name that has a dot in it",
                "models.aliases.\"a*b*\" = \"x\" (file proxy.toml)\n    expected a name with at most one *",
                "models.aliases.\"\" = \"x\" (file proxy.toml)\n    expected a name",
                "models.aliases.\" a\" = \"x\" (file proxy.toml)\n    expected a name",
                "models.aliases.\"none\" = \"\" (file proxy.toml)",
                "models.aliases.\"star\" = \"x-*\" (file proxy.toml)",
                "models.aliases.\"two-*\" = \"*-*\" (file proxy.toml)",
                "models.aliases.\"gpt-*\" = \"gpt-*\" (file proxy.toml)",
                "models.wait.\"kimi-*\" = \"streem\" (file proxy.toml)\n    expected \"poll\" or \"stream\"",
                "media.inline_max = 5 (file proxy.toml)",
                "passthrough.paths = [\"/v1/embeddings\", \"/v1/models\"] (file proxy.toml)",
                "foxbridge serves \"/v1/models\" itself",
                "11 faults",
            ],
        },
        Case {
            file: "[upstream]\nca = \"mine\"\n[server]\nmax_connections_per_address = -1\n\
                   tls_cert = \"proxy.toml\"\ntls_key = \"nowhere\"\ntls_client_ca = \"proxy.toml\"\n\
                   [admin]\nlisten = \"0.0.0.0:9090\"\n",
            environment: &[],
            arguments: &[],
            faults: &[
                "upstream.ca = \"mine\" (file proxy.toml)\n    expected \"bundled\" or \"system\"",
                "server.max_connections_per_address = -1 (file proxy.toml)",
                "server.tls_cert = \"proxy.toml\" (file proxy.toml)",
                "server.tls_key = \"nowhere\" (file proxy.toml)",
                "server.tls_client_ca = \"proxy.toml\" (file proxy.toml)",
                "; the file has no certificate",
                "; No such file",
                "admin.listen = \"0.0.0.0:9090\" (file proxy.toml)",
                "set admin.allow_public = true: in a Kubernetes pod",
                "6 faults",
            ],
        },
        Case {
            file: "[server]\ntls_cert = \"a\"\n[admin]\nlisten = \"[2001:db8::1]:9090\"\nallow_public = \"true\"\n",
            environment: &[],
            arguments: &["--set", "server.tls_client_ca=b"],
            faults: &[
                "server.tls_cert = \"a\" (file proxy.toml)",
                "server.tls_key is not set",
                "server.tls_client_ca = \"b\" (flag --set)",
                "admin.allow_public = \"true\" (file proxy.toml)\n    expected true or false; without quotes: true",
                "3 faults",
            ],
        },
        Case {
            file: "[models]\naliases = \"gpt-4o=gpt-5.5\"\n",
            environment: &[
                ("FOXBRIDGE_MODELS_WAIT", "kimi-*"),
                ("FOXBRIDGE_PASSTHROUGH_PATHS", "embeddings,/v1/files/*"),
            ],
            arguments: &[],
            faults: &[
                "models.aliases = \"gpt-4o=gpt-5.5\" (file proxy.toml)",
                "in a file: { \"gpt-4o\" = \"gpt-5.5\" }",
                "models.wait = \"kimi-*\" (environment variable FOXBRIDGE_MODELS_WAIT)",
                "NAME=VALUE",
                "passthrough.paths = [\"embeddings\", \"/v1/files/*\"] (environment variable FOXBRIDGE_PASSTHROUGH_PATHS)",
                "3 faults",
            ],
        },
    ];
    for case in cases {
        let foxbridge = Foxbridge::with_file("proxy.toml", case.file);
        let arguments = [&["check", "--config", "proxy.toml"], case.arguments].concat();
        let ran = foxbridge.run_with(&arguments, case.environment);
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert_eq!(ran.stdout, "");
        for fault in case.faults {
            assert!(
                ran.stderr.contains(fault),
                "no {fault:?} in:\n{}",
                ran.stderr
            );
        }
    }
}

#[test]
fn a_public_admin_address_is_taken_where_that_is_meant() {
    let listen = ("FOXBRIDGE_ADMIN_LISTEN", "0.0.0.0:9090");
    let allow = ("FOXBRIDGE_ADMIN_ALLOW_PUBLIC", "true");
    for (environment, code) in [(vec![listen], 2), (vec![listen, allow], 0)] {
        let ran = Foxbridge::new().run_with(&["check"], &environment);
        assert_eq!(ran.code, Some(code), "{ran:?}");
    }
    let private = [("FOXBRIDGE_ADMIN_LISTEN", "10.0.0.7:9090")];
    assert_eq!(
        Foxbridge::new().run_with(&["check"], &private).code,
        Some(0)
    );
}

#[test]
fn no_mistake_shows_a_key() {
    let files = [
        "[upstream]\napi_key = sk-SECRET\n",
        "[upstream]\napi_key = \"sk-SECRET\n",
        "[upstream]\napi_key = 'sk-SECRET' trailing\n",
        "[upstream]\napi_key = \"sk-SECRET \"\n",
        "[upstream]\napikey = \"sk-SECRET\"\n",
        "[upstream]\napi_key = [\"sk-SECRET\"]\n",
        "[upstream]\napi_key = { value = \"SECRET\" }\n",
        "[upstream]\napi_key_file = \"sk-SECRET\"\n",
        "[upstream]\nbase_url = \"https://user:SECRET@api.foxapi.cc\"\n",
        "[upstream]\nbase_url = \"https://user:SECRET@api.foxapi.cc/v1\"\n",
        "[upstream]\nsk-SECRET = 1\n",
        "[upstream]\n\"sk-SECRET x\" = 1\n",
        "listen = \"sk-SECRET\"\n",
        "listen = \"sk-SECRET:8080\"\n",
        "upstream = \"sk-SECRET\"\n",
        "[server]\ncors_origins = [\"https://user:SECRET@app.example\"]\n",
        "[models]\naliases = \"sk-SECRET\"\n",
        "[models]\naliases = { \"sk-SECRET*\" = \"*\", x = { \"sk-SECRET\" = \"sk-SECRET\" } }\n",
        "[models]\nwait = { \"sk-SECRET\" = \"sk-SECRET\" }\n",
        "[passthrough]\npaths = [\"sk-SECRET\"]\n",
    ];
    for file in files {
        let ran = Foxbridge::with_file("proxy.toml", file).run(&["check"]);
        assert_eq!(ran.code, Some(2), "{file}\n{ran:?}");
        let shown = ran.stdout + &ran.stderr;
        // Unquoted names are compared without regard to case, so the key may come back in lower case.
        assert!(!shown.to_uppercase().contains("SECRET"), "{file}\n{shown}");
    }
    let key_in_flags = [
        ["--set", "upstream.api_key=sk-SECRET x"],
        ["--set", "upstream.api_key:sk-SECRET"],
        ["--listen", "sk-SECRET"],
        ["--upstream", "sk-SECRET"],
    ];
    for flags in key_in_flags {
        let ran = Foxbridge::new().run(&[&["check"][..], &flags].concat());
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(!(ran.stdout + &ran.stderr).contains("SECRET"), "{flags:?}");
    }
}

#[test]
fn a_password_of_redis_is_told_where_it_belongs_and_not_shown() {
    let store = "ledger.store=redis://bob:SECRET@redis:6379/0";
    let ran = Foxbridge::new().run(&["check", "--set", store]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    let shown = ran.stdout + &ran.stderr;
    assert!(!shown.contains("SECRET"), "{shown}");
    assert!(shown.contains("ledger.redis_password_file"), "{shown}");
}
