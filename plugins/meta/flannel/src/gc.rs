//! GC: runs the delegate with every configuration that is recorded for this network.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::Path;

use cni_types::{Attachments, Command, Error};
use ferrule_plugin::{Call, RecordError, log, remove_file};

use crate::NAME;
use crate::config::Config;
use crate::delegate_config::DelegateConfig;
use crate::record::{Content, Record, TEMP_SUFFIX, ensure_private, is_shared};

/// A configuration, and its records that are removed after the delegate's GC.
struct Collection {
    config: DelegateConfig,
    stale: Vec<Record>,
}

/// Runs the delegate's GC, then removes the records of attachments that are not listed.
pub(crate) fn collect(
    call: &Call<Config>,
    current: Option<DelegateConfig>,
    keep: &Attachments,
) -> Result<(), Error> {
    let request = &call.request;
    let mut collections = Vec::new();
    if let Some(config) = current {
        add(&mut collections, config.for_gc(request), None);
    }
    let mut outcomes = Vec::new();
    let folder = call.config.data_dir()?;
    match ensure_private(folder).and_then(|()| names(folder)) {
        Ok(names) => {
            for name in names {
                let outcome = visit(call, folder, &name, keep, &mut collections);
                outcomes.push(outcome.map_err(Error::from));
            }
        }
        Err(error) => outcomes.push(Err(error.into())),
    }
    for Collection { config, stale } in collections {
        let stdin = config.text().into_bytes();
        let collected = config
            .delegate(request, stdin)
            .and_then(|delegate| delegate.run(Command::Gc));
        match collected {
            Ok(()) => {
                outcomes.extend(stale.iter().map(|record| Ok(record.remove()?)));
            }
            failed => outcomes.push(failed),
        }
    }
    Error::join(outcomes)
}

fn add(collections: &mut Vec<Collection>, config: DelegateConfig, stale: Option<Record>) {
    match collections.iter_mut().find(|known| known.config == config) {
        Some(known) => known.stale.extend(stale),
        None => collections.push(Collection {
            config,
            stale: stale.into_iter().collect(),
        }),
    }
}

/// Reads one file. Those of listed attachments have configurations, too.
fn visit(
    call: &Call<Config>,
    folder: &Path,
    name: &str,
    keep: &Attachments,
    collections: &mut Vec<Collection>,
) -> Result<(), RecordError> {
    let path = folder.join(name);
    if name.ends_with(TEMP_SUFFIX) {
        return remove_abandoned(&path);
    }
    let (container_id, is_listed) = match name.split_once(':') {
        Some((container_id, ifname)) => (container_id, keep.contains(container_id, ifname)),
        // It is read under its other name.
        None if is_shared(&path) => return Ok(()),
        None => (name, keep.contains_container(name)),
    };
    let ifname = name.split_once(':').map_or("", |(_, ifname)| ifname);
    let record = Record::new(folder, &call.request.network, container_id, ifname);
    match record.read() {
        Content::Config(_, config) => {
            let stale = (!is_listed).then_some(record);
            add(collections, config.for_gc(&call.request), stale);
        }
        // Its network is unknown. DEL removes it.
        Content::Torn(why) => log(format_args!("{NAME}: GC keeps a file: {why}")),
        Content::Absent | Content::Unusable(_) => {}
    }
    Ok(())
}

/// Removes a temporary file whose writer was killed.
fn remove_abandoned(path: &Path) -> Result<(), RecordError> {
    match File::open(path) {
        Ok(file) if file.try_lock().is_ok() => remove_file(path),
        // It is being written.
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(RecordError::at("open", path)(error)),
    }
}

fn names(folder: &Path) -> Result<Vec<String>, RecordError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(RecordError::at("list", folder)(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(RecordError::at("list", folder))?;
        // Names of records are ASCII.
        names.extend(entry.file_name().into_string());
    }
    names.sort_unstable();
    Ok(names)
}
