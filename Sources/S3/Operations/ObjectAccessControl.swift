internal import Logging
internal import ObjectStore
import Synchronization

/// The access control list of an object, kept when the object is copied: CopyObject gives each copy the default one.
///
/// **Problem.** A change of metadata and a rename are copies, and must not take `public-read` off an object. But most buckets have
/// no lists at all, and should not pay for them.
///
/// **Design.** Before the first copy the bucket is asked for its ownership controls: where its owner owns all (AWS's default
/// since 2023, SeaweedFS's too), lists mean nothing and nobody asks for them again. Else GetObjectAcl of the source goes out
/// along with the copy, and a list that says more than "all for the owner" is put on the copy afterwards. A store that knows
/// none of this, or does not let these keys do it, is remembered and told of in the log, once.
///
/// Requests: one GetBucketOwnershipControls for each copy until one has an answer; then one GetObjectAcl a copy, at the same time, or before
/// it where an object is copied onto itself, for the copy replaces the list; one PutObjectAcl where there is something to put.
///
/// **Limits.** A list that cannot be read or put just then (the store fails twice, and does not refuse) is lost: the object is
/// then its owner's alone. The first time the log has a warning, later on a line for debugging: moto (seen in 5.1) answers 500 for every
/// object that was uploaded in parts, for it gives those no list at all. Copies of over 5 GiB, which are made in parts, and new
/// contents have the default list.
///
/// See <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAcl.html>,
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectAcl.html> and
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketOwnershipControls.html>.
final class ObjectAccessControl: Sendable {
    /// What is known of the bucket.
    enum Knowledge: Sendable, Equatable {
        case unknown
        /// Objects may have lists of their own.
        case kept
        /// There are none, or we cannot have them.
        case none
    }

    private let knowledge = Mutex(Knowledge.unknown)
    private let hasWarned = Atomic<Bool>(false)

    /// Whether nobody was warned yet of a list that was lost; from now on somebody was.
    func isFirstLoss() -> Bool { !hasWarned.exchange(true, ordering: .relaxed) }

    var current: Knowledge { knowledge.withLock { $0 } }

    /// Notes what was learnt; says whether it is news. Nothing makes lists come back.
    func note(_ new: Knowledge) -> Bool {
        knowledge.withLock { knowledge in
            guard knowledge != .none, knowledge != new else { return false }
            knowledge = new
            return true
        }
    }
}

extension S3Store {
    /// Copies by `copy`, and gives the new object its source's list.
    func keepingAccessControl(
        of source: ObjectKey, at destination: ObjectKey,
        copy: () async throws(StoreError) -> StoredObject
    ) async throws(StoreError) -> StoredObject {
        // A list for all objects that the mount's options name counts, not the object's own.
        guard configuration.objectACLs == .keep, configuration.acl == nil, await mayHaveAccessControl() else {
            return try await copy()
        }
        guard source != destination else {
            let list = await accessControl(of: source)
            let stored = try await copy()
            if let list { await putAccessControl(list, on: destination) }
            return stored
        }
        async let list = accessControl(of: source)
        let stored = try await copy()
        if let list = await list { await putAccessControl(list, on: destination) }
        return stored
    }

    /// Attempts for a request that a copy waits for.
    private static let attempts = 2

    private func mayHaveAccessControl() async -> Bool {
        switch accessControl.current {
        case .kept: return true
        case .none: return false
        case .unknown: break
        }
        do throws(StoreError) {
            let ownership = try await perform(maxAttempts: Self.attempts) {
                var request = S3Request(.getBucketOwnershipControls, .get)
                request.query = [("ownershipControls", nil)]
                return request
            } read: { response throws(XMLReader.Failure) in
                try FlatDocument.read(response.body, root: "OwnershipControls")["ObjectOwnership"]
            }
            let isEnforced = ownership == "BucketOwnerEnforced"
            if accessControl.note(isEnforced ? .none : .kept), isEnforced {
                logger.debug("the bucket's owner owns all objects: they have no access control lists of their own")
            }
            return !isEnforced
        } catch {
            if error.isPassing { return true }
            // No controls, or a store or keys without a word on them: the lists themselves will tell.
            _ = accessControl.note(.kept)
            return accessControl.current == .kept
        }
    }

    /// GetObjectAcl; nil where the list is the default one, where there is none, and where it cannot be known.
    private func accessControl(of key: ObjectKey) async -> AccessControlList? {
        do throws(StoreError) {
            let list = try await perform(maxAttempts: Self.attempts) {
                var request = S3Request(.getObjectAcl, .get, key: key)
                request.query = [("acl", nil)]
                return request
            } read: { response throws(XMLReader.Failure) in
                try AccessControlList.read(response.body)
            }
            return list.isDefault ? nil : list
        } catch {
            // The copy says so itself.
            if error.kind == .notFound || error.kind == .cancelled { return nil }
            noteFailure(error, of: key, doing: "read")
            return nil
        }
    }

    /// PutObjectAcl.
    private func putAccessControl(_ list: AccessControlList, on key: ObjectKey) async {
        do throws(StoreError) {
            try await perform(maxAttempts: Self.attempts) {
                var request = S3Request(.putObjectAcl, .put, key: key)
                request.query = [("acl", nil)]
                for (name, value) in list.headers { request.setHeader(name, value) }
                return request
            } read: { _ in
            }
        } catch {
            noteFailure(error, of: key, doing: "put on its copy")
        }
    }

    private func noteFailure(_ error: StoreError, of key: ObjectKey, doing what: String) {
        // The object has gone meanwhile, and its list with it.
        if error.kind == .notFound { return }
        if error.isPassing {
            logger.log(
                level: accessControl.isFirstLoss() ? .warning : .debug,
                "the access control list of \"\(key)\" could not be \(what); the copy is its owner's alone: \(error)")
        } else if accessControl.note(.none) {
            logger.notice(
                "access control lists of objects are not kept from now on, for the store refuses them: \(error)")
        }
    }
}

extension StoreError {
    /// A failure that says nothing on what the store can do.
    fileprivate var isPassing: Bool {
        switch kind {
        case .throttled, .serverError, .timedOut, .unreachable, .cancelled, .tls: code != "NotImplemented"
        default: false
        }
    }
}
