internal import SystemPackage

#if canImport(Glibc)
    internal import Glibc
#endif

/// rename(2).
func platformRename(_ from: UnsafePointer<CChar>, _ to: UnsafePointer<CChar>) -> Int32 { rename(from, to) }

/// unlink(2); what is not there is gone already.
func platformRemove(_ path: String) { _ = unlink(path) }

extension Errno {
    /// That of the last call.
    static var current: Errno { Errno(rawValue: errno) }
}
