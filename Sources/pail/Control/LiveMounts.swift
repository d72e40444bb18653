import Check
import LocalState
import Mount
import Synchronization

/// The live mounts of this machine that show the bucket that is checked, and what they own in it.
///
/// **Design.** The kernel's table tells of all mounts; a mount's process is asked once, by its control socket, for its endpoint and
/// the directory of its journal. What it owns is in that journal, row by row before it is in the bucket, and is read there whenever
/// somebody wants to know: two small queries, and no work for the mount.
///
/// **Limits.** s3fs, a mount of an earlier version, one of another user or in another container, and one that does not answer
/// within seconds are silent: all that is in flight may be theirs.
final class LiveMounts: Sendable {
    /// What is known of one mount.
    private enum Knowledge: Sendable {
        /// It shows something else.
        case other
        /// It does not tell.
        case silent
        /// Its journal.
        case tells(journal: String)
    }

    /// Seconds to wait for a mount's answer.
    private static let patience = 5

    private let source: MountSource
    private let endpoint: String
    /// By the device: a number that is used again belongs to another mount point, mostly, and is asked again.
    private let known = Mutex<[String: Knowledge]>([:])

    /// Those of a bucket or a part of it, and of what it is a part of.
    init(of source: MountSource, at endpoint: String) {
        self.source = source
        self.endpoint = endpoint
    }

    /// What they own now. Waits for the mounts that were not asked before.
    func owned() -> OwnedWork {
        var work = OwnedWork()
        for mounted in MountedFileSystem.all() {
            guard mounted.type == "fuse.pail" || mounted.type == "fuse.s3fs",
                let other = try? MountSource(mounted.source), other.bucket == source.bucket,
                other.prefix.utf8.starts(with: source.prefix.utf8) || source.prefix.utf8.starts(with: other.prefix.utf8)
            else { continue }
            switch knowledge(of: mounted) {
            case .other: break
            case .silent: work.silent.append(mounted.mountPoint)
            case .tells(let journal):
                if let inventory = try? JournalInventory.read(journal, .rows) {
                    work.add(inventory)
                } else {
                    work.silent.append(mounted.mountPoint)
                }
            }
        }
        return work
    }

    private func knowledge(of mounted: MountedFileSystem) -> Knowledge {
        let name = mounted.device + " " + mounted.mountPoint
        if let found = known.withLock({ $0[name] }) { return found }
        let found = ask(mounted)
        known.withLock { $0[name] = found }
        return found
    }

    private func ask(_ mounted: MountedFileSystem) -> Knowledge {
        guard let client = try? ControlClient(toMountOf: mounted.mountPoint, patience: Self.patience),
            let status = try? client.ask(ControlRequest(command: .status)).status, let journal = status.journal
        else { return .silent }
        guard status.endpoint == endpoint else { return .other }
        return .tells(journal: journal)
    }
}
