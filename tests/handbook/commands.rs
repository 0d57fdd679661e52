//! The commands of the handbook that are marked ```` ```sh test ````, pasted one after the other as
//! its reader would, against a running server; only places and ports are a test's own. What stands
//! behind `#` is in the output, and `(exit N)` is the exit code.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use super::common::{NOTICE_PAGE, Server, Site};

/// A command, and what comes of it.
struct Step {
    command: String,
    shows: String,
    exit: i32,
}

fn steps(handbook: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut lines = handbook.lines();
    while lines.by_ref().any(|line| line == "```sh test") {
        while let Some(line) = lines.next().filter(|line| *line != "```") {
            let (command, comment) = line.split_once("  # ").unwrap_or((line, ""));
            let mut command = command.trim_end().to_owned();
            if let Some((_, end)) = line.split_once("<<'") {
                let end = end.trim_end_matches('\'');
                for line in lines.by_ref() {
                    command = command + "\n" + line;
                    if line == end {
                        break;
                    }
                }
            }
            let (shows, exit) = match comment.trim_end_matches(')').split_once("(exit ") {
                Some((shows, exit)) => (shows, exit.parse().expect("a number")),
                None => (comment, 0),
            };
            steps.push(Step { command, shows: shows.trim().to_owned(), exit });
        }
    }
    steps
}

#[test]
fn the_commands_of_the_handbook_do_what_it_says() {
    let mut site = Site::new();
    site.config_tail(NOTICE_PAGE).config_tail("[metrics]\nlisten = [\"127.0.0.1:0\"]");
    site.config_tail("[journal]\npath = \"journal\"");
    let server = site.start();
    let folder = server.site.path("beiand.toml").with_file_name("");
    let folder = Path::new(folder.to_str().expect("UTF-8").trim_end_matches('/'));
    let bin = folder.join("bin");
    fs::create_dir(&bin).expect("a folder");
    fs::create_dir(folder.join("tmp")).expect("a folder");
    let wrapper = format!(
        "#!/bin/sh\nexec {:?} --config {:?} \"$@\"\n",
        env!("CARGO_BIN_EXE_beiand"),
        folder.join("beiand.toml")
    );
    fs::write(bin.join("beiand"), wrapper).expect("a script");
    fs::set_permissions(bin.join("beiand"), fs::Permissions::from_mode(0o755)).expect("its owner");

    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/handbook/README.md");
    let steps = steps(&fs::read_to_string(file).expect("the handbook"));
    assert!(steps.len() > 30, "the handbook's commands are gone");
    for step in steps {
        run(&step, &server, folder, &bin);
    }
}

fn run(step: &Step, server: &Server, folder: &Path, bin: &Path) {
    let places = [
        // First, since the test's own folder is below it.
        ("/tmp/", folder.join("tmp/").display().to_string()),
        ("/var/lib/beiand", folder.display().to_string()),
        ("@127.0.0.1", format!("@127.0.0.1 -p {}", server.udp().port())),
        ("203.0.113.80/", format!("{}/", server.listening("notice"))),
        ("127.0.0.1:9153", server.listening("metrics").to_string()),
    ];
    let mut command = step.command.clone();
    for (place, here) in places {
        command = command.replace(place, &here);
    }
    let path = std::env::var("PATH").unwrap_or_default();
    let ran = Command::new("bash")
        .args(["-c", &command])
        .env("PATH", format!("{}:{path}", bin.display()))
        .output()
        .expect("bash runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&ran.stdout), text(&ran.stderr));
    let what = format!("{command}\n{stdout}{stderr}");
    assert_eq!(ran.status.code(), Some(step.exit), "{what}");
    assert!(stdout.contains(&step.shows), "{:?} is not shown:\n{what}", step.shows);
}
