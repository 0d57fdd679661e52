//! The metrics page and health over HTTP, held against Prometheus' own tools; and that the
//! dashboard and the alert rules in `docs/` name only figures that there are.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use common::{NOTICE_PAGE, Record, Server, Site, eventually, message, replace};
use serde_json::Value;

const OPEN_METRICS: &str = "Accept: application/openmetrics-text; version=1.0.0\r\n";

/// A server with a metrics page: `open.example` is filed, `dark.example` is not.
#[track_caller]
fn server() -> (Server, SocketAddr) {
    let mut site = Site::new();
    site.plain_zone("open.example").plain_zone("dark.example");
    site.records(&[Record::open("open.example")]);
    site.config_tail("[metrics]\nlisten = [\"127.0.0.1:0\"]");
    site.config_tail("[query_log]\npath = \"queries.ndjson\"");
    site.config_tail(NOTICE_PAGE);
    let server = site.start();
    let address = metrics_address(&server);
    (server, address)
}

#[track_caller]
fn metrics_address(server: &Server) -> SocketAddr {
    let listening = server.logged(0, |event| {
        message(event) == "listening" && event["fields"]["transport"] == "metrics"
    });
    let address = listening["fields"]["address"].as_str().expect("an address");
    address.parse().expect("an address and a port")
}

/// Status code, head and body of what is answered to a request.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

fn ask(address: SocketAddr, request: &str) -> Answer {
    let mut stream = TcpStream::connect(address).expect("the page listens");
    stream.set_read_timeout(Some(common::PATIENCE)).expect("a timeout");
    stream.write_all(request.as_bytes()).expect("a request");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("a reply");
    let text = String::from_utf8(bytes).expect("UTF-8");
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {text:?}"));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.unwrap_or_else(|| panic!("no status: {head}"));
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

fn get(address: SocketAddr, path: &str, headers: &str) -> Answer {
    let head = format!("GET {path} HTTP/1.1\r\nHost: beiand\r\nConnection: close\r\n{headers}\r\n");
    ask(address, &head)
}

/// The figure of a sample, as the page has it.
#[track_caller]
fn figure(address: SocketAddr, sample: &str) -> f64 {
    let page = get(address, "/metrics", "").body;
    let line = page.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    let figure = line.unwrap_or_else(|| panic!("no {sample} in\n{page}"));
    figure.parse().unwrap_or_else(|_| panic!("{figure}"))
}

fn promtool(args: &[&str], input: Option<&str>) -> Output {
    let mut child = Command::new("promtool")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool, which .ci/run installs");
    let mut stdin = child.stdin.take().expect("it was piped");
    stdin.write_all(input.unwrap_or_default().as_bytes()).expect("promtool reads");
    drop(stdin);
    child.wait_with_output().expect("promtool ends")
}

#[track_caller]
fn assert_fine(output: &Output) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{stdout}\n{stderr}");
}

fn docs(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(file)
}

#[test]
fn what_is_asked_is_counted_by_transport_type_code_and_reason() {
    let (server, metrics) = server();
    server.dig(&["open.example", "A"]);
    server.dig(&["open.example", "HTTPS"]);
    server.dig(&["open.example", "MX", "+tcp"]);
    server.dig(&["dark.example", "AAAA"]);
    // The gate has nothing to do with it.
    server.dig(&["dark.example", "SOA"]);
    server.dig(&["nosuch.open.example", "TYPE65280"]);
    assert_eq!(server.send_raw(&[0x12, 0x34, 0x80]), None);
    for (sample, wanted) in [
        // One of them is the ordinary query that `send_raw` sends after the other.
        ("beiand_queries_total{transport=\"udp\",qtype=\"A\"}", 2.0),
        ("beiand_queries_total{transport=\"udp\",qtype=\"HTTPS\"}", 1.0),
        ("beiand_queries_total{transport=\"udp\",qtype=\"AAAA\"}", 1.0),
        ("beiand_queries_total{transport=\"udp\",qtype=\"other\"}", 1.0),
        ("beiand_queries_total{transport=\"tcp\",qtype=\"MX\"}", 1.0),
        ("beiand_replies_total{transport=\"udp\",rcode=\"NXDOMAIN\"}", 1.0),
        ("beiand_blocked_replies_total{reason=\"no-filing\"}", 1.0),
        ("beiand_blocked_replies_total{reason=\"restricted\"}", 0.0),
        ("beiand_dropped_queries_total{transport=\"udp\"}", 1.0),
        ("beiand_connections_total{transport=\"tcp\"}", 1.0),
        ("beiand_zones", 2.0),
        ("beiand_zone_verdicts{verdict=\"open\"}", 1.0),
        ("beiand_zone_verdicts{verdict=\"no-filing\"}", 1.0),
        ("beiand_ready", 1.0),
    ] {
        assert_eq!(figure(metrics, sample), wanted, "{sample}");
    }
    // The connection of `dig +tcp` has been closed.
    let open = "beiand_open_connections{transport=\"tcp\"}";
    eventually("the connection is over", || figure(metrics, open) == 0.0);
    let _held = TcpStream::connect(server.tcp()).expect("a connection");
    eventually("a connection is open", || figure(metrics, open) == 1.0);
}

