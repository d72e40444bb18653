/// Finds out by trying which conditions and operations a store honours.
///
/// Problem: stores that call themselves S3-compatible ignore headers that promises rest on, and answer 200 all the same.
///
/// Design: eight groups of requests run at once, each on small objects of its own below one random prefix. A capability counts
/// only if both sides of it were seen: the right condition accepted and the wrong one refused, a copy's content and the new
/// metadata read back. A refusal of the request itself counts as "lacking"; no answer, or "too busy", counts as nothing: the
/// whole probe then throws, to be made again later. What was made is deleted at the end, however it ends.
///
/// Requests: about 50, most of them in the time of ten round trips; they move a few hundred bytes.
///
/// Limits: the ETags' own truth is not checked, nor limits of size. In a versioned bucket the deleted versions stay until a
/// lifecycle rule takes them.
public struct StoreProbe: Sendable {
    /// What was found.
    public struct Result: Sendable, Equatable {
        /// The store's features.
        public var features: StoreFeatures
        /// Whether it may be kept: nothing failed by an error of the server that may be another one tomorrow.
        public var isConclusive: Bool
    }

    let store: any ObjectStore
    /// What all keys of the probe begin with: ends in `/`.
    let prefix: String
    /// The directories that a store which has such makes for the probe's keys, the deepest first.
    private let directories: [ObjectKey]

    /// A probe of a store.
    /// - Parameter prefix: what is mounted: empty, or with `/` at its end. Keys are made in `.pail/probe/` below it.
    public init(_ store: any ObjectStore, prefix: String) {
        self.store = store
        let reserved = prefix + ".pail/"
        let own = reserved + "probe/" + String(UInt64.random(in: .min ... .max), radix: 36) + "/"
        self.prefix = own
        directories = [ObjectKey(own), ObjectKey(reserved + "probe/"), ObjectKey(reserved)]
    }

    /// Makes the probe.
    /// - Throws: `accessDenied` where the credentials may not write; else what kept the store from answering.
    public func run() async throws(StoreError) -> Result {
        let outcome = await findings()
        // Not cancelled with the probe, and quick: a mount that ends leaves nothing behind.
        await Task { await cleanUp() }.value
        var result = Result(features: store.features, isConclusive: true)
        for (capability, verdict) in try outcome.get() {
            result.features[keyPath: capability.feature] = verdict == .honoured
            if verdict == .failed { result.isConclusive = false }
        }
        result.features.isProbing = false
        return result
    }

    /// What became of one capability.
    enum Verdict: Sendable, Equatable {
        /// Both sides were seen.
        case honoured
        /// One side was not.
        case lacking
        /// The server failed at it: not to be relied on, not to be remembered.
        case failed

        /// Of both: the worse.
        func and(_ other: Verdict) -> Verdict {
            if self == .failed || other == .failed { return .failed }
            return self == .lacking || other == .lacking ? .lacking : .honoured
        }
    }

    typealias Findings = [StoreCapability: Verdict]

    private func findings() async -> Swift.Result<Findings, StoreError> {
        // First of all, and alone: whether anything can be written at all.
        do throws(StoreError) {
            _ = try await put("first", "probe")
        } catch {
            return .failure(error)
        }
        let groups: [(of: [StoreCapability], ask: @Sendable () async throws(StoreError) -> Findings)] = [
            ([.conditionalWrites], writes), ([.conditionalCompletions], completions), ([.conditionalReads], reads),
            ([.conditionalCopies, .selfCopies], copies), ([.conditionalCopyTargets], copyTargets),
            ([.conditionalDeletes], deletes), ([.partCopies], partCopies), ([.directoryMetadata], directories),
        ]
        return await withTaskGroup(of: Swift.Result<Findings, StoreError>.self) { tasks in
            for group in groups {
                tasks.addTask {
                    do throws(StoreError) { return .success(try await group.ask()) } catch {
                        // What a group needs before it can ask may be what the store lacks.
                        do throws(StoreError) {
                            let verdict = try verdict(on: error)
                            return .success(Findings(uniqueKeysWithValues: group.of.map { ($0, verdict) }))
                        } catch { return .failure(error) }
                    }
                }
            }
            var all: Findings = [:]
            var failure: StoreError?
            for await found in tasks {
                switch found {
                case .success(let found): all.merge(found) { $0.and($1) }
                case .failure(let error):
                    if failure == nil || failure?.kind == .cancelled { failure = error }
                    tasks.cancelAll()
                }
            }
            if let failure { return .failure(failure) }
            return .success(all)
        }
    }

    /// Deletes what lies below the probe's prefix, its uploads, and the directories that some stores make by themselves.
    private func cleanUp() async {
        if let page = try? await store.listUploads(prefix: prefix, after: nil) {
            // Stores differ in how they take a prefix here: only the probe's own.
            for upload in page.uploads where upload.key.hasPrefix(prefix) { try? await store.abortUpload(upload) }
        }
        let left = (try? await store.list(ListRequest(prefix: prefix, limit: 1000)))?.objects.map(\.key) ?? []
        for key in left.sorted(by: >) { try? await store.delete(key, if: .none) }
        // A store without directories deletes nothing here, one with directories none that is not empty.
        for directory in directories { try? await store.delete(directory, if: .none) }
    }
}
