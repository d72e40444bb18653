import Synchronization
internal import SystemPackage

/// Lock files between hosts, and what is read under their protection.
///
/// **Problem.** Programs on several hosts take turns by a lock file (`O_EXCL`, or mkdir(2)) and then read and write the file beside
/// it. What this mount has seen of that file within `--attribute-timeout` may be from before the last turn: the program would
/// read an old version, and its update would lose another's.
///
/// **Design.** Making a name that must be new is a *barrier* in its directory: a file there is opened only by what was seen
/// after it. So whoever holds the lock opens what its last holder has closed, whatever the attribute timeout.
///
/// Requests: one HEAD for the first open, behind a barrier, of a file that was seen before it.
extension BucketFileSystem {
    /// A name was made in `parent` that nobody else has.
    func noteExclusive(in parent: NodeID) {
        let now = options.clock.monotonic()
        namespace.withLock { _ = $0.updateDirectory(parent) { $0.barrier = now } }
    }

    /// Lets an inode that was last seen before its directory's barrier count as not fresh. Returns whether it was.
    @discardableResult
    func applyBarrier(to inode: Inode) -> Bool {
        let barrier = namespace.withLock { namespace -> Moment? in
            guard let parent = namespace[inode.node]?.parent else { return nil }
            return namespace[parent]?.directory?.barrier
        }
        guard let barrier else { return false }
        return inode.state.withLock { state in
            guard !state.isLocal, state.seen < barrier else { return false }
            state.seen = barrier.earlier(by: 1e6)
            return true
        }
    }

    /// Asks the store about an inode that is to be opened, where what is known of it is not fresh or from before a barrier.
    /// - Throws: `ESTALE` where it then has another version than the kernel was told of, whose size the kernel would read by: it looks
    ///   the name up again, once, and opens that. Who only appends reads nothing, and would meet that again and again where many
    ///   append to one file.
    func refreshToOpen(_ inode: Inode, _ flags: OpenFlags) async throws(Errno) {
        let before = inode.state.withLock { $0.version?.etag }
        let isBarred = applyBarrier(to: inode)
        try await refresh(inode)
        let onlyAppends = flags.contains([.writeOnly, .append])
        if isBarred, !onlyAppends, inode.state.withLock({ $0.version?.etag }) != before { throw .staleNFSFileHandle }
    }
}
