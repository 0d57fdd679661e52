//! From the configuration to what each room wants to be told.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use crate::answer::Identity;
use crate::answer::cookie::CookieSecret;
use crate::config::{self, Config, ExternalTargets, GateMode};
use crate::fault::{Fault, Severity};
use crate::feed::FeedSettings;
use crate::gate::{self, GateSettings, MailHosts};
use crate::journal;
use crate::region::Regions;
use crate::reload::rebuild;
use crate::serve::CertificateFiles;
use crate::state::verdicts::Rules;
use crate::wire::Name;

/// What the reload needs. `secret` stands in where the configuration names no cookie secret: one
/// for the life of the process, so that a reload does not make all cookies stale.
pub fn rebuild(config: &Config, secret: CookieSecret) -> Result<rebuild::Settings, Vec<Fault>> {
    let regions = regions(config)?;
    let identity = Identity {
        nsid: config.server.nsid.clone().unwrap_or_default(),
        version: config.server.version.clone(),
        id: config.server.identity.clone(),
        cookie_secret: config.server.cookie_secret.unwrap_or(secret),
    };
    Ok(rebuild::Settings {
        zones: config.zones.path.clone(),
        settle: config.filings.settle,
        feed: feed(config),
        gate: gate(config),
        rules: rules(config),
        nameserver_addresses: config.gate.nameserver_addresses.clone(),
        regions: Arc::new(regions),
        regions_stamp: regions_stamp(config),
        identity: Arc::new(identity),
        config: config.file.clone(),
        files: single_files(config),
        journal: journal(config),
        snapshot: config.server.snapshot.clone(),
    })
}

/// Where the journal of decisions is, if there is one.
pub fn journal(config: &Config) -> Option<journal::Settings> {
    let config::Journal { path, max_size, keep } = &config.journal;
    let folder = path.clone()?;
    Some(journal::Settings { folder, max_size: *max_size, keep: *keep })
}

/// The single files that the configuration names, to be watched.
fn single_files(config: &Config) -> Vec<PathBuf> {
    let identity = config.tls.identity.iter();
    let of_identity = identity.flat_map(|it| [it.certificate.clone(), it.key.clone()]);
    let page = &config.notice.page;
    let others = [&config.regions.mmdb, &page.logo, &page.template, &page.style];
    others.into_iter().flatten().cloned().chain(of_identity).collect()
}

/// The certificate of the encrypted transports.
pub fn certificate_files(config: &Config) -> Option<CertificateFiles> {
    config.tls.identity.as_ref().map(|identity| CertificateFiles {
        certificate: identity.certificate.clone(),
        key: identity.key.clone(),
    })
}

/// What the feed needs.
pub fn feed(config: &Config) -> FeedSettings {
    FeedSettings {
        path: config.filings.path.clone(),
        provider: config.filings.provider.clone(),
        max_bad_lines: config.filings.max_bad_lines,
        max_shrink: config.filings.max_shrink,
        settle: config.filings.settle,
    }
}

/// What the gate needs.
pub fn gate(config: &Config) -> GateSettings {
    let gate = &config.gate;
    GateSettings {
        mode: match gate.mode {
            GateMode::Enforce => gate::Mode::Enforce,
            GateMode::Observe => gate::Mode::Observe,
        },
        notice_ipv4: gate.notice_ipv4.clone(),
        notice_ipv6: gate.notice_ipv6.clone(),
        notice_ttl: gate.notice_ttl,
        max_open_ttl: gate.max_open_ttl,
        external_targets: match gate.external_targets {
            ExternalTargets::AsOwn => gate::ExternalTargets::AsOwn,
            ExternalTargets::Open => gate::ExternalTargets::Open,
        },
        mail_hosts: if gate.exempt_mail_hosts { MailHosts::Exempt } else { MailHosts::Gated },
        ede_notice: gate.ede_notice,
        ede_nodata: gate.ede_nodata,
        notice_page: gate.notice_page.clone(),
    }
}

/// What verdicts are taken by.
pub fn rules(config: &Config) -> Rules {
    // The configuration's reader has checked that they are names.
    let exempt_zones = config.gate.exempt_zones.iter().filter_map(|zone| zone.parse().ok());
    Rules {
        policy: config.gate.filing_policy(),
        exempt_zones: exempt_zones.map(|zone: Name| zone.to_lowercase()).collect(),
    }
}

/// Where addresses are.
pub fn regions(config: &Config) -> Result<Regions, Vec<Fault>> {
    let regions = &config.regions;
    let text = |nets: &[ipnet::IpNet]| nets.iter().map(ToString::to_string).collect::<Vec<_>>();
    Regions::parse(
        &text(&regions.own),
        &text(&regions.mainland),
        &text(&regions.overseas),
        regions.mmdb.as_deref(),
    )
    .map_err(|faults| {
        let fault = |fault: crate::region::RegionFault| Fault {
            text: fault.text,
            ..Fault::of_file(
                Severity::Error,
                &config.file,
                format!("[regions] {}: {}", fault.key, fault.problem),
                fault.remedy,
            )
        };
        faults.into_iter().map(fault).collect()
    })
}

/// Equal for equal regions: the database counts by its file's size and time.
fn regions_stamp(config: &Config) -> String {
    let stamp = |path: &Path| {
        let metadata = std::fs::metadata(path).ok()?;
        let modified = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some((metadata.len(), modified))
    };
    format!("{:?} {:?}", config.regions, config.regions.mmdb.as_deref().map(stamp))
}
