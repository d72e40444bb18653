internal import ObjectStore
import Synchronization
internal import SystemPackage

/// What a mount knows of names behind a change that has failed: nothing.
///
/// **Problem.** A request that failed may have taken effect, and one of several may have been made before another failed. What the mount
/// remembers of the names is then the state before: a file that it goes on showing is gone, one that it takes for absent is there.
///
/// **Design.** Every verb that changes names runs by ``perform(_:on:_:)``, which names them; where it throws, whatever is known of them and
/// of all below is forgotten, as `pail refresh` does it. What this mount has changed and not stored is no cache and stays. Forgetting
/// costs no request; the next look does.
///
/// **Limits.** The kernel keeps what it knows for the rest of its timeout: it must not be told in the middle of a change of the
/// same directory.
extension BucketFileSystem {
    /// A name in a directory.
    struct NamePlace: Sendable {
        var parent: NodeID
        var name: FileName
    }

    /// Runs a verb that changes names, and asks the store for them anew if it fails.
    func perform<T: Sendable>(
        _ verb: String, on places: [NamePlace], _ body: () async throws -> T
    ) async throws(Errno) -> T {
        do throws(Errno) {
            return try await perform(verb, body)
        } catch {
            for place in places { doubt(place) }
            throw error
        }
    }

    /// Forgets what is known of a name, of what has it and of what is below.
    func doubt(_ place: NamePlace) {
        let now = options.clock.monotonic()
        let longAgo = now.earlier(by: 1e6)
        namespace.withLock { namespace in
            _ = namespace.updateDirectory(place.parent) { directory in
                directory.noteLost(place.name, at: now)
                directory.prefetched[place.name] = nil
            }
            guard let child = namespace.child(place.name, of: place.parent)?.inode else { return }
            for node in namespace.subtree(of: child.node) {
                node.directory?.known.forget()
                node.directory?.prefetched.removeAll()
                node.inode.state.withLock { $0.seen = longAgo }
            }
        }
    }
}
