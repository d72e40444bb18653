import Glibc
import Logging

/// How far the kernel reads ahead on a mount.
///
/// INIT can only lower the 128 KiB that the kernel starts with; more has to be written to the mount's entry under
/// /sys/class/bdi, which takes root (and a writable /sys, which few containers have). Without it a reader still gets what our
/// own read window fetches ahead, at 128 KiB a request.
enum Readahead {
    /// Raises it to `bytes`, for the mount whose device number is `device`. Tells by the log where that is refused.
    static func raise(device: dev_t, to bytes: Int, logger: Logger) {
        let path = "/sys/class/bdi/\(gnuMajor(device)):\(gnuMinor(device))/read_ahead_kb"
        if !FileContent.write("\(max(bytes, 0) >> 10)", to: path) {
            logger.debug("Readahead stays at the kernel's default", metadata: ["path": "\(path)"])
        }
    }

    /// major(3) and minor(3), which are macros.
    static func gnuMajor(_ device: dev_t) -> UInt64 {
        let device = UInt64(device)
        return device >> 8 & 0xFFF | device >> 32 & ~0xFFF
    }

    static func gnuMinor(_ device: dev_t) -> UInt64 {
        let device = UInt64(device)
        return device & 0xFF | device >> 12 & ~0xFF
    }
}