#[test]
fn what_the_notice_page_answers_is_counted_by_reason_and_status() {
    let (server, metrics) = server();
    let notice = server.listening("notice");
    for host in ["dark.example", "www.dark.example", "open.example", "nowhere.example", "a..b"] {
        common::http::get(notice, host, "/", "");
    }
    for (sample, wanted) in [
        ("beiand_notice_pages_total{reason=\"no-filing\"}", 2.0),
        ("beiand_notice_pages_total{reason=\"open\"}", 1.0),
        ("beiand_notice_pages_total{reason=\"not-hosted\"}", 2.0),
        ("beiand_notice_pages_total{reason=\"rejected\"}", 0.0),
        ("beiand_notice_responses_total{status=\"451\"}", 2.0),
        ("beiand_notice_responses_total{status=\"503\"}", 1.0),
        ("beiand_notice_responses_total{status=\"404\"}", 1.0),
        ("beiand_notice_responses_total{status=\"400\"}", 1.0),
        ("beiand_connections_total{transport=\"notice\"}", 5.0),
    ] {
        assert_eq!(figure(metrics, sample), wanted, "{sample}");
    }
    let stats = server.beiand(&["stats"]);
    assert!(stats.stdout.contains("beiand_notice_pages_total"), "{stats}");
}

#[test]
fn a_truncated_reply_is_counted() {
    let mut site = Site::new();
    let many: String = (0..60).map(|n| format!("@ TXT \"{n:0>100}\"\n")).collect();
    site.zone("big.example", &many).records(&[Record::open("big.example")]);
    site.config_tail("[metrics]\nlisten = [\"127.0.0.1:0\"]");
    let server = site.start();
    let metrics = metrics_address(&server);
    server.dig(&["big.example", "TXT", "+ignore"]);
    assert_eq!(figure(metrics, "beiand_truncated_replies_total{transport=\"udp\"}"), 1.0);
}

#[test]
fn reloads_refusals_and_waiting_changes_are_counted() {
    let (server, metrics) = server();
    let records: Vec<Record> =
        (0..300).map(|n| Record::open(&format!("site{n}.example"))).collect();
    server.records(&records);
    server.reloaded();
    // The anchor record is the one more.
    assert_eq!(figure(metrics, "beiand_filing_records"), 301.0);
    let applied = figure(metrics, "beiand_reloads_total{outcome=\"applied\"}");
    assert!(applied >= 2.0, "{applied}");
    assert_eq!(figure(metrics, "beiand_reloads_total{outcome=\"refused\"}"), 0.0);
    server.records(&records[..100]);
    replace(&server.site.path("filings/20.csv"), "no such column\n1\n");
    replace(&server.site.path("zones/open.example.zone"), "no zone\n");
    server.reload(&[]);
    assert_eq!(figure(metrics, "beiand_filing_files_waiting"), 1.0);
    assert_eq!(figure(metrics, "beiand_zones_refused"), 1.0);
    assert_eq!(figure(metrics, "beiand_filing_files_refused"), 1.0);
    assert!(figure(metrics, "beiand_reloads_total{outcome=\"refused\"}") >= 1.0);
    let all = figure(metrics, "beiand_reload_duration_seconds_count");
    assert_eq!(figure(metrics, "beiand_reload_duration_seconds_bucket{le=\"+Inf\"}"), all);
    assert!(figure(metrics, "beiand_reload_duration_seconds_sum") > 0.0);
    let age = figure(metrics, "beiand_filings_age_seconds");
    eventually("the filings grow older", || figure(metrics, "beiand_filings_age_seconds") > age);
}

#[test]
fn health_tells_alive_from_ready() {
    let mut site = Site::new();
    site.config_tail("[metrics]\nlisten = [\"127.0.0.1:0\"]");
    fs::remove_dir(site.path("zones")).expect("an empty folder");
    let server = site.start();
    let metrics = metrics_address(&server);
    assert_eq!(get(metrics, "/livez", "").status, 200);
    assert_eq!(get(metrics, "/readyz", "").status, 503);
    assert_eq!(figure(metrics, "beiand_ready"), 0.0);
    fs::create_dir(server.site.path("zones")).expect("a folder");
    server.reload(&[]);
    eventually("ready", || get(metrics, "/readyz", "").status == 200);
    assert_eq!(figure(metrics, "beiand_ready"), 1.0);
}

