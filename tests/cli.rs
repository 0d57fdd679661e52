//! The built program as a person or a service manager uses it: arguments, exit codes, messages,
//! signals.

use std::fs::{self, Permissions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A folder with a configuration that serves no zones on ports of the system's choice.
fn folder(more: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["zones", "filings"] {
        fs::create_dir(folder.path().join(name)).unwrap();
    }
    let config = format!(
        "[server]\nlisten = [\"127.0.0.1:0\"]\n[zones]\npath = \"zones\"\n[filings]\n\
         provider = \"hoster\"\n[control]\nsocket = \"control.sock\"\n{more}"
    );
    fs::write(folder.path().join("beiand.toml"), config).unwrap();
    folder
}

fn beiand(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_beiand"));
    command.current_dir(folder).env_remove("RUST_LOG").env_remove("NOTIFY_SOCKET");
    command
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    beiand(folder).args(arguments).output().unwrap()
}

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn help_lists_the_verbs_and_version_is_the_packages() {
    let folder = tempfile::tempdir().unwrap();
    let help = run(folder.path(), &["--help"]);
    assert_eq!(code(&help), Some(0));
    for verb in ["serve", "check", "explain", "reload", "--config", "/etc/beiand/beiand.toml"] {
        assert!(stdout(&help).contains(verb), "no {verb} in {}", stdout(&help));
    }
    let version = run(folder.path(), &["--version"]);
    assert_eq!(stdout(&version), format!("beiand {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn wrong_usage_is_exit_code_2() {
    let folder = folder("");
    for arguments in [
        &[][..],
        &["sreve"],
        &["serve", "--json"],
        &["explain"],
        &["explain", "a..b"],
        &["explain", "a.example", "--at", "yesterday"],
        &["reload", "--wiat"],
        &["check", "--config"],
    ] {
        let output = run(folder.path(), arguments);
        assert_eq!(code(&output), Some(2), "{arguments:?}: {}", stderr(&output));
        assert!(stdout(&output).is_empty(), "{arguments:?}");
    }
    assert!(stderr(&run(folder.path(), &["sreve"])).contains("'serve'"));
}

#[test]
fn without_a_configuration_both_places_are_named() {
    let folder = tempfile::tempdir().unwrap();
    for verb in ["serve", "check", "reload"] {
        let output = run(folder.path(), &[verb]);
        assert_eq!(code(&output), Some(3), "{verb}");
        let message = stderr(&output);
        for place in ["config/beiand.toml", "/etc/beiand/beiand.toml", "--config"] {
            assert!(message.contains(place), "{verb}: no {place} in {message}");
        }
    }
    let output = run(folder.path(), &["check", "--config", "gone.toml", "--json"]);
    assert_eq!(code(&output), Some(3));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(json["error"].as_str().unwrap().contains("gone.toml"), "{json}");
}

#[test]
fn a_typo_in_the_configuration_is_shown_where_it_is() {
    let folder = folder("[gate]\nmode = \"enforce\"\nnotice_tll = 60\nnotice_ipv4 = [\"::1\"]\n");
    let typo = "beiand.toml:11:1: error: \"notice_tll\": unknown key; did you mean notice_ttl?";

    let checked = run(folder.path(), &["--config", "beiand.toml", "check"]);
    assert_eq!(code(&checked), Some(1));
    assert!(stdout(&checked).contains(typo), "{}", stdout(&checked));
    assert!(stdout(&checked).contains("beiand.toml:12:16: error: \"::1\""), "{}", stdout(&checked));
    assert!(stdout(&checked).ends_with("2 errors\n"), "{}", stdout(&checked));

    let served = run(folder.path(), &["--config", "beiand.toml", "serve"]);
    assert_eq!(code(&served), Some(3));
    assert!(stderr(&served).contains(typo), "{}", stderr(&served));

    let checked = run(folder.path(), &["--config", "beiand.toml", "check", "--json"]);
    assert_eq!(code(&checked), Some(1));
    let json: serde_json::Value = serde_json::from_slice(&checked.stdout).unwrap();
    assert_eq!(json["errors"], 2);
    assert_eq!(json["faults"][0]["line"], 11);
    assert_eq!(json["faults"][0]["text"], "notice_tll");
}

#[test]
fn the_shipped_configuration_is_found_from_the_projects_folder() {
    let output = run(Path::new(ROOT), &["check", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let faults: Vec<_> = json["faults"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|fault| fault["file"].as_str().unwrap().ends_with("beiand.toml"))
        .collect();
    assert!(faults.is_empty(), "{faults:?}");
}

#[test]
fn reload_without_a_server_says_so() {
    let folder = folder("");
    let output = run(folder.path(), &["reload", "--config", "beiand.toml"]);
    assert_eq!(code(&output), Some(3));
    assert!(stderr(&output).contains("is beiand running"), "{}", stderr(&output));
    assert!(stderr(&output).contains("control.sock"), "{}", stderr(&output));
}

/// A server that runs, and what it tells the service manager.
struct Served {
    child: Child,
    manager: UnixDatagram,
}

impl Served {
    fn start(folder: &Path, environment: &[(&str, &str)]) -> Served {
        let socket = folder.join("manager.sock");
        let manager = UnixDatagram::bind(&socket).unwrap();
        // The server may become another user.
        fs::set_permissions(&socket, Permissions::from_mode(0o777)).unwrap();
        manager.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let child = beiand(folder)
            .args(["serve", "--config", "beiand.toml"])
            .env("NOTIFY_SOCKET", &socket)
            .envs(environment.iter().copied())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Served { child, manager }
    }

    /// Waits until the server has told this.
    fn tells(&self, what: &str) {
        let mut message = [0; 4_096];
        loop {
            let length = match self.manager.recv(&mut message) {
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => panic!("{what}: {error}"),
            };
            let text = std::str::from_utf8(&message[..length]).unwrap();
            if text.lines().any(|line| line == what) {
                return;
            }
        }
    }

    fn signal(&self, signal: i32) {
        let pid = i32::try_from(self.child.id()).unwrap();
        // SAFETY: takes no pointers; the child has not been waited for, so the number is its own.
        assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
    }

    /// The exit code and the log, once it has ended.
    fn end(mut self) -> (Option<i32>, String) {
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        (self.child.wait().unwrap().code(), log)
    }
}

/// The values of a field in `/proc/<pid>/task/*/status`, one for each thread.
fn of_each_thread(pid: u32, field: &str) -> Vec<String> {
    fs::read_dir(format!("/proc/{pid}/task"))
        .unwrap()
        .filter_map(|task| {
            // A thread may end between the list and the look at it.
            let status = fs::read_to_string(task.ok()?.path().join("status")).ok()?;
            let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
            Some(
                line.trim_start_matches(':')
                    .split_whitespace()
                    .next()
                    .unwrap_or_default()
                    .to_owned(),
            )
        })
        .collect()
}

#[test]
fn low_ports_are_bound_and_then_no_thread_has_roots_rights() {
    // SAFETY: takes no pointers and cannot fail.
    if unsafe { libc::geteuid() } != 0 {
        eprintln!("not root: nothing to give up");
        return;
    }
    let folder = folder("");
    let config = "[server]\nlisten = [\"127.0.0.1:977\"]\nuser = \"nobody\"\n\
                  [filings]\nprovider = \"hoster\"\n[zones]\npath = \"zones\"\n\
                  [control]\nsocket = \"\"\n";
    fs::write(folder.path().join("beiand.toml"), config).unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let served = Served::start(folder.path(), &[]);
    served.tells("READY=1");
    let pid = served.child.id();
    let users = of_each_thread(pid, "Uid");
    assert!(users.len() > 1 && users.iter().all(|user| user != "0"), "{users:?}");
    for capabilities in ["CapPrm", "CapEff", "CapInh", "CapAmb"] {
        let held = of_each_thread(pid, capabilities);
        assert!(held.iter().all(|set| set == "0000000000000000"), "{capabilities}: {held:?}");
    }
    assert!(of_each_thread(pid, "NoNewPrivs").iter().all(|set| set == "1"));
    served.signal(libc::SIGTERM);
    let (code, log) = served.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("127.0.0.1:977"), "{log}");
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_service_manager_is_told_and_signals_are_obeyed() {
    for stop in [libc::SIGTERM, libc::SIGINT] {
        let folder = folder("");
        let served = Served::start(folder.path(), &[]);
        served.tells("READY=1");
        served.signal(libc::SIGHUP);
        served.tells("RELOADING=1");
        served.tells("READY=1");
        served.signal(libc::SIGPIPE);
        served.signal(stop);
        served.tells("STOPPING=1");
        let (code, log) = served.end();
        assert_eq!(code, Some(0), "{log}");
        assert!(log.contains("SIGHUP"), "{log}");
    }
}

#[test]
fn the_watchdog_hears_from_the_server() {
    let folder = folder("");
    // Without WATCHDOG_PID it would be meant for another process; a shell knows its own number.
    let socket = folder.path().join("manager.sock");
    let manager = UnixDatagram::bind(&socket).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let child = Command::new("sh")
        .args(["-c", "WATCHDOG_PID=$$ exec \"$0\" serve --config beiand.toml"])
        .arg(env!("CARGO_BIN_EXE_beiand"))
        .current_dir(folder.path())
        .env("NOTIFY_SOCKET", &socket)
        .env("WATCHDOG_USEC", "200000")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let served = Served { child, manager };
    served.tells("WATCHDOG=1");
    served.tells("WATCHDOG=1");
}

#[test]
fn the_log_is_json_where_it_is_configured() {
    let folder = folder("[log]\nformat = \"json\"\n");
    let served = Served::start(folder.path(), &[("RUST_LOG", "beiand=nonsense")]);
    served.tells("READY=1");
    served.signal(libc::SIGTERM);
    let (code, log) = served.end();
    assert_eq!(code, Some(0), "{log}");
    let events: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events[0]["fields"]["RUST_LOG"], "beiand=nonsense");
    assert!(events.iter().any(|event| event["fields"]["message"] == "starting"), "{log}");
}

#[test]
fn a_user_that_cannot_be_become_keeps_the_server_from_starting() {
    let config = "[server]\nuser = \"no-such-user\"\nlisten = [\"127.0.0.1:0\"]\n[filings]\nprovider = \"h\"\n";
    let folder = folder("");
    fs::write(folder.path().join("beiand.toml"), config).unwrap();
    let output = run(folder.path(), &["serve", "--config", "beiand.toml"]);
    assert_eq!(code(&output), Some(3));
    assert!(stderr(&output).contains("no such user"), "{}", stderr(&output));
}

#[test]
fn a_port_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let folder = folder("");
    let config = format!("[server]\nlisten = [\"{address}\"]\n[filings]\nprovider = \"hoster\"\n");
    fs::write(folder.path().join("beiand.toml"), config).unwrap();
    let output = run(folder.path(), &["serve", "--config", "beiand.toml"]);
    assert_eq!(code(&output), Some(3));
    let message = stderr(&output);
    assert!(message.contains(&format!("cannot listen on {address} (TCP)")), "{message}");
    assert!(message.contains("in use"), "{message}");
}

#[test]
fn a_certificate_that_cannot_be_read_is_named() {
    let folder = folder(
        "[tls]\nlisten = [\"127.0.0.1:0\"]\ncertificate = \"gone.pem\"\nkey = \"gone.key\"\n",
    );
    let output = run(folder.path(), &["serve", "--config", "beiand.toml"]);
    assert_eq!(code(&output), Some(3));
    assert!(stderr(&output).contains("gone.pem"), "{}", stderr(&output));
}

#[test]
fn completions_and_manual_pages_need_no_configuration_and_know_every_verb() {
    let folder = tempfile::tempdir().unwrap();
    for (shell, says) in [
        ("bash", "complete -F _beiand"),
        ("zsh", "#compdef beiand"),
        ("fish", "complete -c beiand"),
    ] {
        let output = run(folder.path(), &["completions", shell]);
        assert_eq!(code(&output), Some(0), "{}", stderr(&output));
        let script = stdout(&output);
        assert!(script.contains(says) && script.contains("accept-shrink"), "{shell}: {script}");
    }
    let output = run(folder.path(), &["man-pages", "manual"]);
    assert_eq!(code(&output), Some(0), "{}", stderr(&output));
    let page = |name: &str| fs::read_to_string(folder.path().join("manual").join(name)).unwrap();
    let program = page("beiand.8");
    let help = stdout(&run(folder.path(), &["--help"]));
    let verbs = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let verbs = verbs.take_while(|line| !line.is_empty());
    let verbs: Vec<&str> = verbs.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(verbs.contains(&"serve") && verbs.contains(&"check"), "{help}");
    for verb in verbs.into_iter().filter(|verb| *verb != "help") {
        let named = format!("beiand-{verb}(8)").replace('-', "\\-");
        let page = page(&format!("beiand-{verb}.8"));
        assert!(program.contains(&named), "no {named} in {program}");
        assert!(page.contains(".SH SYNOPSIS"), "{page}");
    }
    assert!(page("beiand-reload.8").contains("\\-\\-wait"));
}
