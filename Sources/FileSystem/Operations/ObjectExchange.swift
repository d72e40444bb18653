internal import Logging
internal import ObjectStore

/// Exchanges the objects of two keys, so that each content stands under at least one key at every instant.
///
/// 1. The smaller is copied aside. 2. The larger is copied over the smaller. 3. The copy aside is copied over the larger.
/// 4. The copy aside is deleted. Steps 2 and 3 carry conditions on both ends: what somebody else stores under one of the keys
/// meanwhile is not overwritten, where the store honours that. From step 2 on nothing interrupts it.
///
/// If step 2 fails, nothing has changed and the copy aside goes. If step 3 fails, it is copied back over the smaller. Where
/// nobody knows whether a failed request will still take effect, the content that it would overwrite stays aside as well, the
/// larger's by a copy made before the smaller gets its key back. Whatever stays aside is named in the log, and the next mount sees to it
/// (``ExchangeRecovery``), as it does if the process dies on the way.
///
/// Requests: three CopyObjects (``ServerCopy``) and a DELETE; a failed step costs one or two CopyObjects more; one of which no
/// answer came, one or two HEADs.
struct ObjectExchange: Sendable {
    /// One of the two objects.
    struct Side: Sendable {
        /// The key that the other shall have.
        var key: ObjectKey
        /// The version to move, mostly under that key.
        var version: ObjectVersion
        /// What it has in its new place.
        var metadata: CopyRequest.Metadata
        /// For metadata that are kept.
        var storageClass: String?

        /// What must hold of the key for the other to take it.
        var unchanged: Precondition {
            guard version.key == key, let etag = version.etag else { return .none }
            return .matches(etag)
        }
    }

    /// Which of the two.
    enum Which: Sendable { case small, large }

    let copy: ServerCopy
    let logger: Logger
    /// The key for the copy of the smaller.
    let aside: ObjectKey
    /// The key for a copy of the larger, where one has to be kept.
    let asideOfLarge: ObjectKey
    let small: Side
    let large: Side
    /// Told where an object's content stands from now on, before it goes from where it stood.
    let moved: @Sendable (Which, ObjectVersion, Timestamp?) -> Void

    /// What stands aside behind an exchange.
    enum Rest: Sendable {
        /// Nothing.
        case nothing
        /// The copy of the smaller, which nobody needs.
        case garbage
        /// What may be the only copy: the next mount has to look.
        case unsettled
    }

    /// Does it, and says what is left aside.
    func run() async -> (result: Result<Void, StoreError>, rest: Rest) {
        let kept: ObjectVersion
        do throws(StoreError) {
            let stored = try await copy.copyLooking(small.version, to: aside, storageClass: small.storageClass)
            kept = ObjectVersion(key: aside, etag: stored.etag, size: small.version.size)
        } catch {
            // It may stand all the same, and nobody needs it.
            return (.failure(error), error.isAmbiguous ? await drop() : .nothing)
        }
        return await Task { await change(places: kept) }.value
    }

    private func change(places kept: ObjectVersion) async -> (result: Result<Void, StoreError>, rest: Rest) {
        moved(.small, kept, nil)
        let placed: ObjectVersion
        do throws(StoreError) {
            placed = try await put(large, over: small, from: large.version, as: .large)
        } catch {
            moved(.small, small.version, nil)
            if error.isAmbiguous {
                logger.error(
                    "an exchange of two files has failed, and a request that may still take effect could replace \"\(small.key)\": a copy of that stays in \"\(aside)\""
                )
                return (.failure(error), .unsettled)
            }
            return (.failure(error), await drop())
        }
        do throws(StoreError) {
            _ = try await put(small, over: large, from: kept, as: .small)
        } catch {
            return (.failure(error), await putBack(kept, over: placed, after: error))
        }
        return (.success(()), await drop())
    }

    /// Copies one side's content to the key of the other.
    private func put(_ side: Side, over other: Side, from version: ObjectVersion, as which: Which)
        async throws(StoreError) -> ObjectVersion
    {
        let stored: StoredObject
        do throws(StoreError) {
            stored = try await copy.copyLooking(
                version, to: other.key, metadata: side.metadata, storageClass: side.storageClass, if: other.unchanged)
        } catch {
            // Some stores take no condition with a copy.
            guard other.unchanged != .none, error.kind == .notImplemented else { throw error }
            stored = try await copy.copyLooking(
                version, to: other.key, metadata: side.metadata, storageClass: side.storageClass)
        }
        let new = ObjectVersion(key: other.key, etag: stored.etag, size: version.size)
        moved(which, new, stored.date)
        return new
    }

    /// The larger stands under both keys, the smaller aside: it gets its own back. Returns what stays aside.
    private func putBack(_ kept: ObjectVersion, over placed: ObjectVersion, after error: StoreError) async -> Rest {
        moved(.large, large.version, nil)
        let condition = placed.etag.map { Precondition.matches($0) } ?? .none
        do throws(StoreError) {
            if error.isAmbiguous {
                _ = try await copy.copyLooking(large.version, to: asideOfLarge, storageClass: large.storageClass)
            }
            let stored: StoredObject
            do throws(StoreError) {
                stored = try await copy.copyLooking(
                    kept, to: small.key, storageClass: small.storageClass, if: condition)
            } catch {
                guard condition != .none, error.kind == .notImplemented else { throw error }
                stored = try await copy.copyLooking(kept, to: small.key, storageClass: small.storageClass)
            }
            moved(
                .small, ObjectVersion(key: small.key, etag: stored.etag, size: kept.size), stored.date)
            let rest = await drop()
            guard error.isAmbiguous else { return rest }
            logger.error(
                "an exchange of two files has failed, and a request that may still take effect could replace \"\(large.key)\": a copy of that stays in \"\(asideOfLarge)\""
            )
        } catch let failure {
            logger.critical(
                "an exchange of two files has failed in the middle (\(error)) and could not be taken back (\(failure)); the content of \"\(small.key)\" is in \"\(aside)\", and both names have that of \"\(large.key)\""
            )
        }
        return .unsettled
    }

    /// The copy aside has served.
    private func drop() async -> Rest {
        let aside = aside
        let (store, logger) = (copy.store, logger)
        return await Task {
            do throws(StoreError) {
                try await store.delete(aside, if: .none)
                return .nothing
            } catch {
                logger.warning("a copy that an exchange of two files has made stays in \"\(aside)\": \(error)")
                return .garbage
            }
        }.value
    }
}
