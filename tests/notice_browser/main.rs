//! The notice page in a real browser: what an owner sees and does, how it looks, and whether
//! everybody can use it.
//!
//! `BEIAND_SCREENSHOTS=folder cargo test --test notice_browser -- looks` keeps a picture of each
//! reason at phone and desktop width, light and dark, in both languages.
//!
//! Needs Debian's chromium, chromium-driver and fonts-noto-cjk, and axe-core from npm, which
//! `.ci/run` puts below `target/tmp`.

#[path = "../common/mod.rs"]
mod common;
mod webdriver;

use std::fs;
use std::path::{Path, PathBuf};

use common::{NOTICE_PAGE, Record, Server, Site, append, eventually};
use serde_json::Value;
use webdriver::Browser;

/// The version of axe-core that `.ci/run` fetches.
const AXE: &str = "axe-core-4.14.1/package/axe.min.js";

const LOGO: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" width="28" height="28" viewBox="0 0 28 28"><path fill="#fff" d="M8 22a6 6 0 0 1-.7-12A8 8 0 0 1 22 12a5 5 0 0 1 0 10z"/></svg>"##;

/// A page of each kind, by the shipped domain.
const PAGES: [&str; 18] = [
    "nofiling.example",
    "underreview.example",
    "rejected.example",
    "notsynced.example",
    "movedfrom.example",
    "elsewhere.example",
    "transferring.example",
    "transferrejected.example",
    "cancelled.example",
    "accesscancelled.example",
    "restricted.example",
    "hobbyforum.example",
    "newforum.example",
    "provinceforum.example",
    "filed.example",
    "notpointed.example",
    "nothosted.example",
    "www.xn--bcher-kva.example",
];

fn shipped() -> Server {
    let mut site = Site::shipped();
    with_page(&mut site);
    site.plain_zone("xn--bcher-kva.example");
    site.start()
}

/// The page with a logo, and DNS answers that lead to it.
fn with_page(site: &mut Site) {
    fs::write(site.path("logo.svg"), LOGO).expect("a logo");
    site.config_tail(NOTICE_PAGE).config_tail("logo = \"logo.svg\"");
    site.gate("notice_ipv4", "[\"127.0.0.1\"]");
}

/// The resolver rules that say of a name what the server's own DNS answer says.
fn as_resolved(server: &Server, name: &str) -> String {
    let reply = server.dig(&[name, "A"]);
    let address = reply.data("A").first().map(ToString::to_string);
    format!("MAP {name} {}", address.unwrap_or_else(|| panic!("no address\n{reply}")))
}

#[test]
fn an_owner_reads_the_reason_switches_the_language_and_sees_the_site_open() {
    let mut site = Site::new();
    with_page(&mut site);
    site.gate("notice_ttl", "5");
    site.plain_zone("site.example");
    site.records(&[Record::applied("site.example", "first", "under-review")]);
    let server = site.start();
    server.dig_until(&["site.example", "A"], |reply| reply.data("A") == ["127.0.0.1"]);
    let browser = Browser::start(&as_resolved(&server, "site.example"), "zh-CN,zh");
    let port = server.listening("notice").port();
    browser.open(&format!("http://site.example:{port}/a/page?id=1"));
    let text = browser.text();
    for wanted in
        ["site.example", "该域名的备案申请正在办理，尚未通过。", "访客无需任何操作", "某某云"]
    {
        assert!(text.contains(wanted), "{wanted} is missing:\n{text}");
    }
    assert_eq!(browser.run("return document.documentElement.lang"), "zh-CN");
    assert_eq!(browser.run("return document.images[0].naturalWidth"), 28, "the logo is shown");
    assert_eq!(
        browser.run("return getComputedStyle(document.querySelector('header')).backgroundColor"),
        "rgb(11, 79, 138)",
        "the security policy admits the page's own style"
    );
    browser.click_link("English");
    let text = browser.text();
    assert!(text.contains("The domain's filing is in progress and not yet approved."), "{text}");
    assert_eq!(browser.run("return document.documentElement.lang"), "en");
    assert_eq!(browser.run("return location.pathname"), "/a/page", "the switch keeps the path");
    assert_eq!(browser.run("return document.cookie"), "");

    append(&server.site.path("filings/10.ndjson"), &Record::open("site.example").line());
    server.opens("site.example");
    browser.reload();
    let text = browser.text();
    assert!(text.contains("The site is open now"), "{text}");
    let loaded = browser.run("return performance.timeOrigin");
    eventually("the page reloads by itself", || {
        browser.run("return performance.timeOrigin") != loaded
    });
    browser.click_link("中文");
    assert!(browser.text().contains("网站现已开通"), "{}", browser.text());
    browser.click_link("停止自动刷新");
    assert!(browser.text().contains("本页不会自动刷新"), "{}", browser.text());
    browser.click_link("English");
    assert!(browser.text().contains("does not reload by itself"), "{}", browser.text());
}

