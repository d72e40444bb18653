internal import ObjectStore
import Synchronization

/// Full replacements and removals: the last writer wins, but never a request that arrives late.
///
/// **Problem.** `O_TRUNC`, a new file, a rename over a file and an unlink take the place of whatever is there (promise 4). Sent without a
/// condition, one whose answer never came may still be on its way: it would then undo what was stored since, and acknowledged.
///
/// **Design.** Each carries the version that this mount knows to be there, or that there is none. Where the condition fails, somebody
/// else was faster, or the late request was: a HEAD tells what is there now, and the request is repeated under that. Not in
/// write-back mode, whose journal keeps the order, nor on a store that ignores conditions.
///
/// Requests: none more. Where somebody else was faster, one HEAD and one repetition for each time.
///
/// **Limits.** A content that is removed before its first upload has ended may appear after all, for nothing is there that a
/// condition could name. A version of the same bytes cannot be told from another.
extension BucketFileSystem {
    /// How often somebody else may be faster before the last word is spoken without a condition.
    private static let rounds = 8

    /// What a full replacement of `version` is to be sent under; nil where a condition serves nothing.
    func replacementCondition(_ version: ObjectVersion?, at key: ObjectKey, isAbsent: Bool) -> Precondition? {
        let features = store.features
        guard !options.ordersChanges, features.conditionalWrites, features.conditionalCompletions,
            !features.isProbing
        else { return nil }
        if isAbsent { return .absent }
        guard let version, version.key == key, let etag = version.etag else { return nil }
        return .matches(etag)
    }

    /// Runs an upload or a copy, again and again if need be, until what it replaces is what it names.
    /// - Parameter isCopy: whether its own source is under a condition as well.
    func replacing<T: Sendable>(
        _ target: UploadTarget, isCopy: Bool = false,
        _ upload: (UploadTarget) async throws(StoreError) -> T
    ) async throws(StoreError) -> T {
        var target = target
        var round = 0
        while true {
            round += 1
            do throws(StoreError) { return try await upload(target) } catch {
                // S3 says "not found" where a version is named and there is none.
                guard target.overtakes, target.precondition != .none,
                    error.kind == .preconditionFailed || error.kind == .notFound
                else { throw error }
                let present = try await presence(of: target.key)
                // It was the source's condition, then.
                if isCopy, present == target.precondition { throw error }
                target.precondition = round < Self.rounds ? present : .none
            }
        }
    }

    /// What holds of a key now. One HEAD.
    private func presence(of key: ObjectKey) async throws(StoreError) -> Precondition {
        guard let info = try await store.headOrNil(key) else { return .absent }
        return info.etag.map { .matches($0) } ?? .none
    }

    /// Deletes the object of a name, whatever it is by now, but nothing that is stored after this returns.
    /// - Parameter known: the version that this mount knows to be there.
    func remove(_ key: ObjectKey, known: ObjectVersion?) async throws(StoreError) {
        guard !options.ordersChanges, store.features.conditionalDeletes, var version = known, version.key == key,
            version.etag != nil
        else { return try await store.delete(key, if: .none) }
        for _ in 1...Self.rounds {
            if try await VersionDelete(store: store).delete(version) { return }
            guard let info = try await store.headOrNil(key) else { return }
            version = ObjectVersion(key: key, etag: info.etag, size: info.size)
        }
        try await store.delete(key, if: .none)
    }
}

extension Inode {
    /// Whether a file of which this mount knows no stored version may have one all the same, by a commit whose answer got lost.
    var mayBeStored: Bool { state.withLock { $0.version == nil && $0.staged?.hasUnsettledCommits ?? false } }
}
