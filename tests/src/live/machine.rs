//! What the figures were measured on.

use std::{fs, thread};

/// This machine in words: kernel, processors, and how busy it is before anything begins.
pub(crate) fn described() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();

    describe(
        read("/proc/sys/kernel/osrelease").trim(),
        thread::available_parallelism().map_or(1, usize::from),
        read("/proc/loadavg").split(' ').next().unwrap_or_default(),
    )
}

fn describe(kernel: &str, processors: usize, load: &str) -> String {
    let plural = if processors == 1 { "" } else { "s" };

    format!("Linux {kernel}, {processors} CPU{plural}, load average {load} before the first run")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_a_kernel_and_a_processor() {
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();

        let text = described();

        assert!(
            text.starts_with(&format!("Linux {}, ", kernel.trim())),
            "{text}"
        );
        assert!(!text.contains(" 0 CPU"), "{text}");
    }
}