#[test]
fn the_page_is_good_http() {
    let (_server, metrics) = server();
    let page = get(metrics, "/metrics", "");
    assert!(page.head.contains("text/plain; version=0.0.4"), "{}", page.head);
    let page = get(metrics, "/metrics", OPEN_METRICS);
    assert!(page.head.contains("application/openmetrics-text"), "{}", page.head);
    assert!(page.body.ends_with("# EOF\n"), "{}", page.body);
    assert_eq!(get(metrics, "/", "").status, 404);
    assert_eq!(get(metrics, "/metrics?x=1", "").status, 200);
    let post =
        "POST /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi";
    assert_eq!(ask(metrics, post).status, 405);
    let head = ask(metrics, "HEAD /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    let long = format!("X-Long: {}\r\n", "x".repeat(40_000));
    assert_eq!(get(metrics, "/metrics", &long).status, 431);
    assert_eq!(ask(metrics, "\r\n\r\nnonsense\r\n\r\n").status, 400);
}

#[test]
fn clients_that_stall_are_let_go_and_do_not_keep_others_out() {
    let (server, metrics) = server();
    let stalled: Vec<TcpStream> = (0..80)
        .map(|_| {
            let mut stream = TcpStream::connect(metrics).expect("a connection");
            stream.write_all(b"GET /metrics HT").expect("half a line");
            stream
        })
        .collect();
    server.still_answers();
    let started = Instant::now();
    assert_eq!(get(metrics, "/livez", "").status, 200, "after {:?}", started.elapsed());
    drop(stalled);
}

#[test]
fn without_addresses_nothing_listens_and_a_taken_one_is_an_error() {
    let site = Site::new();
    let server = site.start();
    assert!(!server.log_text().contains("metrics"), "{}", server.log_text());
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("bound");
    let mut site = Site::new();
    site.config_tail(&format!("[metrics]\nlisten = [\"{address}\"]"));
    let ran = site.beiand(&["serve"]);
    assert_eq!(ran.code, 3, "{ran}");
    assert!(ran.stderr.contains(&address.to_string()), "{ran}");
}

#[test]
fn promtool_finds_nothing_to_mend() {
    let (server, metrics) = server();
    server.dig(&["dark.example", "A"]);
    let page = get(metrics, "/metrics", "").body;
    assert_fine(&promtool(&["check", "metrics"], Some(&page)));
    let rules = docs("alerts.yml").display().to_string();
    assert_fine(&promtool(&["check", "rules", &rules], None));
    let tests = docs("alerts-test.yml").display().to_string();
    assert_fine(&promtool(&["test", "rules", &tests], None));
}

/// Names of the shape of a figure's in the text of queries.
fn figures_named(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = text.split(|c: char| !is_part(c));
    words
        .filter(|word| word.starts_with("beiand_") || word.starts_with("process_"))
        .map(str::to_owned)
        .collect()
}

/// Every query of the dashboard, with its variable put in place.
fn dashboard_queries() -> Vec<String> {
    let text = fs::read_to_string(docs("grafana-dashboard.json")).expect("the dashboard");
    let dashboard: Value = serde_json::from_str(&text).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().into_iter().flatten())
        .map(|target| target["expr"].as_str().expect("a query").replace("$instance", ".*"))
        .collect()
}

#[test]
fn dashboard_and_rules_name_only_figures_that_there_are() {
    let (server, metrics) = server();
    common::http::get(server.listening("notice"), "dark.example", "/", "");
    let page = get(metrics, "/metrics", "").body;
    let samples: BTreeSet<&str> = page
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split(['{', ' ']).next())
        .collect();
    let rules = fs::read_to_string(docs("alerts.yml")).expect("the rules");
    let tests = fs::read_to_string(docs("alerts-test.yml")).expect("the rules' tests");
    let queries = dashboard_queries();
    assert!(queries.len() > 20, "the dashboard's queries are gone");
    for named in figures_named(&(queries.join("\n") + &rules + &tests)) {
        assert!(samples.contains(named.as_str()), "{named} is no figure of the page:\n{page}");
    }
}

/// A real Prometheus that scrapes the page; ended when dropped.
struct Prometheus(Child);

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn prometheus_scrapes_the_page_and_every_query_of_the_dashboard_has_an_answer() {
    let (server, metrics) = server();
    server.dig(&["dark.example", "A"]);
    common::http::get(server.listening("notice"), "dark.example", "/", "");
    let config = server.site.path("prometheus.yml");
    replace(
        &config,
        &format!(
            "global:\n  scrape_interval: 1s\nrule_files: [{:?}]\nscrape_configs:\n  \
             - job_name: beiand\n    static_configs:\n      - targets: [\"{metrics}\"]\n",
            docs("alerts.yml")
        ),
    );
    let port = common::free_port();
    let prometheus = Command::new("prometheus")
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.tsdb.path={}", server.site.path("prometheus").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("prometheus, which .ci/run installs");
    let _prometheus = Prometheus(prometheus);
    let url = format!("http://127.0.0.1:{port}");
    let ask = |query: &str| promtool(&["query", "instant", &url, query], None);
    let is_empty = |output: &Output| output.stdout.trim_ascii().is_empty();
    let deadline = Instant::now() + 3 * common::PATIENCE;
    // Two scrapes, so that there are rates.
    let scraped = "count_over_time(up{job=\"beiand\"}[1m]) >= 3 and up{job=\"beiand\"} == 1";
    while is_empty(&ask(scraped)) {
        assert!(Instant::now() < deadline, "Prometheus never took the page in");
        std::thread::sleep(Duration::from_millis(200));
    }
    for query in dashboard_queries() {
        let output = ask(&query);
        assert_fine(&output);
        // What is cut to what is above zero may be empty.
        if !query.contains("> 0") {
            assert!(!is_empty(&output), "no answer to {query}");
        }
    }
}
