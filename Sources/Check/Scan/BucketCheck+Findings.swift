internal import FileSystem
internal import ObjectStore
internal import S3

/// What becomes of findings: confirmed, mended where that is asked for, added to the report.
extension BucketCheck {
    /// Findings that are confirmed or mended at once.
    private static let width = 16

    /// Settles the findings of a page.
    /// - Throws: `cancelled`; what is not settled then is found again by the next run.
    func settle(_ findings: [Finding], _ run: inout CheckProgress) async throws(StoreError) {
        let work = findings.contains(where: { $0.check.severity > .note }) ? await options.ownedWork() : OwnedWork()
        let findings = findings.filter { !isAtWork($0, work, run.told) }
        // Several findings of one object may have one and the same repair.
        var groups: [(repair: Repair?, findings: [Finding])] = []
        for finding in findings {
            if let repair = finding.repair, let last = groups.last, last.repair == repair,
                last.findings[0].key == finding.key
            {
                groups[groups.count - 1].findings.append(finding)
            } else {
                groups.append((finding.repair, [finding]))
            }
        }
        var next = 0
        while next < groups.count {
            // Two repairs of one object follow one another.
            var keys: Set<ObjectKey> = []
            let batch = groups[next...].prefix(Self.width).prefix { keys.insert($0.findings[0].key).inserted }
            next += batch.count
            let settled = await withTaskGroup(of: (Int, Settled).self) { tasks in
                for (index, group) in zip(batch.indices, batch) {
                    let findings = group.findings
                    tasks.addTask { (index, await self.settle(findings, work)) }
                }
                var results: [Int: Settled] = [:]
                for await (index, result) in tasks { results[index] = result }
                return results
            }
            var failure: StoreError?
            for (index, group) in zip(batch.indices, batch) {
                guard let result = settled[index] else { continue }
                switch result {
                case .unconfirmed: break
                case .failed(let error): failure = error
                case .found(let state, let remark, let copy):
                    for finding in group.findings { run.report.add(finding, state, remark: remark) }
                    if let copy, let first = group.findings.first {
                        run.moves.append((copy, first.key, first.check.name))
                    }
                }
            }
            if let failure { throw failure }
            if Task.isCancelled { throw StoreError(.cancelled, operation: "check") }
        }
    }

    private enum Settled: Sendable {
        case unconfirmed
        case failed(StoreError)
        case found(CheckReport.State, remark: String?, copy: ObjectKey?)
    }

    /// Whether a finding is a live mount's affair, or was told as a dead one's.
    private func isAtWork(_ finding: Finding, _ work: OwnedWork, _ told: OwnedWork) -> Bool {
        guard finding.check.severity > .note else { return false }
        return told.owns(finding) || !options.isForced && work.owns(finding)
    }

    /// Uploads that still are there, that no part has come of lately, and that no live mount of this machine owns.
    ///
    /// A mount notes an upload right after the store has told it the upload's name: so it is asked behind the second look, a moment after
    /// the first. Requests: one ListParts an upload.
    func lookAgain(at findings: [Finding], _ told: OwnedWork) async throws(StoreError) -> [Finding] {
        guard !findings.isEmpty else { return [] }
        let work = await options.ownedWork()
        let doubtful = findings.filter { !isAtWork($0, work, told) }
        guard let progress = options.uploadProgress, !doubtful.isEmpty else { return doubtful }
        try? await Task.sleep(for: Self.secondLook)
        var found: [Finding] = []
        for finding in doubtful {
            guard case .abortUpload(let upload) = finding.repair else { continue }
            if Task.isCancelled { throw StoreError(.cancelled, operation: "check") }
            guard meter.allows(1) else { throw StoreError(.cancelled, operation: "ListParts") }
            do throws(StoreError) {
                let seen = try await progress(upload)
                for _ in 0..<(seen?.requests ?? 1) { meter.note() }
                if let finding = IncompleteUpload.see(finding, seen, scope) { found.append(finding) }
            } catch {
                meter.note()
                // Not every store lists parts, and not all keys may: the listing of uploads has to do.
                guard [.notImplemented, .accessDenied, .invalidRequest, .badResponse].contains(error.kind) else {
                    throw error
                }
                found.append(finding)
            }
        }
        return found
    }

    /// How long after the first look the second one follows.
    private static let secondLook = Duration.milliseconds(500)

    private func settle(_ findings: [Finding], _ work: OwnedWork) async -> Settled {
        guard let first = findings.first else { return .unconfirmed }
        do throws(StoreError) {
            if let confirmation = first.confirmation, try await !holds(confirmation, first.key) { return .unconfirmed }
        } catch { return .failed(error) }
        guard let repair = first.repair, options.mending.covers(first.check) else {
            return .found(.found, remark: nil, copy: nil)
        }
        if let reason = refusal(first, work) { return .found(.failed, remark: reason, copy: nil) }
        // Begun, it is done: so none is begun once the check is over or the limit near.
        guard !Task.isCancelled, meter.allows(8) else {
            return .failed(StoreError(.cancelled, operation: "check"))
        }
        switch await repairer.mend(first.key, repair) {
        case .mended(let copy): return .found(.mended, remark: copy.map { "now \($0)" }, copy: copy)
        case .gone: return .unconfirmed
        case .left(let reason): return .found(.failed, remark: reason, copy: nil)
        }
    }

    /// Why it is not mended although it may be: it may be a live mount's.
    private func refusal(_ finding: Finding, _ work: OwnedWork) -> String? {
        if options.isForced { return nil }
        if let reason = work.refusal(finding.key) { return "\(reason); run the check again later, or use --force" }
        guard finding.check.group == .inFlight, let place = work.silent.first else { return nil }
        return "the bucket is mounted at \(place), which does not tell what it owns: unmount it, or use --force"
    }

    private func holds(_ confirmation: Confirmation, _ key: ObjectKey) async throws(StoreError) -> Bool {
        let info = try await store.headOrNil(key)
        switch confirmation {
        case .cannotBeAsked: return info == nil
        case .isUnchanged(let etag): return info != nil && (etag == nil || info?.etag == etag)
        case .hidesWhatIsBelow(let etag):
            guard let info, etag == nil || info.etag == etag else { return false }
            let attributes = StoredAttributes(
                decoding: info, key: key, defaults: AttributeDefaults(owner: 0, group: 0))
            guard attributes.type != .directory else { return false }
            let below = try await store.list(ListRequest(prefix: key.string + "/", limit: 2)).objects
            return below.contains { $0.key.string != key.string + "/" }
        }
    }

    // MARK: The list of what was moved

    /// Puts a text beside what was moved to `lost+found/`: what each was called.
    func writeMoves(_ run: inout CheckProgress) async {
        guard !run.moves.isEmpty else { return }
        var text = "What pail check has moved here: the new name, the key that it had, and the check that found it.\n\n"
        for move in run.moves { text += "\(move.to)\t\(move.from)\t\(move.check)\n" }
        let key = ObjectKey(options.prefix + LostAndFound.name + "/REPORT-\(options.now).txt")
        if let error = await repairer.note(text, at: key) {
            run.report.remarks.append("the list of what was moved could not be stored in \(key): \(error)")
        } else {
            run.report.remarks.append("what was moved is listed in \(key)")
        }
    }
}
