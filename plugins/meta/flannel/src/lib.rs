//! `flannel` attaches containers to flannel's overlay network: it generates a configuration from the
//! subnet that flanneld has leased for this node, and delegates to another plugin, usually `bridge`.

mod config;
mod delegate_config;
mod gc;
mod record;
mod subnet_env;

use std::cell::Cell;
use std::process::ExitCode;
use std::rc::Rc;

use cni_types::{Attachments, CniResult, Code, Command, Error};
use ferrule_plugin::{Call, Plugin, Undo, log, not_available};

pub use config::Config;
use delegate_config::DelegateConfig;
use record::{Content, Record, ensure_private};
use subnet_env::SubnetEnv;

const NAME: &str = "flannel";

/// The plugin `flannel`.
pub struct FlannelPlugin;

/// The `main` of the executable `flannel`.
pub fn main() -> ExitCode {
    ferrule_plugin::main(&FlannelPlugin)
}

impl Plugin for FlannelPlugin {
    type Config = Config;

    const NAME: &'static str = NAME;

    fn add(&self, call: &Call<Config>, undo: &mut Undo) -> Result<CniResult, Error> {
        let config = configured(call)?;
        let text = config.text().into_bytes();
        let delegate = config.delegate(&call.request, text.clone())?;
        let record = record(call)?;
        // The attachment may be in use by an earlier ADD, whose record stays if this ADD fails.
        let earlier = match record.read() {
            Content::Config(earlier, _) => Some(earlier),
            _ => None,
        };
        record.write(&text)?;
        let was_added = Rc::new(Cell::new(false));
        let (remover, succeeded) = (delegate.clone(), Rc::clone(&was_added));
        undo.push(
            "undo the delegate's ADD; the runtime's DEL will repeat it",
            move || {
                if let Some(earlier) = earlier.filter(|_| !succeeded.get()) {
                    return Ok(record.restore(&earlier)?);
                }
                remover.run(Command::Del)?;
                Ok(record.remove()?)
            },
        );
        let result = delegate.add()?;
        was_added.set(true);
        Ok(result)
    }

    fn del(&self, call: &Call<Config>) -> Result<(), Error> {
        let request = &call.request;
        let Ok(record) = record(call) else {
            // ADD fails without a place for records.
            return Ok(());
        };
        match record.read() {
            // A killed ADD may have left a partly written file.
            Content::Absent => Ok(record.remove()?),
            Content::Config(text, config) => {
                config.delegate(request, text)?.run(Command::Del)?;
                Ok(record.remove()?)
            }
            Content::Torn(why) => {
                del_by_current(call, &why)?;
                Ok(record.remove()?)
            }
            Content::Unusable(why) => del_by_current(call, &why),
        }
    }

    fn check(&self, call: &Call<Config>) -> Result<(), Error> {
        call.required_prev_result()?;
        let why = match record(call)?.read() {
            Content::Config(_, config) => {
                let config = config.for_check(&call.request);
                let text = config.text().into_bytes();
                return config.delegate(&call.request, text)?.run(Command::Check);
            }
            Content::Absent => "there is none".to_owned(),
            Content::Torn(why) | Content::Unusable(why) => why,
        };
        let folder = call.config.data_dir()?.display();
        Err(Error::internal(format_args!(
            "cannot read the delegate's configuration in {folder}: {why}"
        ))
        .details(
            "without it DEL cannot tell the delegate what to remove: attach the container anew",
        ))
    }

    fn status(&self, call: &Call<Config>) -> Result<(), Error> {
        ensure_private(call.config.data_dir()?)?;
        let config = configured(call).map_err(|mut error| {
            if error.code != Code::InvalidConfig as u32 {
                error.code = Code::NotAvailable as u32;
            }
            error
        })?;
        let text = config.text().into_bytes();
        config
            .delegate(&call.request, text)
            .and_then(|delegate| delegate.run(Command::Status))
            .map_err(not_available)
    }

    fn gc(&self, call: &Call<Config>, keep: &Attachments) -> Result<(), Error> {
        let current = current(call)
            .inspect_err(|error| log(format_args!("{NAME}: GC uses records only: {error}")));
        gc::collect(call, current.ok(), keep)
    }
}

/// DEL with the current configuration, which is probably that of ADD.
fn del_by_current(call: &Call<Config>, why: &str) -> Result<(), Error> {
    log(format_args!(
        "{NAME}: DEL uses the current configuration: {why}"
    ));
    let config = current(call)?;
    let text = config.text().into_bytes();
    config.delegate(&call.request, text)?.run(Command::Del)
}

fn record(call: &Call<Config>) -> Result<Record, Error> {
    let request = &call.request;
    let folder = call.config.data_dir()?;
    Ok(Record::new(
        folder,
        &request.network,
        &request.container_id,
        &request.ifname,
    ))
}

/// The delegate's configuration for ADD.
fn configured(call: &Call<Config>) -> Result<DelegateConfig, Error> {
    let env = SubnetEnv::load(call.config.subnet_file()?)?;
    DelegateConfig::build(call, Some(&env))
}

/// The delegate's configuration for DEL and GC, without ranges if there is no subnet file.
fn current(call: &Call<Config>) -> Result<DelegateConfig, Error> {
    let env = call.config.subnet_file().map(SubnetEnv::load);
    let env = env.ok().and_then(Result::ok);
    DelegateConfig::build(call, env.as_ref())
}

#[test]
fn the_schema_is_current() {
    ferrule_schema::assert_current::<FlannelPlugin>(ferrule_schema::Role::Interface);
}
