import CFuse
import Glibc
import SystemPackage

/// Unmounts the file system on top at `path`.
///
/// As root by umount2(2); otherwise by the set-uid program fusermount3, which unmounts what the same user mounted.
/// - Parameter lazy: detaches it from the tree at once and lets open files end in their own time (`MNT_DETACH`).
/// - Throws: `notMounted`, `busy` (not where lazy), `unmountFailed`.
public func unmount(_ path: String, lazy: Bool) throws(MountError) {
    var failure = Errno(rawValue: 0)
    let flags = Int32(UMOUNT_NOFOLLOW) | (lazy ? Int32(MNT_DETACH) : 0)
    repeat {
        if umount2(path, flags) == 0 { return }
        failure = .last
    } while failure == .interrupted
    switch failure {
    case .resourceBusy: throw .busy(path)
    case .invalidArgument, .noSuchFileOrDirectory: throw .notMounted(path)
    case .notPermitted where geteuid() != 0: try Fusermount.unmount(path, lazy: lazy)
    default: throw .unmountFailed(path, reason: "\(failure)")
    }
}

/// libfuse's set-uid helper.
enum Fusermount {
    /// `fusermount3 -u [-z] path`.
    static func unmount(_ path: String, lazy: Bool) throws(MountError) {
        let child: ChildProcess.Ended
        do throws(Errno) {
            child = try ChildProcess.run(["fusermount3", "-u"] + (lazy ? ["-z"] : []) + ["--", path])
        } catch { throw .system("starting fusermount3", error) }
        let (status, output) = (child.status, child.errorOutput)
        guard status != 0 else { return }
        let text = output.split(separator: "\n").first.map(String.init) ?? "fusermount3 ended with status \(status)"
        if text.contains("busy") { throw .busy(path) }
        if text.contains("not found in") || text.contains("not mounted") { throw .notMounted(path) }
        throw .unmountFailed(path, reason: text)
    }
}
