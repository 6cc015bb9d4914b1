//! The command `check-device`: compares the results of a device with those of the CPU.

use crate::args::CheckDevice;
use cni_burn::device::device;
use cni_burn::device_check::DeviceCheck;
use std::error::Error;
use std::process::ExitCode;

pub fn check_device(args: &CheckDevice) -> Result<ExitCode, Box<dyn Error>> {
    let (checked, cpu) = (device(&args.device)?, device("flex")?);
    let findings = DeviceCheck::new().run(&checked, &cpu, &mut |finding| println!("{finding}"));
    let wrong = findings.iter().filter(|finding| !finding.agrees()).count();
    println!("\n{wrong} of {} comparisons of {} with the CPU differ", findings.len(), args.device);
    Ok(if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
