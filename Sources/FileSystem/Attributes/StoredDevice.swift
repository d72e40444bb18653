/// The number of a device file (`st_rdev`) as Pail stores it beside s3fs's metadata: `major:minor` in decimal, as ls(1) and
/// mknod(1) show them, because the packed number differs between systems.
///
/// See makedev(3).
enum StoredDevice {
    /// The text for a packed number.
    static func text(_ device: UInt64) -> String { "\(major(device)):\(minor(device))" }

    /// The packed number that a text tells; nil where it tells none.
    static func parse(_ text: some StringProtocol) -> UInt64? {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2,
            let major = StoredNumber.parse(parts[0], base: 10, upTo: UInt64(UInt32.max)),
            let minor = StoredNumber.parse(parts[1], base: 10, upTo: UInt64(UInt32.max))
        else { return nil }
        return pack(major: UInt32(major), minor: UInt32(minor))
    }

    /// glibc's `gnu_dev_makedev`.
    static func pack(major: UInt32, minor: UInt32) -> UInt64 {
        let major = UInt64(major)
        let minor = UInt64(minor)
        return (major & 0xFFF) << 8 | (major & ~0xFFF) << 32 | (minor & 0xFF) | (minor & ~0xFF) << 12
    }

    /// glibc's `gnu_dev_major`.
    static func major(_ device: UInt64) -> UInt32 {
        UInt32(truncatingIfNeeded: (device >> 8) & 0xFFF | (device >> 32) & ~0xFFF)
    }

    /// glibc's `gnu_dev_minor`.
    static func minor(_ device: UInt64) -> UInt32 {
        UInt32(truncatingIfNeeded: device & 0xFF | (device >> 12) & ~0xFF)
    }
}
