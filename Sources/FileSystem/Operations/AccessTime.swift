internal import ObjectStore
import Synchronization

/// Which access times a mount moves: as relatime has it, the default of mount(8).
public enum AccessTimePolicy: Sendable, Equatable {
    /// Of all that is read.
    case relative
    /// Not those of directories (`-o nodiratime`).
    case relativeOfFiles
    /// None (`-o noatime`).
    case never
}

/// When a read moves an access time (relatime, mount(8)).
///
/// **Problem.** A read must cost no request, and an access time that moves with each read would cost one.
///
/// **Design.** A read moves the time where it is not later than the last modification or change, or a day old, as the kernel has
/// it on a disk. It is kept in ``Inode/State/accessed``, apart from the attributes that are stored or to be stored, so that it
/// makes nothing dirty; whatever stores the file's headers the next time stores it too. It goes when another host has changed
/// the object. A file that is read looks at it under a lock that each read takes anyway; the clock is asked when the time is
/// to move, and at a handle's first read, for the day.
///
/// **Limits.** What the kernel answers from its pages is not seen here: an open for reading that leaves the kernel its pages
/// counts as a read. A time that nothing stores is lost when the kernel forgets the file.
struct AccessTimeRule: Sendable {
    /// A time that is so old, in seconds, moves with any read.
    static let limit: Int64 = 24 * 60 * 60

    /// Whether a read moves the time, whatever its age.
    static func isBehind(access: Timestamp, modification: Timestamp, change: Timestamp) -> Bool {
        access <= modification || access <= change
    }

    /// Whether the time's age alone lets a read move it.
    static func isOld(access: Timestamp, now: Timestamp) -> Bool { now.seconds - access.seconds >= limit }
}

extension Inode.State {
    /// The attributes as they are to be stored: with the access time that reads have moved.
    var storable: StoredAttributes {
        guard let accessed else { return attributes }
        var storable = attributes
        storable.accessTime = accessed
        return storable
    }

    /// Something of it is read.
    /// - Parameters:
    ///   - isFirst: of its handle: then the age of the access time counts.
    ///   - now: the time of day; asked only where it is needed.
    mutating func noteAccess(isFirst: Bool = true, now: () -> Timestamp) {
        let access = accessed ?? attributes.accessTime
        let isBehind = AccessTimeRule.isBehind(
            access: access, modification: attributes.modificationTime, change: attributes.changeTime)
        guard isBehind || isFirst else { return }
        let now = now()
        if isBehind || AccessTimeRule.isOld(access: access, now: now) { accessed = now }
    }
}

extension BucketFileSystem {
    /// Whether reads of this handle move the file's access time.
    func movesAccessTime(_ flags: OpenFlags) -> Bool {
        options.accessTimes != .never && !options.isReadOnly && !flags.contains(.keepsAccessTime)
    }

    /// A directory's entries, or a link's target, are read.
    func noteAccess(to inode: Inode) {
        guard movesAccessTime([]), inode.type != .directory || options.accessTimes == .relative else { return }
        inode.state.withLock { $0.noteAccess(now: options.clock.wall) }
    }
}
