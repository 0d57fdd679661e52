//! A browser, driven over WebDriver (W3C): Debian's Chromium by its chromedriver. Each has a
//! process, a port and a profile of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

/// Everything a browser would do by itself and a test does not want.
const QUIET: [&str; 10] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
];

pub struct Browser {
    driver: Child,
    port: u16,
    session: String,
    _profile: TempDir,
}

impl Browser {
    /// Starts a browser that resolves names by these rules, as in `MAP site.example 127.0.0.1`.
    pub fn start(resolver_rules: &str, accept_languages: &str) -> Browser {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver starts (Debian's package chromium-driver)");
        let stdout = BufReader::new(driver.stdout.take().expect("stdout was piped"));
        let mut lines = stdout.lines().map_while(Result::ok);
        let port = lines
            .find_map(|line| line.strip_suffix('.')?.rsplit_once("on port ")?.1.parse().ok())
            .expect("chromedriver says which port it took");
        std::thread::spawn(move || lines.for_each(drop));
        let profile =
            tempfile::Builder::new().prefix("beiand-chromium-").tempdir().expect("a folder");
        let mut browser = Browser { driver, port, session: String::new(), _profile: profile };
        let own = [
            format!("--user-data-dir={}", browser._profile.path().display()),
            format!("--host-resolver-rules={resolver_rules}"),
            format!("--accept-lang={accept_languages}"),
        ];
        let arguments: Vec<String> = QUIET.iter().map(ToString::to_string).chain(own).collect();
        let session = browser.call("POST", "/session", &json!({"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": {
                "args": arguments,
                "prefs": {"intl.accept_languages": accept_languages, "intl.selected_languages": accept_languages},
            },
        }}}));
        browser.session = session["sessionId"].as_str().expect("a session").to_owned();
        browser
    }

    pub fn open(&self, url: &str) {
        self.command("url", &json!({ "url": url }));
    }

    pub fn reload(&self) {
        self.command("refresh", &json!({}));
    }

    /// Clicks the link with this text.
    pub fn click_link(&self, text: &str) {
        let found = self.command("element", &json!({"using": "link text", "value": text}));
        let element =
            found.as_object().and_then(|found| found.values().next()).expect("an element");
        let element = element.as_str().expect("an id");
        self.command(&format!("element/{element}/click"), &json!({}));
    }

    /// Runs a script's text as a function's body, and gives what it returns.
    pub fn run(&self, script: &str) -> Value {
        self.command("execute/sync", &json!({"script": script, "args": []}))
    }

    /// The same for a script that calls its last argument when it is done.
    pub fn run_async(&self, script: &str) -> Value {
        self.command("execute/async", &json!({"script": script, "args": []}))
    }

    /// What a person reads.
    pub fn text(&self) -> String {
        self.run("return document.body.innerText").as_str().expect("a text").to_owned()
    }

    /// The size of the window in CSS pixels, as on a phone where it is narrow.
    pub fn resize(&self, width: u32, height: u32) {
        let is_phone = width < 600;
        let scale = if is_phone { 2 } else { 1 };
        self.devtools(
            "Emulation.setDeviceMetricsOverride",
            &json!({"width": width, "height": height, "deviceScaleFactor": scale, "mobile": is_phone}),
        );
    }

    /// `light` or `dark`.
    pub fn prefer(&self, scheme: &str) {
        let feature = json!({"name": "prefers-color-scheme", "value": scheme});
        self.devtools("Emulation.setEmulatedMedia", &json!({ "features": [feature] }));
    }

    /// What a printer would get: `print`, or an empty text for the screen.
    pub fn medium(&self, medium: &str) {
        self.devtools("Emulation.setEmulatedMedia", &json!({ "media": medium }));
    }

    /// A PNG file of the window.
    pub fn screenshot(&self) -> Vec<u8> {
        let path = format!("/session/{}/screenshot", self.session);
        let encoded = self.call("GET", &path, &Value::Null);
        let encoded = encoded.as_str().expect("a text");
        data_encoding::BASE64.decode(encoded.as_bytes()).expect("base64")
    }

    fn devtools(&self, command: &str, parameters: &Value) {
        self.command("goog/cdp/execute", &json!({"cmd": command, "params": parameters}));
    }

    fn command(&self, command: &str, parameters: &Value) -> Value {
        self.call("POST", &format!("/session/{}/{command}", self.session), parameters)
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let reply = request(self.port, method, path, &body).expect("chromedriver answers");
        let mut reply: Value = serde_json::from_str(&reply).expect("JSON");
        let value = reply["value"].take();
        assert!(value["error"].is_null(), "{method} {path}: {}", value["message"]);
        value
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ends the browser; the driver is ended next.
        let _ = request(self.port, "DELETE", &format!("/session/{}", self.session), "");
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

fn request(port: u16, method: &str, path: &str, body: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(120)))?;
    let len = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {len}\r\n\r\n{body}"
    )?;
    let mut reply = Vec::new();
    let end = loop {
        let mut buffer = [0; 64 * 1024];
        let read = stream.read(&mut buffer)?;
        reply.extend_from_slice(&buffer[..read]);
        let head_end = reply.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4);
        let len = head_end.and_then(|end| {
            let head = String::from_utf8_lossy(&reply[..end]).to_ascii_lowercase();
            let len = head.lines().find_map(|line| {
                line.strip_prefix("content-length:")?.trim().parse::<usize>().ok()
            });
            Some((end, len?))
        });
        match len {
            Some((end, len)) if reply.len() >= end + len => break end,
            _ if read == 0 => break head_end.unwrap_or(reply.len()),
            _ => {}
        }
    };
    Ok(String::from_utf8_lossy(&reply[end..]).into_owned())
}
