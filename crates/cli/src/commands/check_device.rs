//! The check of a device: its results beside those of the CPU.

use crate::compute::flag;
use crate::exit::Exit;
use crate::output::Output;
use clap::Args;
use cni_burn::device::device;
use cni_burn::device_check::DeviceCheck;
use serde_json::json;
use std::error::Error;

/// The flags of `check-device`.
#[derive(Args)]
pub struct CheckDevice {
    /// Backend to check: flex, or any other that the program was built with.
    #[arg(long)]
    device: String,
    #[command(flatten)]
    output: Output,
}

pub fn check_device(args: &CheckDevice) -> Result<Exit, Box<dyn Error>> {
    let output = args.output;
    let (checked, cpu) = (device(&args.device).map_err(flag)?, device("flex").map_err(flag)?);
    let mut written = Ok(());
    let findings = DeviceCheck::new().run(&checked, &cpu, &mut |finding| {
        if written.is_ok() {
            written = output.say(finding);
        }
    });
    written?;
    let differ = findings.iter().filter(|finding| !finding.agrees()).count();
    output.say(format_args!(
        "\n{differ} of {} comparisons of {} with the CPU differ",
        findings.len(),
        args.device
    ))?;
    output.result(&json!({ "device": args.device, "differ": differ, "findings": findings }))?;
    Ok(if differ == 0 { Exit::Done } else { Exit::Negative })
}
