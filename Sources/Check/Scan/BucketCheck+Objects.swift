internal import FileSystem
internal import ObjectStore
internal import S3

/// The passes that ask for each object: its headers, its content.
extension BucketCheck {
    /// A position is kept no more often.
    private static let saveInterval: Duration = .seconds(2)

    /// What one object gave.
    private struct Seen: Sendable {
        var findings: [Finding] = []
        var error: StoreError?
        var wasThere = true
    }

    /// Looks at the headers of all objects: a HEAD each, and a GET for links.
    func headers(_ run: inout CheckProgress) async throws(StoreError) {
        try await pass(&run, width: options.parallel) { entry in
            await self.headersOf(entry)
        } count: {
            $0.headed += $1
        }
    }

    /// Reads all objects whole.
    func contents(_ run: inout CheckProgress) async throws(StoreError) {
        try await pass(&run, width: min(options.parallel, 16)) { entry in
            await self.contentOf(entry)
        } count: {
            $0.verified += $1
        }
    }

    private func pass(
        _ run: inout CheckProgress, width: Int, _ look: @escaping @Sendable (ListedEntry) async -> Seen,
        count: (inout CheckReport, Int) -> Void
    ) async throws(StoreError) {
        var walk = ListingWalk(prefix: options.prefix)
        let total = run.report.objects
        try await forEachPage(after: run.lastKey, &run) { page, run throws(StoreError) in
            let entries = page.objects.map { walk.next($0) }.filter { $0.hidden == nil && !$0.isReserved && !$0.isRoot }
            let seen = await Self.all(entries, width: width, look)
            for result in seen {
                if let error = result.error {
                    // Asked not to go on, or nobody there: what follows would fail as well.
                    guard error.kind == .accessDenied || error.kind == .archived || error.kind == .badResponse else {
                        throw error
                    }
                    run.report.fail(error.description)
                }
            }
            if Task.isCancelled { throw StoreError(.cancelled, operation: "check") }
            try await settle(seen.flatMap(\.findings), &run)
            count(&run.report, seen.count { $0.wasThere })
            run.done += page.objects.count
            run.lastKey = page.objects.last?.key.string ?? run.lastKey
            if ContinuousClock.now - run.saved > Self.saveInterval { keepPosition(&run, isDone: false) }
            events.progress(run.phase, run.done, max(total, run.done))
        }
    }

    /// Looks at all entries, so many at once, and returns what they gave in their order.
    private static func all(
        _ entries: [ListedEntry], width: Int, _ look: @escaping @Sendable (ListedEntry) async -> Seen
    ) async -> [Seen] {
        await withTaskGroup(of: (Int, Seen).self) { tasks in
            var results = [Seen](repeating: Seen(), count: entries.count)
            var next = 0
            func add() {
                guard next < entries.count else { return }
                let (index, entry) = (next, entries[next])
                next += 1
                tasks.addTask { (index, await look(entry)) }
            }
            for _ in 0..<max(1, width) { add() }
            while let (index, seen) = await tasks.next() {
                results[index] = seen
                // An error of all ends the pass; the rest need not be asked.
                if let kind = seen.error?.kind, kind == .cancelled || kind == .unreachable { next = entries.count }
                add()
            }
            return results
        }
    }

    // MARK: Headers

    private func headersOf(_ entry: ListedEntry) async -> Seen {
        do throws(StoreError) {
            guard let info = try await store.headOrNil(entry.key) else { return Seen(wasThere: false) }
            var object = HeadedObject(entry, info)
            if object.attributes.type == .symbolicLink, info.size > 0, info.size <= HeadedObject.linkLimit {
                let sink = BodyCollector()
                do throws(StoreError) {
                    try await store.get(entry.key, range: nil, ifMatch: info.etag, into: sink)
                    object = HeadedObject(entry, info, link: sink.bytes)
                } catch {
                    // Replaced meanwhile: somebody is at work.
                    guard error.kind == .preconditionFailed || error.kind == .notFound else { throw error }
                    return Seen(wasThere: false)
                }
            }
            return Seen(findings: CheckList.headers.flatMap { $0.see(object, scope) })
        } catch {
            return Seen(error: error)
        }
    }

    // MARK: Contents

    private func contentOf(_ entry: ListedEntry) async -> Seen {
        guard entry.object.size > 0, entry.object.storageClass.map({ $0 != "GLACIER" && $0 != "DEEP_ARCHIVE" }) ?? true
        else { return Seen(wasThere: false) }
        let sink = ContentDigest()
        do throws(StoreError) {
            let info = try await store.get(entry.key, range: nil, ifMatch: entry.object.etag, into: sink)
            let (count, digest) = sink.finish()
            var detail: String?
            if count != info.size {
                detail = "\(count) of \(info.size) bytes could be read"
            } else if let etag = info.etag, !info.isEncryptedWithKey, ContentDigest.isMD5(etag),
                etag.value.lowercased() != digest
            {
                detail = "its MD5 is \(digest), the store says \(etag)"
            }
            return Seen(findings: detail.map { [Finding(DamagedContent.info, entry.key, $0)] } ?? [])
        } catch {
            switch error.kind {
            case .notFound, .preconditionFailed: return Seen(wasThere: false)
            case .badResponse, .serverError:
                return Seen(findings: [Finding(DamagedContent.info, entry.key, "\(error)")])
            default: return Seen(error: error)
            }
        }
    }
}

/// The MD5 of a GET's bytes, which are not kept.
///
/// `receive` is called in order, and `finish` once the GET has returned: no two calls at once, so there is no lock.
private final class ContentDigest: DownloadSink {
    private nonisolated(unsafe) var digest: RunningDigest? = RunningDigest.md5()
    private nonisolated(unsafe) var count: Int64 = 0

    func begin(_ info: ObjectInfo, range: Range<Int64>) {}

    func receive(_ bytes: UnsafeRawBufferPointer) {
        digest?.update(bytes)
        count += Int64(bytes.count)
    }

    /// How many bytes came, and their MD5 in hexadecimal.
    func finish() -> (Int64, String) {
        let sum = digest.take()?.finish() ?? []
        return (count, sum.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined())
    }

    /// Whether an ETag is an MD5: 32 hexadecimal digits. That of a multipart upload ends in `-` and a number.
    static func isMD5(_ etag: ETag) -> Bool { etag.value.utf8.count == 32 && etag.value.allSatisfy(\.isHexDigit) }
}