#[test]
fn the_page_looks_right_on_every_screen_for_every_reason() {
    let server = shipped();
    let port = server.listening("notice").port();
    let browser = Browser::start("MAP * 127.0.0.1", "zh-CN,zh");
    let folder = std::env::var_os("BEIAND_SCREENSHOTS").map(PathBuf::from);
    if let Some(folder) = &folder {
        fs::create_dir_all(folder).expect("a folder for the pictures");
    }
    for (width, name) in [(320, "narrow"), (390, "phone"), (1280, "desktop")] {
        for scheme in ["light", "dark"] {
            browser.prefer(scheme);
            for page in PAGES {
                for language in ["zh", "en"] {
                    browser.resize(width, 700);
                    browser.open(&format!("http://{page}:{port}/?lang={language}"));
                    let scroll = browser.run("return document.documentElement.scrollWidth");
                    assert_eq!(scroll, width, "{page} {language} scrolls sideways");
                    if let Some(folder) = &folder
                        && width != 320
                    {
                        let height = browser.run("return document.documentElement.scrollHeight");
                        browser.resize(width, height.as_u64().expect("pixels") as u32);
                        let file = format!("{page}-{name}-{scheme}-{language}.png");
                        fs::write(folder.join(file), browser.screenshot()).expect("a picture");
                    }
                }
            }
        }
    }
    // The name that a provider may have at most: 80 characters.
    browser.resize(320, 700);
    let bar = browser.run(
        "document.querySelector('.brand').append('某某'.repeat(39)); \
         return [document.documentElement.scrollWidth, document.querySelector('nav').clientHeight]",
    );
    assert_eq!(bar[0], 320, "a long name makes the page scroll sideways");
    let height = bar[1].as_u64().expect("pixels");
    assert!(height < 50, "a long name breaks the switch into lines: {height} pixels");
    browser.medium("print");
    browser.open(&format!("http://cancelled.example:{port}/"));
    assert_eq!(
        browser.run("return getComputedStyle(document.querySelector('nav')).display"),
        "none",
        "what paper cannot do is not printed"
    );
    if let Some(folder) = &folder {
        fs::write(folder.join("cancelled.example-print.png"), browser.screenshot())
            .expect("a picture");
    }
}

#[test]
fn everybody_can_use_the_page() {
    let axe = Path::new(env!("CARGO_TARGET_TMPDIR")).join(AXE);
    let axe = fs::read_to_string(&axe).unwrap_or_else(|error| {
        panic!("{}: {error}; .ci/run fetches it from npm", axe.display());
    });
    let server = shipped();
    let port = server.listening("notice").port();
    let browser = Browser::start("MAP * 127.0.0.1", "zh-CN,zh");
    let views =
        [(390, "light", "zh"), (390, "dark", "en"), (1280, "light", "en"), (1280, "dark", "zh")];
    for (width, scheme, language) in views {
        browser.resize(width, 900);
        browser.prefer(scheme);
        for page in PAGES {
            let url = format!("http://{page}:{port}/?lang={language}");
            browser.open(&url);
            browser.run(&axe);
            let found = browser.run_async(
                "const done = arguments[arguments.length - 1]; \
                 axe.run().then(done, error => done({error: String(error)}))",
            );
            let violations = found["violations"].as_array().expect("a list");
            let passes = found["passes"].as_array().map_or(0, Vec::len);
            assert!(passes > 10, "axe looked at the page: {found}");
            assert!(violations.is_empty(), "{url} {scheme}: {}", brief(violations));
        }
    }
}

/// Which rule, and where.
fn brief(violations: &[Value]) -> String {
    let brief = |violation: &Value| {
        let nodes = violation["nodes"].as_array().into_iter().flatten();
        let nodes: Vec<String> = nodes.map(|node| node["html"].to_string()).collect();
        format!("{}: {}", violation["help"], nodes.join(" "))
    };
    violations.iter().map(brief).collect::<Vec<_>>().join("\n")
}
