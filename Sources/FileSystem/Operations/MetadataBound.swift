import Synchronization

/// Keeps names, inodes and what else is known of the bucket within their share of the memory budget.
///
/// Nothing fails for it. What listings told is dropped, the longest out of use first, and listed again when it is needed: one
/// LIST a thousand names. The kernel is asked to forget inodes, and looks those up again that a program names: one HEAD each.
extension BucketFileSystem {
    /// Gives back what is too much. Called where something was added; no lock may be held. Requests: none.
    func keepMetadataBound() {
        metadata.settle()
        let share = MetadataShare(limit: options.metadataLimit, maximumInodes: options.maximumInodes)
        let held = metadata.now
        guard let excess = share.excess(of: held), metadata.mayTry(held, of: share) else { return }
        let fresh = freshSince
        let now = options.clock.monotonic().earlier(by: -1)
        let names = namespace.withLock { namespace in
            // What is fresh may yet be asked for; but not at any price.
            if excess.ahead { namespace.dropAhead(before: held.ahead > share.limit / 4 ? now : fresh) }
            if excess.names > 0 { namespace.dropNames(bytes: excess.names) }
            return namespace.inodesToGiveBack(bytes: excess.inodes, count: excess.inodeCount)
        }
        if excess.ahead { walk.dropAll() }
        if !names.isEmpty, let notifier = lifecycle.withLock({ $0.notifier }) {
            for place in names { notifier.invalidateEntry(parent: place.parent, name: place.name) }
        }
        metadata.settle()
        metadata.hasTried()
    }

    /// Counts what an open directory holds.
    func account(for stream: DirectoryStream) {
        metadata.addStreams(stream.takeGrowth())
    }
}
